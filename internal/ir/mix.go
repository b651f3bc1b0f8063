package ir

import "fmt"

// Mix is Σ weights[Index[k]]·maps[k]. Inputs: weights, maps of one shape.
type Mix struct{ Index []int }

func (o Mix) String() string { return fmt.Sprintf("Mix%v", o.Index) }

// Infer returns the shape of the maps.
func (o Mix) Infer(in []Shape) ([]Shape, error) { return in[1:2], nil }

// NeedsGrad returns true for every input.
func (o Mix) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies MixGrad.
func (o Mix) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	n := len(o.Index)
	g := b.Apply(MixGrad(o), append([]*Value{gy}, in...)...)
	return append([]*Value{g[n]}, g[:n]...)
}

// MixGrad is the gradient of Mix. Inputs: gy, weights, maps. Outputs: the gradients of
// the maps, that of the weights, the factors [maps, C] with which the gradients of the
// maps follow from gy, and for each map the sums [2, C] of its gradient and of that times
// the map.
type MixGrad struct{ Index []int }

func (o MixGrad) String() string { return fmt.Sprintf("GradMix%v", o.Index) }

// Infer returns the shapes of the gradients, factors and sums.
func (o MixGrad) Infer(in []Shape) ([]Shape, error) {
	n, c := len(o.Index), in[0].Channels()
	out := append(append(make([]Shape, 0, 2*n+2), in[2:]...), in[1], Shape{n, c})
	for range n {
		out = append(out, Shape{2, c})
	}
	return out, nil
}

// matrix returns an error unless a shape has rows of choices.
func matrix(s Shape) error {
	if len(s) != 2 {
		return fmt.Errorf("the input has shape %v; want [rows, choices]", s)
	}
	return nil
}

// noisy returns an error unless the inputs are rows of choices and noise for them.
func noisy(in []Shape) error {
	if len(in[0]) != 2 || !in[1].Equal(in[0]) {
		return fmt.Errorf("inputs of shape %v and noise of %v; want [rows, choices] for both", in[0], in[1])
	}
	return nil
}

// Softmax is the softmax of each row [R, K].
type Softmax struct{}

func (Softmax) String() string { return "Softmax" }

// Infer returns the shape of the input.
func (Softmax) Infer(in []Shape) ([]Shape, error) { return in, matrix(in[0]) }

// NeedsGrad returns true.
func (Softmax) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies SoftmaxGrad.
func (Softmax) Gradient(b *Builder, _, out []*Value, gy *Value) []*Value {
	return b.Apply(SoftmaxGrad{}, gy, out[0])
}

// SoftmaxGrad is the gradient of Softmax. Inputs: gy, y.
type SoftmaxGrad struct{}

func (SoftmaxGrad) String() string { return "GradSoftmax" }

// Infer returns the shape of y.
func (SoftmaxGrad) Infer(in []Shape) ([]Shape, error) { return in[1:], nil }

// GumbelSoftmax draws one element of each row: one there and zero elsewhere (Dong and
// Yang, 2019, arXiv 1910.04465, after Jang et al., 2017, arXiv 1611.01144). Its gradient
// is that of softmax((x + noise)/temperature) for the drawn elements. Inputs: x [R, K],
// Gumbel noise [R, K], temperature [1].
type GumbelSoftmax struct{}

func (GumbelSoftmax) String() string { return "GumbelSoftmax" }

// Infer returns the shape of x.
func (GumbelSoftmax) Infer(in []Shape) ([]Shape, error) {
	if err := noisy(in); err != nil {
		return nil, err
	}
	if !in[2].Equal(Shape{1}) {
		return nil, fmt.Errorf("a temperature of shape %v; want a vector of one number", in[2])
	}
	return in[:1], nil
}

// NeedsGrad returns true for x.
func (GumbelSoftmax) NeedsGrad(inputs int) []bool { return only(inputs) }

// Gradient applies GumbelSoftmaxGrad.
func (GumbelSoftmax) Gradient(b *Builder, in, out []*Value, gy *Value) []*Value {
	return []*Value{b.Apply(GumbelSoftmaxGrad{}, append([]*Value{gy, out[0]}, in...)...)[0], nil, nil}
}

