package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// NoIgnoreIndex is the IgnoreIndex with which all labels count.
const NoIgnoreIndex int32 = -1 << 31

// LossConfig configures a cross-entropy.
type LossConfig struct {
	// IgnoreIndex is the label of ignored elements: not a class, such as 255 for
	// segmentation, or NoIgnoreIndex.
	IgnoreIndex int32
	// Smoothing is the label smoothing: the label has probability 1-Smoothing and each
	// other class Smoothing/(K-1) (Szegedy et al., 2016, arXiv 1512.00567; this split
	// is that of the authors' release).
	Smoothing float64
}

// Loss is a loss with the score by which networks are compared.
type Loss struct {
	Value *gorgonia.Node // a scalar: the mean over all elements that count, or 0 without any
	Count *gorgonia.Node // the number of elements that count: labels, numbers, or pairs; read it with the function Count
	// Score is a sum over the elements that count, such as the number of correct
	// predictions: the mean score of several batches is the sum of their Scores divided
	// by the sum of their Counts. Read it with the function Count. It is nil if
	// networks are compared by the loss.
	Score  *gorgonia.Node
	Metric Metric // of the mean score; zero without a Score
}

// Metric describes a mean score.
type Metric struct {
	// Name is the name of the metric in records, such as "top1": letters, digits and any of
	// "_.-".
	Name string
	// LowerIsBetter is true for errors and false for accuracies.
	LowerIsBetter bool
}

// Count returns the value of the Score or Count of a Loss after a run: the sum of its
// elements. float32 represents integers only up to 2²⁴; for more labels, as in a batch
// of large maps, the value is a vector of two.
func Count(n *gorgonia.Node) (float64, error) {
	if n == nil {
		return 0, fmt.Errorf("ops: count: %w", errNilNode)
	}
	if v, ok := n.Value().(*gorgonia.F32); ok {
		return float64(*v), nil
	}
	v, err := graph.ValueOf(n.Value())
	if err != nil {
		return 0, fmt.Errorf("ops: count %s: %w", n.Name(), err)
	}
	var sum float64
	for _, x := range v.F {
		sum += float64(x)
	}
	return sum, nil
}

// exact is the largest number of labels that a float32 can count.
const exact = 1 << 24

// CrossEntropy returns the softmax cross-entropy of logits [N, K] and labels [N]. The
// score is the number of labels with the first largest logit of their row, "top1". A
// label out of range stops the run with an error.
func CrossEntropy(logits, labels *gorgonia.Node, c LossConfig) (Loss, error) {
	return loss("top1", crossEntropy{LossConfig: c}, logits, labels)
}

// PixelCrossEntropy returns the softmax cross-entropy of logits [N, h, w, K], resized
// bilinearly with aligned corners to the labels [N, H, W]. The resized logits are never
// stored. The score is the number of correct pixels, "pixel_accuracy". Smoothing is not
// available.
func PixelCrossEntropy(logits, labels *gorgonia.Node, c LossConfig) (Loss, error) {
	if c.Smoothing != 0 {
		return Loss{}, fmt.Errorf("ops: label smoothing %v of a per-pixel cross-entropy; want 0", c.Smoothing)
	}
	return loss("pixel_accuracy", crossEntropy{LossConfig: c, pixels: true}, logits, labels)
}

func loss(metric string, k crossEntropy, logits, labels *gorgonia.Node) (Loss, error) {
	if !(k.Smoothing >= 0 && k.Smoothing < 1) {
		return Loss{}, fmt.Errorf("ops: label smoothing %v; want 0 to below 1", k.Smoothing)
	}
	if err := needFloats(logits); err != nil {
		return Loss{}, fmt.Errorf("ops: logits: %w", err)
	}
	if labels == nil {
		return Loss{}, fmt.Errorf("ops: labels: %w", errNilNode)
	}
	if labels.Dtype() != tensor.Int32 {
		return Loss{}, fmt.Errorf("ops: labels %s of type %v; want int32, as ops.Labels makes", labels.Name(), labels.Dtype())
	}
	out, err := outputs(k, logits, labels)
	if err != nil {
		return Loss{}, err
	}
	return Loss{Value: out(0), Score: out(1), Count: out(2), Metric: Metric{Name: metric}}, nil
}

// crossEntropy computes a cross-entropy. Inputs: logits, labels. Outputs: loss,
// correct, count.
type crossEntropy struct {
	LossConfig
	pixels bool
}

func (k crossEntropy) Key() string {
	if k.pixels {
		return fmt.Sprintf("per-pixel cross-entropy%+v", k.LossConfig)
	}
	return fmt.Sprintf("cross-entropy%+v", k.LossConfig)
}

func (k crossEntropy) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	x, y := in[0], in[1]
	if k.pixels {
		if x.Dims() != 4 || y.Dims() != 3 || x[0] != y[0] {
			return nil, fmt.Errorf("logits of shape %v and labels of shape %v; want [N, h, w, K] and [N, H, W]", x, y)
		}
	} else if x.Dims() != 2 || y.Dims() != 1 || x[0] != y[0] {
		return nil, fmt.Errorf("logits of shape %v and labels of shape %v; want [N, K] and [N]", x, y)
	}
	classes := x[x.Dims()-1]
	if k.IgnoreIndex >= 0 && int(k.IgnoreIndex) < classes {
		return nil, fmt.Errorf("IgnoreIndex %d is one of %d classes; use another label, or NoIgnoreIndex", k.IgnoreIndex, classes)
	}
	if k.Smoothing > 0 && classes < 2 {
		return nil, fmt.Errorf("label smoothing %v with %d class; want 0", k.Smoothing, classes)
	}
	count := tensor.Shape{}
	if y.TotalSize() > exact {
		count = tensor.Shape{2}
	}
	return []tensor.Shape{{}, count, count.Clone()}, nil
}

