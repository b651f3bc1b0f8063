package dataset_test

import (
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
)

func TestOpenTrain(t *testing.T) {
	cifar := t.TempDir()
	writeBatches(t, cifar, ".bin", cifarImage(3, 7))
	src, err := dataset.OpenTrain(t.Context(), cifar, dataset.Options{})
	require.NoError(t, err)
	assert.IsType(t, new(dataset.CIFAR10), src)
	assert.Equal(t, 5, src.Len())

	dir := t.TempDir()
	for _, name := range []string{"train/cat/1.png", "train/cat/2.png", "train/dog/1.png", "val/cat/1.png"} {
		write(t, filepath.Join(dir, name), nil)
	}
	for folder, want := range map[string]int{dir: 3, filepath.Join(dir, "train"): 3, filepath.Join(dir, "train", "cat"): 2} {
		src, err := dataset.OpenTrain(t.Context(), folder, dataset.Options{IgnoreOrientation: true})
		require.NoError(t, err, folder)
		assert.Equal(t, want, src.Len(), folder)
	}
}

func TestOpenTrainErrors(t *testing.T) {
	dir := t.TempDir()
	src, err := dataset.OpenTrain(t.Context(), filepath.Join(dir, "nowhere"), dataset.Options{})
	assert.Nil(t, src)
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, "want either class folders or images")
	src, err = dataset.OpenTrain(t.Context(), dir, dataset.Options{})
	assert.Nil(t, src)
	assert.ErrorContains(t, err, "no images in "+dir)
	write(t, filepath.Join(dir, "data_batch_1.bin"), cifarImage(3, 7))
	src, err = dataset.OpenTrain(t.Context(), dir, dataset.Options{})
	assert.Nil(t, src)
	assert.ErrorContains(t, err, "lacks data_batch_2.bin")
}
