package sweep_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/sweep"
	"unnas/internal/filelock"
)

// on opens a sweep as a machine of that name.
func on(t *testing.T, host, dir string, m sweep.Manifest) *sweep.Sweep {
	s := open(t, dir, m)
	s.SetHost(host)
	return s
}

func broken(context.Context, sweep.Job, string) (any, error) {
	return nil, errors.New("the data are not mounted")
}

// TestFailures tries a job that fails, and one that panics, as often as is wanted.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := on(t, "node", dir, numbers(3))
		calls := map[string]int{}
		do := func(ctx context.Context, job sweep.Job, d string) (any, error) {
			calls[job.Name]++
			switch {
			case job.Name == "job-00":
				return nil, fmt.Errorf("no luck %d", calls[job.Name])
			case job.Name == "job-01" && calls[job.Name] == 1:
				panic("once")
			}
			return square(ctx, job, d)
		}
		err := s.Run(t.Context(), sweep.Options{Attempts: 7}, do)
		require.ErrorContains(t, err, "sweep: 1 jobs have failed 7 times on node")
		assert.ErrorContains(t, err, "job-00: no luck 7")
		assert.Equal(t, map[string]int{"job-00": 7, "job-01": 2, "job-02": 1}, calls)
		assert.Equal(t, map[string]string{"job-01": "1", "job-02": "4"}, results(t, s))
		text, err := os.ReadFile(filepath.Join(dir, "failures", "job-01", "node-1.json"))
		require.NoError(t, err)
		assert.Contains(t, string(text), `"error":"panic: once"`)
		assert.Contains(t, string(text), "failure_test.go", "the stack of the panic")
		assert.Contains(t, string(text), `"host":"node"`)
		state, err := s.State()
		require.NoError(t, err)
		assert.Equal(t, []int{3, 2, 1, 0}, []int{state.Jobs, state.Done, state.Failed, state.Running})

		// It is over for good, until the records go.
		require.ErrorContains(t, s.Run(t.Context(), sweep.Options{Attempts: 7}, do), "job-00")
		assert.Equal(t, 7, calls["job-00"])
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "failures", "job-00")))
		require.NoError(t, s.Run(t.Context(), sweep.Options{Attempts: 7}, square))

		for want, o := range map[string]sweep.Options{
			"shard index 3": {Shard: sweep.Shard{Index: 3, Count: 2}},
			"-1 attempts":   {Attempts: -1},
		} {
			assert.ErrorContains(t, open(t, t.TempDir(), numbers(1)).Run(t.Context(), o, square), want)
		}
		fresh := open(t, t.TempDir(), numbers(1))
		assert.ErrorContains(t, fresh.Run(t.Context(), sweep.Options{Attempts: 1}, func(context.Context, sweep.Job, string) (any, error) {
			return func() {}, nil
		}), "no JSON form")
	})
}

// TestBrokenHost lets a host fail at all jobs, again and again; another does them.
func TestBrokenHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := on(t, "broken", dir, numbers(40))
		for range 4 {
			err := s.Run(t.Context(), sweep.Options{}, broken)
			require.ErrorContains(t, err, "5 jobs in a row have failed on broken")
			assert.ErrorContains(t, err, ": the data are not mounted\njob-")
		}
		healthy := on(t, "healthy", dir, numbers(40))
		require.NoError(t, healthy.Run(t.Context(), sweep.Options{}, square))
		assert.Len(t, results(t, healthy), 40)
	})
}

// TestFailuresBetweenSuccesses: they are of the jobs, not of the host.
func TestFailuresBetweenSuccesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := on(t, "node", t.TempDir(), numbers(40))
		n := 0
		err := s.Run(t.Context(), sweep.Options{Attempts: 1}, func(ctx context.Context, job sweep.Job, dir string) (any, error) {
			if n++; n%3 != 0 {
				return broken(ctx, job, dir)
			}
			return square(ctx, job, dir)
		})
		assert.ErrorContains(t, err, "sweep: 27 jobs have failed 1 times on node")
		assert.Len(t, results(t, s), 13)
	})
}

