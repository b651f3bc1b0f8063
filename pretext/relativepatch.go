package pretext

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"unnas/internal/rng"
	"unnas/ops"
)

// RelativePatch predicts the relative position of two patches of an image (Doersch et
// al., 2015, arXiv 1505.05192). The inputs are the middle patch of a 3×3 grid and one
// of the eight around it. The class is its position: row by row from above left, 0, to
// below right, 7. Gaps and random shifts keep the network from joining patches by their
// edges. Start from [RelativePatchCIFAR10] or [RelativePatchImageNet], or fill all
// fields.
//
// Differs: the paper takes patches from the whole image at several resolutions, and replaces
// two of three colour channels by noise instead of grayscale conversion.
type RelativePatch struct {
	Transform Transform `json:"transform"` // of the image that patches are cut from
	Patch     int       `json:"patch"`     // side of a patch in pixels
	Gap       int       `json:"gap"`       // pixels between patches
	Jitter    int       `json:"jitter"`    // maximum shift of a patch in training in pixels, up to half of Gap
	// GrayscaleProb is the probability that a training image is converted to grayscale, 0 to
	// 1, so that the network does not use chromatic aberration.
	GrayscaleProb float64 `json:"grayscale_prob"`
}

// RelativePatchCIFAR10 returns the task for CIFAR-10: patches of 8 pixels, 2 pixels apart,
// of the whole image of 32×32 pixels, randomly flipped.
func RelativePatchCIFAR10() RelativePatch {
	v := CIFAR10Transform()
	v.Crop = CropNone
	return RelativePatch{Transform: v, Patch: 8, Gap: 2, Jitter: 1, GrayscaleProb: 0.3}
}

// RelativePatchImageNet returns the task for ImageNet: patches of 64 pixels, 24 pixels
// apart, of a window of 255 pixels.
func RelativePatchImageNet() RelativePatch {
	v := ImageNetTransform(255)
	v.Crop = CropResized
	return RelativePatch{Transform: v, Patch: 64, Gap: 24, Jitter: 6, GrayscaleProb: 0.3}
}

// neighbours is the number of patches around the middle one.
const neighbours = 8

// Name returns "relative_patch".
func (RelativePatch) Name() string { return "relative_patch" }

// SelfSupervised returns true: labels come from the image alone.
func (RelativePatch) SelfSupervised() bool { return true }

// Validate returns an error that names the first invalid field: a transform that is invalid
// or too small for the patches, or a Jitter larger than the gaps allow.
func (t RelativePatch) Validate() error {
	if err := t.Transform.Validate(); err != nil {
		return err
	}
	side := min(t.Transform.Height, t.Transform.Width)
	if t.Patch < 1 || t.Patch > side {
		return fmt.Errorf("pretext: RelativePatch.Patch = %d, want 1 or more, and 3 patches with their gaps within %d by %d pixels", t.Patch, t.Transform.Width, t.Transform.Height)
	}
	if t.Gap < 0 || t.Gap > side {
		return fmt.Errorf("pretext: RelativePatch.Gap = %d, want 0 or more, and 3 patches with their gaps within %d by %d pixels", t.Gap, t.Transform.Width, t.Transform.Height)
	}
	if t.Jitter < 0 || t.Jitter > t.Gap/2 {
		return fmt.Errorf("pretext: RelativePatch.Jitter = %d, want 0 to %d, half of RelativePatch.Gap, so that patches do not overlap", t.Jitter, t.Gap/2)
	}
	if need := t.grid() + 2*t.Jitter; need > side {
		return fmt.Errorf("pretext: RelativePatch.Patch = %d, Gap = %d and Jitter = %d need %d by %d pixels, but Transform.Height and Transform.Width are %d and %d", t.Patch, t.Gap, t.Jitter, need, need, t.Transform.Height, t.Transform.Width)
	}
	if !(t.GrayscaleProb >= 0 && t.GrayscaleProb <= 1) {
		return fmt.Errorf("pretext: RelativePatch.GrayscaleProb = %g, want 0 to 1", t.GrayscaleProb)
	}
	return nil
}

