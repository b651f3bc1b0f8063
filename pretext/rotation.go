package pretext

import (
	"fmt"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// Rotation predicts the rotation of an image (Gidaris et al., 2018, arXiv 1803.07728). One
// image gives four inputs: the transformed image rotated by 0, 90, 180 and 270 degrees
// counter-clockwise, with labels 0 to 3.
type Rotation struct {
	Transform Transform `json:"transform"` // square
}

// Name returns "rotation".
func (Rotation) Name() string { return "rotation" }

// SelfSupervised returns true: labels come from the image alone.
func (Rotation) SelfSupervised() bool { return true }

// Validate returns an error if the transform is invalid or not square.
func (t Rotation) Validate() error {
	if err := t.Transform.Validate(); err != nil {
		return err
	}
	if t.Transform.Height != t.Transform.Width {
		return fmt.Errorf("pretext: Rotation.Transform of %d by %d pixels, want a square", t.Transform.Width, t.Transform.Height)
	}
	return nil
}

// InputTransform returns the transform that makes the inputs of images.
func (t Rotation) InputTransform() Transform { return t.Transform }

// ClassName returns the angle of a class: "90°" for 1.
func (Rotation) ClassName(class int32) string { return fmt.Sprintf("%d°", 90*class) }

// Spec returns the sizes of a sample: 4 inputs, labels of shape [4], 4 classes.
func (t Rotation) Spec() Spec {
	return Spec{
		Height: t.Transform.Height, Width: t.Transform.Width, Channels: 3,
		Inputs: 4, LabelShape: []int{4}, Classes: 4,
	}
}

// Sample writes the four rotations of img to dst.Inputs, [4, Height, Width, 3], and their
// labels to dst.Labels, [4]. Evaluation draws nothing; r may be nil.
func (t Rotation) Sample(dst Sample, img *Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.Spec().Check(dst); err != nil {
		return err
	}
	x, y := dst.Inputs, dst.Labels
	size := len(x) / 4
	if err := t.Transform.Apply(x[:size], img, train, r); err != nil {
		return err
	}
	for k := 1; k < 4; k++ {
		turn(x[k*size:][:size], x[(k-1)*size:][:size], t.Transform.Width)
	}
	rotations(y)
	return nil
}

// rotations writes the labels of the inputs of an image.
func rotations(labels []int32) {
	for k := range labels {
		labels[k] = int32(k)
	}
}

// CropSpec returns the sizes of a crop: the image that is not rotated.
func (t Rotation) CropSpec() CropSpec { return t.Transform.cropSpec(t.Spec(), 0) }

// Crop writes the crop of img, not rotated, and the labels of its rotations.
func (t Rotation) Crop(dst CropSample, img *Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.CropSpec().Check(dst, t.Spec()); err != nil {
		return err
	}
	rotations(dst.Labels)
	return t.Transform.ApplyBytes(dst.Crop, dst.Numbers, img, train, r)
}

// Inputs returns the rotations of the crops, normalised.
func (Rotation) Inputs(crops, numbers *gorgonia.Node, targets Targets) (*gorgonia.Node, Targets, error) {
	x, err := normalised(crops, numbers)
	if err != nil {
		return nil, targets, err
	}
	if x, err = ops.QuarterTurns(x); err != nil {
		return nil, targets, fmt.Errorf("pretext: %w", err)
	}
	return x, targets, nil
}

// turn writes src, n×n pixels, to dst, rotated by 90 degrees counter-clockwise.
func turn(dst, src []float32, n int) {
	for i := range n {
		for j := range n {
			to, from := dst[3*(i*n+j):][:3], src[3*(j*n+n-1-i):][:3]
			to[0], to[1], to[2] = from[0], from[1], from[2]
		}
	}
}

// Head returns logits [N, 4] by global average pooling and a linear layer.
func (Rotation) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	return PooledHead(s, features, 1, 4)
}

// Loss returns the cross-entropy of logits and labels.
func (Rotation) Loss(logits *gorgonia.Node, targets Targets) (ops.Loss, error) {
	return crossEntropy(logits, targets, 0)
}
