package darts

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/ops"
)

// TestSkipRate compares with the rates of the authors' code, for 25 epochs of which
// the alphas rest in ten.
func TestSkipRate(t *testing.T) {
	c := DARTS()
	c.Epochs, c.ArchStartEpoch, c.SkipDropout = 25, 10, 0.4
	for epoch, want := range map[int]float64{0: 0.384, 1: 0.368, 9: 0.24, 10: 0.4, 11: 0.4 * math.Exp(-0.2), 24: 0.4 * math.Exp(-2.8)} {
		assert.InDelta(t, want, skipRate(c, epoch), 1e-12, "epoch %d", epoch)
	}
	c.ArchStartEpoch = 0
	assert.InDelta(t, 0.4, skipRate(c, 0), 1e-12)
}

func TestDropper(t *testing.T) {
	d := newDropper()
	c := DARTS()
	c.SkipDropout, c.Seed = 0.5, 9
	draw := func(purpose string, epoch, step int) []int32 {
		d.draw(c, purpose, epoch, step)
		return slices.Clone(d.key)
	}
	first := draw("weights", 1, 2)
	assert.InDelta(t, 0.5*math.Exp(-0.2), d.rate[0], 1e-6)
	for _, other := range [][]int32{draw("alphas", 1, 2), draw("weights", 2, 1), draw("weights", 1, 3)} {
		assert.NotEqual(t, first, other)
	}
	d.part(1)
	assert.NotEqual(t, first, d.key, "parts of a batch drop apart")
	assert.Equal(t, first, draw("weights", 1, 2), "what is drawn depends on the place in the run alone")
	assert.Equal(t, ops.DARTS().Names(), d.over(ops.DARTS(), true).Names())
}

// dropping is resumable with partial connections and dropout.
func dropping() SearchConfig {
	c := resumable()
	c.Space = cell.DARTS(cell.CIFARStem, 4, 3)
	c.Space.Ops, c.Space.Nodes, c.Space.PartialChannels = c.Space.Ops[:5], 2, 2
	c.SkipDropout = 0.5
	return c
}

// TestBetas are learned and kept with the weights.
func TestBetas(t *testing.T) {
	c := dropping()
	got, err := Search(t.Context(), resumableSource, smallTask(), c, Runtime{})
	require.NoError(t, err)
	require.Len(t, got.NormalBetas, c.Space.Edges())
	assert.Greater(t, slices.Max(got.NormalBetas)-slices.Min(got.NormalBetas), 0.01, "betas learn")
	var text strings.Builder
	require.NoError(t, got.Params.WriteSafetensors(&text, nil))
	for _, name := range []string{"betas_normal", "betas_reduce"} {
		assert.Contains(t, text.String(), name)
		assert.Len(t, got.Params.Data(got.Params.Find(name)), c.Space.Edges())
	}
}

// TestVariantsMatter compares searches with and without them, and with what a search
// may have besides.
func TestVariantsMatter(t *testing.T) {
	losses := map[float64]bool{}
	for _, change := range []func(c *SearchConfig){
		func(*SearchConfig) {},
		func(c *SearchConfig) { c.SkipDropout = 0 },
		func(c *SearchConfig) { c.SkipDropout = 0.9 },
		func(c *SearchConfig) { c.Space.PartialChannels = 0 },
		func(c *SearchConfig) { c.Space.PartialChannels = 4 },
		func(c *SearchConfig) { c.MicroBatch = 3 },
		func(c *SearchConfig) { c.Space.Backbone.Reductions, c.Space.Backbone.Dilated = []int{1}, []int{2} },
	} {
		c := dropping()
		c.Epochs, c.ArchStartEpoch = 1, 0
		change(&c)
		r, err := Search(t.Context(), resumableSource, smallTask(), c, Runtime{})
		require.NoError(t, err)
		losses[r.Last.ValLoss] = true
	}
	assert.Len(t, losses, 7)
}

// TestPartialTakesLessMemory plans supernets of published width and counts their
// weights.
func TestPartialTakesLessMemory(t *testing.T) {
	c := PCDARTS()
	c.Batch, c.Space.Backbone.Cells, c.Space.Backbone.Reductions = 16, 3, cell.Reductions(3, 2)
	small, err := newModel(c, Runtime{}, cifar)
	require.NoError(t, err)
	c.Space.PartialChannels = 0
	large, err := newModel(c, Runtime{}, cifar)
	require.NoError(t, err)
	assert.Less(t, small.Bytes, large.Bytes/2)
	assert.Less(t, small.Params.Count(), large.Params.Count()/6)
}

// TestBetasDiverge breaks a beta.
func TestBetasDiverge(t *testing.T) {
	s, err := newSearch(resumableSource, smallTask(), dropping(), Runtime{})
	require.NoError(t, err)
	_, err = s.metrics()
	require.NoError(t, err)
	s.m.Params.Data(s.m.net.ReduceBetas)[3] = float32(math.NaN())
	_, err = s.metrics()
	assert.ErrorIs(t, err, ErrDiverged)
}
