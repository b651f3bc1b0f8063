package darts_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/pretext"
	"unnas/segmentation"
)

// TestSearchTasks searches with every task, with the rule of DARTS where labels are
// not one for each input, and with weights that are drawn.
func TestSearchTasks(t *testing.T) {
	images, err := dataset.NewScenes(10, 32, 24, 1)
	require.NoError(t, err)
	view := pretext.Scenes(16)
	jigsaw, pixels := pretext.JigsawCIFAR10(), segmentation.Task{View: view, ASPP: segmentation.SearchASPP(19)}
	for _, test := range []struct {
		task      pretext.Task
		algorithm darts.Algorithm
	}{
		{jigsaw, darts.FirstOrder}, // a label for four tiles
		{pixels, darts.FirstOrder}, // and for each pixel
		{jigsaw, darts.DrNAS},
		{pixels, darts.DrNAS},
		{pretext.Rotation{View: view}, darts.DrNAS},
		{pretext.Classification{View: view, Classes: len(images.Classes())}, darts.DrNAS},
		{pretext.Colorization{View: view}, darts.DrNAS},
	} {
		task := test.task
		t.Run(fmt.Sprint(task.Name(), " ", test.algorithm), func(t *testing.T) {
			config := darts.DARTS()
			config.Algorithm = test.algorithm
			if test.algorithm == darts.DrNAS {
				config.StopEigenvalue = 0.75
			}
			config.Space = cell.DARTS(cell.CIFARStem, 2, 3)
			config.Space.Ops = config.Space.Ops[:5] // the small ones
			config.Space.Body.Reductions = cell.Reductions(3, 1)
			config.Epochs, config.Batch = 1, 4
			result, err := darts.Search(context.Background(), images, task, config)
			require.NoError(t, err)
			assert.Equal(t, 1, result.Epochs)
			assert.Positive(t, result.Last.TrainLoss)
			assert.Equal(t, test.algorithm == darts.DrNAS, result.Last.Eigenvalue != 0 && !math.IsNaN(result.Last.Eigenvalue))
		})
	}
}