// GumbelSoftmaxGrad is the gradient of GumbelSoftmax. Inputs: gy, y, x, noise,
// temperature.
type GumbelSoftmaxGrad struct{}

func (GumbelSoftmaxGrad) String() string { return "GradGumbelSoftmax" }

// Infer returns the shape of x.
func (GumbelSoftmaxGrad) Infer(in []Shape) ([]Shape, error) { return in[2:3], nil }

// Dirichlet draws each row from the Dirichlet distribution with concentrations elu(x) +
// 1, as a smooth function of normal noise (Chen et al., 2021, arXiv 2006.10355). Its
// gradient is the pathwise one (Figurnov et al., 2018, arXiv 1805.08498). Inputs: x [R,
// K], noise [R, K]. Outputs: the rows, derivatives for the gradient.
type Dirichlet struct{}

func (Dirichlet) String() string { return "Dirichlet" }

// Infer returns the shapes of the rows and the derivatives.
func (Dirichlet) Infer(in []Shape) ([]Shape, error) { return in, noisy(in) }

// NeedsGrad returns true for x.
func (Dirichlet) NeedsGrad(inputs int) []bool { return only(inputs) }

// Gradient applies DirichletGrad.
func (Dirichlet) Gradient(b *Builder, _, out []*Value, gy *Value) []*Value {
	return []*Value{b.Apply(DirichletGrad{}, gy, out[0], out[1])[0], nil}
}

// DirichletGrad is the gradient of Dirichlet. Inputs: gy and the outputs of Dirichlet.
type DirichletGrad struct{}

func (DirichletGrad) String() string { return "GradDirichlet" }

// Infer returns the shape of x.
func (DirichletGrad) Infer(in []Shape) ([]Shape, error) { return in[:1], nil }

// NormaliseEdges multiplies operation weights by the softmax of betas over the edges into
// one node (Xu et al., 2020, arXiv 1907.05737, section 3.3). Into holds the number of
// edges into each node. Inputs: weights [edges, candidates], betas [edges]. Outputs:
// [edges, candidates+1] with the edge weights in the last column, the edge weights.
type NormaliseEdges struct{ Into []int }

func (o NormaliseEdges) String() string { return fmt.Sprintf("NormaliseEdges%v", o.Into) }

// Infer returns the shapes of both outputs.
func (o NormaliseEdges) Infer(in []Shape) ([]Shape, error) {
	if len(in[0]) != 2 || len(in[1]) != 1 || in[0][0] != in[1][0] {
		return nil, fmt.Errorf("weights of shape %v and betas of %v; want [edges, candidates] and [edges]", in[0], in[1])
	}
	sum := 0
	for _, n := range o.Into {
		if n < 1 {
			return nil, fmt.Errorf("nodes with %v edges; want at least one each", o.Into)
		}
		sum += n
	}
	if sum != in[0][0] {
		return nil, fmt.Errorf("nodes with %v edges, but weights for %d edges", o.Into, in[0][0])
	}
	return []Shape{{in[0][0], in[0][1] + 1}, in[1]}, nil
}

// NeedsGrad returns true for both.
func (o NormaliseEdges) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies NormaliseEdgesGrad.
func (o NormaliseEdges) Gradient(b *Builder, in, out []*Value, gy *Value) []*Value {
	return b.Apply(NormaliseEdgesGrad(o), gy, in[0], in[1], out[0])
}

// NormaliseEdgesGrad is the gradient of NormaliseEdges. Inputs: gy, weights, betas,
// output 0 of NormaliseEdges. Outputs: the gradients of weights and betas.
type NormaliseEdgesGrad struct{ Into []int }

func (o NormaliseEdgesGrad) String() string { return fmt.Sprintf("GradNormaliseEdges%v", o.Into) }

// Infer returns the shapes of weights and betas.
func (o NormaliseEdgesGrad) Infer(in []Shape) ([]Shape, error) { return in[1:3], nil }
