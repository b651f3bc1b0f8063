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
// not. The rows hold each pair of what may differ with each algorithm and variant at
// least once.
func TestSearchIsReproducible(t *testing.T) {
	partial := func(c Config, a Algorithm) Config {
		d := dropping()
		d.Algorithm, d.Epochs, d.ArchEpoch = a, c.Epochs, c.ArchEpoch
		return d
	}
	first := microBatch(FirstOrder, 0)
	measured := microBatch(DrNAS, 2)
	measured.StopEigenvalue = 0.75
	for _, row := range []struct {
		name           string
		config         Config
		cores, workers int
		recompute      bool
		stops          []int
	}{
		{"first order", first, 2, 5, true, nil},
		{"first order, parts", microBatch(FirstOrder, 3), 3, 1, false, []int{5}},
		{"first order, partial and dropped", partial(first, FirstOrder), 3, 3, true, []int{4}},
		{"second order", microBatch(SecondOrder, 0), 3, 1, false, []int{3, 3}},
		{"second order, parts", microBatch(SecondOrder, 3), 2, 3, true, []int{5}},
		{"second order, partial and dropped", partial(first, SecondOrder), 2, 5, false, nil},
		{"GDAS, parts", microBatch(GDAS, 3), 2, 5, false, []int{4, 1}},
		{"GDAS, partial and dropped", partial(first, GDAS), 3, 1, true, []int{7}},
		{"DrNAS, parts, measured", measured, 3, 3, true, []int{4, 2}},
		{"DrNAS, partial and dropped", partial(first, DrNAS), 2, 1, false, []int{5}},
	} {
		t.Run(row.name, func(t *testing.T) {
			run := func(dir string, c Config, cores int, stops []int) (*Result, map[string]string) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
				for _, n := range stops {
					c := c
					var ctx context.Context
					ctx, c.Recorder = stopAfter(t, n)
					_, err := keepRun(ctx, dir, resumableSource, c)
					require.ErrorIs(t, err, context.Canceled)
				}
				r, err := keepRun(t.Context(), dir, resumableSource, c)
				require.NoError(t, err)
				return r, outcome(t, dir)
			}
			c := row.config
			c.Workers = 1
			want, files := run(filepath.Join(t.TempDir(), "run"), c, 1, nil)
			c.Workers, c.Recompute = row.workers, row.recompute
			got, again := run(filepath.Join(t.TempDir(), "run"), c, row.cores, row.stops)
			assertSame(t, files, again)
			assert.True(t, slices.Equal(want.Params.Weights(), got.Params.Weights()))
			assert.True(t, slices.Equal(want.Params.Alphas(), got.Params.Alphas()))
			for _, r := range []*Result{want, got} {
				r.Params, r.Config = nil, Config{}
			}
			assert.Equal(t, fmt.Sprintf("%+v", *want), fmt.Sprintf("%+v", *got)) // in which NaN is NaN
		})
	}
}
