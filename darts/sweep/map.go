package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrUnfinished is the error of [Map] while jobs are left to other programs.
var ErrUnfinished = errors.New("jobs are not done")

// Map does a job for each spec, in a folder, and returns the results in their order. It
// is [Open], [Sweep.Run] and [Sweep.Results] for jobs of one kind, which are named by
// their numbers from 0 and whose specs and results have a JSON form. Any number of
// programs may call it with the same specs and folder. One that finds nothing left to
// do, while others are still at jobs, or when it has done those of its shard, gets
// ErrUnfinished: call Map again once they have ended.
func Map[S, R any](ctx context.Context, dir string, specs []S, o Options, do func(ctx context.Context, spec S, dir string) (R, error)) ([]R, error) {
	var m Manifest
	for i, spec := range specs {
		text, err := json.Marshal(spec)
		if err != nil {
			return nil, fmt.Errorf("sweep: spec %d: %w", i, err)
		}
		m.Jobs = append(m.Jobs, Job{Name: fmt.Sprintf("%04d", i), Spec: text})
	}
	s, err := Open(dir, m)
	if err != nil {
		return nil, err
	}
	err = s.Run(ctx, o, func(ctx context.Context, job Job, dir string) (any, error) {
		var spec S
		if err := json.Unmarshal(job.Spec, &spec); err != nil {
			return nil, err
		}
		return do(ctx, spec, dir)
	})
	if err != nil {
		return nil, err
	}
	var results []R
	err = s.Results(func(job Job, text json.RawMessage) error {
		var r R
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("sweep: result of job %s: %w", job.Name, err)
		}
		results = append(results, r)
		return nil
	})
	if err == nil && len(results) < len(specs) {
		err = fmt.Errorf("sweep: %w: %d of %d; other programs are at them, or have them in their shards: run this one again once those have ended", ErrUnfinished, len(specs)-len(results), len(specs))
	}
	if err != nil {
		return nil, err
	}
	return results, nil
}
