package pretext

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// IgnoreIndex is the label that losses and scores ignore.
const IgnoreIndex int32 = -1

// IgnoreValue is the float target that losses and scores ignore.
const IgnoreValue float32 = -math.MaxFloat32

// Task is a task that a network learns: its data, head and loss. The library treats all
// implementations alike. A task that does not use the labels of images has a method
// SelfSupervised() bool that returns true; it does not depend on class names.
//
// The rows of a batch are grouped by image: the Inputs of the first image, then those
// of the second, in feature maps as in the outputs of a head. A head or a loss may
// therefore compare the inputs of an image with each other and with those of other
// images in the batch (see [Contrastive]).
type Task interface {
	TaskData
	// Name returns the name of the task in records and messages.
	Name() string
	// Validate returns an error that names the first invalid field.
	Validate() error
	// Head adds the last layers of the network to the feature map of the last cell,
	// [N·Inputs, h, w, C] for N images, and returns the argument of Loss, such as logits.
	// [Spec.CheckHead] checks its shape.
	Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error)
	// Loss adds the loss of the output of the head. Labels of IgnoreIndex and targets of
	// IgnoreValue must count in neither loss nor score: the data loader pads the last batch
	// with images that have no others.
	Loss(out *gorgonia.Node, t Targets) (ops.Loss, error)
}

// Targets are the targets of a batch of N images.
type Targets struct {
	// Labels has the shape [N·LabelShape[0]] for labels of images, and [N, LabelShape...]
	// for label maps. It is nil without a LabelShape.
	Labels *gorgonia.Node
	// Values are the float targets, [N, TargetShape...]; nil without a TargetShape.
	Values *gorgonia.Node
}

// NewTargets adds the input nodes "labels" and "values" for the targets of a batch to a
// graph.
func (s Spec) NewTargets(g *gorgonia.ExprGraph, images int) (t Targets, err error) {
	if len(s.LabelShape) > 0 {
		shape := append([]int{images}, s.LabelShape...)
		if len(shape) == 2 { // labels of images, not label maps
			shape = []int{images * shape[1]}
		}
		if t.Labels, err = ops.Labels(g, "labels", shape...); err != nil {
			return t, fmt.Errorf("pretext: %w", err)
		}
	}
	if len(s.TargetShape) > 0 {
		if t.Values, err = ops.Values(g, "values", append([]int{images}, s.TargetShape...)...); err != nil {
			return t, fmt.Errorf("pretext: %w", err)
		}
	}
	return t, nil
}

// PooledHead returns logits [N/join, classes] from a feature map [N, h, w, C]: global
// average pooling and a linear layer on join inputs of an image together, such as the tiles
// of a jigsaw, or on each (1).
func PooledHead(s *ops.Scope, features *gorgonia.Node, join, classes int) (*gorgonia.Node, error) {
	y, err := ops.GlobalAvgPool(features)
	if err != nil {
		return nil, fmt.Errorf("pretext: %w", err)
	}
	if y, err = s.Sub("classifier").Linear(y, join, classes); err != nil {
		return nil, fmt.Errorf("pretext: %w", err)
	}
	return y, nil
}

// PixelHead returns logits [N, h, w, classes] from a feature map: a 1×1 convolution with
// bias. The loss resizes them to the labels (ops.PixelCrossEntropy).
func PixelHead(s *ops.Scope, features *gorgonia.Node, classes int) (*gorgonia.Node, error) {
	y, err := s.Sub("classifier").Conv(features, ops.ConvConfig{Out: classes, Window: ops.Square(1, 1, 0, 1), Bias: true})
	if err != nil {
		return nil, fmt.Errorf("pretext: %w", err)
	}
	return y, nil
}

// crossEntropy is the loss of tasks with one label per row of logits.
func crossEntropy(logits *gorgonia.Node, t Targets, smoothing float64) (ops.Loss, error) {
	l, err := ops.CrossEntropy(logits, t.Labels, ops.LossConfig{IgnoreIndex: IgnoreIndex, Smoothing: smoothing})
	if err != nil {
		return ops.Loss{}, fmt.Errorf("pretext: %w", err)
	}
	return l, nil
}

// Spec gives the sizes of a task's samples. A task has labels or float targets, or both.
type Spec struct {
	Height, Width, Channels int   // of one network input
	Inputs                  int   // network inputs made of one image
	LabelShape              []int // shape of the labels of one image: [1], [4], [Height, Width]; nil: none
	// Classes is the number of classes of a label and of logits of the head. It is 0 if the
	// labels are not classes but any numbers from 0 on.
	Classes     int
	TargetShape []int // shape of the float targets of one image; nil: none
}

// mostNumbers limits the inputs, the labels and the targets of an image.
const mostNumbers = 1 << 30

