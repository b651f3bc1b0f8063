package darts_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/pretext"
	"unnas/segmentation"
)

// TestSearchTasks searches with the tasks whose labels are not one for each input.
func TestSearchTasks(t *testing.T) {
	images, err := dataset.NewScenes(10, 32, 24, 1)
	require.NoError(t, err)
	for _, task := range []pretext.Task{
		pretext.JigsawCIFAR10(), // one for four tiles
		segmentation.Task{View: pretext.Scenes(16), ASPP: segmentation.SearchASPP(19)}, // one for each pixel
	} {
		t.Run(task.Name(), func(t *testing.T) {
			config := darts.DARTS()
			config.Space = cell.DARTS(cell.CIFARStem, 2, 3)
			config.Space.Body.Reductions = cell.Reductions(3, 1)
			config.Epochs, config.Batch = 1, 4
			result, err := darts.Search(context.Background(), images, task, config)
			require.NoError(t, err)
			assert.Equal(t, 1, result.Epochs)
			assert.Positive(t, result.Last.TrainLoss)
		})
	}
}
