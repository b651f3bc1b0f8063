package cell

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	inputs       = 2  // the inputs of a cell are its nodes 0 and 1
	edgesPerNode = 2  // a genotype keeps two edges into each intermediate node
	maxNodes     = 64 // limit for cells read from files; published cells have 4 or 5
)

// An Edge applies the operation named Op to the output of node From of the
// same cell. Its JSON form is the pair ["sep_conv_3x3", 0].
type Edge struct {
	Op   string
	From int
}

// MarshalJSON writes the edge as a pair of an operation and an input node.
func (e Edge) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{e.Op, e.From})
}

// UnmarshalJSON reads a pair written by MarshalJSON. Anything else is an error.
func (e *Edge) UnmarshalJSON(data []byte) error {
	var pair []json.RawMessage
	var op *string
	var from *int
	if json.Unmarshal(data, &pair) != nil || len(pair) != 2 ||
		json.Unmarshal(pair[0], &op) != nil || op == nil ||
		json.Unmarshal(pair[1], &from) != nil || from == nil {
		return fmt.Errorf(`cell: edge %.60s: want a pair like ["sep_conv_3x3", 0]`, data)
	}
	*e = Edge{Op: *op, From: *from}
	return nil
}

// A Genotype describes the two cells that a network is built of: a normal cell,
// and a reduction cell whose edges from the inputs have stride 2 (Liu et al.,
// 2019, arXiv 1806.09055).
//
// Nodes 0 and 1 are the inputs of a cell, the outputs of the cell before the
// previous one and of the previous one. Edges 2i and 2i+1 enter intermediate
// node i+2, which is the sum of both. The output of the cell is the
// concatenation, along the channels, of the nodes listed in NormalConcat or
// ReduceConcat, in that order.
type Genotype struct {
	Normal       []Edge `json:"normal"`
	NormalConcat []int  `json:"normal_concat"`
	Reduce       []Edge `json:"reduce"`
	ReduceConcat []int  `json:"reduce_concat"`
}

// Nodes returns the number of intermediate nodes of each cell.
func (g Genotype) Nodes() int { return len(g.Normal) / edgesPerNode }

// Validate reports the first reason why g cannot be built: a cell without nodes or
// with more than 64, an edge that does not come from an earlier node, a malformed
// operation name, a concatenation that is empty, repeats a node or names one that
// the cell lacks, or two cells with different numbers of nodes. Operation names
// consist of letters, digits, '_', '-' and '.'; if known is not nil, it must also
// accept each of them.
func (g Genotype) Validate(known func(op string) bool) error {
	if err := g.validate(known); err != nil {
		return fmt.Errorf("cell: %w", err)
	}
	return nil
}

func (g Genotype) validate(known func(op string) bool) error {
	if err := validate(g.Normal, g.NormalConcat, known); err != nil {
		return fmt.Errorf("normal %w", err)
	}
	if err := validate(g.Reduce, g.ReduceConcat, known); err != nil {
		return fmt.Errorf("reduce %w", err)
	}
	if len(g.Normal) != len(g.Reduce) {
		return fmt.Errorf("normal has %d nodes and reduce %d: both need the same number",
			len(g.Normal)/edgesPerNode, len(g.Reduce)/edgesPerNode)
	}
	return nil
}

// validate checks one cell. Its errors start with a verb, after the name of the cell.
func validate(edges []Edge, concat []int, known func(op string) bool) error {
	switch {
	case len(edges) == 0:
		return errors.New("has no edges: want two per intermediate node")
	case len(edges)%edgesPerNode != 0:
		return fmt.Errorf("has %d edges: want two per intermediate node", len(edges))
	case len(edges)/edgesPerNode > maxNodes:
		return fmt.Errorf("has %d nodes: want at most %d", len(edges)/edgesPerNode, maxNodes)
	}
	for i, e := range edges {
		node, rank := target(i), [edgesPerNode]string{"first", "second"}[i%edgesPerNode]
		switch {
		case e.From < 0 || e.From >= node:
			return fmt.Errorf("node %d, %s edge: input %d is not an earlier node (0..%d)", node, rank, e.From, node-1)
		case !isName(e.Op):
			return fmt.Errorf("node %d, %s edge: operation name %.60q: want letters, digits, '_', '-' and '.'", node, rank, e.Op)
		case known != nil && !known(e.Op):
			return fmt.Errorf("node %d, %s edge: unknown operation %q", node, rank, e.Op)
		}
	}
	if len(concat) == 0 {
		return errors.New("concatenates no nodes: want at least one")
	}
	last := target(len(edges) - 1)
	seen := make(map[int]bool)
	for _, node := range concat {
		switch {
		case node < inputs || node > last:
			return fmt.Errorf("concatenates node %d: want intermediate nodes (%d..%d)", node, inputs, last)
		case seen[node]:
			return fmt.Errorf("concatenates node %d twice", node)
		}
		seen[node] = true
	}
	return nil
}

// target returns the node that the edge with index i enters.
func target(i int) int { return inputs + i/edgesPerNode }

func isName(s string) bool {
	for _, c := range []byte(s) {
		if !isNameByte(c) {
			return false
		}
	}
	return s != ""
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c == '_' || c == '-' || c == '.'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// String returns g as two lines of text, one per cell, which [ParseGenotype]
// reads. A bar separates the nodes, and every edge is an operation followed by
// its input node:
//
//	normal: sep_conv_3x3(0) sep_conv_3x3(1) | skip_connect(0) dil_conv_3x3(2); concat 2-3
func (g Genotype) String() string {
	return "normal: " + cellText(g.Normal, g.NormalConcat) + "\nreduce: " + cellText(g.Reduce, g.ReduceConcat)
}

func cellText(edges []Edge, concat []int) string {
	var b strings.Builder
	for i, e := range edges {
		if i > 0 && i%edgesPerNode == 0 {
			b.WriteString("| ")
		}
		fmt.Fprintf(&b, "%s(%d) ", e.Op, e.From)
	}
	s := strings.TrimSuffix(b.String(), " ") + "; concat"
	for i := 0; i < len(concat); {
		n := 1 // length of the run of consecutive nodes that starts here
		for i+n < len(concat) && concat[i+n] == concat[i]+n {
			n++
		}
		s += " " + strconv.Itoa(concat[i])
		if n > 1 {
			s += "-" + strconv.Itoa(concat[i+n-1])
		}
		i += n
	}
	return s
}

// Python returns g in the notation of the authors of DARTS and UnNAS, the
// representation of a Python named tuple on one line.
func (g Genotype) Python() string {
	return fmt.Sprintf("Genotype(normal=%s, normal_concat=%s, reduce=%s, reduce_concat=%s)",
		pythonEdges(g.Normal), pythonInts(g.NormalConcat), pythonEdges(g.Reduce), pythonInts(g.ReduceConcat))
}

func pythonEdges(edges []Edge) string {
	parts := make([]string, len(edges))
	for i, e := range edges {
		parts[i] = fmt.Sprintf("('%s', %d)", e.Op, e.From)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func pythonInts(nodes []int) string {
	parts := make([]string, len(nodes))
	for i, n := range nodes {
		parts[i] = strconv.Itoa(n)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