// Validate returns an error that names the first invalid field.
func (s Spec) Validate() error {
	for _, side := range []struct {
		name  string
		value int
	}{{"Height", s.Height}, {"Width", s.Width}, {"Channels", s.Channels}, {"Inputs", s.Inputs}} {
		if side.value < 1 {
			return fmt.Errorf("pretext: Spec.%s = %d, want 1 or more", side.name, side.value)
		}
	}
	if !fits([]int{s.Inputs, s.Height, s.Width, s.Channels}) {
		return fmt.Errorf("pretext: Spec of %d inputs of [%d, %d, %d], want at most %d numbers in all", s.Inputs, s.Height, s.Width, s.Channels, mostNumbers)
	}
	if len(s.LabelShape)+len(s.TargetShape) == 0 {
		return errors.New("pretext: Spec.LabelShape and Spec.TargetShape are empty, want at least one of them; a task without targets gives each image the label 0, so that it counts")
	}
	if !fits(s.LabelShape) {
		return fmt.Errorf("pretext: Spec.LabelShape = %v, want numbers of 1 or more and at most %d labels", s.LabelShape, mostNumbers)
	}
	if !fits(s.TargetShape) {
		return fmt.Errorf("pretext: Spec.TargetShape = %v, want numbers of 1 or more and at most %d targets", s.TargetShape, mostNumbers)
	}
	if s.Classes < 0 || s.Classes > maxClasses || s.Classes > 0 && len(s.LabelShape) == 0 {
		return fmt.Errorf("pretext: Spec.Classes = %d for labels of shape %v, want 0 to %d, and 0 without labels", s.Classes, s.LabelShape, maxClasses)
	}
	return nil
}

// fits reports whether the dimensions of a shape are positive and their product is within
// mostNumbers.
func fits(shape []int) bool {
	n := 1
	for _, d := range shape {
		if d < 1 || d > mostNumbers/n {
			return false
		}
		n *= d
	}
	return true
}

// InputLen returns the number of floats of the inputs of one image, of shape [Inputs,
// Height, Width, Channels].
func (s Spec) InputLen() int { return s.Inputs * s.Height * s.Width * s.Channels }

// LabelLen returns the number of labels of one image.
func (s Spec) LabelLen() int { return product(s.LabelShape) }

// TargetLen returns the number of float targets of one image.
func (s Spec) TargetLen() int { return product(s.TargetShape) }

func product(shape []int) int {
	if len(shape) == 0 {
		return 0
	}
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// CheckHead returns an error if the output of a head does not fit the labels of a batch
// of images: for classes it must be logits [N·LabelShape[0], Classes], or [N, h, w,
// Classes] for label maps. Other outputs are not checked.
func (s Spec) CheckHead(out *gorgonia.Node, images int) error {
	if out == nil {
		return errors.New("pretext: the head returns neither a node nor an error")
	}
	if s.Classes == 0 {
		return nil
	}
	has, rows := out.Shape(), images*s.LabelShape[0]
	if len(s.LabelShape) == 1 {
		if has.Dims() != 2 || has[0] != rows || has[1] != s.Classes {
			return fmt.Errorf("pretext: the head returns the shape %v for %d images, want [%d, %d], a row of Spec.Classes logits for each label; correct Head or Spec", has, images, rows, s.Classes)
		}
		return nil
	}
	if has.Dims() != 4 || has[0] != images || has[3] != s.Classes {
		return fmt.Errorf("pretext: the head returns the shape %v for %d images, want [%d, h, w, %d], maps of Spec.Classes logits; correct Head or Spec", has, images, images, s.Classes)
	}
	return nil
}

// Sample is the memory for the inputs and targets of one image.
type Sample struct {
	Inputs  []float32 // [Inputs, Height, Width, Channels]
	Labels  []int32   // [LabelShape...]
	Targets []float32 // [TargetShape...]
}

// NewSample returns zeroed memory for one sample.
func (s Spec) NewSample() Sample {
	return Sample{make([]float32, s.InputLen()), make([]int32, s.LabelLen()), make([]float32, s.TargetLen())}
}

// Check returns an error if dst has other sizes.
func (s Spec) Check(dst Sample) error {
	if len(dst.Inputs) != s.InputLen() || len(dst.Labels) != s.LabelLen() || len(dst.Targets) != s.TargetLen() {
		return fmt.Errorf("pretext: sample into %d floats, %d labels and %d targets, want %d, %d and %d",
			len(dst.Inputs), len(dst.Labels), len(dst.Targets), s.InputLen(), s.LabelLen(), s.TargetLen())
	}
	return nil
}

// TaskData makes the inputs, labels and float targets of a task from images. It is safe for
// concurrent use.
type TaskData interface {
	// Spec returns the sizes of a sample. They are constant.
	Spec() Spec
	// Sample writes the inputs of one image, its labels (below Classes, or IgnoreIndex) and
	// its float targets (finite, or IgnoreValue) to dst. In training r draws the
	// augmentation. In evaluation the transform is fixed, and r draws only what the task
	// itself needs: the parts of the image that are inputs, their order, and, if labels are
	// not classes and there are no targets, the augmentations that are compared.
	Sample(dst Sample, img *Image, train bool, r *rand.Rand) error
}
