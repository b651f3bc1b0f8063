package cell

import (
	"fmt"
	"slices"

	"unnas/ops"
)

// Space is a search space: the candidate cells and the backbone that stacks them. It
// is plain data; a variant is a copy with other fields.
type Space struct {
	// Ops are the candidate operations of every edge: the columns of α.
	Ops ops.Set `json:"ops"`
	// Nodes is the number of intermediate nodes of a cell. Each has an edge from
	// both inputs of the cell and from every node before it.
	Nodes int `json:"nodes"`
	// MaxSkips limits the skip connections of a derived normal cell, to 2 in P-DARTS
	// (Chen et al., 2019, arXiv 1904.12760); 0 is no limit.
	MaxSkips int `json:"max_skips,omitempty"`
	// PartialChannels is K of PC-DARTS (Xu et al., 2020, arXiv 1907.05737), 4 as
	// published: in a supernet 1/K of the channels goes through the mixed operations.
	// 0 or 1 means all channels; otherwise K must divide Width. See SupernetWith.
	PartialChannels int `json:"partial_channels,omitempty"`
	// Backbone stacks the cells.
	Backbone Backbone `json:"backbone"`
}

// Backbone is the macro architecture: how cells are stacked to a network.
type Backbone struct {
	Stem  Stem `json:"stem"`
	Width int  `json:"width"` // channels of the first cell
	Cells int  `json:"cells"`
	// Reductions lists the indices of the reduction cells, which halve the resolution
	// and double the channels, in ascending order.
	Reductions []int `json:"reductions"`
	// StrideOne lists those Reductions whose edges have stride 1, in ascending order.
	// They keep the resolution, but still double the channels and use the reduction
	// cell.
	StrideOne []int `json:"stride_one,omitempty"`
	// Dilated lists the indices of the cells whose operations have dilation 2
	// (ops.OpConfig.Dilation), in ascending order. These operations must be dilatable.
	Dilated []int `json:"dilated,omitempty"`
}

// OutputStride returns the ratio of the height of the images to that of the
// output of the last cell.
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

// limit is a field and its largest value; the smallest is 1.
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

// maxReductions limits the channels of a backbone read from a file: each doubles them.
const maxReductions = 10

// Reductions returns the indices of count reduction cells: at one and two thirds of
// the depth (2), at one third as for segmentation (1), or none (0).
func Reductions(cells, count int) []int {
	at := []int{cells / 3, 2 * cells / 3}
	return slices.Compact(at[:max(0, min(count, 2))])
}

// DARTS returns the space of DARTS (Liu et al., 2019, arXiv 1806.09055) with the
// given stem, width and number of cells: 8 candidate operations, 4 nodes.
func DARTS(stem Stem, width, cells int) Space {
	return Space{
		Ops:      ops.DARTS(),
		Nodes:    4,
		Backbone: Backbone{Stem: stem, Width: width, Cells: cells, Reductions: Reductions(cells, 2)},
	}
}

// Edges returns the number of edges of a cell: the rows of α.
func (sp Space) Edges() int {
	n := max(0, sp.Nodes)
	return n * (n + 2*inputs - 1) / 2
}

// into returns the number of edges into each intermediate node.
func (sp Space) into() []int {
	n := make([]int, sp.Nodes)
	for i := range n {
		n[i] = inputs + i
	}
	return n
}

// Validate reports the first field with which no network can be built.
func (sp Space) Validate() error {
	if len(sp.Ops) < 2 {
		return fmt.Errorf("cell: a space of %d operations; want at least two", len(sp.Ops))
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
			return fmt.Errorf("cell: the space has two operations named %q; names must differ", name)
		}
		seen[name] = true
	}
	if err := within(limit{"Nodes", sp.Nodes, maxNodes}); err != nil {
		return err
	}
	if sp.MaxSkips < 0 {
		return fmt.Errorf("cell: MaxSkips is %d; want 0 (no limit) or more", sp.MaxSkips)
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
		return fmt.Errorf("cell: PartialChannels is %d and Width %d; want a divisor of Width, or 0 for all channels", k, sp.Backbone.Width)
	}
	return nil
}

// Validate reports the first field with which no network can be built.
func (b Backbone) Validate() error {
	if err := b.Stem.validate(); err != nil {
		return fmt.Errorf("cell: %w", err)
	}
	if err := within(limit{"Width", b.Width, 1 << 14}, limit{"Cells", b.Cells, 1 << 10}); err != nil {
		return err
	}
	if b.Stem == ImageNetStem && b.Width%2 != 0 {
		return fmt.Errorf("cell: Width is %d; the ImageNet stem halves it, want an even number", b.Width)
	}
	if len(b.Reductions) > maxReductions {
		return fmt.Errorf("cell: Reductions has %d entries; want at most %d, since each doubles the channels", len(b.Reductions), maxReductions)
	}
	for i, r := range b.Reductions {
		if r < 0 || r >= b.Cells || i > 0 && r <= b.Reductions[i-1] {
			return fmt.Errorf("cell: Reductions is %v; want indices of %d cells in ascending order, below %d", b.Reductions, b.Cells, b.Cells)
		}
	}
	for i, u := range b.StrideOne {
		if !slices.Contains(b.Reductions, u) || i > 0 && u <= b.StrideOne[i-1] {
			return fmt.Errorf("cell: StrideOne is %v; want some of Reductions, %v, in ascending order", b.StrideOne, b.Reductions)
		}
	}
	for i, d := range b.Dilated {
		if d < 0 || d >= b.Cells || i > 0 && d <= b.Dilated[i-1] {
			return fmt.Errorf("cell: Dilated is %v; want indices of %d cells in ascending order", b.Dilated, b.Cells)
		}
	}
	return nil
}
