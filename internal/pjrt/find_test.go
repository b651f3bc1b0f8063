package pjrt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o644))
		return path
	}
	t.Setenv("HOME", filepath.Join(dir, "home"))
	t.Setenv("PATH", "")
	t.Setenv("VIRTUAL_ENV", filepath.Join(dir, "venv"))
	t.Setenv(PathVariable, "")
	paths := func(found []Candidate) (list []string) {
		for _, c := range found {
			if strings.HasPrefix(c.Path, dir) {
				list = append(list, c.Path)
			}
		}
		return list
	}
	find := func(platform string) []string {
		found, looked := Find(platform)
		assert.NotEmpty(t, looked)
		return paths(found)
	}
	assert.Empty(t, find("cuda"))
	_, looked := Find("cuda")
	assert.Contains(t, looked, "PJRT_PLUGIN_PATH, which is not set")
	assert.Contains(t, looked, filepath.Join(dir, "venv/lib/python3*/site-packages"))

	cuda := file("venv/lib/python3.12/site-packages/jax_plugins/xla_cuda13/xla_cuda_plugin.so")
	old := file("venv/lib/python3.12/site-packages/jax_plugins/xla_cuda12/xla_cuda_plugin.so")
	user := file("home/.local/lib/python3.11/site-packages/jax_plugins/xla_cuda13/xla_cuda_plugin.so")
	tpu := file("home/.local/lib/python3.11/site-packages/libtpu/libtpu.so")
	cpu := file("target/xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so")
	mine, other := file("mine/libtpu.so"), file("mine/plugin.so")
	assert.Equal(t, []string{cuda, old, user}, find("cuda"))
	assert.Equal(t, []string{tpu}, find("tpu"))
	assert.Empty(t, find("cpu"))

	t.Setenv(PathVariable, strings.Join([]string{mine, other, filepath.Join(dir, "target"), filepath.Join(dir, "absent.so")}, string(filepath.ListSeparator)))
	assert.Equal(t, []string{mine, other, tpu}, find("tpu"))
	assert.Equal(t, []string{other, cpu}, find("cpu"))
	found, looked := Find("cpu")
	assert.Equal(t, "PJRT_PLUGIN_PATH", found[0].From)
	assert.Contains(t, looked, filepath.Join(dir, "absent.so"))

	assert.Equal(t, []string{other}, find(other))
	assert.Empty(t, find(filepath.Join(dir, "absent.so")))
	assert.Empty(t, Install("abacus"))
	for _, platform := range Platforms() {
		assert.Contains(t, Install(platform), "pip install ")
	}
}

func TestMissingCUDA(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", "")
	plugin := filepath.Join(dir, "jax_plugins", "xla_cuda97", "xla_cuda_plugin.so")
	at, missing := missingCUDA(plugin)
	assert.Equal(t, filepath.Join(dir, "nvidia"), at)
	assert.Subset(t, missing, []string{"libcudart.so.97", "libcublas.so.97", "libcublasLt.so.97", "ptxas", "libdevice.10.bc"})
	for _, name := range []string{"cu97/lib/libcudart.so.97", "cublas/lib/libcublas.so.97", "cu97/bin/ptxas"} {
		path := filepath.Join(dir, "nvidia", filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o644))
	}
	_, missing = missingCUDA(plugin)
	assert.Subset(t, missing, []string{"libcublasLt.so.97", "libdevice.10.bc"})
	assert.NotContains(t, missing, "libcudart.so.97")
	assert.NotContains(t, missing, "ptxas")

	err := (&Plugin{path: plugin}).explain(&Error{9, "No visible GPU devices."})
	assert.ErrorContains(t, err, "pjrt: failed precondition: No visible GPU devices.; ")
	assert.ErrorContains(t, err, `libdevice.10.bc: pip install "jax-cuda13-plugin[with-cuda]"`)
}
