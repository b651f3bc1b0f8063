package pretext

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"unnas/internal/rng"
	"unnas/ops"
)

// RelativePatch is the task to predict where a patch of an image lies (Doersch et al.,
// 2015, arXiv 1505.05192). In a grid of 3×3 patches of the view, the inputs are the
// one in the middle and one of the eight around it. The class is which: row by row from
// above left, 0, to below right, 7. Gaps and random shifts keep the network from
// joining patches by their edges. Start from [RelativePatchCIFAR10] or
// [RelativePatchImageNet], or fill all fields.
//
// Differs: the paper takes patches from the whole image at several resolutions, and
// replaces two of three colours by noise where GrayShare drops all of them.
type RelativePatch struct {
	View   View // of which the patches are parts
	Patch  int  // side of a patch in pixels
	Gap    int  // pixels between patches
	Jitter int  // pixels by which a patch is shifted at most in training, up to half of Gap
	// GrayShare is the share of training images that lose their colours first, 0 to 1,
	// so that the network does not go by the colours that a lens scatters.
	GrayShare float64
}

// RelativePatchCIFAR10 returns the task for CIFAR-10: of the whole image of 32 by 32
// pixels, mirrored or not, patches of 8 pixels, 2 pixels apart.
func RelativePatchCIFAR10() RelativePatch {
	v := CIFAR10()
	v.Crop = CropNone
	return RelativePatch{View: v, Patch: 8, Gap: 2, Jitter: 1, GrayShare: 0.3}
}

// RelativePatchImageNet returns the task for ImageNet: of a window of 255 pixels,
// patches of 64 pixels, 24 pixels apart.
func RelativePatchImageNet() RelativePatch {
	v := ImageNet(255)
	v.Crop = CropScale
	return RelativePatch{View: v, Patch: 64, Gap: 24, Jitter: 6, GrayShare: 0.3}
}

// neighbours is the number of patches around the one in the middle.
const neighbours = 8

// Name returns "relative_patch".
func (RelativePatch) Name() string { return "relative_patch" }

// SelfSupervised says that labels come from the image alone.
func (RelativePatch) SelfSupervised() bool { return true }

// Validate returns an error that names the first setting that cannot be: a view that
// is not valid or too small for the patches, or shifts that are larger than the gaps
// allow.
func (t RelativePatch) Validate() error {
	if err := t.View.Validate(); err != nil {
		return err
	}
	side := min(t.View.Height, t.View.Width)
	if t.Patch < 1 || t.Patch > side {
		return fmt.Errorf("pretext: RelativePatch.Patch = %d, want 1 or more, and 3 patches with their gaps in a view of %d by %d pixels", t.Patch, t.View.Width, t.View.Height)
	}
	if t.Gap < 0 || t.Gap > side {
		return fmt.Errorf("pretext: RelativePatch.Gap = %d, want 0 or more, and 3 patches with their gaps in a view of %d by %d pixels", t.Gap, t.View.Width, t.View.Height)
	}
	if t.Jitter < 0 || t.Jitter > t.Gap/2 {
		return fmt.Errorf("pretext: RelativePatch.Jitter = %d, want 0 to %d, half of RelativePatch.Gap, so that patches do not overlap", t.Jitter, t.Gap/2)
	}
	if need := t.grid() + 2*t.Jitter; need > side {
		return fmt.Errorf("pretext: RelativePatch.Patch = %d, Gap = %d and Jitter = %d need views of %d by %d pixels, View.Height and View.Width are %d and %d", t.Patch, t.Gap, t.Jitter, need, need, t.View.Height, t.View.Width)
	}
	if !(t.GrayShare >= 0 && t.GrayShare <= 1) {
		return fmt.Errorf("pretext: RelativePatch.GrayShare = %g, want 0 to 1", t.GrayShare)
	}
	return nil
}

// grid returns the side of the grid of patches.
func (t RelativePatch) grid() int { return 3*t.Patch + 2*t.Gap }

// ClassName returns where a patch of that class lies: "above left" for 0.
func (RelativePatch) ClassName(class int32) string {
	names := [neighbours]string{"above left", "above", "above right", "left", "right", "below left", "below", "below right"}
	if class < 0 || class >= neighbours {
		return fmt.Sprintf("class %d", class)
	}
	return names[class]
}

// Spec returns the sizes of a sample: 2 inputs, which share one label of 8 classes.
func (t RelativePatch) Spec() Spec {
	return Spec{Height: t.Patch, Width: t.Patch, Channels: 3, Inputs: 2, LabelShape: []int{1}, Classes: neighbours}
}

// Sample writes the patch in the middle and one around it to dst.Inputs, [2, Patch,
// Patch, 3], and the class of the second to dst.Labels, [1]. Each patch is normalised
// to mean 0 and deviation 1 over its pixels and channels together; one of a single
// value becomes zeros.
//
// In training r draws whether the image turns grey, then the view, the class, where
// the grid lies in the view, and the shifts of both patches, down and across. In
// evaluation the grid lies in the middle, nothing is shifted, and r draws the class
// alone.
func (t RelativePatch) Sample(dst Sample, img *Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.Spec().Check(dst); err != nil {
		return err
	}
	if err := img.check(); err != nil {
		return err
	}
	if r == nil {
		return errors.New("pretext: relative patch: no random stream; it draws the position, in evaluation too")
	}
	if train && rng.Bool(r, t.GrayShare) {
		img = img.gray()
	}
	view := make([]float32, 3*t.View.Height*t.View.Width)
	if err := t.View.Render(view, img, train, r); err != nil {
		return err
	}
	class := rng.IntN(r, neighbours)
	dst.Labels[0] = int32(class)

	const middle = neighbours / 2
	cell := class
	if cell >= middle {
		cell++
	}
	// place draws where the grid lies along a side, and shift how far a patch is moved.
	place := func(side int) int { return (side - t.grid()) / 2 }
	shift := func() int { return 0 }
	if train {
		place = func(side int) int { return t.Jitter + rng.IntN(r, side-t.grid()-2*t.Jitter+1) }
		shift = func() int { return rng.IntN(r, 2*t.Jitter+1) - t.Jitter }
	}
	top, left := place(t.View.Height), place(t.View.Width)
	row, stride := 3*t.Patch, 3*t.View.Width
	for k, cell := range [2]int{middle, cell} {
		y := top + cell/3*(t.Patch+t.Gap) + shift()
		x := left + cell%3*(t.Patch+t.Gap) + shift()
		out := dst.Inputs[k*t.Patch*row:][:t.Patch*row]
		for i := range t.Patch {
			copy(out[i*row:][:row], view[(y+i)*stride+3*x:])
		}
		standardise(out)
	}
	return nil
}

// Head returns logits [N, 8]: global average pooling of each patch, and a linear layer
// that sees both patches of an image.
func (RelativePatch) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	return PooledHead(s, features, 2, neighbours)
}

// Loss returns the cross-entropy of logits and labels.
func (RelativePatch) Loss(logits *gorgonia.Node, targets Targets) (ops.Loss, error) {
	return crossEntropy(logits, targets, 0)
}
