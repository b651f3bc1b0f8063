package cpuexec

import (
	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

type conv struct{ ir.Conv }

func (k conv) Traits(in []ir.Shape) pass.Traits {
	t := readsFirst(in, 1)
	t.Moments, t.Repeats = 1, output0
	t.Scratch = func() (int, int) {
		n, h, w, c := in[0].NHWC()
		return kernel.ConvScratch(precision(k.BFloat16), n, h, w, c, window(k.Window), k.Out, false)
	}
	return t
}

func (k conv) Run(c *Context, out, in []Array) error {
	var bias []float32
	if k.Bias {
		bias = in[2].F
	}
	kernel.ConvForward(c.Pool, precision(k.BFloat16), in[0].AsMap(), window(k.Window), k.ReLU, in[1].F, bias, out[0].F, k.Out, out[1].F)
	return nil
}

type convGrad struct{ ir.ConvGrad }

func (k convGrad) Traits(in []ir.Shape) pass.Traits {
	t := readsFirst(in, 2)
	t.Scratch = func() (int, int) {
		n, h, w, c := in[1].NHWC()
		return kernel.ConvScratch(precision(k.Of.BFloat16), n, h, w, c, window(k.Of.Window), k.Of.Out, true)
	}
	return t
}

func (k convGrad) Run(c *Context, out, in []Array) error {
	kernel.ConvBackward(c.Pool, precision(k.Of.BFloat16), in[0].AsMap(), in[1].AsMap(), window(k.Of.Window), k.Of.ReLU, in[2].F, out[0].F, out[1].F, out[2].F)
	return nil
}

type separableConv struct{ ir.SeparableConv }

func (k separableConv) Traits(in []ir.Shape) pass.Traits {
	t := readsFirst(in, 1)
	t.Repeats = func(i int) bool { return i%2 == 0 }
	if len(k.Windows) == 1 {
		t.Moments = 1
	}
	t.Scratch = func() (int, int) { return separableScratch(k.SeparableConv, in[0], in[1:], 2, false) }
	return t
}

// precision is that of the products of a convolution.
func precision(bfloat16 bool) kernel.Precision {
	if bfloat16 {
		return kernel.BFloat16
	}
	return kernel.Float32
}

// separableScratch returns the scratch memory of windows; weights has a pair of shapes
// for each, step inputs apart.
func separableScratch(op ir.SeparableConv, x ir.Shape, weights []ir.Shape, step int, backward bool) (int, int) {
	list := make([]kernel.Stage, len(op.Windows))
	for i, w := range op.Windows {
		list[i] = kernel.Stage{
			Win: window(w),
			WD:  make([]float32, weights[step*i].Size()),
			WP:  make([]float32, weights[step*i+1].Size()),
		}
	}
	n, h, w, c := x.NHWC()
	return kernel.StagesScratch(precision(op.BFloat16), n, h, w, c, list, backward)
}

func (k separableConv) Run(c *Context, out, in []Array) error {
	list := room(&c.separable, len(k.Windows))
	for i, w := range k.Windows {
		list[i] = kernel.Stage{
			Win: window(w), WD: in[1+2*i].F, WP: in[2+2*i].F,
			Z: out[2*i].F, Mom: out[2*i+1].F,
		}
	}
	kernel.StagesForward(c.Pool, precision(k.BFloat16), in[0].AsMap(), list)
	return nil
}

type separableConvGrad struct{ ir.SeparableConvGrad }

func (k separableConvGrad) Traits(in []ir.Shape) pass.Traits {
	reads := make([]ir.Form, len(in))
	for i := range reads {
		if i == 0 || i%3 == 1 { // x and each gy
			reads[i] = ir.Affine
		}
	}
	return pass.Traits{
		Pure: true, Reads: reads,
		Sums: func(i int) (sums, of int, ok bool) { return 1, 0, i == 0 },
		Scratch: func() (int, int) {
			return separableScratch(ir.SeparableConv(k.SeparableConvGrad), in[0], in[2:], 3, true)
		},
	}
}

func (k separableConvGrad) Run(c *Context, out, in []Array) error {
	list := room(&c.separable, len(k.Windows))
	for i, w := range k.Windows {
		list[i] = kernel.Stage{
			Win: window(w), WD: in[2+3*i].F, WP: in[3+3*i].F,
			GZ: in[1+3*i].AsMap(), GWD: out[2+2*i].F, GWP: out[3+2*i].F,
		}
	}
	kernel.StagesBackward(c.Pool, precision(k.BFloat16), in[0].AsMap(), list, out[0].F, out[1].F)
	return nil
}

type factorizedReduce struct{ ir.FactorizedReduce }

func (k factorizedReduce) Traits(in []ir.Shape) pass.Traits {
	t := readsFirst(in, 1)
	t.Moments, t.Repeats = 1, output0
	t.Scratch = func() (int, int) {
		n, h, w, c := in[0].NHWC()
		return kernel.ReduceScratch(n, h, w, c, k.Out, false)
	}
	return t
}

func (k factorizedReduce) Run(c *Context, out, in []Array) error {
	kernel.ReduceForward(c.Pool, in[0].AsMap(), in[1].F, in[2].F, out[0].F, k.Out, out[1].F)
	return nil
}

type factorizedReduceGrad struct{ ir.FactorizedReduceGrad }

func (k factorizedReduceGrad) Traits(in []ir.Shape) pass.Traits {
	t := readsFirst(in, 2)
	t.Scratch = func() (int, int) {
		n, h, w, c := in[1].NHWC()
		return kernel.ReduceScratch(n, h, w, c, k.Out, true)
	}
	return t
}

func (k factorizedReduceGrad) Run(c *Context, out, in []Array) error {
	kernel.ReduceBackward(c.Pool, in[0].AsMap(), in[1].AsMap(), in[2].F, in[3].F, out[0].F, out[1].F, out[2].F)
	return nil
}

type linear struct{}

func (linear) Traits(in []ir.Shape) pass.Traits {
	return pass.Traits{Pure: true, Scratch: func() (int, int) {
		return kernel.LinearScratch(in[0].Size()/in[1][0], in[1][0], in[1][1])
	}}
}

func (linear) Run(c *Context, out, in []Array) error {
	s := in[1].Shape
	kernel.LinearForward(c.Pool, in[0].F, len(in[0].F)/s[0], s[0], s[1], in[1].F, in[2].F, out[0].F)
	return nil
}

type linearGrad struct{}

func (linearGrad) Traits(in []ir.Shape) pass.Traits {
	return pass.Traits{Pure: true, Scratch: func() (int, int) {
		return kernel.LinearScratch(in[1].Size()/in[2][0], in[2][0], in[2][1])
	}}
}

func (linearGrad) Run(c *Context, out, in []Array) error {
	s := in[2].Shape
	kernel.LinearBackward(c.Pool, in[0].F, in[1].F, len(in[1].F)/s[0], s[0], s[1], in[2].F, out[0].F, out[1].F, out[2].F)
	return nil
}

type upsample struct{ ir.Upsample }

func (k upsample) Traits(in []ir.Shape) pass.Traits {
	t := readsFirst(in, 1)
	t.Scratch = func() (int, int) {
		_, h, w, c := in[0].NHWC()
		return kernel.UpsampleScratch(h, w, c, k.Height, k.Width, false)
	}
	return t
}

func (k upsample) Run(c *Context, out, in []Array) error {
	kernel.UpsampleForward(c.Pool, in[0].AsMap(), k.Height, k.Width, out[0].F)
	return nil
}

type upsampleGrad struct{ ir.UpsampleGrad }

func (k upsampleGrad) Traits(in []ir.Shape) pass.Traits {
	t := readsFirst(in, 1)
	t.Scratch = func() (int, int) {
		_, h, w, c := k.X.NHWC()
		_, toH, toW, _ := in[0].NHWC()
		return kernel.UpsampleScratch(h, w, c, toH, toW, true)
	}
	return t
}

func (k upsampleGrad) Run(c *Context, out, in []Array) error {
	_, h, w, _ := k.X.NHWC()
	kernel.UpsampleBackward(c.Pool, in[0].AsMap(), h, w, out[0].F)
	return nil
}
