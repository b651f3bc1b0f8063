package cpuexec

import (
	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

type excite struct{}

func (excite) Traits(in []ir.Shape) pass.Traits { return exciteTraits(in[0]) }

func exciteTraits(x ir.Shape) pass.Traits {
	return pass.Traits{Pure: true, Scratch: func() (int, int) { return kernel.ExciteScratch(x.Channels()) }}
}

func (excite) Run(c *Context, out, in []Array) error {
	n, h, w, channels := in[0].Shape.NHWC()
	kernel.Excite(c.Pool, in[0].F, in[1].F, n, h*w, channels, out[0].F)
	return nil
}

type exciteGrad struct{}

func (exciteGrad) Traits(in []ir.Shape) pass.Traits { return exciteTraits(in[1]) }

func (exciteGrad) Run(c *Context, out, in []Array) error {
	n, h, w, channels := in[1].Shape.NHWC()
	kernel.ExciteGradient(c.Pool, in[0].F, in[1].F, in[2].F, n, h*w, channels, out[0].F, out[1].F)
	return nil
}
