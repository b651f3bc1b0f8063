package sweep_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/sweep"
)

// numbers returns a manifest of n jobs, whose specs are their numbers.
func numbers(n int) sweep.Manifest {
	m := sweep.Manifest{Settings: json.RawMessage(`{"power": 2}`)}
	for i := range n {
		m.Jobs = append(m.Jobs, sweep.Job{Name: fmt.Sprintf("job-%02d", i), Spec: json.RawMessage(fmt.Sprint(i))})
	}
	return m
}

// square is a job.
func square(_ context.Context, job sweep.Job, _ string) (any, error) {
	var i int
	if err := json.Unmarshal(job.Spec, &i); err != nil {
		return nil, err
	}
	return i * i, nil
}

// results returns what there is, by name.
func results(t *testing.T, s *sweep.Sweep) map[string]string {
	all := map[string]string{}
	require.NoError(t, s.Results(func(job sweep.Job, result json.RawMessage) error {
		all[job.Name] = string(result)
		return nil
	}))
	return all
}

func open(t *testing.T, dir string, m sweep.Manifest) *sweep.Sweep {
	s, err := sweep.Open(dir, m)
	require.NoError(t, err)
	return s
}

func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "sweep")
	s := open(t, dir, numbers(5))
	var reported []string
	require.NoError(t, s.Run(t.Context(), sweep.Options{Report: func(e sweep.Event) { reported = append(reported, fmt.Sprint(e.Kind, " ", e.Job.Name)) }}, square))
	assert.Equal(t, map[string]string{"job-00": "0", "job-01": "1", "job-02": "4", "job-03": "9", "job-04": "16"}, results(t, s))
	assert.Equal(t, []string{"started job-00", "done job-00", "started job-01", "done job-01"}, reported[:4])
	left, err := os.ReadDir(filepath.Join(dir, "work"))
	require.NoError(t, err)
	assert.Empty(t, left)

	again, err := sweep.Load(dir)
	require.NoError(t, err)
	require.NoError(t, again.Run(t.Context(), sweep.Options{}, func(context.Context, sweep.Job, string) (any, error) {
		return nil, errors.New("nothing is left to do")
	}))
	state, err := again.State()
	require.NoError(t, err)
	assert.Equal(t, sweep.State{Jobs: 5, Done: 5}, state)
}

// TestShards does a sweep in three parts, each of its own program as it were.
func TestShards(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		shard, err := sweep.ParseShard(fmt.Sprintf("%d/3", i+1))
		require.NoError(t, err)
		s := open(t, dir, numbers(7))
		require.NoError(t, s.Run(t.Context(), sweep.Options{Shard: shard}, square))
		assert.Len(t, results(t, s), []int{3, 5, 7}[i])
	}
}

// TestManyWorkers lets several workers do all jobs; each job is done once.
func TestManyWorkers(t *testing.T) {
	dir := t.TempDir()
	var done [40]atomic.Int64
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			s, err := sweep.Open(dir, numbers(len(done)))
			if !assert.NoError(t, err) {
				return
			}
			assert.NoError(t, s.Run(t.Context(), sweep.Options{}, func(ctx context.Context, job sweep.Job, d string) (any, error) {
				result, err := square(ctx, job, d)
				var i int
				assert.NoError(t, json.Unmarshal(job.Spec, &i))
				done[i].Add(1)
				time.Sleep(time.Millisecond)
				return result, err
			}))
		})
	}
	workers.Wait()
	for i := range done {
		assert.Equal(t, int64(1), done[i].Load(), "job %d", i)
	}
	assert.Len(t, results(t, open(t, dir, numbers(len(done)))), len(done))
}

// TestInterruption stops a job, whose folder is there when it is begun again.
func TestInterruption(t *testing.T) {
	s := open(t, t.TempDir(), numbers(2))
	ctx, stop := context.WithCancel(t.Context())
	err := s.Run(ctx, sweep.Options{}, func(ctx context.Context, _ sweep.Job, dir string) (any, error) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "half"), []byte("way"), 0o644))
		stop()
		return nil, ctx.Err()
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, results(t, s))
	found := 0
	require.NoError(t, s.Run(t.Context(), sweep.Options{}, func(ctx context.Context, job sweep.Job, dir string) (any, error) {
		if text, err := os.ReadFile(filepath.Join(dir, "half")); err == nil && string(text) == "way" {
			found++
		}
		return square(ctx, job, dir)
	}))
	assert.Equal(t, 1, found)
	assert.Len(t, results(t, s), 2)
}

