package darts

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/record"
	"unnas/ops"
	"unnas/pretext"
)

// rated is a task whose evaluation returns the given scores in turn, and keeps the
// parameters that it was given.
type rated struct {
	pretext.Task
	scores []float64
	seen   *[]*ops.Params
}

func (rated) Metric() (string, bool) { return "rate", false }

func (r rated) Evaluate(_ context.Context, _ cell.Architecture, p *ops.Params, _ pretext.Source, _ string) (func(context.Context, []int) ([]float64, error), int64, error) {
	return func(context.Context, []int) ([]float64, error) {
		*r.seen = append(*r.seen, p.Clone())
		return []float64{r.scores[len(*r.seen)-1]}, nil
	}, 0, nil
}

func (rated) Scores(counts []float64) map[string]float64 {
	return map[string]float64{"rate": counts[0]}
}

func equalParams(t *testing.T, want, got *ops.Params) {
	t.Helper()
	require.NotNil(t, got)
	assert.Equal(t, want.Weights(), got.Weights())
	assert.Equal(t, want.Running(), got.Running())
}

// TestBestParams are those that were evaluated in the best epoch: averages, with precise
// statistics.
func TestBestParams(t *testing.T) {
	for name, c := range map[string]struct {
		scores []float64
		best   int
	}{
		"in the middle": {[]float64{1, 3, 2}, 2},
		"last":          {[]float64{1, 2, 3}, 3},
		"first":         {[]float64{2, 2, 2}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var seen []*ops.Params
			config := smallTraining()
			config.EMADecay, config.PreciseBN = 0.5, 6
			dir, err := OpenRunDir(filepath.Join(t.TempDir(), "run"))
			require.NoError(t, err)
			r, err := Train(t.Context(), stripes{n: 12, fail: -1}, stripes{n: 3, fail: -1}, rated{smallTask(), c.scores, &seen}, config, Runtime{Dir: dir})
			require.NoError(t, err)
			require.NoError(t, dir.Close())
			require.Len(t, seen, 3)
			assert.Equal(t, c.best, r.Best.Epoch)
			equalParams(t, seen[c.best-1], r.BestParams)
			equalParams(t, seen[2], r.Params)
			for file, p := range map[string]*ops.Params{bestFile: r.BestParams, modelFile: r.Params} {
				got := p.Clone()
				clear(got.Weights())
				clear(got.Running())
				require.NoError(t, got.ReadFile(filepath.Join(dir.Path(), file)))
				equalParams(t, p, got)
			}
		})
	}
}

// TestNoBestParams has none, since no epoch is evaluated.
func TestNoBestParams(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	d, err := OpenRunDir(dir)
	require.NoError(t, err)
	c := smallTraining()
	c.Epochs = 1
	r, err := Train(t.Context(), stripes{n: 6, fail: -1}, nil, smallTask(), c, Runtime{Dir: d})
	require.NoError(t, err)
	require.NoError(t, d.Close())
	assert.Nil(t, r.BestParams)
	assert.NoFileExists(t, filepath.Join(dir, bestFile))
}

// TestBestIsResumed restores the best epoch in memory and in its file, which is of
// another epoch, or missing, after a crash.
func TestBestIsResumed(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "run")
	require.NoError(t, trivial(t.Context(), whole, nil))
	want := outcome(t, whole)
	for name, spoil := range map[string]func(path string) error{
		"missing": os.Remove,
		"another": func(path string) error { return os.WriteFile(path, []byte("of another epoch"), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			ctx, cancel := context.WithCancel(t.Context())
			epochs := 0
			err := trivial(ctx, dir, record.Func(func(e record.Event) error {
				if _, ok := e.(record.Epoch); ok {
					if epochs++; epochs == 3 {
						cancel()
					}
				}
				return nil
			}))
			require.ErrorIs(t, err, context.Canceled)
			require.NoError(t, spoil(filepath.Join(dir, bestFile)))
			require.NoError(t, trivial(t.Context(), dir, nil))
			assertSame(t, want, outcome(t, dir))
		})
	}
}

// TestLostCheckpoints do not let a run begin anew over its best epoch.
func TestLostCheckpoints(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	require.NoError(t, trivial(t.Context(), dir, nil))
	files, err := filepath.Glob(filepath.Join(dir, "checkpoint-*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		require.NoError(t, os.Remove(name))
	}
	before := allFiles(t, dir)
	err = trivial(t.Context(), dir, nil)
	require.ErrorContains(t, err, "no checkpoint is left, but best.safetensors; choose another directory, or remove that file")
	assert.Equal(t, before, allFiles(t, dir), "nothing is lost")
	require.NoError(t, os.Remove(filepath.Join(dir, bestFile)))
	require.NoError(t, trivial(t.Context(), dir, nil))
}
