package graph_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/ir"
	"unnas/internal/kernel"
)

// kind is what random graphs consist of.
type kind int

const (
	foreignOnly kind = iota // operations of Gorgonia's
	mixed                   // and operators, and a user's operation
	aliasing                // and operations whose result shares memory with their input
)

// fixedSeeds are the seeds below it. Only their graphs have separable convolutions: where one
// rounds its input to the other side of zero, gradients differ.
const fixedSeeds = 15

// randomGraph is a random graph.
type randomGraph struct {
	t      testing.TB
	r      *rand.Rand
	g      *gorgonia.ExprGraph
	kind   kind
	seed   uint64
	inputs gorgonia.Nodes
	pool   [3]gorgonia.Nodes // by shape
	depth  [2]*gorgonia.Node // weights of separable convolutions, 3×3 and 5×5
	point  *gorgonia.Node    // another weight of them
	loss   *gorgonia.Node
}

var graphShapes = [3]tensor.Shape{{7}, {3, 5}, {2, 3, 2, 4}}

// newRandomGraph builds the random graph of a seed, with the gradients of all inputs.
func newRandomGraph(t testing.TB, seed uint64, k kind) *randomGraph {
	s := &randomGraph{t: t, r: rand.New(rand.NewPCG(seed, uint64(k))), g: gorgonia.NewGraph(), kind: k, seed: seed}
	for i, shape := range graphShapes {
		for j := range 2 {
			n := input(s.g, fmt.Sprintf("in%d.%d", i, j), shape...)
			s.inputs = append(s.inputs, n)
			s.pool[i] = append(s.pool[i], n)
		}
	}
	const maps = 2 // the number of the shape of feature maps
	c := graphShapes[maps][3]
	s.depth = [2]*gorgonia.Node{input(s.g, "depth3", 3, 3, 1, c), input(s.g, "depth5", 5, 5, 1, c)}
	s.point = input(s.g, "point", 1, 1, c, c)
	for range 8 + s.r.IntN(25) {
		i := s.r.IntN(len(graphShapes))
		s.pool[i] = append(s.pool[i], s.grow(i))
	}
	var parts gorgonia.Nodes
	for i := range s.pool {
		parts = append(parts, s.total(s.some(i)))
		for _, n := range s.inputs[2*i : 2*i+2] {
			parts = append(parts, s.total(n))
		}
	}
	for _, w := range []*gorgonia.Node{s.point, s.depth[0], s.depth[1]} {
		s.inputs = append(s.inputs, w)
		parts = append(parts, s.total(w))
	}
	s.loss = must(t)(gorgonia.ReduceAdd(parts))
	if seed%2 == 0 {
		_, err := gorgonia.Grad(s.loss, s.inputs...)
		require.NoError(t, err)
		return s
	}
	found, err := graph.Grad(s.loss, s.inputs)
	require.NoError(t, err)
	require.True(t, found)
	return s
}

// some returns a node of a shape, rather a late one.
func (s *randomGraph) some(i int) *gorgonia.Node {
	p := s.pool[i]
	return p[max(s.r.IntN(len(p)), s.r.IntN(len(p)))]
}

