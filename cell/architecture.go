package cell

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// Architecture is a network without the head that a task adds: Network,
// NASBenchNetwork, or a type of the caller's, which may wrap them. It is plain
// data.
//
// Package segmentation also needs a method OutputStride() int, as Network has.
type Architecture interface {
	// Validate reports the first field that Build would refuse.
	Validate() error
	// Build adds the network to the graph of images x [N, H, W, C], with parameters
	// in s. path, unless it is nil, is applied to every edge that may be dropped.
	Build(s *ops.Scope, x *gorgonia.Node, path DropPathFunc) (*Features, error)
}

// Network is a backbone with the cells of a genotype.
type Network struct {
	Backbone Backbone `json:"backbone"`
	Genotype Genotype `json:"genotype"`
	Ops      ops.Set  `json:"ops"` // the operations that the genotype may name
}

// Validate reports the first field that Build would refuse.
func (d Network) Validate() error {
	if err := d.Backbone.Validate(); err != nil {
		return err
	}
	if i := slices.Index(d.Ops, nil); i >= 0 {
		return fmt.Errorf("cell: operation %d of Ops is nil", i)
	}
	if err := d.Genotype.Validate(d.Ops.Has); err != nil {
		return err
	}
	if err := d.Backbone.fits(d.Genotype); err != nil {
		return err
	}
	for _, i := range d.Backbone.Dilated {
		edges := d.Genotype.Normal
		if slices.Contains(d.Backbone.Reductions, i) {
			edges = d.Genotype.Reduce
		}
		for _, e := range edges {
			op, err := d.Ops.Find(e.Op)
			if err == nil {
				err = dilates(op)
			}
			if err != nil {
				return fmt.Errorf("cell: cell %d, %s: %w", i, e.Op, err)
			}
		}
	}
	return nil
}

// OutputStride returns the ratio of the height of the images to that of the
// output of the last cell.
func (d Network) OutputStride() int { return d.Backbone.OutputStride() }

// Build builds the network; see Backbone.Network.
func (d Network) Build(s *ops.Scope, x *gorgonia.Node, path DropPathFunc) (*Features, error) {
	return d.Backbone.network(s, x, d.Genotype, d.Ops, path)
}

// NASBenchNetwork is a backbone with a cell of NAS-Bench-101.
type NASBenchNetwork struct {
	Backbone NASBenchBackbone `json:"backbone"`
	Cell     NASBenchCell     `json:"cell"`
}

// Validate reports the first field that Build would refuse.
func (b NASBenchNetwork) Validate() error {
	if err := b.Backbone.Validate(); err != nil {
		return err
	}
	if err := b.Cell.Validate(); err != nil {
		return err
	}
	return b.Backbone.fits(b.Cell)
}

// Build builds the network. It ignores the drop path: no edge can be dropped.
func (b NASBenchNetwork) Build(s *ops.Scope, x *gorgonia.Node, _ DropPathFunc) (*Features, error) {
	y, err := b.Backbone.Network(s, x, b.Cell)
	if err != nil {
		return nil, err
	}
	return &Features{Out: y}, nil
}
