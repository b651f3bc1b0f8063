package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/ir"
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
	return apply(ir.Linear{}, x, w, b)
}

// Upsample returns x [N, h, w, C] resized bilinearly to [N, height, width, C] with aligned
// corners.
func Upsample(x *gorgonia.Node, height, width int) (*gorgonia.Node, error) {
	return apply(ir.Upsample{Height: height, Width: width}, x)
}
