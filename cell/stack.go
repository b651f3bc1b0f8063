package cell

import (
	"errors"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// place describes the position of a cell in a network.
type place struct {
	channels  int
	reduces   bool // a reduction cell
	strides   bool // halves the resolution
	afterward bool // the cell before halves the resolution
	dilated   bool
}

// builder adds one cell to a network. Its inputs are the outputs of the two
// cells before it.
type builder func(s *ops.Scope, s0, s1 *gorgonia.Node, p place) (*gorgonia.Node, error)

// stack builds stem and cells on images x and returns the outputs of all cells.
func (b Backbone) stack(s *ops.Scope, x *gorgonia.Node, build builder) ([]*gorgonia.Node, error) {
	if err := b.Validate(); err != nil {
		return nil, err
	}
	var s0, s1 *gorgonia.Node
	var err error
	// The second stem halves the resolution after s0, as a reduction would.
	p := place{channels: b.Width, afterward: b.Stem == ImageNetStem}
	if b.Stem == ImageNetStem {
		s0, s1, err = s.ImageNetStem(x, b.Width)
	} else {
		s0, err = s.CIFARStem(x, 3*b.Width)
		s1 = s0
	}
	if err != nil {
		return nil, fmt.Errorf("cell: stem: %w", err)
	}
	outs := make([]*gorgonia.Node, b.Cells)
	for i := range outs {
		if p.reduces = slices.Contains(b.Reductions, i); p.reduces {
			p.channels *= 2
		}
		p.strides = p.reduces && !slices.Contains(b.StrideOne, i)
		p.dilated = slices.Contains(b.Dilated, i)
		y, err := build(s.Sub(fmt.Sprintf("cells.%d", i)), s0, s1, p)
		if err != nil {
			return nil, fmt.Errorf("cell: cell %d: %w", i, err)
		}
		s0, s1, outs[i] = s1, y, y
		p.afterward = p.strides
	}
	return outs, nil
}

// inputs adapts both inputs of a cell to its channels and resolution.
func (p place) inputs(s *ops.Scope, s0, s1 *gorgonia.Node, affine bool) (states []*gorgonia.Node, err error) {
	if p.afterward {
		s0, err = s.Sub("preprocess0").FactorizedReduce(s0, p.channels, affine)
	} else {
		s0, err = s.Sub("preprocess0").ReLUConvBN(s0, p.channels, affine)
	}
	if err != nil {
		return nil, fmt.Errorf("first input: %w", err)
	}
	if s1, err = s.Sub("preprocess1").ReLUConvBN(s1, p.channels, affine); err != nil {
		return nil, fmt.Errorf("second input: %w", err)
	}
	return []*gorgonia.Node{s0, s1}, nil
}

// stride returns the stride of an edge from state number from.
func (p place) stride(from int) int {
	if p.strides && from < inputs {
		return 2
	}
	return 1
}

// connect returns the config of an operation on an edge from state number from.
func (p place) connect(op ops.Op, from int, affine bool) (ops.OpConfig, error) {
	c := ops.OpConfig{Stride: p.stride(from), Affine: affine}
	if p.dilated {
		c.Dilation = 2
		return c, dilates(op)
	}
	return c, nil
}

// dilates returns an error unless op supports dilated cells.
func dilates(op ops.Op) error {
	if d, ok := op.(ops.Dilatable); !ok || !d.Dilates() {
		return errors.New("the operation does not support dilation; implement ops.Dilatable if it uses OpConfig.Dilation, or change Backbone.Dilated")
	}
	return nil
}
