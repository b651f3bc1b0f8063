package darts

import (
	"cmp"
	"fmt"
	"strings"

	"unnas/internal/format"
	"unnas/internal/loader"
	"unnas/internal/memory"
	"unnas/pretext"
)

// budget are the settings of a run that say how much memory a step takes and may
// take.
type budget struct {
	batch, micro int
	memory       int64
	recompute    bool
	halves       bool // whether AutoBatch would halve the batch
}

func (c SearchConfig) budget(rt Runtime) budget {
	return budget{c.Batch, c.MicroBatch, rt.Memory, rt.Recompute, !rt.AutoBatch && c.divisible()}
}

func (c TrainConfig) budget(rt Runtime) budget {
	return budget{c.Batch, c.MicroBatch, rt.Memory, rt.Recompute, false}
}

// validateMicroBatch returns an error if parts of a size do not make up a batch.
func validateMicroBatch(batch, micro int) error {
	if micro > 0 && batch%micro != 0 {
		return fmt.Errorf("darts: MicroBatch is %d, must divide Batch, which is %d; 0 takes the whole batch at once", micro, batch)
	}
	return nil
}

// atOnce returns how many images go through the network at once.
func (b budget) atOnce() int { return cmp.Or(b.micro, b.batch) }

// room returns the bytes that a run may take, or 0 if nobody knows.
func (b budget) room() int64 {
	if b.memory > 0 {
		return b.memory
	}
	return memory.Total()
}

// refusal returns the error of a run that needs so many bytes or more, unless
// there is room for them.
func (b budget) refusal(bytes int64) error {
	room := b.room()
	if room == 0 || bytes <= room {
		return nil
	}
	smaller := "lower Width, Cells or the size of the images"
	if b.batch > 1 {
		smaller = "lower Batch, " + strings.TrimPrefix(smaller, "lower ")
	}
	var remedies []string
	if b.halves {
		remedies = append(remedies, "set AutoBatch to halve batch and learning rates")
	}
	switch {
	case b.micro == 0 && b.batch > 1:
		remedies = append(remedies, "set MicroBatch to accumulate gradients")
	case b.micro > 1:
		remedies = append(remedies, "lower MicroBatch")
	}
	if !b.recompute {
		remedies = append(remedies, "set Recompute for activation checkpointing")
	}
	remedy := strings.Join(append(remedies, smaller), ", or ")
	whose := "this machine has"
	if b.memory > 0 {
		whose = "Memory is"
	}
	return fmt.Errorf("a batch of %s needs %s of memory or more, %s %s; %s", format.Plural(b.batch, "image"), format.Bytes(bytes), whose, format.Bytes(room), remedy)
}

// halved returns the settings with half the batch and half the rates, as the
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

// resembling returns the settings, halved as often as makes the batch that of an
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
// bound yet, the settings that it is planned for, and a warning if they are not those
// given. A search that resumes keeps the batch with which it began; began is 0 for
// others.
func planToFit(c SearchConfig, rt Runtime, task pretext.Task, began int, reserved int64) (m *model, settings SearchConfig, warning string, err error) {
	given, first := c, int64(0)
	c = c.resembling(rt, began)
	for {
		if m, err = planModel(c, rt, task); err != nil {
			return nil, c, "", err
		}
		m.bytes += 2*loader.Bytes(task.Spec(), c.Batch, rt.workers()) + reserved
		if first == 0 {
			first = m.planned()
		}
		err = refused(c.budget(rt).refusal(m.planned()), reserved)
		if err == nil {
			break
		}
		half, ok := c.halved(rt)
		switch {
		case c.Batch == began && rt.AutoBatch:
			return nil, c, "", fmt.Errorf("the run goes on with the batch of its beginning: %w", err)
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
		return m, c, "the run goes on with the settings of its beginning: " + rates, nil
	}
	return m, c, fmt.Sprintf("a step needs %s of memory and may take %s: %s, which needs %s", format.Bytes(first), format.Bytes(c.budget(rt).room()), rates, format.Bytes(m.planned())), nil
}

// refused adds to the error of a run without enough memory what of it is reserved.
func refused(err error, reserved int64) error {
	if err == nil || reserved == 0 {
		return err
	}
	return fmt.Errorf("%w; %s of the memory is for decoding images", err, format.Bytes(reserved))
}
