package cpuexec

import (
	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

type toBFloat16 struct{}

func (toBFloat16) Traits([]ir.Shape) pass.Traits { return pure() }

func (toBFloat16) Run(c *Context, out, in []Array) error {
	kernel.ToBFloat16(c.Pool, out[0].F, in[0].F)
	return nil
}

type fromBFloat16 struct{}

func (fromBFloat16) Traits([]ir.Shape) pass.Traits { return pure() }

func (fromBFloat16) Run(c *Context, out, in []Array) error {
	kernel.FromBFloat16(c.Pool, out[0].F, in[0].F)
	return nil
}
