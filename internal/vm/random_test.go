package vm_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
	"unnas/internal/vm"
)

// kind is what random graphs consist of.
type kind int

const (
	stockOnly kind = iota // operations of Gorgonia's
	mixed                 // and kernels, and a user's operation
	aliasing              // and operations whose result shares memory with their input
)

// soup is a random graph.
type soup struct {
	t      testing.TB
	r      *rand.Rand
	g      *gorgonia.ExprGraph
	kind   kind
	inputs gorgonia.Nodes
	pool   [3]gorgonia.Nodes // by shape
	loss   *gorgonia.Node
}

var soupShapes = [3]tensor.Shape{{7}, {3, 5}, {2, 3, 2, 4}}

// newSoup builds the random graph of a seed, with the gradients of all inputs.
func newSoup(t testing.TB, seed uint64, k kind) *soup {
	s := &soup{t: t, r: rand.New(rand.NewPCG(seed, uint64(k))), g: gorgonia.NewGraph(), kind: k}
	for i, shape := range soupShapes {
		for j := range 2 {
			n := input(s.g, fmt.Sprintf("in%d.%d", i, j), shape...)
			s.inputs = append(s.inputs, n)
			s.pool[i] = append(s.pool[i], n)
		}
	}
	for range 8 + s.r.IntN(25) {
		i := s.r.IntN(len(soupShapes))
		s.pool[i] = append(s.pool[i], s.grow(i))
	}
	var parts gorgonia.Nodes
	for i := range s.pool {
		parts = append(parts, s.total(s.some(i)))
		for _, n := range s.inputs[2*i : 2*i+2] {
			parts = append(parts, s.total(n))
		}
	}
	s.loss = must(t)(gorgonia.ReduceAdd(parts))
	_, err := gorgonia.Grad(s.loss, s.inputs...)
	require.NoError(t, err)
	return s
}

// some returns a node of a shape, rather a late one.
func (s *soup) some(i int) *gorgonia.Node {
	p := s.pool[i]
	return p[max(s.r.IntN(len(p)), s.r.IntN(len(p)))]
}

// grow adds an operation with a result of shape i.
func (s *soup) grow(i int) *gorgonia.Node {
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
		return apply(s.t, twist{}, ok(gorgonia.Tanh(x)), y)
	case 11:
		return graph.Sibling(apply(s.t, twist{}, x, y), 1)
	case 12, 13:
		return apply(s.t, stretch{s.r.IntN(2) == 0, graph.Pending(s.r.IntN(2))}, x)
	case 14:
		return apply(s.t, blend{graph.Pending(s.r.IntN(2))}, x, y)
	case 15:
		return apply(s.t, noted{look{reads: graph.Pending(s.r.IntN(3))}, new(float32)}, x)
	case 16:
		return ok(gorgonia.ApplyOp(cube, ok(gorgonia.Tanh(x))))
	case 17, 18: // branches that become one
		sum := apply(s.t, branches{1, 1}, x, s.pool[i][0])
		for j := range s.r.IntN(5) {
			sum = ok(gorgonia.Add(sum, apply(s.t, branches{s.r.IntN(2), 1}, x, s.pool[i][j%2])))
		}
		return sum
	case 19:
		return ok(gorgonia.ApplyOp(alias, x))
	default:
		flat := ok(gorgonia.Reshape(x, tensor.Shape{soupShapes[i].TotalSize(), 1}))
		return ok(gorgonia.Reshape(ok(gorgonia.Add(flat, flat)), soupShapes[i]))
	}
}

// total returns a scalar that depends on a node.
func (s *soup) total(n *gorgonia.Node) *gorgonia.Node {
	if s.kind != stockOnly && s.r.IntN(2) == 0 {
		return apply(s.t, total{}, n)
	}
	for n.Dims() > 0 {
		n = must(s.t)(gorgonia.Sum(n, n.Dims()-1))
	}
	return n
}

// want returns the loss, gradients and nodes in the middle.
func (s *soup) want() gorgonia.Nodes {
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
func (s *soup) feed(r *rand.Rand) {
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

// TestRandomGraphs compares random graphs with Gorgonia's machine and with an
// interpreter, on several runs, with plans that share an arena full of NaN.
func TestRandomGraphs(t *testing.T) {
	count := uint64(60)
	if testing.Short() {
		count = 15
	}
	first := rand.Uint64()
	t.Logf("seeds from %d on", first)
	for _, k := range []kind{stockOnly, mixed, aliasing} {
		for seed := first; seed < first+count; seed++ {
			t.Run(fmt.Sprintf("%d/%d", k, seed), func(t *testing.T) { testRandomGraph(t, seed, k) })
		}
	}
}

func testRandomGraph(t *testing.T, seed uint64, k kind) {
	compare := near // kernels may form maps, and round differently then
	if k == stockOnly {
		compare = identical
	}
	s := newSoup(t, seed, k)
	wants := [2]gorgonia.Nodes{s.want(), s.want()}
	var plans [2]*vm.Plan
	for i, compile := range []func(*gorgonia.ExprGraph, vm.Options) (*vm.Plan, error){vm.Compile, vm.CompileTwice} {
		var err error
		plans[i], err = compile(s.g, vm.Options{Want: wants[i]})
		require.NoError(t, err)
		require.NoError(t, plans[i].Check())
	}
	arena, team := vm.NewArena(plans[:]...), kernel.NewTeam(1+int(seed%3))
	var machines [2]*vm.Machine
	for i, p := range plans {
		var err error
		machines[i], err = p.Bind(arena, team)
		require.NoError(t, err)
	}
	twin := newSoup(t, seed, k)
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
			m.Soil(arena)
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

// TestRandomGraphsOnTeams holds results to the bit for all sizes of teams.
func TestRandomGraphsOnTeams(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := newSoup(t, seed, mixed)
	want := s.want()
	s.feed(rand.New(rand.NewPCG(seed, 0)))
	var results [3][][]float32
	for i := range results {
		m, _, _ := bind(t, s.g, i+1, vm.Options{Want: want})
		require.NoError(t, m.RunAll())
		for _, n := range want {
			results[i] = append(results[i], floats(n))
		}
	}
	require.Equal(t, results[0], results[1])
	require.Equal(t, results[0], results[2])
}
