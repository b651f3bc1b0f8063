package sweep_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/sweep"
)

// The variables that make this program a worker on a folder, with a number of jobs,
// or one that only opens it.
const (
	workerFolder = "UNNAS_TEST_SWEEP"
	workerJobs   = "UNNAS_TEST_SWEEP_JOBS"
	openerJobs   = "UNNAS_TEST_SWEEP_OPEN"
)

func TestMain(m *testing.M) {
	dir := os.Getenv(workerFolder)
	if dir == "" {
		os.Exit(m.Run())
	}
	n := 30
	_, _ = fmt.Sscan(os.Getenv(workerJobs), &n)
	if jobs := os.Getenv(openerJobs); jobs != "" {
		_, _ = fmt.Sscan(jobs, &n)
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until all are there
	}
	s, err := sweep.Open(dir, numbers(n))
	if err == nil && os.Getenv(openerJobs) == "" {
		err = s.Run(context.Background(), sweep.Options{}, logged)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// logged is a job that leaves a line in a file when it begins, and fails if its
// folder is in use.
func logged(ctx context.Context, job sweep.Job, dir string) (any, error) {
	log, err := os.OpenFile(filepath.Join(dir, "..", "..", "log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if _, err := fmt.Fprintln(log, job.Name); err != nil {
		return nil, err
	}
	time.Sleep(2 * time.Millisecond)
	return square(ctx, job, dir)
}

// started returns how often each job has begun.
func started(t *testing.T, dir string) map[string]int {
	text, err := os.ReadFile(filepath.Join(dir, "log"))
	require.NoError(t, err)
	n := map[string]int{}
	for name := range strings.Lines(string(text)) {
		n[strings.TrimSpace(name)]++
	}
	return n
}

func worker(t *testing.T, dir string, env ...string) *exec.Cmd {
	program, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(program)
	c.Env = append(append(os.Environ(), workerFolder+"="+dir), env...)
	return c
}

// TestWorkersInProcesses: each job is done once.
func TestWorkersInProcesses(t *testing.T) {
	dir := t.TempDir()
	var all []*exec.Cmd
	for range 4 {
		w := worker(t, dir)
		require.NoError(t, w.Start())
		all = append(all, w)
	}
	for _, w := range all {
		require.NoError(t, w.Wait())
	}
	for name, n := range started(t, dir) {
		assert.Equal(t, 1, n, name)
	}
	assert.Len(t, results(t, open(t, dir, numbers(30))), 30)
}

// TestKilledWorkers kills workers at any time, until all jobs are done. A job may
// begin once more for each that is killed, and none again once it has a result.
func TestKilledWorkers(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	open(t, dir, numbers(30))
	killed := 0
	for round := 1; len(results(t, open(t, dir, numbers(30)))) < 30; round++ {
		before := started0(t, dir)
		done := results(t, open(t, dir, numbers(30)))
		var all []*exec.Cmd
		for range 2 {
			w := worker(t, dir)
			require.NoError(t, w.Start())
			all = append(all, w)
		}
		time.Sleep(time.Duration(10*round+r.IntN(40)) * time.Millisecond) // longer where programs take long to start
		for _, w := range all {
			_ = w.Process.Kill()
			if w.Wait() != nil {
				killed++
			}
		}
		for name := range done {
			require.Equal(t, before[name], started(t, dir)[name], "%s was done", name)
		}
	}
	begun := 0
	for _, n := range started(t, dir) {
		begun += n
	}
	assert.LessOrEqual(t, begun, 30+killed)
	s := open(t, dir, numbers(30))
	require.NoError(t, s.Run(t.Context(), sweep.Options{}, broken))
	state, err := s.State()
	require.NoError(t, err)
	assert.Equal(t, sweep.State{Jobs: 30, Done: 30}, state)
	left, err := os.ReadDir(filepath.Join(dir, "work"))
	require.NoError(t, err)
	assert.Empty(t, left, "folders of jobs that are done")
}

// started0 is started before the first job.
func started0(t *testing.T, dir string) map[string]int {
	if _, err := os.Stat(filepath.Join(dir, "log")); err != nil {
		return nil
	}
	return started(t, dir)
}

// TestCrashAtEveryWrite continues from each state of the folder that a worker may
// leave that is killed between two changes of it.
func TestCrashAtEveryWrite(t *testing.T) {
	whole := t.TempDir()
	require.NoError(t, open(t, whole, numbers(1)).Run(t.Context(), sweep.Options{}, square))
	result, err := os.ReadFile(filepath.Join(whole, "results", "job-00.json"))
	require.NoError(t, err)
	put := func(t *testing.T, path string, text []byte) {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, text, 0o644))
	}
	const temp = ".job-00.json.0123456789abcdef.tmp"
	steps := []struct {
		name   string
		change func(t *testing.T, dir string)
		calls  int // of do, that are then needed
	}{
		{"nothing", func(*testing.T, string) {}, 1},
		{"the lock is made", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "locks", "job-00.lock"), nil) }, 1},
		{"the folder is made", func(t *testing.T, dir string) {
			require.NoError(t, os.Mkdir(filepath.Join(dir, "work", "job-00"), 0o755))
		}, 1},
		{"the job has written", func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, "work", "job-00", "checkpoint"), []byte("x"))
		}, 1},
		{"the result is being written", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "results", temp), result[:9]) }, 1},
		{"the result is written", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "results", temp), result) }, 1},
		{"the result has its name", func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(filepath.Join(dir, "results", temp), filepath.Join(dir, "results", "job-00.json")))
		}, 0},
		{"the mark is half written", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "locks", "job-00.lock"), []byte("do")) }, 0},
		{"the mark is written", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "locks", "job-00.lock"), []byte("done\n")) }, 0},
		{"the checkpoint is removed", func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "work", "job-00", "checkpoint")))
		}, 0},
	}
	for k := range steps {
		t.Run(steps[k].name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, numbers(1))
			for _, step := range steps[:k+1] {
				step.change(t, dir)
			}
			calls := 0
			require.NoError(t, s.Run(t.Context(), sweep.Options{}, func(ctx context.Context, job sweep.Job, d string) (any, error) {
				calls++
				if k >= 3 {
					assert.FileExists(t, filepath.Join(d, "checkpoint"))
				}
				return square(ctx, job, d)
			}))
			assert.Equal(t, steps[k].calls, calls)
			assert.Equal(t, map[string]string{"job-00": "0"}, results(t, s))
			left, err := os.ReadDir(filepath.Join(dir, "work"))
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}

