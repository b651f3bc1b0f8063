package engine

import "errors"

// Mean averages losses and scores over an epoch.
type Mean struct{ Loss, Score, Count float64 }

// Add adds a pass.
func (m *Mean) Add(p Pass) {
	m.Loss += float64(p.Loss * p.Count)
	m.Score += p.Score
	m.Count += p.Count
}

// Counted returns an error if nothing counted.
func (m Mean) Counted() error {
	if m.Count > 0 {
		return nil
	}
	return errors.New("darts: nothing counted in the losses of a whole epoch, so nothing was learned; give each image a label or target that counts, and two or more images at once (Batch, MicroBatch) to a task that compares images")
}

// Value returns the means, NaN if nothing counted.
func (m Mean) Value() (loss, score float64) { return m.Loss / m.Count, m.Score / m.Count }
