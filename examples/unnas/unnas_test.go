package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts"
)

// load reads and checks settings.
func load(t testing.TB, path string, pairs ...string) *config {
	t.Helper()
	c, err := read(path, pairs)
	require.NoError(t, err)
	require.NoError(t, c.check())
	return c
}

// TestPublishedSearches holds the twelve searches, written as files, against the
// presets of the library.
func TestPublishedSearches(t *testing.T) {
	names := map[string]string{"cls": "classification", "seg": "segmentation", "rot": "rotation", "col": "colorization", "jig": "jigsaw"}
	files, err := filepath.Glob("testdata/*/*.yaml")
	require.NoError(t, err)
	seen := 0
	for _, path := range files {
		data, file := filepath.Base(filepath.Dir(path)), filepath.Base(path)
		name, published := names[file[:len(file)-len(".yaml")]]
		if !published {
			continue
		}
		seen++
		t.Run(data+"/"+name, func(t *testing.T) {
			if data == "imagenet" {
				data = "imagenet1k"
			}
			wantTask, want, err := darts.PublishedSearch(data, name)
			require.NoError(t, err)
			if data == "imagenet22k" { // those of the release ran on four GPUs
				want = want.WithBatch(4 * want.Batch)
			}
			c := load(t, path)
			got, err := c.search()
			require.NoError(t, err)
			want.Seed, want.Workers = 1, 8 // the defaults of the release
			assert.Equal(t, want, got)
			assert.Equal(t, wantTask, c.task())
		})
	}
	assert.Equal(t, 12, seen)
}

// TestDump reads back what it writes: the defaults, and settings of all types.
func TestDump(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"", "testdata/imagenet22k/jig.yaml", "testdata/nas.yaml", "testdata/nas_bench.yaml"} {
		t.Run(path, func(t *testing.T) {
			want := defaults()
			if path != "" {
				want = load(t, path, "OPTIM.STEPS", "(0, 8)", "OUT_DIR", "'1.0'", "HOST", "yes")
			}
			var text bytes.Buffer
			require.NoError(t, want.dump(&text))
			again := filepath.Join(dir, configFile)
			require.NoError(t, os.WriteFile(again, text.Bytes(), 0o644))
			got, err := read(again, nil)
			require.NoError(t, err, "%s", text.String())
			var twice bytes.Buffer
			require.NoError(t, got.dump(&twice))
			assert.Equal(t, text.String(), twice.String())
			got.origins, want.origins = nil, nil
			for _, c := range []*config{got, want} { // an empty list is as good as none
				for _, list := range []*[]int{&c.Optim.Steps} {
					if len(*list) == 0 {
						*list = nil
					}
				}
				if len(c.NAS.Matrix) == 0 {
					c.NAS.Matrix, c.NAS.Ops = nil, nil
				}
			}
			assert.Equal(t, want, got)
		})
	}
}