// TestTemporaryFilesAreSwept once they are too old to be under way.
func TestTemporaryFilesAreSwept(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, numbers(2))
	const fresh, stale = ".x.json.0123456789abcdef.tmp", ".y.json.0123456789abcdef.tmp"
	folders := []string{dir, filepath.Join(dir, "results"), filepath.Join(dir, "failures", "job-00")}
	require.NoError(t, os.Mkdir(folders[2], 0o755))
	for _, folder := range folders {
		for _, name := range []string{fresh, stale} {
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), nil, 0o644))
		}
		past := time.Now().Add(-25 * time.Hour)
		require.NoError(t, os.Chtimes(filepath.Join(folder, stale), past, past))
	}
	require.NoError(t, s.Run(t.Context(), sweep.Options{}, square))
	for _, folder := range folders {
		assert.FileExists(t, filepath.Join(folder, fresh))
		assert.NoFileExists(t, filepath.Join(folder, stale))
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	assert.Equal(t, []string{fresh, "failures", "locks", "manifest.json", "results", "work"}, names)
}

// TestDoneUnderTheLock: a client that does not see the result yet, as on NFS, does
// not do the job again, and says so if it never comes.
func TestDoneUnderTheLock(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, numbers(3))
	require.NoError(t, s.Run(t.Context(), sweep.Options{}, square))
	require.NoError(t, os.Remove(filepath.Join(dir, "results", "job-01.json")))
	err := s.Run(t.Context(), sweep.Options{}, broken)
	require.ErrorContains(t, err, "sweep: 1 jobs are done, but their results are missing: job-01; remove their files in "+filepath.Join(dir, "locks"))
	require.NoError(t, os.Remove(filepath.Join(dir, "locks", "job-01.lock")))
	require.NoError(t, s.Run(t.Context(), sweep.Options{}, square))
	assert.Len(t, results(t, s), 3)
}

