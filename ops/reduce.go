package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// FactorizedReduce halves the resolution of x [N, H, W, C] and returns out channels:
// ReLU, two 1×1 convolutions of stride 2 with half of the channels each, the second on
// the map without its first row and column, padded with zeros at the end, then
// concatenation and batch normalisation: [N, ⌈H/2⌉, ⌈W/2⌉, out]. out must be even.
func (s *Scope) FactorizedReduce(x *gorgonia.Node, out int, affine bool) (*gorgonia.Node, error) {
	_, _, _, in, err := featureMap(x)
	if err != nil {
		return nil, fmt.Errorf("ops: %sconv_1: %w", s.prefix, err)
	}
	if out <= 0 || out%2 != 0 {
		return nil, fmt.Errorf("ops: %sconv_1: a factorised reduction to %d channels; want an even positive number", s.prefix, out)
	}
	shape := tensor.Shape{1, 1, in, out / 2}
	w1, err := s.Param("conv_1.weight", ConvWeight, shape, KaimingUniform(in))
	if err != nil {
		return nil, err
	}
	w2, err := s.Param("conv_2.weight", ConvWeight, shape.Clone(), KaimingUniform(in))
	if err != nil {
		return nil, err
	}
	y, err := apply(reduce{out}, x, w1, w2)
	if err != nil {
		return nil, err
	}
	return s.Sub("bn").BatchNorm(y, affine)
}

// reduce is a factorised reduction without its normalisation. Inputs: x, two
// weights [1, 1, C, out/2]. Outputs: y, moments [3, out].
type reduce struct{ out int }

func (k reduce) Key() string { return fmt.Sprintf("factorised reduction to %d", k.out) }

func (k reduce) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	n, h, w, _, err := mapShape(in[0])
	if err != nil {
		return nil, err
	}
	return []tensor.Shape{{n, (h + 1) / 2, (w + 1) / 2, k.out}, {3, k.out}}, nil
}

func (k reduce) Moments() int { return 1 }

func (k reduce) Reads(i int) graph.Pending { return onlyInput(0, i) }

func (k reduce) Scratch(in []tensor.Shape) (int, int) {
	n, h, w, c := graph.NHWC(in[0])
	return kernel.ReduceScratch(n, h, w, c, k.out, false)
}

func (k reduce) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.ReduceForward(c.Team, in[0].Map(), in[1].F, in[2].F, out[0].F, k.out, moments(c, &out[1]))
	return nil
}

func (reduce) Repeatable(i int) bool { return i == 0 }

func (k reduce) Wrt(inputs int) []bool { return graph.All(inputs) }

func (k reduce) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gradients(reduceGrad{k}, 3, append(gorgonia.Nodes{gy}, in...)...)
}

func (k reduce) Cost(in []tensor.Shape) graph.Cost {
	n, h, w, c := graph.NHWC(in[0])
	return graph.Cost{ConvMACs: int64(n) * int64((h+1)/2) * int64((w+1)/2) * int64(c) * int64(k.out)}
}

// reduceGrad is the gradient of reduce. Inputs: gy and the inputs of reduce.
// Outputs: the gradients of the inputs of reduce.
type reduceGrad struct{ of reduce }

func (k reduceGrad) Key() string { return "gradient of " + k.of.Key() }

func (k reduceGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[1:], nil }

func (k reduceGrad) Reads(i int) graph.Pending { return firstTwo(i) }

func (k reduceGrad) Scratch(in []tensor.Shape) (int, int) {
	n, h, w, c := graph.NHWC(in[1])
	return kernel.ReduceScratch(n, h, w, c, k.of.out, true)
}

func (k reduceGrad) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.ReduceBackward(c.Team, in[0].Map(), in[1].Map(), in[2].F, in[3].F, out[0].F, out[1].F, out[2].F)
	return nil
}
