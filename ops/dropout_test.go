package ops_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// dropout adds a layer of dropout with inputs of its own.
func dropout(s *ops.Scope, x *gorgonia.Node, rate float32, key ...int32) (*gorgonia.Node, error) {
	r, k, err := dropoutInputs(x.Graph(), []float32{rate}, key)
	if err != nil {
		return nil, err
	}
	return s.Dropout(x, r, k)
}

func dropoutInputs(g *gorgonia.ExprGraph, rate []float32, key []int32) (r, k *gorgonia.Node, err error) {
	r = gorgonia.NewVector(g, tensor.Float32, gorgonia.WithShape(1), gorgonia.WithName("rate"))
	k = gorgonia.NewVector(g, tensor.Int32, gorgonia.WithShape(2), gorgonia.WithName("key"))
	if err := ops.Bind(r, rate); err != nil {
		return nil, nil, err
	}
	return r, k, ops.Bind(k, key)
}

// TestDropout draws again with other keys, in other layers and at other rates.
func TestDropout(t *testing.T) {
	n := newNet(t)
	x := n.maps("x", 3, 8, 7, 5)
	rate, key := []float32{0.5}, []int32{1, 2}
	r, k, err := dropoutInputs(n.Graph(), rate, key)
	require.NoError(t, err)
	a, err := n.Sub("a").Dropout(x, r, k)
	require.NoError(t, err)
	b, err := n.Sub("b").Dropout(x, r, k)
	require.NoError(t, err)
	m, err := ops.NewVM(n.Graph(), a, b)
	require.NoError(t, err)
	run := func() (ya, yb []float32) {
		require.NoError(t, m.RunAll())
		return slices.Clone(value(a)), slices.Clone(value(b))
	}
	first, other := run()
	assert.NotEqual(t, first, other, "layers drop apart")
	zeros := 0
	for i, v := range value(x) {
		if first[i] == 0 {
			zeros++
			continue
		}
		require.InDelta(t, 2*v, first[i], 1e-6)
	}
	assert.InDelta(t, 420, zeros, 60)
	again, _ := run()
	assert.Equal(t, first, again, "equal keys, equal elements")
	for _, changed := range [][]int32{{1, 3}, {3, 2}, {1, -2}} {
		copy(key, changed)
		y, _ := run()
		assert.NotEqual(t, first, y)
	}
	rate[0] = 0
	y, _ := run()
	assert.Equal(t, value(x), y)
	for _, bad := range []float32{1, -0.1, float32(math.NaN())} {
		rate[0] = bad
		assert.ErrorContains(t, m.RunAll(), fmt.Sprintf("the dropout rate is %v", bad))
	}
	m.SetTraining(false)
	y, _ = run()
	assert.Equal(t, value(x), y, "evaluation drops nothing")
}
