package vm_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/vm"
)

// TestPending holds which maps are left to their readers.
func TestPending(t *testing.T) {
	affine, scaled := stretch{shift: true}, stretch{}
	chained := stretch{shift: true, reads: graph.Scaled}
	plain, factors, any := look{reads: graph.None}, look{reads: graph.Scaled}, look{reads: graph.Affine}
	for _, c := range []struct {
		name string
		// build returns the wanted nodes. x and y are computed by kernels, raw is
		// an input of the graph.
		build           func(t *testing.T, x, y, raw *gorgonia.Node) gorgonia.Nodes
		key             graph.Kernel
		pending, formed int
	}{
		{"every reader can", func(t *testing.T, x, _, _ *gorgonia.Node) gorgonia.Nodes {
			s := apply(t, affine, x)
			return gorgonia.Nodes{apply(t, any, s), apply(t, any, s), apply(t, total{}, s)}
		}, affine, 1, 0},
		{"one reader cannot", func(t *testing.T, x, _, _ *gorgonia.Node) gorgonia.Nodes {
			s := apply(t, affine, x)
			return gorgonia.Nodes{apply(t, any, s), apply(t, plain, s)}
		}, affine, 0, 1},
		{"a stock reader", func(t *testing.T, x, _, _ *gorgonia.Node) gorgonia.Nodes {
			s := apply(t, affine, x)
			return gorgonia.Nodes{apply(t, any, s), must(t)(gorgonia.Tanh(s))}
		}, affine, 0, 1},
		{"wanted", func(t *testing.T, x, _, _ *gorgonia.Node) gorgonia.Nodes {
			s := apply(t, affine, x)
			return gorgonia.Nodes{apply(t, any, s), s}
		}, affine, 0, 1},
		{"a shift for a reader of factors", func(t *testing.T, x, _, _ *gorgonia.Node) gorgonia.Nodes {
			return gorgonia.Nodes{apply(t, factors, apply(t, affine, x))}
		}, affine, 0, 1},
		{"factors for a reader of factors", func(t *testing.T, x, _, _ *gorgonia.Node) gorgonia.Nodes {
			return gorgonia.Nodes{apply(t, factors, apply(t, scaled, x))}
		}, scaled, 1, 0},
		{"of an input", func(t *testing.T, _, _, raw *gorgonia.Node) gorgonia.Nodes {
			return gorgonia.Nodes{apply(t, any, apply(t, affine, raw))}
		}, affine, 0, 1},
		{"of a stock result", func(t *testing.T, x, _, _ *gorgonia.Node) gorgonia.Nodes {
			return gorgonia.Nodes{apply(t, any, apply(t, affine, must(t)(gorgonia.Tanh(x))))}
		}, affine, 0, 1},
		{"a sum", func(t *testing.T, x, y, _ *gorgonia.Node) gorgonia.Nodes {
			return gorgonia.Nodes{must(t)(gorgonia.Add(apply(t, affine, x), apply(t, affine, y)))}
		}, affine, 2, 0},
		{"factors in a shift", func(t *testing.T, x, _, _ *gorgonia.Node) gorgonia.Nodes {
			return gorgonia.Nodes{apply(t, any, apply(t, chained, apply(t, scaled, x)))}
		}, chained, 1, 0},
		{"factors below a shift", func(t *testing.T, x, _, _ *gorgonia.Node) gorgonia.Nodes {
			return gorgonia.Nodes{apply(t, any, apply(t, chained, apply(t, scaled, x)))}
		}, scaled, 1, 0},
		{"two maps", func(t *testing.T, x, y, _ *gorgonia.Node) gorgonia.Nodes {
			return gorgonia.Nodes{apply(t, any, apply(t, blend{}, x, y))}
		}, blend{}, 1, 0},
		{"two maps, the second an input", func(t *testing.T, x, _, raw *gorgonia.Node) gorgonia.Nodes {
			return gorgonia.Nodes{apply(t, any, apply(t, blend{}, x, raw))}
		}, blend{}, 0, 1},
		{"two maps, the first with factors", func(t *testing.T, x, y, _ *gorgonia.Node) gorgonia.Nodes {
			return gorgonia.Nodes{apply(t, any, apply(t, blend{reads: graph.Scaled}, apply(t, scaled, x), y))}
		}, blend{reads: graph.Scaled}, 1, 0},
		// The kernel reads the second with factors too, which a form cannot hold.
		{"two maps, the second with factors", func(t *testing.T, x, y, _ *gorgonia.Node) gorgonia.Nodes {
			return gorgonia.Nodes{apply(t, any, apply(t, lazyBlend{}, x, apply(t, scaled, y)))}
		}, lazyBlend{}, 0, 1},
		// It reads the first with a shift, which has no place in its form either.
		{"two maps, the first with a shift", func(t *testing.T, x, y, _ *gorgonia.Node) gorgonia.Nodes {
			return gorgonia.Nodes{apply(t, any, apply(t, lazyBlend{}, apply(t, affine, x), y))}
		}, lazyBlend{}, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := gorgonia.NewGraph()
			a, b := input(g, "a", 2, 3, 2, 5), input(g, "b", 2, 3, 2, 5)
			r := rand.New(rand.NewPCG(1, 2))
			let(t, a, normal(r, a.Shape()))
			let(t, b, normal(r, b.Shape()))
			want := c.build(t, apply(t, twist{}, a, b), apply(t, twist{}, b, b), a)
			m, p, arena := bind(t, g, 2, vm.Options{Want: want})
			pending, formed := p.Pending(c.key.Key())
			assert.Equal(t, c.pending, pending, "pending")
			assert.Equal(t, c.formed, formed, "formed")
			values := interpret(t, g)
			m.Soil(arena)
			require.NoError(t, m.RunAll())
			for _, n := range want {
				near(t, floatsOf(values[n]), floats(n), n.Name())
			}
		})
	}
}