// grow adds an operation with a result of shape i.
func (s *randomGraph) grow(i int) *gorgonia.Node {
	ok := must(s.t)
	x, y := s.some(i), s.some(i)
	choices := 9
	switch s.kind {
	case mixed:
		choices = 19
	case aliasing:
		choices = 22
	}
	switch s.r.IntN(choices) {
	case 0:
		return ok(gorgonia.Tanh(x))
	case 1:
		return ok(gorgonia.Sub(x, y))
	case 2:
		return ok(gorgonia.HadamardProd(ok(gorgonia.Tanh(x)), y))
	case 3: // a left fold
		sum := x
		for range 1 + s.r.IntN(4) {
			sum = ok(gorgonia.Add(sum, s.some(i)))
		}
		return sum
	case 4: // a sum nested to the right, of a node twice
		return ok(gorgonia.Add(x, ok(gorgonia.Add(y, ok(gorgonia.Add(x, x))))))
	case 5: // the same sum twice
		sum := ok(gorgonia.Add(x, y))
		return ok(gorgonia.Add(sum, sum))
	case 6:
		return ok(gorgonia.Neg(ok(gorgonia.Sigmoid(x))))
	case 7:
		return ok(gorgonia.Mul(x, gorgonia.NewConstant(float32(0.5))))
	case 8:
		if i != 1 {
			return ok(gorgonia.Square(ok(gorgonia.Tanh(x))))
		}
		return ok(gorgonia.Tanh(ok(gorgonia.Mul(ok(gorgonia.Mul(x, ok(gorgonia.Transpose(y)))), s.some(i)))))
	case 9, 10:
		return apply(s.t, product{}, ok(gorgonia.Tanh(x)), y)
	case 11:
		return apply(s.t, mute{}, graph.Sibling(apply(s.t, product{}, x, y), 1))
	case 12, 13:
		return apply(s.t, stretch{s.r.IntN(2) == 0, ir.Form(s.r.IntN(2))}, x)
	case 14:
		return apply(s.t, blend{ir.Form(s.r.IntN(2))}, x, y)
	case 15:
		return apply(s.t, noted{look{reads: ir.Form(s.r.IntN(3))}, new(float32)}, x)
	case 16:
		return ok(gorgonia.ApplyOp(cube, ok(gorgonia.Tanh(x))))
	case 17, 18: // siblings that become one
		if len(graphShapes[i]) != 4 || s.seed >= fixedSeeds {
			return apply(s.t, look{reads: ir.Affine}, x)
		}
		sum := s.separable(x)
		for range s.r.IntN(5) {
			sum = ok(gorgonia.Add(sum, s.separable(x)))
		}
		return sum
	case 19:
		return ok(gorgonia.ApplyOp(alias, x))
	default:
		flat := ok(gorgonia.Reshape(x, tensor.Shape{graphShapes[i].TotalSize(), 1}))
		return ok(gorgonia.Reshape(ok(gorgonia.Add(flat, flat)), graphShapes[i]))
	}
}

// separable returns a separable convolution of a feature map.
func (s *randomGraph) separable(x *gorgonia.Node) *gorgonia.Node {
	i := s.r.IntN(len(s.depth))
	w := ir.Square(3+2*i, 1, 1+i, 1)
	return apply(s.t, ir.SeparableConv{Windows: []ir.Window{w}}, x, s.depth[i], s.point)
}

// total returns a scalar that depends on a node.
func (s *randomGraph) total(n *gorgonia.Node) *gorgonia.Node {
	if s.kind != foreignOnly && s.r.IntN(2) == 0 {
		return apply(s.t, total{}, n)
	}
	for n.Dims() > 0 {
		n = must(s.t)(gorgonia.Sum(n, n.Dims()-1))
	}
	return n
}

// want returns the loss, gradients and nodes in the middle.
func (s *randomGraph) want() gorgonia.Nodes {
	want := gorgonia.Nodes{s.loss}
	for _, n := range s.inputs {
		if s.r.IntN(4) > 0 {
			want = append(want, n.Deriv())
		}
	}
	for i := range s.pool {
		for range s.r.IntN(3) {
			if n := s.some(i); n.Op() != nil {
				want = append(want, n)
			}
		}
	}
	return want
}

// feed binds new values to the inputs.
func (s *randomGraph) feed(r *rand.Rand) {
	for _, n := range s.inputs {
		let(s.t, n, normal(r, n.Shape()))
	}
}

// interpret runs every operation of a graph on copies of its inputs, one after
// the other: what every machine should come to.
func interpret(t *testing.T, g *gorgonia.ExprGraph) map[*gorgonia.Node]gorgonia.Value {
	values := map[*gorgonia.Node]gorgonia.Value{}
	for _, n := range g.AllNodes() {
		if values[n] = n.Value(); n.Op() == nil || len(graph.Children(n)) == 0 {
			continue
		}
		var in []gorgonia.Value
		for _, child := range graph.Children(n) {
			v, err := gorgonia.CloneValue(values[child])
			require.NoError(t, err)
			in = append(in, v)
		}
		v, err := n.Op().Do(in...)
		require.NoError(t, err)
		values[n] = v
	}
	return values
}

