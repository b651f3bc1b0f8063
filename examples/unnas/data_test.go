package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRecognise(t *testing.T) {
	many := t.TempDir()
	for i := range imageNet1K + 1 {
		require.NoError(t, os.Mkdir(filepath.Join(many, fmt.Sprintf("n%08d", i)), 0o755))
	}
	indexed := t.TempDir()
	write(t, filepath.Join(indexed, ".imagenet22k-index"), nil)
	cifar := t.TempDir()
	write(t, filepath.Join(cifar, "cifar-10-batches-py", "data_batch_1"), nil)
	for dir, want := range map[string]string{
		images(t, 8): "cifar10", cifar: "cifar10", imageNet(t, 2): "imagenet1k", many: "imagenet22k", indexed: "imagenet22k",
		city(t): "cityscapes", photos(t): "folder", classFolders(t): "folder", t.TempDir(): "folder",
		filepath.Join(imageNet(t, 2), "train"): "folder",
	} {
		got, err := recognise(dir)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}

// TestOpenTrain takes the folder train for a class, as bus and car are, unless it holds
// folders of classes itself.
func TestOpenTrain(t *testing.T) {
	for name, test := range map[string]struct {
		files []string
		want  []string
		said  bool
	}{
		"a class":      {[]string{"train/1.png", "bus/1.png", "car/1.png"}, []string{"bus", "car", "train"}, false},
		"a split":      {[]string{"train/cat/1.png", "train/dog/1.png", "val/cat/1.png"}, []string{"cat", "dog"}, true},
		"a hidden one": {[]string{"train/.cache/1.png", "train/1.png", "bus/1.png"}, []string{"bus", "train"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range test.files {
				write(t, filepath.Join(dir, file), nil)
			}
			var out bytes.Buffer
			c, err := commandOf("search").parse([]string{"-data", dir}, &out)
			require.NoError(t, err)
			k, err := c.kind()
			require.NoError(t, err)
			src, err := c.open(t.Context(), k, nil, nil)
			require.NoError(t, err)
			assert.Equal(t, test.want, src.Classes())
			assert.Equal(t, test.said, strings.Contains(out.String(), filepath.Join(dir, "train")+" has folders of classes"))
		})
	}
}

// TestOutAmongImages refuses run directories in data sets, and data sets in run directories.
func TestOutAmongImages(t *testing.T) {
	data := classFolders(t)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(data, link))
	t.Chdir(data)
	for name, args := range map[string][]string{
		"the same":       {"search", "-data", data, "-out", data},
		"inside":         {"search", "-data", data, "-out", filepath.Join(data, "train", "run", "1")},
		"by default":     {"search", "-data", "."},
		"around":         {"train", "-cell", "darts_v2", "-data", data, "-out", filepath.Dir(data)},
		"inside -val":    {"train", "-cell", "darts_v2", "-data", filepath.Join(data, "train"), "-val", filepath.Join(data, "val"), "-out", "val/run"},
		"behind a link":  {"search", "-data", data, "-out", filepath.Join(link, "run")},
		"link to images": {"search", "-data", link, "-out", "run"},
		"rank":           {"rank", "-data", data, "-out", filepath.Join(data, "rank")},
	} {
		t.Run(name, func(t *testing.T) {
			err := fails(t, args...)
			assert.ErrorContains(t, err, "lie in one another; give an -out elsewhere")
			assert.ErrorAs(t, err, new(usageError))
		})
	}
	entries, err := os.ReadDir(data)
	require.NoError(t, err)
	assert.Len(t, entries, 2, "train and val")
}
