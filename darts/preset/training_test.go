package preset_test

import (
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

// TestTraining holds all 26 trainings against the figures of the paper and
// of the authors' release, each spelled out. The sizes of networks are for images
// as they are tested. Those of darts_v2, unnas_imagenet_rot and
// unnas_cityscapes_col are counted in the authors' networks too.
func TestTraining(t *testing.T) {
	mean, deviation := [3]float64{0.485, 0.456, 0.406}, [3]float64{0.229, 0.224, 0.225}
	classify := pretext.Classification{
		Transform: pretext.Transform{Height: 224, Width: 224, Mean: mean, Std: deviation, Crop: "random_resized_crop", Flip: true, Jitter: 0.1},
		Classes:   1000, Smoothing: 0.1,
	}
	segment := segmentation.Task{
		Transform: pretext.Transform{Height: 769, Width: 769, Mean: mean, Std: deviation, Crop: "multiscale_crop", Short: 1024, Flip: true, Jitter: 0.1},
		ASPP:      segmentation.ASPP{Channels: 256, Rates: []int{6, 12, 18}, Classes: 19},
	}
	whole := segment
	whole.Transform.Height, whole.Transform.Width = 1025, 2049
	network := func(width, cells int, reductions []int, name string) cell.Network {
		g, ok := cell.GenotypeByName(name)
		require.True(t, ok, name)
		return cell.Network{Backbone: cell.Backbone{Stem: "imagenet", Width: width, Cells: cells, Reductions: reductions}, Genotype: g, Ops: ops.All()}
	}
	for _, want := range []struct {
		name       string
		classifier int // width
		classifies cell.Complexity
		segmenter  int // width
		segments   cell.Complexity
	}{
		{"darts_v2",
			48, cell.Complexity{Params: 4_718_752, MACs: 529_911_552, THOP: 538_228_992},
			82, cell.Complexity{Params: 9_564_694, MACs: 98_869_631_729, THOP: 99_521_687_670}},
		{"unnas_imagenet_cls",
			44, cell.Complexity{Params: 5_254_622, MACs: 581_081_952, THOP: 591_483_200},
			78, cell.Complexity{Params: 10_202_440, MACs: 105_893_637_447, THOP: 106_728_255_080}},
		{"unnas_imagenet_rot",
			42, cell.Complexity{Params: 5_138_083, MACs: 551_491_584, THOP: 561_864_576},
			78, cell.Complexity{Params: 10_393_384, MACs: 107_223_874_095, THOP: 108_082_036_808}},
		{"unnas_imagenet_col",
			46, cell.Complexity{Params: 4_934_845, MACs: 539_604_288, THOP: 548_512_832},
			80, cell.Complexity{Params: 9_684_955, MACs: 99_628_335_160, THOP: 100_326_480_667}},
		{"unnas_imagenet_jig",
			42, cell.Complexity{Params: 5_183_779, MACs: 559_657_728, THOP: 570_030_720},
			78, cell.Complexity{Params: 10_443_304, MACs: 107_889_737_007, THOP: 108_747_899_720}},
		{"unnas_imagenet22k_cls",
			46, cell.Complexity{Params: 5_195_849, MACs: 574_577_352, THOP: 584_333_400},
			80, cell.Complexity{Params: 10_051_835, MACs: 104_075_161_240, THOP: 104_845_257_787}},
		{"unnas_imagenet22k_rot",
			42, cell.Complexity{Params: 5_002_003, MACs: 541_119_264, THOP: 551_294_688},
			78, cell.Complexity{Params: 10_299_160, MACs: 106_444_270_335, THOP: 107_291_968_568}},
		{"unnas_imagenet22k_col",
			42, cell.Complexity{Params: 4_987_639, MACs: 539_711_592, THOP: 549_887_016},
			78, cell.Complexity{Params: 10_290_268, MACs: 106_369_710_915, THOP: 107_217_409_148}},
		{"unnas_imagenet22k_jig",
			42, cell.Complexity{Params: 5_138_083, MACs: 552_232_464, THOP: 562_556_064},
			78, cell.Complexity{Params: 10_390_888, MACs: 107_205_561_255, THOP: 108_061_107_848}},
		{"unnas_cityscapes_seg",
			44, cell.Complexity{Params: 5_129_662, MACs: 558_538_816, THOP: 568_284_640},
			80, cell.Complexity{Params: 10_291_995, MACs: 106_323_744_760, THOP: 107_115_306_907}},
		{"unnas_cityscapes_rot",
			42, cell.Complexity{Params: 5_068_279, MACs: 546_873_432, THOP: 557_098_248},
			78, cell.Complexity{Params: 10_342_684, MACs: 106_806_602_955, THOP: 107_656_917_308}},
		{"unnas_cityscapes_col",
			54, cell.Complexity{Params: 5_103_649, MACs: 584_931_456, THOP: 592_732_728},
			86, cell.Complexity{Params: 9_516_780, MACs: 98_277_091_723, THOP: 98_840_994_880}},
		{"unnas_cityscapes_jig",
			44, cell.Complexity{Params: 4_958_590, MACs: 549_690_592, THOP: 559_151_824},
			80, cell.Complexity{Params: 10_199_835, MACs: 105_818_023_480, THOP: 106_594_828_027}},
	} {
		t.Run(want.name, func(t *testing.T) {
			task, c, err := preset.Training("imagenet1k", named(t, want.name))
			require.NoError(t, err)
			assert.Equal(t, pretext.Task(classify), task)
			assert.Equal(t, darts.TrainConfig{
				Network: network(want.classifier, 14, []int{4, 9}, want.name),
				Epochs:  250, Batch: 1024, MicroBatch: 128,
				SGD:       darts.SGD{LR: darts.Schedule{Kind: "cosine", Base: 0.5, Warmup: 5, WarmupFactor: 0.1}, Momentum: 0.9, Nesterov: true, WeightDecay: 0.00003},
				Auxiliary: 0.4, EvaluateEvery: 1,
			}, c)
			require.NoError(t, c.Validate())
			size, err := darts.Measure(c.Network, task)
			require.NoError(t, err)
			assert.Equal(t, want.classifies, size)

			task, c, err = preset.Training("cityscapes", named(t, want.name))
			require.NoError(t, err)
			assert.Equal(t, pretext.Task(segment), task)
			assert.Equal(t, darts.TrainConfig{
				Network: network(want.segmenter, 12, []int{4}, want.name),
				Epochs:  2700, Batch: 64, MicroBatch: 8,
				SGD:           darts.SGD{LR: darts.Schedule{Kind: "cosine", Base: 0.1}, Momentum: 0.9, Nesterov: true, WeightDecay: 0.0001},
				EvaluateEvery: 1,
			}, c)
			require.NoError(t, c.Validate())
			require.NoError(t, task.Validate())
			size, err = darts.Measure(c.Network, whole)
			require.NoError(t, err)
			assert.Equal(t, want.segments, size)
		})
	}
}

// named returns the cells of a name.
func named(t *testing.T, name string) cell.Genotype {
	t.Helper()
	g, ok := cell.GenotypeByName(name)
	require.True(t, ok, name)
	return g
}

// TestTrainingOfOtherCells trains other cells as those of DARTS.
func TestTrainingOfOtherCells(t *testing.T) {
	for data, width := range map[string]int{"imagenet1k": 48, "cityscapes": 82} {
		task, want, err := preset.Training(data, named(t, "darts_v2"))
		require.NoError(t, err)
		network := want.Network.(cell.Network)
		assert.Equal(t, width, network.Backbone.Width)
		network.Genotype = named(t, "nas")
		want.Network = network
		otherTask, c, err := preset.Training(data, network.Genotype)
		require.NoError(t, err)
		assert.Equal(t, want, c)
		assert.Equal(t, task, otherTask)
	}
}

func TestTrainingErrors(t *testing.T) {
	_, _, err := preset.Training("imagenet22k", named(t, "darts_v2"))
	assert.EqualError(t, err, `preset: no published training on data set "imagenet22k", want imagenet1k or cityscapes`)
}

// TestTrainWithBatch halves and shrinks a batch of micro-batches.
func TestTrainWithBatch(t *testing.T) {
	_, c, err := preset.Training("imagenet1k", named(t, "darts_v2"))
	require.NoError(t, err)
	half := c.WithBatch(512)
	assert.Equal(t, []any{512, 128, 0.25, 5}, []any{half.Batch, half.MicroBatch, half.LR.Base, half.LR.Warmup})
	for _, images := range []int{16, 1000} { // neither settings that it was not given, nor what cannot be
		other := c.WithBatch(images)
		assert.Equal(t, []any{images, 128}, []any{other.Batch, other.MicroBatch})
		assert.ErrorContains(t, other.Validate(), "MicroBatch is 128, must ")
		search := darts.DARTS()
		search.MicroBatch = 128
		search = search.WithBatch(images)
		assert.Equal(t, []any{images, 128}, []any{search.Batch, search.MicroBatch})
		assert.ErrorContains(t, search.Validate(), "MicroBatch is 128, must ")
	}
	assert.Equal(t, c, half.WithBatch(1024))
}
