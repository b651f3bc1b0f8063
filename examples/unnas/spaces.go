package main

import (
	"slices"

	"unnas/cell"
	"unnas/cell/benchmark"
	"unnas/examples/unnas/internal/ranking"
)

// The search spaces of -space besides those of rank.
const (
	nasbench201 = ranking.NASBench201
	transnas101 = ranking.TransNAS101
)

// reducedSpaces are those of RobustDARTS, from 1.
var reducedSpaces = []string{"s1", "s2", "s3", "s4"}

// spaceNames are those of all commands.
var spaceNames = append(slices.Clone(ranking.Spaces), reducedSpaces...)

// searchSpace returns the space that -space names, of the size of that of a preset, which
// small says to be a small one, but for -width and -cells.
func (c *call) searchSpace(from cell.Space, small bool) (cell.Space, error) {
	b := &from.Backbone
	if c.given["width"] {
		b.Width = c.width
	}
	if c.given["cells"] {
		b.Cells, b.Reductions = c.cells, cell.Reductions(c.cells, len(b.Reductions))
	}
	space := from
	switch c.space {
	case ranking.DARTS:
	case nasbench201:
		perStage := 5
		if small {
			perStage = 1
		}
		if c.given["cells"] {
			perStage = c.cells
		}
		space = cell.NASBench201(b.Width, perStage)
	case transnas101:
		if c.given["cells"] {
			return from, usagef("-cells does not go with -space %s, whose networks have ten cells; leave it out", c.space)
		}
		space = cell.TransNASBench101(b.Width)
	default:
		number := 1 + slices.Index(reducedSpaces, c.space)
		if number == 0 {
			return from, usagef("-space %s is sampled by rank and cannot be searched; give one of darts, %s, %s, s1 to s4", c.space, nasbench201, transnas101)
		}
		var err error
		if space, err = cell.RobustDARTS(number, b.Stem, b.Width, b.Cells); err != nil {
			return from, err
		}
		space.Backbone.Reductions, space.Nodes = b.Reductions, from.Nodes
		if space.Candidates != nil {
			space.Nodes = 4 // each edge has its own
		}
	}
	if c.given["nodes"] {
		space.Nodes = c.nodes
	}
	space.PartialChannels = from.PartialChannels
	if c.given["partial"] {
		space.PartialChannels = c.partial
	}
	return space, nil
}

// openBenchmark reads the table of -benchmark.
func (c *call) openBenchmark() error {
	if c.benchmark == "" {
		return nil
	}
	table, err := benchmark.Open(c.benchmark)
	if err != nil {
		return usagef("-benchmark: %w", err)
	}
	c.Runtime.Benchmark = table
	return nil
}
