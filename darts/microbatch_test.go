package darts

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/record"
	"unnas/internal/engine"
	"unnas/internal/format"
	"unnas/internal/ranks"
	"unnas/pretext"
	"unnas/segmentation"
)

// microBatch is a search of batches of six images, so many of them at once.
func microBatch(a Algorithm, n int) SearchConfig {
	c := resumable()
	c.Algorithms, c.MicroBatch = Algorithms{a}, n
	c.Space.Backbone.Reductions = cell.Reductions(3, 1) // small maps stay large enough
	return c
}

// TestMicroBatchGradients compares a batch in parts with its parts, each run as a
// batch of its own and weighed in float64 by how much counts in it.
func TestMicroBatchGradients(t *testing.T) {
	const parts = 3
	pixels := segmentation.Task{Transform: pretext.ScenesTransform(16), ASPP: segmentation.SearchASPP(19)}
	contrastive := pretext.Contrastive{Transform: pretext.ScenesTransform(16), Projection: 5, Temperature: 0.5}
	tests := map[string]struct {
		algorithm Algorithm
		task      pretext.Task
		ignored   [parts]float64 // the share of labels and targets that do not count
	}{
		"second order":                        {SecondOrder{}, smallTask(), [parts]float64{}},
		"GDAS":                                {GDAS{}, smallTask(), [parts]float64{}},
		"several inputs a label":              {SecondOrder{}, pretext.JigsawCIFAR10(), [parts]float64{}},
		"pixels that are many or few or none": {SecondOrder{}, pixels, [parts]float64{0.3, 1, 0.8}},
		"float targets":                       {SecondOrder{}, pretext.Reconstruction{Transform: pretext.ScenesTransform(16), Block: 4, Detail: 1}, [parts]float64{0.3, 1, 0.8}},
		"views compared in each part":         {SecondOrder{}, contrastive, [parts]float64{}},
		"no pixel at all":                     {SecondOrder{}, pixels, [parts]float64{1, 1, 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := microBatch(test.algorithm, 2)
			whole, err := newModel(c, Runtime{}, test.task)
			require.NoError(t, err)
			c.Batch, c.MicroBatch = 2, 0
			single, err := newModel(c, Runtime{}, test.task)
			require.NoError(t, err)
			all := randomBatch(test.task, nil, 2*parts)
			for i, share := range test.ignored {
				part := all.Part(i, parts)
				for j := range part.Y[:int(share*float64(len(part.Y)))] {
					part.Y[j] = pretext.IgnoreIndex
				}
				for j := range part.T[:int(share*float64(len(part.T)))] {
					part.T[j] = pretext.IgnoreValue
				}
			}
			draw := func(m *model) {
				m.rules.draw(Place{c.Seed, 1, 2}, "weights")
			}
			for i, machine := range []*engine.Runner{whole.weights, whole.alphas, whole.both} {
				if machine == nil {
					continue
				}
				draw(whole)
				got, err := whole.run(machine, all)
				require.NoError(t, err)
				var want engine.Mean
				weights, alphas := make([]float64, len(single.Params.Weights())), make([]float64, len(single.Params.Alphas()))
				for k := range parts {
					draw(single)
					part := all.Part(k, parts)
					p, err := single.run([]*engine.Runner{single.weights, single.alphas, single.both}[i], &part)
					require.NoError(t, err)
					want.Add(p)
					for j, g := range single.Params.WeightGrads() {
						weights[j] += p.Count * float64(g)
					}
					for j, g := range single.Params.AlphaGrads() {
						alphas[j] += p.Count * float64(g)
					}
				}
				assert.Equal(t, want.Count, got.Count)
				assert.InEpsilon(t, want.Score+1, got.Score+1, 1e-12)
				count := math.Max(want.Count, 1)
				assert.InDelta(t, want.Loss/count, got.Loss, 1e-7)
				if i != 1 {
					assertMean(t, weights, count, whole.Params.WeightGrads())
				}
				if i != 0 {
					assertMean(t, alphas, count, whole.Params.AlphaGrads())
				}
			}
			assert.Equal(t, single.Params.Running(), whole.Params.Running(), "running statistics learn from every part")
		})
	}
}

