package engine

import (
	"cmp"
	"fmt"
	"strings"

	"unnas/internal/format"
	"unnas/internal/memory"
)

// A Budget is the memory that a step may take, with the hyperparameters that determine
// what it needs.
type Budget struct {
	Batch, MicroBatch int
	Memory            int64 // 0 is all of the machine
	Recompute         bool
	Halves            bool // AutoBatch could halve the batch
}

// AtOnce returns the number of images per pass through the network.
func (b Budget) AtOnce() int { return cmp.Or(b.MicroBatch, b.Batch) }

// Room returns the memory that a run may take in bytes, 0 if unknown.
func (b Budget) Room() int64 {
	if b.Memory > 0 {
		return b.Memory
	}
	return memory.Total()
}

// Refusal returns an error if a run that needs at least the given bytes exceeds its room.
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

// Refused adds the memory reserved for decoding to the error of a run without enough memory.
func Refused(err error, reserved int64) error {
	if err == nil || reserved == 0 {
		return err
	}
	return fmt.Errorf("%w; %s of the memory is for decoding images", err, format.Bytes(reserved))
}
