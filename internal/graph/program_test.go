package graph_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/ops"
)

// TestBytes compares what a plan says with what its machine takes.
func TestBytes(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b, c := input(g, "a", 3, 50), input(g, "b", 3, 50), input(g, "c", 3, 50)
	y := apply(t, product{}, apply(t, product{}, a, b), c)
	loss := apply(t, total{}, y)
	_, err := gorgonia.Grad(loss, a, b)
	require.NoError(t, err)
	into := make([]float32, 150)
	p, err := graph.Compile(g, graph.Options{
		Want: gorgonia.Nodes{loss, a.Deriv(), b.Deriv(), y},
		Into: []graph.Target{{Node: b.Deriv(), Data: into}},
	})
	require.NoError(t, err)
	arena, perWorker, shared := p.Sizes()
	kept := p.Kept()
	assert.Equal(t, 16+160+160, kept, "whole cache lines of loss, y and the gradient of a")
	assert.Equal(t, 1, perWorker)
	assert.Equal(t, 150, shared)
	assert.Equal(t, int64(4*(arena+kept+perWorker+shared)), p.Bytes(1))
	assert.GreaterOrEqual(t, p.Bytes(3), p.Bytes(1)+int64(4*2*perWorker))
	for _, workers := range []int{1, 3} {
		m, err := p.Bind(graph.NewArena(p), kernel.NewThreadPool(workers))
		require.NoError(t, err)
		assert.Equal(t, p.Bytes(workers), m.Bytes())
	}
}

// TestBytesAreTaken compares what a plan says with what the runtime hands out
// until the first run is over.
func TestBytesAreTaken(t *testing.T) {
	g := gorgonia.NewGraph()
	x := input(g, "x", 16, 32, 16, 16)
	let(t, x, make([]float32, 16*32*16*16))
	y := apply(t, product{}, x, apply(t, stretch{}, apply(t, look{}, x)))
	_, err := gorgonia.Grad(apply(t, total{}, y), x)
	require.NoError(t, err)
	p, err := graph.Compile(g, graph.Options{Want: gorgonia.Nodes{y, x.Deriv()}})
	require.NoError(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, err := p.Bind(graph.NewArena(p), kernel.NewThreadPool(2))
	require.NoError(t, err)
	require.NoError(t, m.RunAll())
	runtime.ReadMemStats(&after)
	assert.InEpsilon(t, m.Bytes(), after.TotalAlloc-before.TotalAlloc, 0.02)
}

// TestArenaIsReused holds that a long chain takes the memory of its widest part.
func TestArenaIsReused(t *testing.T) {
	g := gorgonia.NewGraph()
	n := input(g, "x", 4, 16)
	for range 20 {
		n = apply(t, look{}, n)
	}
	p, err := graph.Compile(g, graph.Options{Want: gorgonia.Nodes{apply(t, total{}, n)}})
	require.NoError(t, err)
	arena, _, _ := p.Sizes()
	assert.Equal(t, 2*64, arena)
}

// TestArenaIsPacked compares arenas with what lives at the busiest moment, which no layout
// can beat.
func TestArenaIsPacked(t *testing.T) {
	n := newSupernet(t, ops.NewParams())
	want := append(gorgonia.Nodes{n.loss}, derivs(n.scope.Learnables())...)
	for _, workers := range []int{1, 2, 8} {
		p := compile(t, n.scope.Graph(), graph.Options{Want: want, Workers: workers})
		arena, _, _ := p.Sizes()
		assert.LessOrEqual(t, float64(arena), 1.1*float64(peak(p)), "%d workers", workers)
	}
}

func TestArenas(t *testing.T) {
	chain := func(size int) *graph.Plan {
		g := gorgonia.NewGraph()
		p, err := graph.Compile(g, graph.Options{Want: gorgonia.Nodes{apply(t, total{}, apply(t, look{}, input(g, "x", 1, size)))}})
		require.NoError(t, err)
		return p
	}
	small, large := chain(30), chain(90)
	for _, p := range []*graph.Plan{small, large} {
		_, err := p.Bind(graph.NewArena(small, large), kernel.NewThreadPool(1))
		require.NoError(t, err)
	}
	_, err := small.Bind(graph.NewArena(large), kernel.NewThreadPool(1))
	require.NoError(t, err)
	_, err = small.Bind(graph.NewArena(), kernel.NewThreadPool(1))
	assert.ErrorContains(t, err, "arena of 128 bytes, this one has 0")
	_, err = large.Bind(graph.NewArena(small), kernel.NewThreadPool(1))
	assert.ErrorContains(t, err, "arena of 384 bytes, this one has 128; list the plan in NewArena")
}

// TestDeadCode holds that a plan computes only what wanted nodes need.
func TestDeadCode(t *testing.T) {
	g := gorgonia.NewGraph()
	image, w := input(g, "image", 2, 3), input(g, "w", 2, 3)
	loss := apply(t, total{}, apply(t, product{}, apply(t, look{reads: ir.Affine}, image), w))
	apply(t, look{reads: ir.Scaled}, image)
	_, err := gorgonia.Grad(loss, w)
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		want gorgonia.Nodes
		into bool
		run  []string
	}{
		{"loss", gorgonia.Nodes{loss}, false, []string{"Look{2}", "Product", "Total"}},
		{"gradient", gorgonia.Nodes{w.Deriv()}, false, []string{"Look{2}", "Product", "Spread", "GradProduct"}},
		{"an input", gorgonia.Nodes{w}, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := graph.Compile(g, graph.Options{Want: c.want, Workers: 1})
			require.NoError(t, err)
			assert.Equal(t, c.run, steps(p))
		})
	}
	// Of the gradient of Product only one output is wanted, so look is not
	// differentiated and the other takes no memory.
	_, p, _ := bind(t, g, 1, graph.Options{Want: gorgonia.Nodes{w.Deriv()}})
	arena, _, _ := p.Sizes()
	assert.Equal(t, 16, p.Kept())
	assert.Equal(t, 3*16, arena, "look, its spread gradient and the sum that Product keeps")
}