// assertMean compares gradients with sums over as many labels.
func assertMean(t *testing.T, sums []float64, count float64, got []float32) {
	t.Helper()
	var off, norm float64
	for i, sum := range sums {
		d := sum/count - float64(got[i])
		off += d * d
		norm += sum / count * sum / count
	}
	assert.LessOrEqual(t, math.Sqrt(off), 3e-7*math.Sqrt(norm))
}

// TestMicroBatchOfAll holds that one part is no other thing than none.
func TestMicroBatchOfAll(t *testing.T) {
	var want *SearchResult
	for _, n := range []int{0, 6} {
		r, err := Search(t.Context(), resumableSource, smallTask(), microBatch(SecondOrder{}, n), Runtime{})
		require.NoError(t, err)
		if want == nil {
			want = r
		}
		assert.Equal(t, want.Params.Weights(), r.Params.Weights())
		assert.Equal(t, want.Params.Running(), r.Params.Running())
		assert.Equal(t, want.Normal, r.Normal)
		assert.Equal(t, want.Last.ValLoss, r.Last.ValLoss)
	}
}

// TestMicroBatchIsKept refuses to resume with other parts: they matter.
func TestMicroBatchIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	c := microBatch(FirstOrder{}, 3)
	var rt Runtime
	ctx, recorder := stopAfter(t, 1)
	rt.Recorder = recorder
	_, err := keepRun(ctx, dir, resumableSource, c, rt)
	require.ErrorIs(t, err, ctx.Err())
	_, err = keepRun(t.Context(), dir, resumableSource, microBatch(FirstOrder{}, 2), Runtime{})
	require.ErrorContains(t, err, "config.micro_batch: 3 → 2")
}

// needs returns the bytes that a search plans.
func needs(t *testing.T, c SearchConfig, rt Runtime) int64 {
	rt.Workers, rt.Memory = 1, math.MaxInt64
	m, _, _, err := planToFit(c, rt, ranks.New(nil), smallTask(), 0, 0)
	require.NoError(t, err)
	return m.Planned()
}

func TestMicroBatchNeedsLess(t *testing.T) {
	c := microBatch(FirstOrder{}, 0)
	c.Batch = 960
	whole := needs(t, c, Runtime{})
	c.MicroBatch = 12
	assert.Less(t, needs(t, c, Runtime{}), whole/4)
}

// announced returns a recorder, and what it is told before the first step.
func announced() (record.Recorder, *[]record.Start, *[]string) {
	var starts []record.Start
	var warnings []string
	return record.Func(func(e record.Event) error {
		switch e := e.(type) {
		case record.Start:
			starts = append(starts, e)
		case record.Warning:
			warnings = append(warnings, e.Text)
		}
		return nil
	}), &starts, &warnings
}