func (k crossEntropy) Reads(i int) graph.Pending {
	if k.pixels {
		return onlyInput(0, i)
	}
	return graph.None
}

func (k crossEntropy) Scratch(in []tensor.Shape) (int, int) { return k.scratch(in[0], in[1], false) }

func (k crossEntropy) scratch(x, y tensor.Shape, backward bool) (int, int) {
	if k.pixels {
		return kernel.PixelCrossEntropyScratch(x[0], x[1], x[2], x[3], y[1], y[2], backward)
	}
	return kernel.CrossEntropyScratch(x[0], x[1])
}

// check finds labels out of range.
func (k crossEntropy) check(labels []int32, classes int) error {
	for i, l := range labels {
		if l != k.IgnoreIndex && (l < 0 || int(l) >= classes) {
			return fmt.Errorf("label %d at position %d is not one of %d classes; check the labels or the number of classes", l, i, classes)
		}
	}
	return nil
}

func (k crossEntropy) Run(c *graph.Context, out, in []graph.Value) error {
	s := in[0].Shape
	classes := s[s.Dims()-1]
	if err := k.check(in[1].I, classes); err != nil {
		return err
	}
	var loss float64
	var correct, count int
	if k.pixels {
		loss, correct, count = kernel.PixelCrossEntropy(c.Team, in[0].Map(), in[1].Shape[1], in[1].Shape[2], in[1].I, k.IgnoreIndex)
	} else {
		loss, correct, count = kernel.CrossEntropy(c.Team, in[0].F, s[0], classes, in[1].I, k.IgnoreIndex, float32(k.Smoothing))
	}
	if out[0].Wanted() {
		out[0].F[0] = float32(loss)
	}
	setCount(out[1].F, correct)
	setCount(out[2].F, count)
	return nil
}

// setCount writes n to one element, or to two with sum n. An output that is not wanted
// has no elements.
func setCount(to []float32, n int) {
	if len(to) > 1 {
		to[1] = float32(n % exact)
		n -= n % exact
	}
	if len(to) > 0 {
		to[0] = float32(n)
	}
}

func (k crossEntropy) Wrt(int) []bool { return []bool{true, false} }

func (k crossEntropy) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := gradients(crossEntropyGrad{k}, 1, gy, in[0], in[1])
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{g[0], nil}, nil
}

// crossEntropyGrad is the gradient of crossEntropy. Inputs: gy, logits, labels.
type crossEntropyGrad struct{ of crossEntropy }

func (k crossEntropyGrad) Key() string { return "gradient of " + k.of.Key() }

func (k crossEntropyGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[1:2], nil }

func (k crossEntropyGrad) Reads(i int) graph.Pending {
	if k.of.pixels {
		return onlyInput(1, i)
	}
	return graph.None
}

func (k crossEntropyGrad) Scratch(in []tensor.Shape) (int, int) {
	return k.of.scratch(in[1], in[2], true)
}

func (k crossEntropyGrad) Run(c *graph.Context, out, in []graph.Value) error {
	s := in[1].Shape
	if err := k.of.check(in[2].I, s[s.Dims()-1]); err != nil {
		return err
	}
	if k.of.pixels {
		kernel.PixelCrossEntropyBackward(c.Team, in[0].F[0], in[1].Map(), in[2].Shape[1], in[2].Shape[2], in[2].I, k.of.IgnoreIndex, out[0].F)
		return nil
	}
	kernel.CrossEntropyBackward(c.Team, in[0].F[0], in[1].F, s[0], s[1], in[2].I, k.of.IgnoreIndex, float32(k.of.Smoothing), out[0].F)
	return nil
}

// AddLosses returns a + weight·b for two scalars: the loss of a network with an
// auxiliary head.
func AddLosses(a, b *gorgonia.Node, weight float64) (*gorgonia.Node, error) {
	return apply(addLosses{weight}, a, b)
}

type addLosses struct{ weight float64 }

func (k addLosses) Key() string { return fmt.Sprintf("loss + %v·loss", k.weight) }

func (k addLosses) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	if in[0].Dims() != 0 || in[1].Dims() != 0 {
		return nil, fmt.Errorf("shapes %v and %v; want two scalars", in[0], in[1])
	}
	return []tensor.Shape{{}}, nil
}

func (k addLosses) Run(_ *graph.Context, out, in []graph.Value) error {
	out[0].F[0] = in[0].F[0] + float32(float32(k.weight)*in[1].F[0])
	return nil
}

func (k addLosses) Wrt(inputs int) []bool { return graph.All(inputs) }

func (k addLosses) Gradient(_ gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := gradients(scaleLoss(k), 1, gy)
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{gy, g[0]}, nil
}

// scaleLoss multiplies a scalar, the gradient of the second loss of addLosses.
type scaleLoss struct{ weight float64 }

func (k scaleLoss) Key() string { return fmt.Sprintf("%v·loss", k.weight) }

func (k scaleLoss) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in, nil }

func (k scaleLoss) Run(_ *graph.Context, out, in []graph.Value) error {
	out[0].F[0] = float32(k.weight) * in[0].F[0]
	return nil
}
