package ops_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/ops"
)

// TestLayersOfOneMapAreOneOperation builds the poolings of two edges that leave one
// state, which compute the same.
func TestLayersOfOneMapAreOneOperation(t *testing.T) {
	n := newNet(t)
	x, z := n.maps("x", 2, 6, 5, 3), n.maps("z", 2, 6, 5, 3)
	build := func(op ops.Op, edge string, stride int) layerUnderTest {
		y, err := op.Build(n.Sub(edge), x, ops.OpConfig{Stride: stride})
		require.NoError(t, err)
		normal, err := n.Sub(edge+".1").BatchNorm(y, false)
		require.NoError(t, err)
		return layerUnderTest{y.ID(), normal.ID()}
	}
	first := build(ops.AvgPool(3), "a", 1)
	assert.Equal(t, first, build(ops.AvgPool(3), "b", 1))
	assert.NotEqual(t, first, build(ops.AvgPool(3), "c", 2), "another stride")
	assert.NotEqual(t, first, build(ops.AvgPool(5), "d", 1), "another window")
	assert.NotEqual(t, first, build(ops.MaxPool(3), "e", 1), "another operation")
	y, err := ops.AvgPool(3).Build(n.Sub("f"), z, ops.OpConfig{Stride: 1})
	require.NoError(t, err)
	assert.NotEqual(t, first.pool, y.ID(), "another map")

	affine, err := n.Sub("affine").BatchNorm(y, true)
	require.NoError(t, err)
	again, err := n.Sub("affine again").BatchNorm(y, true)
	require.NoError(t, err)
	assert.NotEqual(t, affine.ID(), again.ID(), "each has a scale of its own")
	n.SetNorm(ops.Norm{Epsilon: 1e-3, Momentum: 0.1})
	other, err := n.Sub("other settings").BatchNorm(y, false)
	require.NoError(t, err)
	n.SetNorm(ops.DefaultNorm())
	plain, err := n.Sub("plain").BatchNorm(y, false)
	require.NoError(t, err)
	assert.NotEqual(t, other.ID(), plain.ID(), "other settings")

	_, err = n.Sub("b.1").BatchNorm(x, false)
	require.ErrorContains(t, err, `"b.1" is declared twice`)
	_, err = n.Sub("plain").BatchNorm(y, false)
	require.ErrorContains(t, err, `"plain" is declared twice`)
}

type layerUnderTest struct{ pool, norm int64 }

// TestSharedStatistics gives every layer statistics by its published name, and
// those of one operation the same values.
func TestSharedStatistics(t *testing.T) {
	p := ops.NewParams()
	for range 2 { // in two graphs, as a search and its evaluation have them
		n := newNet(t)
		n.Scope = ops.NewScope(n.Graph(), p)
		x := n.maps("x", 4, 3, 3, 2)
		a, err := n.Sub("a").BatchNorm(x, false)
		require.NoError(t, err)
		b, err := n.Sub("b").BatchNorm(x, false)
		require.NoError(t, err)
		require.Equal(t, a.ID(), b.ID())
		sum, err := ops.Sum(a, b)
		require.NoError(t, err)
		if !p.Ready() {
			require.NoError(t, p.Init(1))
		}
		n.run(sum)
	}
	stats := p.Stats()
	require.Len(t, stats, 2)
	assert.Equal(t, []string{"a", "b"}, []string{stats[0].Name, stats[1].Name})
	assert.NotContains(t, stats[0].Mean, float32(0), "they are kept up to date")
	assert.Equal(t, stats[0].Mean, stats[1].Mean)
	assert.Equal(t, stats[0].Var, stats[1].Var)
	assert.Len(t, p.Running(), 4)
}
