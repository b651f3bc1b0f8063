package cpuexec

import (
	"errors"
	"math"

	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

type moments struct{}

func (moments) Traits(in []ir.Shape) pass.Traits { return pointwise(in, in[0], 1) }

func (moments) Run(c *Context, out, in []Array) error {
	kernel.Moments(c.Pool, in[0].AsMap(), out[0].F)
	return nil
}

// statistics are the rows of what a batch normalisation normalises with.
type statistics struct{ mean, rest, rstd []float32 }

func statisticsOf(f []float32) statistics {
	c := len(f) / 3
	return statistics{f[:c], f[c : 2*c], f[2*c:]}
}

// set stores a mean and a variance of channel j.
func (s statistics) set(j int, mean, variance, epsilon float64) {
	s.mean[j] = float32(mean)
	s.rest[j] = float32(mean - float64(s.mean[j]))
	s.rstd[j] = float32(1 / math.Sqrt(variance+epsilon))
}

// at returns mean and reciprocal standard deviation of channel j.
func (s statistics) at(j int) (mean, rstd float64) {
	return float64(s.mean[j]) + float64(s.rest[j]), float64(s.rstd[j])
}

type batchStatistics struct{ ir.BatchStatistics }

func (k batchStatistics) Traits([]ir.Shape) pass.Traits {
	return pass.Traits{Pure: true, Serial: true}
}

var errOneValue = errors.New("a batch of one value per channel has no variance; use two or more images per micro-batch, or larger maps")

func (k batchStatistics) Run(_ *Context, out, in []Array) error {
	m, mean, variance := in[0].F, in[1].F, in[2].F
	c := len(mean)
	if k.Count < 2 {
		return errOneValue
	}
	unbias := float64(k.Count) / float64(k.Count-1)
	move := func(to *Array, j int, from float32, x float64) {
		if to.Needed() {
			// The share of the batch is rounded by itself, so that shares can be gathered from
			// several processes and added later.
			to.F[j] = float32(float64((1-k.Momentum)*float64(from)) + float64(float32(k.Momentum*x)))
		}
	}
	for j := range c {
		mu, v := float64(m[j])+float64(m[2*c+j]), float64(m[c+j])
		if out[0].Needed() {
			statisticsOf(out[0].F).set(j, mu, v, k.Epsilon)
		}
		move(&out[1], j, mean[j], mu)
		move(&out[2], j, variance[j], v*unbias)
	}
	return nil
}

type runningStatistics struct{ ir.RunningStatistics }

func (k runningStatistics) Traits([]ir.Shape) pass.Traits {
	return pass.Traits{Pure: true, Serial: true}
}

func (k runningStatistics) Run(_ *Context, out, in []Array) error {
	s := statisticsOf(out[0].F)
	for j, v := range in[1].F {
		s.set(j, float64(in[0].F[j]), float64(v), k.Epsilon)
	}
	return nil
}

type batchNorm struct{ ir.BatchNorm }

func (k batchNorm) Traits(in []ir.Shape) pass.Traits {
	return pass.Traits{
		Pure: true, Serial: true, Scratch: elementwise(in[0], 1),
		Defers: func(i int) (pass.Deferral, bool) {
			return pass.Deferral{P: 0, Q: -1, Coef: 1, Shift: true, Compensated: true}, i == 0
		},
	}
}

func (k batchNorm) Run(c *Context, out, in []Array) error {
	s := statisticsOf(in[1].F)
	channels := len(s.mean)
	coef := out[1].F
	if coef == nil {
		coef = c.Floats(3 * channels)
	}
	a, d, rest := coef[:channels], coef[channels:2*channels], coef[2*channels:]
	for j := range channels {
		mean, rstd := s.at(j)
		scale, shift := 1.0, 0.0
		if k.Affine {
			scale, shift = float64(in[2].F[j]), float64(in[3].F[j])
		}
		a[j] = float32(scale * rstd)
		exact := shift - float64(mean*float64(a[j])) // computed with the rounded a, which keeps the mean
		d[j] = float32(exact)
		rest[j] = float32(exact - float64(d[j]))
	}
	if out[0].Needed() {
		m := in[0].AsMap()
		m.A, m.D, m.E = a, d, rest
		kernel.Apply(c.Pool, m, false, out[0].F)
	}
	return nil
}

type normSums struct{}

func (normSums) Traits(in []ir.Shape) pass.Traits {
	return pass.Traits{Pure: true, Reads: []ir.Form{ir.Scaled, ir.Stored, ir.Stored}, Scratch: elementwise(in[1], 1)}
}

func (normSums) Run(c *Context, out, in []Array) error {
	s := statisticsOf(in[2].F)
	channels := len(s.mean)
	sums := c.Sums(2 * channels)
	kernel.NormSums(c.Pool, in[0].AsMap(), in[1].AsMap(), s.mean, sums[:channels], sums[channels:])
	for j := range channels {
		_, rstd := s.at(j)
		out[0].F[j], out[0].F[channels+j] = float32(sums[j]), float32(sums[channels+j]*rstd)
	}
	return nil
}

type batchNormGrad struct{ ir.BatchNormGrad }

func (k batchNormGrad) Traits(in []ir.Shape) pass.Traits {
	reads := make([]ir.Form, len(in))
	reads[0] = ir.Scaled
	return pass.Traits{
		Pure: true, Serial: true, Reads: reads, Scratch: elementwise(in[1], 1),
		Defers: func(i int) (pass.Deferral, bool) {
			return pass.Deferral{P: 0, Q: 1, Coef: 1, Shift: true}, i == 0
		},
	}
}

func (k batchNormGrad) Run(c *Context, out, in []Array) error {
	g, x, s := in[0].AsMap(), in[1].AsMap(), statisticsOf(in[2].F)
	channels := len(s.mean)
	coef := out[1].F
	if coef == nil {
		coef = c.Floats(3 * channels)
	}
	a, b, d := coef[:channels], coef[channels:2*channels], coef[2*channels:]
	n := float64(x.Len() / channels)
	for j := range channels {
		mean, rstd := s.at(j)
		var sum, product float64 // Σgy and Σgy·x̂
		if k.Batch || k.Affine {
			sum, product = float64(in[3].F[j]), float64(in[3].F[channels+j])
		}
		scale := rstd
		if k.Affine {
			scale *= float64(in[4].F[j])
			if out[2].Needed() {
				out[2].F[j] = float32(product)
			}
			if out[3].Needed() {
				out[3].F[j] = float32(sum)
			}
		}
		a[j], b[j], d[j] = float32(scale), 0, 0
		if k.Batch {
			slope := scale * rstd * product / n
			b[j], d[j] = float32(-slope), float32(float64(slope*mean)-scale*sum/n)
		}
		if g.A != nil {
			a[j] *= g.A[j]
		}
	}
	if out[0].Needed() {
		kernel.Apply(c.Pool, kernel.Map{N: x.N, H: x.H, W: x.W, C: x.C, P: g.P, A: a, Q: x.P, B: b, D: d}, false, out[0].F)
	}
	return nil
}
