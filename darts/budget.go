package darts

import (
	"fmt"

	"unnas/internal/engine"
	"unnas/internal/format"
	"unnas/internal/loader"
	"unnas/internal/ranks"
	"unnas/pretext"
)

func (c SearchConfig) budget(rt Runtime) engine.Budget {
	return engine.Budget{
		Batch: c.Batch, MicroBatch: c.MicroBatch, Memory: rt.Memory, Recompute: rt.Recompute,
		Halves: !rt.AutoBatch && c.divisible(),
	}
}

func (c TrainConfig) budget(rt Runtime) engine.Budget {
	return engine.Budget{Batch: c.Batch, MicroBatch: c.MicroBatch, Memory: rt.Memory, Recompute: rt.Recompute}
}

// validateMicroBatch returns an error if parts of a size do not make up a batch.
func validateMicroBatch(batch, micro int) error {
	if micro > 0 && batch%micro != 0 {
		return fmt.Errorf("darts: MicroBatch is %d, must divide Batch, which is %d; 0 takes the whole batch at once", micro, batch)
	}
	return nil
}

// halved returns the hyperparameters with half the batch and half the rates, as the
// authors search where memory is short (Liu et al., 2020, arXiv 2003.12056,
// supplement B.1), and whether AutoBatch asks for them and there are any.
func (c SearchConfig) halved(rt Runtime) (SearchConfig, bool) {
	if !rt.AutoBatch || !c.divisible() {
		return c, false
	}
	return c.WithBatch(c.Batch / 2), true
}

// divisible says whether it may help to halve the batch: an odd one has no half, and
// to halve one of micro-batches would spare next to nothing.
func (c SearchConfig) divisible() bool { return c.Batch%2 == 0 && c.MicroBatch == 0 }

// resembling returns the hyperparameters, halved as often as makes the batch that of an
// earlier part of the run, which may have had less memory. If that never happens
// they are as given.
func (c SearchConfig) resembling(rt Runtime, batch int) SearchConfig {
	for half, ok := c, true; ok; half, ok = half.halved(rt) {
		if half.Batch == batch {
			return half
		}
	}
	return c
}

// planToFit plans a search in the room that it has besides what is reserved: what does
// not fit is refused, or with AutoBatch halved until it does. It returns the model, not
// bound yet, the hyperparameters that it is planned for, and a warning if they are not those
// given. A search that resumes keeps the batch with which it began; began is 0 for
// others.
func planToFit(c SearchConfig, rt Runtime, group *ranks.Group, task pretext.Task, began int, reserved int64) (m *model, config SearchConfig, warning string, err error) {
	given, first := c, int64(0)
	c = c.resembling(rt, began)
	for {
		if m, err = planModel(c, rt, group, task); err != nil {
			return nil, c, "", err
		}
		m.Bytes += 2*loader.Bytes(task.Spec(), m.Crops(task), c.Batch/group.Size(), rt.workers()) + reserved
		if first == 0 {
			first = m.Planned()
		}
		err = engine.Refused(c.budget(rt).Refusal(m.Planned()), reserved)
		if err == nil {
			break
		}
		half, ok := c.halved(rt)
		switch {
		case c.Batch == began && rt.AutoBatch:
			return nil, c, "", fmt.Errorf("the run resumes with its first batch: %w", err)
		case !ok && c.Batch < given.Batch:
			return nil, c, "", fmt.Errorf("Batch %d does not fit, nor does what is left of it when it is halved: %w", given.Batch, err)
		case !ok:
			return nil, c, "", err
		}
		c = half
	}
	if c.Batch == given.Batch {
		return m, c, "", nil
	}
	rates := fmt.Sprintf("Batch is %d instead of %d, LR.Base %s instead of %s and ArchLR %s instead of %s",
		c.Batch, given.Batch, plain(c.LR.Base), plain(given.LR.Base), plain(c.ArchLR), plain(given.ArchLR))
	if c.Batch == began {
		return m, c, "the run resumes with its first hyperparameters: " + rates, nil
	}
	return m, c, fmt.Sprintf("a step needs %s of memory and may take %s: %s, which needs %s", format.Bytes(first), format.Bytes(c.budget(rt).Room()), rates, format.Bytes(m.Planned())), nil
}
