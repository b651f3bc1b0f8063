package pretext_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/rng"
	"unnas/ops"
	"unnas/pretext"
)

// TestContrastiveWithoutDistortion gives the view of evaluation, twice.
func TestContrastiveWithoutDistortion(t *testing.T) {
	v := pretext.CIFAR10()
	v.Height, v.Width, v.Crop, v.Flip = 5, 9, pretext.CropNone, false
	task := pretext.Contrastive{View: v, Projection: 3, Temperature: 1}
	img := noisy(14, 11)
	want := render(t, v, img, false, nil)
	for _, train := range []bool{true, false} {
		x, y := sample(t, task, img, train, 1)
		assert.Equal(t, []int32{0}, y)
		assert.InDeltaSlice(t, want, x[:len(want)], 1e-5)
		assert.InDeltaSlice(t, want, x[len(want):], 1e-5)
	}
}

// TestContrastiveViewsDiffer in all that is drawn, in evaluation too.
func TestContrastiveViewsDiffer(t *testing.T) {
	for name, task := range map[string]pretext.Contrastive{
		"crop":    {View: plain(6, 6, pretext.CropArea), Projection: 3, Temperature: 1},
		"colours": {View: plain(6, 6, pretext.CropNone), Strength: 1, Projection: 3, Temperature: 1},
	} {
		for _, train := range []bool{true, false} {
			differ := 0
			for seed := range uint64(20) {
				x, _ := sample(t, task, noisy(20, 20), train, seed)
				if !assert.ObjectsAreEqual(x[:108], x[108:]) {
					differ++
				}
			}
			assert.Greater(t, differ, 15, name)
		}
	}
}

// TestContrastiveLosesColours in all views, or in about as many as asked for.
func TestContrastiveLosesColours(t *testing.T) {
	task := pretext.Contrastive{View: plain(4, 4, pretext.CropNone), GrayShare: 0.5, Strength: 0.5, Projection: 3, Temperature: 1}
	grey := 0
	for seed := range uint64(100) {
		x, _ := sample(t, task, noisy(4, 4), true, seed)
		for _, view := range [][]float32{x[:48], x[48:]} {
			is := true
			for i := 0; i < len(view); i += 3 {
				is = is && math.Abs(float64(view[i]-view[i+1])) < 1e-3 && math.Abs(float64(view[i]-view[i+2])) < 1e-3
			}
			if is {
				grey++
			}
		}
	}
	assert.InDelta(t, 100, grey, 30)
}

// TestContrastivePadding keeps the mean colour around an image whose colours change.
func TestContrastivePadding(t *testing.T) {
	v := pretext.CIFAR10()
	v.Height, v.Width, v.Flip = 8, 8, false
	task := pretext.Contrastive{View: v, Strength: 1, Projection: 3, Temperature: 1}
	padded := 0
	for seed := range uint64(50) {
		x, _ := sample(t, task, noisy(8, 8), true, seed)
		for i := 0; i < len(x); i += 3 {
			if x[i] == 0 && x[i+1] == 0 && x[i+2] == 0 {
				padded++
			}
		}
	}
	assert.Greater(t, padded, 1000)
}

