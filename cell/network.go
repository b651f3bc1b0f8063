package cell

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// Features are the feature maps of a network without its head.
type Features struct {
	// Out is the feature map of the last cell [N, H, W, C].
	Out *gorgonia.Node
	// AuxFeatures is the output of cell ⌊2·Cells/3⌋, which an auxiliary head reads; nil
	// if the network has none, as those of dense cells.
	AuxFeatures *gorgonia.Node
	// Stem is the stem of the network. Behind ImageNetStem the auxiliary head has
	// another stride and one normalisation less. An Architecture that wraps another
	// one must copy its Stem.
	Stem Stem
}

// DropPathFunc adds drop path to the output of an edge of a cell, [N, H, W, C], in
// training.
type DropPathFunc func(y *gorgonia.Node) (*gorgonia.Node, error)

// Network builds the network of genotype g on images x [N, H, W, C] in s. set
// holds the operations that g may name. Batch normalisations have scale and shift.
func (b Backbone) Network(s *ops.Scope, x *gorgonia.Node, g Genotype, set ops.Set) (*Features, error) {
	return b.network(s, x, g, set, nil)
}

// network is Network with path, unless it is nil, on every edge other than the
// identity and "none", which have nothing to drop (Zoph et al., 2018, arXiv
// 1707.07012).
func (b Backbone) network(s *ops.Scope, x *gorgonia.Node, g Genotype, set ops.Set, path DropPathFunc) (*Features, error) {
	if err := g.Validate(set.Has); err != nil {
		return nil, err
	}
	if err := b.fits(g); err != nil {
		return nil, err
	}
	outs, err := b.stack(s, x, func(s *ops.Scope, in []*gorgonia.Node, p place) (*gorgonia.Node, error) {
		edges, concat := g.Normal, g.NormalConcat
		if p.reduces && !b.Stem.dense() {
			edges, concat = g.Reduce, g.ReduceConcat
		}
		return b.derivedCell(s, in, p, edges, concat, set, path)
	})
	if err != nil {
		return nil, err
	}
	f := &Features{Stem: b.Stem}
	if f.Out, err = b.finish(s, outs[len(outs)-1]); err != nil {
		return nil, err
	}
	if !b.Stem.dense() {
		f.AuxFeatures = outs[2*b.Cells/3]
	}
	return f, nil
}

// derivedCell builds one cell of a genotype.
func (b Backbone) derivedCell(s *ops.Scope, in []*gorgonia.Node, p place, edges []Edge, concat []int, set ops.Set, path DropPathFunc) (*gorgonia.Node, error) {
	states, err := p.adapt(s, in, true)
	if err != nil {
		return nil, err
	}
	var terms []*gorgonia.Node
	for i, e := range edges {
		op, err := set.Find(e.Op)
		if err != nil {
			return nil, err
		}
		c, err := p.connect(op, e.From, true)
		var y *gorgonia.Node
		if err == nil {
			y, err = op.Build(s.Sub(b.edge(i)), states[e.From], c)
		}
		node := p.target(i)
		if err != nil {
			return nil, fmt.Errorf("edge %d→%d, %s: %w", e.From, node, e.Op, err)
		}
		if path != nil && y != states[e.From] && e.Op != ops.None().Name() {
			if y, err = path(y); err != nil {
				return nil, fmt.Errorf("edge %d→%d: %w", e.From, node, err)
			}
		}
		terms = append(terms, y)
		if i+1 < p.first(node+1) {
			continue
		}
		sum, err := ops.Sum(terms...)
		if err != nil {
			return nil, fmt.Errorf("node %d: %w", node, err)
		}
		states = append(states, sum)
		terms = nil
	}
	if p.all {
		return states[len(states)-1], nil
	}
	parts := make([]*gorgonia.Node, len(concat))
	for i, n := range concat {
		parts[i] = states[n]
	}
	return ops.Concat(parts...)
}

// AuxiliaryHead returns logits [N, classes] of AuxFeatures: a second classifier for
// training, weighted by AuxiliaryWeight in the loss and absent in evaluation. It
// needs maps of 8×8 pixels behind the CIFAR stem (images of 32×32), of 7×7 behind the
// ImageNet stem (images of 224×224), or of another size that its layers reduce to one
// pixel. Behind the ImageNet stem its last convolution is not normalised, as in the
// published networks.
func (n *Features) AuxiliaryHead(s *ops.Scope, classes int) (*gorgonia.Node, error) {
	if n.AuxFeatures == nil {
		return nil, errors.New("cell: auxiliary head: the network has no AuxFeatures; train it without an auxiliary head")
	}
	if err := n.Stem.validate(); err != nil || n.Stem.dense() {
		if err == nil {
			err = fmt.Errorf("Stem is %q, of dense cells, which have no auxiliary head", n.Stem)
		}
		return nil, fmt.Errorf("cell: auxiliary head: Features.%w; an Architecture that returns AuxFeatures must set Stem, that of the network it wraps", err)
	}
	s = s.Sub(ops.AuxiliaryHead)
	features := s.Sub("features")
	stride := 3
	if n.Stem == ImageNetStem {
		stride = 2
	}
	y, err := ops.ReLU(n.AuxFeatures)
	if err != nil {
		return nil, fmt.Errorf("cell: auxiliary head: %w", err)
	}
	if y, err = ops.AvgPool2D(y, 5, stride, 0); err != nil {
		return nil, fmt.Errorf("cell: auxiliary head: %w", err)
	}
	if y, err = features.ConvBNReLU(y, 128, ops.Square(1, 1, 0, 1), "2", "3"); err != nil {
		return nil, fmt.Errorf("cell: auxiliary head: %w", err)
	}
	last := ops.Square(2, 1, 0, 1)
	if n.Stem == ImageNetStem {
		if y, err = features.Sub("5").Conv(y, ops.ConvConfig{Out: 768, Window: last}); err == nil {
			y, err = ops.ReLU(y)
		}
	} else {
		y, err = features.ConvBNReLU(y, 768, last, "5", "6")
	}
	if err != nil {
		return nil, fmt.Errorf("cell: auxiliary head: %w", err)
	}
	if shape := y.Shape(); shape[1] != 1 || shape[2] != 1 {
		return nil, fmt.Errorf("cell: auxiliary head: its last map has %d×%d pixels, not one; use images of the size that the stem expects, or no auxiliary head", shape[1], shape[2])
	}
	if y, err = ops.GlobalAvgPool(y); err != nil {
		return nil, fmt.Errorf("cell: auxiliary head: %w", err)
	}
	if y, err = s.Sub("classifier").Linear(y, 1, classes); err != nil {
		return nil, fmt.Errorf("cell: auxiliary head: %w", err)
	}
	return y, nil
}

// AuxiliaryWeight is the weight of the auxiliary head's loss.
const AuxiliaryWeight = 0.4
