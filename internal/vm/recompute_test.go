package vm_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/vm"
	"unnas/ops"
)

// noted is a look that may run again. Outputs: the copy of the input, and the
// number of runs that wanted this output.
type noted struct {
	look
	runs *float32
}

func (k noted) Key() string { return "noted " + k.look.Key() }

func (noted) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{in[0], {}}, nil
}

func (k noted) Run(c *graph.Context, out, in []graph.Value) error {
	if out[1].Wanted() {
		*k.runs++
		out[1].F[0] = *k.runs
	}
	return k.look.Run(c, out[:1], in)
}

func (noted) Repeatable(i int) bool { return i == 0 }

func (k noted) Gradient(in gorgonia.Nodes, out func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return k.look.Gradient(in, out, gy)
}

// TestRecompute holds what runs twice. Each case is a map that is read at once
// and, after a chain of steps, by a gradient.
func TestRecompute(t *testing.T) {
	var runs float32
	again, plain := noted{look{reads: graph.Affine}, &runs}, look{reads: graph.Affine}
	affine := stretch{shift: true}
	for _, c := range []struct {
		name string
		// build returns the map, made of x.
		build func(t *testing.T, x *gorgonia.Node) *gorgonia.Node
		want  func(y *gorgonia.Node) gorgonia.Nodes // what else is wanted, of the map
		twice int                                   // steps of noted kernels that run twice
	}{
		{"read late", func(t *testing.T, x *gorgonia.Node) *gorgonia.Node { return apply(t, again, x) }, nil, 1},
		{"that may not", func(t *testing.T, x *gorgonia.Node) *gorgonia.Node { return apply(t, plain, x) }, nil, 0},
		{"wanted", func(t *testing.T, x *gorgonia.Node) *gorgonia.Node { return apply(t, again, x) }, func(y *gorgonia.Node) gorgonia.Nodes {
			return gorgonia.Nodes{y}
		}, 0},
		// The second run would note that it is one, if it were for this output too.
		{"beside a wanted one", func(t *testing.T, x *gorgonia.Node) *gorgonia.Node { return apply(t, again, x) }, func(y *gorgonia.Node) gorgonia.Nodes {
			return gorgonia.Nodes{graph.Sibling(y, 1)}
		}, 1},
		{"of another", func(t *testing.T, x *gorgonia.Node) *gorgonia.Node { return apply(t, again, apply(t, again, x)) }, nil, 2},
		{"of a pending map", func(t *testing.T, x *gorgonia.Node) *gorgonia.Node { return apply(t, again, apply(t, affine, x)) }, nil, 1},
		{"of a pending map of another", func(t *testing.T, x *gorgonia.Node) *gorgonia.Node {
			return apply(t, again, apply(t, blend{}, x, apply(t, again, x)))
		}, nil, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := gorgonia.NewGraph()
			a, b := input(g, "a", 4, 3, 4, 5), input(g, "b", 4, 3, 4, 5)
			r := rand.New(rand.NewPCG(3, 4))
			let(t, a, normal(r, a.Shape()))
			let(t, b, normal(r, b.Shape()))
			x := apply(t, plain, apply(t, twist{}, a, b))
			y := c.build(t, x)
			n := apply(t, twist{}, apply(t, twist{}, y, x), apply(t, twist{}, x, y))
			for range 10 {
				n = apply(t, plain, n)
			}
			loss := apply(t, total{}, n)
			_, err := gorgonia.Grad(loss, a, b)
			require.NoError(t, err)
			want := gorgonia.Nodes{loss, a.Deriv(), b.Deriv()}
			if c.want != nil {
				want = append(want, c.want(y)...)
			}
			count := func(p *vm.Plan) int {
				return len(slices.DeleteFunc(p.Steps(), func(s string) bool { return !strings.HasPrefix(s, "noted") }))
			}
			stored, p, _ := bind(t, g, 2, vm.Options{Want: want})
			once, before := count(p), p.Busiest()
			runs = 0
			require.NoError(t, stored.RunAll())
			var kept [][]float32
			for _, n := range want {
				kept = append(kept, slices.Clone(floats(n)))
			}
			m, p, arena := bind(t, g, 2, vm.Options{Want: want, Recompute: true})
			assert.Equal(t, once+c.twice, count(p))
			if c.twice > 0 {
				assert.Less(t, p.Busiest(), before)
			}
			m.Soil(arena)
			runs = 0
			require.NoError(t, m.RunAll())
			for i, n := range want {
				identical(t, kept[i], floats(n), n.Name())
			}
		})
	}
}

// TestRecomputeCutsSums adds up what would wait for the rest of its sum.
func TestRecomputeCutsSums(t *testing.T) {
	g := gorgonia.NewGraph()
	x := input(g, "x", 3, 5)
	let(t, x, normal(rand.New(rand.NewPCG(7, 8)), x.Shape()))
	n := apply(t, look{}, x)
	var terms gorgonia.Nodes
	for range 3 {
		for range 2 {
			n = apply(t, look{}, n)
			terms = append(terms, apply(t, stretch{shift: true}, n))
		}
		for range 10 {
			n = apply(t, look{}, n)
		}
	}
	sum := must(t)(gorgonia.ReduceAdd(append(terms, n)))
	sums := func(p *vm.Plan) []string {
		return slices.DeleteFunc(p.Steps(), func(s string) bool { return !strings.HasPrefix(s, "sum") })
	}
	m, p, _ := bind(t, g, 2, vm.Options{Want: gorgonia.Nodes{sum}})
	assert.Equal(t, []string{"sum of 7"}, sums(p))
	before := p.Busiest()
	require.NoError(t, m.RunAll())
	want := slices.Clone(floats(sum))
	m, p, arena := bind(t, g, 2, vm.Options{Want: gorgonia.Nodes{sum}, Recompute: true})
	assert.Equal(t, []string{"sum of 2", "sum of 3", "sum of 3", "sum of 2"}, sums(p))
	assert.Less(t, p.Busiest(), before)
	m.Soil(arena)
	require.NoError(t, m.RunAll())
	identical(t, want, floats(sum), "the sum")
}

// TestRecomputeSupernet compares all gradients of supernets, and statistics, to
// the bit with those of a run that keeps its maps. With fewer candidates, fewer
// steps become one, and gradients wait longer for the rest of their sums.
func TestRecomputeSupernet(t *testing.T) {
	all := ops.DARTS()
	for _, set := range []ops.Set{all, all[:5], all[4:6]} {
		t.Run(fmt.Sprint(set.Names()), func(t *testing.T) { testRecomputeSupernet(t, set, 0) })
	}
	t.Run("partial", func(t *testing.T) { testRecomputeSupernet(t, all, 2) })
}

func testRecomputeSupernet(t *testing.T, set ops.Set, partial int) {
	p := ops.NewParams()
	n := newSupernetOf(t, p, set, partial)
	n.feed(t, 1)
	var results [2][][]float32
	var sizes [2]int
	for i, recompute := range []bool{false, true} {
		machines, arena := n.machines(t, 2, recompute)
		sizes[i] = arena.Floats()
		for _, m := range machines {
			m.Soil(arena)
			require.NoError(t, m.RunAll())
		}
		for _, values := range [][]float32{floats(n.loss), p.WeightGrads(), p.AlphaGrads()} {
			results[i] = append(results[i], slices.Clone(values))
		}
	}
	for i := range results[0] {
		identical(t, results[0][i], results[1][i], []string{"loss", "weights", "alphas"}[i])
	}
	assert.Less(t, sizes[1], 2*sizes[0]/3)
}
