package sweep

import (
	"fmt"
	"strconv"
	"strings"
)

// Shard is a part of the jobs of a sweep: the jobs are divided into Count parts of
// nearly equal size, and this is part Index. The zero value is all jobs.
type Shard struct {
	Index int // from 0
	Count int // 0 is 1
}

// ParseShard reads a shard such as 3/8, the third of eight.
func ParseShard(text string) (Shard, error) {
	index, count, ok := strings.Cut(text, "/")
	i, err := strconv.Atoi(index)
	n, err2 := strconv.Atoi(count)
	if !ok || err != nil || err2 != nil || i < 1 || i > n {
		return Shard{}, fmt.Errorf("sweep: shard %q; want number and count, such as 3/8 for the third of eight", text)
	}
	return Shard{i - 1, n}, nil
}

// The environment variables of array tasks.
const (
	slurmID    = "SLURM_ARRAY_TASK_ID"
	slurmMin   = "SLURM_ARRAY_TASK_MIN"
	slurmStep  = "SLURM_ARRAY_TASK_STEP"
	slurmCount = "SLURM_ARRAY_TASK_COUNT"
	kubeIndex  = "JOB_COMPLETION_INDEX" // Kubernetes Indexed Job
	kubeCount  = "JOB_COMPLETIONS"      // must be set by the manifest of the Job
)

// ShardOf returns the shard of an array task of Slurm or of an Indexed Job of
// Kubernetes, from environment variables, and whether there is one. Kubernetes sets the
// index of a task but not their number: the manifest of the Job must set
// JOB_COMPLETIONS. getenv is usually os.Getenv.
func ShardOf(getenv func(string) string) (s Shard, found bool, err error) {
	number := func(name string) int {
		n, e := strconv.Atoi(getenv(name))
		if e != nil && err == nil {
			err = fmt.Errorf("sweep: environment variable %s is %q, not a number; set it, or set the shard explicitly", name, getenv(name))
		}
		return n
	}
	switch {
	case getenv(slurmID) != "":
		id, low, step := number(slurmID), number(slurmMin), 1
		if getenv(slurmStep) != "" {
			step = number(slurmStep)
		}
		s.Count = number(slurmCount)
		if err == nil && (step < 1 || (id-low)%step != 0) {
			err = fmt.Errorf("sweep: array task %d is not one of those from %d in steps of %d", id, low, step)
		}
		if err == nil {
			s.Index = (id - low) / step
		}
	case getenv(kubeIndex) != "":
		s.Index, s.Count = number(kubeIndex), number(kubeCount)
	default:
		return Shard{}, false, nil
	}
	if err == nil {
		err = s.validate()
	}
	if err != nil {
		return Shard{}, true, err
	}
	return s, true, nil
}

func (s Shard) validate() error {
	if s != (Shard{}) && (s.Index < 0 || s.Index >= s.Count) {
		return fmt.Errorf("sweep: shard index %d of %d, want 0 to below the count", s.Index, s.Count)
	}
	return nil
}

// has reports whether job i of n belongs to the shard.
func (s Shard) has(i, n int) bool { return s.Count <= 1 || i*s.Count/n == s.Index }

// String returns the form that ParseShard reads.
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index+1, max(1, s.Count)) }
