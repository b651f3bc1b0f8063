package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/ir"
)

// normal returns random numbers.
func normal(r *rand.Rand, shape tensor.Shape) []float32 {
	data := make([]float32, shape.TotalSize())
	for i := range data {
		data[i] = float32(r.NormFloat64())
	}
	return data
}

// identical fails unless both have the same bits. Zeros may differ in sign: a sum
// of negative zeros is a positive one here.
func identical(t *testing.T, want, got []float32, of string) {
	t.Helper()
	require.Len(t, got, len(want), of)
	for i := range want {
		if want[i] != got[i] {
			require.Fail(t, "different bits", "%s: element %d is %v, want %v", of, i, got[i], want[i])
		}
	}
}

// near fails unless both are equal but for rounding.
func near(t *testing.T, want, got []float32, of string) {
	t.Helper()
	require.Len(t, got, len(want), of)
	scale := 1.0
	for _, v := range want {
		scale = max(scale, math.Abs(float64(v)))
	}
	for i := range want {
		if !(math.Abs(float64(want[i])-float64(got[i])) <= 2e-5*scale) {
			require.Fail(t, "different values", "%s: element %d is %v, want %v", of, i, got[i], want[i])
		}
	}
}

// convnet is a network of Gorgonia's operations on images [N, C, H, W], with an operation
// of a user's and operators if it is mixed.
type convnet struct {
	g            *gorgonia.ExprGraph
	x, y         *gorgonia.Node
	weights      gorgonia.Nodes
	middle, loss *gorgonia.Node
}

func newConvnet(t *testing.T, mixed bool) *convnet {
	ok := must(t)
	n := &convnet{g: gorgonia.NewGraph()}
	n.x, n.y = input(n.g, "x", 3, 2, 10, 9), input(n.g, "y", 3, 4)
	r := rand.New(rand.NewPCG(1, 2))
	weight := func(shape ...int) *gorgonia.Node {
		w := input(n.g, fmt.Sprintf("w%d", len(n.weights)), shape...)
		data := normal(r, shape)
		for i := range data {
			data[i] *= 0.3
		}
		let(t, w, data)
		n.weights = append(n.weights, w)
		return w
	}
	h := ok(gorgonia.Conv2d(n.x, weight(5, 2, 3, 3), tensor.Shape{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1}))
	h = ok(gorgonia.Rectify(h))
	h = ok(gorgonia.MaxPool2D(h, tensor.Shape{2, 2}, []int{0, 0}, []int{2, 2}))
	if mixed {
		h = apply(t, product{}, h, apply(t, stretch{shift: true}, h))
	}
	n.middle = h
	h = ok(gorgonia.Conv2d(h, weight(3, 5, 3, 2), tensor.Shape{3, 2}, []int{0, 0}, []int{1, 1}, []int{1, 1}))
	if mixed {
		h = ok(gorgonia.ApplyOp(cube, h))
		h = ok(gorgonia.Add(h, apply(t, look{reads: ir.Affine}, h)))
	}
	h = ok(gorgonia.Tanh(h))
	h = ok(gorgonia.Reshape(h, tensor.Shape{3, h.Shape().TotalSize() / 3}))
	h = ok(gorgonia.Mul(h, weight(h.Shape()[1], 4)))
	h = ok(gorgonia.BroadcastAdd(h, weight(4), nil, []byte{0}))
	h = ok(gorgonia.Log(ok(gorgonia.SoftMax(h))))
	h = ok(gorgonia.Sum(ok(gorgonia.HadamardProd(h, n.y)), 1))
	n.loss = ok(gorgonia.Neg(ok(gorgonia.Mean(h))))
	_, err := gorgonia.Grad(n.loss, n.weights...)
	require.NoError(t, err)
	return n
}

