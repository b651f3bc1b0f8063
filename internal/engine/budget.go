package engine

import (
	"cmp"
	"fmt"
	"strings"

	"unnas/internal/format"
	"unnas/internal/memory"
)

// A Budget says how much memory a step takes and may take.
type Budget struct {
	Batch, MicroBatch int
	Memory            int64 // 0 is all that the machine has
	Recompute         bool
	Halves            bool // whether AutoBatch would halve the batch
}

// AtOnce returns how many images go through the network at once.
func (b Budget) AtOnce() int { return cmp.Or(b.MicroBatch, b.Batch) }

// Room returns the bytes that a run may take, 0 if that is not known.
func (b Budget) Room() int64 {
	if b.Memory > 0 {
		return b.Memory
	}
	return memory.Total()
}

// Refusal returns the error of a run that needs so many bytes or more, unless
// there is room for them.
func (b Budget) Refusal(bytes int64) error {
	room := b.Room()
	if room == 0 || bytes <= room {
		return nil
	}
	smaller := "lower Width, Cells or the size of the images"
	if b.Batch > 1 {
		smaller = "lower Batch, " + strings.TrimPrefix(smaller, "lower ")
	}
	var remedies []string
	if b.Halves {
		remedies = append(remedies, "set AutoBatch to halve batch and learning rates")
	}
	switch {
	case b.MicroBatch == 0 && b.Batch > 1:
		remedies = append(remedies, "set MicroBatch to accumulate gradients")
	case b.MicroBatch > 1:
		remedies = append(remedies, "lower MicroBatch")
	}
	if !b.Recompute {
		remedies = append(remedies, "set Recompute for activation checkpointing")
	}
	remedy := strings.Join(append(remedies, smaller), ", or ")
	whose := "this machine has"
	if b.Memory > 0 {
		whose = "Memory is"
	}
	return fmt.Errorf("a batch of %s needs %s of memory or more, %s %s; %s", format.Plural(b.Batch, "image"), format.Bytes(bytes), whose, format.Bytes(room), remedy)
}

// Refused adds to the error of a run without enough memory what of it is reserved.
func Refused(err error, reserved int64) error {
	if err == nil || reserved == 0 {
		return err
	}
	return fmt.Errorf("%w; %s of the memory is for decoding images", err, format.Bytes(reserved))
}
