package darts

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/record"
	"unnas/ops"
)

// TestEpochsTellOfTheAlphas holds the figures of epochs against their alphas.
func TestEpochsTellOfTheAlphas(t *testing.T) {
	c := resumable()
	var rt Runtime
	c.ArchStartEpoch = 0
	var epochs []record.Epoch
	rt.Recorder = record.Func(func(e record.Event) error {
		if e, ok := e.(record.Epoch); ok {
			epochs = append(epochs, e)
		}
		return nil
	})
	r, err := Search(t.Context(), resumableSource, smallTask(), c, rt)
	require.NoError(t, err)
	require.Len(t, epochs, 3)
	names := c.Space.Ops.Names()
	require.Contains(t, names, "max_pool_3x3")
	require.Contains(t, names, "avg_pool_3x3")
	var before [][]float64
	for i, e := range epochs {
		now := slices.Concat(e.Normal, e.Reduce)
		require.Len(t, now, 2*c.Space.Edges())
		var pools float64
		for _, row := range now {
			require.Len(t, row, len(names))
			var sum, pool float64
			for k, v := range row {
				sum += math.Exp(v)
				if names[k] == "max_pool_3x3" || names[k] == "avg_pool_3x3" {
					pool += math.Exp(v)
				}
			}
			pools += pool / sum / float64(len(now))
		}
		assert.InDelta(t, pools, e.PoolWeight, 1e-12)
		if i == 0 {
			assert.True(t, math.IsNaN(e.Stability), "there is none before")
		} else {
			assert.Equal(t, cell.KendallTau(before, now), e.Stability)
			assert.Less(t, e.Stability, 1.)
		}
		before = now
	}
	assert.Equal(t, r.Normal, epochs[2].Normal)
	assert.Equal(t, r.Reduce, epochs[2].Reduce)
}

// collapsing is a search whose cells can do nothing but skip.
func collapsing() SearchConfig {
	c := resumable()
	c.Space.Ops, c.Space.Nodes = ops.Set{ops.None(), ops.Skip()}, 2
	return c
}

func TestCollapseIsWarnedOfOnce(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*SearchConfig)
		want   int
	}{
		"as it is":            {func(*SearchConfig) {}, 1},
		"alphas never learn":  {func(c *SearchConfig) { c.ArchStartEpoch = 3 }, 0},
		"derivation is bound": {func(c *SearchConfig) { c.Space.MaxSkips, c.Space.Ops = 3, append(c.Space.Ops, ops.MaxPool(3)) }, 0},
		"one skip at most":    {func(c *SearchConfig) { c.Space.Nodes, c.Space.Ops = 1, ops.Set{ops.None(), ops.MaxPool(3)} }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			c := collapsing()
			var rt Runtime
			test.change(&c)
			var warnings, epochs []string
			epoch := 0
			rt.Recorder = record.Func(func(e record.Event) error {
				switch e := e.(type) {
				case record.Epoch:
					epoch = e.Epoch
				case record.Warning:
					warnings, epochs = append(warnings, e.Text), append(epochs, fmt.Sprint(epoch))
				}
				return nil
			})
			all := rt.Recorder
			// It is stopped within the last epoch, and goes on.
			ctx, stop := stopAfter(t, 7)
			rt.Recorder = record.Recorders(all, stop)
			_, err := keepRun(ctx, dir, resumableSource, c, rt)
			require.ErrorIs(t, err, context.Canceled)
			rt.Recorder = all
			_, err = keepRun(t.Context(), dir, resumableSource, c, rt)
			require.NoError(t, err)
			if c.ArchStartEpoch == 3 { // of which another warning tells, once a start
				warnings = slices.DeleteFunc(warnings, func(s string) bool { return strings.Contains(s, "never learn") })
			}
			require.Len(t, warnings, test.want)
			if test.want > 0 {
				assert.Equal(t, []string{"2"}, epochs, "after the first epoch in which the alphas learn")
				for _, want := range []string{"4 of the 4 edges", "StopSkips", "MaxSkips", "ArchStartEpoch"} {
					assert.Contains(t, warnings[0], want)
				}
			}
		})
	}
}

func TestFolderKeepsWeights(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	c := resumable()
	c.Epochs = 2
	r, err := keepRun(t.Context(), dir, resumableSource, c, Runtime{})
	require.NoError(t, err)
	var want bytes.Buffer
	require.NoError(t, r.Params.WriteSafetensors(&want, nil))
	got, err := os.ReadFile(filepath.Join(dir, "supernet.safetensors"))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want.Bytes(), got))
	assert.Contains(t, string(got[:1<<12]), `"alphas_normal"`)
}

func TestFolderIsLocked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	folder, err := OpenRunDir(dir)
	require.NoError(t, err)
	_, err = OpenRunDir(dir)
	require.ErrorIs(t, err, ErrInUse)
	for _, want := range []string{"darts: ", dir, "another run is writing", "choose another directory"} {
		assert.ErrorContains(t, err, want)
	}
	require.NoError(t, folder.Close())
	folder, err = OpenRunDir(dir)
	require.NoError(t, err, "it has been released")
	assert.True(t, folder.HasRun())
	_, err = OpenRunDir(dir)
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, folder.Discard())
	folder, err = OpenRunDir(dir)
	require.NoError(t, err)
	require.NoError(t, folder.Close())
}
