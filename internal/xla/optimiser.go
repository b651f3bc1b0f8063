package xla

import "unnas/internal/ir"

// norm returns the Euclidean norm of a vector.
func (e *emitter) norm(g value) value { return e.Sqrt(e.total(e.Mul(g, g))) }

// norm has a first part alone, since it is computed in float32.
func norm(e *emitter, _ ir.Norm, in []value) []value {
	n := e.norm(in[0])
	return []value{e.stack(n, e.like(n, 0), e.like(n, 0))}
}

func clipFactor(e *emitter, o ir.ClipFactor, in []value) []value {
	n := e.plus(e.norm(in[0]), 1e-6)
	return []value{e.Reshape(e.Min(e.like(n, 1), e.Div(e.like(n, o.Limit), n)), 1)}
}

func sgd(e *emitter, o ir.SGD, in []value) []value {
	w, v, g, rate := in[0], in[1], in[2], e.number(in[3], in[0])
	if len(in) > 4 {
		g = e.Mul(g, e.number(in[4], g))
	}
	g = e.Add(g, e.times(w, o.Decay))
	v = e.Add(e.times(v, o.Momentum), g)
	step := v
	if o.Nesterov {
		step = e.Add(g, e.times(v, o.Momentum))
	}
	return []value{e.Sub(w, e.Mul(rate, step)), v}
}

func adam(e *emitter, o ir.Adam, in []value) []value {
	w, m, v, g := in[0], in[1], in[2], in[3]
	rate, spread := e.number(e.element(in[4], 0), w), e.number(e.element(in[4], 1), w)
	g = e.Add(g, e.times(w, o.Decay))
	m = e.Add(e.times(m, o.Beta1), e.times(g, 1-o.Beta1))
	v = e.Add(e.times(v, o.Beta2), e.times(e.Mul(g, g), 1-o.Beta2))
	return []value{e.Sub(w, e.Div(e.Mul(rate, m), e.plus(e.Mul(spread, e.Sqrt(v)), o.Epsilon))), m, v}
}

func average(e *emitter, o ir.Average, in []value) []value {
	return []value{e.Add(e.times(in[0], o.Decay), e.times(in[1], 1-o.Decay))}
}

func axpy(e *emitter, _ ir.Axpy, in []value) []value {
	return []value{e.Add(in[0], e.Mul(e.number(in[2], in[0]), in[1]))}
}