// TestDamagedResults does again what is cut short, of another job, or no JSON.
func TestDamagedResults(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, numbers(4))
	require.NoError(t, s.Run(t.Context(), sweep.Options{}, square))
	path := func(i int) string { return filepath.Join(dir, "results", fmt.Sprintf("job-%02d.json", i)) }
	whole, err := os.ReadFile(path(0))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path(1), whole[:len(whole)/2], 0o644))
	require.NoError(t, os.WriteFile(path(2), whole, 0o644))
	require.NoError(t, os.WriteFile(path(3), nil, 0o644))
	assert.Len(t, results(t, s), 1)
	var redone []string
	require.NoError(t, s.Run(t.Context(), sweep.Options{Report: func(e sweep.Event) {
		switch e.Kind {
		case sweep.Retried:
			redone = append(redone, e.Err.Error())
		case sweep.Started:
			text, err := os.ReadFile(filepath.Join(dir, "locks", e.Job.Name+".lock"))
			assert.NoError(t, err)
			assert.Empty(t, text, "a job that is done again is not done")
		}
	}}, square))
	require.Len(t, redone, 3)
	assert.Contains(t, redone[0], "job-01.json is damaged")
	assert.Contains(t, redone[1], "job-02.json is damaged: it belongs to another job or manifest")
	assert.Len(t, results(t, s), 4)
}

func TestOtherManifest(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, numbers(3))
	for want, change := range map[string]func(m *sweep.Manifest){
		`the settings are {"power":2}, not {"power": 3}`: func(m *sweep.Manifest) { m.Settings = json.RawMessage(`{"power": 3}`) },
		"there are 3 jobs, not 2":                        func(m *sweep.Manifest) { m.Jobs = m.Jobs[:2] },
		"job 1 is job-01, not other":                     func(m *sweep.Manifest) { m.Jobs[1].Name = "other" },
		"job job-02 is 2, not 7":                         func(m *sweep.Manifest) { m.Jobs[2].Spec = json.RawMessage("7") },
	} {
		m := numbers(3)
		change(&m)
		_, err := sweep.Open(dir, m)
		require.ErrorContains(t, err, "has another sweep")
		assert.ErrorContains(t, err, strings.ReplaceAll(want, `{"power":2}`, "{\n  \"power\": 2\n }"))
	}
	_, err := sweep.Load(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "manifest.json"), []byte("{"), 0o644))
	_, err = sweep.Load(dir)
	assert.ErrorContains(t, err, "is not a manifest")
}

func TestManifestIsValidated(t *testing.T) {
	for want, m := range map[string]sweep.Manifest{
		"has no jobs":                      {},
		`job 0 is named ""`:                {Jobs: []sweep.Job{{}}},
		`job 1 is named "../up"`:           {Jobs: []sweep.Job{{Name: "a"}, {Name: "../up"}}},
		`job 0 is named "a."`:              {Jobs: []sweep.Job{{Name: "a."}}},
		"jobs 0 and 2 are both named same": {Jobs: []sweep.Job{{Name: "same"}, {Name: "b"}, {Name: "same"}}},
		"of jobs 0 and 1, cell-A and cell-a, differ only in case": {Jobs: []sweep.Job{{Name: "cell-A"}, {Name: "cell-a"}}},
		"job 0 is named CON, which is a device on Windows":        {Jobs: []sweep.Job{{Name: "CON"}}},
		"job 0 is named nul.x.y, which is a device":               {Jobs: []sweep.Job{{Name: "nul.x.y"}}},
		"job 0 is named Lpt9, which is a device":                  {Jobs: []sweep.Job{{Name: "Lpt9"}}},
	} {
		_, err := sweep.Open(t.TempDir(), m)
		assert.ErrorContains(t, err, want)
	}
	for _, good := range []string{"a", "9", "console", "com10", "x-1", "a.lock", "a_", strings.Repeat("n", 100)} {
		assert.NoError(t, sweep.Manifest{Jobs: []sweep.Job{{Name: good}}}.Validate(), good)
	}
	assert.Error(t, sweep.Manifest{Jobs: []sweep.Job{{Name: strings.Repeat("n", 101)}}}.Validate())
	_, err := sweep.Open(t.TempDir(), sweep.Manifest{Jobs: []sweep.Job{{Name: "a", Spec: json.RawMessage("{")}}})
	assert.ErrorContains(t, err, "no JSON form")
}

