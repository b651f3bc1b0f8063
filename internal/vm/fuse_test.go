package vm_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/vm"
)

// branches multiplies x with several maps. Inputs: x, the maps. Outputs: the
// products. It fuses with branches of its own group.
type branches struct {
	group, count int
}

func (k branches) Key() string { return fmt.Sprintf("branch of %d", k.count) }

func (k branches) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[1:], nil }

func (k branches) Shared() int { return 0 }

func (k branches) Fuse(with graph.Kernel) graph.Kernel {
	if o, ok := with.(branches); ok && o.group == k.group {
		return branches{k.group, k.count + o.count}
	}
	return nil
}

func (k branches) Run(_ *graph.Context, out, in []graph.Value) error {
	for j, o := range out {
		for i := range o.F {
			o.F[i] = in[0].F[i] * in[1+j].F[i]
		}
	}
	return nil
}

func (branches) Wrt(inputs int) []bool { return graph.All(inputs) }

func (k branches) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	out, err := graph.Apply(branchesGrad{k}, in[0], gy, in[1])
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{out(0), out(2)}, nil
}

// branchesGrad is the gradient of branches. Inputs: x; for each branch gy and the
// map. Outputs: the gradient of x, its sum, a scalar; for each branch the gradient
// of the map.
type branchesGrad struct{ of branches }

func (k branchesGrad) Key() string { return "gradient of " + k.of.Key() }

func (k branchesGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	shapes := []tensor.Shape{in[0], {}}
	for j := range k.of.count {
		shapes = append(shapes, in[2+2*j])
	}
	return shapes, nil
}

func (k branchesGrad) Shared() int { return 2 }

func (k branchesGrad) Fuse(with graph.Kernel) graph.Kernel {
	o, ok := with.(branchesGrad)
	if !ok {
		return nil
	}
	if fused, ok := k.of.Fuse(o.of).(branches); ok {
		return branchesGrad{fused}
	}
	return nil
}

func (k branchesGrad) Run(_ *graph.Context, out, in []graph.Value) error {
	clear(out[0].F)
	var sum float32
	for j := range k.of.count {
		gy, w := in[1+2*j].F, in[2+2*j].F
		for i, g := range gy {
			if out[0].F != nil {
				out[0].F[i] += g * w[i]
			}
			if g := out[2+j].F; g != nil {
				g[i] = gy[i] * in[0].F[i]
			}
			sum += g * w[i]
		}
	}
	if out[1].F != nil {
		out[1].F[0] = sum
	}
	return nil
}

// TestFuse holds which steps become one, and where.
func TestFuse(t *testing.T) {
	one, other := branches{group: 1, count: 1}, branches{group: 2, count: 1}
	type builder func(x *gorgonia.Node, maps gorgonia.Nodes) gorgonia.Nodes
	branch := func(k branches, x, w *gorgonia.Node) *gorgonia.Node { return apply(t, k, x, w) }
	grad := func(x *gorgonia.Node, ys ...*gorgonia.Node) gorgonia.Nodes {
		var losses gorgonia.Nodes
		for _, y := range ys {
			losses = append(losses, apply(t, total{}, y))
		}
		_, err := gorgonia.Grad(must(t)(gorgonia.ReduceAdd(losses)), x)
		require.NoError(t, err)
		return gorgonia.Nodes{x.Deriv()}
	}
	for _, c := range []struct {
		name  string
		build builder
		steps []string // those of branches and sums
	}{
		{"of one map", func(x *gorgonia.Node, m gorgonia.Nodes) gorgonia.Nodes {
			a, b := branch(one, x, m[0]), branch(one, x, m[1])
			return gorgonia.Nodes{a, apply(t, look{}, a), b}
		}, []string{"branch of 2"}},
		{"at most four", func(x *gorgonia.Node, m gorgonia.Nodes) gorgonia.Nodes {
			var out gorgonia.Nodes
			for _, w := range m {
				out = append(out, branch(one, x, w))
			}
			return out
		}, []string{"branch of 4", "branch of 2"}},
		{"of other maps", func(x *gorgonia.Node, m gorgonia.Nodes) gorgonia.Nodes {
			return gorgonia.Nodes{branch(one, x, m[0]), branch(one, m[1], m[0])}
		}, []string{"branch of 1", "branch of 1"}},
		{"of another kind", func(x *gorgonia.Node, m gorgonia.Nodes) gorgonia.Nodes {
			return gorgonia.Nodes{branch(one, x, m[0]), branch(other, x, m[1])}
		}, []string{"branch of 1", "branch of 1"}},
		{"of what is made later", func(x *gorgonia.Node, m gorgonia.Nodes) gorgonia.Nodes {
			a := branch(one, x, m[0])
			return gorgonia.Nodes{branch(one, x, a)}
		}, []string{"branch of 1", "branch of 1"}},
		{"gradients", func(x *gorgonia.Node, m gorgonia.Nodes) gorgonia.Nodes {
			return grad(x, branch(one, x, m[0]), branch(one, x, m[1]), apply(t, look{}, x))
		}, []string{"gradient of branch of 2", "sum of 2"}},
		{"gradients and no others", func(x *gorgonia.Node, m gorgonia.Nodes) gorgonia.Nodes {
			return grad(x, branch(one, x, m[0]), branch(one, x, m[1]), branch(one, x, m[2]))
		}, []string{"gradient of branch of 3"}},
		{"gradients of five", func(x *gorgonia.Node, m gorgonia.Nodes) gorgonia.Nodes {
			var ys gorgonia.Nodes
			for _, w := range m[:5] {
				ys = append(ys, branch(one, x, w))
			}
			return grad(x, ys...)
		}, []string{"gradient of branch of 4", "gradient of branch of 1", "sum of 2"}},
		{"a gradient that is wanted", func(x *gorgonia.Node, m gorgonia.Nodes) gorgonia.Nodes {
			a, b := branch(one, x, m[0]), branch(one, x, m[1])
			want := grad(x, a, b)
			sum := graph.Children(want[0])
			return append(want, sum[0])
		}, []string{"gradient of branch of 1", "gradient of branch of 1", "sum of 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := gorgonia.NewGraph()
			x := input(g, "x", 2, 3)
			let(t, x, []float32{1, 2, 3, 4, 5, 6})
			var maps gorgonia.Nodes
			for i := range 6 {
				n := input(g, fmt.Sprint("map", i), 2, 3)
				let(t, n, []float32{1, float32(i), 2, -1, 3, float32(-i)})
				maps = append(maps, n)
			}
			want := c.build(x, maps)
			m, p, arena := bind(t, g, 2, vm.Options{Want: want})
			require.NoError(t, p.Check())
			var steps []string
			for _, s := range p.Steps() {
				var n int
				for _, format := range []string{"branch of %d", "gradient of branch of %d", "sum of %d"} {
					if _, err := fmt.Sscanf(s, format, &n); err == nil {
						steps = append(steps, s)
					}
				}
			}
			assert.Equal(t, c.steps, steps)
			values := interpret(t, g)
			m.Soil(arena)
			require.NoError(t, m.RunAll())
			for _, n := range want {
				near(t, floatsOf(values[n]), floats(n), n.Name())
			}
		})
	}
}