// TestAllEnds wants the nodes that no other one reads, whenever the graph grew.
func TestAllEnds(t *testing.T) {
	g := gorgonia.NewGraph()
	_, err := graph.Compile(g, graph.Options{})
	assert.ErrorContains(t, err, "no operation")
	x := input(g, "x", 2, 3)
	let(t, x, []float32{1, 2, 3, 4, 5, 6})
	_, err = graph.Compile(g, graph.Options{})
	assert.ErrorContains(t, err, "no operation")

	y := apply(t, look{}, x)
	require.NoError(t, machine(t, g).RunAll())
	assert.Equal(t, []float32{1, 2, 3, 4, 5, 6}, floats(y))
	loss := apply(t, total{}, y)
	_, err = gorgonia.Grad(loss, x)
	require.NoError(t, err)
	_, err = graph.Apply(product{}, x, x) // no output of which is asked for
	require.NoError(t, err)
	m, p, _ := bind(t, g, 2, graph.Options{})
	assert.Equal(t, 2*16, p.Kept(), "the loss and the gradient, not what they are made of")
	require.NoError(t, m.RunAll())
	assert.Equal(t, []float32{21}, floats(loss))
	assert.Equal(t, []float32{1, 1, 1, 1, 1, 1}, floats(x.Deriv()))
}

// TestRewrittenGraph compiles before and after Gorgonia takes a node out of the
// graph.
func TestRewrittenGraph(t *testing.T) {
	g := gorgonia.NewGraph()
	ok := must(t)
	x, y := input(g, "x", 2), input(g, "y", 2)
	let(t, x, []float32{1, 2})
	let(t, y, []float32{3, 5})
	plus := ok(gorgonia.Add(gorgonia.NewConstant(float32(1)), x))
	a := apply(t, product{}, x, y)
	b := apply(t, look{}, y)
	require.NoError(t, machine(t, g, a, b).RunAll())
	log := ok(gorgonia.Log(plus))
	c := ok(gorgonia.Sub(a, b))
	require.NoError(t, machine(t, g, a, b, c, log).RunAll())
	assert.Equal(t, []float32{3, 10}, floats(a))
	assert.Equal(t, []float32{3, 5}, floats(b))
	assert.Equal(t, []float32{0, 5}, floats(c))
	assert.InDeltaSlice(t, []float32{0.6931, 1.0986}, floats(log), 1e-4)
}