func TestDistortion(t *testing.T) {
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		f    func(pix []float32, by float64)
		by   float64
		pix  []float32
		want []float32
	}{
		"brighter":          {pretext.Brighten, 1.5, []float32{0.2, 0.4, 0.8}, []float32{0.3, 0.6, 1}},
		"darker":            {pretext.Brighten, 0.5, []float32{0.2, 0.4, 0.8}, []float32{0.1, 0.2, 0.4}},
		"flat":              {pretext.Spread, 0, []float32{0.2, 0.2, 0.2, 0.6, 0.6, 0.6}, []float32{0.4, 0.4, 0.4, 0.4, 0.4, 0.4}},
		"more contrast":     {pretext.Spread, 2, []float32{0.3, 0.3, 0.3, 0.7, 0.7, 0.7}, []float32{0.1, 0.1, 0.1, 0.9, 0.9, 0.9}},
		"contrast, padding": {pretext.Spread, 2, []float32{0.3, 0.3, 0.3, nan, nan, nan}, []float32{0.3, 0.3, 0.3, nan, nan, nan}},
		"grey":              {pretext.Saturate, 0, []float32{1, 0, 0}, []float32{0.2125, 0.2125, 0.2125}},
		"more saturated":    {pretext.Saturate, 2, []float32{0.6, 0.5, 0.5}, []float32{0.67875, 0.47875, 0.47875}},
		"saturated padding": {pretext.Saturate, 2, []float32{nan, nan, nan}, []float32{nan, nan, nan}},
		"red to green":      {pretext.TurnHue, 1. / 3, []float32{0.9, 0.1, 0.1}, []float32{0.1, 0.9, 0.1}},
		"red to blue":       {pretext.TurnHue, -1. / 3, []float32{0.9, 0.1, 0.1}, []float32{0.1, 0.1, 0.9}},
		"red to yellow":     {pretext.TurnHue, 1. / 6, []float32{0.9, 0.1, 0.1}, []float32{0.9, 0.9, 0.1}},
		"blue to red":       {pretext.TurnHue, 1. / 3, []float32{0.2, 0.1, 0.9}, []float32{0.9, 0.2, 0.1}},
		"full turn":         {pretext.TurnHue, 1, []float32{0.2, 0.7, 0.4}, []float32{0.2, 0.7, 0.4}},
		"hue of grey":       {pretext.TurnHue, 0.4, []float32{0.2, 0.2, 0.2, nan, nan, nan}, []float32{0.2, 0.2, 0.2, nan, nan, nan}},
	} {
		t.Run(name, func(t *testing.T) {
			c.f(c.pix, c.by)
			for i, want := range c.want {
				if want != want {
					assert.True(t, c.pix[i] != c.pix[i])
					continue
				}
				assert.InDelta(t, want, c.pix[i], 1e-5, "channel %d", i)
			}
		})
	}
}

func TestContrastiveHead(t *testing.T) {
	task := pretext.ContrastiveCIFAR10()
	g, params := gorgonia.NewGraph(), ops.NewParams()
	x, err := ops.Images(g, "features", 6, 4, 5, 7)
	require.NoError(t, err)
	y, err := task.Head(ops.NewScope(g, params), x)
	require.NoError(t, err)
	assert.Equal(t, tensor.Shape{6, 128}, y.Shape())
	assert.Equal(t, 7*7+7+7*128+128, params.Count())
	targets, err := task.Spec().NewTargets(g, 3)
	require.NoError(t, err)
	l, err := task.Loss(y, targets)
	require.NoError(t, err)
	assert.Equal(t, "contrastive_top1", l.Metric.Name)
}

func TestContrastivePresets(t *testing.T) {
	for _, c := range []struct {
		task pretext.Contrastive
		side int
	}{{pretext.ContrastiveCIFAR10(), 32}, {pretext.ContrastiveImageNet(), 224}} {
		require.NoError(t, c.task.Validate())
		assert.Equal(t, pretext.Spec{Height: c.side, Width: c.side, Channels: 3, Inputs: 2, LabelShape: []int{1}}, c.task.Spec())
	}
}

func TestContrastiveErrors(t *testing.T) {
	good := pretext.Contrastive{View: plain(4, 5, pretext.CropNone), Projection: 3, Temperature: 1}
	require.NoError(t, good.Validate())
	for want, f := range map[string]func(*pretext.Contrastive){
		"View.Height":                  func(t *pretext.Contrastive) { t.View.Height = 0 },
		"Contrastive.Strength = -1":    func(t *pretext.Contrastive) { t.Strength = -1 },
		"Contrastive.Strength = 2.5":   func(t *pretext.Contrastive) { t.Strength = 2.5 },
		"Contrastive.GrayShare = NaN":  func(t *pretext.Contrastive) { t.GrayShare = math.NaN() },
		"Contrastive.Projection = 0":   func(t *pretext.Contrastive) { t.Projection = 0 },
		"Contrastive.Temperature = 0,": func(t *pretext.Contrastive) { t.Temperature = 0 },
	} {
		task := good
		f(&task)
		assert.ErrorContains(t, task.Sample(good.Spec().NewSample(), noisy(4, 4), false, rng.New(1, "x", 0, 0)), want)
	}
	assert.ErrorContains(t, good.Sample(good.Spec().NewSample(), noisy(4, 4), false, nil), "no random stream")
	assert.ErrorContains(t, good.Sample(pretext.Sample{}, noisy(4, 4), false, nil), "0 floats, 0 labels and 0 targets, want 120, 1 and 0")
}
