package ops_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// twoLayers declares an alpha, a convolution, a normalisation and a linear layer.
func twoLayers(t *testing.T, s *ops.Scope, x *gorgonia.Node) *gorgonia.Node {
	_, err := s.Alpha("alphas", tensor.Shape{2, 3}, ops.Normal(1e-3))
	require.NoError(t, err)
	y, err := s.Sub("stem").ConvBNReLU(x, 5, ops.Window{Rows: 3, Columns: 2, StrideRows: 1, StrideColumns: 1, DilationRows: 1, DilationColumns: 1}, "0", "1")
	require.NoError(t, err)
	y, err = ops.GlobalAvgPool(y)
	require.NoError(t, err)
	y, err = s.Sub("head").Linear(y, 1, 7)
	require.NoError(t, err)
	return y
}

func TestParams(t *testing.T) {
	n := newNet(t)
	twoLayers(t, n.Scope, n.maps("x", 2, 6, 5, 4))
	p := n.Params()
	var names []string
	for _, q := range p.List() {
		names = append(names, q.Name)
		assert.Nil(t, p.Data(q), q.Name)
		assert.Nil(t, p.Grad(q), q.Name)
		assert.Same(t, q, p.Find(q.Name))
	}
	assert.Equal(t, []string{"alphas", "stem.0.weight", "stem.1.weight", "stem.1.bias", "head.weight", "head.bias"}, names)
	assert.Nil(t, p.Find("stem.0.bias"))
	assert.False(t, p.Ready())
	assert.Equal(t, 3*2*4*5+5+5+5*7+7, p.Count())
	require.Len(t, p.Stats(), 1)
	assert.Equal(t, "stem.1", p.Stats()[0].Name)

	require.NoError(t, p.Init(1))
	assert.True(t, p.Ready())
	assert.Len(t, p.Weights(), p.Count())
	assert.Len(t, p.WeightGrads(), p.Count())
	assert.Len(t, p.Alphas(), 6)
	assert.Len(t, p.AlphaGrads(), 6)
	assert.Equal(t, []float32{0, 0, 0, 0, 0, 1, 1, 1, 1, 1}, p.Running())
	assert.Equal(t, []float32{1, 1, 1, 1, 1}, p.Data(p.Find("stem.1.weight")))
	assert.Equal(t, make([]float32, 5), p.Data(p.Find("stem.1.bias")))
	bound := 1 / math.Sqrt(3*2*4)
	largest := 0.0
	for _, v := range p.Data(p.Find("stem.0.weight")) {
		largest = max(largest, math.Abs(float64(v)))
	}
	assert.InDelta(t, bound, largest, bound/10)
	assert.LessOrEqual(t, largest, bound)

	// The slices are the memory of the parameters, in the order of List.
	var weights, grads []float32
	for i, q := range p.List() {
		p.Grad(q)[0] = float32(i)
		if !q.Alpha {
			weights, grads = append(weights, p.Data(q)...), append(grads, p.Grad(q)...)
		}
	}
	assert.Equal(t, weights, p.Weights())
	assert.Equal(t, grads, p.WeightGrads())
	p.Stats()[0].Var[2] = 4
	assert.Equal(t, float32(4), p.Running()[7])

	// What the callers do with their lists stays theirs.
	p.List()[0], p.Stats()[0], n.Learnables()[0] = nil, nil, nil
	assert.NotNil(t, p.List()[0])
	assert.NotNil(t, p.Stats()[0])
	assert.NotNil(t, n.Learnables()[0])
	assert.Equal(t, "head.bias", n.Owner(n.Learnables()[5]).Name)
	assert.Nil(t, n.Owner(n.Graph().AllNodes()[0]))
}

func TestInitDependsOnSeedAndNameOnly(t *testing.T) {
	build := func(reverse bool, seed uint64) map[string][]float32 {
		n := newNet(t)
		x := n.maps("x", 2, 6, 5, 4)
		parts := []string{"a", "b", "c"}
		if reverse {
			slices.Reverse(parts)
		}
		for _, part := range parts {
			_, err := n.Sub(part).Conv(x, ops.ConvConfig{Out: 3, Window: ops.Square(3, 1, 1, 1)})
			require.NoError(t, err)
		}
		require.NoError(t, n.Params().Init(seed))
		values := map[string][]float32{}
		for _, q := range n.Params().List() {
			values[q.Name] = slices.Clone(n.Params().Data(q))
		}
		return values
	}
	one := build(false, 1)
	assert.Equal(t, one, build(true, 1))
	assert.NotEqual(t, one, build(false, 2))
	assert.NotEqual(t, one["a.weight"], one["b.weight"])
}

