package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// ScaleImages returns x [N, H, W, C] with image n multiplied by factors[n]; factors [N]
// has no gradient. An image with factor zero becomes zeros, even if it contains
// infinities or NaN. It implements drop path: factors are 0 with probability p and
// 1/(1-p) otherwise, which keeps the mean (Larsson et al., 2017, arXiv 1605.07648).
func ScaleImages(x, factors *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(scaleImages{}, x, factors)
}

// scaleImages scales images. Inputs: x, factors.
type scaleImages struct{}

func (scaleImages) Key() string { return "images scaled" }

func (scaleImages) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	if in[0].Dims() != 4 || in[1].Dims() != 1 || in[1][0] != in[0][0] {
		return nil, fmt.Errorf("a map of shape %v and factors of %v; want [N, H, W, C] and [N]", in[0], in[1])
	}
	return in[:1], nil
}

func (scaleImages) Reads(i int) graph.Pending { return onlyInput(0, i) }

func (scaleImages) Scratch(in []tensor.Shape) (int, int) { return elementwise(in[0], 1) }

func (scaleImages) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.ScaleImages(c.Team, in[0].Map(), in[1].F, out[0].F)
	return nil
}

func (scaleImages) Wrt(int) []bool { return []bool{true, false} }

func (k scaleImages) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := gradients(k, 1, gy, in[1])
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{g[0], nil}, nil
}