// TestSearchIsHalved holds that a search that does not fit is the search with a
// quarter of batch and rates, if that is the first that fits, and that it goes on
// as such wherever it goes on.
func TestSearchIsHalved(t *testing.T) {
	src := stripes{n: 66, fail: -1} // 39 images for the weights
	given := resumable()
	given.Batch, given.LR.Base, given.LR.Min, given.ArchLR = 12, 0.04, 0.002, 0.01
	quarter := given
	quarter.Batch, quarter.LR.Base, quarter.LR.Min, quarter.ArchLR = 3, 0.01, 0.0005, 0.0025
	whole, dir := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	want, err := keepRun(t.Context(), whole, src, quarter, Runtime{})
	require.NoError(t, err)

	recorder, starts, warnings := announced()
	ctx, stop := stopAfter(t, 16)
	c := given
	var rt Runtime
	rt.Workers, rt.Memory, rt.Recorder = 1, needs(t, quarter, Runtime{}), record.Recorders(recorder, stop)
	_, err = Search(t.Context(), src, smallTask(), c, rt)
	require.ErrorContains(t, err, "set AutoBatch to halve batch and learning rates", "settings do not depend on the machine unless asked to")
	rt.AutoBatch = true
	_, err = keepRun(ctx, dir, src, c, rt)
	require.ErrorIs(t, err, ctx.Err())
	require.Len(t, *starts, 1)
	assert.Equal(t, 3, (*starts)[0].Batch)
	assert.Equal(t, 13, (*starts)[0].StepsPerEpoch)
	assert.Equal(t, rt.Memory, (*starts)[0].PlannedBytes)
	require.Len(t, *warnings, 1)
	assert.Equal(t, fmt.Sprintf("a step needs %s of memory and may take %s: Batch is 3 instead of 12, LR.Base 0.01 instead of 0.04 and ArchLR 0.0025 instead of 0.01, which needs %[2]s",
		format.Bytes(needs(t, given, Runtime{})), format.Bytes(rt.Memory)), (*warnings)[0])
	assert.Equal(t, allFiles(t, whole)[configFile], allFiles(t, dir)[configFile])

	// A machine with less memory cannot go on.
	rt.Memory--
	_, err = keepRun(t.Context(), dir, src, c, rt)
	require.ErrorContains(t, err, "resumes with its first batch: a batch of 3 images needs")

	// One with more goes on as it began, whether it is given what was, or what is.
	rt = Runtime{}
	*warnings = nil
	_, err = keepRun(t.Context(), dir, src, given, rt)
	require.ErrorContains(t, err, "config.batch: 3 → 12", "they are not those of the run")
	rt.AutoBatch = true
	for _, again := range []SearchConfig{given, quarter} {
		ctx, stop := stopAfter(t, 2)
		rt.Recorder = record.Recorders(recorder, stop)
		r, err := keepRun(ctx, dir, src, again, rt)
		require.ErrorIs(t, err, ctx.Err())
		assert.Equal(t, 3, r.Config.Batch)
	}
	require.Len(t, *warnings, 1, "what is given is what was used the second time")
	assert.Contains(t, (*warnings)[0], "resumes with its first hyperparameters: Batch is 3 instead of 12")

	r, err := keepRun(t.Context(), dir, src, given, rt)
	require.NoError(t, err)
	assert.True(t, slices.Equal(want.Params.Weights(), r.Params.Weights()))
	assert.Equal(t, want.Config.LR, r.Config.LR)
	halved, unhalved := outcome(t, dir), outcome(t, whole)
	for _, name := range []string{genotypeFile, configFile} {
		assert.Equal(t, unhalved[name], halved[name])
	}

}

func TestMemoryIsRefused(t *testing.T) {
	ok := stripes{n: 66, fail: -1}
	for name, test := range map[string]struct {
		change    func(*SearchConfig, *Runtime)
		want, not []string
	}{
		"one image":           {func(*SearchConfig, *Runtime) {}, []string{"Batch 8 does not fit", "a batch of 1 image needs", "Memory is 1.0 MiB", "set Recompute for activation checkpointing, or lower Width"}, []string{"MicroBatch"}},
		"odd batch":           {func(c *SearchConfig, _ *Runtime) { c.Batch = 6 }, []string{"Batch 6 does not fit", "a batch of 3 images needs", "set MicroBatch to accumulate gradients, or set Recompute for activation checkpointing, or lower Batch, Width"}, nil},
		"micro-batches":       {func(c *SearchConfig, rt *Runtime) { c.MicroBatch, rt.Recompute = 4, true }, []string{"a batch of 8 images needs", "; lower MicroBatch"}, []string{"Recompute"}},
		"not halved":          {func(_ *SearchConfig, rt *Runtime) { rt.AutoBatch = false }, []string{"darts: a batch of 8 images needs", "set AutoBatch to halve batch and learning rates, or set MicroBatch to accumulate gradients, or set Recompute for activation checkpointing, or lower Batch"}, []string{"halved"}},
		"no room for weights": {func(_ *SearchConfig, rt *Runtime) { rt.Memory = 100 }, []string{"needs", "Memory is 100 B"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := resumable()
			var rt Runtime
			c.Batch, rt.Memory, rt.AutoBatch = 8, 1<<20, true
			test.change(&c, &rt)
			_, err := Search(t.Context(), ok, smallTask(), c, rt)
			require.Error(t, err)
			for _, text := range test.want {
				assert.ErrorContains(t, err, text)
			}
			for _, text := range test.not {
				assert.NotContains(t, err.Error(), text)
			}
		})
	}
}
