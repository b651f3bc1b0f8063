package cell

import (
	"fmt"
	"slices"

	"unnas/ops"
)

// Space is a search space: which cells there are, and how a network is made of
// them. It is a value; change the fields of a copy for a space of one's own.
type Space struct {
	// Ops are the candidates on every edge: the columns of an alpha.
	Ops ops.Set `json:"ops"`
	// Nodes is the number of intermediate nodes of a cell. Each has an edge from
	// both inputs of the cell and from every node before it.
	Nodes int `json:"nodes"`
	// MaxSkips is the largest number of skip connections that a normal cell is
	// derived with, 2 in P-DARTS (Chen et al., 2019, arXiv 1904.12760); 0 is no
	// limit.
	MaxSkips int `json:"max_skips,omitempty"`
	// Partial is K of PC-DARTS (Xu et al., 2020, arXiv 1907.05737), 4 as published:
	// in a supernet only one of K parts of the channels goes through mixed
	// operations. 0 or 1 is all of them; else Width must be divisible by it. See
	// SupernetWith.
	PartialChannels int `json:"partial_channels,omitempty"`
	// Body is the stack of cells.
	Backbone Backbone `json:"backbone"`
}

// Backbone is how cells are stacked to a network.
type Backbone struct {
	Stem  Stem `json:"stem"`
	Width int  `json:"width"` // channels of the first cell
	Cells int  `json:"cells"`
	// Reductions lists the cells that halve the resolution and double the
	// channels, in rising order.
	Reductions []int `json:"reductions"`
	// StrideOne lists those of the reductions that keep the resolution, in rising
	// order: their edges have stride 1. They double the channels all the same, and
	// are cells of the reduction kind.
	StrideOne []int `json:"stride_one,omitempty"`
	// Dilated lists the cells whose operations have dilation 2 (ops.OpConfig), in rising
	// order. They are ops.Dilatable.
	Dilated []int `json:"dilated,omitempty"`
}

// OutputStride returns how many pixels of an image, along each side, come to one
// pixel of the last cell.
func (b Backbone) OutputStride() int {
	stride := 1
	if b.Stem == ImageNetStem {
		stride = 8
	}
	return stride << max(0, len(b.Reductions)-len(b.StrideOne))
}

// Stem names the layers before the first cell.
type Stem string

// The stems. CIFARStem keeps the resolution, ImageNetStem divides it by eight.
const (
	CIFARStem    Stem = "cifar"
	ImageNetStem Stem = "imagenet"
)

func (s Stem) validate() error {
	if s != CIFARStem && s != ImageNetStem {
		return fmt.Errorf("Stem is %.60q, not %q or %q", s, CIFARStem, ImageNetStem)
	}
	return nil
}

// limit is a setting and the largest value that it may have; the smallest is 1.
type limit struct {
	name       string
	value, top int
}

func within(limits ...limit) error {
	for _, l := range limits {
		if l.value < 1 || l.value > l.top {
			return fmt.Errorf("cell: %s is %d, not in 1..%d", l.name, l.value, l.top)
		}
	}
	return nil
}

// maxReductions bounds what a file can ask for: 1024 times the channels.
const maxReductions = 10

// Reductions returns where networks of so many cells reduce: at a third and at
// two thirds, or at a third only, as for segmentation.
func Reductions(cells, count int) []int {
	at := []int{cells / 3, 2 * cells / 3}
	return slices.Compact(at[:max(0, min(count, 2))])
}

// DARTS returns the space of DARTS (Liu et al., 2019, arXiv 1806.09055) with the
// given stem, width and number of cells: 8 candidates, 4 nodes.
func DARTS(stem Stem, width, cells int) Space {
	return Space{
		Ops:      ops.DARTS(),
		Nodes:    4,
		Backbone: Backbone{Stem: stem, Width: width, Cells: cells, Reductions: Reductions(cells, 2)},
	}
}

// Edges returns the number of edges of a cell: the rows of an alpha.
func (sp Space) Edges() int {
	n := max(0, sp.Nodes)
	return n * (n + 2*inputs - 1) / 2
}

// into returns the number of edges into each node.
func (sp Space) into() []int {
	n := make([]int, sp.Nodes)
	for i := range n {
		n[i] = inputs + i
	}
	return n
}

// Validate reports the first setting that no network can have.
func (sp Space) Validate() error {
	if len(sp.Ops) < 2 {
		return fmt.Errorf("cell: a space of %d operations; at least two are needed to choose from", len(sp.Ops))
	}
	seen := map[string]bool{}
	for i, op := range sp.Ops {
		if op == nil {
			return fmt.Errorf("cell: operation %d of the space is nil", i)
		}
		name := op.Name()
		if !isName(name) {
			return fmt.Errorf("cell: operation %d of the space is named %.60q; use letters, digits, '_', '-' and '.'", i, name)
		}
		if seen[name] {
			return fmt.Errorf("cell: the space has two operations named %q; give each a name of its own", name)
		}
		seen[name] = true
	}
	if err := within(limit{"Nodes", sp.Nodes, maxNodes}); err != nil {
		return err
	}
	if sp.MaxSkips < 0 {
		return fmt.Errorf("cell: MaxSkips is %d; give a number of skip connections, or 0 for no limit", sp.MaxSkips)
	}
	if err := sp.Backbone.Validate(); err != nil {
		return err
	}
	if len(sp.Backbone.Dilated) > 0 {
		for _, op := range sp.Ops {
			if err := dilates(op); err != nil {
				return fmt.Errorf("cell: %s in cell %d: %w", op.Name(), sp.Backbone.Dilated[0], err)
			}
		}
	}
	if k := sp.PartialChannels; k < 0 || k > 1 && sp.Backbone.Width%k != 0 {
		return fmt.Errorf("cell: Partial is %d, but Width is %d; give a divisor of Width, or 0 for all channels", k, sp.Backbone.Width)
	}
	return nil
}

// Validate reports the first setting that no network can have.
func (b Backbone) Validate() error {
	if err := b.Stem.validate(); err != nil {
		return fmt.Errorf("cell: %w", err)
	}
	if err := within(limit{"Width", b.Width, 1 << 14}, limit{"Cells", b.Cells, 1 << 10}); err != nil {
		return err
	}
	if b.Stem == ImageNetStem && b.Width%2 != 0 {
		return fmt.Errorf("cell: Width is %d; the ImageNet stem halves it, so it must be even", b.Width)
	}
	if len(b.Reductions) > maxReductions {
		return fmt.Errorf("cell: Reductions has %d entries; at most %d are possible, since each doubles the channels", len(b.Reductions), maxReductions)
	}
	for i, r := range b.Reductions {
		if r < 0 || r >= b.Cells || i > 0 && r <= b.Reductions[i-1] {
			return fmt.Errorf("cell: Reductions is %v; %d cells reduce at rising numbers below %d", b.Reductions, b.Cells, b.Cells)
		}
	}
	for i, u := range b.StrideOne {
		if !slices.Contains(b.Reductions, u) || i > 0 && u <= b.StrideOne[i-1] {
			return fmt.Errorf("cell: StrideOne is %v; list reductions, of %v, in rising order", b.StrideOne, b.Reductions)
		}
	}
	for i, d := range b.Dilated {
		if d < 0 || d >= b.Cells || i > 0 && d <= b.Dilated[i-1] {
			return fmt.Errorf("cell: Dilated is %v; list some of %d cells in rising order", b.Dilated, b.Cells)
		}
	}
	return nil
}
