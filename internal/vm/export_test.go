package vm

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"unnas/internal/graph"
)

// Soil fills all memory of a machine that a run should not depend on with NaN.
func (m *Machine) Soil(a *Arena) {
	a.Soil()
	fill(m.team.Shared(m.plan.shared))
	for _, w := range m.plan.wanted {
		if w.into != nil {
			fill(w.into)
		}
	}
	for i := range m.ops {
		for j, v := range m.ops[i].out {
			if o := m.plan.steps[i].out[j]; o != nil && o.kept() {
				fill(v.F)
			}
		}
	}
}

// Soil fills an arena with NaN.
func (a *Arena) Soil() { fill(a.buf) }

func fill(mem []float32) {
	for i := range mem {
		mem[i] = float32(math.NaN())
	}
}

// Floats returns the length of an arena.
func (a *Arena) Floats() int { return len(a.buf) }

// Sizes returns the floats of a plan in the arena, in kept values, in the
// scratch memory of a worker and in the shared one.
func (p *Plan) Sizes() (arena, kept, perWorker, shared int) {
	return p.arena, p.kept, p.perWorker, p.shared
}

// Busiest returns the most floats that live in the arena during one step.
func (p *Plan) Busiest() int { return p.busiest() }

// Steps returns what a run does, in order.
func (p *Plan) Steps() []string {
	var steps []string
	for _, s := range p.steps {
		if s.kernel != nil {
			steps = append(steps, s.kernel.Key())
		} else {
			steps = append(steps, s.stock.String())
		}
	}
	return steps
}

// CompileTwice compiles a plan of which every step runs twice that may.
func CompileTwice(g *gorgonia.ExprGraph, o Options) (*Plan, error) {
	c, err := order(g, o)
	if err != nil {
		return nil, err
	}
	c.cutSums()
	c.plan.steps = repeat(c.plan.steps, c.repeatable())
	c.live()
	c.place()
	return c.plan, nil
}

// Pending returns how many outputs of kernels of that key are left to their
// readers.
func (p *Plan) Pending(key string) (pending, formed int) {
	for _, s := range p.steps {
		former, ok := s.kernel.(graph.Former)
		if !ok || s.kernel.Key() != key {
			continue
		}
		for i, v := range s.out {
			switch _, may := former.Form(i); {
			case v == nil || !may:
			case v.form != nil:
				pending++
			default:
				formed++
			}
		}
	}
	return pending, formed
}

// Check follows a run and reports the first value that is overwritten before it
// is last read. It knows nothing of lifetimes: every step paints its outputs
// and looks for the paint of its inputs.
func (p *Plan) Check() error {
	paint := make([]*value, p.arena)
	area := func(v *value) []*value {
		if v.outside || v.stock || v.kept() {
			return nil
		}
		return paint[v.at:][:v.shape.TotalSize()]
	}
	made := map[*value]*step{}
	var check func(v *value) error
	check = func(v *value) error {
		if v.form != nil {
			for _, part := range []*value{v.form.p, v.form.q, v.form.coef} {
				if part == nil {
					continue
				}
				if err := check(part); err != nil {
					return err
				}
			}
			return nil
		}
		for i, owner := range area(v) {
			if owner != v {
				return fmt.Errorf("float %d of a value of %s", i, v.node.Name())
			}
		}
		if v.stock { // it may share the memory of its inputs
			for _, in := range made[v].in {
				if err := check(in); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, s := range p.steps {
		for _, v := range s.out {
			if v == nil {
				continue
			}
			made[v] = s
			if v.form == nil {
				for i := range area(v) {
					area(v)[i] = v
				}
			}
		}
		for _, values := range [][]*value{s.in, s.out} {
			for _, v := range values {
				if v == nil {
					continue
				}
				if err := check(v); err != nil {
					return fmt.Errorf("%s: %w", s.node.Name(), err)
				}
			}
		}
	}
	return nil
}
