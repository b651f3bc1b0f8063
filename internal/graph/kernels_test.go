package graph_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
)

// product multiplies two maps. Outputs: the product, the sum of both (which the
// gradient reads) and the sum of all elements of the first, a scalar.
type product struct{}

func (product) Key() string { return "product" }

func (product) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	if !in[0].Eq(in[1]) {
		return nil, errors.New("the shapes differ; make them equal")
	}
	return []tensor.Shape{in[0], in[0], {}}, nil
}

func (product) Run(_ *graph.Context, out, in []graph.Value) error {
	out[2].F[0] = 0
	for i, a := range in[0].F {
		b := in[1].F[i]
		out[0].F[i] = a * b
		out[1].F[i] = a + b
		out[2].F[0] += a
	}
	return nil
}

func (product) Wrt(int) []bool { return []bool{true, true} }

func (product) Gradient(in gorgonia.Nodes, out func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := graph.Apply(productGrad{}, gy, in[0], out(1))
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{g(0), g(1)}, nil
}

type productGrad struct{}

func (productGrad) Key() string { return "gradient of product" }

func (productGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[:2], nil }

func (productGrad) Run(_ *graph.Context, out, in []graph.Value) error {
	for i, g := range in[0].F {
		a, sum := in[1].F[i], in[2].F[i]
		out[0].F[i], out[1].F[i] = g*(sum-a), g*a
	}
	return nil
}

// total is the sum of all elements, counted where a label is 1 if there are
// labels. It has no gradient with respect to labels.
type total struct{}

func (total) Key() string { return "total" }

func (total) Shapes([]tensor.Shape) ([]tensor.Shape, error) { return []tensor.Shape{{}}, nil }

func (total) Run(_ *graph.Context, out, in []graph.Value) error {
	out[0].F[0] = 0
	for i, v := range in[0].F {
		if len(in) == 1 || in[1].I[i] == 1 {
			out[0].F[0] += v
		}
	}
	return nil
}

func (total) Wrt(inputs int) []bool { return []bool{true, false}[:inputs] }

func (total) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := graph.Apply(totalGrad{in[0].Shape()}, append(gorgonia.Nodes{gy}, in[1:]...)...)
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{g(0), nil}[:len(in)], nil
}

type totalGrad struct{ shape tensor.Shape }

func (totalGrad) Key() string { return "gradient of total" }

func (k totalGrad) Shapes([]tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{k.shape}, nil
}

func (totalGrad) Run(_ *graph.Context, out, in []graph.Value) error {
	for i := range out[0].F {
		out[0].F[i] = 0
		if len(in) == 1 || in[1].I[i] == 1 {
			out[0].F[i] = in[0].F[0]
		}
	}
	return nil
}

// metric counts positive elements. It has no gradient.
type metric struct{}

func (metric) Key() string { return "metric" }

func (metric) Shapes([]tensor.Shape) ([]tensor.Shape, error) { return []tensor.Shape{{}}, nil }

func (metric) Run(_ *graph.Context, out, in []graph.Value) error {
	out[0].F[0] = 0
	for _, v := range in[0].F {
		if v > 0 {
			out[0].F[0]++
		}
	}
	return nil
}

// mode shows the mode of the run: 1 if it trains, plus 2 if it updates
// statistics.
type mode struct{}

func (mode) Key() string { return "mode" }

func (mode) Shapes([]tensor.Shape) ([]tensor.Shape, error) { return []tensor.Shape{{}}, nil }

func (mode) Run(c *graph.Context, out, _ []graph.Value) error {
	out[0].F[0] = 0
	if c.Training {
		out[0].F[0]++
	}
	if c.UpdateStats {
		out[0].F[0] += 2
	}
	return nil
}

// failing fails when it runs.
type failing struct{ metric }

func (failing) Key() string { return "failing" }

func (failing) Run(*graph.Context, []graph.Value, []graph.Value) error {
	return errors.New("out of luck")
}

func input(g *gorgonia.ExprGraph, name string, shape ...int) *gorgonia.Node {
	return gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
}

func let(t *testing.T, n *gorgonia.Node, data any) {
	t.Helper()
	require.NoError(t, gorgonia.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(data))))
}

func apply(t *testing.T, k graph.Kernel, in ...*gorgonia.Node) func(int) *gorgonia.Node {
	t.Helper()
	out, err := graph.Apply(k, in...)
	require.NoError(t, err)
	return out
}

func run(t *testing.T, g *gorgonia.ExprGraph, opts ...gorgonia.VMOpt) {
	t.Helper()
	m := gorgonia.NewTapeMachine(g, opts...)
	defer m.Close()
	require.NoError(t, m.RunAll())
}
