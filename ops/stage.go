package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// depthwiseSeparable returns ReLU, depthwise convolution, pointwise convolution
// of x in one stage, C to C channels. The weights are those of layers number
// first and first+1 of the scope, as published.
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
	return apply(stage{w}, x, depth, point)
}

// stage computes ReLU, depthwise and pointwise convolution, and the moments of
// the result. Inputs: x, depthwise weight [k, k, 1, C], pointwise weight
// [1, 1, C, Out]. Outputs: y, moments [3, Out].
type stage struct{ w Window }

func (k stage) Key() string { return fmt.Sprintf("stage%+v", k.w) }

func (k stage) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	n, h, w, _, err := mapShape(in[0])
	if err != nil {
		return nil, err
	}
	oh, ow, err := k.w.check(h, w)
	if err != nil {
		return nil, err
	}
	out := in[2][3]
	return []tensor.Shape{{n, oh, ow, out}, {3, out}}, nil
}

func (k stage) Moments() int { return 1 }

func (k stage) Reads(i int) graph.Pending { return onlyInput(0, i) }

func (k stage) Scratch(in []tensor.Shape) (int, int) {
	n, h, w, c := graph.NHWC(in[0])
	return kernel.StageScratch(n, h, w, c, k.w.kernel(), in[2][3], false)
}

func (k stage) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.StageForward(c.Team, in[0].Map(), k.w.kernel(), in[1].F, in[2].F, out[0].F, in[2].Shape[3], moments(c, &out[1]))
	return nil
}

func (stage) Repeatable() {}

func (k stage) Wrt(inputs int) []bool { return graph.All(inputs) }

func (k stage) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gradients(stageGrad{k}, 3, append(gorgonia.Nodes{gy}, in...)...)
}

func (k stage) Cost(in []tensor.Shape) graph.Cost {
	out, err := k.Shapes(in)
	if err != nil {
		return graph.Cost{}
	}
	_, _, _, c := graph.NHWC(in[0])
	pixels := int64(out[0][0]) * int64(out[0][1]) * int64(out[0][2])
	return graph.Cost{ConvMACs: pixels * int64(c) * int64(k.w.Rows*k.w.Columns+out[0][3])}
}

// stageGrad is the gradient of stage. Inputs: gy and the inputs of stage.
// Outputs: the gradients of the inputs of stage.
type stageGrad struct{ of stage }

func (k stageGrad) Key() string { return "gradient of " + k.of.Key() }

func (k stageGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[1:], nil }

func (k stageGrad) Reads(i int) graph.Pending { return firstTwo(i) }

func (k stageGrad) Scratch(in []tensor.Shape) (int, int) {
	n, h, w, c := graph.NHWC(in[1])
	return kernel.StageScratch(n, h, w, c, k.of.w.kernel(), in[3][3], true)
}

func (k stageGrad) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.StageBackward(c.Team, in[0].Map(), in[1].Map(), k.of.w.kernel(), in[2].F, in[3].F, out[0].F, out[1].F, out[2].F)
	return nil
}
