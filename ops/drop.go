package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// ScaleImages returns x [N, H, W, C] with image n times factors[n]; factors [N]
// have no gradient. An image whose factor is zero becomes zeros, whatever it
// holds. It is what drops paths of a network: with factors of 0, of probability
// p, and of 1/(1-p) else, the mean stays as it is (Larsson et al., 2017, arXiv
// 1605.07648).
func ScaleImages(x, factors *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(scaleImages{}, x, factors)
}

// scaleImages scales images. Inputs: x, factors.
type scaleImages struct{}

func (scaleImages) Key() string { return "images scaled" }

func (scaleImages) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	if in[0].Dims() != 4 || in[1].Dims() != 1 || in[1][0] != in[0][0] {
		return nil, fmt.Errorf("a map of shape %v and factors of %v; [N, H, W, C] and [N] are needed", in[0], in[1])
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
