package ops

import (
	"gorgonia.org/gorgonia"

	"unnas/internal/ir"
)

// ScaleImages returns x [N, H, W, C] with image n multiplied by factors[n]; factors [N]
// has no gradient. An image with factor zero becomes zeros, even if it contains
// infinities or NaN. It implements drop path: factors are 0 with probability p and
// 1/(1-p) otherwise, which keeps the mean (Larsson et al., 2017, arXiv 1605.07648).
func ScaleImages(x, factors *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(ir.ScaleImages{}, x, factors)
}
