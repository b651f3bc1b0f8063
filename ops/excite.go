package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"unnas/internal/ir"
)

// SqueezeExcite returns x [N, H, W, C] with each channel of each image weighted by its
// importance (Hu et al., 2018, arXiv 1709.01507): the mean of each channel, a 1×1
// convolution "fc1" to C/reduction channels, at least one, ReLU, a 1×1 convolution "fc2" to
// C channels, sigmoid. The names are those of torchvision.
func (s *Scope) SqueezeExcite(x *gorgonia.Node, reduction int) (*gorgonia.Node, error) {
	_, _, _, c, err := featureMap(x)
	if err == nil && reduction <= 0 {
		err = fmt.Errorf("a reduction by %d; want 1 or more", reduction)
	}
	if err != nil {
		return nil, fmt.Errorf("ops: %sfc1: %w", s.prefix, err)
	}
	z, err := GlobalAvgMap(x)
	if err != nil {
		return nil, err
	}
	point := Square(1, 1, 0, 1)
	if z, err = s.Sub("fc1").Conv(z, ConvConfig{Out: max(1, c/reduction), Window: point, Bias: true}); err != nil {
		return nil, err
	}
	if z, err = s.Sub("fc2").Conv(z, ConvConfig{Out: c, Window: point, ReLU: true, Bias: true}); err != nil {
		return nil, err
	}
	return apply(ir.Excite{}, x, z)
}
