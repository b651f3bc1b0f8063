package graph_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

func TestNodesHaveTypesAndShapes(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3, 4, 5), input(g, "b", 2, 3, 4, 5)
	out := apply(t, product{}, a, b)
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
	one, two := apply(t, product{}, a, b), apply(t, product{}, a, b)
	assert.NotSame(t, one(0), two(0), "equal kernels with equal inputs are two operations, since they may keep state")
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
		{"nil", gorgonia.Nodes{a, nil}, []string{"product: input 1 is a nil node"}},
		{"float64", gorgonia.Nodes{a, double}, []string{"product: input 1 (double)", "float64", "convert it to float32"}},
		{"shapes", gorgonia.Nodes{a, input(g, "b", 3, 2)}, []string{"product: the shapes differ; make them equal"}},
		{"two graphs", gorgonia.Nodes{a, input(other, "b", 2, 3)}, []string{"product: ", "same graph"}},
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

func TestLookups(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
	out := apply(t, product{}, a, b)
	sum := gorgonia.Must(gorgonia.Add(a, b))

	k, i := graph.Of(out(1))
	assert.Equal(t, product{}, k)
	assert.Equal(t, 1, i)
	for _, n := range []*gorgonia.Node{a, sum, graph.Children(out(0))[0]} {
		k, _ = graph.Of(n)
		assert.Nil(t, k, n.Name())
	}
	tuple := graph.Children(out(1))[0]
	k, shapes, ok := graph.Tuple(tuple)
	assert.True(t, ok)
	assert.Equal(t, product{}, k)
	assert.Equal(t, []tensor.Shape{{2, 3}, {2, 3}, {}}, shapes)
	k, shapes, ok = graph.Inputs(tuple)
	assert.True(t, ok)
	assert.Equal(t, product{}, k)
	assert.Equal(t, []tensor.Shape{{2, 3}, {2, 3}}, shapes)
	for _, n := range []*gorgonia.Node{a, sum, out(0)} {
		_, _, ok = graph.Tuple(n)
		assert.False(t, ok, n.Name())
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

// TestTapeMachine runs a kernel with three outputs on Gorgonia's own machine,
// where one tensor holds all of them.
func TestTapeMachine(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
	out := apply(t, product{}, a, b)
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

// TestGradient differentiates through a kernel that is used twice, saves an
// output for its gradient, and feeds a metric without gradient.
func TestGradient(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
	labels := gorgonia.NewMatrix(g, tensor.Int32, gorgonia.WithShape(2, 3), gorgonia.WithName("labels"))
	ab := apply(t, product{}, a, b)(0)
	aab := apply(t, product{}, a, ab)(0)
	counted := apply(t, metric{}, ab)(0)
	loss := apply(t, total{}, aab, labels)(0)
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
	out := apply(t, product{}, a, b)
	for _, c := range []struct {
		name string
		node *gorgonia.Node
		want []bool
	}{
		{"product", graph.Children(out(0))[0], []bool{true, true}},
		{"output 0", out(0), []bool{true}},
		{"output 1", out(1), []bool{false}},
		{"no gradient", graph.Children(apply(t, metric{}, a)(0))[0], []bool{false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			op := c.node.Op().(gorgonia.SDOp)
			assert.Equal(t, c.want, op.DiffWRT(len(graph.Children(c.node))))
		})
	}
	metric := graph.Children(apply(t, metric{}, a)(0))[0]
	_, err := metric.Op().(gorgonia.SDOp).SymDiff(gorgonia.Nodes{a}, metric, a)
	assert.ErrorContains(t, err, "metric has no gradient")
	_, err = gorgonia.Grad(apply(t, total{}, out(1))(0), a)
	assert.Error(t, err, "only output 0 has a gradient")
}

// TestSecondGradient holds what makes a second gorgonia.Grad of one graph
// useless, whichever operations it has.
func TestSecondGradient(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
	y := apply(t, product{}, a, b)(0)
	first, err := gorgonia.Grad(apply(t, total{}, y)(0), a)
	require.NoError(t, err)
	second, err := gorgonia.Grad(apply(t, total{}, apply(t, product{}, y, y)(0))(0), a)
	require.NoError(t, err)
	assert.Same(t, first[0], second[0])
}

func TestModes(t *testing.T) {
	g := gorgonia.NewGraph()
	out := apply(t, mode{}, input(g, "a", 1))(0)
	let(t, g.AllNodes()[0], []float32{0})
	run(t, g)
	assert.Equal(t, float32(3), out.Value().Data())
	run(t, g, gorgonia.EvalMode())
	assert.Equal(t, float32(0), out.Value().Data())
	run(t, g)
	assert.Equal(t, float32(3), out.Value().Data())
}

func TestErrorsNameTheKernel(t *testing.T) {
	g := gorgonia.NewGraph()
	apply(t, failing{}, input(g, "a", 2))
	apply(t, failing{}, g.AllNodes()[0])(0)
	let(t, g.AllNodes()[0], []float32{1, 2})
	m := gorgonia.NewTapeMachine(g)
	defer m.Close()
	assert.ErrorContains(t, m.RunAll(), "failing: out of luck")

	op := apply(t, metric{}, g.AllNodes()[0])(0)
	_, err := graph.Children(op)[0].Op().Do(gorgonia.NewF64(1))
	assert.ErrorContains(t, err, "metric: input 0: a *gorgonia.F64")
}

func TestValueOf(t *testing.T) {
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
		shape tensor.Shape
		want  any
	}{
		{"scalar", gorgonia.NewF32(2.5), nil, []float32{2.5}},
		{"tensor", rows, tensor.Shape{2, 3}, data()},
		{"tensor of one", tensor.New(tensor.FromScalar(float32(3))), tensor.Shape{}, []float32{3}},
		{"labels", tensor.New(tensor.WithBacking([]int32{7, 8})), tensor.Shape{2}, []int32{7, 8}},
		{"transposed", transposed, tensor.Shape{3, 2}, []float32{1, 4, 2, 5, 3, 6}},
		{"column of a matrix", column, tensor.Shape{2}, []float32{2, 5}},
		{"row of a matrix", row, tensor.Shape{3}, []float32{4, 5, 6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := graph.ValueOf(c.value)
			require.NoError(t, err)
			assert.Equal(t, c.shape, v.Shape)
			if v.I != nil {
				assert.Equal(t, c.want, v.I)
			} else {
				assert.Equal(t, c.want, v.F)
			}
		})
	}
	v, err := graph.ValueOf(rows)
	require.NoError(t, err)
	rows.Float32s()[2] = 30
	assert.Equal(t, float32(30), v.F[2], "memory in order is not copied")

	for _, c := range []struct {
		name  string
		value gorgonia.Value
		want  string
	}{
		{"nil", nil, "no value"},
		{"float64 scalar", gorgonia.NewF64(1), "*gorgonia.F64 is neither"},
		{"float64 tensor", tensor.New(tensor.WithBacking([]float64{1, 2})), "float64; convert it to float32"},
		{"by columns", tensor.New(tensor.WithShape(2, 3), tensor.AsFortran(data())), "use one stored by rows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := graph.ValueOf(c.value)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestNHWC(t *testing.T) {
	for _, c := range []struct{ shape, want []int }{
		{nil, []int{1, 1, 1, 1}},
		{[]int{5}, []int{1, 1, 1, 5}},
		{[]int{2, 5}, []int{2, 1, 1, 5}},
		{[]int{2, 3, 5}, []int{2, 1, 3, 5}},
		{[]int{2, 3, 4, 5}, []int{2, 3, 4, 5}},
		{[]int{2, 3, 4, 5, 6}, []int{2, 12, 5, 6}},
		{[]int{2, 3, 4, 5, 6, 7}, []int{2, 60, 6, 7}},
	} {
		n, h, w, ch := graph.NHWC(c.shape)
		assert.Equal(t, c.want, []int{n, h, w, ch}, "%v", c.shape)
	}
}

func TestContext(t *testing.T) {
	var c graph.Context
	big := c.Floats(6)
	assert.Len(t, big, 6)
	small := c.Floats(4)
	assert.Len(t, small, 4)
	assert.Same(t, &big[0], &small[0])
	assert.Len(t, c.Floats(9), 9)
	assert.Len(t, c.Sums(5), 5)
	assert.Len(t, c.Sums(2), 2)

	plain := graph.Value{Shape: tensor.Shape{2, 3}, F: []float32{1, 2, 3, 4, 5, 6}}
	lazy := graph.Value{Shape: tensor.Shape{2, 3}, Lazy: &kernel.Map{N: 2, H: 1, W: 1, C: 3, P: plain.F, A: []float32{1, 2, 3}}}
	assert.True(t, plain.Wanted())
	assert.False(t, lazy.Wanted())
	maps := c.Maps([]graph.Value{plain, lazy, plain})
	require.Len(t, maps, 3)
	assert.Equal(t, kernel.Plain(2, 1, 1, 3, plain.F), maps[2])
	assert.Equal(t, *lazy.Lazy, maps[1])
	assert.Len(t, c.Maps([]graph.Value{plain}), 1)
}

func TestCost(t *testing.T) {
	c := graph.Cost{ConvMACs: 1, LinearMACs: 2, BiasedOutputs: 3, NormElements: 4, AveragedOutputs: 5, GlobalOperations: 6}
	c.Add(graph.Cost{ConvMACs: 10, LinearMACs: 20, BiasedOutputs: 30, NormElements: 40, AveragedOutputs: 50, GlobalOperations: 60})
	assert.Equal(t, graph.Cost{ConvMACs: 11, LinearMACs: 22, BiasedOutputs: 33, NormElements: 44, AveragedOutputs: 55, GlobalOperations: 66}, c)
}
