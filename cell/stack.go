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
	wiring
	channels  int
	reduces   bool // a reduction cell
	strides   bool // halves the resolution
	widens    bool // its edges from the input double the channels
	afterward bool // the cell before halves the resolution
	dilated   bool
}

// builder adds one cell to a network. in are the outputs of as many cells before it as it
// has inputs, the nearest last.
type builder func(s *ops.Scope, in []*gorgonia.Node, p place) (*gorgonia.Node, error)

// stack builds stem and cells on images x and returns the outputs of all cells. For the
// layers after the last, see finish.
func (b Backbone) stack(s *ops.Scope, x *gorgonia.Node, build builder) ([]*gorgonia.Node, error) {
	if err := b.Validate(); err != nil {
		return nil, err
	}
	// The second stem of ImageNet halves the resolution after the first, as a reduction
	// would.
	p := place{wiring: b.Stem.wiring(), channels: b.Width, afterward: b.Stem == ImageNetStem}
	in, err := b.stem(s, x)
	if err != nil {
		return nil, fmt.Errorf("cell: stem: %w", err)
	}
	outs := make([]*gorgonia.Node, b.Cells)
	for i := range outs {
		if p.reduces = slices.Contains(b.Reductions, i); p.reduces {
			p.channels *= 2
		}
		p.strides = p.reduces && !slices.Contains(b.StrideOne, i)
		p.widens = p.reduces && b.Stem.dense()
		p.dilated = slices.Contains(b.Dilated, i)
		var y *gorgonia.Node
		if s := s.Sub(fmt.Sprintf("cells.%d", i)); p.reduces && b.Stem.residual() {
			y, err = s.ResidualReduce(in[0], p.channels)
		} else {
			y, err = build(s, in, p)
		}
		if err != nil {
			return nil, fmt.Errorf("cell: cell %d: %w", i, err)
		}
		in, outs[i] = append(slices.Clone(in[1:]), y), y
		p.afterward = p.strides
	}
	return outs, nil
}

// stem builds the layers before the first cell and returns its inputs.
func (b Backbone) stem(s *ops.Scope, x *gorgonia.Node) ([]*gorgonia.Node, error) {
	switch b.Stem {
	case ImageNetStem:
		s0, s1, err := s.ImageNetStem(x, b.Width)
		return []*gorgonia.Node{s0, s1}, err
	case NASBench201Stem:
		y, err := s.CIFARStem(x, b.Width)
		return []*gorgonia.Node{y}, err
	case TransNASStem:
		y, err := s.TransNASStem(x, b.Width)
		return []*gorgonia.Node{y}, err
	}
	y, err := s.CIFARStem(x, 3*b.Width)
	return []*gorgonia.Node{y, y}, err
}

// finish builds what follows the last cell: for NAS-Bench-201 batch normalisation and ReLU,
// else nothing.
func (b Backbone) finish(s *ops.Scope, y *gorgonia.Node) (*gorgonia.Node, error) {
	if b.Stem != NASBench201Stem {
		return y, nil
	}
	y, err := s.Sub("lastact.0").BatchNorm(y, true)
	if err != nil {
		return nil, fmt.Errorf("cell: last normalisation: %w", err)
	}
	return ops.ReLU(y)
}

// edge returns the name of an edge of a derived cell in published weights.
func (b Backbone) edge(i int) string {
	if b.Stem.dense() {
		return fmt.Sprintf("layers.%d", i)
	}
	return fmt.Sprintf("_ops.%d", i)
}

// candidate returns the name of a candidate of an edge of a supernet in published weights.
func (b Backbone) candidate(edge, from, node, k int) string {
	if b.Stem.dense() {
		return fmt.Sprintf("edges.%d<-%d.%d", node, from, k)
	}
	return fmt.Sprintf("_ops.%d._ops.%d", edge, k)
}

// adapt brings the inputs of a cell to its channels and resolution. That of a dense cell
// has them, but for the edges that double the channels.
func (p place) adapt(s *ops.Scope, in []*gorgonia.Node, affine bool) (states []*gorgonia.Node, err error) {
	if p.inputs == 1 {
		return in, nil
	}
	s0, s1 := in[0], in[1]
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
	if p.strides && from < p.inputs {
		return 2
	}
	return 1
}

// connect returns the config of an operation on an edge from state number from.
func (p place) connect(op ops.Op, from int, affine bool) (ops.OpConfig, error) {
	c := ops.OpConfig{Stride: p.stride(from), Affine: affine}
	if p.widens && from < p.inputs {
		c.Out = p.channels
	}
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
