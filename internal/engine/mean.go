package engine

import "errors"

// Mean gathers losses and scores over an epoch.
type Mean struct{ Loss, Score, Count float64 }

// Add adds a pass.
func (m *Mean) Add(p Pass) {
	m.Loss += float64(p.Loss * p.Count)
	m.Score += p.Score
	m.Count += p.Count
}

// Counted returns an error if nothing counted in the losses.
func (m Mean) Counted() error {
	if m.Count > 0 {
		return nil
	}
	return errors.New("darts: nothing counts in the losses of a whole epoch, so nothing was learned; does each image have a label or target that counts, and a task that compares images two or more at once (Batch, MicroBatch)?")
}

// Value returns the means, NaN if there was nothing.
func (m Mean) Value() (loss, score float64) { return m.Loss / m.Count, m.Score / m.Count }