// TestNameOfALock: jobs may be named as the locks of others are.
func TestNameOfALock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m sweep.Manifest
		for i, name := range []string{"a.lock", "a", "a.lock.lock", "a-1", "a-1.json"} {
			m.Jobs = append(m.Jobs, sweep.Job{Name: name, Spec: json.RawMessage(fmt.Sprint(i))})
		}
		s := open(t, t.TempDir(), m)
		failed := false
		ctx, stop := context.WithCancel(t.Context())
		require.ErrorIs(t, s.Run(ctx, sweep.Options{}, func(ctx context.Context, job sweep.Job, dir string) (any, error) {
			stop() // so that the folder of a.lock stays
			return nil, ctx.Err()
		}), context.Canceled)
		require.NoError(t, s.Run(t.Context(), sweep.Options{}, func(ctx context.Context, job sweep.Job, dir string) (any, error) {
			if job.Name == "a" && !failed {
				failed = true
				return broken(ctx, job, dir)
			}
			return square(ctx, job, dir)
		}))
		assert.Len(t, results(t, s), 5)
	})
}

// TestManifestsRace opens one folder with different manifests at a time: one
// succeeds, and the others are refused.
func TestManifestsRace(t *testing.T) {
	t.Run("goroutines", func(t *testing.T) {
		for i := range 20 {
			dir := filepath.Join(t.TempDir(), fmt.Sprint(i))
			require.NoError(t, os.Mkdir(dir, 0o755))
			var errs [4]error
			var all sync.WaitGroup
			begin := make(chan struct{})
			for k := range errs {
				all.Go(func() { <-begin; _, errs[k] = sweep.Open(dir, numbers(3+k)) })
			}
			close(begin)
			all.Wait()
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
					continue
				}
				assert.ErrorContains(t, err, "has another sweep")
			}
			require.Equal(t, 1, won)
		}
	})
	t.Run("processes", func(t *testing.T) {
		dir := t.TempDir()
		var errs []error
		var begin []func() error
		var wait []func() error
		for k := range 4 {
			w := worker(t, dir, fmt.Sprint(openerJobs, "=", 3+k))
			in, err := w.StdinPipe()
			require.NoError(t, err)
			require.NoError(t, w.Start())
			begin, wait = append(begin, in.Close), append(wait, w.Wait)
		}
		for _, f := range begin {
			require.NoError(t, f())
		}
		for _, f := range wait {
			if err := f(); err == nil {
				errs = append(errs, err)
			}
		}
		assert.Len(t, errs, 1, "those that succeed")
	})
}

// TestStateListsFolders: it counts the files of results without reading them.
func TestStateListsFolders(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, numbers(90))
	require.NoError(t, s.Run(t.Context(), sweep.Options{Shard: sweep.Shard{Index: 0, Count: 2}}, func(ctx context.Context, job sweep.Job, d string) (any, error) {
		time.Sleep(time.Millisecond)
		return square(ctx, job, d)
	}))
	state, err := s.State()
	require.NoError(t, err)
	assert.Equal(t, []int{90, 45, 0, 0}, []int{state.Jobs, state.Done, state.Running, state.Failed})
	assert.GreaterOrEqual(t, state.Left, 45*time.Millisecond)
	for i := range 45 {
		require.NoError(t, os.Truncate(filepath.Join(dir, "results", fmt.Sprintf("job-%02d.json", i)), 0))
	}
	state, err = s.State()
	require.NoError(t, err)
	assert.Equal(t, sweep.State{Jobs: 90, Done: 45}, state)
}
