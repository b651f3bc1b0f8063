package cpuexec

import (
	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

type crossEntropy struct{ ir.CrossEntropy }

func (k crossEntropy) Traits(in []ir.Shape) pass.Traits {
	return crossEntropyTraits(k.CrossEntropy, in, 0)
}

// crossEntropyTraits are the traits of a loss, or of its gradient, whose logits and
// labels are the inputs from number logits on.
func crossEntropyTraits(o ir.CrossEntropy, in []ir.Shape, logits int) pass.Traits {
	t := pure()
	x, y := in[logits], in[logits+1]
	t.Scratch = func() (int, int) { return kernel.CrossEntropyScratch(x[0], x[1]) }
	if o.Pixels {
		t.Reads = make([]ir.Form, len(in))
		t.Reads[logits] = ir.Affine
		t.Scratch = func() (int, int) {
			return kernel.PixelCrossEntropyScratch(x[0], x[1], x[2], x[3], y[1], y[2], logits > 0)
		}
	}
	return t
}

func (k crossEntropy) Run(c *Context, out, in []Array) error {
	s, labels := in[0].Shape, in[1]
	if err := checkLabels(labels.I, s.Channels(), k.Ignore); err != nil {
		return err
	}
	var loss float64
	var correct, count int
	if k.Pixels {
		loss, correct, count = kernel.PixelCrossEntropy(c.Pool, in[0].AsMap(), labels.Shape[1], labels.Shape[2], labels.I, k.Ignore)
	} else {
		loss, correct, count = kernel.CrossEntropy(c.Pool, in[0].F, s[0], s[1], labels.I, k.Ignore, float32(k.Smoothing))
	}
	if out[0].Needed() {
		out[0].F[0] = float32(loss)
	}
	setCount(out[1].F, correct)
	setCount(out[2].F, count)
	return nil
}

// setCount writes n to one element, or to two with sum n. An output that is not needed
// has no elements.
func setCount(to []float32, n int) {
	if len(to) > 1 {
		to[1] = float32(n % ir.ExactCount)
		n -= n % ir.ExactCount
	}
	if len(to) > 0 {
		to[0] = float32(n)
	}
}

type crossEntropyGrad struct{ ir.CrossEntropyGrad }

func (k crossEntropyGrad) Traits(in []ir.Shape) pass.Traits {
	return crossEntropyTraits(k.Of, in, 1)
}

func (k crossEntropyGrad) Run(c *Context, out, in []Array) error {
	s, labels := in[1].Shape, in[2]
	if err := checkLabels(labels.I, s.Channels(), k.Of.Ignore); err != nil {
		return err
	}
	if k.Of.Pixels {
		kernel.PixelCrossEntropyBackward(c.Pool, in[0].F[0], in[1].AsMap(), labels.Shape[1], labels.Shape[2], labels.I, k.Of.Ignore, out[0].F)
		return nil
	}
	kernel.CrossEntropyBackward(c.Pool, in[0].F[0], in[1].F, s[0], s[1], labels.I, k.Of.Ignore, float32(k.Of.Smoothing), out[0].F)
	return nil
}
