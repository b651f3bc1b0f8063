package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// Window is the geometry of a convolution or pooling: the size of the kernel,
// its stride, padding and dilation, each for rows and columns.
type Window struct {
	Rows, Columns                 int
	StrideRows, StrideColumns     int
	PadRows, PadColumns           int
	DilationRows, DilationColumns int
}

// Square returns the window of a k×k kernel.
func Square(k, stride, pad, dilation int) Window {
	return Window{k, k, stride, stride, pad, pad, dilation, dilation}
}

func (w Window) kernel() kernel.Window {
	return kernel.Window{KH: w.Rows, KW: w.Columns, SH: w.StrideRows, SW: w.StrideColumns, PH: w.PadRows, PW: w.PadColumns, DH: w.DilationRows, DW: w.DilationColumns}
}

// maxWindow is the largest size, stride, padding and dilation of a window: more than
// any image needs, and small enough that products do not overflow.
const maxWindow = 1 << 16

// check returns the size of the output for an input of h×w pixels.
func (w Window) check(h, wd int) (oh, ow int, err error) {
	if max(w.Rows, w.Columns, w.StrideRows, w.StrideColumns, w.DilationRows, w.DilationColumns, w.PadRows, w.PadColumns) > maxWindow {
		return 0, 0, fmt.Errorf("window %+v: sizes, strides, dilations and paddings must be at most %d", w, maxWindow)
	}
	if min(w.Rows, w.Columns, w.StrideRows, w.StrideColumns, w.DilationRows, w.DilationColumns) <= 0 || min(w.PadRows, w.PadColumns) < 0 {
		return 0, 0, fmt.Errorf("window %+v: sizes, strides and dilations must be positive, paddings not negative", w)
	}
	// The division by the stride rounds towards zero, so a window that does not fit must be
	// detected before it.
	if h+2*w.PadRows < w.DilationRows*(w.Rows-1)+1 || wd+2*w.PadColumns < w.DilationColumns*(w.Columns-1)+1 {
		return 0, 0, fmt.Errorf("a map of %d×%d pixels is smaller than the window %+v; use larger images or fewer strides", h, wd, w)
	}
	oh, ow = w.kernel().Out(h, wd)
	return oh, ow, nil
}

// ConvConfig configures a convolution.
type ConvConfig struct {
	Out    int // output channels
	Window Window
	ReLU   bool // apply ReLU to the input first
	Bias   bool
}

// Conv returns the convolution of x [N, H, W, C] with the weight "weight" (and
// "bias") of the scope: [N, H', W', Out].
func (s *Scope) Conv(x *gorgonia.Node, c ConvConfig) (*gorgonia.Node, error) {
	_, h, wd, in, err := featureMap(x)
	if err == nil && c.Out <= 0 {
		err = fmt.Errorf("%d output channels; want at least one", c.Out)
	}
	if err == nil {
		_, _, err = c.Window.check(h, wd)
	}
	if err != nil {
		return nil, fmt.Errorf("ops: %sweight: %w", s.prefix, err)
	}
	fan := in * c.Window.Rows * c.Window.Columns
	w, err := s.Param("weight", ConvWeight, tensor.Shape{c.Window.Rows, c.Window.Columns, in, c.Out}, KaimingUniform(fan))
	if err != nil {
		return nil, err
	}
	inputs := gorgonia.Nodes{x, w}
	if c.Bias {
		b, err := s.Param("bias", Vector, tensor.Shape{c.Out}, KaimingUniform(fan))
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, b)
	}
	return apply(conv{c}, inputs...)
}

// conv computes a full convolution and the moments of its output.
// Inputs: x, weight, bias if any. Outputs: y, moments [3, Out].
type conv struct{ ConvConfig }

func (k conv) Key() string { return fmt.Sprintf("conv%+v", k.ConvConfig) }

func (k conv) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	n, h, w, _, err := mapShape(in[0])
	if err != nil {
		return nil, err
	}
	oh, ow, err := k.Window.check(h, w)
	if err != nil {
		return nil, err
	}
	return []tensor.Shape{{n, oh, ow, k.Out}, {3, k.Out}}, nil
}

func (k conv) Moments() int { return 1 }

func (k conv) Reads(i int) graph.Pending { return onlyInput(0, i) }

func (k conv) Scratch(in []tensor.Shape) (int, int) {
	n, h, w, c := graph.NHWC(in[0])
	return kernel.ConvScratch(n, h, w, c, k.Window.kernel(), k.Out, false)
}

func (k conv) Run(c *graph.Context, out, in []graph.Value) error {
	var bias []float32
	if k.Bias {
		bias = in[2].F
	}
	kernel.ConvForward(c.Team, in[0].Map(), k.Window.kernel(), k.ReLU, in[1].F, bias, out[0].F, k.Out, moments(c, &out[1]))
	return nil
}

func (conv) Repeatable(i int) bool { return i == 0 }

func (k conv) Wrt(inputs int) []bool { return graph.All(inputs) }

func (k conv) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gradients(convGrad{k}, len(in), gy, in[0], in[1])
}

func (k conv) Cost(in []tensor.Shape) graph.Cost {
	out, err := k.Shapes(in)
	if err != nil {
		return graph.Cost{}
	}
	_, _, _, c := graph.NHWC(in[0])
	pixels := int64(out[0][0]) * int64(out[0][1]) * int64(out[0][2])
	cost := graph.Cost{ConvMACs: pixels * int64(k.Out) * int64(c) * int64(k.Window.Rows*k.Window.Columns)}
	if k.Bias {
		cost.BiasedOutputs = pixels * int64(k.Out)
	}
	return cost
}

// convGrad is the gradient of conv. Inputs: gy, x, weight. Outputs: the
// gradients of x, weight, bias.
type convGrad struct{ of conv }

func (k convGrad) Key() string { return "gradient of " + k.of.Key() }

func (k convGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{in[1], in[2], {k.of.Out}}, nil
}

func (k convGrad) Reads(i int) graph.Pending { return firstTwo(i) }

func (k convGrad) Scratch(in []tensor.Shape) (int, int) {
	n, h, w, c := graph.NHWC(in[1])
	return kernel.ConvScratch(n, h, w, c, k.of.Window.kernel(), k.of.Out, true)
}

func (k convGrad) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.ConvBackward(c.Team, in[0].Map(), in[1].Map(), k.of.Window.kernel(), k.of.ReLU, in[2].F, out[0].F, out[1].F, out[2].F)
	return nil
}
