package pretext

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// Ignore is the label of what does not count in losses and scores.
const Ignore int32 = -1

// IgnoreValue is the float target of what does not count in losses and scores.
const IgnoreValue float32 = -math.MaxFloat32

// Task is what a network is asked to predict. Tasks of one's own implement it;
// nothing else in the library asks which task it is. One that does not look at labels
// of images has a method SelfSupervised() bool that says so; the names of classes do
// not matter to it.
//
// The rows of a batch are grouped by image: the Inputs of the first image, then those
// of the second, in feature maps as in what a head makes of them. So a head or a loss
// may compare several inputs of an image with each other, and with those of the other
// images in the batch (see [Contrastive]).
type Task interface {
	Sampler
	// Name names the task in records and messages.
	Name() string
	// Validate returns an error that names the first setting that no task can have.
	Validate() error
	// Head adds the last layers of the network to the feature map of the last
	// cell, [N·Inputs, h, w, C] for N images, and returns what Loss takes, such as
	// logits. [Spec.CheckHead] says which shapes it may have.
	Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error)
	// Loss adds the loss of what the head returns. Labels of Ignore and targets of
	// IgnoreValue count in neither loss nor score: a loader fills the last batch with
	// images that have nothing else.
	Loss(out *gorgonia.Node, t Targets) (ops.Loss, error)
}

// Targets are what a network should predict for a batch of N images.
type Targets struct {
	// Labels have the shape [N·LabelShape[0]] if there are some for each image, and
	// [N, LabelShape...] for label maps. The node is nil without a LabelShape.
	Labels *gorgonia.Node
	// Values are the float targets, [N, TargetShape...]; nil without a TargetShape.
	Values *gorgonia.Node
}

// NewTargets adds the input nodes for the targets of a batch to a graph, "labels" and
// "values".
func (s Spec) NewTargets(g *gorgonia.ExprGraph, images int) (t Targets, err error) {
	if len(s.LabelShape) > 0 {
		shape := append([]int{images}, s.LabelShape...)
		if len(shape) == 2 { // some labels for an image, rather than a map of them
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

// PooledHead returns logits [N/join, classes] from a feature map [N, h, w, C]:
// global average pooling and a linear layer that sees join inputs of the network
// together, the tiles of one jigsaw, or one.
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

// PixelHead returns logits [N, h, w, classes] from a feature map: a 1×1
// convolution with bias. The loss enlarges them (ops.PixelCrossEntropy).
func PixelHead(s *ops.Scope, features *gorgonia.Node, classes int) (*gorgonia.Node, error) {
	y, err := s.Sub("classifier").Conv(features, ops.ConvConfig{Out: classes, Window: ops.Square(1, 1, 0, 1), Bias: true})
	if err != nil {
		return nil, fmt.Errorf("pretext: %w", err)
	}
	return y, nil
}

// crossEntropy is the loss of the tasks with one label for each row of logits.
func crossEntropy(logits *gorgonia.Node, t Targets, smoothing float64) (ops.Loss, error) {
	l, err := ops.CrossEntropy(logits, t.Labels, ops.LossConfig{Ignore: Ignore, Smoothing: smoothing})
	if err != nil {
		return ops.Loss{}, fmt.Errorf("pretext: %w", err)
	}
	return l, nil
}

// Spec is what a task asks of the loader and of the network. A task has labels or
// float targets, or both.
type Spec struct {
	Height, Width, Channels int   // of one network input
	Inputs                  int   // network inputs made of one image
	LabelShape              []int // shape of the labels of one image: [1], [4], [Height, Width]; nil: none
	// Classes is the number of classes of a label, for each of which the head has a
	// logit. It is 0 if the labels are no classes: then they are any numbers from 0 on.
	Classes     int
	TargetShape []int // shape of the float targets of one image; nil: none
}

// mostNumbers bounds the inputs, the labels and the targets of an image.
const mostNumbers = 1 << 30

// Validate returns an error that names the first field that no task can have.
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
		return errors.New("pretext: Spec.LabelShape and Spec.TargetShape are empty, want at least one of them; a task that has nothing to predict gives each image the label 0, so that it counts")
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

// fits says whether the parts of a shape are positive and their product is not too large.
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

// InputLen returns the number of floats of the inputs of one image, which have
// the shape [Inputs, Height, Width, Channels].
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

// CheckHead returns an error if a head returns what the labels of so many images do
// not fit: where labels are classes, logits [N·LabelShape[0], Classes] are needed, or
// [N, h, w, Classes] for label maps. What else a head returns is up to the loss.
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
			return fmt.Errorf("pretext: the head returns the shape %v for %d images, want [%d, %d], a row of Spec.Classes logits for each label; mend Head or Spec", has, images, rows, s.Classes)
		}
		return nil
	}
	if has.Dims() != 4 || has[0] != images || has[3] != s.Classes {
		return fmt.Errorf("pretext: the head returns the shape %v for %d images, want [%d, h, w, %d], maps of Spec.Classes logits; mend Head or Spec", has, images, images, s.Classes)
	}
	return nil
}

// Sample is the memory for what a task makes of one image.
type Sample struct {
	Inputs  []float32 // [Inputs, Height, Width, Channels]
	Labels  []int32   // [LabelShape...]
	Targets []float32 // [TargetShape...]
}

// NewSample returns memory for one sample.
func (s Spec) NewSample() Sample {
	return Sample{make([]float32, s.InputLen()), make([]int32, s.LabelLen()), make([]float32, s.TargetLen())}
}

// Check returns an error if the memory for one sample has another size.
func (s Spec) Check(dst Sample) error {
	if len(dst.Inputs) != s.InputLen() || len(dst.Labels) != s.LabelLen() || len(dst.Targets) != s.TargetLen() {
		return fmt.Errorf("pretext: sample into %d floats, %d labels and %d targets, want %d, %d and %d",
			len(dst.Inputs), len(dst.Labels), len(dst.Targets), s.InputLen(), s.LabelLen(), s.TargetLen())
	}
	return nil
}

// Sampler makes the inputs, labels and float targets of a task from images. It holds
// no state, so many goroutines may use one.
type Sampler interface {
	// Spec returns the sizes of a sample. They do not change.
	Spec() Spec
	// Sample writes the inputs of one image, its labels, below Classes or Ignore, and
	// its float targets, finite or IgnoreValue, to dst. In training r draws the
	// augmentation. In evaluation the view of the image is fixed, and r draws only what
	// the task cannot do without: what the labels and targets say, such as which parts
	// of the image are the inputs, the order of the inputs, and, where labels are no
	// classes and there are no targets, the views that are compared with each other.
	Sample(dst Sample, img *Image, train bool, r *rand.Rand) error
}
