package darts_test

import (
	"context"
	"fmt"
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
		pretext.JigsawCIFAR10(),                                                        // one for four tiles
		pretext.Colorization{View: pretext.Scenes(16)},                                 // one for each cell of pixels
		segmentation.Task{View: pretext.Scenes(16), ASPP: segmentation.SearchASPP(19)}, // one for each pixel
	} {
		for _, partial := range []int{0, 2} {
			t.Run(fmt.Sprintf("%s, partial=%d", task.Name(), partial), func(t *testing.T) {
				config := darts.DARTS()
				config.Space = cell.DARTS(cell.CIFARStem, 2, 3)
				config.Space.Partial = partial
				config.Space.Body.Reductions = cell.Reductions(3, 1)
				config.Epochs, config.Batch = 1, 4
				if partial > 0 {
					config.SkipDropout = 0.5
				}
				result, err := darts.Search(context.Background(), images, task, config)
				require.NoError(t, err)
				assert.Equal(t, 1, result.Epochs)
				assert.Positive(t, result.Last.TrainLoss)
			})
		}
	}
}