// TestRandomGraphs compares random graphs with Gorgonia's machine and with an interpreter,
// on several runs, with plans that share an arena full of NaN. Half of the seeds are new in
// each run.
func TestRandomGraphs(t *testing.T) {
	count := uint64(fixedSeeds)
	if testing.Short() {
		count /= 3
	}
	first := rand.Uint64() | 1<<63
	t.Logf("seeds from 0 and from %d on", first)
	for _, k := range []kind{foreignOnly, mixed, aliasing} {
		for i := range count {
			for _, seed := range []uint64{i, first + i} {
				t.Run(fmt.Sprintf("%d/%d", k, seed), func(t *testing.T) { testRandomGraph(t, seed, k) })
			}
		}
	}
}

func testRandomGraph(t *testing.T, seed uint64, k kind) {
	compare := near // kernels may form maps, and round differently then
	if k == foreignOnly {
		compare = identical
	}
	s := newRandomGraph(t, seed, k)
	wants := [2]gorgonia.Nodes{s.want(), s.want()}
	workers := 1 + int(seed%3)
	plans := [2]*graph.Plan{
		compile(t, s.g, graph.Options{Want: wants[0], Workers: workers}),
		compile(t, s.g, graph.Options{Want: wants[1], Workers: workers, Recompute: true}),
	}
	arena, pool := graph.NewArena(plans[:]...), kernel.NewThreadPool(workers)
	var machines [2]*graph.Machine
	for i, p := range plans {
		var err error
		machines[i], err = p.Bind(arena, pool)
		require.NoError(t, err)
	}
	twin := newRandomGraph(t, seed, k)
	var tape gorgonia.VM
	if k != aliasing { // where Gorgonia's machine overwrites what it still needs
		tape = gorgonia.NewTapeMachine(twin.g, gorgonia.TraceExec())
		defer tape.Close()
	}
	for run := range 3 {
		s.feed(rand.New(rand.NewPCG(seed, uint64(run))))
		want := interpret(t, s.g)
		if tape != nil {
			twin.feed(rand.New(rand.NewPCG(seed, uint64(run))))
			require.NoError(t, tape.RunAll())
		}
		for i, m := range machines {
			require.NoError(t, m.Poison(arena, pool))
			require.NoError(t, m.RunAll())
			for j, n := range wants[i] {
				of := fmt.Sprintf("run %d of machine %d, wanted %d: %s", run, i, j, n.Name())
				compare(t, floatsOf(want[n]), floats(n), of)
				if tape != nil {
					compare(t, floats(twin.g.AllNodes()[slices.Index(s.g.AllNodes(), n)]), floats(n), of)
				}
			}
		}
		// What a machine computed outlives the run of another.
		for j, n := range wants[0] {
			if !slices.Contains(wants[1], n) {
				compare(t, floatsOf(want[n]), floats(n), fmt.Sprintf("wanted %d after another run", j))
			}
		}
		if tape != nil {
			tape.Reset()
		}
	}
}

// TestRandomGraphsOnPools compares the bits of results on pools of several sizes.
func TestRandomGraphsOnPools(t *testing.T) {
	for seed := range uint64(5) {
		s := newRandomGraph(t, seed, mixed)
		want := s.want()
		s.feed(rand.New(rand.NewPCG(seed, 0)))
		var first [][]float32
		for workers := 1; workers <= 3; workers++ {
			m, _, _ := bind(t, s.g, workers, graph.Options{Want: want})
			require.NoError(t, m.RunAll())
			var results [][]float32
			for _, n := range want {
				results = append(results, floats(n))
			}
			if first == nil {
				first = results
			}
			require.Equal(t, first, results, "seed %d, %d workers", seed, workers)
		}
	}
}