// grid returns the side of the grid of patches.
func (t RelativePatch) grid() int { return 3*t.Patch + 2*t.Gap }

// ClassName returns the position of a class: "above left" for 0.
func (RelativePatch) ClassName(class int32) string {
	names := [neighbours]string{"above left", "above", "above right", "left", "right", "below left", "below", "below right"}
	if class < 0 || class >= neighbours {
		return fmt.Sprintf("class %d", class)
	}
	return names[class]
}

// Spec returns the sizes of a sample: 2 inputs with one label of 8 classes.
func (t RelativePatch) Spec() Spec {
	return Spec{Height: t.Patch, Width: t.Patch, Channels: 3, Inputs: 2, LabelShape: []int{1}, Classes: neighbours}
}

// Sample writes the middle patch and one around it to dst.Inputs, [2, Patch, Patch, 3], and
// the class of the second to dst.Labels, [1]. Each patch is normalised to mean 0 and
// standard deviation 1 over pixels and channels together; a patch of a single value becomes
// zeros.
//
// In training r draws the grayscale conversion, then the augmentation, the class, the place
// of the grid, and the shifts of both patches, down and across. In evaluation the grid is
// centred, nothing is shifted, and r draws only the class.
func (t RelativePatch) Sample(dst Sample, img *Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.Spec().Check(dst); err != nil {
		return err
	}
	if r == nil {
		return errPatchStream
	}
	return t.tiles().sample(dst, img, train, r)
}

var errPatchStream = errors.New("pretext: relative patch: no random stream; it draws the position, in evaluation too")

func (t RelativePatch) tiles() tiles { return tiles{t.Transform, t.GrayscaleProb, t.Spec(), t.place} }

// CropSpec returns the sizes of a crop, the image that patches are cut from, with two numbers
// for each patch.
func (t RelativePatch) CropSpec() CropSpec { return t.tiles().cropSpec() }

// Crop writes the crop of img that patches are cut from, where they are, and the position of
// the second.
func (t RelativePatch) Crop(dst CropSample, img *Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if r == nil {
		return errPatchStream
	}
	return t.tiles().crop(dst, img, train, r)
}

// Inputs returns the patches of the crops, normalised.
func (t RelativePatch) Inputs(crops, numbers *gorgonia.Node, targets Targets) (*gorgonia.Node, Targets, error) {
	x, err := t.tiles().inputs(crops, numbers)
	return x, targets, err
}

// place draws the position of the second patch, and returns it with the top rows and the left
// columns of both.
func (t RelativePatch) place(train bool, r *rand.Rand) (class int32, corners [][2]int) {
	class = int32(rng.IntN(r, neighbours))
	const middle = neighbours / 2
	cell := int(class)
	if cell >= middle {
		cell++
	}
	// place draws the start of the grid along a side, and shift the shift of a patch.
	place := func(side int) int { return (side - t.grid()) / 2 }
	shift := func() int { return 0 }
	if train {
		place = func(side int) int { return t.Jitter + rng.IntN(r, side-t.grid()-2*t.Jitter+1) }
		shift = func() int { return rng.IntN(r, 2*t.Jitter+1) - t.Jitter }
	}
	top, left := place(t.Transform.Height), place(t.Transform.Width)
	for _, cell := range [2]int{middle, cell} {
		y := top + cell/3*(t.Patch+t.Gap) + shift()
		x := left + cell%3*(t.Patch+t.Gap) + shift()
		corners = append(corners, [2]int{y, x})
	}
	return class, corners
}

// Head returns logits [N, 8]: global average pooling of each patch, and a linear layer on
// both patches of an image.
func (RelativePatch) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	return PooledHead(s, features, 2, neighbours)
}

// Loss returns the cross-entropy of logits and labels.
func (RelativePatch) Loss(logits *gorgonia.Node, targets Targets) (ops.Loss, error) {
	return crossEntropy(logits, targets, 0)
}