// lazyBlend is a blend that reads any maps.
type lazyBlend struct{ blend }

func (lazyBlend) Key() string { return "lazy blend" }

func (lazyBlend) Reads(int) graph.Pending { return graph.Affine }

func (lazyBlend) Run(c *graph.Context, out, in []graph.Value) error {
	for i := range in {
		if m := in[i].Map(); in[i].Lazy != nil {
			data := make([]float32, m.Len())
			for j := range data {
				data[j] = at(&m, j)
			}
			in = append([]graph.Value(nil), in...)
			in[i] = graph.Value{Shape: in[i].Shape, F: data}
		}
	}
	return blend{}.Run(c, out, in)
}

// TestPendingSavesMemory compares two maps that their reader forms with two that
// it cannot form.
func TestPendingSavesMemory(t *testing.T) {
	arena := func(read func(a, b *gorgonia.Node) *gorgonia.Node) int {
		g := gorgonia.NewGraph()
		x := apply(t, look{}, input(g, "x", 2, 3, 4, 16))
		y := read(apply(t, stretch{shift: true}, x), apply(t, stretch{shift: true}, x))
		_, p, _ := bind(t, g, 1, vm.Options{Want: gorgonia.Nodes{apply(t, total{}, y)}})
		size, _, _, _ := p.Sizes()
		return size
	}
	const floats, coefficients = 2 * 3 * 4 * 16, 3 * 16
	assert.Equal(t, 3*floats, arena(func(a, b *gorgonia.Node) *gorgonia.Node {
		return apply(t, twist{}, a, b)
	}))
	assert.Equal(t, 2*floats+2*coefficients, arena(func(a, b *gorgonia.Node) *gorgonia.Node {
		return must(t)(gorgonia.Add(a, b))
	}))
}

// TestRest hands all coefficients of a form to its reader.
func TestRest(t *testing.T) {
	g := gorgonia.NewGraph()
	x := input(g, "x", 2, 3)
	let(t, x, []float32{1, 2, 3, 4, 5, 6})
	y := apply(t, coefficients{}, apply(t, rounded{}, apply(t, look{}, x)))
	require.NoError(t, machine(t, g, y).RunAll())
	assert.Equal(t, []float32{0, 1, 2, 10, 11, 12, 20, 21, 22}, floats(y))
}

// rounded is a map with a rest. Outputs: the map, coefficients [3, C].
type rounded struct{}

func (rounded) Key() string { return "rounded" }

func (rounded) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{in[0], {3, in[0][in[0].Dims()-1]}}, nil
}

func (rounded) Form(i int) (graph.Form, bool) {
	return graph.Form{P: 0, Q: -1, Coef: 1, Shift: true, Rest: true}, i == 0
}

func (rounded) Run(_ *graph.Context, out, _ []graph.Value) error {
	c := len(out[1].F) / 3
	for i := range out[1].F {
		out[1].F[i] = float32(i/c*10 + i%c)
	}
	return nil
}

// coefficients returns those of the pending map that it reads: A, D, E.
type coefficients struct{}

func (coefficients) Key() string { return "coefficients" }

func (coefficients) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{{3, in[0][in[0].Dims()-1]}}, nil
}

func (coefficients) Reads(int) graph.Pending { return graph.Affine }

func (coefficients) Run(_ *graph.Context, out, in []graph.Value) error {
	m := in[0].Map()
	copy(out[0].F, slices.Concat(m.A, m.D, m.E))
	return nil
}