// TestConvnet trains the same network on Gorgonia's machine and on ours.
func TestConvnet(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		t.Run(fmt.Sprintf("mixed=%v", mixed), func(t *testing.T) {
			ours, theirs := newConvnet(t, mixed), newConvnet(t, mixed)
			want := append(gorgonia.Nodes{ours.loss, ours.middle}, derivs(ours.weights)...)
			m, p, poison := bind(t, ours.g, 2, graph.Options{Want: want})
			tape := gorgonia.NewTapeMachine(theirs.g, gorgonia.TraceExec())
			defer tape.Close()
			solvers := [2]gorgonia.Solver{}
			for i := range solvers {
				solvers[i] = gorgonia.NewAdamSolver(gorgonia.WithLearnRate(0.05))
			}
			var losses []float32
			for step := range 5 {
				r := rand.New(rand.NewPCG(3, uint64(step)))
				images, labels := normal(r, ours.x.Shape()), make([]float32, 12)
				for i := range 3 {
					labels[4*i+r.IntN(4)] = 1
				}
				for _, n := range []*convnet{ours, theirs} {
					let(t, n.x, append([]float32(nil), images...))
					let(t, n.y, append([]float32(nil), labels...))
				}
				require.NoError(t, tape.RunAll())
				poison()
				require.NoError(t, m.RunAll())
				identical(t, floats(theirs.loss), floats(ours.loss), "loss")
				identical(t, floats(theirs.middle), floats(ours.middle), "middle")
				for i, w := range ours.weights {
					identical(t, floats(theirs.weights[i].Deriv()), floats(w.Deriv()), "gradient of "+w.Name())
				}
				losses = append(losses, floats(ours.loss)...)
				for i, n := range []*convnet{ours, theirs} {
					require.NoError(t, solvers[i].Step(gorgonia.NodesToValueGrads(n.weights)))
				}
				for i, w := range ours.weights {
					identical(t, floats(theirs.weights[i]), floats(w), w.Name())
				}
				tape.Reset()
				m.Reset()
			}
			assert.NotEqual(t, losses[0], losses[1])
			assert.Positive(t, p.Kept())
			require.NoError(t, m.Close())
		})
	}
}

func derivs(inputs gorgonia.Nodes) gorgonia.Nodes {
	var out gorgonia.Nodes
	for _, n := range inputs {
		out = append(out, n.Deriv())
	}
	return out
}

// TestRead wants what gorgonia.Read reads, even though its memory would be used
// again.
func TestRead(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 3), input(g, "b", 2, 3)
	let(t, a, []float32{1, 2, 3, 4, 5, 6})
	let(t, b, []float32{1, 1, 1, 2, 2, 2})
	early := apply(t, product{}, a, b)
	scalar := graph.Sibling(early, 2)
	foreign := must(t)(gorgonia.HadamardProd(early, b))
	late := foreign
	for range 4 {
		late = apply(t, product{}, late, b)
	}
	var values [4]gorgonia.Value
	for i, n := range []*gorgonia.Node{early, scalar, foreign, a} {
		gorgonia.Read(n, &values[i])
	}
	m := machine(t, g) // every Read, and late
	for run := range 2 {
		require.NoError(t, m.RunAll())
		assert.Equal(t, []float32{1, 2, 3, 8, 10, 12}, values[0].Data(), "run %d", run)
		assert.Equal(t, float32(21), values[1].Data())
		assert.Equal(t, []float32{1, 2, 3, 16, 20, 24}, values[2].Data())
		assert.Equal(t, []float32{1, 2, 3, 4, 5, 6}, values[3].Data())
		assert.Equal(t, []float32{1, 2, 3, 16 * 16, 20 * 16, 24 * 16}, floats(late))
	}
	let(t, a, []float32{0, 0, 0, 0, 0, 1})
	require.NoError(t, m.RunAll())
	assert.Equal(t, []float32{0, 0, 0, 0, 0, 2}, values[0].Data())
	assert.Equal(t, float32(1), values[1].Data())

	only := machine(t, g, foreign)
	values[0] = nil
	require.NoError(t, only.RunAll())
	assert.Nil(t, values[0], "a Read that is not wanted does nothing")
}

// TestScalars mixes scalars of operators, of Gorgonia's operations and constants.
func TestScalars(t *testing.T) {
	g := gorgonia.NewGraph()
	ok := must(t)
	x := input(g, "x", 2, 2)
	s := gorgonia.NewScalar(g, tensor.Float32, gorgonia.WithName("s"))
	native := apply(t, total{}, x)                                                                     // 10
	foreign := ok(gorgonia.Mul(native, s))                                                             // 30
	both := ok(gorgonia.Add(ok(gorgonia.Add(native, foreign)), s))                                     // 43
	plus := ok(gorgonia.Add(both, gorgonia.NewConstant(float32(0.5))))                                 // 43.5
	back := apply(t, spread{shape: ir.Shape{3}}, plus)                                                 // 43.5 …
	scaled := ok(gorgonia.Mul(back, foreign))                                                          // 1305 …
	squared := ok(gorgonia.Square(apply(t, spread{shape: ir.Shape{2}}, native)))                       // 100 …
	input := apply(t, spread{shape: ir.Shape{1}}, s)                                                   // 3
	constant := apply(t, spread{shape: ir.Shape{2}}, gorgonia.NewConstant(float32(7), gorgonia.In(g))) // 7 …
	let(t, x, []float32{1, 2, 3, 4})
	require.NoError(t, gorgonia.Let(s, float32(3)))
	m, p, poison := bind(t, g, 1, graph.Options{Want: gorgonia.Nodes{native, foreign, both, plus, scaled, squared, input, constant}})
	assert.Contains(t, steps(p), "Sum of 3", "scalars fold too")
	for range 2 {
		poison()
		require.NoError(t, m.RunAll())
		for _, c := range []struct {
			node *gorgonia.Node
			want []float32
		}{
			{native, []float32{10}}, {foreign, []float32{30}}, {both, []float32{43}}, {plus, []float32{43.5}},
			{scaled, []float32{1305, 1305, 1305}}, {squared, []float32{100, 100}}, {input, []float32{3}}, {constant, []float32{7, 7}},
		} {
			assert.Equal(t, c.want, floats(c.node), c.node.Name())
			assert.Equal(t, c.node.Shape(), c.node.Value().Shape().Clone())
		}
	}
	require.NoError(t, gorgonia.Let(s, float32(4)))
	require.NoError(t, m.RunAll())
	assert.Equal(t, []float32{54}, floats(both))
	assert.Equal(t, []float32{4}, floats(input))
}

