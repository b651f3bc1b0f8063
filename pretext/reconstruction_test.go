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

func reconstruct(t *testing.T, task pretext.Reconstruction, img *pretext.Image, train bool, seed uint64) pretext.Sample {
	t.Helper()
	dst := task.Spec().NewSample()
	require.NoError(t, task.Sample(dst, img, train, rng.New(seed, "sample", 0, 0)))
	return dst
}

// TestReconstructionTargets compares targets with means of pixels that are known: red
// is the column and green the row, from 1.
func TestReconstructionTargets(t *testing.T) {
	task := pretext.Reconstruction{View: plain(12, 18, pretext.CropNone), Block: 6, Detail: 2}
	dst := reconstruct(t, task, compass(18, 12), false, 0)
	assert.Equal(t, []int{2, 3, 12}, task.Spec().TargetShape)
	assert.Equal(t, render(t, task.View, compass(18, 12), false, nil), dst.Inputs, "nothing is hidden")
	for block := range 6 {
		for square := range 4 {
			column := float64(block%3*6+square%2*3) + 2 // the middle of three, from 1
			row := float64(block/3*6+square/2*3) + 2
			got := dst.Targets[block*12+square*3:][:3]
			assert.InDeltaSlice(t, []float64{column, row, 255}, []float64{float64(got[0]), float64(got[1]), float64(got[2])}, 1e-3, "block %d, square %d", block, square)
		}
	}
}

// TestReconstructionHides checks that hidden blocks are zeros with targets, and others
// as they were, without.
func TestReconstructionHides(t *testing.T) {
	task := pretext.Reconstruction{View: plain(12, 18, pretext.CropNone), Block: 3, Detail: 1, MaskShare: 0.3}
	whole := task
	whole.MaskShare = 0
	all := reconstruct(t, whole, compass(18, 12), false, 0)
	masks := map[string]bool{}
	for seed := range uint64(20) {
		dst := reconstruct(t, task, compass(18, 12), seed%2 == 0, seed)
		hidden, mask := 0, ""
		for block := range 24 {
			is := dst.Targets[3*block] != pretext.IgnoreValue
			mask += map[bool]string{true: "x", false: "-"}[is]
			for c := range 3 {
				want := pretext.IgnoreValue
				if is {
					want = all.Targets[3*block+c]
				}
				require.Equal(t, want, dst.Targets[3*block+c])
			}
			if is {
				hidden++
			}
			for i := range 9 {
				at := 3 * ((block/6*3+i/3)*18 + block%6*3 + i%3)
				want := all.Inputs[at : at+3]
				if is {
					want = []float32{0, 0, 0}
				}
				require.Equal(t, want, dst.Inputs[at:at+3])
			}
		}
		assert.Equal(t, 7, hidden, "of 24 blocks")
		masks[mask] = true
	}
	assert.Len(t, masks, 20)
}

// TestReconstructionHead fits maps of any size to the targets, and counts what is hidden.
func TestReconstructionHead(t *testing.T) {
	task := pretext.ReconstructionCIFAR10()
	for _, side := range []int{4, 8, 16} {
		g := gorgonia.NewGraph()
		x, err := ops.Images(g, "features", 2, side, side, 5)
		require.NoError(t, err)
		y, err := task.Head(ops.NewScope(g, ops.NewParams()), x)
		require.NoError(t, err)
		assert.Equal(t, tensor.Shape{2, 8, 8, 12}, y.Shape())
		targets, err := task.Spec().NewTargets(g, 2)
		require.NoError(t, err)
		l, err := task.Loss(y, targets)
		require.NoError(t, err)
		assert.Equal(t, ops.Metric{Name: "mse", LowerIsBetter: true}, l.Metric)
	}
}

func TestReconstructionPresets(t *testing.T) {
	for _, c := range []struct {
		task pretext.Reconstruction
		want []int
	}{{pretext.ReconstructionCIFAR10(), []int{8, 8, 12}}, {pretext.ReconstructionImageNet(), []int{14, 14, 48}}} {
		require.NoError(t, c.task.Validate())
		assert.Equal(t, c.want, c.task.Spec().TargetShape)
		assert.Empty(t, c.task.Spec().LabelShape)
	}
}

func TestReconstructionErrors(t *testing.T) {
	good := pretext.Reconstruction{View: plain(12, 18, pretext.CropNone), Block: 6, Detail: 2, MaskShare: 0.5}
	require.NoError(t, good.Validate())
	for want, f := range map[string]func(*pretext.Reconstruction){
		"View.Height":                       func(t *pretext.Reconstruction) { t.View.Height = 0 },
		"Reconstruction.Block = 0":          func(t *pretext.Reconstruction) { t.Block = 0 },
		"multiples of Reconstruction.Block": func(t *pretext.Reconstruction) { t.View.Width = 17 },
		"Reconstruction.Detail = 4":         func(t *pretext.Reconstruction) { t.Detail = 4 },
		"Reconstruction.MaskShare = 1,":     func(t *pretext.Reconstruction) { t.MaskShare = 1 },
		"Reconstruction.MaskShare = NaN":    func(t *pretext.Reconstruction) { t.MaskShare = math.NaN() },
		"hides 0 of 6 blocks":               func(t *pretext.Reconstruction) { t.MaskShare = 0.05 },
		"hides 6 of 6 blocks":               func(t *pretext.Reconstruction) { t.MaskShare = 0.95 },
	} {
		task := good
		f(&task)
		assert.ErrorContains(t, task.Sample(good.Spec().NewSample(), noisy(4, 4), false, rng.New(1, "x", 0, 0)), want)
	}
	assert.ErrorContains(t, good.Sample(good.Spec().NewSample(), noisy(4, 4), false, nil), "no random stream")
	assert.ErrorContains(t, good.Sample(pretext.Sample{}, noisy(4, 4), false, nil), "0 floats, 0 labels and 0 targets, want 648, 0 and 72")
	good.MaskShare = 0
	assert.NoError(t, good.Sample(good.Spec().NewSample(), noisy(4, 4), false, nil))
}
