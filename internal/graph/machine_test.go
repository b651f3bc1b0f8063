package graph_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/cpuexec"
	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// TestFailures names the step that fails, and runs the same machine again.
func TestFailures(t *testing.T) {
	for _, workers := range []int{1, 3} {
		for _, where := range []string{"operator", "operation of Gorgonia's"} {
			for _, how := range []string{"error", "panic", "panic of a worker"} {
				if where != "operator" && how == "panic of a worker" {
					continue
				}
				t.Run(fmt.Sprintf("%s of an %s, %d workers", how, where, workers), func(t *testing.T) {
					g := gorgonia.NewGraph()
					x := input(g, "x", 2, 3)
					let(t, x, []float32{1, 2, 3, 4, 5, 6})
					sprung := ""
					var y *gorgonia.Node
					if where == "operator" {
						y = apply(t, trap{how: &sprung}, x)
					} else {
						y = must(t)(gorgonia.ApplyOp(custom{name: "Trap", do: func(x *tensor.Dense) (gorgonia.Value, error) {
							switch sprung {
							case "error":
								return nil, errors.New("sprung")
							case "panic":
								panic("sprung")
							}
							return x.Clone().(*tensor.Dense), nil
						}}, x))
					}
					z := apply(t, product{}, y, x)
					m, _, poison := bind(t, g, workers, graph.Options{Want: gorgonia.Nodes{z}})
					for range 2 {
						sprung = how
						err := m.RunAll()
						want := "graph: Trap of x: sprung"
						if how != "error" {
							want = "graph: Trap of x failed: sprung"
						}
						assert.EqualError(t, err, want)
						sprung = ""
						poison()
						require.NoError(t, m.RunAll())
						assert.Equal(t, []float32{1, 4, 9, 16, 25, 36}, floats(z))
					}
				})
			}
		}
	}
}

// TestBadValues names what is bound to an input, or returned, but does not fit.
func TestBadValues(t *testing.T) {
	none := custom{name: "none", do: func(*tensor.Dense) (gorgonia.Value, error) { return nil, nil }}
	short := custom{name: "short", do: func(*tensor.Dense) (gorgonia.Value, error) {
		return tensor.New(tensor.WithBacking([]float32{1, 2})), nil
	}}
	double := custom{name: "double", do: func(*tensor.Dense) (gorgonia.Value, error) {
		return tensor.New(tensor.WithShape(2, 3), tensor.Of(tensor.Float64)), nil
	}}
	whole := custom{name: "whole", do: func(*tensor.Dense) (gorgonia.Value, error) {
		return tensor.New(tensor.WithShape(2, 3), tensor.Of(tensor.Int32)), nil
	}}
	for _, c := range []struct {
		name  string
		build func(x *gorgonia.Node) (*gorgonia.Node, error)
		value any // of x
		wants []string
	}{
		{"no value for an operator", func(x *gorgonia.Node) (*gorgonia.Node, error) { return apply(t, look{}, x), nil }, nil, []string{"input pictures", "gorgonia.Let"}},
		{"no value for an operation of Gorgonia's", gorgonia.Tanh, nil, []string{"input pictures", "gorgonia.Let"}},
		{"a scalar", func(x *gorgonia.Node) (*gorgonia.Node, error) { return apply(t, look{}, x), nil }, float32(1), []string{"input pictures", "shape ()", "built for float32 and (2, 3)"}},
		{"another type", func(x *gorgonia.Node) (*gorgonia.Node, error) { return apply(t, look{}, x), nil }, 1.5, []string{"input pictures", "F64"}},
		{"a result of nothing", func(x *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.ApplyOp(none, x) }, []float32{1, 2, 3, 4, 5, 6}, []string{"none of pictures", "no value"}},
		{"a result of another size", func(x *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.ApplyOp(short, x) }, []float32{1, 2, 3, 4, 5, 6}, []string{"short of pictures", "shape (2)", "(2, 3)"}},
		{"a result of another type", func(x *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.ApplyOp(double, x) }, []float32{1, 2, 3, 4, 5, 6}, []string{"double of pictures", "float64"}},
		{"a result of labels", func(x *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.ApplyOp(whole, x) }, []float32{1, 2, 3, 4, 5, 6}, []string{"whole of pictures", "int32", "float32"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := gorgonia.NewGraph()
			x := input(g, "pictures", 2, 3)
			y := must(t)(c.build(x))
			m := machine(t, g, apply(t, total{}, y))
			switch v := c.value.(type) {
			case nil:
			case []float32:
				let(t, x, v)
			default: // which Gorgonia does not check
				require.NoError(t, gorgonia.UnsafeLet(x, v))
			}
			err := m.RunAll()
			for _, want := range append(c.wants, "graph: ") {
				assert.ErrorContains(t, err, want)
			}
		})
	}
	t.Run("reshaped after it was bound", func(t *testing.T) {
		g := gorgonia.NewGraph()
		x := input(g, "pictures", 2, 3)
		m := machine(t, g, apply(t, look{}, x))
		v := tensor.New(tensor.WithShape(2, 3), tensor.Of(tensor.Float32))
		require.NoError(t, gorgonia.Let(x, v))
		require.NoError(t, m.RunAll())
		longer := tensor.New(tensor.WithShape(2, 4), tensor.Of(tensor.Float32))
		*v = *longer
		assert.ErrorContains(t, m.RunAll(), "input pictures holds a value of type float32 and shape (2, 4), but the graph was built for float32 and (2, 3)")
	})
}

