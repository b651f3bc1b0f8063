package darts

import (
	"fmt"
	"slices"

	"unnas/internal/loader"
	"unnas/ops"
)

// takeStatistics replaces the running statistics by those of batches together, with
// the weights as they are:
//
//	mean = E[m], variance = E[v + m²] - E[m]²
//
// of the means m and the unbiased variances v of each batch. The ranks take batches in
// turn, and add all of them in order. If it fails they are as they were.
func (t *training) takeStatistics() (err error) {
	if err := t.Host(); err != nil {
		return err
	}
	running := t.Params.Running()
	before := slices.Clone(running)
	defer func() {
		if err != nil {
			copy(running, before)
		}
	}()
	batches := t.statsLoader.Epoch(t.ctx, t.epoch, 0)
	defer batches.Close()
	stats := unshared(t.Params.Stats())
	n, size := min(max(1, t.c.PreciseBN/t.c.budget(t.rt).AtOnce()), t.statsLoader.Steps()), t.Ranks.Size()
	means, squares := make([]float64, len(running)), make([]float64, len(running))
	everyones := make([]float32, size*len(running))
	t.meter.Begin("measuring batch norm", "images", (n+size-1)/size*t.c.budget(t.rt).AtOnce())
	for first := 0; first < n; first += size {
		if first+t.Ranks.Rank() < n {
			err = t.measureBatch(batches)
		}
		if err := t.Ranks.Agree(err); err != nil {
			return err
		}
		if err := t.Ranks.AllGather(everyones, running); err != nil {
			return err
		}
		for i := range min(size, n-first) {
			copy(running, everyones[i*len(running):])
			at := 0
			for _, s := range stats {
				for c, m := range s.Mean {
					m := float64(m)
					means[at] += m
					squares[at] += float64(s.Var[c]) + float64(m*m)
					at++
				}
			}
		}
	}
	at := 0
	for _, s := range stats {
		for c := range s.Mean {
			mean := means[at] / float64(n)
			// Rounding must not leave a variance below zero.
			s.Mean[c], s.Var[c] = float32(mean), float32(max(0, squares[at]/float64(n)-float64(mean*mean)))
			at++
		}
	}
	return nil
}

// measureBatch sets the running statistics to those of the next batch.
func (t *training) measureBatch(batches *loader.Batches) error {
	b, err := batches.Next()
	if err != nil {
		return err
	}
	if _, err := t.Part(t.stats, *b); err != nil {
		return fmt.Errorf("darts: %w", err)
	}
	if err := t.Host(t.Params.Running()); err != nil {
		return err
	}
	return t.meter.Add(b.Images)
}

// unshared leaves out statistics that share the values of others.
func unshared(all []*ops.RunningStats) []*ops.RunningStats {
	seen := map[*float32]bool{}
	return slices.DeleteFunc(all, func(s *ops.RunningStats) bool {
		first := &s.Mean[0]
		defer func() { seen[first] = true }()
		return seen[first]
	})
}

// swap exchanges weights and running statistics with their averages.
func (t *training) swap() error {
	if err := t.Host(); err != nil {
		return err
	}
	for _, pair := range [][2][]float32{{t.Params.Weights(), t.average}, {t.Params.Running(), t.averageRunning}} {
		for i, v := range pair[0] {
			pair[0][i], pair[1][i] = pair[1][i], v
		}
	}
	return nil
}