// TestFolds holds which additions become one step.
func TestFolds(t *testing.T) {
	add := func(n ...*gorgonia.Node) *gorgonia.Node { return must(t)(gorgonia.ReduceAdd(n)) }
	for _, c := range []struct {
		name  string
		build func(a, b, c *gorgonia.Node) gorgonia.Nodes
		steps []string
		want  float32 // of the first, for 1, 10 and 100
	}{
		{"left", func(a, b, c *gorgonia.Node) gorgonia.Nodes { return gorgonia.Nodes{add(a, b, c, a)} }, []string{"Sum of 4"}, 112},
		{"right", func(a, b, c *gorgonia.Node) gorgonia.Nodes { return gorgonia.Nodes{add(a, add(b, c))} }, []string{"Sum of 2", "Sum of 2"}, 111},
		{"twice", func(a, _, _ *gorgonia.Node) gorgonia.Nodes { return gorgonia.Nodes{add(a, a)} }, []string{"Sum of 2"}, 2},
		{"a sum twice", func(a, b, _ *gorgonia.Node) gorgonia.Nodes {
			s := add(a, b)
			return gorgonia.Nodes{add(s, s)}
		}, []string{"Sum of 2", "Sum of 2"}, 22},
		{"wanted inside", func(a, b, c *gorgonia.Node) gorgonia.Nodes {
			s := add(a, b)
			return gorgonia.Nodes{add(s, c, c), s}
		}, []string{"Sum of 2", "Sum of 3"}, 211},
		{"read elsewhere", func(a, b, c *gorgonia.Node) gorgonia.Nodes {
			s := add(a, b)
			return gorgonia.Nodes{add(s, c), apply(t, look{}, s)}
		}, []string{"Sum of 2", "Sum of 2", "Look{0}"}, 111},
		{"the right operand too", func(a, b, c *gorgonia.Node) gorgonia.Nodes {
			return gorgonia.Nodes{add(add(a, b), add(c, a, b))}
		}, []string{"Sum of 3", "Sum of 3"}, 122},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := gorgonia.NewGraph()
			var in gorgonia.Nodes
			for i, v := range []float32{1, 10, 100} {
				n := input(g, fmt.Sprint("in", i), 2, 3)
				let(t, n, []float32{v, v, v, v, v, v})
				in = append(in, n)
			}
			want := c.build(in[0], in[1], in[2])
			m, p, poison := bind(t, g, 2, graph.Options{Want: want})
			assert.Equal(t, c.steps, steps(p))
			poison()
			require.NoError(t, m.RunAll())
			assert.Equal(t, []float32{c.want, c.want, c.want, c.want, c.want, c.want}, floats(want[0]))
		})
	}
	g := gorgonia.NewGraph()
	a := gorgonia.NewVector(g, tensor.Float64, gorgonia.WithShape(2), gorgonia.WithName("a"))
	_, p, _ := bind(t, g, 1, graph.Options{Want: gorgonia.Nodes{add(a, a, a)}})
	assert.Equal(t, []string{"+ false", "+ false"}, steps(p), "Sum adds float32 only")
}

// TestAliases keeps the memory of a value while a result that shares it is read.
func TestAliases(t *testing.T) {
	g := gorgonia.NewGraph()
	ok := must(t)
	x := input(g, "x", 3, 4)
	y := apply(t, look{}, x)
	view := ok(gorgonia.ApplyOp(alias, ok(gorgonia.Reshape(y, tensor.Shape{4, 3}))))
	column := ok(gorgonia.Slice(view, nil, gorgonia.S(1)))
	n := y
	for range 5 { // which would take the memory of y
		n = apply(t, look{}, n)
	}
	late := apply(t, look{}, view)
	p := compile(t, g, graph.Options{Want: gorgonia.Nodes{n, late, column, view}})
	arena, pool := graph.NewArena(p), kernel.NewThreadPool(2)
	m, err := p.Bind(arena, pool)
	require.NoError(t, err)
	for run := range 2 {
		data := normal(rand.New(rand.NewPCG(1, uint64(run))), x.Shape())
		let(t, x, data)
		require.NoError(t, m.Poison(arena, pool))
		require.NoError(t, m.RunAll())
		assert.Equal(t, data, floats(late))
		require.NoError(t, p.Poison(arena, pool)) // wanted results lie elsewhere
		assert.Equal(t, data, floats(view))
		assert.Equal(t, []float32{data[1], data[4], data[7], data[10]}, floats(column))
		assert.Equal(t, tensor.Shape{4, 3}, view.Value().Shape())
	}
}

