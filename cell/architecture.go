package cell

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// Architecture is a network that can be trained and measured, without the head
// that a task adds: Derived, NASBenchNetwork, or one of your own, which may wrap
// them. It is plain data.
//
// One that labels pixels (package segmentation) has a method OutputStride() int,
// too, as Derived has.
type Architecture interface {
	// Validate reports the first setting that no network can have.
	Validate() error
	// Build adds the network to the graph of images x [N, H, W, C], with parameters
	// in s. The path, unless it is nil, is laid on every edge that may be dropped.
	Build(s *ops.Scope, x *gorgonia.Node, path Path) (*Network, error)
}

// Derived is the network of a body with the cells of a genotype.
type Derived struct {
	Body     Body     `json:"body"`
	Genotype Genotype `json:"genotype"`
	Ops      ops.Set  `json:"ops"` // the operations that the genotype may name
}

// Validate reports the first setting that no network can have.
func (d Derived) Validate() error {
	if err := d.Body.Validate(); err != nil {
		return err
	}
	if i := slices.Index(d.Ops, nil); i >= 0 {
		return fmt.Errorf("cell: operation %d of Ops is nil", i)
	}
	if err := d.Genotype.Validate(d.Ops.Has); err != nil {
		return err
	}
	for _, i := range d.Body.Dilated {
		edges := d.Genotype.Normal
		if slices.Contains(d.Body.Reductions, i) {
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

// OutputStride returns how many pixels of an image, along each side, come to one
// pixel of the last cell.
func (d Derived) OutputStride() int { return d.Body.OutputStride() }

// Build builds the network; see Body.Network.
func (d Derived) Build(s *ops.Scope, x *gorgonia.Node, path Path) (*Network, error) {
	return d.Body.network(s, x, d.Genotype, d.Ops, path)
}

// NASBenchNetwork is the network of a body with a cell of NAS-Bench-101.
type NASBenchNetwork struct {
	Body NASBenchBody `json:"body"`
	Cell NASBench     `json:"cell"`
}

// Validate reports the first setting that no network can have.
func (b NASBenchNetwork) Validate() error {
	if err := b.Body.Validate(); err != nil {
		return err
	}
	if err := b.Cell.Validate(); err != nil {
		return err
	}
	return b.Body.fits(b.Cell)
}

// Build builds the network. It has no paths to drop.
func (b NASBenchNetwork) Build(s *ops.Scope, x *gorgonia.Node, _ Path) (*Network, error) {
	y, err := b.Body.Network(s, x, b.Cell)
	if err != nil {
		return nil, err
	}
	return &Network{Out: y}, nil
}
