package ops

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// depthwiseSeparable returns ReLU, depthwise convolution, pointwise convolution of x as
// a fused block, C to C channels. The weights are those of layers first and first+1 of
// the scope, as published.
func (s *Scope) depthwiseSeparable(x *gorgonia.Node, w Window, first int) (*gorgonia.Node, error) {
	_, _, _, c, err := featureMap(x)
	if err != nil {
		return nil, fmt.Errorf("ops: %s: %w", s.prefix, err)
	}
	k := w.Rows
	depth, err := s.Param(fmt.Sprintf("%d.weight", first), ConvWeight, tensor.Shape{k, k, 1, c}, KaimingUniform(k*k))
	if err != nil {
		return nil, err
	}
	point, err := s.Param(fmt.Sprintf("%d.weight", first+1), ConvWeight, tensor.Shape{1, 1, c, c}, KaimingUniform(c))
	if err != nil {
		return nil, err
	}
	return apply(stages{w}, x, depth, point)
}

// stages computes ReLU, depthwise and pointwise convolution of one map for several
// windows, each with its own weights, and the moments of the results. Inputs: x; for
// each window the depthwise weight [k, k, 1, C] and the pointwise weight [1, 1, C,
// Out]. Outputs: for each window y and its moments [3, Out].
type stages []Window

func (k stages) Key() string { return fmt.Sprintf("stage%+v", []Window(k)) }

func (k stages) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	n, h, w, _, err := mapShape(in[0])
	if err != nil {
		return nil, err
	}
	var shapes []tensor.Shape
	for i, win := range k {
		oh, ow, err := win.check(h, w)
		if err != nil {
			return nil, err
		}
		out := in[2+2*i][3]
		shapes = append(shapes, tensor.Shape{n, oh, ow, out}, tensor.Shape{3, out})
	}
	return shapes, nil
}

func (k stages) Moments() int { return 1 }

func (k stages) Reads(i int) graph.Pending { return onlyInput(0, i) }

func (k stages) Shared() int { return 0 }

func (k stages) Fuse(with graph.Kernel) graph.Kernel {
	o, ok := with.(stages)
	if !ok || !k.fits(o) {
		return nil
	}
	return slices.Concat(k, o)
}

// fits reports whether blocks can be fused: their windows are centred and have equal
// strides.
func (k stages) fits(o stages) bool {
	for _, w := range slices.Concat(k, o) {
		if w.StrideRows != k[0].StrideRows || 2*w.PadRows != w.DilationRows*(w.Rows-1) {
			return false
		}
	}
	return true
}

func (k stages) Scratch(in []tensor.Shape) (int, int) { return k.scratch(in[0], in[1:], 2, false) }

// scratch returns the scratch memory of the windows; weights has a pair of shapes per
// window, step inputs apart.
func (k stages) scratch(x tensor.Shape, weights []tensor.Shape, step int, backward bool) (int, int) {
	list := make([]kernel.Stage, len(k))
	for i, w := range k {
		list[i] = kernel.Stage{
			Win: w.kernel(),
			WD:  make([]float32, weights[step*i].TotalSize()),
			WP:  make([]float32, weights[step*i+1].TotalSize()),
		}
	}
	n, h, w, c := graph.NHWC(x)
	return kernel.StagesScratch(n, h, w, c, list, backward)
}

func (k stages) Run(c *graph.Context, out, in []graph.Value) error {
	list := c.Stages(len(k))
	for i, w := range k {
		list[i] = kernel.Stage{
			Win: w.kernel(), WD: in[1+2*i].F, WP: in[2+2*i].F,
			Z: out[2*i].F, Mom: moments(c, &out[2*i+1]),
		}
	}
	kernel.StagesForward(c.Team, in[0].Map(), list)
	return nil
}

func (stages) Repeatable(i int) bool { return i%2 == 0 }

func (k stages) Wrt(inputs int) []bool { return graph.All(inputs) }

func (k stages) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	out, err := graph.Apply(stagesGrad{k}, in[0], gy, in[1], in[2])
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{out(0), out(2), out(3)}, nil
}

func (k stages) Cost(in []tensor.Shape) graph.Cost {
	out, err := k.Shapes(in)
	if err != nil {
		return graph.Cost{}
	}
	var macs int64
	for i, w := range k {
		y := out[2*i]
		macs += int64(y[0]) * int64(y[1]) * int64(y[2]) * int64(in[0][3]) * int64(w.Rows*w.Columns+y[3])
	}
	return graph.Cost{ConvMACs: macs}
}

// stagesGrad is the gradient of stages. Inputs: x; for each window gy and the weights.
// Outputs: the gradient of x, the sums [2, C] of it and of it times x; for each window
// the gradients of the weights.
type stagesGrad struct{ of stages }

func (k stagesGrad) Key() string { return "gradient of " + k.of.Key() }

func (k stagesGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	shapes := []tensor.Shape{in[0], {2, in[0][3]}}
	for i := range k.of {
		shapes = append(shapes, in[2+3*i], in[3+3*i])
	}
	return shapes, nil
}

func (k stagesGrad) Sums(i int) (sums, of int, ok bool) { return 1, 0, i == 0 }

func (k stagesGrad) Reads(i int) graph.Pending {
	if i == 0 || i%3 == 1 {
		return graph.Affine
	}
	return graph.None
}

func (k stagesGrad) Shared() int { return 2 }

func (k stagesGrad) Fuse(with graph.Kernel) graph.Kernel {
	o, ok := with.(stagesGrad)
	if !ok || !k.of.fits(o.of) {
		return nil
	}
	return stagesGrad{slices.Concat(k.of, o.of)}
}

func (k stagesGrad) Scratch(in []tensor.Shape) (int, int) {
	return k.of.scratch(in[0], in[2:], 3, true)
}

func (k stagesGrad) Run(c *graph.Context, out, in []graph.Value) error {
	list := c.Stages(len(k.of))
	for i, w := range k.of {
		list[i] = kernel.Stage{
			Win: w.kernel(), WD: in[2+3*i].F, WP: in[3+3*i].F,
			GZ: in[1+3*i].Map(), GWD: out[2+2*i].F, GWP: out[3+2*i].F,
		}
	}
	kernel.StagesBackward(c.Team, in[0].Map(), list, out[0].F, out[1].F)
	return nil
}
