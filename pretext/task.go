package pretext

import (
	"fmt"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// Ignore is the label of what does not count in losses and accuracies.
const Ignore int32 = -1

// Task is what a network is asked to predict. Tasks of one's own implement it;
// nothing else in the library asks which task it is. One that does not look at labels
// of images has a method SelfSupervised() bool that says so; the names of classes do
// not matter to it.
type Task interface {
	Sampler
	// Name names the task in records and messages.
	Name() string
	// Validate returns an error that names the first setting that no task can have.
	Validate() error
	// Head adds the last layers of the network to the feature map of the last
	// cell, [N·Inputs, h, w, C] for N images, and returns the logits that Loss takes.
	Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error)
	// Loss adds the loss of the logits. The labels have the shape [N, LabelShape...]
	// for label maps, and [N·LabelShape[0]] for so many labels an image.
	Loss(logits, labels *gorgonia.Node) (ops.Loss, error)
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
func crossEntropy(logits, labels *gorgonia.Node, smoothing float64) (ops.Loss, error) {
	l, err := ops.CrossEntropy(logits, labels, ops.LossConfig{Ignore: Ignore, Smoothing: smoothing})
	if err != nil {
		return ops.Loss{}, fmt.Errorf("pretext: %w", err)
	}
	return l, nil
}

// Spec is what a task asks of the loader and of the network.
type Spec struct {
	Height, Width, Channels int   // of one network input
	Inputs                  int   // network inputs made of one image
	LabelShape              []int // shape of the labels of one image: [1], [4], [Height, Width]
	Classes                 int   // number of classes of a label
}

// InputLen returns the number of floats of the inputs of one image, which have
// the shape [Inputs, Height, Width, Channels].
func (s Spec) InputLen() int { return s.Inputs * s.Height * s.Width * s.Channels }

// LabelLen returns the number of labels of one image.
func (s Spec) LabelLen() int {
	n := 1
	for _, d := range s.LabelShape {
		n *= d
	}
	return n
}

// check returns an error if the memory for one sample has another size.
func (s Spec) check(x []float32, y []int32) error {
	if len(x) != s.InputLen() || len(y) != s.LabelLen() {
		return fmt.Errorf("pretext: sample into %d floats and %d labels, want %d and %d", len(x), len(y), s.InputLen(), s.LabelLen())
	}
	return nil
}

// Sampler makes the inputs and labels of a task from images. It holds no state,
// so many goroutines may use one.
type Sampler interface {
	// Spec returns the sizes of a sample. They do not change.
	Spec() Spec
	// Sample writes the inputs of one image to x, [Inputs, Height, Width,
	// Channels], and its labels, below Classes or Ignore, to y. In training r draws
	// the augmentation. In evaluation the view of the image is fixed, and r draws
	// only what the task cannot do without: what the labels say, such as which parts
	// of the image are the inputs, and the order of the inputs.
	Sample(x []float32, y []int32, img *Image, train bool, r *rand.Rand) error
}
