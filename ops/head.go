package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// Linear returns x·weight + bias for x [N, C]: [N, out]. It first concatenates each
// join rows of x to one, such as the tiles of a jigsaw: [N/join, out].
func (s *Scope) Linear(x *gorgonia.Node, join, out int) (*gorgonia.Node, error) {
	if err := needFloats(x); err != nil {
		return nil, fmt.Errorf("ops: %sweight: %w", s.prefix, err)
	}
	shape := x.Shape()
	if shape.Dims() != 2 || join <= 0 || shape[0]%join != 0 || out <= 0 {
		return nil, fmt.Errorf("ops: %sweight: linear layer of %d outputs on rows of shape %v, %d joined; want [N, C] with N a multiple of the joined rows", s.prefix, out, shape, join)
	}
	in := join * shape[1]
	w, err := s.Param("weight", LinearWeight, tensor.Shape{in, out}, KaimingUniform(in))
	if err != nil {
		return nil, err
	}
	b, err := s.Param("bias", Vector, tensor.Shape{out}, KaimingUniform(in))
	if err != nil {
		return nil, err
	}
	return apply(linear{}, x, w, b)
}

// linear computes x·w + b, with the rows of x joined to the rows of w. Inputs: x, w
// [in, out], b.
type linear struct{}

func (linear) Key() string { return "linear" }

func (linear) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{{in[0].TotalSize() / in[1][0], in[1][1]}}, nil
}

func (linear) Scratch(in []tensor.Shape) (int, int) {
	return kernel.LinearScratch(in[0].TotalSize()/in[1][0], in[1][0], in[1][1])
}

func (linear) Run(c *graph.Context, out, in []graph.Value) error {
	s := in[1].Shape
	kernel.LinearForward(c.Team, in[0].F, len(in[0].F)/s[0], s[0], s[1], in[1].F, in[2].F, out[0].F)
	return nil
}

func (linear) Wrt(inputs int) []bool { return graph.All(inputs) }

func (linear) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gradients(linearGrad{}, 3, gy, in[0], in[1])
}

func (linear) Cost(in []tensor.Shape) graph.Cost {
	return graph.Cost{LinearMACs: int64(in[0].TotalSize()) * int64(in[1][1])}
}

// linearGrad is the gradient of linear. Inputs: gy, x, w.
type linearGrad struct{}

func (linearGrad) Key() string { return "gradient of linear" }

func (linearGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{in[1], in[2], {in[2][1]}}, nil
}

func (linearGrad) Scratch(in []tensor.Shape) (int, int) {
	return kernel.LinearScratch(in[1].TotalSize()/in[2][0], in[2][0], in[2][1])
}

func (linearGrad) Run(c *graph.Context, out, in []graph.Value) error {
	s := in[2].Shape
	kernel.LinearBackward(c.Team, in[0].F, in[1].F, len(in[1].F)/s[0], s[0], s[1], in[2].F, out[0].F, out[1].F, out[2].F)
	return nil
}

// Upsample returns x [N, h, w, C] resized bilinearly to [N, height, width, C] with aligned
// corners.
func Upsample(x *gorgonia.Node, height, width int) (*gorgonia.Node, error) {
	return apply(upsample{height, width}, x)
}

type upsample struct{ h, w int }

func (k upsample) Key() string { return fmt.Sprintf("upsample to %d×%d", k.h, k.w) }

func (k upsample) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	n, _, _, c, err := mapShape(in[0])
	if err != nil {
		return nil, err
	}
	if k.h <= 0 || k.w <= 0 {
		return nil, fmt.Errorf("height and width must be positive")
	}
	return []tensor.Shape{{n, k.h, k.w, c}}, nil
}

func (k upsample) Reads(int) graph.Pending { return graph.Affine }

func (k upsample) Scratch(in []tensor.Shape) (int, int) {
	_, h, w, c := graph.NHWC(in[0])
	return kernel.UpsampleScratch(h, w, c, k.h, k.w, false)
}

func (k upsample) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.UpsampleForward(c.Team, in[0].Map(), k.h, k.w, out[0].F)
	return nil
}

func (k upsample) Wrt(inputs int) []bool { return graph.All(inputs) }

func (k upsample) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gradients(upsampleGrad{k, in[0].Shape()}, 1, gy)
}

// upsampleGrad is the gradient of upsample for a map of shape x.
type upsampleGrad struct {
	of upsample
	x  tensor.Shape
}

func (k upsampleGrad) Key() string { return "gradient of " + k.of.Key() }

func (k upsampleGrad) Shapes([]tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{k.x}, nil
}

func (k upsampleGrad) Reads(int) graph.Pending { return graph.Affine }

func (k upsampleGrad) Scratch([]tensor.Shape) (int, int) {
	_, h, w, c := graph.NHWC(k.x)
	return kernel.UpsampleScratch(h, w, c, k.of.h, k.of.w, true)
}

func (k upsampleGrad) Run(c *graph.Context, out, in []graph.Value) error {
	_, h, w, _ := graph.NHWC(k.x)
	kernel.UpsampleBackward(c.Team, in[0].Map(), h, w, out[0].F)
	return nil
}
