package pass

import "unnas/internal/ir"

// A Span is the first and the last step during which a value takes memory.
type Span struct{ First, Last int }

// Liveness returns the spans of the values that steps make and store.
func Liveness(p *ir.Program) map[*ir.Value]Span {
	spans := map[*ir.Value]Span{}
	for i, s := range p.Steps {
		for _, v := range s.Out {
			if v != nil && v.Deferred == nil {
				spans[v] = Span{i, i}
			}
		}
	}
	extend := func(v *ir.Value, last int) {
		if span, ok := spans[v]; ok {
			span.Last = max(span.Last, last)
			spans[v] = span
		}
	}
	for i, s := range p.Steps {
		for _, v := range s.In {
			parts(v, func(v *ir.Value) { extend(v, i) })
		}
	}
	for v := range kept(p) {
		extend(v, len(p.Steps)-1)
	}
	// The result of a foreign operator may share memory with its inputs.
	for i := len(p.Steps) - 1; i >= 0; i-- {
		s := p.Steps[i]
		if v := s.Out[0]; v != nil && v.Source == ir.Foreign {
			for _, in := range s.In {
				extend(in, spans[v].Last)
			}
		}
	}
	return spans
}