func TestInitAgain(t *testing.T) {
	n := newNet(t)
	y := twoLayers(t, n.Scope, n.maps("x", 2, 6, 5, 4))
	require.NoError(t, n.Params().Init(1))
	n.run(y)
	first := slices.Clone(n.Params().Weights())
	memory := &n.Params().Weights()[0]
	assert.NotEqual(t, float32(0), n.Params().Running()[0])
	require.NoError(t, n.Params().Init(2))
	assert.NotEqual(t, first, n.Params().Weights())
	require.NoError(t, n.Params().Init(1))
	assert.Equal(t, first, n.Params().Weights())
	assert.Same(t, memory, &n.Params().Weights()[0])
	assert.Equal(t, []float32{0, 0, 0, 0, 0, 1, 1, 1, 1, 1}, n.Params().Running())
}

func TestInitialisers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	assert.Equal(t, 3.5, ops.Constant(3.5)(r))
	var sum, squares, largest float64
	normal, uniform := ops.Normal(0.5), ops.KaimingUniform(25)
	const draws = 20000
	for range draws {
		v := normal(r)
		sum += v / draws
		squares += v * v / draws
		largest = max(largest, math.Abs(uniform(r)))
	}
	assert.InDelta(t, 0, sum, 0.02)
	assert.InDelta(t, 0.25, squares, 0.02)
	assert.InDelta(t, 0.2, largest, 1e-3)
	assert.LessOrEqual(t, largest, 0.2)
}

// TestParamsAreShared builds two graphs over the same parameters, of other sizes
// of batches and images, and a second network in one of these graphs.
func TestParamsAreShared(t *testing.T) {
	a := newNet(t)
	x := a.maps("x", 2, 6, 5, 4)
	y := twoLayers(t, a.Scope, x)
	b := net{ops.NewScope(gorgonia.NewGraph(), a.Params()), t}
	z := twoLayers(t, b.Scope, b.maps("x", 3, 7, 4, 4))
	require.NoError(t, a.Params().Init(1))
	c := net{ops.NewScope(a.Graph(), a.Params()), t} // after Init, in the first graph
	w := twoLayers(t, c.Scope, a.values("again", slices.Clone(value(x)), 2, 6, 5, 4))
	assert.Len(t, a.Params().List(), 6)
	for i, n := range a.Learnables() {
		assert.Same(t, a.Owner(n), b.Owner(b.Learnables()[i]))
		assert.Same(t, n, c.Learnables()[i], "one graph has one node for each parameter")
	}
	a.run(y, w)
	b.run(z)
	assert.Equal(t, value(y), value(w))
	before := slices.Clone(value(y))
	for i := range a.Params().Weights() {
		a.Params().Weights()[i] += 0.1
	}
	beforeZ := slices.Clone(value(z))
	a.run(y, w)
	b.run(z)
	assert.NotEqual(t, before, value(y))
	assert.Equal(t, value(y), value(w))
	assert.NotEqual(t, beforeZ, value(z))
}

// TestClone gives a graph the values of parameters that change afterwards.
func TestClone(t *testing.T) {
	a := newNet(t)
	twoLayers(t, a.Scope, a.maps("x", 2, 6, 5, 4))
	require.NoError(t, a.Params().Init(1))
	p := a.Params()
	for i := range p.Running() {
		p.Running()[i] = float32(i) + 0.5
	}
	var before, after bytes.Buffer
	require.NoError(t, p.WriteSafetensors(&before, nil))
	clone := p.Clone()
	for _, values := range [][]float32{p.Weights(), p.Running()} {
		for i := range values {
			values[i]++
		}
	}
	require.NoError(t, clone.WriteSafetensors(&after, nil))
	assert.True(t, bytes.Equal(before.Bytes(), after.Bytes()))
	assert.True(t, clone.Ready())
	assert.Nil(t, clone.WeightGrads())
	for i, s := range clone.Stats() {
		assert.Equal(t, p.Stats()[i].Mean[0]-1, s.Mean[0], "a part of the clone's own memory")
		assert.Equal(t, p.Stats()[i].Var[0]-1, s.Var[0])
	}
	b := net{ops.NewScope(gorgonia.NewGraph(), clone), t}
	b.run(twoLayers(t, b.Scope, b.maps("x", 3, 7, 4, 4)))
}

