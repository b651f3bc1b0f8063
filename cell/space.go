package cell

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"unnas/ops"
)

// Space is a search space: the candidate cells and the backbone that stacks them. It
// is plain data; a variant is a copy with other fields.
type Space struct {
	// Ops are the candidate operations of every edge: the columns of α.
	Ops ops.Set `json:"ops"`
	// Candidates gives each edge operations of its own, some of Ops; nil gives each all.
	Candidates *Candidates `json:"candidates,omitempty"`
	// Nodes is the number of nodes of a cell besides its inputs. Each has an edge from
	// every input of the cell and from every node before it.
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

// Candidates are the operations of each edge, by name, for the normal and the reduction
// cell: the columns of its row of α. All edges have equally many.
type Candidates struct {
	Normal [][]string `json:"normal"`
	Reduce [][]string `json:"reduce,omitempty"` // none of a space with one cell
}

// All returns the candidates of the edges of the normal, then of the reduction cell; nil
// of nil.
func (c *Candidates) All() [][]string {
	if c == nil {
		return nil
	}
	return slices.Concat(c.Normal, c.Reduce)
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
	switch b.Stem {
	case ImageNetStem:
		stride = 8
	case TransNASStem:
		stride = 4
	}
	return stride << max(0, len(b.Reductions)-len(b.StrideOne))
}

// Stem names the layers before the first cell, and with them the kind of the cells.
type Stem string

// The stems. CIFARStem keeps the resolution, ImageNetStem divides it by eight. Those of the
// benchmarks are for dense cells, see NASBench201 and TransNASBench101; they keep it and
// divide it by four.
const (
	CIFARStem       Stem = "cifar"
	ImageNetStem    Stem = "imagenet"
	NASBench201Stem Stem = "nasbench201"
	TransNASStem    Stem = "transnas"
)

var stems = []Stem{CIFARStem, ImageNetStem, NASBench201Stem, TransNASStem}

func (s Stem) validate() error {
	if !slices.Contains(stems, s) {
		return fmt.Errorf("Stem is %.60q, not one of %q", s, stems)
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

// RobustDARTS returns one of the reduced spaces S1 to S4, by number, in which DARTS fails
// (Zela et al., 2020, arXiv 1909.09656), with the given stem, width and number of cells.
// They are the space of DARTS with fewer candidate operations: in S1 the two best of each
// edge, in S2 separable convolution and skip connection, in S3 none as well, in S4
// separable convolution and noise.
func RobustDARTS(number int, stem Stem, width, cells int) (Space, error) {
	sp := DARTS(stem, width, cells)
	switch number {
	case 1:
		sp.Ops = ops.Set{ops.MaxPool(3), ops.AvgPool(3), ops.Skip(), ops.SepConv(3), ops.DilConv(3), ops.DilConv(5)}
		sp.Candidates = s1()
	case 2:
		sp.Ops = ops.Set{ops.Skip(), ops.SepConv(3)}
	case 3:
		sp.Ops = ops.Set{ops.None(), ops.Skip(), ops.SepConv(3)}
	case 4:
		sp.Ops = ops.Set{ops.Noise(), ops.SepConv(3)}
	default:
		return Space{}, fmt.Errorf("cell: there is no space S%d; choose S1 to S4", number)
	}
	return sp, nil
}

// s1 returns the candidates of S1, as the authors found them.
func s1() *Candidates {
	names := map[byte]string{
		'm': "max_pool_3x3", 'a': "avg_pool_3x3", '-': "skip_connect",
		's': "sep_conv_3x3", 'd': "dil_conv_3x3", 'D': "dil_conv_5x5",
	}
	edges := func(pairs string) (all [][]string) {
		for _, pair := range strings.Fields(pairs) {
			all = append(all, []string{names[pair[0]], names[pair[1]]})
		}
		return all
	}
	return &Candidates{
		Normal: edges("-d -D  -D -s -d  m- -s -s -d  -s m- -d dD dD"),
		Reduce: edges("ma md  ma ma -D  ma ms -d -D  ma ma -D -D -D"),
	}
}

// wiring returns how edges enter the nodes of a supernet's cell: from all nodes before.
func (sp Space) wiring() wiring { return wiring{inputs: sp.Backbone.Stem.wiring().inputs, all: true} }

// Edges returns the number of edges of a cell: the rows of α.
func (sp Space) Edges() int {
	w := sp.wiring()
	return w.first(w.inputs + max(0, sp.Nodes))
}

// into returns the number of edges into each node.
func (sp Space) into() []int {
	n := make([]int, sp.Nodes)
	for i := range n {
		n[i] = sp.wiring().inputs + i
	}
	return n
}

// columns returns the number of candidates of an edge.
func (sp Space) columns() int {
	if sp.Candidates == nil {
		return len(sp.Ops)
	}
	return len(sp.Candidates.Normal[0])
}

// Names returns the names of the candidates of an edge of a normal or reduction cell: the
// columns of its row of α.
func (sp Space) Names(reduction bool, edge int) []string {
	switch {
	case sp.Candidates == nil:
		return sp.Ops.Names()
	case reduction:
		return sp.Candidates.Reduce[edge]
	}
	return sp.Candidates.Normal[edge]
}

// candidates returns the candidates of an edge.
func (sp Space) candidates(reduction bool, edge int) ops.Set {
	if sp.Candidates == nil {
		return sp.Ops
	}
	var set ops.Set
	for _, name := range sp.Names(reduction, edge) {
		op, _ := sp.Ops.Find(name) // Validate has looked
		set = append(set, op)
	}
	return set
}

// validate reports the first edge that cannot be built. rows is the number of edges.
func (c *Candidates) validate(set ops.Set, rows int, reduces bool) error {
	kinds := map[string][][]string{"Normal": c.Normal}
	if reduces {
		kinds["Reduce"] = c.Reduce
	} else if c.Reduce != nil {
		return errors.New("cell: Candidates.Reduce is set, and the space has no reduction cell; leave it out")
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		edges := kinds[kind]
		if len(edges) != rows {
			return fmt.Errorf("cell: Candidates.%s has %d edges; want %d", kind, len(edges), rows)
		}
		for i, names := range edges {
			if len(names) < 2 || len(names) != len(c.Normal[0]) {
				return fmt.Errorf("cell: Candidates.%s: edge %d has %d operations; want as many for all edges, two at least", kind, i, len(names))
			}
			for k, name := range names {
				if !set.Has(name) || slices.Contains(names[:k], name) {
					return fmt.Errorf("cell: Candidates.%s: edge %d: operation %.60q; want different ones of %q", kind, i, name, set.Names())
				}
			}
		}
	}
	return nil
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
	if sp.MaxSkips > 0 && sp.Backbone.Stem.dense() {
		return fmt.Errorf("cell: MaxSkips is %d, and cells behind Stem %q keep all edges; set it to 0", sp.MaxSkips, sp.Backbone.Stem)
	}
	if err := sp.Backbone.Validate(); err != nil {
		return err
	}
	if sp.Candidates != nil {
		if err := sp.Candidates.validate(sp.Ops, sp.Edges(), !sp.Backbone.Stem.dense()); err != nil {
			return err
		}
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
	if sp.PartialChannels > 1 && sp.Backbone.Stem == TransNASStem {
		return fmt.Errorf("cell: PartialChannels is %d, and the reduction cells of Stem %q double channels, so that none can bypass the operations; set it to 0", sp.PartialChannels, sp.Backbone.Stem)
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
	if (b.Stem == ImageNetStem || b.Stem == TransNASStem) && b.Width%2 != 0 {
		return fmt.Errorf("cell: Width is %d; the stem %q halves it, want an even number", b.Width, b.Stem)
	}
	if b.Stem.dense() && len(b.StrideOne)+len(b.Dilated) > 0 {
		return fmt.Errorf("cell: StrideOne is %v and Dilated %v, and Stem %q is of dense cells, which have neither; leave them out", b.StrideOne, b.Dilated, b.Stem)
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
