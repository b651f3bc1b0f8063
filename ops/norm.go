package ops

import (
	"fmt"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/ir"
)

// BatchNorm returns x [..., C] normalised per channel (Ioffe and Szegedy, 2015, arXiv
// 1502.03167): with mean and biased variance of the batch in training, with the running
// statistics otherwise. affine adds the scale "weight" and the shift "bias". If all
// readers of the result are operations of this package, it takes no memory: they
// normalise x as they read it. A batch of one value per channel, such as one image
// after global pooling, is an error in training.
func (s *Scope) BatchNorm(x *gorgonia.Node, affine bool) (*gorgonia.Node, error) {
	name := strings.TrimSuffix(s.prefix, ".")
	c, err := lastDimension(x)
	if err != nil {
		return nil, fmt.Errorf("ops: batch normalisation %s: %w", name, err)
	}
	if err := ir.Shape(x.Shape()).Check(); err != nil {
		return nil, fmt.Errorf("ops: batch normalisation %s: %w", name, err)
	}
	if err := s.net.norm.check(); err != nil {
		return nil, fmt.Errorf("ops: batch normalisation %s: %w", name, err)
	}
	op := ir.BatchStatistics{Epsilon: s.net.norm.Epsilon, Momentum: s.net.norm.Momentum, Count: x.Shape().TotalSize() / c}
	if !affine {
		if y := s.known(layer{op, x}); y != nil {
			_, err := s.stats(name, c, s.net.stats[y])
			return y, err
		}
	}
	stats, err := s.stats(name, c, nil)
	if err != nil {
		return nil, err
	}
	statistics, err := s.statistics(op, x, stats)
	if err != nil {
		return nil, err
	}
	inputs := gorgonia.Nodes{x, statistics}
	if affine {
		for _, p := range []struct {
			name  string
			value float64
		}{{"weight", 1}, {"bias", 0}} {
			n, err := s.Param(p.name, Vector, tensor.Shape{c}, Constant(p.value))
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, n)
		}
	}
	y, err := apply(ir.BatchNorm{Affine: affine}, inputs...)
	if err == nil && !affine {
		s.net.layers[layer{op, x}], s.net.stats[y] = y, stats
	}
	return y, err
}

// statistics returns the node of what a batch normalisation normalises with.
func (s *Scope) statistics(op ir.BatchStatistics, x *gorgonia.Node, stats *RunningStats) (*gorgonia.Node, error) {
	moments, err := apply(ir.Moments{}, x)
	if err != nil {
		return nil, err
	}
	owner := stats
	if stats.same != nil {
		owner = stats.same
	}
	inputs := gorgonia.Nodes{moments}
	for _, state := range []struct {
		suffix string
		values func() []float32
	}{
		{meanSuffix, func() []float32 { return owner.Mean }},
		{varSuffix, func() []float32 { return owner.Var }},
	} {
		n := newInput(s.net.g, tensor.Float32, owner.Name+state.suffix, tensor.Shape{stats.channels})
		if err := s.net.params.bind(n, state.values); err != nil {
			return nil, err
		}
		inputs = append(inputs, n)
	}
	return apply(op, inputs...)
}