func TestPublishedLayouts(t *testing.T) {
	n := newNet(t)
	twoLayers(t, n.Scope, n.maps("x", 2, 6, 5, 4))
	require.NoError(t, n.Params().Init(1))
	shapes := map[string][]int{"alphas": {2, 3}, "stem.0.weight": {5, 4, 3, 2}, "stem.1.weight": {5}, "stem.1.bias": {5}, "head.weight": {7, 5}, "head.bias": {7}}
	for _, q := range n.Params().List() {
		assert.Equal(t, shapes[q.Name], q.PyTorchShape(), q.Name)
		data := n.Params().Data(q)
		published, back := make([]float32, len(data)), make([]float32, len(data))
		require.NoError(t, q.ToPyTorch(published, data))
		require.NoError(t, q.FromPyTorch(back, published))
		assert.Equal(t, data, back, q.Name)
		assert.ErrorContains(t, q.FromPyTorch(data, published[1:]), q.Name)
		assert.ErrorContains(t, q.ToPyTorch(published[1:], data), q.Name)
	}
	// Element [out 4, in 3, row 2, column 1] of the convolution, [out 6, in 4] of the
	// linear layer.
	q := n.Params().Find("stem.0.weight")
	published := make([]float32, 120)
	require.NoError(t, q.ToPyTorch(published, n.Params().Data(q)))
	assert.Equal(t, n.Params().Data(q)[((2*2+1)*4+3)*5+4], published[((4*4+3)*3+2)*2+1])
	assert.Equal(t, n.Params().Data(q)[((1*2+0)*4+2)*5+3], published[((3*4+2)*3+1)*2+0])
	q = n.Params().Find("head.weight")
	published = make([]float32, 35)
	require.NoError(t, q.ToPyTorch(published, n.Params().Data(q)))
	assert.Equal(t, n.Params().Data(q)[3*7+6], published[6*5+3])
	q.PyTorchShape()[0] = 99
	assert.Equal(t, []int{7, 5}, q.PyTorchShape())
}

func TestDepthwiseWeightsArePublishedByChannel(t *testing.T) {
	n := newNet(t)
	_, err := ops.DilConv(3).Build(n.Scope, n.maps("x", 2, 6, 5, 4), ops.OpConfig{Stride: 1})
	require.NoError(t, err)
	q := n.Params().Find("op.1.weight")
	assert.Equal(t, tensor.Shape{3, 3, 1, 4}, q.Shape)
	assert.Equal(t, []int{4, 1, 3, 3}, q.PyTorchShape())
}

// TestNetworkWithoutWeights has alphas alone, and one without any parameter.
func TestNetworkWithoutWeights(t *testing.T) {
	n := newNet(t)
	require.NoError(t, n.Params().Init(1))
	assert.True(t, n.Params().Ready())
	assert.Empty(t, n.Params().Weights())

	n = newNet(t)
	a, err := n.Alpha("a", tensor.Shape{2, 3}, ops.Constant(2))
	require.NoError(t, err)
	y, err := ops.Softmax(a)
	require.NoError(t, err)
	require.NoError(t, n.Params().Init(1))
	assert.Zero(t, n.Params().Count())
	n.run(y)
	assert.InDelta(t, 1.0/3, value(y)[4], 1e-6)
}

func TestKinds(t *testing.T) {
	assert.Equal(t, "vector", ops.Vector.String())
	assert.Equal(t, "convolution weight", ops.ConvWeight.String())
	assert.Equal(t, "linear weight", ops.LinearWeight.String())
	assert.Equal(t, "Kind(7)", ops.Kind(7).String())
}
