package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/ir"
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
	y, err := apply(ir.FactorizedReduce{Out: out}, x, w1, w2)
	if err != nil {
		return nil, err
	}
	return s.Sub("bn").BatchNorm(y, affine)
}
