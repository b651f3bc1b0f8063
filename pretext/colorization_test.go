package pretext_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts"
	"unnas/darts/record"
	"unnas/internal/rng"
	"unnas/pretext"
)

// lightness returns a view whose inputs are the lightness itself, from 0 to 100.
func lightness(h, w int, crop pretext.Crop) pretext.Transform {
	return pretext.Transform{Height: h, Width: w, Std: [3]float64{0.01, 0.01, 0.01}, Crop: crop}
}

// patch returns an image of one colour.
func patch(w, h int, rgb [3]uint8) *pretext.Image {
	img := &pretext.Image{Width: w, Height: h, Label: -1}
	for range w * h {
		img.Pix = append(img.Pix, rgb[:]...)
	}
	return img
}

// pixels of CIFAR-10 with their lightness by scikit-image 0.19.3 and the number of
// the published bin that is nearest.
var pixels = []struct {
	rgb       [3]uint8
	lightness float64
	bin       int32
}{
	{[3]uint8{158, 112, 49}, 50.781694, 143},
	{[3]uint8{156, 109, 41}, 49.698005, 143},
	{[3]uint8{116, 85, 33}, 38.411851, 142},
	{[3]uint8{235, 235, 235}, 93.048133, 120},
	{[3]uint8{158, 190, 222}, 75.679723, 118},
	{[3]uint8{166, 171, 183}, 69.930935, 119},
	{[3]uint8{192, 183, 171}, 74.833948, 121},
}

func TestColorization(t *testing.T) {
	img := &pretext.Image{Width: len(pixels), Height: 1}
	for _, p := range pixels {
		img.Pix = append(img.Pix, p.rgb[:]...)
	}
	v := pretext.CIFAR10Transform()
	v.Height, v.Width, v.Crop, v.Flip = 1, len(pixels), pretext.CropNone, false
	task := pretext.Colorization{Transform: v}
	assert.Equal(t, "colorization", task.Name())
	assert.Equal(t, pretext.Spec{Height: 1, Width: 7, Channels: 1, Inputs: 1, LabelShape: []int{1, 7}, Classes: 313}, task.Spec())
	x, y := sample(t, task, img, true, 1)
	for i, p := range pixels {
		assert.InDelta(t, (p.lightness/100-0.473464052)/0.250718954, x[i], 1e-6, "%v", p.rgb)
		assert.Equal(t, p.bin, y[i], "%v", p.rgb)
	}
}

func TestColorizationOfReference(t *testing.T) {
	var want struct {
		Images map[string]struct {
			Labels []int32
			L      []float64    `json:"L_first_row"`
			AB     [][2]float64 `json:"ab_first_row"`
		}
	}
	require.NoError(t, json.Unmarshal(reference(t, "reference", "col_labels.public.json"), &want))
	require.NotEmpty(t, want.Images)
	const size, pixels = 32, 32 * 32
	records := reference(t, "cifar10_lossless", "test_batch.bin")
	for name, c := range want.Images {
		i, err := strconv.Atoi(name)
		require.NoError(t, err)
		planes := records[(1+3*pixels)*i+1:][:3*pixels]
		img := &pretext.Image{Width: size, Height: size}
		for p := range pixels {
			img.Pix = append(img.Pix, planes[p], planes[pixels+p], planes[2*pixels+p])
		}
		x, y := sample(t, pretext.Colorization{Transform: lightness(size, size, pretext.CropPadded)}, img, false, 0)
		assert.Equal(t, c.Labels, y, "image %d", i)
		for p := range c.L {
			l, a, b := pretext.Lab(img.Pix[3*p], img.Pix[3*p+1], img.Pix[3*p+2])
			assert.InDeltaSlice(t, []float64{c.L[p], c.AB[p][0], c.AB[p][1]}, []float64{l, a, b}, 1e-6, "image %d, pixel %d", i, p)
			assert.InDelta(t, l, x[p], 1e-5, "image %d, pixel %d", i, p)
		}
	}
}

