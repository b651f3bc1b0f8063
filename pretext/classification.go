package pretext

import (
	"fmt"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// Classification is supervised image classification. One image gives one input and one
// label.
type Classification struct {
	Transform Transform `json:"transform"`
	Classes   int       `json:"classes"` // number of classes of the data set, 2 or more
	// Smoothing is the label smoothing, 0 to below 1 (ops.LossConfig): the probability
	// that the other classes share. Derived networks are trained with 0.1 on ImageNet;
	// searches use 0.
	Smoothing float64 `json:"smoothing"`
}

// maxClasses is more than any data set has.
const maxClasses = 1 << 24

// Name returns "classification".
func (Classification) Name() string { return "classification" }

// Validate returns an error if the transform is invalid or there are fewer than two
// classes.
func (t Classification) Validate() error {
	if err := t.Transform.Validate(); err != nil {
		return err
	}
	if t.Classes < 2 || t.Classes > maxClasses {
		return fmt.Errorf("pretext: Classification.Classes = %d, want 2 to %d", t.Classes, maxClasses)
	}
	if !(t.Smoothing >= 0 && t.Smoothing < 1) {
		return fmt.Errorf("pretext: Classification.Smoothing = %v, want 0 to below 1", t.Smoothing)
	}
	return nil
}

// InputTransform returns the transform that makes the inputs of images.
func (t Classification) InputTransform() Transform { return t.Transform }

// Spec returns the sizes of a sample: 1 input, labels of shape [1].
func (t Classification) Spec() Spec {
	return Spec{
		Height: t.Transform.Height, Width: t.Transform.Width, Channels: 3,
		Inputs: 1, LabelShape: []int{1}, Classes: t.Classes,
	}
}

// Sample writes the transformed img to dst.Inputs, [1, Height, Width, 3], and its class
// to dst.Labels, [1]. It returns an error if the image has no class or one out of range.
// Evaluation draws nothing; r may be nil.
func (t Classification) Sample(dst Sample, img *Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.Spec().Check(dst); err != nil {
		return err
	}
	x, y := dst.Inputs, dst.Labels
	if err := t.Transform.Apply(x, img, train, r); err != nil {
		return err
	}
	return t.label(y, img)
}

// label writes the class of an image.
func (t Classification) label(labels []int32, img *Image) error {
	if img.Label < 0 || img.Label >= t.Classes {
		return fmt.Errorf("pretext: classification: image of class %d, want 0 to %d; choose a self-supervised task for unlabelled images", img.Label, t.Classes-1)
	}
	labels[0] = int32(img.Label)
	return nil
}

// CropSpec returns the sizes of a crop, that of the input.
func (t Classification) CropSpec() CropSpec { return t.Transform.cropSpec(t.Spec(), 0) }

// Crop writes the crop of img and its class, as Sample does.
func (t Classification) Crop(dst CropSample, img *Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.CropSpec().Check(dst, t.Spec()); err != nil {
		return err
	}
	if err := t.Transform.ApplyBytes(dst.Crop, dst.Numbers, img, train, r); err != nil {
		return err
	}
	return t.label(dst.Labels, img)
}

// Inputs returns the crops, normalised.
func (Classification) Inputs(crops, numbers *gorgonia.Node, targets Targets) (*gorgonia.Node, Targets, error) {
	x, err := normalised(crops, numbers)
	return x, targets, err
}

// Head returns logits [N, Classes] by global average pooling and a linear layer.
func (t Classification) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	return PooledHead(s, features, 1, t.Classes)
}

// Loss returns the cross-entropy of logits and smoothed labels.
func (t Classification) Loss(logits *gorgonia.Node, targets Targets) (ops.Loss, error) {
	return crossEntropy(logits, targets, t.Smoothing)
}

// WithClasses returns a [Classification] for another number of classes, and any other
// task as it is, so that a published task takes a data set of fewer classes.
func WithClasses(task Task, classes int) Task {
	if t, ok := task.(Classification); ok {
		t.Classes = classes
		return t
	}
	return task
}
