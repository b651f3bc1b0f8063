package cpuexec

import (
	"math"

	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

// The kernels of optimisers update vectors in place. An output that does not share the
// memory of the input that it replaces begins as a copy of it.

type norm struct{}

func (norm) Traits(in []ir.Shape) pass.Traits { return normTraits(in[0]) }

func normTraits(g ir.Shape) pass.Traits {
	return pass.Traits{Pure: true, Scratch: func() (int, int) { return kernel.SquaredNormScratch(g.Size()) }}
}

func normOf(c *Context, g []float32) float64 { return math.Sqrt(kernel.SquaredNorm(c.Pool, g)) }

func (norm) Run(c *Context, out, in []Array) error {
	rest := normOf(c, in[0].F)
	for i := range out[0].F {
		part := float32(rest)
		out[0].F[i] = part
		if rest -= float64(part); math.IsInf(float64(part), 0) {
			rest = 0
		}
	}
	return nil
}

type clipFactor struct{ ir.ClipFactor }

func (k clipFactor) Traits(in []ir.Shape) pass.Traits { return normTraits(in[0]) }

func (k clipFactor) Run(c *Context, out, in []Array) error {
	out[0].F[0] = float32(math.Min(1, k.Limit/(normOf(c, in[0].F)+1e-6)))
	return nil
}

type sgd struct{ ir.SGD }

func (k sgd) Traits([]ir.Shape) pass.Traits { return replaces(0, 1) }

func (k sgd) Run(c *Context, out, in []Array) error {
	copy(out[0].F, in[0].F)
	copy(out[1].F, in[1].F)
	factor := float32(1)
	if len(in) > 4 {
		factor = in[4].F[0]
	}
	kernel.SGD(c.Pool, out[0].F, out[1].F, in[2].F, in[3].F[0], float32(k.Momentum), float32(k.Decay), factor, k.Nesterov)
	return nil
}

type adam struct{ ir.Adam }

func (k adam) Traits([]ir.Shape) pass.Traits { return replaces(0, 1, 2) }

func (k adam) Run(c *Context, out, in []Array) error {
	for i := range out {
		copy(out[i].F, in[i].F)
	}
	kernel.Adam(c.Pool, out[0].F, out[1].F, out[2].F, in[3].F, in[4].F[0], in[4].F[1], k.Beta1, k.Beta2, k.Epsilon, k.Decay)
	return nil
}

type average struct{ ir.Average }

func (k average) Traits([]ir.Shape) pass.Traits { return replaces(0) }

func (k average) Run(c *Context, out, in []Array) error {
	copy(out[0].F, in[0].F)
	kernel.Average(c.Pool, out[0].F, in[1].F, k.Decay)
	return nil
}

type axpy struct{}

func (axpy) Traits([]ir.Shape) pass.Traits { return replaces(0) }

func (axpy) Run(c *Context, out, in []Array) error {
	copy(out[0].F, in[0].F)
	kernel.Scale(c.Pool, out[0].F, in[1].F, in[2].F[0], true)
	return nil
}

// replaces are the traits of a kernel that computes all its outputs, each in the memory of
// an input if need be.
func replaces(inputs ...int) pass.Traits { return pass.Traits{Pure: true, All: true, InPlace: inputs} }