// TestColorizationFollowsView compares with a sample of the view as it is
// rendered: crop, flip and size must be those of inputs and of labels.
func TestColorizationFollowsView(t *testing.T) {
	img := compass(60, 40)
	for i := range img.Pix {
		img.Pix[i] *= 4
	}
	view := pretext.ImageNetTransform(13)
	view.Width, view.Jitter = 17, 0
	levels := plain(13, 17, view.Crop)
	levels.Flip = true
	flat := view
	flat.Crop, flat.Flip = pretext.CropNone, false
	colourful := 0
	for i := range 20 {
		rendered := &pretext.Image{Width: 17, Height: 13}
		for _, f := range render(t, levels, img, true, rng.New(9, "sample", 0, i)) {
			rendered.Pix = append(rendered.Pix, uint8(f+0.5))
		}
		wantX, wantY := sample(t, pretext.Colorization{Transform: flat}, rendered, false, 0)
		task := pretext.Colorization{Transform: view}
		x, y := make([]float32, 13*17), make([]int32, 13*17)
		require.NoError(t, task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, true, rng.New(9, "sample", 0, i)))
		require.Equal(t, wantX, x, "stream %d", i)
		require.Equal(t, wantY, y, "stream %d", i)
		if y[0] != y[len(y)-1] {
			colourful++
		}
	}
	assert.Greater(t, colourful, 10)
}

// TestColorizationRounds mixes two colours half and half.
func TestColorizationRounds(t *testing.T) {
	img := &pretext.Image{Width: 2, Height: 1, Pix: []uint8{0, 10, 100, 201, 20, 199}}
	img.Pix = append(img.Pix, img.Pix...)
	img.Height = 2
	task := pretext.Colorization{Transform: lightness(1, 1, pretext.CropNone)}
	x, y := sample(t, task, img, false, 0)
	wantX, wantY := sample(t, task, patch(1, 1, [3]uint8{101, 15, 150}), false, 0) // 100.5, 15, 149.5
	assert.Equal(t, wantX, x)
	assert.Equal(t, wantY, y)
}

// TestColorizationJitter moves grey along the second component so far that blue
// falls off the scale.
func TestColorizationJitter(t *testing.T) {
	v := lightness(1, 2, pretext.CropNone)
	v.Jitter = 30
	task := pretext.Colorization{Transform: v}
	img := patch(2, 1, [3]uint8{100, 128, 128})
	x, y := make([]float32, 2), make([]int32, 2)
	require.NoError(t, task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, true, normals(0, 1, 0)))
	// 30 · 0.0188 · 255 = 143.82, times 0.7192, -0.0045 and -0.6948.
	wantX, wantY := sample(t, task, patch(2, 1, [3]uint8{203, 127, 28}), false, 0)
	assert.Equal(t, wantX, x)
	assert.Equal(t, wantY, y)
	require.NoError(t, task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, true, normals(0, 2, 0)))
	wantX, wantY = sample(t, task, patch(2, 1, [3]uint8{255, 127, 0}), false, 0)
	assert.Equal(t, wantX, x)
	assert.Equal(t, wantY, y)
}

// TestColorizationPadding checks that padding has no colour and what is not
// padding has one.
func TestColorizationPadding(t *testing.T) {
	v := lightness(9, 7, pretext.CropPadded)
	padded := 0
	for seed := range uint64(20) {
		x, y := sample(t, pretext.Colorization{Transform: v}, patch(7, 9, [3]uint8{158, 112, 49}), true, seed)
		for i := range x {
			if y[i] == pretext.IgnoreIndex {
				padded++
				require.Zero(t, x[i])
				continue
			}
			require.Equal(t, int32(143), y[i])
			require.InDelta(t, 50.781694, x[i], 1e-5)
		}
	}
	assert.Greater(t, padded, 20*7)
	assert.Less(t, padded, 20*50)
}

