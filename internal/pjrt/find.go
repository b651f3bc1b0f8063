package pjrt

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// PathVariable is the environment variable that names plugins, and folders in which pip
// installs them, separated as in PATH.
const PathVariable = "PJRT_PLUGIN_PATH"

// A wheel is how plugins for a platform are distributed.
type wheel struct {
	install string   // command
	files   []string // below site-packages, the best first
}

var wheels = map[string]wheel{
	"cpu": {"pip install lammps-jax-pjrt-cpu==0.11.2", []string{
		"lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so",
		"xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so",
	}},
	"cuda": {`pip install "jax-cuda13-plugin[with-cuda]"`, []string{
		"jax_plugins/xla_cuda13/xla_cuda_plugin.so",
		"jax_plugins/xla_cuda12/xla_cuda_plugin.so",
	}},
	"tpu": {"pip install libtpu", []string{"libtpu/libtpu.so"}},
}

// Platforms returns the platforms that [Find] knows by name.
func Platforms() []string { return []string{"cpu", "cuda", "tpu"} }

// Install returns the command that installs a plugin for a platform, or "".
func Install(platform string) string { return wheels[platform].install }

// A Candidate is the file of a plugin.
type Candidate struct {
	Path string
	From string // where it was found, such as PJRT_PLUGIN_PATH
}

// Find returns the plugins for a platform, the one to take first, and where it looked. A
// platform that is the path of a file is that plugin. Otherwise Find looks in
// PJRT_PLUGIN_PATH and in the folders in which pip installs packages: those of the virtual
// environment, of python3 in PATH, of the user and of the system.
func Find(platform string) (found []Candidate, looked []string) {
	if strings.ContainsRune(platform, filepath.Separator) || strings.HasSuffix(platform, ".so") {
		if isFile(platform) {
			found = append(found, Candidate{platform, "path"})
		}
		return found, []string{platform}
	}
	add := func(path, from string) {
		same := func(c Candidate) bool { return c.Path == path }
		if isFile(path) && !slices.ContainsFunc(found, same) {
			found = append(found, Candidate{path, from})
		}
	}
	folder := func(dir, from string) {
		if slices.Contains(looked, dir) {
			return
		}
		looked = append(looked, dir)
		for _, file := range wheels[platform].files {
			add(filepath.Join(dir, filepath.FromSlash(file)), from)
		}
	}
	named := os.Getenv(PathVariable)
	if named == "" {
		looked = append(looked, PathVariable+", which is not set")
	}
	for _, path := range filepath.SplitList(named) {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			folder(path, PathVariable)
			continue
		}
		looked = append(looked, path)
		if of := platformOf(path); of == platform || of == "" {
			add(path, PathVariable)
		}
	}
	for _, pattern := range packages() {
		dirs, _ := filepath.Glob(pattern) // the patterns are well formed
		if len(dirs) == 0 {
			looked = append(looked, pattern)
		}
		for _, dir := range slices.Backward(dirs) { // the newest Python first
			folder(dir, dir)
		}
	}
	return found, looked
}

// platformOf returns the platform that the name of a file has, or "".
func platformOf(path string) string {
	name := strings.ToLower(filepath.Base(path))
	for _, platform := range Platforms() {
		if strings.Contains(name, platform) {
			return platform
		}
	}
	return ""
}

// packages returns folders in which pip installs packages, or patterns of them.
func packages() []string {
	var list []string
	if dir := os.Getenv("VIRTUAL_ENV"); dir != "" {
		list = append(list, filepath.Join(dir, "lib", "python3*", "site-packages"))
	}
	list = append(list, pythonPackages()...)
	if home, err := os.UserHomeDir(); err == nil {
		list = append(list, filepath.Join(home, ".local", "lib", "python3*", "site-packages"))
	}
	return append(list, "/usr/local/lib/python3*/dist-packages", "/usr/lib/python3/dist-packages")
}

// pythonPackages returns the folders of packages that python3 in PATH names.
func pythonPackages() []string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	const program = `import site; print("\n".join(site.getsitepackages()))`
	out, err := exec.CommandContext(ctx, "python3", "-c", program).Output()
	if err != nil {
		return nil // there is no python3
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// explain adds to an error of a plugin for NVIDIA GPUs what it does not find.
func (p *Plugin) explain(err error) error {
	if platformOf(p.path) != "cuda" {
		return err
	}
	if !library.Has("libcuda.so.1") {
		err = fmt.Errorf("%w; libcuda.so.1 is missing: install the driver of the GPU", err)
	}
	if dir, missing := missingCUDA(p.path); missing != nil {
		err = fmt.Errorf("%w; missing in %s: %s: %s", err, dir, strings.Join(missing, ", "), Install("cuda"))
	}
	return err
}

// missingCUDA returns the folder where the plugin looks for what it needs of CUDA, and what is
// neither there nor provided by the system.
func missingCUDA(plugin string) (dir string, missing []string) {
	dir = filepath.Join(filepath.Dir(plugin), "..", "..", "nvidia")
	major := strings.TrimPrefix(filepath.Base(filepath.Dir(plugin)), "xla_cuda")
	for _, file := range []string{
		"lib/libcudart.so." + major, "lib/libcublas.so." + major, "lib/libcublasLt.so." + major, "lib/libcudnn.so.9",
		"bin/ptxas", "nvvm/libdevice/libdevice.10.bc",
	} {
		name := path.Base(file)
		matches, _ := filepath.Glob(filepath.Join(dir, "*", filepath.FromSlash(file)))
		_, err := exec.LookPath(name)
		if len(matches) == 0 && err != nil && !library.Has(name) {
			missing = append(missing, name)
		}
	}
	return dir, missing
}
