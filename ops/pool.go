package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// MaxPool2D returns the maximum of each k×k window of x [N, H, W, C], without padding. The
// gradient goes to the first maximum of a window.
func MaxPool2D(x *gorgonia.Node, k, stride, pad int) (*gorgonia.Node, error) {
	return apply(pool{Square(k, stride, pad, 1), true}, x)
}

// AvgPool2D returns the mean of each k×k window of x [N, H, W, C], without padding.
func AvgPool2D(x *gorgonia.Node, k, stride, pad int) (*gorgonia.Node, error) {
	return apply(pool{Square(k, stride, pad, 1), false}, x)
}

// pool computes a pooling and the moments of its output. Outputs: y, moments
// [3, C].
type pool struct {
	w   Window
	max bool
}

func (k pool) Key() string {
	if k.max {
		return fmt.Sprintf("max pool%+v", k.w)
	}
	return fmt.Sprintf("average pool%+v", k.w)
}

func (k pool) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	n, h, w, c, err := mapShape(in[0])
	if err != nil {
		return nil, err
	}
	oh, ow, err := k.w.check(h, w)
	if err != nil {
		return nil, err
	}
	if size := k.w.DilationRows*(k.w.Rows-1) + 1; 2*k.w.PadRows > size {
		return nil, fmt.Errorf("padding %d is more than half of the window %d", k.w.PadRows, size)
	}
	return []tensor.Shape{{n, oh, ow, c}, {3, c}}, nil
}

func (k pool) Moments() int { return 1 }

func (k pool) Reads(i int) graph.Pending { return graph.Affine }

func (k pool) Scratch(in []tensor.Shape) (int, int) {
	n, h, w, c := graph.NHWC(in[0])
	return k.scratch(n, h, w, c, false)
}

func (k pool) scratch(n, h, w, c int, backward bool) (int, int) {
	if k.max {
		return kernel.MaxPoolScratch(n, h, w, c, k.w.kernel(), backward)
	}
	return kernel.AvgPoolScratch(n, h, w, c, k.w.kernel(), backward)
}

func (k pool) Run(c *graph.Context, out, in []graph.Value) error {
	forward := kernel.AvgPoolForward
	if k.max {
		forward = kernel.MaxPoolForward
	}
	forward(c.Team, in[0].Map(), k.w.kernel(), out[0].F, moments(c, &out[1]))
	return nil
}

func (pool) Repeatable(i int) bool { return i == 0 }

func (k pool) Wrt(inputs int) []bool { return graph.All(inputs) }

func (k pool) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	if k.max {
		return gradients(maxPoolGrad{k}, 1, gy, in[0])
	}
	return gradients(avgPoolGrad{k, in[0].Shape()}, 1, gy)
}

func (k pool) Cost(in []tensor.Shape) graph.Cost {
	out, err := k.Shapes(in)
	if err != nil || k.max {
		return graph.Cost{}
	}
	return graph.Cost{AveragedOutputs: int64(out[0].TotalSize())}
}

// maxPoolGrad is the gradient of a max pooling. Inputs: gy, x.
type maxPoolGrad struct{ of pool }

func (k maxPoolGrad) Key() string { return "gradient of " + k.of.Key() }

func (k maxPoolGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[1:], nil }

func (k maxPoolGrad) Reads(i int) graph.Pending { return firstTwo(i) }

func (k maxPoolGrad) Scratch(in []tensor.Shape) (int, int) {
	n, h, w, c := graph.NHWC(in[1])
	return k.of.scratch(n, h, w, c, true)
}

func (k maxPoolGrad) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.MaxPoolBackward(c.Team, in[0].Map(), in[1].Map(), k.of.w.kernel(), out[0].F)
	return nil
}

// avgPoolGrad is the gradient of an average pooling of a map of shape x. Input: gy.
type avgPoolGrad struct {
	of pool
	x  tensor.Shape
}

func (k avgPoolGrad) Key() string { return "gradient of " + k.of.Key() }

func (k avgPoolGrad) Shapes([]tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{k.x}, nil
}

func (k avgPoolGrad) Reads(i int) graph.Pending { return graph.Affine }

func (k avgPoolGrad) Scratch([]tensor.Shape) (int, int) {
	n, h, w, c := graph.NHWC(k.x)
	return k.of.scratch(n, h, w, c, true)
}

func (k avgPoolGrad) Run(c *graph.Context, out, in []graph.Value) error {
	_, h, w, _ := graph.NHWC(k.x)
	kernel.AvgPoolBackward(c.Team, in[0].Map(), k.of.w.kernel(), h, w, out[0].F)
	return nil
}

// GlobalAvgPool returns the mean over all pixels of x [N, H, W, C]: [N, C].
func GlobalAvgPool(x *gorgonia.Node) (*gorgonia.Node, error) { return apply(globalPool{}, x) }

// GlobalAvgMap returns the mean over all pixels of x [N, H, W, C] as a map of one pixel:
// [N, 1, 1, C].
func GlobalAvgMap(x *gorgonia.Node) (*gorgonia.Node, error) { return apply(globalPool{asMap: true}, x) }

type globalPool struct{ asMap bool }

func (globalPool) Key() string { return "global average pool" }

func (k globalPool) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	n, _, _, c, err := mapShape(in[0])
	if k.asMap {
		return []tensor.Shape{{n, 1, 1, c}}, err
	}
	return []tensor.Shape{{n, c}}, err
}

func (globalPool) Reads(int) graph.Pending { return graph.Affine }

func (globalPool) Scratch(in []tensor.Shape) (int, int) {
	n, h, w, c := graph.NHWC(in[0])
	return kernel.GlobalPoolScratch(n, h, w, c)
}

func (globalPool) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.GlobalPoolForward(c.Team, in[0].Map(), out[0].F)
	return nil
}

func (globalPool) Wrt(inputs int) []bool { return graph.All(inputs) }

func (globalPool) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gradients(globalPoolGrad{in[0].Shape()}, 1, gy)
}

func (globalPool) Cost(in []tensor.Shape) graph.Cost {
	n, h, w, c := graph.NHWC(in[0])
	return graph.Cost{GlobalOperations: int64(n) * int64(h*w+1) * int64(c)}
}

// globalPoolGrad is the gradient of globalPool for a map of shape x.
type globalPoolGrad struct{ x tensor.Shape }

func (k globalPoolGrad) Key() string { return "gradient of global average pool" }

func (k globalPoolGrad) Shapes([]tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{k.x}, nil
}

func (k globalPoolGrad) Run(c *graph.Context, out, in []graph.Value) error {
	n, h, w, ch := graph.NHWC(k.x)
	kernel.GlobalPoolBackward(c.Team, in[0].F, n, h, w, ch, out[0].F)
	return nil
}