// TestColorizationLearns searches with images whose dark half is blue and whose
// bright half is yellow.
func TestColorizationLearns(t *testing.T) {
	c := darts.DARTS()
	var rt darts.Runtime
	c.Space.Backbone.Width, c.Space.Backbone.Cells, c.Space.Backbone.Reductions = 4, 3, []int{1, 2}
	c.Epochs, c.Batch, c.Seed = 5, 4, 3
	var epochs []record.Epoch
	rt.Recorder = epochRecorder(func(e record.Epoch) { epochs = append(epochs, e) })
	task := pretext.Colorization{Transform: pretext.Transform{
		Height: 8, Width: 12, Crop: pretext.CropPadded, Flip: true,
		Mean: [3]float64{0.5, 0.5, 0.5}, Std: [3]float64{0.3, 0.3, 0.3},
	}}
	r, err := darts.Search(t.Context(), dusk(48), task, c, rt)
	require.NoError(t, err)
	require.NoError(t, r.Genotype.Validate(c.Space.Ops.Has))
	require.Len(t, epochs, 5)
	assert.Less(t, epochs[4].TrainLoss, 0.5*epochs[0].TrainLoss)
	assert.Greater(t, epochs[4].ValScore, 0.6, "one colour everywhere is right in half of the pixels")
}

type epochRecorder func(record.Epoch)

func (f epochRecorder) Record(e record.Event) error {
	if e, ok := e.(record.Epoch); ok {
		f(e)
	}
	return nil
}

// dusk is a source of n images of a blue and a yellow half.
type dusk int

func (d dusk) Len() int { return int(d) }

func (dusk) Load(_ context.Context, i int) (*pretext.Image, error) {
	r := rand.New(rand.NewPCG(uint64(i), 0))
	img := patch(12, 8, [3]uint8{20, 30, 120})
	for p := range img.Pix {
		if p >= 3*12*4 == (i%2 == 0) {
			img.Pix[p] = [3]uint8{230, 220, 60}[p%3]
		}
		img.Pix[p] += uint8(r.Uint64() % 4)
	}
	return img, nil
}

func TestColorizationErrors(t *testing.T) {
	task := pretext.Colorization{Transform: lightness(4, 5, pretext.CropNone)}
	img := compass(5, 4)
	x, y := make([]float32, 20), make([]int32, 20)
	require.NoError(t, task.Validate())
	require.NoError(t, task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, false, nil))
	require.ErrorContains(t, task.Sample(pretext.Sample{Inputs: x[:19], Labels: y}, img, false, nil), "19 floats, 20 labels and 0 targets, want 20, 20 and 0")
	require.ErrorContains(t, task.Sample(pretext.Sample{Inputs: x, Labels: y[:1]}, img, false, nil), "20 floats, 1 labels and 0 targets, want 20, 20 and 0")
	require.ErrorContains(t, task.Sample(pretext.Sample{Inputs: x, Labels: y}, nil, false, nil), "no image")
	require.ErrorContains(t, pretext.Colorization{}.Validate(), "Transform.Height")
	require.ErrorContains(t, pretext.Colorization{}.Sample(pretext.Sample{}, img, false, nil), "Transform.Height")
}

func BenchmarkColorization(b *testing.B) {
	cifar := pretext.CIFAR10Transform()
	cifar.Crop = pretext.CropNone
	for _, c := range []struct {
		name string
		view pretext.Transform
		w, h int
	}{{"CIFAR-10", cifar, 32, 32}, {"ImageNet", pretext.ImageNetTransform(224), 500, 375}} {
		b.Run(c.name, func(b *testing.B) {
			task := pretext.Colorization{Transform: c.view}
			img := &pretext.Image{Width: c.w, Height: c.h, Pix: make([]uint8, 3*c.w*c.h)}
			r := rng.New(1, "benchmark", 0, 0)
			for i := range img.Pix {
				img.Pix[i] = uint8(r.Uint64())
			}
			x, y := make([]float32, task.Spec().InputLen()), make([]int32, task.Spec().LabelLen())
			for b.Loop() {
				if err := task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, true, r); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}