// TestInto gives wanted values of all origins memory of the caller's.
func TestInto(t *testing.T) {
	g := gorgonia.NewGraph()
	ok := must(t)
	x := input(g, "x", 2, 2)
	native := apply(t, look{}, x)
	square := ok(gorgonia.Square(native))
	reshaped := ok(gorgonia.Reshape(native, tensor.Shape{4}))
	folded := ok(gorgonia.Add(native, square))
	scalar := apply(t, total{}, x)
	gorgoniaScalar := ok(gorgonia.Square(scalar))
	all := map[*gorgonia.Node][]float32{}
	again := make([]float32, 4)
	var into []graph.Target
	var want gorgonia.Nodes
	for _, n := range []*gorgonia.Node{native, square, reshaped, folded, scalar, gorgoniaScalar, x} {
		want = append(want, n)
		all[n] = make([]float32, n.Shape().TotalSize())
		into = append(into, graph.Target{Node: n, Data: all[n]})
	}
	into = append(into, graph.Target{Node: folded, Data: again})
	m, p, poison := bind(t, g, 2, graph.Options{Want: want, Into: into})
	assert.Zero(t, p.Kept())
	for _, data := range [][]float32{{1, 2, 3, 4}, {-1, 0, 2, 5}} {
		let(t, x, data)
		poison()
		require.NoError(t, m.RunAll())
		s := data[0] + data[1] + data[2] + data[3]
		squares := []float32{data[0] * data[0], data[1] * data[1], data[2] * data[2], data[3] * data[3]}
		assert.Equal(t, data, all[native])
		assert.Equal(t, squares, all[square])
		assert.Equal(t, data, all[reshaped])
		assert.Equal(t, []float32{data[0] + squares[0], data[1] + squares[1], data[2] + squares[2], data[3] + squares[3]}, all[folded])
		assert.Equal(t, all[folded], again, "a node may have several places")
		assert.Equal(t, []float32{s}, all[scalar])
		assert.Equal(t, []float32{s * s}, all[gorgoniaScalar])
		assert.Equal(t, data, all[x], "a gradient may be an input, and is copied")
		for _, n := range want {
			assert.Equal(t, all[n], floats(n), n.Name())
		}
	}
	for _, n := range want[:4] {
		all[n][0] = 77
		assert.Equal(t, float32(77), floats(n)[0], "the node is bound to the memory")
	}
}

func TestCompileErrors(t *testing.T) {
	g, other := gorgonia.NewGraph(), gorgonia.NewGraph()
	x, double := input(g, "x", 2, 3), gorgonia.NewVector(g, tensor.Float64, gorgonia.WithShape(2), gorgonia.WithName("double"))
	y := apply(t, look{}, x)
	square := must(t)(gorgonia.Square(double))
	set := gorgonia.Set(x, y)
	for _, c := range []struct {
		name  string
		o     graph.Options
		wants []string
	}{
		{"nil", graph.Options{Want: gorgonia.Nodes{y, nil}}, []string{"wanted node is nil"}},
		{"another graph", graph.Options{Want: gorgonia.Nodes{apply(t, look{}, input(other, "z", 2))}}, []string{"Look{0}[0]", "another graph"}},
		{"tuple", graph.Options{Want: gorgonia.Nodes{graph.Children(y)[0]}}, []string{"Look{0}", "want the nodes of its outputs"}},
		{"set", graph.Options{Want: gorgonia.Nodes{y, set}}, []string{set.Name(), "letOp", "leave it out"}},
		{"set among all ends", graph.Options{}, []string{set.Name(), "leave it out"}},
		{"memory for another node", graph.Options{Want: gorgonia.Nodes{y}, Into: []graph.Target{{Node: square, Data: make([]float32, 2)}}}, []string{"memory given for a node that is not wanted"}},
		{"memory of another size", graph.Options{Want: gorgonia.Nodes{y}, Into: []graph.Target{{Node: y, Data: make([]float32, 5)}}}, []string{"5 float32", y.Name(), "(2, 3)"}},
		{"memory of another type", graph.Options{Want: gorgonia.Nodes{square}, Into: []graph.Target{{Node: square, Data: make([]float32, 2)}}}, []string{square.Name(), "float64"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := graph.Compile(g, c.o)
			require.Error(t, err)
			for _, want := range append(c.wants, "graph: ") {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}
