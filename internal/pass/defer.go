package pass

import (
	"slices"

	"unnas/internal/ir"
)

// Defer stores no map that its kernel describes by coefficients if all its readers can
// form it as they read it: a lazily normalised map, or the gradient of one. The kernel
// then computes the coefficients alone.
func Defer(p *ir.Program, t Target) *ir.Program {
	p = shallow(p)
	readers, keep := uses(p), kept(p)
	by := map[*ir.Value]*ir.Value{}
	for _, s := range p.Steps {
		for i, v := range s.In {
			if w := by[v]; w != nil {
				s.In[i] = w
			}
		}
		defers := t(s).Defers
		if defers == nil {
			continue
		}
		for i, v := range s.Out {
			if v == nil || keep[v] || len(readers[v]) == 0 {
				continue
			}
			d, ok := defers(i)
			if !ok {
				continue
			}
			form := deferred(s, d)
			if form == nil || slices.ContainsFunc(readers[v], func(u use) bool { return t.reads(u.step, u.input) < form.Form() }) {
				continue
			}
			if form.Coef == nil {
				form.Coef = newOutput(s, d.Coef)
			}
			by[v] = duplicate(v)
			by[v].Deferred, s.Out[i] = form, by[v]
		}
	}
	return p
}

// deferred returns the description of an output, or nil if it has parts that a Deferred
// cannot hold: memory that changes from run to run, or deferred maps with more than
// factors.
func deferred(s *ir.Step, d Deferral) *ir.Deferred {
	stored := func(v *ir.Value) bool { return v.Source == ir.Computed && v.Deferred == nil }
	f := &ir.Deferred{P: s.In[d.P], Coef: s.Out[d.Coef], Row: d.Row, Shift: d.Shift, Compensated: d.Compensated}
	if !stored(f.P) && (f.P.Deferred == nil || f.P.Deferred.Form() != ir.Scaled) {
		return nil
	}
	if d.Q >= 0 {
		if f.Q = s.In[d.Q]; !stored(f.Q) {
			return nil
		}
	}
	return f
}

// newOutput adds output i, which was not needed, to a step.
func newOutput(s *ir.Step, i int) *ir.Value {
	shapes, err := s.Op.Infer(ir.Shapes(s.In))
	if err != nil {
		panic(err) // the step exists, so its inputs fit
	}
	s.Out[i] = &ir.Value{Shape: shapes[i], Type: ir.Float32}
	return s.Out[i]
}