// TestOtherTypes runs Gorgonia's operations on numbers that kernels do not read.
func TestOtherTypes(t *testing.T) {
	g := gorgonia.NewGraph()
	ok := must(t)
	x := gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithShape(2, 2), gorgonia.WithName("x"))
	y := ok(gorgonia.Add(ok(gorgonia.Square(x)), x))
	sum := ok(gorgonia.Sum(y, 1))
	let(t, x, []float64{1, 2, 3, 4})
	var read gorgonia.Value
	gorgonia.Read(y, &read)
	m := machine(t, g)
	require.NoError(t, m.RunAll())
	assert.Equal(t, []float64{2, 6, 12, 20}, read.Data())
	assert.Equal(t, []float64{8, 32}, sum.Value().Data())
	let(t, x, []float64{0, 0, 0, 1})
	require.NoError(t, m.RunAll())
	assert.Equal(t, []float64{0, 2}, sum.Value().Data())
}

// TestFiveDimensions adds maps of more dimensions than a feature map has.
func TestFiveDimensions(t *testing.T) {
	g := gorgonia.NewGraph()
	a, b := input(g, "a", 2, 1, 3, 2, 2), input(g, "b", 2, 1, 3, 2, 2)
	sum := must(t)(gorgonia.Add(a, b))
	r := rand.New(rand.NewPCG(1, 1))
	x, y := normal(r, a.Shape()), normal(r, b.Shape())
	let(t, a, x)
	let(t, b, y)
	m, p, poison := bind(t, g, 2, graph.Options{})
	assert.Equal(t, []string{"Sum of 2"}, steps(p))
	poison()
	require.NoError(t, m.RunAll())
	for i, v := range floats(sum) {
		require.Equal(t, x[i]+y[i], v)
	}
}

// TestModesOfGorgonia gives Gorgonia's operations the mode of the run, whichever machine
// ran last, and does not make a batch normalisation forget its statistics.
func TestModesOfGorgonia(t *testing.T) {
	g := gorgonia.NewGraph()
	x := input(g, "x", 2, 3, 2, 2)
	r := rand.New(rand.NewPCG(1, 1))
	let(t, x, normal(r, x.Shape()))
	scale, bias := input(g, "scale", 2, 3, 2, 2), input(g, "bias", 2, 3, 2, 2)
	ones := make([]float32, 24)
	for i := range ones {
		ones[i] = 1
	}
	let(t, scale, ones)
	let(t, bias, make([]float32, 24))
	y, _, _, _, err := gorgonia.BatchNorm(x, scale, bias, 0.5, 1e-5)
	require.NoError(t, err)
	newEvaluation := func() *graph.Machine {
		m, _, _ := bind(t, g, 2, graph.Options{Want: gorgonia.Nodes{y}, Evaluate: true})
		return m
	}
	train, eval := machine(t, g, y), newEvaluation()
	run := func(m *graph.Machine) []float32 {
		require.NoError(t, m.RunAll())
		return floats(y)
	}
	trained := run(train)
	one := run(eval)
	assert.NotEqual(t, trained, one)
	assert.Equal(t, trained, run(train), "the other machine has evaluated in between")
	assert.Equal(t, one, run(eval))
	run(train)
	run(train)
	assert.NotEqual(t, one, run(eval), "running statistics of two runs")
	both := run(eval)
	run(train)
	run(machine(t, g, y)) // a second one that trains
	assert.Equal(t, both, run(eval), "two machines in the same mode are as good as one")
	assert.Equal(t, run(eval), run(newEvaluation()))
}
