package dataset_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/darts/dataset"
	"unnas/pretext"
)

func TestDecodesJPEG(t *testing.T) {
	for _, src := range []pretext.Source{&dataset.CIFAR10{}, &dataset.Cityscapes{}, &dataset.Scenes{}} {
		assert.False(t, pretext.DecodesJPEG(src), "%T", src)
	}
	for _, src := range []pretext.Source{&dataset.Folder{}, &dataset.ImageNet22K{}} {
		assert.True(t, pretext.DecodesJPEG(src), "%T", src)
	}
}
