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

func TestNodesHaveTypesAndShapes(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3, 4, 5), input(g, "b", 2, 3, 4, 5)
	out := outputs(t, product{}, a, b)
	for i, shape := range []tensor.Shape{{2, 3, 4, 5}, {2, 3, 4, 5}, {}} {
		n := out(i)
		assert.Equal(t, shape, n.Shape(), "output %d", i)
		assert.Equal(t, tensor.Float32, n.Dtype(), "output %d", i)
		assert.Equal(t, i == 2, n.IsScalar(), "output %d", i)
	}
	tuple := graph.Children(out(0))[0]
	assert.Equal(t, tensor.Shape{241}, tuple.Shape(), "a tuple is a flat vector of all outputs")
}

func TestNodesAreDistinct(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
	one, two := outputs(t, product{}, a, b), outputs(t, product{}, a, b)
	assert.NotSame(t, one(0), two(0), "equal operators of equal inputs are two operations, since they may have states")
	assert.NotEqual(t, one(0).Hashcode(), two(0).Hashcode())
	assert.NotSame(t, one(0), one(1), "outputs of equal shape are two nodes")
	assert.NotEqual(t, one(0).Hashcode(), one(1).Hashcode())
	nodes := len(g.AllNodes())
	assert.Same(t, one(1), one(1))
	assert.Same(t, one(1), graph.Sibling(one(0), 1))
	assert.Same(t, one(0), graph.Sibling(one(1), 0))
	assert.Len(t, g.AllNodes(), nodes, "asking again adds nothing")
}

