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

// SquaredError is the mean of (x-y)² over the elements of predictions x and targets y of
// one shape [N, ...] whose target is not Ignore; with NaN all count. Inputs: x, y.
// Outputs: loss, sum of the squares, number of elements that count, as that of
// CrossEntropy.
type SquaredError struct{ Ignore float32 }

func (o SquaredError) String() string { return fmt.Sprintf("SquaredError{ignore=%v}", o.Ignore) }

// Infer returns the shapes of the loss, the sum and the count.
func (o SquaredError) Infer(in []Shape) ([]Shape, error) {
	x, y := in[0], in[1]
	if len(x) == 0 || !x.Equal(y) {
		return nil, fmt.Errorf("predictions of shape %v and targets of shape %v; want equal shapes [N, ...]", x, y)
	}
	count := Shape{}
	if x.Size() > ExactCount {
		count = Shape{2}
	}
	return []Shape{{}, {}, count}, nil
}

// NeedsGrad returns true for both inputs.
func (o SquaredError) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies SquaredErrorGrad.
func (o SquaredError) Gradient(b *Builder, in, out []*Value, gy *Value) []*Value {
	return b.Apply(SquaredErrorGrad(o), gy, in[0], in[1], out[2])
}

// SquaredErrorGrad is the gradient of SquaredError. Inputs: gy, x, y, count. Outputs: the
// gradients of x and y.
type SquaredErrorGrad struct{ Ignore float32 }

func (o SquaredErrorGrad) String() string { return "Grad" + SquaredError(o).String() }

// Infer returns the shapes of x and y.
func (o SquaredErrorGrad) Infer(in []Shape) ([]Shape, error) { return in[1:3], nil }

// Contrast is the normalised temperature-scaled cross-entropy of embeddings z [2N, D] of N
// images with labels [N] (Chen et al., 2020, arXiv 2002.05709, equation 1): rows 2i and
// 2i+1 are augmentations of image i, whose cosine similarity should exceed those with the
// rows of other images. Images with the label Ignore do not count, nor does a single image.
// Inputs: z, labels of int32. Outputs: loss, number of rows that are most similar to the
// other row of their image, number of rows that count, and for the gradient the rows
// divided by their length, the lengths [2N], and the softmax of the similarities [2N, 2N].
type Contrast struct {
	Temperature float64
	Ignore      int32
}

// NoDirection is the length below which Contrast takes a row for zeros.
const NoDirection = 1e-8

func (o Contrast) String() string {
	return fmt.Sprintf("Contrast{temperature=%v ignore=%d}", o.Temperature, o.Ignore)
}

// Infer returns the shapes of the outputs.
func (o Contrast) Infer(in []Shape) ([]Shape, error) {
	z, y := in[0], in[1]
	if len(z) != 2 || len(y) != 1 || z[0] != 2*y[0] {
		return nil, fmt.Errorf("embeddings of shape %v and labels of shape %v; want [2N, D] and [N]", z, y)
	}
	return []Shape{{}, {}, {}, z, {z[0]}, {z[0], z[0]}}, nil
}

// NeedsGrad returns true for the embeddings.
func (o Contrast) NeedsGrad(inputs int) []bool { return only(inputs) }

// Gradient applies ContrastGrad.
func (o Contrast) Gradient(b *Builder, in, out []*Value, gy *Value) []*Value {
	return []*Value{b.Apply(ContrastGrad(o), gy, in[1], out[2], out[3], out[4], out[5])[0], nil}
}

// ContrastGrad is the gradient of Contrast. Inputs: gy, labels, and outputs 2 to 5 of
// Contrast.
type ContrastGrad Contrast

func (o ContrastGrad) String() string { return "Grad" + Contrast(o).String() }

// Infer returns the shape of the embeddings.
func (o ContrastGrad) Infer(in []Shape) ([]Shape, error) { return in[3:4], nil }
