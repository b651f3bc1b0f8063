package ops_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// TestNoise draws by the key and the name of the scope, whatever the input is.
func TestNoise(t *testing.T) {
	run := func(scope string, key []int32) []float32 {
		g := gorgonia.NewGraph()
		s := ops.NewScope(g, ops.NewParams()).Sub(scope)
		x, err := ops.Images(g, "x", 3, 9, 7, 5)
		require.NoError(t, err)
		require.NoError(t, ops.Bind(x, make([]float32, 3*9*7*5)))
		k := gorgonia.NewTensor(g, tensor.Int32, 1, gorgonia.WithShape(2), gorgonia.WithName("key"))
		require.NoError(t, ops.Bind(k, key))
		y, err := s.Noise(x, 2, k)
		require.NoError(t, err)
		require.EqualValues(t, []int{3, 5, 4, 5}, y.Shape())
		m, err := ops.NewVM(g, y)
		require.NoError(t, err)
		require.NoError(t, m.RunAll())
		return y.Value().Data().([]float32)
	}
	a := run("a", []int32{1, 2})
	assert.Equal(t, a, run("a", []int32{1, 2}))
	assert.NotEqual(t, a, run("b", []int32{1, 2}))
	assert.NotEqual(t, a, run("a", []int32{1, 3}))
	assert.NotEqual(t, a[:100], a[100:200], "images differ")
	var mean, square float64
	for _, v := range a {
		mean += float64(v) / 300
		square += float64(v) * float64(v) / 300
	}
	assert.InDelta(t, 0, mean, 4/math.Sqrt(300))
	assert.InDelta(t, 1, square, 4*math.Sqrt(2.0/300))
}

func TestWidth(t *testing.T) {
	for _, op := range []ops.Op{ops.None(), ops.Skip(), ops.NorConv(3), ops.NorConv(1)} {
		g := gorgonia.NewGraph()
		s := ops.NewScope(g, ops.NewParams())
		x, err := ops.Images(g, "x", 2, 6, 4, 3)
		require.NoError(t, err)
		y, err := op.Build(s, x, ops.OpConfig{Stride: 2, Out: 8})
		require.NoError(t, err, op.Name())
		assert.EqualValues(t, []int{2, 3, 2, 8}, y.Shape(), op.Name())
	}
	for _, op := range []ops.Op{ops.SepConv(3), ops.MaxPool(3), ops.Noise()} {
		g := gorgonia.NewGraph()
		x, err := ops.Images(g, "x", 2, 6, 4, 3)
		require.NoError(t, err)
		_, err = op.Build(ops.NewScope(g, ops.NewParams()), x, ops.OpConfig{Stride: 2, Out: 8})
		assert.ErrorContains(t, err, "3 channels in and 8 out", op.Name())
	}
	g := gorgonia.NewGraph()
	x, err := ops.Images(g, "x", 2, 6, 4, 3)
	require.NoError(t, err)
	_, err = ops.Skip().Build(ops.NewScope(g, ops.NewParams()), x, ops.OpConfig{Stride: 1, Out: 8})
	assert.ErrorContains(t, err, "3 channels in and 8 out at stride 1")
}

func TestResidualReduceErrors(t *testing.T) {
	g := gorgonia.NewGraph()
	x, err := ops.Images(g, "x", 2, 6, 5, 3)
	require.NoError(t, err)
	_, err = ops.NewScope(g, ops.NewParams()).ResidualReduce(x, 8)
	assert.ErrorContains(t, err, "6×5 pixels; want even sizes")
	_, err = ops.NewScope(g, ops.NewParams()).TransNASStem(x, 7)
	assert.ErrorContains(t, err, "a TransNAS stem of width 7; want an even width")
}