func TestShardOf(t *testing.T) {
	for name, c := range map[string]struct {
		env   map[string]string
		want  sweep.Shard
		found bool
		fault string
	}{
		"none":             {},
		"slurm":            {map[string]string{"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "5", "SLURM_ARRAY_TASK_COUNT": "4"}, sweep.Shard{Index: 2, Count: 4}, true, ""},
		"slurm with steps": {map[string]string{"SLURM_ARRAY_TASK_ID": "9", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_STEP": "4", "SLURM_ARRAY_TASK_COUNT": "3"}, sweep.Shard{Index: 2, Count: 3}, true, ""},
		"off the steps":    {map[string]string{"SLURM_ARRAY_TASK_ID": "8", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_STEP": "4", "SLURM_ARRAY_TASK_COUNT": "3"}, sweep.Shard{}, true, "array task 8"},
		"kubernetes":       {map[string]string{"JOB_COMPLETION_INDEX": "0", "JOB_COMPLETIONS": "2"}, sweep.Shard{Index: 0, Count: 2}, true, ""},
		"no count":         {map[string]string{"JOB_COMPLETION_INDEX": "0"}, sweep.Shard{}, true, "JOB_COMPLETIONS"},
		"beyond":           {map[string]string{"JOB_COMPLETION_INDEX": "2", "JOB_COMPLETIONS": "2"}, sweep.Shard{}, true, "shard index 2"},
		"no number":        {map[string]string{"SLURM_ARRAY_TASK_ID": "x", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "3"}, sweep.Shard{}, true, `"x", not a number`},
	} {
		t.Run(name, func(t *testing.T) {
			got, found, err := sweep.ShardOf(func(v string) string { return c.env[v] })
			assert.Equal(t, c.found, found)
			assert.Equal(t, c.want, got)
			if c.fault != "" {
				assert.ErrorContains(t, err, c.fault)
			} else {
				assert.NoError(t, err)
			}
		})
	}
	for _, text := range []string{"", "3", "0/2", "3/2", "a/b", "1/2/3", "1/0"} {
		_, err := sweep.ParseShard(text)
		assert.ErrorContains(t, err, "such as 3/8", text)
	}
	assert.Equal(t, "1/1", sweep.Shard{}.String())
	assert.Equal(t, "2/3", sweep.Shard{Index: 1, Count: 3}.String())
}

// Two jobs square their numbers. The second time there is nothing to do.
func ExampleOpen() {
	dir, _ := os.MkdirTemp("", "sweep")
	defer os.RemoveAll(dir)
	manifest := sweep.Manifest{Jobs: []sweep.Job{
		{Name: "three", Spec: json.RawMessage("3")},
		{Name: "four", Spec: json.RawMessage("4")},
	}}
	for range 2 {
		s, err := sweep.Open(dir, manifest)
		if err != nil {
			fmt.Println(err)
			return
		}
		err = s.Run(context.Background(), sweep.Options{}, func(_ context.Context, job sweep.Job, _ string) (any, error) {
			var x int
			err := json.Unmarshal(job.Spec, &x)
			fmt.Println("squaring", x)
			return x * x, err
		})
		fmt.Println(err)
		_ = s.Results(func(job sweep.Job, result json.RawMessage) error {
			fmt.Println(job.Name, string(result))
			return nil
		})
	}
	// Output:
	// squaring 3
	// squaring 4
	// <nil>
	// three 9
	// four 16
	// <nil>
	// three 9
	// four 16
}
