package darts

import (
	"slices"

	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/ops"
)

// Candidate is one operation of one edge of one cell of the supernet.
type Candidate struct {
	Table, Edge, Op int // its place in Objective.Tables
	Cell            int // number of its cell among those that are searched
	// MACs are its multiply-adds for one image.
	MACs int64
	// Values and Grads are its weights and their gradients, of each parameter, as memory of
	// the search; none of an operation without weights.
	Values, Grads [][]float32
}

// observer learns the candidates of a supernet as it is built.
type observer struct{ seen []observation }

// observation is what one operation has added to a supernet.
type observation struct {
	macs   int64
	params []string
}

// over returns the operations, observed.
func (o *observer) over(set ops.Set) ops.Set {
	all := make(ops.Set, len(set))
	for i, op := range set {
		all[i] = observed{op, o}
	}
	return all
}

type observed struct {
	ops.Op
	by *observer
}

func (o observed) Dilates() bool {
	d, ok := o.Op.(ops.Dilatable)
	return ok && d.Dilates()
}

func (o observed) NeedsBatchNorm() bool {
	u, ok := o.Op.(ops.Unnormalised)
	return ok && u.NeedsBatchNorm()
}

func (o observed) Build(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
	alone := ops.NewScope(gorgonia.NewGraph(), ops.NewParams())
	shape := x.Shape()
	input, err := ops.Images(alone.Graph(), "x", shape[0], shape[1], shape[2], shape[3])
	if err != nil {
		return nil, err
	}
	if _, err := o.Op.Build(alone, input, c); err != nil {
		return nil, err
	}
	seen := observation{macs: cell.Measure(alone).MACs}
	before := len(s.Params().List())
	y, err := o.Op.Build(s, x, c)
	if err != nil {
		return nil, err
	}
	for _, q := range s.Params().List()[before:] {
		seen.params = append(seen.params, q.Name)
	}
	o.by.seen = append(o.by.seen, seen)
	return y, nil
}

// candidates returns those of a space, whose tables are those of a supernet with the
// parameters p. Supernets build cell by cell, edge by edge.
func (o *observer) candidates(p *ops.Params, space cell.Space, tables []Table) []Candidate {
	edges, columns := len(tables[0].Values), len(tables[0].Values[0])
	all := make([]Candidate, len(o.seen))
	for i, seen := range o.seen {
		c := Candidate{Cell: i / (edges * columns), Edge: i / columns % edges, Op: i % columns, MACs: seen.macs}
		if len(tables) > 1 && slices.Contains(space.Backbone.Reductions, c.Cell) {
			c.Table = 1
		}
		for _, name := range seen.params {
			q := p.Find(name)
			c.Values, c.Grads = append(c.Values, p.Data(q)), append(c.Grads, p.Grad(q))
		}
		all[i] = c
	}
	return all
}
