package ir

import "fmt"

// CrossEntropy is the mean softmax cross-entropy of logits [N, K] and labels [N]. If
// Pixels, logits [N, h, w, K] are resized bilinearly with aligned corners to the labels
// [N, H, W]. Labels equal to Ignore do not count. The label has probability 1-Smoothing
// and each other class Smoothing/(K-1). Inputs: logits, labels of int32. Outputs: loss,
// number of correct predictions, number of labels that count; each count has two
// elements with that sum where one float32 is not exact.
type CrossEntropy struct {
	Ignore    int32
	Smoothing float64
	Pixels    bool
}

func (o CrossEntropy) String() string {
	return fmt.Sprintf("CrossEntropy{ignore=%d smoothing=%v%s}", o.Ignore, o.Smoothing, flag(o.Pixels, " pixels"))
}

// ExactCount is the largest number that a float32 counts to.
const ExactCount = 1 << 24

// Infer returns the shapes of the loss and the counts.
func (o CrossEntropy) Infer(in []Shape) ([]Shape, error) {
	x, y := in[0], in[1]
	if o.Pixels {
		if len(x) != 4 || len(y) != 3 || x[0] != y[0] {
			return nil, fmt.Errorf("logits of shape %v and labels of shape %v; want [N, h, w, K] and [N, H, W]", x, y)
		}
	} else if len(x) != 2 || len(y) != 1 || x[0] != y[0] {
		return nil, fmt.Errorf("logits of shape %v and labels of shape %v; want [N, K] and [N]", x, y)
	}
	classes := x.Channels()
	if o.Ignore >= 0 && int(o.Ignore) < classes {
		return nil, fmt.Errorf("IgnoreIndex %d is one of %d classes; use another label, or NoIgnoreIndex", o.Ignore, classes)
	}
	if o.Smoothing > 0 && classes < 2 {
		return nil, fmt.Errorf("label smoothing %v with %d class; want 0", o.Smoothing, classes)
	}
	count := Shape{}
	if y.Size() > ExactCount {
		count = Shape{2}
	}
	return []Shape{{}, count, count}, nil
}

// NeedsGrad returns true for the logits.
func (o CrossEntropy) NeedsGrad(inputs int) []bool { return only(inputs) }

// Gradient applies CrossEntropyGrad.
func (o CrossEntropy) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	return []*Value{b.Apply(CrossEntropyGrad{o}, gy, in[0], in[1])[0], nil}
}

// CrossEntropyGrad is the gradient of CrossEntropy. Inputs: gy, logits, labels.
type CrossEntropyGrad struct{ Of CrossEntropy }

func (o CrossEntropyGrad) String() string { return "Grad" + o.Of.String() }

// Infer returns the shape of the logits.
func (o CrossEntropyGrad) Infer(in []Shape) ([]Shape, error) { return in[1:2], nil }
