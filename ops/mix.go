package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"unnas/internal/ir"
)

// Softmax returns the softmax of each row of x [R, K]: the weights for Mix of architecture
// parameters x.
func Softmax(x *gorgonia.Node) (*gorgonia.Node, error) { return apply(ir.Softmax{}, x) }

// GumbelSoftmax draws one element of each row of x [R, K] and returns one there and
// zero elsewhere: weights for Mix that select one operation per edge (Dong and Yang,
// 2019, arXiv 1910.04465, after Jang et al., 2017, arXiv 1611.01144). noise [R, K] has
// the standard Gumbel distribution, so that an element is drawn with its Softmax
// probability. The gradient passes only through the drawn elements, as those of
// softmax((x + noise)/temperature); temperature is a vector of one positive number.
// noise and temperature have no gradient.
func GumbelSoftmax(x, noise, temperature *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(ir.GumbelSoftmax{}, x, noise, temperature)
}

// Dirichlet draws each row of its result from the Dirichlet distribution with
// concentrations elu(x) + 1 for a row of x [R, K]: random weights for Mix that are
// positive and sum to one (Chen et al., 2021, arXiv 2006.10355). noise [R, K] has the
// standard normal distribution and no gradient; the result is a smooth function of
// both, by the quantiles of Gamma distributions. The gradient of x is the pathwise one,
// the exact derivative of the sample (Figurnov et al., 2018, arXiv 1805.08498).
// Elements of x must be from -50 to 1000.
func Dirichlet(x, noise *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(ir.Dirichlet{}, x, noise)
}

// Mix returns Σ weights[index[k]]·xs[k], the weighted sum of maps of equal shape that
// forms a node of a supernet. weights may have any shape; index counts its elements in
// order. Maps that are always zero cost nothing.
func Mix(weights *gorgonia.Node, index []int, xs ...*gorgonia.Node) (*gorgonia.Node, error) {
	if err := alike(xs); err != nil {
		return nil, fmt.Errorf("ops: mix: %w", err)
	}
	if err := needFloats(weights); err != nil {
		return nil, fmt.Errorf("ops: weights of a mix: %w", err)
	}
	if len(index) != len(xs) {
		return nil, fmt.Errorf("ops: a mix of %d maps with %d weights; want equal numbers", len(xs), len(index))
	}
	have := weights.Shape().TotalSize()
	var used []int
	inputs := gorgonia.Nodes{weights}
	for i, x := range xs {
		if index[i] < 0 || index[i] >= have {
			return nil, fmt.Errorf("ops: mix: weight index %d, want 0 to below %d", index[i], have)
		}
		if !isZeros(x) {
			used = append(used, index[i])
			inputs = append(inputs, x)
		}
	}
	if len(used) == 0 {
		return xs[0], nil
	}
	return apply(ir.Mix{Index: used}, inputs...)
}
