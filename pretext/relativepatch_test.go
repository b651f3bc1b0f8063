package pretext_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
	"unnas/pretext"
)

// noisy returns an image in which every part is like no other.
func noisy(w, h int) *pretext.Image {
	r := rand.New(rand.NewPCG(1, 2))
	img := &pretext.Image{Width: w, Height: h, Label: -1, Pix: make([]uint8, 3*w*h)}
	for i := range img.Pix {
		img.Pix[i] = uint8(r.Uint64())
	}
	return img
}

// find returns where a normalised patch lies in a view.
func find(t *testing.T, view []float32, width int, patch []float32, side int) (top, left int) {
	t.Helper()
	window := make([]float64, 0, 3*side*side)
	for top := range len(view)/3/width - side + 1 {
		for left := range width - side + 1 {
			window = window[:0]
			var sum, squares float64
			for i := range side {
				for _, v := range view[3*((top+i)*width+left):][:3*side] {
					window = append(window, float64(v))
					sum += float64(v)
				}
			}
			mean := sum / float64(len(window))
			for _, v := range window {
				squares += (v - mean) * (v - mean)
			}
			same := true
			for i, v := range window {
				same = same && math.Abs((v-mean)/math.Sqrt(squares/float64(len(window)))-float64(patch[i])) < 1e-3
			}
			if same {
				return top, left
			}
		}
	}
	t.Fatal("the patch is no part of the view")
	return 0, 0
}

// TestRelativePatchLies checks that the second patch lies where the label says, and
// how far patches are shifted.
func TestRelativePatchLies(t *testing.T) {
	const height, width = 25, 22
	img := noisy(width, height)
	task := pretext.RelativePatch{Transform: plain(height, width, pretext.CropNone), Patch: 4, Gap: 3, Jitter: 1}
	view := render(t, task.Transform, img, false, nil)
	size := 3 * task.Patch * task.Patch
	for _, train := range []bool{false, true} {
		var classes [8]int
		tops := map[int]bool{}
		for seed := range uint64(200) {
			x, y := sample(t, task, img, train, seed)
			classes[y[0]]++
			top, left := find(t, view, width, x[:size], task.Patch)
			down, right := find(t, view, width, x[size:], task.Patch)
			down, right = down-top, right-left
			tops[top] = true
			cell := int(y[0])
			if cell >= 4 {
				cell++
			}
			wantDown, wantRight := (cell/3-1)*7, (cell%3-1)*7
			if train {
				require.InDelta(t, wantDown, down, 2)
				require.InDelta(t, wantRight, right, 2)
				continue
			}
			require.Equal(t, [4]int{10, 9, wantDown, wantRight}, [4]int{top, left, down, right})
		}
		for class, n := range classes {
			assert.Greater(t, n, 10, "class %d", class)
		}
		if train { // the grid of 18 may begin in rows 1 to 6, and its middle is shifted by 1
			assert.Len(t, tops, 8)
		}
	}
}

func TestRelativePatchLosesColours(t *testing.T) {
	task := pretext.RelativePatchCIFAR10()
	task.GrayscaleProb = 1
	x, _ := sample(t, task, noisy(32, 32), true, 1)
	for i := 0; i < len(x); i += 3 {
		require.InDelta(t, x[i], x[i+1], 0.1) // but for mean and deviation of the view
	}
	x, _ = sample(t, task, noisy(32, 32), false, 1)
	assert.Greater(t, math.Abs(float64(x[0]-x[1])), 0.1)
}

func TestRelativePatchPresets(t *testing.T) {
	for _, c := range []struct {
		task pretext.RelativePatch
		side int
	}{{pretext.RelativePatchCIFAR10(), 8}, {pretext.RelativePatchImageNet(), 64}} {
		require.NoError(t, c.task.Validate())
		assert.Equal(t, pretext.Spec{Height: c.side, Width: c.side, Channels: 3, Inputs: 2, LabelShape: []int{1}, Classes: 8}, c.task.Spec())
	}
	assert.Equal(t, "above left", pretext.RelativePatch{}.ClassName(0))
	assert.Equal(t, "right", pretext.RelativePatch{}.ClassName(4))
	assert.Equal(t, "class 8", pretext.RelativePatch{}.ClassName(8))
}

func TestRelativePatchErrors(t *testing.T) {
	good := pretext.RelativePatch{Transform: plain(30, 40, pretext.CropNone), Patch: 8, Gap: 2, Jitter: 1}
	require.NoError(t, good.Validate())
	for want, f := range map[string]func(*pretext.RelativePatch){
		"Transform.Height":                  func(t *pretext.RelativePatch) { t.Transform.Height = 0 },
		"RelativePatch.Patch = 0":           func(t *pretext.RelativePatch) { t.Patch = 0 },
		"RelativePatch.Gap = -1":            func(t *pretext.RelativePatch) { t.Gap = -1 },
		"RelativePatch.Jitter = 2":          func(t *pretext.RelativePatch) { t.Jitter = 2 },
		"need 33 by 33 pixels":              func(t *pretext.RelativePatch) { t.Patch = 9 },
		"RelativePatch.GrayscaleProb = NaN": func(t *pretext.RelativePatch) { t.GrayscaleProb = math.NaN() },
	} {
		task := good
		f(&task)
		assert.ErrorContains(t, task.Sample(good.Spec().NewSample(), noisy(4, 4), false, rng.New(1, "x", 0, 0)), want)
	}
	assert.ErrorContains(t, good.Sample(good.Spec().NewSample(), noisy(4, 4), false, nil), "no random stream")
	assert.ErrorContains(t, good.Sample(pretext.Sample{}, noisy(4, 4), false, nil), "0 floats, 0 labels and 0 targets, want 384, 1 and 0")
}
