package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/ir"
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
	v, err := graph.ArrayOf(n.Value())
	if err != nil {
		return 0, fmt.Errorf("ops: count %s: %w", n.Name(), err)
	}
	var sum float64
	for _, x := range v.F {
		sum += float64(x)
	}
	return sum, nil
}

// CrossEntropy returns the softmax cross-entropy of logits [N, K] and labels [N]. The
// score is the number of labels with the first largest logit of their row, "top1". A
// label out of range stops the run with an error.
func CrossEntropy(logits, labels *gorgonia.Node, c LossConfig) (Loss, error) {
	return loss("top1", c, false, logits, labels)
}

// PixelCrossEntropy returns the softmax cross-entropy of logits [N, h, w, K], resized
// bilinearly with aligned corners to the labels [N, H, W]. The resized logits are never
// stored. The score is the number of correct pixels, "pixel_accuracy". Smoothing is not
// available.
func PixelCrossEntropy(logits, labels *gorgonia.Node, c LossConfig) (Loss, error) {
	if c.Smoothing != 0 {
		return Loss{}, fmt.Errorf("ops: label smoothing %v of a per-pixel cross-entropy; want 0", c.Smoothing)
	}
	return loss("pixel_accuracy", c, true, logits, labels)
}

func loss(metric string, c LossConfig, pixels bool, logits, labels *gorgonia.Node) (Loss, error) {
	if !(c.Smoothing >= 0 && c.Smoothing < 1) {
		return Loss{}, fmt.Errorf("ops: label smoothing %v; want 0 to below 1", c.Smoothing)
	}
	if err := needFloats(logits); err != nil {
		return Loss{}, fmt.Errorf("ops: logits: %w", err)
	}
	if err := needLabels(labels); err != nil {
		return Loss{}, err
	}
	return valued(Metric{Name: metric}, ir.CrossEntropy{Ignore: c.IgnoreIndex, Smoothing: c.Smoothing, Pixels: pixels}, logits, labels)
}

// needLabels returns an error if a node is nil or not of labels.
func needLabels(n *gorgonia.Node) error {
	if n == nil {
		return fmt.Errorf("ops: labels: %w", errNilNode)
	}
	if n.Dtype() != tensor.Int32 {
		return fmt.Errorf("ops: labels %s of type %v; want int32, as ops.Labels makes", n.Name(), n.Dtype())
	}
	return nil
}

// valued adds the operator of a loss with the outputs Value, Score and Count.
func valued(m Metric, op ir.Op, in ...*gorgonia.Node) (Loss, error) {
	out, err := outputs(op, in...)
	if err != nil {
		return Loss{}, err
	}
	return Loss{Value: out(0), Score: out(1), Count: out(2), Metric: m}, nil
}

// AddLosses returns a + weight·b for two scalars: the loss of a network with an
// auxiliary head.
func AddLosses(a, b *gorgonia.Node, weight float64) (*gorgonia.Node, error) {
	return apply(ir.AddScaled{Weight: weight}, a, b)
}
