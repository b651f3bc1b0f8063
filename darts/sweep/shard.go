package sweep

import (
	"fmt"
	"strconv"
	"strings"
)

// Shard is a part of the jobs of a sweep: of Count runs of jobs, as equal as can be,
// that with the number Index. The zero value is all of them.
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
		return Shard{}, fmt.Errorf("sweep: shard %q; give number and count, such as 3/8 for the third of eight", text)
	}
	return Shard{i - 1, n}, nil
}

// The variables that job managers set in each task of an array.
const (
	slurmID    = "SLURM_ARRAY_TASK_ID"
	slurmMin   = "SLURM_ARRAY_TASK_MIN"
	slurmStep  = "SLURM_ARRAY_TASK_STEP"
	slurmCount = "SLURM_ARRAY_TASK_COUNT"
	kubeIndex  = "JOB_COMPLETION_INDEX" // of an Indexed Job of Kubernetes
	kubeCount  = "JOB_COMPLETIONS"      // for the manifest of the Job to set; Kubernetes does not
)

// ShardOf returns the shard that the environment of an array task of Slurm or of
// an Indexed Job of Kubernetes means, and whether it is one. Kubernetes tells a
// task its index and not their count: its manifest must set JOB_COMPLETIONS. getenv
// is os.Getenv as a rule.
func ShardOf(getenv func(string) string) (s Shard, found bool, err error) {
	number := func(name string) int {
		n, e := strconv.Atoi(getenv(name))
		if e != nil && err == nil {
			err = fmt.Errorf("sweep: the variable %s is %q, not a number; set it, or give the shard by hand", name, getenv(name))
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
			err = fmt.Errorf("sweep: array task %d is none of those from %d in steps of %d", id, low, step)
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
		return fmt.Errorf("sweep: shard number %d, from 0, of %d", s.Index, s.Count)
	}
	return nil
}

// has says whether job i of n belongs to the shard.
func (s Shard) has(i, n int) bool { return s.Count <= 1 || i*s.Count/n == s.Index }

// String returns the form that ParseShard reads.
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index+1, max(1, s.Count)) }
