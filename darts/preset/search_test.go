package preset_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/preset"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// TestSearch holds all twelve searches against the figures of the paper
// and of the authors' release, each spelled out.
func TestSearch(t *testing.T) {
	// The colours of ImageNet, which Cityscapes has too.
	mean, deviation := [3]float64{0.485, 0.456, 0.406}, [3]float64{0.229, 0.224, 0.225}
	area := func(jitter float64) pretext.Transform {
		return pretext.Transform{Height: 224, Width: 224, Mean: mean, Std: deviation, Crop: "random_resized_crop", Flip: true, Jitter: jitter}
	}
	window := pretext.Transform{Height: 255, Width: 255, Mean: mean, Std: deviation, Crop: "resized_crop", Flip: true, Jitter: 0.1}
	street := func(jitter float64) pretext.Transform {
		return pretext.Transform{Height: 321, Width: 321, Mean: mean, Std: deviation, Crop: "multiscale_crop", Short: 512, Flip: true, Jitter: jitter}
	}
	puzzle := func(v pretext.Transform) pretext.Jigsaw {
		return pretext.Jigsaw{Transform: v, Grid: 3, Permutations: 1000, GrayscaleProb: 0.3}
	}
	for _, want := range []struct {
		dataset, name       string
		task                pretext.Task
		inputs, side, label int // of a sample: inputs of one image, their side, classes
		epochs, archEpoch   int
		cells               int
		reductions          []int
		batch               int
		lr, archLR, decay   float64
	}{
		{"imagenet1k", "classification", pretext.Classification{Transform: area(0.1), Classes: 1000}, 1, 224, 1000, 2, 1, 8, []int{2, 5}, 64, 0.1, 0.0003, 0.00003},
		{"imagenet1k", "rotation", pretext.Rotation{Transform: area(0.1)}, 4, 224, 4, 2, 1, 8, []int{2, 5}, 32, 0.05, 0.00015, 0.00003},
		{"imagenet1k", "colorization", pretext.Colorization{Transform: area(0)}, 1, 224, 313, 2, 1, 8, []int{2, 5}, 64, 0.1, 0.0003, 0.00003},
		{"imagenet1k", "jigsaw", puzzle(window), 9, 64, 1000, 2, 1, 8, []int{2, 5}, 32, 0.05, 0.00015, 0.00003},

		{"imagenet22k", "classification", pretext.Classification{Transform: area(0.1), Classes: 21841}, 1, 224, 21841, 1, 0, 8, []int{2, 5}, 64, 0.1, 0.0003, 0.00003},
		{"imagenet22k", "rotation", pretext.Rotation{Transform: area(0.1)}, 4, 224, 4, 1, 0, 8, []int{2, 5}, 32, 0.05, 0.00015, 0.00003},
		{"imagenet22k", "colorization", pretext.Colorization{Transform: area(0)}, 1, 224, 313, 1, 0, 8, []int{2, 5}, 64, 0.1, 0.0003, 0.00003},
		{"imagenet22k", "jigsaw", puzzle(window), 9, 64, 1000, 1, 0, 8, []int{2, 5}, 32, 0.05, 0.00015, 0.00003},

		{"cityscapes", "segmentation", segmentation.Task{Transform: street(0.1), ASPP: segmentation.ASPP{Channels: 64, Rates: []int{6}, Classes: 19}}, 1, 321, 19, 400, 0, 12, []int{4}, 32, 0.1, 0.0003, 0.0003},
		{"cityscapes", "rotation", pretext.Rotation{Transform: street(0.1)}, 4, 321, 4, 400, 0, 12, []int{4, 8}, 16, 0.05, 0.00015, 0.0003},
		{"cityscapes", "colorization", pretext.Colorization{Transform: street(0)}, 1, 321, 313, 400, 0, 12, []int{4, 8}, 16, 0.05, 0.00015, 0.0003},
		{"cityscapes", "jigsaw", puzzle(street(0.1)), 9, 81, 1000, 400, 0, 12, []int{4, 8}, 32, 0.1, 0.0003, 0.0003},
	} {
		t.Run(want.dataset+" "+want.name, func(t *testing.T) {
			task, c, err := preset.Search(want.dataset, want.name)
			require.NoError(t, err)
			assert.Equal(t, want.task, task)
			require.NoError(t, task.Validate())
			spec := task.Spec()
			assert.Equal(t, []int{want.inputs, want.side, want.side, want.label}, []int{spec.Inputs, spec.Height, spec.Width, spec.Classes})
			assert.Equal(t, darts.SearchConfig{
				Space: cell.Space{
					Ops: ops.DARTS(), Nodes: 4,
					Backbone: cell.Backbone{Stem: "imagenet", Width: 16, Cells: want.cells, Reductions: want.reductions},
				},
				Algorithms: darts.Algorithms{darts.FirstOrder{}},
				Epochs:     want.epochs, ArchStartEpoch: want.archEpoch, Batch: want.batch, TrainFraction: 0.5,
				SGD:    darts.SGD{LR: darts.Schedule{Kind: "cosine", Base: want.lr}, Momentum: 0.9, WeightDecay: want.decay, GradClip: 5},
				ArchLR: want.archLR, ArchBeta1: 0.5, ArchBeta2: 0.999, ArchWeightDecay: 0.001,
			}, c)
			require.NoError(t, c.Validate())
		})
	}
}

func TestSearchErrors(t *testing.T) {
	_, _, err := preset.Search("mnist", "rotation")
	assert.EqualError(t, err, `preset: no published search on data set "mnist", want one of imagenet1k, imagenet22k, cityscapes`)
	_, _, err = preset.Search("cityscapes", "classification")
	assert.EqualError(t, err, `preset: no published search with task "classification" on cityscapes, want one of segmentation, rotation, colorization, jigsaw`)
}

// TestWithBatch halves as the authors did, and gets the figures that they had.
func TestWithBatch(t *testing.T) {
	for _, task := range []string{"classification", "colorization"} {
		_, whole, err := preset.Search("imagenet1k", task)
		require.NoError(t, err)
		_, half, err := preset.Search("imagenet1k", "rotation")
		require.NoError(t, err)
		assert.Equal(t, half, whole.WithBatch(32))
		assert.Equal(t, whole, half.WithBatch(64))
	}
	c := darts.DARTS().WithBatch(256)
	assert.Equal(t, darts.Schedule{Kind: "cosine", Base: 0.1, Min: 0.004}, c.LR)
	assert.Equal(t, 0.0012, c.ArchLR)
	assert.Equal(t, 256, c.Batch)
}

func ExampleSearch() {
	task, config, err := preset.Search("cityscapes", "rotation")
	if err != nil {
		fmt.Println(err)
		return
	}
	spec := task.Spec()
	fmt.Println(spec.Inputs, "inputs of an image,", spec.Height, "x", spec.Width)
	fmt.Println(config.Epochs, "epochs, batch", config.Batch, "at learning rate", config.LR.Base)
	config = config.WithBatch(4) // for a machine with less memory
	fmt.Println(config.Epochs, "epochs, batch", config.Batch, "at learning rate", config.LR.Base)
	// Output:
	// 4 inputs of an image, 321 x 321
	// 400 epochs, batch 16 at learning rate 0.05
	// 400 epochs, batch 4 at learning rate 0.0125
}
