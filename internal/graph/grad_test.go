package graph_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/ir"
)

type binary = func(a, b *gorgonia.Node) (*gorgonia.Node, error)

// TestGradOfGorgonia compares with the sweep of Gorgonia: each operation reads
// a map that another one reads too.
func TestGradOfGorgonia(t *testing.T) {
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

// faulty multiplies two maps, and has gradients of another shape, none, or one that
// cannot be built.
type faulty struct {
	product
	how string
}

func (k faulty) Gradient(b *ir.Builder, in, out []*ir.Value, gy *ir.Value) []*ir.Value {
	switch k.how {
	case "missing":
		return []*ir.Value{gy, nil}
	case "panics":
		b.Apply(product{}, gy, out[2])
	case "float64":
		return []*ir.Value{gy, {Shape: in[0].Shape, Type: "float64"}}
	}
	return []*ir.Value{gy, b.Apply(total{}, gy)[0]}
}

func TestGradRefuses(t *testing.T) {
	faulty := func(how string) func(a, b *gorgonia.Node) *gorgonia.Node {
		return func(a, b *gorgonia.Node) *gorgonia.Node {
			return apply(t, total{}, apply(t, faulty{how: how}, a, b))
		}
	}
	for _, c := range []struct {
		name, want string
		build      func(a, b *gorgonia.Node) *gorgonia.Node
	}{
		{"an operation of Gorgonia's without a gradient", "(*gorgonia.globalAveragePoolOp) has no gradient", func(a, _ *gorgonia.Node) *gorgonia.Node {
			return gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.GlobalAveragePool2D(gorgonia.Must(gorgonia.Reshape(a, tensor.Shape{1, 1, 2, 3}))))))
		}},
		{"an output without a gradient", "the loss depends on output 1 of Product, and only output 0 has a gradient", func(a, b *gorgonia.Node) *gorgonia.Node {
			return apply(t, total{}, outputs(t, product{}, a, b)(1))
		}},
		{"a gradient that is missing", "has no gradient for input 1, which it calls differentiable", faulty("missing")},
		{"a gradient that does not fit", "gradient of Product: ir: Product: the shapes differ; make them equal", faulty("panics")},
		{"a gradient of a value that no step makes", "gradient of Product: ", faulty("float64")},
		{"a gradient of another shape", "gradient of a: parts of several shapes or types", func(a, _ *gorgonia.Node) *gorgonia.Node {
			return faulty("shape")(a, a)
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
	found, err := graph.Grad(apply(t, total{}, a), gorgonia.Nodes{b})
	require.NoError(t, err)
	assert.False(t, found)
	assert.Nil(t, b.Deriv())
}

// TestGradAddsUp holds that one operator adds up a gradient with several parts, and that
// labels have none.
func TestGradAddsUp(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
	labels := gorgonia.NewMatrix(g, tensor.Int32, gorgonia.WithShape(2, 3), gorgonia.WithName("labels"))
	ab := apply(t, product{}, a, b)
	loss := apply(t, total{}, apply(t, product{}, a, ab), labels)
	found, err := graph.Grad(loss, gorgonia.Nodes{a, b, labels})
	require.NoError(t, err)
	assert.True(t, found)
	op, _ := graph.Of(a.Deriv())
	assert.Equal(t, ir.Sum{}, op)
	assert.Nil(t, labels.Deriv())
	let(t, a, []float32{1, 2, 3, 4, 5, 6})
	let(t, b, []float32{-1, 0.5, 1, 2, -3, 4})
	let(t, labels, []int32{1, 1, 0, 1, 0, 1})
	run(t, g)
	// The loss is Σ a²b where the label is 1.
	assert.Equal(t, []float32{2 * 1 * -1, 2 * 2 * 0.5, 0, 2 * 4 * 2, 0, 2 * 6 * 4}, floats(a.Deriv()))
	assert.Equal(t, []float32{1, 4, 0, 16, 0, 36}, floats(b.Deriv()))
}