func TestApplyRefuses(t *testing.T) {
	g, other := gorgonia.NewGraph(), gorgonia.NewGraph()
	a := input(g, "a", 2, 3)
	double := gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithShape(2, 3), gorgonia.WithName("double"))
	for _, c := range []struct {
		name  string
		in    gorgonia.Nodes
		wants []string
	}{
		{"nil", gorgonia.Nodes{a, nil}, []string{"Product: input 1 is a nil node"}},
		{"float64", gorgonia.Nodes{a, double}, []string{"Product: input 1 (double)", "float64", "convert it to float32"}},
		{"shapes", gorgonia.Nodes{a, input(g, "b", 3, 2)}, []string{"Product: the shapes differ; make them equal"}},
		{"two graphs", gorgonia.Nodes{a, input(other, "b", 2, 3)}, []string{"Product: ", "same graph"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := graph.Apply(product{}, c.in...)
			require.Error(t, err)
			assert.Nil(t, out)
			for _, want := range c.wants {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

// TestApplyChecksSizes refuses outputs that no memory holds.
func TestApplyChecksSizes(t *testing.T) {
	x := input(gorgonia.NewGraph(), "x", 2, 3, 4, 5)
	for _, c := range []struct {
		op   ir.Op
		want string
	}{
		{spread{shape: ir.Shape{1 << 21, 1 << 20}}, "Spread: output 0: shape (2097152, 1048576) has more than"},
		{spread{shape: ir.Shape{3, 0}}, "Spread: output 0: shape (3, 0); every dimension must be positive"},
	} {
		_, err := graph.Apply(c.op, x)
		assert.ErrorContains(t, err, c.want)
	}
}

func TestLookups(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
	out := outputs(t, product{}, a, b)
	sum := gorgonia.Must(gorgonia.Add(a, b))

	op, i := graph.Of(out(1))
	assert.Equal(t, product{}, op)
	assert.Equal(t, 1, i)
	tuple := graph.Operation(out(1))
	assert.Same(t, tuple, graph.Operation(out(0)))
	for _, n := range []*gorgonia.Node{a, sum, tuple} {
		op, _ = graph.Of(n)
		assert.Nil(t, op, n.Name())
	}
	op, shapes, ok := graph.Inputs(tuple)
	assert.True(t, ok)
	assert.Equal(t, product{}, op)
	assert.Equal(t, []ir.Shape{{2, 3}, {2, 3}}, shapes)
	for _, n := range []*gorgonia.Node{a, sum, out(0)} {
		_, _, ok = graph.Inputs(n)
		assert.False(t, ok, n.Name())
	}
}

func TestChildren(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
	assert.Empty(t, graph.Children(a))
	assert.Equal(t, gorgonia.Nodes{b, b}, graph.Children(gorgonia.Must(gorgonia.Add(b, b))))
	assert.Equal(t, gorgonia.Nodes{b, a}, graph.Children(gorgonia.Must(gorgonia.Sub(b, a))))

	// Gorgonia removes 1+a when it rewrites log(1+a), so nodes move.
	plus := gorgonia.Must(gorgonia.Add(gorgonia.NewConstant(float32(1)), a))
	last := gorgonia.Must(gorgonia.Sub(a, b))
	g.From(last.ID()) // which remembers the place
	gorgonia.Must(gorgonia.Log(plus))
	assert.Equal(t, gorgonia.Nodes{a, b}, graph.Children(last))
}

// TestTapeMachine runs an operator with three outputs on Gorgonia's own machine, where
// one tensor holds all of them.
func TestTapeMachine(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
	out := outputs(t, product{}, a, b)
	y, sum, scalar := out(0), out(1), out(2)
	// Operations that may work in place must not disturb other outputs.
	tanh := gorgonia.Must(gorgonia.Tanh(sum))
	let(t, a, []float32{1, 2, 3, 4, 5, 6})
	let(t, b, []float32{-1, 0, 1, 2, 3, 4})
	for range 3 {
		run(t, g)
		assert.Equal(t, []float32{-1, 0, 3, 8, 15, 24}, y.Value().Data())
		assert.Equal(t, float32(21), scalar.Value().Data())
		assert.InDelta(t, 0.964, tanh.Value().Data().([]float32)[1], 1e-3)
		assert.Equal(t, tensor.Shape{2, 3}, y.Value().Shape())
		assert.Equal(t, []float32{1, 2, 3, 4, 5, 6}, a.Value().Data())
	}
}

// TestGradient differentiates through an operator that is used twice, keeps an output for
// its gradient, and feeds a metric without gradient.
func TestGradient(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
	labels := gorgonia.NewMatrix(g, tensor.Int32, gorgonia.WithShape(2, 3), gorgonia.WithName("labels"))
	ab := apply(t, product{}, a, b)
	aab := apply(t, product{}, a, ab)
	counted := apply(t, metric{}, ab)
	loss := apply(t, total{}, aab, labels)
	_, err := gorgonia.Grad(loss, a, b)
	require.NoError(t, err)
	x, y := []float32{1, 2, 3, 4, 5, 6}, []float32{-1, 0.5, 1, 2, -3, 4}
	let(t, a, x)
	let(t, b, y)
	let(t, labels, []int32{1, 1, 0, 1, 0, 1})
	run(t, g)
	assert.Equal(t, float32(1*-1+4*0.5+16*2+36*4), loss.Value().Data())
	assert.Equal(t, float32(4), counted.Value().Data())
	// The loss is Σ a²b where the label is 1.
	assert.Equal(t, []float32{2 * 1 * -1, 2 * 2 * 0.5, 0, 2 * 4 * 2, 0, 2 * 6 * 4}, a.Deriv().Value().Data())
	assert.Equal(t, []float32{1, 4, 0, 16, 0, 36}, b.Deriv().Value().Data())
	assert.Nil(t, labels.Deriv())
}

func TestGradientMasks(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
	out := outputs(t, product{}, a, b)
	count := graph.Operation(apply(t, metric{}, a))
	for _, c := range []struct {
		name string
		node *gorgonia.Node
		want []bool
	}{
		{"product", graph.Operation(out(0)), []bool{true, true}},
		{"labels", graph.Operation(apply(t, total{}, a, b)), []bool{true, false}},
		{"output 0", out(0), []bool{true}},
		{"output 1", out(1), []bool{false}},
		{"no gradient", count, []bool{false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			op := c.node.Op().(gorgonia.SDOp)
			assert.Equal(t, c.want, op.DiffWRT(len(graph.Children(c.node))))
		})
	}
	_, err := count.Op().(gorgonia.SDOp).SymDiff(gorgonia.Nodes{a}, count, a)
	assert.ErrorContains(t, err, "Metric has no gradient")
	_, err = gorgonia.Grad(apply(t, total{}, out(1)), a)
	assert.Error(t, err, "only output 0 has a gradient")
}

// TestSecondGradient shows what makes a second gorgonia.Grad of one graph useless,
// whichever operations it has.
func TestSecondGradient(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
	y := apply(t, product{}, a, b)
	first, err := gorgonia.Grad(apply(t, total{}, y), a)
	require.NoError(t, err)
	second, err := gorgonia.Grad(apply(t, total{}, apply(t, product{}, y, y)), a)
	require.NoError(t, err)
	assert.Same(t, first[0], second[0])
}

// TestModes runs on Gorgonia's own machine, which sets the mode of operations.
func TestModes(t *testing.T) {
	g := gorgonia.NewGraph()
	x, state := input(g, "x", 1), input(g, "state", 1)
	mode := apply(t, training{}, x, x)
	sum := apply(t, counter{}, x, state)
	let(t, x, []float32{10})
	let(t, state, []float32{5})
	for _, c := range []struct {
		evaluate           bool
		mode, sum, becomes float32
	}{
		{false, 1, 15, 6},
		{true, 0, 10, 6},
		{false, 1, 16, 7},
	} {
		if c.evaluate {
			run(t, g, gorgonia.EvalMode())
		} else {
			run(t, g)
		}
		assert.Equal(t, c.mode, mode.Value().Data())
		assert.Equal(t, []float32{c.sum}, floats(sum))
		assert.Equal(t, []float32{c.becomes}, floats(state))
	}
}

func TestErrorsNameTheOperator(t *testing.T) {
	how := "error"
	g := gorgonia.NewGraph()
	x := input(g, "x", 2)
	apply(t, trap{how: &how}, x)
	let(t, x, []float32{1, 2})
	m := gorgonia.NewTapeMachine(g)
	defer m.Close()
	assert.ErrorContains(t, m.RunAll(), "Trap: sprung")

	_, err := graph.Operation(apply(t, metric{}, x)).Op().Do(gorgonia.NewF64(1))
	assert.ErrorContains(t, err, "Metric: input 0: a *gorgonia.F64")
}

func TestArrayOf(t *testing.T) {
	data := func() []float32 { return []float32{1, 2, 3, 4, 5, 6} }
	rows := tensor.New(tensor.WithShape(2, 3), tensor.WithBacking(data()))
	transposed := rows.Clone().(*tensor.Dense)
	require.NoError(t, transposed.T())
	column, err := rows.Slice(nil, tensor.S(1))
	require.NoError(t, err)
	row, err := rows.Slice(tensor.S(1))
	require.NoError(t, err)
	for _, c := range []struct {
		name  string
		value gorgonia.Value
		shape ir.Shape
		want  any
	}{
		{"scalar", gorgonia.NewF32(2.5), nil, []float32{2.5}},
		{"tensor", rows, ir.Shape{2, 3}, data()},
		{"tensor of one", tensor.New(tensor.FromScalar(float32(3))), ir.Shape{}, []float32{3}},
		{"labels", tensor.New(tensor.WithBacking([]int32{7, 8})), ir.Shape{2}, []int32{7, 8}},
		{"transposed", transposed, ir.Shape{3, 2}, []float32{1, 4, 2, 5, 3, 6}},
		{"column of a matrix", column, ir.Shape{2}, []float32{2, 5}},
		{"row of a matrix", row, ir.Shape{3}, []float32{4, 5, 6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := graph.ArrayOf(c.value)
			require.NoError(t, err)
			assert.Equal(t, c.shape, v.Shape)
			if v.I != nil {
				assert.Equal(t, c.want, v.I)
			} else {
				assert.Equal(t, c.want, v.F)
			}
		})
	}
	v, err := graph.ArrayOf(rows)
	require.NoError(t, err)
	rows.Float32s()[2] = 30
	assert.Equal(t, float32(30), v.F[2], "memory in order is not copied")

	for _, c := range []struct {
		name  string
		value gorgonia.Value
		want  string
	}{
		{"nil", nil, "no value"},
		{"float64 scalar", gorgonia.NewF64(1), "*gorgonia.F64, neither"},
		{"float64 tensor", tensor.New(tensor.WithBacking([]float64{1, 2})), "float64; convert it to float32"},
		{"by columns", tensor.New(tensor.WithShape(2, 3), tensor.AsFortran(data())), "use one stored by rows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := graph.ArrayOf(c.value)
			assert.ErrorContains(t, err, c.want)
		})
	}
}
