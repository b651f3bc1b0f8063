package xla

import (
	"unnas/internal/ir"
	"unnas/internal/stablehlo"
)

// element returns element number i of a value.
func (e *emitter) element(v value, i int) value {
	return e.Reshape(e.Range(e.Reshape(v, v.Size()), 0, i, i+1))
}

func mix(e *emitter, o ir.Mix, in []value) []value {
	var total value
	for k, i := range o.Index {
		part := e.Mul(in[1+k], e.number(e.element(in[0], i), in[1+k]))
		if k == 0 {
			total = part
		} else {
			total = e.Add(total, part)
		}
	}
	return []value{total}
}

func mixGrad(e *emitter, o ir.MixGrad, in []value) []value {
	gy, weights := in[0], in[1]
	c := gy.Shape[len(gy.Shape)-1]
	of := make([]value, weights.Size()) // the gradient of each weight
	for j := range of {
		of[j] = e.Fill(stablehlo.F32, 0)
	}
	var maps, factors, sums []value
	for k, j := range o.Index {
		w := e.element(weights, j)
		products := e.Mul(gy, in[2+k])
		of[j] = e.Add(of[j], e.total(products))
		maps = append(maps, e.Mul(gy, e.number(w, gy)))
		factor := e.Broadcast(w, []int{c})
		factors = append(factors, factor)
		sums = append(sums, e.stack(e.Mul(factor, e.perChannel(gy)), e.Mul(factor, e.perChannel(products))))
	}
	return append(append(maps, e.Reshape(e.stack(of...), weights.Shape...), e.stack(factors...)), sums...)
}

// largest returns the largest element of each row, repeated.
func (e *emitter) largest(x value) value { return e.each(e.Reduce(stablehlo.Largest, x, 1), x) }

// hot returns where in a matrix like x the column is that of each row.
func (e *emitter) hot(columns, x value) value {
	return e.Compare("EQ", e.Iota(stablehlo.I32, 1, x.Shape...), e.each(columns, x))
}

func (e *emitter) softmax(x value) value {
	y := e.Exp(e.Sub(x, e.largest(x)))
	return e.Div(y, e.each(e.Reduce(stablehlo.Sum, y, 1), y))
}

// softmaxInput is the gradient of the input of a softmax.
func (e *emitter) softmaxInput(gy, y value) value {
	return e.Mul(y, e.Sub(gy, e.each(e.Reduce(stablehlo.Sum, e.Mul(gy, y), 1), y)))
}

func softmax(e *emitter, _ ir.Softmax, in []value) []value { return []value{e.softmax(in[0])} }

func softmaxGrad(e *emitter, _ ir.SoftmaxGrad, in []value) []value {
	return []value{e.softmaxInput(in[0], in[1])}
}

func gumbelSoftmax(e *emitter, _ ir.GumbelSoftmax, in []value) []value {
	x := e.Add(in[0], in[1])
	return []value{e.where(e.hot(e.FirstLargest(x), x), e.like(x, 1))}
}

func gumbelSoftmaxGrad(e *emitter, _ ir.GumbelSoftmaxGrad, in []value) []value {
	gy, y, x, noise := in[0], in[1], in[2], in[3]
	temperature := e.number(in[4], x)
	p := e.softmax(e.Div(e.Add(x, noise), temperature))
	drawn := e.hot(e.FirstLargest(y), y)
	return []value{e.softmaxInput(e.where(drawn, e.Div(gy, temperature)), p)}
}

// intervals returns for each of the groups into which edges fall what f makes of its edges.
func (e *emitter) intervals(into []int, f func(from, to int) value) value {
	var parts []value
	from := 0
	for _, n := range into {
		parts = append(parts, f(from, from+n))
		from += n
	}
	return e.Concat(0, parts...)
}

func normaliseEdges(e *emitter, o ir.NormaliseEdges, in []value) []value {
	w, betas := in[0], in[1]
	shares := e.intervals(o.Into, func(from, to int) value {
		return e.Reshape(e.softmax(e.Reshape(e.Range(betas, 0, from, to), 1, to-from)), to-from)
	})
	y := e.Concat(1, e.Mul(w, e.each(shares, w)), e.Reshape(shares, shares.Size(), 1))
	return []value{y, shares}
}

func normaliseEdgesGrad(e *emitter, o ir.NormaliseEdgesGrad, in []value) []value {
	gy, w, y := in[0], in[1], in[3]
	edges, k := w.Shape[0], w.Shape[1]
	gw := e.Range(gy, 1, 0, k)
	shares := e.Reshape(e.Range(y, 1, k, k+1), edges)
	g := e.Add(e.Reshape(e.Range(gy, 1, k, k+1), edges), e.Reduce(stablehlo.Sum, e.Mul(gw, w), 1))
	gb := e.intervals(o.Into, func(from, to int) value {
		row := func(v value) value { return e.Reshape(e.Range(v, 0, from, to), 1, to-from) }
		return e.Reshape(e.softmaxInput(row(g), row(shares)), to-from)
	})
	return []value{e.Mul(gw, e.each(shares, gw)), gb}
}
