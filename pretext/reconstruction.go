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

// Reconstruction predicts the pixels of an image: those of blocks hidden from the network
// (Pathak et al., 2016, arXiv 1604.07379; He et al., 2022, arXiv 2111.06377), or, with
// MaskRatio 0, of the whole input. The transformed image is cut into Block×Block pixels. The
// targets of a block are the normalised colours of Detail×Detail squares, each the mean of
// its pixels. Start from [ReconstructionCIFAR10] or [ReconstructionImageNet], or fill all
// fields.
//
// The score is the mean squared error of the colours, "mse". As colours are normalised, it
// is about 1 for an untrained network.
type Reconstruction struct {
	Transform Transform `json:"transform"`
	Block     int       `json:"block"`  // side of a block in pixels; divides the sides of the transform
	Detail    int       `json:"detail"` // squares along a side of a block; divides Block
	// MaskRatio is the fraction of hidden blocks, 0 to below 1. Their pixels are zeros, the
	// mean colour, and only they have targets. With 0 nothing is hidden and all blocks have
	// targets.
	MaskRatio float64 `json:"mask_ratio"`
}

// ReconstructionCIFAR10 returns the task for CIFAR-10: half of the blocks of 4×4 pixels are
// hidden, and predicted at half the resolution.
func ReconstructionCIFAR10() Reconstruction {
	return Reconstruction{Transform: CIFAR10Transform(), Block: 4, Detail: 2, MaskRatio: 0.5}
}

// ReconstructionImageNet returns the task for ImageNet: of 224×224 pixels half of the blocks
// of 16×16 pixels are hidden, and predicted at a quarter of the resolution.
func ReconstructionImageNet() Reconstruction {
	v := ImageNetTransform(224)
	v.Jitter = 0
	return Reconstruction{Transform: v, Block: 16, Detail: 4, MaskRatio: 0.5}
}

// Name returns "reconstruction".
func (Reconstruction) Name() string { return "reconstruction" }

// SelfSupervised returns true: targets come from the image alone.
func (Reconstruction) SelfSupervised() bool { return true }

// Validate returns an error that names the first invalid field: a transform that is invalid
// or not divisible into blocks, blocks not divisible into squares, or a ratio that hides no
// block or all.
func (t Reconstruction) Validate() error {
	if err := t.Transform.Validate(); err != nil {
		return err
	}
	if t.Block < 1 {
		return fmt.Errorf("pretext: Reconstruction.Block = %d, want 1 or more", t.Block)
	}
	if t.Transform.Height%t.Block != 0 || t.Transform.Width%t.Block != 0 {
		return fmt.Errorf("pretext: Transform.Height, Transform.Width = %d, %d, want multiples of Reconstruction.Block, %d", t.Transform.Height, t.Transform.Width, t.Block)
	}
	if t.Detail < 1 || t.Block%t.Detail != 0 {
		return fmt.Errorf("pretext: Reconstruction.Detail = %d, want a divisor of Reconstruction.Block, %d", t.Detail, t.Block)
	}
	if !(t.MaskRatio >= 0 && t.MaskRatio < 1) {
		return fmt.Errorf("pretext: Reconstruction.MaskRatio = %g, want 0 to below 1", t.MaskRatio)
	}
	if n := t.hidden(); t.MaskRatio > 0 && (n == 0 || n == t.blocks()) {
		return fmt.Errorf("pretext: Reconstruction.MaskRatio = %g hides %d of %d blocks, want some and not all", t.MaskRatio, n, t.blocks())
	}
	return nil
}

// blocks returns the number of blocks of an image.
func (t Reconstruction) blocks() int {
	return t.Transform.Height / t.Block * (t.Transform.Width / t.Block)
}

// hidden returns the number of hidden blocks.
func (t Reconstruction) hidden() int { return int(math.Round(t.MaskRatio * float64(t.blocks()))) }

// InputTransform returns the transform of an image of which nothing is hidden.
func (t Reconstruction) InputTransform() Transform { return t.Transform }

// Spec returns the sizes of a sample: 1 input, targets of shape [Height/Block,
// Width/Block, 3·Detail²].
func (t Reconstruction) Spec() Spec {
	block := max(t.Block, 1) // of an invalid task
	return Spec{
		Height: t.Transform.Height, Width: t.Transform.Width, Channels: 3, Inputs: 1,
		TargetShape: []int{t.Transform.Height / block, t.Transform.Width / block, 3 * t.Detail * t.Detail},
	}
}

// Sample writes the transformed img to dst.Inputs, [1, Height, Width, 3], with zeros in the
// hidden blocks, and the colours of the squares to dst.Targets, [Height/Block, Width/Block,
// 3·Detail²]: those of a block row by row, or IgnoreValue for visible blocks if others are
// hidden. r draws the augmentation in training, then, in evaluation too, the hidden blocks;
// in evaluation without hidden blocks it may be nil.
func (t Reconstruction) Sample(dst Sample, img *Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.Spec().Check(dst); err != nil {
		return err
	}
	if r == nil && t.MaskRatio > 0 {
		return errors.New("pretext: reconstruction: no random stream; it draws the hidden blocks, in evaluation too")
	}
	if err := t.Transform.Apply(dst.Inputs, img, train, r); err != nil {
		return err
	}
	t.colours(dst)
	if t.MaskRatio == 0 {
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
	side, across := t.Block/t.Detail, t.Transform.Width/t.Block
	for i := range dst.Targets {
		block, square, c := i/(3*t.Detail*t.Detail), i/3%(t.Detail*t.Detail), i%3
		top := block/across*t.Block + square/t.Detail*side
		left := block%across*t.Block + square%t.Detail*side
		var sum float64
		for y := top; y < top+side; y++ {
			for x := left; x < left+side; x++ {
				sum += float64(dst.Inputs[3*(y*t.Transform.Width+x)+c])
			}
		}
		dst.Targets[i] = float32(sum / float64(side*side))
	}
}

// hide writes zeros to the pixels of a block.
func (t Reconstruction) hide(pix []float32, block int) {
	across := t.Transform.Width / t.Block
	for y := range t.Block {
		at := (block/across*t.Block+y)*t.Transform.Width + block%across*t.Block
		clear(pix[3*at:][:3*t.Block])
	}
}

// Head returns colours [N, Height/Block, Width/Block, 3·Detail²]: a 1×1 convolution with
// bias, resized bilinearly if the feature map does not have a pixel per block.
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
