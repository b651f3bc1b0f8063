package release

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
)

// TestOpenCityscapes needs gtFine for segmentation alone.
func TestOpenCityscapes(t *testing.T) {
	dir := t.TempDir()
	city := filepath.Join(dir, "leftImg8bit", "train", "ulm")
	require.NoError(t, os.MkdirAll(city, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(city, "a_leftImg8bit.png"), nil, 0o644))
	c := defaults()
	c.Train.Dataset, c.Model.NumClasses = cityscapes, 19
	for _, task := range []string{taskRot, taskCol, taskJig} {
		c.TaskKey = task
		src, err := c.Open(t.Context(), dir, dataset.Train, dataset.Options{})
		require.NoError(t, err, task)
		assert.Equal(t, 1, src.Len())
	}
	c.TaskKey = taskSeg
	_, err := c.Open(t.Context(), dir, dataset.Train, dataset.Options{})
	require.ErrorContains(t, err, "gtFine")
}
