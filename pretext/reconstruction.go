package pretext

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"unnas/internal/rng"
	"unnas/ops"
)

// Reconstruction is the task to predict the pixels of an image: of blocks that are
// hidden from the network (Pathak et al., 2016, arXiv 1604.07379; He et al., 2022, arXiv
// 2111.06377), or, with a MaskShare of 0, of all that it sees. The view is cut into
// blocks of Block by Block pixels. The targets of a block are the normalised colours of
// Detail by Detail squares, each the mean of its pixels. Start from
// [ReconstructionCIFAR10] or [ReconstructionImageNet], or fill all fields.
//
// The score is the mean squared error of the colours, "mse". As colours are
// normalised, it is about 1 for a network that knows nothing.
type Reconstruction struct {
	View   View
	Block  int // side of a block in pixels; it divides the sides of the view
	Detail int // squares along a side of a block; it divides Block
	// MaskShare is the share of blocks that are hidden, 0 to below 1. Their pixels are
	// zeros, the mean colour, and only they have targets. With 0 nothing is hidden, and
	// all blocks have targets.
	MaskShare float64
}

// ReconstructionCIFAR10 returns the task for CIFAR-10: half of the blocks of 4 by 4
// pixels are hidden, and predicted at half of the resolution.
func ReconstructionCIFAR10() Reconstruction {
	return Reconstruction{View: CIFAR10(), Block: 4, Detail: 2, MaskShare: 0.5}
}

// ReconstructionImageNet returns the task for ImageNet: of a view of 224 pixels half of
// the blocks of 16 by 16 pixels are hidden, and predicted at a quarter of the
// resolution.
func ReconstructionImageNet() Reconstruction {
	v := ImageNet(224)
	v.Jitter = 0
	return Reconstruction{View: v, Block: 16, Detail: 4, MaskShare: 0.5}
}

// Name returns "reconstruction".
func (Reconstruction) Name() string { return "reconstruction" }

// SelfSupervised says that targets come from the image alone.
func (Reconstruction) SelfSupervised() bool { return true }

// Validate returns an error that names the first setting that cannot be: a view that
// is not valid or does not divide into blocks, blocks that do not divide into
// squares, or a share that hides no block or all.
func (t Reconstruction) Validate() error {
	if err := t.View.Validate(); err != nil {
		return err
	}
	if t.Block < 1 {
		return fmt.Errorf("pretext: Reconstruction.Block = %d, want 1 or more", t.Block)
	}
	if t.View.Height%t.Block != 0 || t.View.Width%t.Block != 0 {
		return fmt.Errorf("pretext: View.Height, View.Width = %d, %d, want multiples of Reconstruction.Block, %d", t.View.Height, t.View.Width, t.Block)
	}
	if t.Detail < 1 || t.Block%t.Detail != 0 {
		return fmt.Errorf("pretext: Reconstruction.Detail = %d, want a divisor of Reconstruction.Block, %d", t.Detail, t.Block)
	}
	if !(t.MaskShare >= 0 && t.MaskShare < 1) {
		return fmt.Errorf("pretext: Reconstruction.MaskShare = %g, want 0 to below 1", t.MaskShare)
	}
	if n := t.hidden(); t.MaskShare > 0 && (n == 0 || n == t.blocks()) {
		return fmt.Errorf("pretext: Reconstruction.MaskShare = %g hides %d of %d blocks, want some and not all", t.MaskShare, n, t.blocks())
	}
	return nil
}

// blocks returns the number of blocks of the view.
func (t Reconstruction) blocks() int { return t.View.Height / t.Block * (t.View.Width / t.Block) }

// hidden returns the number of blocks that are hidden.
func (t Reconstruction) hidden() int { return int(math.Round(t.MaskShare * float64(t.blocks()))) }

// Spec returns the sizes of a sample: 1 input, targets of shape [Height/Block,
// Width/Block, 3·Detail²].
func (t Reconstruction) Spec() Spec {
	block := max(t.Block, 1) // of a task that is not valid
	return Spec{
		Height: t.View.Height, Width: t.View.Width, Channels: 3, Inputs: 1,
		TargetShape: []int{t.View.Height / block, t.View.Width / block, 3 * t.Detail * t.Detail},
	}
}

// Sample writes the view of img to dst.Inputs, [1, Height, Width, 3], with zeros in the
// hidden blocks, and the colours of the squares to dst.Targets, [Height/Block,
// Width/Block, 3·Detail²]: those of a block row by row, or IgnoreValue for a block that
// is not hidden where others are. r draws the view in training, then, in evaluation
// too, which blocks are hidden; it may be nil in evaluation if none is.
func (t Reconstruction) Sample(dst Sample, img *Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.Spec().Check(dst); err != nil {
		return err
	}
	if r == nil && t.MaskShare > 0 {
		return errors.New("pretext: reconstruction: no random stream; it draws which blocks are hidden, in evaluation too")
	}
	if err := t.View.Render(dst.Inputs, img, train, r); err != nil {
		return err
	}
	t.colours(dst)
	if t.MaskShare == 0 {
		return nil
	}
	each := 3 * t.Detail * t.Detail
	for k, block := range rng.Perm(r, t.blocks()) {
		if k < t.hidden() {
			t.hide(dst.Inputs, block)
		} else {
			fill(dst.Targets[block*each:][:each], IgnoreValue)
		}
	}
	return nil
}

// colours writes the mean colour of each square to the targets.
func (t Reconstruction) colours(dst Sample) {
	side, across := t.Block/t.Detail, t.View.Width/t.Block
	for i := range dst.Targets {
		block, square, c := i/(3*t.Detail*t.Detail), i/3%(t.Detail*t.Detail), i%3
		top := block/across*t.Block + square/t.Detail*side
		left := block%across*t.Block + square%t.Detail*side
		var sum float64
		for y := top; y < top+side; y++ {
			for x := left; x < left+side; x++ {
				sum += float64(dst.Inputs[3*(y*t.View.Width+x)+c])
			}
		}
		dst.Targets[i] = float32(sum / float64(side*side))
	}
}

// hide writes zeros to the pixels of a block.
func (t Reconstruction) hide(pix []float32, block int) {
	across := t.View.Width / t.Block
	for y := range t.Block {
		at := (block/across*t.Block+y)*t.View.Width + block%across*t.Block
		clear(pix[3*at:][:3*t.Block])
	}
}

// Head returns colours [N, Height/Block, Width/Block, 3·Detail²] by a 1×1 convolution
// with bias, of which the result is resized bilinearly where a pixel of the map does
// not stand for a block.
func (t Reconstruction) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	shape := t.Spec().TargetShape
	y, err := PixelHead(s, features, shape[2])
	if err != nil {
		return nil, err
	}
	if has := y.Shape(); has[1] == shape[0] && has[2] == shape[1] {
		return y, nil
	}
	if y, err = ops.Upsample(y, shape[0], shape[1]); err != nil {
		return nil, fmt.Errorf("pretext: %w", err)
	}
	return y, nil
}

// Loss returns the mean squared error of the colours that have targets.
func (Reconstruction) Loss(colours *gorgonia.Node, targets Targets) (ops.Loss, error) {
	l, err := ops.MeanSquaredError(colours, targets.Values, IgnoreValue)
	if err != nil {
		return ops.Loss{}, fmt.Errorf("pretext: %w", err)
	}
	return l, nil
}
