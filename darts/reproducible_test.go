package darts

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpu"
)

// vectorsResult names the file in which a child process leaves the bits of its result.
const vectorsResult = "UNNAS_TEST_VECTORS_RESULT"

// TestWidthsOfVectors compares the bits of searches and of a training with each set of vector
// instructions, in a process each.
func TestWidthsOfVectors(t *testing.T) {
	if path := os.Getenv(vectorsResult); path != "" {
		var all []float32
		c := dropping()
		c.Space.Backbone.Width, c.Epochs = 10, 2 // channels that fill no vector
		searched, err := Search(t.Context(), resumableSource, smallTask(), c, Runtime{})
		require.NoError(t, err)
		all = append(all, slices.Concat(searched.Params.Weights(), searched.Params.Alphas(), searched.Params.Running())...)
		training := smallTraining()
		training.Epochs = 2
		trained, err := Train(t.Context(), stripes{n: 12, fail: -1}, stripes{n: 4, fail: -1}, smallTask(), training, Runtime{})
		require.NoError(t, err)
		all = append(all, slices.Concat(trained.Params.Weights(), trained.Params.Running())...)
		c.Precision = BFloat16
		rounded, err := Search(t.Context(), resumableSource, smallTask(), c, Runtime{})
		require.NoError(t, err)
		require.NotEqual(t, searched.Params.Weights(), rounded.Params.Weights())
		all = append(all, slices.Concat(rounded.Params.Weights(), rounded.Params.Alphas())...)
		require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "%x", all), 0o600))
		return
	}
	if cpu.Best() < cpu.AVX512 {
		t.Skip("this CPU has vectors of one width at most")
	}
	var results []string
	for level := cpu.AVX2; level <= cpu.Best(); level++ {
		path := filepath.Join(t.TempDir(), "result")
		child := exec.Command(os.Args[0], "-test.run=^TestWidthsOfVectors$")
		child.Env = append(os.Environ(), cpu.Variable+"="+level.String(), vectorsResult+"="+path)
		printed, err := child.CombinedOutput()
		require.NoError(t, err, "%s", printed)
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		results = append(results, string(b))
		assert.True(t, results[0] == string(b), "other bits with %v", level)
	}
	require.NotEmpty(t, results[0])
}

// TestSearchIsReproducible compares all bytes that searches leave, on different cores
// and numbers of workers, with and without maps that are computed again, stopped or
// not. The rows pair what may differ with each algorithm and variant.
func TestSearchIsReproducible(t *testing.T) {
	partial := func(a Algorithm, micro int) SearchConfig {
		c := dropping()
		c.Algorithms, c.MicroBatch = Algorithms{a}, micro
		return c
	}
	several := func(micro int, all ...Algorithm) SearchConfig {
		c := partial(FirstOrder{}, micro)
		c.Algorithms = all
		return c
	}
	measured := microBatch(DrNAS{}, 2)
	measured.StopEigenvalue = 0.75
	for _, row := range []struct {
		name           string
		config         SearchConfig
		cores, workers int
		recompute      bool
		stops          []int
	}{
		{"first order, parts", microBatch(FirstOrder{}, 3), 2, 5, true, []int{5}},
		{"first order, partial and dropped", partial(FirstOrder{}, 0), 3, 1, false, nil},
		{"second order", microBatch(SecondOrder{}, 0), 3, 3, true, []int{3, 3}},
		{"second order, parts, partial and dropped", partial(SecondOrder{}, 3), 2, 5, false, []int{5}},
		{"GDAS, parts, partial and dropped", partial(GDAS{}, 3), 3, 1, true, []int{7}},
		{"DrNAS, parts, measured", measured, 2, 3, false, []int{4, 2}},
		{"DrNAS, partial and dropped", partial(DrNAS{}, 0), 3, 5, true, []int{4}},
		{"SNAS, OLES and Stages, parts", several(3, SNAS{1, 0.1}, OLES{2, 0.9}, Stages{[]int{2}, []int{2}}, BetaDARTS{5}), 2, 3, true, []int{5, 2}},
		{"SDARTS and PT, partial and dropped", several(0, SDARTSADV{0.1, 2}, PT{2}, Cost{0.2}), 3, 2, false, []int{5, 1}},
		{"FairDARTS, second order", several(0, FairDARTS{10}, SecondOrder{}, Entropy{0.3}), 2, 5, false, []int{7}},
		{"ReinMax, parts", several(2, ReinMax{1.2}), 3, 3, false, []int{4}},
	} {
		t.Run(row.name, func(t *testing.T) {
			run := func(dir string, rt Runtime, cores int, stops []int) (*SearchResult, map[string]string) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
				for _, n := range stops {
					rt := rt
					var ctx context.Context
					ctx, rt.Recorder = stopAfter(t, n)
					_, err := keepRun(ctx, dir, resumableSource, row.config, rt)
					require.ErrorIs(t, err, context.Canceled)
				}
				r, err := keepRun(t.Context(), dir, resumableSource, row.config, rt)
				require.NoError(t, err)
				return r, outcome(t, dir)
			}
			want, files := run(filepath.Join(t.TempDir(), "run"), Runtime{Workers: 1}, 1, nil)
			got, again := run(filepath.Join(t.TempDir(), "run"), Runtime{Workers: row.workers, Recompute: row.recompute}, row.cores, row.stops)
			assertSame(t, files, again)
			assert.True(t, slices.Equal(want.Params.Weights(), got.Params.Weights()))
			assert.True(t, slices.Equal(want.Params.Alphas(), got.Params.Alphas()))
			for _, r := range []*SearchResult{want, got} {
				r.Params, r.Config = nil, SearchConfig{}
			}
			assert.Equal(t, fmt.Sprintf("%+v", *want), fmt.Sprintf("%+v", *got)) // in which NaN is NaN
		})
	}
}
