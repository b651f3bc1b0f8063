package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// NoIgnore is the value of LossConfig.Ignore with which everything counts.
const NoIgnore int32 = -1 << 31

// LossConfig are the settings of a cross-entropy.
type LossConfig struct {
	// Ignore is the label of what does not count: none of the classes, such as
	// 255 for segmentation, or NoIgnore.
	Ignore int32
	// Smoothing is what the classes share that a label does not name: 1-Smoothing
	// is put on the label and Smoothing/(K-1) on each other class (Szegedy et al.,
	// 2016, arXiv 1512.00567; this split is that of the authors' release).
	Smoothing float64
}

// Loss is a loss with the score that networks are compared by.
type Loss struct {
	Value *gorgonia.Node // a scalar: the mean over all that counts, or 0 if nothing does
	Count *gorgonia.Node // how much counts: labels, numbers, or pairs; read it with Count
	// Score is a sum over what counts, such as how many predictions are right, so that
	// the mean score of several batches is the sum of their Scores divided by that of
	// their Counts. Read it with Count. It is nil where networks are compared by the
	// loss itself.
	Score  *gorgonia.Node
	Metric Metric // what the mean score is; zero without a Score
}

// Metric says what a mean score is.
type Metric struct {
	// Name names the metric in records, such as "top1": letters, digits and any of
	// "_.-".
	Name string
	// LowerIsBetter is true of errors, and false of accuracies.
	LowerIsBetter bool
}

// Count returns the number that the Score or Count of a Loss holds after a run: the
// sum of its elements. A float32 holds every whole number up to 2²⁴ alone; where
// there are more labels, as in a batch of large maps, a vector of two holds a number.
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

// exact is the largest number of labels that one float32 counts.
const exact = 1 << 24

// CrossEntropy returns the softmax cross-entropy of logits [N, K] and labels
// [N]. The score is the number of labels that have the first largest logit of their
// row, "top1". A label outside the classes stops the run with an error.
func CrossEntropy(logits, labels *gorgonia.Node, c LossConfig) (Loss, error) {
	return loss("top1", crossEntropy{LossConfig: c}, logits, labels)
}

// PixelCrossEntropy returns the softmax cross-entropy of logits [N, h, w, K],
// enlarged bilinearly with corners aligned to the labels [N, H, W]. The enlarged
// logits are never stored. The score is the number of pixels that are right,
// "pixel_accuracy". Smoothing is not available.
func PixelCrossEntropy(logits, labels *gorgonia.Node, c LossConfig) (Loss, error) {
	if c.Smoothing != 0 {
		return Loss{}, fmt.Errorf("ops: label smoothing %v of a per-pixel cross-entropy; it must be 0", c.Smoothing)
	}
	return loss("pixel_accuracy", crossEntropy{LossConfig: c, pixels: true}, logits, labels)
}

func loss(metric string, k crossEntropy, logits, labels *gorgonia.Node) (Loss, error) {
	if !(k.Smoothing >= 0 && k.Smoothing < 1) {
		return Loss{}, fmt.Errorf("ops: label smoothing %v; it must be in [0, 1)", k.Smoothing)
	}
	if err := needFloats(logits); err != nil {
		return Loss{}, fmt.Errorf("ops: logits: %w", err)
	}
	if labels == nil {
		return Loss{}, fmt.Errorf("ops: labels: %w", errNilNode)
	}
	if labels.Dtype() != tensor.Int32 {
		return Loss{}, fmt.Errorf("ops: labels %s are of type %v; make them with ops.Labels (int32)", labels.Name(), labels.Dtype())
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
			return nil, fmt.Errorf("logits of shape %v and labels of shape %v; [N, h, w, K] and [N, H, W] are needed", x, y)
		}
	} else if x.Dims() != 2 || y.Dims() != 1 || x[0] != y[0] {
		return nil, fmt.Errorf("logits of shape %v and labels of shape %v; [N, K] and [N] are needed", x, y)
	}
	classes := x[x.Dims()-1]
	if k.Ignore >= 0 && int(k.Ignore) < classes {
		return nil, fmt.Errorf("label %d is to be ignored, but is one of %d classes; use another label, or NoIgnore", k.Ignore, classes)
	}
	if k.Smoothing > 0 && classes < 2 {
		return nil, fmt.Errorf("label smoothing %v with %d class; it must be 0", k.Smoothing, classes)
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

// check finds labels outside the classes.
func (k crossEntropy) check(labels []int32, classes int) error {
	for i, l := range labels {
		if l != k.Ignore && (l < 0 || int(l) >= classes) {
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
		loss, correct, count = kernel.PixelCrossEntropy(c.Team, in[0].Map(), in[1].Shape[1], in[1].Shape[2], in[1].I, k.Ignore)
	} else {
		loss, correct, count = kernel.CrossEntropy(c.Team, in[0].F, s[0], classes, in[1].I, k.Ignore, float32(k.Smoothing))
	}
	if out[0].Wanted() {
		out[0].F[0] = float32(loss)
	}
	setCount(out[1].F, correct)
	setCount(out[2].F, count)
	return nil
}

// setCount writes n to one element, or to two that add up to it. An output that is
// not wanted has none.
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
		kernel.PixelCrossEntropyBackward(c.Team, in[0].F[0], in[1].Map(), in[2].Shape[1], in[2].Shape[2], in[2].I, k.of.Ignore, out[0].F)
		return nil
	}
	kernel.CrossEntropyBackward(c.Team, in[0].F[0], in[1].F, s[0], s[1], in[2].I, k.of.Ignore, float32(k.of.Smoothing), out[0].F)
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
		return nil, fmt.Errorf("shapes %v and %v; two scalars are needed", in[0], in[1])
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
