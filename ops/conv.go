package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/ir"
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
func Square(k, stride, pad, dilation int) Window { return Window(ir.Square(k, stride, pad, dilation)) }

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
		_, _, err = ir.Window(c.Window).Out(h, wd)
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
	return apply(ir.Conv{Out: c.Out, Window: ir.Window(c.Window), ReLU: c.ReLU, Bias: c.Bias}, inputs...)
}
