package darts

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestSearchIsReproducible compares all bytes that searches leave, on different cores
// and numbers of workers, with and without maps that are computed again, stopped or
// not. The rows pair what may differ with each algorithm and variant.
func TestSearchIsReproducible(t *testing.T) {
	partial := func(a Algorithm, micro int) SearchConfig {
		c := dropping()
		c.Algorithm, c.MicroBatch = a, micro
		return c
	}
	measured := microBatch(DrNAS, 2)
	measured.StopEigenvalue = 0.75
	for _, row := range []struct {
		name           string
		config         SearchConfig
		cores, workers int
		recompute      bool
		stops          []int
	}{
		{"first order, parts", microBatch(FirstOrder, 3), 2, 5, true, []int{5}},
		{"first order, partial and dropped", partial(FirstOrder, 0), 3, 1, false, nil},
		{"second order", microBatch(SecondOrder, 0), 3, 3, true, []int{3, 3}},
		{"second order, parts, partial and dropped", partial(SecondOrder, 3), 2, 5, false, []int{5}},
		{"GDAS, parts, partial and dropped", partial(GDAS, 3), 3, 1, true, []int{7}},
		{"DrNAS, parts, measured", measured, 2, 3, false, []int{4, 2}},
		{"DrNAS, partial and dropped", partial(DrNAS, 0), 3, 5, true, []int{4}},
	} {
		t.Run(row.name, func(t *testing.T) {
			run := func(dir string, c SearchConfig, cores int, stops []int) (*SearchResult, map[string]string) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
				for _, n := range stops {
					c := c
					var rt Runtime
					var ctx context.Context
					ctx, rt.Recorder = stopAfter(t, n)
					_, err := keepRun(ctx, dir, resumableSource, c, rt)
					require.ErrorIs(t, err, context.Canceled)
				}
				r, err := keepRun(t.Context(), dir, resumableSource, c, Runtime{})
				require.NoError(t, err)
				return r, outcome(t, dir)
			}
			c := row.config
			var rt Runtime
			rt.Workers = 1
			want, files := run(filepath.Join(t.TempDir(), "run"), c, 1, nil)
			rt.Workers, rt.Recompute = row.workers, row.recompute
			got, again := run(filepath.Join(t.TempDir(), "run"), c, row.cores, row.stops)
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
