package graph_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
)

type binary = func(a, b *gorgonia.Node) (*gorgonia.Node, error)

// TestGradOfStockOperations compares with the sweep of Gorgonia: each operation reads
// a map that another one reads too.
func TestGradOfStockOperations(t *testing.T) {
	must := func(n *gorgonia.Node, err error) *gorgonia.Node {
		require.NoError(t, err)
		return n
	}
	two := gorgonia.NewConstant(float32(2))
	for name, of := range map[string]binary{
		"addition":      func(a, b *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.Add(a, b) },
		"twice":         func(a, _ *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.Sub(a, a) },
		"square":        func(a, _ *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.HadamardProd(a, a) },
		"quotient":      func(a, b *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.HadamardDiv(a, b) },
		"power":         func(a, b *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.Pow(a, b) },
		"of a constant": func(a, _ *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.HadamardDiv(two, a) },
		"of a scalar":   func(a, b *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.Mul(a, must(gorgonia.Sum(b))) },
		"where it is larger": func(a, b *gorgonia.Node) (*gorgonia.Node, error) {
			return gorgonia.HadamardProd(a, must(gorgonia.Gt(a, b, true)))
		},
		"broadcast": func(a, b *gorgonia.Node) (*gorgonia.Node, error) {
			return gorgonia.BroadcastHadamardProd(a, must(gorgonia.Sum(b, 1)), nil, []byte{1})
		},
		"sum of rows": func(a, _ *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.Square(must(gorgonia.Sum(a, 0))) },
		"largest":     func(a, _ *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.Max(a, 1) },
		"transposition": func(a, b *gorgonia.Node) (*gorgonia.Node, error) {
			return gorgonia.Mul(a, must(gorgonia.Transpose(b, 1, 0)))
		},
		"product by itself": func(a, _ *gorgonia.Node) (*gorgonia.Node, error) {
			return gorgonia.Mul(a, must(gorgonia.Transpose(a, 1, 0)))
		},
		"reshaping": func(a, _ *gorgonia.Node) (*gorgonia.Node, error) {
			return gorgonia.Square(must(gorgonia.Reshape(a, tensor.Shape{6})))
		},
		"concatenation": func(a, b *gorgonia.Node) (*gorgonia.Node, error) {
			return gorgonia.Square(must(gorgonia.Concat(1, a, b, a)))
		},
		"softmax": func(a, b *gorgonia.Node) (*gorgonia.Node, error) {
			return gorgonia.HadamardProd(must(gorgonia.SoftMax(a)), b)
		},
		"max pooling": func(a, _ *gorgonia.Node) (*gorgonia.Node, error) {
			return gorgonia.MaxPool2D(must(gorgonia.Reshape(a, tensor.Shape{1, 1, 2, 3})), tensor.Shape{2, 2}, []int{0, 0}, []int{1, 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			var all [2][]any
			for i := range all {
				g := gorgonia.NewGraph()
				a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
				h := must(gorgonia.Tanh(a))
				loss := must(gorgonia.Sum(must(of(h, b))))
				loss = must(gorgonia.Add(loss, must(gorgonia.Mean(must(gorgonia.HadamardProd(h, must(gorgonia.Add(a, b))))))))
				if i == 0 {
					_, err := gorgonia.Grad(loss, a, b)
					require.NoError(t, err)
				} else {
					found, err := graph.Grad(loss, gorgonia.Nodes{a, b})
					require.NoError(t, err)
					require.True(t, found)
				}
				let(t, a, []float32{0.5, 1.5, 0.75, 2, 1, 3})
				let(t, b, []float32{0.25, 2.5, 0.5, 1, 3, 2})
				run(t, g)
				all[i] = []any{a.Deriv().Value().Data(), b.Deriv().Value().Data()}
			}
			for i, want := range all[0] {
				assert.InDeltaSlice(t, want, all[1][i], 1e-6)
			}
		})
	}
}

// faulty multiplies two maps, and has gradients of another shape, or none.
type faulty struct {
	product
	missing bool
}

func (k faulty) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	if k.missing {
		return gorgonia.Nodes{gy, nil}, nil
	}
	sum, err := graph.Apply(total{}, gy)
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{gy, sum(0)}, nil
}

func TestGradRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		build      func(a, b *gorgonia.Node) *gorgonia.Node
	}{
		{"a stock operation without a gradient", "(*gorgonia.globalAveragePoolOp) has no gradient", func(a, _ *gorgonia.Node) *gorgonia.Node {
			return gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.GlobalAveragePool2D(gorgonia.Must(gorgonia.Reshape(a, tensor.Shape{1, 1, 2, 3}))))))
		}},
		{"an output without a gradient", "the loss depends on output 1 of product, and only output 0 has a gradient", func(a, b *gorgonia.Node) *gorgonia.Node {
			return apply(t, total{}, apply(t, product{}, a, b)(1))(0)
		}},
		{"a gradient that is missing", "has no gradient for input 1, which it calls differentiable", func(a, b *gorgonia.Node) *gorgonia.Node {
			return apply(t, total{}, apply(t, faulty{missing: true}, a, b)(0))(0)
		}},
		{"a gradient of another shape", "gradient of a: parts of several shapes or types", func(a, _ *gorgonia.Node) *gorgonia.Node {
			return apply(t, total{}, apply(t, faulty{}, a, a)(0))(0)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := gorgonia.NewGraph()
			a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
			_, err := graph.Grad(c.build(a, b), gorgonia.Nodes{a, b})
			assert.ErrorContains(t, err, c.want)
		})
	}
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
	found, err := graph.Grad(apply(t, total{}, a)(0), gorgonia.Nodes{b})
	require.NoError(t, err)
	assert.False(t, found)
	assert.Nil(t, b.Deriv())
}
