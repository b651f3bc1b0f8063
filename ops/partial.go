package ops

import (
	"slices"

	"gorgonia.org/gorgonia"

	"unnas/internal/ir"
)

// NormaliseEdges multiplies the operation weights [edges, candidates] by the weights of
// their edges, the softmax of betas [edges] over the edges into one node: the edge
// normalisation of PC-DARTS (Xu et al., 2020, arXiv 1907.05737, section 3.3). into
// holds the number of edges into each node, in order. The result [edges, candidates+1]
// has the edge weights in the last column.
func NormaliseEdges(weights, betas *gorgonia.Node, into []int) (*gorgonia.Node, error) {
	return apply(ir.NormaliseEdges{Into: slices.Clone(into)}, weights, betas)
}

// Interleave joins a map whose first C/K channels were processed separately, and
// shuffles its channels in K groups (Xu et al., 2020, arXiv 1907.05737, after Zhang et
// al., 2018, arXiv 1707.01083). first [N, H, W, C/K] are the processed channels; rest
// [N, H, W, C] is the whole map, of which the other channels are used. Channel j·K+g of
// the result is channel j of group g: group 0 is first, and group g is channels g·C/K
// to (g+1)·C/K-1 of rest.
func Interleave(first, rest *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(ir.Interleave{}, first, rest)
}
