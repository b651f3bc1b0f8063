package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/ir"
)

// depthwiseSeparable returns ReLU, depthwise convolution, pointwise convolution of x as
// a fused block, C to C channels. The weights are those of layers first and first+1 of
// the scope, as published.
func (s *Scope) depthwiseSeparable(x *gorgonia.Node, w Window, first int) (*gorgonia.Node, error) {
	_, _, _, c, err := featureMap(x)
	if err != nil {
		return nil, fmt.Errorf("ops: %s: %w", s.prefix, err)
	}
	k := w.Rows
	depth, err := s.Param(fmt.Sprintf("%d.weight", first), ConvWeight, tensor.Shape{k, k, 1, c}, KaimingUniform(k*k))
	if err != nil {
		return nil, err
	}
	point, err := s.Param(fmt.Sprintf("%d.weight", first+1), ConvWeight, tensor.Shape{1, 1, c, c}, KaimingUniform(c))
	if err != nil {
		return nil, err
	}
	return apply(ir.SeparableConv{Windows: []ir.Window{ir.Window(w)}}, x, depth, point)
}
