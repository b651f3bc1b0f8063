package darts

import (
	"fmt"
	"math"
)

// The kinds of Schedule.
const (
	Cosine   = "cosine"   // from Base to Min along half a cosine
	Constant = "constant" // Base throughout; Min is not used
)

// A Schedule says which learning rate holds when. At t of E epochs a cosine
// schedule has the rate
//
//	Min + (Base-Min)·(1+cos(π·t/E))/2
//
// (SGDR without restarts; Loshchilov and Hutter, ICLR 2017, arXiv 1608.03983,
// equation 5). During the first Warmup epochs the rate is multiplied by a factor
// that rises linearly from WarmupFactor to 1 (Goyal et al., 2017, arXiv
// 1706.02677). t is the number of complete epochs, or, if PerStep is set, counts
// the steps too.
type Schedule struct {
	Kind         string  `json:"kind"`          // Cosine or Constant
	Base         float64 `json:"base"`          // the rate at the start, warm-up aside; not negative
	Min          float64 `json:"min"`           // the rate at the end, from 0 to Base
	Warmup       int     `json:"warmup"`        // epochs of warm-up; 0 is none
	WarmupFactor float64 `json:"warmup_factor"` // the part of the rate to start from, from 0 to 1
	PerStep      bool    `json:"per_step"`      // whether the rate changes at every step, not every epoch
}

// Validate returns an error that names the first field that is out of range, its
// value and the range.
func (s Schedule) Validate() error {
	switch {
	case s.Kind != Cosine && s.Kind != Constant:
		return fmt.Errorf("darts: schedule: kind is %q, must be %q or %q", s.Kind, Cosine, Constant)
	case !(s.Base >= 0) || math.IsInf(s.Base, 1):
		return fmt.Errorf("darts: schedule: base is %g, must be a finite number from 0", s.Base)
	case !(s.Min >= 0 && s.Min <= s.Base):
		return fmt.Errorf("darts: schedule: min is %g, must be from 0 to base, which is %g", s.Min, s.Base)
	case s.Warmup < 0:
		return fmt.Errorf("darts: schedule: warmup is %d epochs, must be 0 or more", s.Warmup)
	case !(s.WarmupFactor >= 0 && s.WarmupFactor <= 1):
		return fmt.Errorf("darts: schedule: warmup_factor is %g, must be from 0 to 1", s.WarmupFactor)
	}
	return nil
}

// Rate returns the learning rate of a step in a run of epochs epochs of steps
// steps each, both positive. Epoch and step count from zero.
func (s Schedule) Rate(epoch, epochs, step, steps int) float64 {
	t := float64(epoch)
	if s.PerStep {
		t += float64(step) / float64(steps)
	}
	rate := s.Base
	if s.Kind == Cosine {
		rate = s.Min + (s.Base-s.Min)*(1+math.Cos(math.Pi*t/float64(epochs)))/2
	}
	if warmup := float64(s.Warmup); t < warmup {
		done := t / warmup
		rate *= s.WarmupFactor*(1-done) + done
	}
	return rate
}
