package darts

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// The kinds of Schedule.
const (
	Cosine      = "cosine"      // from Base to Min along half a cosine
	Constant    = "constant"    // Base throughout
	Steps       = "steps"       // Base, times Factor from each of the Steps on
	Exponential = "exponential" // Base, times Factor after every epoch
)

var schedules = []string{Cosine, Constant, Steps, Exponential}

// A Schedule says which learning rate holds when. After t of E epochs the rate is
//
//	Min + (Base-Min)·(1+cos(π·t/E))/2   cosine
//	Base                                constant
//	Base·Factor^k                       steps, k of which are at t or before
//	Base·Factor^t                       exponential
//
// the first as in SGDR without restarts (Loshchilov and Hutter, ICLR 2017, arXiv
// 1608.03983, equation 5). During the first Warmup epochs the rate is multiplied
// by a factor that rises linearly from WarmupFactor to 1 (Goyal et al., 2017,
// arXiv 1706.02677). t is the number of complete epochs, or, if PerStep is set,
// counts the steps too.
type Schedule struct {
	Kind         string  `json:"kind"`             // Cosine, Constant, Steps or Exponential
	Base         float64 `json:"base"`             // the rate at the start, warm-up aside; not negative
	Min          float64 `json:"min"`              // Cosine: the rate at the end, from 0 to Base
	Steps        []int   `json:"steps,omitempty"`  // Steps: the epochs, from 1 and rising
	Factor       float64 `json:"factor,omitempty"` // Steps, Exponential: from 0 to 1
	Warmup       int     `json:"warmup"`           // epochs of warm-up; 0 is none
	WarmupFactor float64 `json:"warmup_factor"`    // the part of the rate to start from, from 0 to 1
	PerStep      bool    `json:"per_step"`         // whether the rate changes at every step, not every epoch
}

// Validate returns an error that names the first field that is out of range, its
// value and the range. What a kind does not use must be in range too.
func (s Schedule) Validate() error {
	switch {
	case !slices.Contains(schedules, s.Kind):
		return fmt.Errorf("darts: schedule: kind is %q, must be one of %q", s.Kind, schedules)
	case !(s.Base >= 0) || math.IsInf(s.Base, 1):
		return fmt.Errorf("darts: schedule: base is %g, must be a finite number from 0", s.Base)
	case !(s.Min >= 0 && s.Min <= s.Base):
		return fmt.Errorf("darts: schedule: min is %g, must be from 0 to base, which is %g", s.Min, s.Base)
	case !(s.Factor >= 0 && s.Factor <= 1):
		return fmt.Errorf("darts: schedule: factor is %g, must be from 0 to 1", s.Factor)
	case s.Warmup < 0:
		return fmt.Errorf("darts: schedule: warmup is %d epochs, must be 0 or more", s.Warmup)
	case !(s.WarmupFactor >= 0 && s.WarmupFactor <= 1):
		return fmt.Errorf("darts: schedule: warmup_factor is %g, must be from 0 to 1", s.WarmupFactor)
	case s.Kind == Steps && len(s.Steps) == 0:
		return errors.New("darts: schedule: no steps, must be one or more; a rate without steps is constant")
	}
	last := 0
	for _, epoch := range s.Steps {
		if epoch <= last {
			return fmt.Errorf("darts: schedule: steps are %d, must rise from 1 or more", s.Steps)
		}
		last = epoch
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
	switch s.Kind {
	case Cosine:
		rate = s.Min + float64((s.Base-s.Min)*(1+math.Cos(math.Pi*t/float64(epochs)))/2)
	case Steps:
		for _, at := range s.Steps {
			if epoch >= at {
				rate *= s.Factor
			}
		}
	case Exponential:
		rate *= math.Pow(s.Factor, t)
	}
	if warmup := float64(s.Warmup); t < warmup {
		done := t / warmup
		rate *= float64(s.WarmupFactor*(1-done)) + done
	}
	return rate
}
