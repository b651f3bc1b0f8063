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
	"unnas/darts/dataset/scenes"
	"unnas/pretext"
	"unnas/segmentation"
)

// TestSearchTasks searches with every task, with the rule of DARTS where labels are
// not one for each input, and with weights that are drawn.
func TestSearchTasks(t *testing.T) {
	images, err := scenes.New(10, 32, 24, 1)
	require.NoError(t, err)
	view := pretext.ScenesTransform(16)
	jigsaw, pixels := pretext.JigsawCIFAR10(), segmentation.Task{Transform: view, ASPP: segmentation.SearchASPP(19)}
	for _, test := range []struct {
		task      pretext.Task
		algorithm darts.Algorithm
		partial   int
	}{
		{jigsaw, darts.FirstOrder{}, 0}, // a label for four tiles
		{pixels, darts.FirstOrder{}, 0}, // and for each pixel
		{jigsaw, darts.DrNAS{}, 0},
		{pixels, darts.DrNAS{}, 2},
		{pretext.Rotation{Transform: view}, darts.DrNAS{}, 0},
		{pretext.Classification{Transform: view, Classes: len(images.Classes())}, darts.DrNAS{}, 0},
		{pretext.Colorization{Transform: view}, darts.DrNAS{}, 0},
		{pretext.Colorization{Transform: view}, darts.GDAS{}, 2},
		{jigsaw, darts.SecondOrder{}, 2},
	} {
		task := test.task
		t.Run(fmt.Sprintf("%s %v partial=%d", task.Name(), test.algorithm, test.partial), func(t *testing.T) {
			config := darts.DARTS()
			config.Algorithms = darts.Algorithms{test.algorithm}
			if test.algorithm == (darts.DrNAS{}) {
				config.StopEigenvalue = 0.75
			}
			config.Space = cell.DARTS(cell.CIFARStem, 2, 3)
			config.Space.Ops, config.Space.Nodes = config.Space.Ops[:5], 2 // the small ones
			if config.Space.PartialChannels = test.partial; test.partial > 0 {
				config.SkipDropout = 0.5
			}
			config.Space.Backbone.Reductions = cell.Reductions(3, 1)
			config.Epochs, config.Batch = 1, 4
			result, err := darts.Search(context.Background(), images, task, config, darts.Runtime{})
			require.NoError(t, err)
			assert.Equal(t, 1, result.Epochs)
			assert.Positive(t, result.Last.TrainLoss)
			assert.Equal(t, test.algorithm == (darts.DrNAS{}), result.Last.Eigenvalue != 0 && !math.IsNaN(result.Last.Eigenvalue))
		})
	}
}
