package pass

import (
	"slices"

	"unnas/internal/ir"
)

// Traits are what the passes need to know of the kernel of a step.
type Traits struct {
	// Pure is true if equal inputs give equal outputs, so that one step may do for two.
	Pure bool
	// Reads holds the kinds of maps that the kernel can form as it reads each input;
	// nil stands for stored maps only.
	Reads []ir.Form
	// Defers describes the outputs that need not be stored; a nil function for none.
	Defers func(output int) (Deferral, bool)
	// Moments is the number of the output with the moments of output 0, without which the
	// kernel cannot make them; 0 for none.
	Moments int
	// Sums gives the output with the sums [2, C] of an output and of it times a map, and
	// the input that is this map; a nil function for none.
	Sums func(output int) (sums, of int, ok bool)
	// Repeats reports whether a second run of the kernel may make an output again; nil for
	// none.
	Repeats func(output int) bool
	// All is true if the kernel computes all outputs, needed or not.
	All bool
	// InPlace holds, for each output, the input whose memory it may share: the kernel reads
	// an element of that input before it writes the one of the output. Nil for none.
	InPlace []int
	// Serial is true if the kernel has no parallel loop unless its output map is stored.
	Serial bool
	// Scratch returns the scratch memory in floats, for each worker and in common; nil for
	// none.
	Scratch func() (perWorker, shared int)
}

// Deferral describes an output as ir.Deferred does, by the numbers of inputs and
// outputs. P may itself be deferred if it has factors only, which the kernel then puts
// into A; Q is a stored map.
type Deferral struct {
	P, Q               int // Q is -1 if there is none
	Coef, Row          int
	Shift, Compensated bool
}

// A Target returns the traits that a step has on an executor.
type Target func(s *ir.Step) Traits

// reads returns which maps a step can form as input i.
func (t Target) reads(s *ir.Step, i int) ir.Form {
	if r := t(s).Reads; r != nil {
		return r[i]
	}
	return ir.Stored
}

// use is an input of a step.
type use struct {
	step  *ir.Step
	input int
}

// uses returns the steps that read each value, in order.
func uses(p *ir.Program) map[*ir.Value][]use {
	u := map[*ir.Value][]use{}
	for _, s := range p.Steps {
		for i, v := range s.In {
			u[v] = append(u[v], use{s, i})
		}
	}
	return u
}

// output is an output of a step.
type output struct {
	step   *ir.Step
	number int
}

// definitions returns the step that makes each value.
func definitions(p *ir.Program) map[*ir.Value]output {
	d := map[*ir.Value]output{}
	for _, s := range p.Steps {
		for i, v := range s.Out {
			if v != nil {
				d[v] = output{s, i}
			}
		}
	}
	return d
}

// kept returns the values that outlive the steps: results, and states to be.
func kept(p *ir.Program) map[*ir.Value]bool {
	k := map[*ir.Value]bool{}
	for _, v := range p.Results {
		k[v] = true
	}
	for _, s := range p.States {
		k[s.Out] = true
	}
	return k
}

// replace puts other values in place of those that a program reads.
func replace(p *ir.Program, by map[*ir.Value]*ir.Value) {
	if len(by) == 0 {
		return
	}
	of := func(v *ir.Value) *ir.Value {
		if w, ok := by[v]; ok {
			return w
		}
		return v
	}
	for _, s := range p.Steps {
		for i, v := range s.In {
			s.In[i] = of(v)
		}
	}
	for i, v := range p.Results {
		p.Results[i] = of(v)
	}
	for i, v := range p.Exact {
		p.Exact[i] = of(v)
	}
	for i, s := range p.States {
		p.States[i].Out = of(s.Out)
	}
}

// parts calls f for the stored values that a reader of v touches.
func parts(v *ir.Value, f func(*ir.Value)) {
	d := v.Deferred
	if d == nil {
		f(v)
		return
	}
	parts(d.P, f)
	f(d.Coef)
	if d.Q != nil {
		f(d.Q)
	}
}

// shallow returns a copy of a program whose steps can be changed; values are shared.
func shallow(p *ir.Program) *ir.Program {
	c := *p
	c.Results, c.Exact, c.States = slices.Clone(p.Results), slices.Clone(p.Exact), slices.Clone(p.States)
	c.Steps = make([]*ir.Step, len(p.Steps))
	for i, s := range p.Steps {
		step := *s
		step.In, step.Out = slices.Clone(s.In), slices.Clone(s.Out)
		c.Steps[i] = &step
	}
	return &c
}
