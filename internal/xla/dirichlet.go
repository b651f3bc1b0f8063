package xla

import (
	"math"

	"unnas/internal/ir"
	"unnas/internal/stablehlo"
)

// farthest is how far from zero noise counts, as in package kernel.
const farthest = 6

// dirichlet draws as kernel.DirichletForward does, in float64.
func dirichlet(e *emitter, _ ir.Dirichlet, in []value) []value {
	x, z := e.Convert(in[0], stablehlo.F64), e.Convert(in[1], stablehlo.F64)
	one := e.like(x, 1)
	above := e.positive(x)
	a := e.Select(above, e.Add(x, one), e.Exp(e.Min(x, e.like(x, 0))))
	y, slope := e.logGamma(a, z, e.Select(above, one, a))
	return []value{e.softmax(e.Convert(y, stablehlo.F32)), e.Convert(slope, stablehlo.F32)}
}

func dirichletGrad(e *emitter, _ ir.DirichletGrad, in []value) []value {
	return []value{e.Mul(e.softmaxInput(in[0], in[1]), in[2])}
}

// logGamma returns y, the logarithm of the number that has in the Gamma distribution of
// shape a the quantile that z has in the standard normal one, and rate·∂y/∂a. It takes
// Newton's steps with the series
//
//	ln P(a, y) = a·y - e^y - ln Γ(a+1) + ln S
//
// as in package kernel, where more is said.
func (e *emitter) logGamma(a, z, rate value) (y, slope value) {
	limit := e.like(z, farthest)
	z = e.Max(e.Min(z, limit), e.Negate(limit))
	// The normal distribution is ½ + z·φ(z)·S with a of ½.
	square := e.times(e.Mul(z, z), 0.5)
	half := e.like(a, 0.5)
	normal := e.Mul(e.Mul(z, e.times(e.Exp(e.Negate(square)), 1/math.Sqrt(2*math.Pi))), seriesSum(e.Builder, seriesTerms(e.Builder, e.Log(square), e.products(half))))
	target := e.Log(e.plus(normal, 0.5))

	above := e.plus(a, 1)
	norm, products := e.lnGamma(above), e.products(a)
	start := []value{e.Div(e.Add(target, norm), a), e.Fill(stablehlo.F64, 1), e.Int(stablehlo.I32, 0), a, target, norm, products}
	y = e.While(start,
		func(b *stablehlo.Builder, v []value) value {
			moves := b.Compare("GT", v[1], b.Fill(stablehlo.F64, 1e-12))
			return b.And(moves, b.Compare("LT", v[2], b.Int(stablehlo.I32, 100)))
		},
		func(b *stablehlo.Builder, v []value) []value {
			y, a, target, norm := v[0], v[3], v[4], v[5]
			s := seriesSum(b, seriesTerms(b, y, v[6]))
			now := b.Add(b.Sub(b.Sub(b.Mul(a, y), b.Exp(y)), norm), b.Log(s))
			step := b.Div(b.Mul(b.Sub(target, now), s), a)
			y = b.Add(y, step)
			size := b.Div(b.Abs(step), b.Max(b.Abs(y), b.Fill(stablehlo.F64, 1, y.Shape...)))
			count := b.Add(v[2], b.Int(stablehlo.I32, 1))
			return append([]value{y, b.Reduce(stablehlo.Largest, size, 0, 1), count}, v[3:]...)
		})[0]

	// Along a quantile ∂lnP/∂a + ∂lnP/∂y·∂y/∂a is zero, and ∂lnP/∂y is a/S. ∂S/∂a is the sum
	// of each term times -(1/(a+1) + ... + 1/(a+n)).
	terms := seriesTerms(e.Builder, y, products)
	s, first := seriesSum(e.Builder, terms), e.digamma(above)
	wide := func(v value) value { return e.Broadcast(v, terms.Shape, 0, 1) }
	harmonic := e.Sub(e.digamma(e.shapes(a)), wide(first))
	bySum := e.Negate(e.Reduce(stablehlo.Sum, e.Mul(terms, harmonic), 2))
	byA := e.Add(e.Mul(e.Sub(y, first), s), bySum)
	return y, e.Negate(e.Mul(byA, e.Div(rate, a)))
}

// seriesLength is the number of terms that the largest quantile of shape 1001 needs.
const seriesLength = 640

// shapes returns a + n + 1 for each a and each n from 1 on.
func (e *emitter) shapes(a value) value {
	shape := append(append([]int(nil), a.Shape...), seriesLength)
	n := e.Iota(stablehlo.F64, 2, shape...)
	return e.Add(e.Broadcast(a, shape, 0, 1), e.plus(n, 2))
}

// products returns ln((a+1)···(a+n)) for each a and each n from 1 on.
func (e *emitter) products(a value) value {
	first := e.lnGamma(e.plus(a, 1))
	v := e.shapes(a)
	return e.Sub(e.lnGamma(v), e.Broadcast(first, v.Shape, 0, 1))
}

// seriesTerms returns e^(n·y) / ((a+1)···(a+n)) for each n from 1 on.
func seriesTerms(b *stablehlo.Builder, y, products value) value {
	one := b.Fill(stablehlo.F64, 1, products.Shape...)
	n := b.Add(b.Iota(stablehlo.F64, 2, products.Shape...), one)
	return b.Exp(b.Sub(b.Mul(b.Broadcast(y, products.Shape, 0, 1), n), products))
}

// seriesSum returns S, the sum of the terms and one.
func seriesSum(b *stablehlo.Builder, terms value) value {
	s := b.Reduce(stablehlo.Sum, terms, 2)
	return b.Add(s, b.Fill(stablehlo.F64, 1, s.Shape...))
}

// Γ and its logarithmic derivative are those of v + far, by Stirling's series, and the
// recurrence back to v, which is at least one.
const far = 12

// powers returns the sum of c[i]·w^-(2i+first), by Horner's rule.
func (e *emitter) powers(w value, first int, c ...float64) value {
	inverse := e.Div(e.like(w, 1), w)
	square := e.Mul(inverse, inverse)
	total := e.like(w, 0)
	for i := len(c) - 1; i >= 0; i-- {
		total = e.plus(e.Mul(total, square), c[i])
	}
	for range first {
		total = e.Mul(total, inverse)
	}
	return total
}

func (e *emitter) lnGamma(v value) value {
	w, product := e.plus(v, far), v
	for i := 1; i < far; i++ {
		product = e.Mul(product, e.plus(v, float64(i)))
	}
	series := e.powers(w, 1, 1./12, -1./360, 1./1260, -1./1680, 1./1188)
	line := e.plus(e.Sub(e.Mul(e.plus(w, -0.5), e.Log(w)), w), math.Log(2*math.Pi)/2)
	return e.Sub(e.Add(line, series), e.Log(product))
}

func (e *emitter) digamma(v value) value {
	w := e.plus(v, far)
	total := e.Sub(e.Log(w), e.powers(w, 2, 1./12, -1./120, 1./252, -1./240, 1./132))
	total = e.Sub(total, e.Div(e.like(w, 0.5), w))
	for i := range far {
		total = e.Sub(total, e.Div(e.like(w, 1), e.plus(v, float64(i))))
	}
	return total
}
