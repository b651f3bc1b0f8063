package cpuexec

import (
	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

type pool struct{ ir.Pool }

func (k pool) Traits(in []ir.Shape) pass.Traits {
	t := readsFirst(in, 1)
	t.Moments, t.Repeats = 1, output0
	t.Scratch = func() (int, int) {
		n, h, w, c := in[0].NHWC()
		if k.Max {
			return kernel.MaxPoolScratch(n, h, w, c, window(k.Window), false)
		}
		return kernel.AvgPoolScratch(n, h, w, c, window(k.Window), false)
	}
	return t
}

func (k pool) Run(c *Context, out, in []Array) error {
	forward := kernel.AvgPoolForward
	if k.Max {
		forward = kernel.MaxPoolForward
	}
	forward(c.Pool, in[0].AsMap(), window(k.Window), out[0].F, out[1].F)
	return nil
}

type maxPoolGrad struct{ ir.MaxPoolGrad }

func (k maxPoolGrad) Traits(in []ir.Shape) pass.Traits {
	t := readsFirst(in, 2)
	t.Scratch = func() (int, int) {
		n, h, w, c := in[1].NHWC()
		return kernel.MaxPoolScratch(n, h, w, c, window(k.Window), true)
	}
	return t
}

func (k maxPoolGrad) Run(c *Context, out, in []Array) error {
	kernel.MaxPoolBackward(c.Pool, in[0].AsMap(), in[1].AsMap(), window(k.Window), out[0].F)
	return nil
}

type avgPoolGrad struct{ ir.AvgPoolGrad }

func (k avgPoolGrad) Traits(in []ir.Shape) pass.Traits {
	t := readsFirst(in, 1)
	t.Scratch = func() (int, int) {
		n, h, w, c := k.X.NHWC()
		return kernel.AvgPoolScratch(n, h, w, c, window(k.Window), true)
	}
	return t
}

func (k avgPoolGrad) Run(c *Context, out, in []Array) error {
	_, h, w, _ := k.X.NHWC()
	kernel.AvgPoolBackward(c.Pool, in[0].AsMap(), window(k.Window), h, w, out[0].F)
	return nil
}

type globalAvgPool struct{}

func (globalAvgPool) Traits(in []ir.Shape) pass.Traits {
	t := readsFirst(in, 1)
	t.Scratch = func() (int, int) {
		n, h, w, c := in[0].NHWC()
		return kernel.GlobalPoolScratch(n, h, w, c)
	}
	return t
}

func (globalAvgPool) Run(c *Context, out, in []Array) error {
	kernel.GlobalPoolForward(c.Pool, in[0].AsMap(), out[0].F)
	return nil
}

type globalAvgPoolGrad struct{ ir.GlobalAvgPoolGrad }

func (k globalAvgPoolGrad) Traits([]ir.Shape) pass.Traits { return pure() }

func (k globalAvgPoolGrad) Run(c *Context, out, in []Array) error {
	n, h, w, channels := k.X.NHWC()
	kernel.GlobalPoolBackward(c.Pool, in[0].F, n, h, w, channels, out[0].F)
	return nil
}

type relu struct{}

func (relu) Traits(in []ir.Shape) pass.Traits { return pointwise(in, in[0], 1) }

func (relu) Run(c *Context, out, in []Array) error {
	kernel.Apply(c.Pool, in[0].AsMap(), true, out[0].F)
	return nil
}

type reluGrad struct{}

func (reluGrad) Traits(in []ir.Shape) pass.Traits {
	t := readsFirst(in, 1)
	t.Scratch = elementwise(in[0], 1)
	return t
}

func (reluGrad) Run(c *Context, out, in []Array) error {
	kernel.ReLUBackward(c.Pool, in[0].AsMap(), in[1].F, out[0].F)
	return nil
}

type zeros struct{}

func (zeros) Traits([]ir.Shape) pass.Traits { return pure() }

func (zeros) Run(_ *Context, out, _ []Array) error {
	clear(out[0].F)
	return nil
}

type sum struct{}

func (sum) Traits(in []ir.Shape) pass.Traits { return pointwise(in, in[0], len(in)) }

func (sum) Run(c *Context, out, in []Array) error {
	kernel.Combine(c.Pool, c.asMaps(in), nil, out[0].F)
	return nil
}

type concat struct{}

func (concat) Traits(in []ir.Shape) pass.Traits {
	largest := in[0]
	for _, s := range in {
		if s.Channels() > largest.Channels() {
			largest = s
		}
	}
	t := pointwise(in, largest, 1)
	t.Repeats = output0
	return t
}

func (concat) Run(c *Context, out, in []Array) error {
	kernel.Concat(c.Pool, c.asMaps(in), out[0].F)
	return nil
}

type channels struct{ ir.Channels }

func (k channels) Traits(in []ir.Shape) pass.Traits {
	t := pointwise(in, in[0], 1)
	t.Repeats = output0
	return t
}

func (k channels) Run(c *Context, out, in []Array) error {
	kernel.Slice(c.Pool, in[0].AsMap(), k.From, k.Count, out[0].F)
	return nil
}

type channelsGrad struct{ ir.ChannelsGrad }

func (k channelsGrad) Traits(in []ir.Shape) pass.Traits {
	return pointwise(in, in[0].WithChannels(k.Channels), 1)
}

func (k channelsGrad) Run(c *Context, out, in []Array) error {
	kernel.Unslice(c.Pool, in[0].AsMap(), k.From, k.Channels, out[0].F)
	return nil
}

type scaleImages struct{}

func (scaleImages) Traits(in []ir.Shape) pass.Traits {
	t := readsFirst(in, 1)
	t.Scratch = elementwise(in[0], 1)
	return t
}

func (scaleImages) Run(c *Context, out, in []Array) error {
	kernel.ScaleImages(c.Pool, in[0].AsMap(), in[1].F, out[0].F)
	return nil
}

type dropout struct{ ir.Dropout }

func (k dropout) Traits(in []ir.Shape) pass.Traits {
	t := readsFirst(in, 1)
	t.Repeats, t.Scratch = output0, elementwise(in[0], 1)
	return t
}

func (k dropout) Run(c *Context, out, in []Array) error {
	if err := checkRate(in[1].F); err != nil {
		return err
	}
	key := uint64(uint32(in[2].I[0]))<<32 | uint64(uint32(in[2].I[1]))
	kernel.Dropout(c.Pool, in[0].AsMap(), key^k.Layer, in[1].F[0], out[0].F)
	return nil
}

type addScaled struct{ ir.AddScaled }

func (k addScaled) Traits([]ir.Shape) pass.Traits { return pure() }

func (k addScaled) Run(_ *Context, out, in []Array) error {
	out[0].F[0] = in[0].F[0] + float32(float32(k.Weight)*in[1].F[0])
	return nil
}

type scale struct{ ir.Scale }

func (k scale) Traits([]ir.Shape) pass.Traits { return pure() }

func (k scale) Run(_ *Context, out, in []Array) error {
	out[0].F[0] = float32(k.Weight) * in[0].F[0]
	return nil
}

type interleave struct{}

func (interleave) Traits(in []ir.Shape) pass.Traits { return pointwise(in, in[1], 1) }

func (interleave) Run(c *Context, out, in []Array) error {
	kernel.Interleave(c.Pool, in[0].AsMap(), in[1].AsMap(), out[0].F)
	return nil
}

type deinterleave struct{ ir.Deinterleave }

func (k deinterleave) Traits(in []ir.Shape) pass.Traits { return pointwise(in, in[0], 1) }

func (k deinterleave) Run(c *Context, out, in []Array) error {
	kernel.Deinterleave(c.Pool, in[0].AsMap(), k.Size, out[0].F, out[1].F)
	return nil
}
