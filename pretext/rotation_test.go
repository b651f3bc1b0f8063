package pretext_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"unnas/internal/rng"
	"unnas/pretext"
)

// sample runs a task in memory of the sizes that it asks for.
func sample(t require.TestingT, s pretext.Sampler, img *pretext.Image, train bool, seed uint64) ([]float32, []int32) {
	x, y := make([]float32, s.Spec().InputLen()), make([]int32, s.Spec().LabelLen())
	require.NoError(t, s.Sample(pretext.Sample{Inputs: x, Labels: y}, img, train, rng.New(seed, "sample", 0, 0)))
	return x, y
}

func TestRotationTurns(t *testing.T) {
	// a b     b d     d c     c a
	// c d     a c     b a     d b
	img := &pretext.Image{Width: 2, Height: 2, Pix: []uint8{1, 51, 101, 2, 52, 102, 3, 53, 103, 4, 54, 104}}
	x, y := sample(t, pretext.Rotation{View: plain(2, 2, pretext.CropNone)}, img, false, 0)
	assert.Equal(t, []int32{0, 1, 2, 3}, y)
	a, b, c, d := float32(1), float32(2), float32(3), float32(4)
	for p, want := range []float32{a, b, c, d, b, d, a, c, d, c, b, a, c, a, d, b} {
		assert.InDeltaSlice(t, []float32{want, 50 + want, 100 + want}, x[3*p:3*p+3], 1e-4, "pixel %d", p)
	}
}

// TestRotationIsCyclic turns an image that is itself a turned view: every input
// moves one place on, and after four turns all are back.
func TestRotationIsCyclic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "side")
		task := pretext.Rotation{View: plain(n, n, pretext.CropNone)}
		first := &pretext.Image{Width: n, Height: n, Pix: rapid.SliceOfN(rapid.Byte(), 3*n*n, 3*n*n).Draw(t, "pixels")}
		size := 3 * n * n
		start, _ := sample(t, task, first, false, 0)
		x, img := start, first
		for range 4 {
			turned := &pretext.Image{Width: n, Height: n}
			for _, f := range x[size : 2*size] {
				turned.Pix = append(turned.Pix, uint8(f+0.5))
			}
			img = turned
			next, _ := sample(t, task, img, false, 0)
			require.Equal(t, x[size:], next[:3*size])
			require.Equal(t, x[:size], next[3*size:])
			x = next
		}
		require.Equal(t, first.Pix, img.Pix)
		require.Equal(t, start, x)
	})
}

// TestRotationLabel finds the label of every input from the side that is bright,
// under all augmentation.
func TestRotationLabel(t *testing.T) {
	img := &pretext.Image{Width: 48, Height: 40, Pix: make([]uint8, 3*48*40)}
	for i := range img.Pix[:3*48*20] {
		img.Pix[i] = 255 // a bright sky
	}
	v := pretext.CIFAR10()
	task := pretext.Rotation{View: v}
	for seed := range uint64(50) {
		x, y := sample(t, task, img, true, seed)
		for k, want := range y {
			input := x[k*3*32*32:][:3*32*32]
			// Up, left, down, right: where the sky goes in counter-clockwise turns.
			sides := [4]float32{at(input, v, 6, 16)[0], at(input, v, 16, 6)[0], at(input, v, 25, 16)[0], at(input, v, 16, 25)[0]}
			bright := 0
			for s := range sides {
				if sides[s]-sides[(s+2)%4] > sides[bright]-sides[(bright+2)%4] {
					bright = s
				}
			}
			require.Equal(t, want, int32(bright), "seed %d input %d sides %v", seed, k, sides)
		}
	}
}

func TestRotationIsReproducible(t *testing.T) {
	task := pretext.Rotation{View: pretext.ImageNet(16)}
	a, _ := sample(t, task, compass(60, 40), true, 1)
	b, _ := sample(t, task, compass(60, 40), true, 1)
	assert.Equal(t, a, b)
	c, _ := sample(t, task, compass(60, 40), true, 2)
	assert.NotEqual(t, a, c)
}

func TestRotationSpec(t *testing.T) {
	task := pretext.Rotation{View: pretext.CIFAR10()}
	assert.Equal(t, "rotation", task.Name())
	assert.Equal(t, pretext.Spec{Height: 32, Width: 32, Channels: 3, Inputs: 4, LabelShape: []int{4}, Classes: 4}, task.Spec())
	assert.Equal(t, 4*32*32*3, task.Spec().InputLen())
	assert.Equal(t, 4, task.Spec().LabelLen())
}

func TestRotationErrors(t *testing.T) {
	oblong := pretext.Rotation{View: plain(4, 5, pretext.CropNone)}
	err := oblong.Sample(pretext.Sample{Inputs: make([]float32, 240), Labels: make([]int32, 4)}, compass(5, 4), false, nil)
	require.ErrorContains(t, err, "Rotation.View of 5 by 4 pixels, want a square")

	task := pretext.Rotation{View: plain(4, 4, pretext.CropNone)}
	require.NoError(t, task.Validate())
	require.ErrorContains(t, task.Sample(pretext.Sample{Inputs: make([]float32, 48), Labels: make([]int32, 4)}, compass(4, 4), false, nil), "48 floats, 4 labels and 0 targets, want 192, 4 and 0")
	require.ErrorContains(t, task.Sample(pretext.Sample{Inputs: make([]float32, 192), Labels: make([]int32, 1)}, compass(4, 4), false, nil), "192 floats, 1 labels and 0 targets, want 192, 4 and 0")
	require.ErrorContains(t, task.Sample(pretext.Sample{Inputs: make([]float32, 192), Labels: make([]int32, 4)}, nil, false, nil), "no image")
	require.ErrorContains(t, pretext.Rotation{}.Validate(), "View.Height")
}
