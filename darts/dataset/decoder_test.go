package dataset_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/pretext"
)

func TestDecodesJPEG(t *testing.T) {
	for _, src := range []pretext.Source{&dataset.CIFAR10{}, &dataset.Cityscapes{}} {
		assert.False(t, pretext.DecodesJPEG(src), "%T", src)
	}
	assert.True(t, pretext.DecodesJPEG(&dataset.ImageNet22K{}))
}

// TestFolderDecodesJPEG says yes where a file ends as JPEG files do.
func TestFolderDecodesJPEG(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string][]byte
		want  bool
	}{
		"PNG":       {map[string][]byte{"a/1.png": nil, "a/2.PNG": nil}, false},
		"a JPEG":    {map[string][]byte{"a/1.png": nil, "b/1.JPEG": nil}, true},
		"unlabeled": {map[string][]byte{"1.jpg": nil}, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tree(t, dir, c.files)
			src, err := dataset.OpenFolder(dir, nil)
			require.NoError(t, err)
			assert.Equal(t, c.want, pretext.DecodesJPEG(src))
			assert.Equal(t, c.want, pretext.DecodesJPEG(darts.Subset(src, []int{0})))
		})
	}
}

func TestDecodesImages(t *testing.T) {
	for _, src := range []pretext.Source{&dataset.CIFAR10{}} {
		assert.False(t, pretext.DecodesImages(src), "%T", src)
	}
	for _, src := range []pretext.Source{&dataset.Folder{}, &dataset.ImageNet22K{}, &dataset.Cityscapes{}} {
		assert.True(t, pretext.DecodesImages(src), "%T", src)
		assert.True(t, pretext.DecodesImages(darts.Subset(src, nil)), "%T", src)
	}
}
