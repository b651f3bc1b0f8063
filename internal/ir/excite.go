package ir

import "fmt"

// Excite multiplies each channel of each image by the sigmoid of a number of its own (Hu
// et al., 2018, arXiv 1709.01507, equation 4). Inputs: x [N, H, W, C], logits [N, 1, 1,
// C].
type Excite struct{}

func (Excite) String() string { return "Excite" }

// Infer returns the shape of x.
func (Excite) Infer(in []Shape) ([]Shape, error) {
	n, _, _, c, err := in[0].FeatureMap()
	if err == nil && !in[1].Equal(Shape{n, 1, 1, c}) {
		err = fmt.Errorf("a map of shape %v and logits of %v; want %v", in[0], in[1], Shape{n, 1, 1, c})
	}
	return in[:1], err
}

// NeedsGrad returns true for both.
func (Excite) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies ExciteGrad.
func (Excite) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	return b.Apply(ExciteGrad{}, gy, in[0], in[1])
}

// ExciteGrad is the gradient of Excite. Inputs: gy, x, logits. Outputs: the gradients of x
// and logits.
type ExciteGrad struct{}

func (ExciteGrad) String() string { return "GradExcite" }

// Infer returns the shapes of x and logits.
func (ExciteGrad) Infer(in []Shape) ([]Shape, error) { return in[1:], nil }
