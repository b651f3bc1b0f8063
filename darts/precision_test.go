package darts

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/internal/engine"
)

// TestBFloat16 compares losses and gradients with those of float32: they differ, but little.
func TestBFloat16(t *testing.T) {
	type result struct {
		pass            engine.Pass
		weights, alphas []float32
		bytes           int64
	}
	run := func(p Precision) result {
		c := DARTS()
		c.Space, c.Batch, c.Seed, c.Precision = cell.DARTS(cell.CIFARStem, 8, 3), 4, 1, p
		m, err := newModel(c, Runtime{}, cifar)
		require.NoError(t, err)
		b := randomBatch(cifar, nil, 4)
		pass, err := m.run(m.weights, b)
		require.NoError(t, err)
		_, err = m.run(m.alphas, b)
		require.NoError(t, err)
		return result{pass, m.Params.WeightGrads(), m.Params.AlphaGrads(), m.Bytes}
	}
	want, got := run(Float32), run(BFloat16)
	assert.NotEqual(t, want.pass.Loss, got.pass.Loss)
	assert.InEpsilon(t, want.pass.Loss, got.pass.Loss, 0.01)
	for name, pair := range map[string][2][]float32{"weights": {want.weights, got.weights}, "alphas": {want.alphas, got.alphas}} {
		var diff, norm float64
		for i, w := range pair[0] {
			diff += math.Pow(float64(w-pair[1][i]), 2)
			norm += math.Pow(float64(w), 2)
		}
		share := math.Sqrt(diff / norm)
		t.Logf("%s: the gradient differs by %.2g", name, share)
		assert.Positive(t, share, name)
		assert.Less(t, share, 0.15, name) // ReLUs of rounded maps open and close
	}
	assert.Less(t, float64(got.bytes), 0.85*float64(want.bytes))
}

func TestPrecisionIsKnown(t *testing.T) {
	c := DARTS()
	c.Precision = "float16"
	assert.ErrorContains(t, c.Validate(), `Precision is "float16", must be "float32", "bfloat16" or "tf32"`)
	training := smallTraining()
	training.Precision = "half"
	assert.ErrorContains(t, training.Validate(), `Precision is "half"`)
}

// TestBFloat16OfFrozenLayers holds that the loss is near that of float32 where most layers
// have no backward pass.
func TestBFloat16OfFrozenLayers(t *testing.T) {
	var losses []float64
	for _, p := range []Precision{Float32, BFloat16} {
		run := trainer(cifar, evaluated(cell.CIFARStem, 8, 5), 4)
		run.c.Precision, run.c.Freeze = p, []string{"stem", "cells"}
		require.NoError(t, run.plan(t.Context(), 0))
		pass, err := run.Run(run.learn, randomBatch(cifar, nil, 4), func(int) {})
		require.NoError(t, err)
		losses = append(losses, pass.Loss)
	}
	assert.InEpsilon(t, losses[0], losses[1], 0.01)
}