// TestInputsAreReadAnew feeds every layout that Gorgonia binds.
func TestInputsAreReadAnew(t *testing.T) {
	g := gorgonia.NewGraph()
	x := input(g, "x", 2, 3)
	y := apply(t, look{}, x)
	m := machine(t, g, y)
	rows := tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]float32{1, 2, 3, 4, 5, 6}))
	require.NoError(t, gorgonia.Let(x, rows))
	require.NoError(t, m.RunAll())
	assert.Equal(t, []float32{1, 2, 3, 4, 5, 6}, floats(y))
	rows.Float32s()[0] = 10
	require.NoError(t, m.RunAll())
	assert.Equal(t, []float32{10, 2, 3, 4, 5, 6}, floats(y))
	transposed := tensor.New(tensor.WithShape(3, 2), tensor.WithBacking([]float32{1, 2, 3, 4, 5, 6}))
	require.NoError(t, transposed.T())
	require.NoError(t, gorgonia.Let(x, transposed))
	require.NoError(t, m.RunAll())
	assert.Equal(t, []float32{1, 3, 5, 2, 4, 6}, floats(y))
	wide := tensor.New(tensor.WithShape(2, 4), tensor.WithBacking([]float32{1, 2, 3, 4, 5, 6, 7, 8}))
	part, err := wide.Slice(nil, gorgonia.S(1, 4))
	require.NoError(t, err)
	require.NoError(t, gorgonia.Let(x, part))
	require.NoError(t, m.RunAll())
	assert.Equal(t, []float32{2, 3, 4, 6, 7, 8}, floats(y))
}

// TestLabels passes whole numbers to an operator.
func TestLabels(t *testing.T) {
	g := gorgonia.NewGraph()
	labels := gorgonia.NewVector(g, tensor.Int32, gorgonia.WithShape(3), gorgonia.WithName("labels"))
	one := gorgonia.NewScalar(g, tensor.Float32, gorgonia.WithName("one"))
	y := apply(t, addLabels{}, labels, one)
	let(t, labels, []int32{7, -8, 9})
	require.NoError(t, gorgonia.Let(one, float32(1)))
	m := machine(t, g, y)
	require.NoError(t, m.RunAll())
	assert.Equal(t, []float32{8, -7, 10}, floats(y))
}

// addLabels adds a scalar to whole numbers.
type addLabels struct {
	like
	plain
}

func (addLabels) String() string { return "AddLabels" }

func (addLabels) Run(_ *cpuexec.Context, out, in []cpuexec.Array) error {
	for i, l := range in[0].I {
		out[0].F[i] = float32(l) + in[1].F[0]
	}
	return nil
}

// TestTwoMachines runs two plans that want the same nodes, in turns: a node
// shows what ran last.
func TestTwoMachines(t *testing.T) {
	for _, shared := range []bool{true, false} {
		t.Run(fmt.Sprintf("one arena=%v", shared), func(t *testing.T) { testTwoMachines(t, shared) })
	}
}