// TestAttemptsCountByHost: what fails on one host is tried on the next, but not on
// all of a thousand.
func TestAttemptsCountByHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		calls := map[string]int{}
		for _, host := range []string{"a", "b-1", "c.example.org", "d"} {
			err := on(t, host, dir, numbers(2)).Run(t.Context(), sweep.Options{Attempts: 2}, func(ctx context.Context, job sweep.Job, d string) (any, error) {
				if job.Name == "job-01" {
					return square(ctx, job, d)
				}
				calls[host]++
				return nil, fmt.Errorf("call %d on %s", calls[host], host)
			})
			last := host
			if host == "d" {
				last = "c.example.org"
			}
			require.ErrorContains(t, err, fmt.Sprintf("job-00: call 2 on %s", last))
		}
		assert.Equal(t, map[string]int{"a": 2, "b-1": 2, "c.example.org": 2}, calls)
	})
}

// TestBackOff: a host rests longer after each further job that fails, and a
// context ends the rest.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := on(t, "node", t.TempDir(), numbers(9))
		begin := time.Now()
		var at []time.Duration
		do := func(ctx context.Context, job sweep.Job, dir string) (any, error) {
			at = append(at, time.Since(begin))
			if len(at) == 4 {
				return square(ctx, job, dir)
			}
			return broken(ctx, job, dir)
		}
		require.ErrorContains(t, s.Run(t.Context(), sweep.Options{}, do), "in a row")
		second := time.Second
		assert.Equal(t, []time.Duration{0, second, 3 * second, 7 * second, 7 * second, 8 * second, 10 * second, 14 * second, 22 * second}, at)

		ctx, stop := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer stop()
		at, begin = nil, time.Now()
		require.ErrorIs(t, on(t, "other", t.TempDir(), numbers(9)).Run(ctx, sweep.Options{}, do), context.DeadlineExceeded)
		assert.Equal(t, []time.Duration{0, second}, at)
		assert.Equal(t, 2500*time.Millisecond, time.Since(begin))
	})
}

// TestNoLocks: a folder without locks is for programs that have their own shards.
func TestNoLocks(t *testing.T) {
	s := open(t, t.TempDir(), numbers(4))
	s.SetLock(func(*os.File) error { return fmt.Errorf("%w (on the moon)", filelock.ErrUnsupported) })
	err := s.Run(t.Context(), sweep.Options{}, square)
	require.ErrorIs(t, err, filelock.ErrUnsupported)
	assert.ErrorContains(t, err, "locks are not supported here (on the moon), so two programs could run one job")
	assert.Empty(t, results(t, s))

	var warnings []error
	require.NoError(t, s.Run(t.Context(), sweep.Options{Shard: sweep.Shard{Index: 0, Count: 2}, Report: func(e sweep.Event) {
		if e.Kind == sweep.Unlocked {
			warnings = append(warnings, e.Err)
		}
	}}, square))
	require.Len(t, warnings, 1)
	assert.ErrorContains(t, warnings[0], "on the moon")
	assert.Len(t, results(t, s), 2)
}

// TestUnreadableResults: what a disk does not give at the moment is not done again,
// nor left out.
func TestUnreadableResults(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, numbers(2))
	require.NoError(t, s.Run(t.Context(), sweep.Options{}, square))
	path := filepath.Join(dir, "results", "job-01.json")
	require.NoError(t, os.Rename(path, path+".kept"))
	require.NoError(t, os.Mkdir(path, 0o755)) // a folder cannot be read as a file
	assert.ErrorContains(t, s.Run(t.Context(), sweep.Options{}, broken), path)
	assert.ErrorContains(t, s.Results(func(sweep.Job, json.RawMessage) error { return nil }), path)
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Rename(path+".kept", path))
	require.NoError(t, s.Run(t.Context(), sweep.Options{}, broken))
	assert.Len(t, results(t, s), 2)
}
