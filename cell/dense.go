package cell

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"unnas/ops"
)

// NASBench201 returns the space of NAS-Bench-201 (Dong and Yang, 2020, arXiv 2001.00326)
// with the given width and cells in each of the three stages; published are 16 and 5. The
// cell is dense, with four nodes, all edges of which stay, and one of five operations on
// each: 15,625 cells. Between the stages are residual blocks that halve the resolution and
// double the channels, cells of the backbone too.
//
// Differs: convolutions have no bias in a search either, since a batch normalisation
// follows.
func NASBench201(width, cells int) Space {
	return Space{
		Ops:   ops.NASBench201(),
		Nodes: 3,
		Backbone: Backbone{
			Stem: NASBench201Stem, Width: width, Cells: 3*cells + 2,
			Reductions: []int{cells, 2*cells + 1},
		},
	}
}

// TransNASBench101 returns the micro space of TransNAS-Bench-101 (Duan et al., 2021, arXiv
// 2105.11871) with the given width; published is 64. The cell is dense, with four nodes and
// one of four operations on each edge: 4,096 cells. There are five stages of two cells. The
// first cell of stages 1, 3 and 5 halves the resolution and doubles the channels by its
// edges from the input.
func TransNASBench101(width int) Space {
	return Space{
		Ops:      ops.TransNASBench101(),
		Nodes:    3,
		Backbone: Backbone{Stem: TransNASStem, Width: width, Cells: 10, Reductions: []int{0, 4, 8}},
	}
}

// dense reports whether the cells have one input and edges between all nodes.
func (s Stem) dense() bool { return s == NASBench201Stem || s == TransNASStem }

// wiring returns that of the cells.
func (s Stem) wiring() wiring {
	if s.dense() {
		return dense
	}
	return darts
}

// residual reports whether reductions are residual blocks rather than cells.
func (s Stem) residual() bool { return s == NASBench201Stem }

// fits returns an error if cells of a genotype do not belong to the backbone.
func (b Backbone) fits(g Genotype) error {
	if g.Dense() == b.Stem.dense() {
		return nil
	}
	if g.Dense() {
		return fmt.Errorf("cell: a dense cell, and Stem %q is of cells with two inputs; choose %q or %q", b.Stem, NASBench201Stem, TransNASStem)
	}
	return fmt.Errorf("cell: cells with two inputs, and Stem %q is of dense cells; choose %q or %q", b.Stem, CIFARStem, ImageNetStem)
}

// parseDense reads the notation of NAS-Bench-201: the edges into each node between bars,
// and "+" between the nodes.
func parseDense(text string) ([]Edge, error) {
	var edges []Edge
	for node, part := range strings.Split(text, "+") {
		part = strings.Trim(part, blanks)
		if len(part) < 2 || part[0] != '|' || part[len(part)-1] != '|' {
			return nil, fmt.Errorf("cell: genotype, node %d: %.60q: want edges between bars, like |nor_conv_3x3~0|", node+1, part)
		}
		for _, edge := range strings.Split(part[1:len(part)-1], "|") {
			op, from, ok := strings.Cut(edge, "~")
			n, err := strconv.Atoi(from)
			if !ok || err != nil {
				return nil, fmt.Errorf("cell: genotype, node %d: edge %.60q: want an operation and a node, like nor_conv_3x3~0", node+1, edge)
			}
			edges = append(edges, Edge{Op: op, From: n})
		}
		if want := dense.first(node + 2); len(edges) != want {
			return nil, fmt.Errorf("cell: genotype, node %d: %d edges: want one from each node before it", node+1, len(edges)-dense.first(node+1))
		}
	}
	return edges, nil
}

// transNASCode is a network of the micro space of TransNAS-Bench-101: width, stages, and
// the digits of the operations by node.
var transNASCode = regexp.MustCompile(`^[0-9]{1,4}-[1-4]{1,10}-([0-3])_([0-3]{2})_([0-3]{3})$`)

func isTransNAS(text string) bool { return transNASCode.MatchString(text) }

func parseTransNAS(code string) ([]Edge, error) {
	digits := strings.Join(transNASCode.FindStringSubmatch(code)[1:], "")
	names := ops.TransNASBench101().Names()
	edges := make([]Edge, len(digits))
	for i, d := range []byte(digits) {
		node := dense.target(i)
		edges[i] = Edge{Op: names[d-'0'], From: i - dense.first(node)}
	}
	return edges, nil
}

// TransNAS returns the cell of a dense genotype as networks of TransNAS-Bench-101 write it,
// such as "3_33_333": a digit for each edge, with "_" between nodes. It fails unless the
// genotype has four nodes and operations of that space.
func (g Genotype) TransNAS() (string, error) {
	if !g.Dense() || g.Nodes() != 3 {
		return "", errors.New("cell: TransNAS-Bench-101 has dense cells of four nodes")
	}
	names := ops.TransNASBench101().Names()
	var b strings.Builder
	for i, e := range g.Normal {
		k := slices.Index(names, e.Op)
		if k < 0 {
			return "", fmt.Errorf("cell: TransNAS-Bench-101 has no operation %q; it has %q", e.Op, names)
		}
		if e.From == 0 && i > 0 {
			b.WriteByte('_')
		}
		b.WriteByte('0' + byte(k))
	}
	return b.String(), nil
}

// deriveDense chooses the strongest operation of every edge, "none" included (Dong and
// Yang, 2020, arXiv 2001.00326).
func deriveDense(alpha [][]float64, names func(row int) []string) ([]Edge, error) {
	edges := make([]Edge, len(alpha))
	for i, row := range alpha {
		node := dense.target(i)
		from := i - dense.first(node)
		c, err := strongest(row, names(i), func(string) bool { return true })
		if err != nil {
			return nil, fmt.Errorf("cell: derive: edge %d→%d: %w", from, node, err)
		}
		edges[i] = Edge{Op: c.Op, From: from}
	}
	return edges, nil
}
