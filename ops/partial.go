package ops

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// NormaliseEdges multiplies the operation weights [edges, candidates] by the weights of
// their edges, the softmax of betas [edges] over the edges into one node: the edge
// normalisation of PC-DARTS (Xu et al., 2020, arXiv 1907.05737, section 3.3). into
// holds the number of edges into each node, in order. The result [edges, candidates+1]
// has the edge weights in the last column.
func NormaliseEdges(weights, betas *gorgonia.Node, into []int) (*gorgonia.Node, error) {
	return apply(edges(slices.Clone(into)), weights, betas)
}

// edges normalises edges; it holds the number of edges into each node. Inputs: weights,
// betas. Outputs: the result, the edge weights.
type edges []int

func (k edges) Key() string { return fmt.Sprintf("normalisation of edges %v", []int(k)) }

func (k edges) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	if in[0].Dims() != 2 || in[1].Dims() != 1 || in[0][0] != in[1][0] {
		return nil, fmt.Errorf("weights of shape %v and betas of %v; want [edges, candidates] and [edges]", in[0], in[1])
	}
	sum := 0
	for _, n := range k {
		if n < 1 {
			return nil, fmt.Errorf("nodes with %v edges; want at least one each", []int(k))
		}
		sum += n
	}
	if sum != in[0][0] {
		return nil, fmt.Errorf("nodes with %v edges, but weights for %d edges", []int(k), in[0][0])
	}
	return []tensor.Shape{{in[0][0], in[0][1] + 1}, in[1]}, nil
}

func (k edges) Run(c *graph.Context, out, in []graph.Value) error {
	weights := out[1].F
	if weights == nil {
		weights = c.Floats(len(in[1].F))
	}
	if out[0].Wanted() {
		kernel.EdgesForward(in[0].F, in[1].F, k, in[0].Shape[1], weights, out[0].F)
	}
	return nil
}

func (k edges) Wrt(inputs int) []bool { return graph.All(inputs) }

func (k edges) Gradient(in gorgonia.Nodes, out func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gradients(edgesGrad{k}, 2, gy, in[0], in[1], out(0))
}

// edgesGrad is the gradient of edges. Inputs: gy, weights, betas, the result of
// edges. Outputs: the gradients of weights and betas.
type edgesGrad struct{ of edges }

func (k edgesGrad) Key() string { return "gradient of " + k.of.Key() }

func (k edgesGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[1:3], nil }

func (k edgesGrad) Run(_ *graph.Context, out, in []graph.Value) error {
	kernel.EdgesBackward(in[0].F, in[1].F, in[3].F, k.of, in[1].Shape[1], out[0].F, out[1].F)
	return nil
}

// Interleave joins a map whose first C/K channels were processed separately, and
// shuffles its channels in K groups (Xu et al., 2020, arXiv 1907.05737, after Zhang et
// al., 2018, arXiv 1707.01083). first [N, H, W, C/K] are the processed channels; rest
// [N, H, W, C] is the whole map, of which the other channels are used. Channel j·K+g of
// the result is channel j of group g: group 0 is first, and group g is channels g·C/K
// to (g+1)·C/K-1 of rest.
func Interleave(first, rest *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(interleave{}, first, rest)
}

// interleave joins and shuffles. Inputs: first, rest.
type interleave struct{}

func (interleave) Key() string { return "interleaving" }

func (interleave) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	n, h, w, c, err := mapShape(in[1])
	if err != nil {
		return nil, err
	}
	if in[0].Dims() != 4 || !in[0][:3].Eq(tensor.Shape{n, h, w}) || c%in[0][3] != 0 {
		return nil, fmt.Errorf("shapes %v and %v; want equal shapes except for the channels, those of the second a multiple of the first", in[0], in[1])
	}
	return in[1:], nil
}

func (interleave) Reads(int) graph.Pending { return graph.Affine }

func (interleave) Scratch(in []tensor.Shape) (int, int) { return elementwise(in[1], 1) }

func (interleave) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.Interleave(c.Team, in[0].Map(), in[1].Map(), out[0].F)
	return nil
}

func (interleave) Wrt(inputs int) []bool { return graph.All(inputs) }

func (interleave) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gradients(deinterleave{in[0].Shape()[3]}, 2, gy)
}

// deinterleave is the gradient of interleave with size channels in its first map.
// Input: gy. Outputs: the gradients of first and rest.
type deinterleave struct{ size int }

func (k deinterleave) Key() string { return fmt.Sprintf("gradient of interleaving %d", k.size) }

func (k deinterleave) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	first := in[0].Clone()
	first[3] = k.size
	return []tensor.Shape{first, in[0]}, nil
}

func (deinterleave) Reads(int) graph.Pending { return graph.Affine }

func (deinterleave) Scratch(in []tensor.Shape) (int, int) { return elementwise(in[0], 1) }

func (k deinterleave) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.Deinterleave(c.Team, in[0].Map(), k.size, out[0].F, out[1].F)
	return nil
}