func testTwoMachines(t *testing.T, shared bool) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
	y := apply(t, product{}, a, b)
	square := must(t)(gorgonia.Square(y))
	loss := apply(t, total{}, square)
	_, err := gorgonia.Grad(loss, a, b)
	require.NoError(t, err)
	wants := [2]gorgonia.Nodes{{loss, y, square, a.Deriv()}, {loss, y, square, b.Deriv()}}
	var plans [2]*graph.Plan
	for i := range plans {
		plans[i], err = graph.Compile(g, graph.Options{Want: wants[i]})
		require.NoError(t, err)
	}
	arena, pool := graph.NewArena(plans[:]...), kernel.NewThreadPool(2)
	var machines [2]*graph.Machine
	for i := range machines {
		if !shared {
			arena = graph.NewArena(plans[i])
		}
		machines[i], err = plans[i].Bind(arena, pool)
		require.NoError(t, err)
	}
	let(t, b, []float32{1, 1, 1, 1, 1, 2})
	var values [2]gorgonia.Value
	for run := range 4 {
		let(t, a, []float32{0, 0, 0, 0, 0, float32(run)})
		require.NoError(t, machines[run%2].RunAll())
		assert.Equal(t, []float32{4 * float32(run*run)}, floats(loss), "run %d", run)
		assert.Equal(t, []float32{0, 0, 0, 0, 0, 2 * float32(run)}, floats(y))
		assert.Equal(t, []float32{0, 0, 0, 0, 0, 4 * float32(run*run)}, floats(square))
		values[run%2] = y.Value()
	}
	assert.Equal(t, shared, values[0] == values[1])
	assert.Equal(t, []float32{0, 0, 0, 0, 0, 2 * 2 * 2 * 2}, floats(a.Deriv()), "of the run before the last")
	assert.Equal(t, []float32{0, 0, 0, 0, 0, 2 * 3 * 3 * 2}, floats(b.Deriv()))
}

// TestEvaluation compiles the programs of training and of evaluation.
func TestEvaluation(t *testing.T) {
	g := gorgonia.NewGraph()
	x := input(g, "x", 1)
	let(t, x, []float32{0})
	y := apply(t, training{}, x, x)
	for _, evaluate := range []bool{false, true} {
		m, p, _ := bind(t, g, 1, graph.Options{Want: gorgonia.Nodes{y}, Evaluate: evaluate})
		assert.Equal(t, evaluate, m.Evaluates())
		require.NoError(t, m.RunAll())
		if evaluate {
			assert.Equal(t, []float32{0}, floats(y))
			assert.Equal(t, []string{"Zeros{()}"}, steps(p))
			assert.Len(t, p.Program().Steps[0].In, 1, "the inputs that evaluation reads")
		} else {
			assert.Equal(t, []float32{1}, floats(y))
			assert.Equal(t, []string{"Training"}, steps(p))
		}
	}
}

// TestStates runs two operators with one state: the second reads what the first made of
// it. The memory of the state changes in training, if statistics are updated.
func TestStates(t *testing.T) {
	g := gorgonia.NewGraph()
	x, state := input(g, "x", 1), input(g, "state", 1)
	let(t, x, []float32{10})
	memory := []float32{5}
	let(t, state, memory)
	one := apply(t, counter{}, x, state)
	two := apply(t, counter{}, one, state)
	m, p, _ := bind(t, g, 1, graph.Options{Want: gorgonia.Nodes{two}})
	require.Len(t, p.Program().States, 1)
	assert.Equal(t, "state", p.Program().States[0].In.Name)
	evaluation, q, _ := bind(t, g, 1, graph.Options{Want: gorgonia.Nodes{two}, Evaluate: true})
	assert.Empty(t, q.Program().States)
	assert.True(t, m.UpdateStats, "of a new machine")
	for _, c := range []struct {
		machine      *graph.Machine
		update       bool
		sum, becomes float32
	}{
		{m, false, 10 + 5 + 6, 5},
		{m, true, 10 + 5 + 6, 7},
		{evaluation, true, 10, 7},
		{m, true, 10 + 7 + 8, 9},
		{m, false, 10 + 9 + 10, 9},
	} {
		c.machine.UpdateStats = c.update
		require.NoError(t, c.machine.RunAll())
		assert.Equal(t, []float32{c.sum}, floats(two))
		assert.Equal(t, c.becomes, memory[0])
	}
}

// TestRandomNodes draws anew at every run, as Gorgonia's machine does.
func TestRandomNodes(t *testing.T) {
	g := gorgonia.NewGraph()
	n := gorgonia.GaussianRandomNode(g, tensor.Float32, 0, 1, 2, 3)
	y := apply(t, look{}, n)
	m := machine(t, g, y)
	require.NoError(t, m.RunAll())
	first := floats(y)
	require.NoError(t, m.RunAll())
	assert.NotEqual(t, first, floats(y))
}
