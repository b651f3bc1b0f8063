package cell

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	inputs       = 2  // the inputs of a cell of DARTS are its nodes 0 and 1
	edgesPerNode = 2  // its genotype keeps two edges into each intermediate node
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
//
// A dense genotype, one with Normal alone, describes the only cell of a space like
// NAS-Bench-201 (Dong and Yang, 2020, arXiv 2001.00326): node 0 is its input, every later
// node is the sum of edges from all nodes before it, in their order, and the last is the
// output.
type Genotype struct {
	Normal       []Edge `json:"normal"`
	NormalConcat []int  `json:"normal_concat,omitempty"`
	Reduce       []Edge `json:"reduce,omitempty"`
	ReduceConcat []int  `json:"reduce_concat,omitempty"`
}

// Dense reports whether g has one cell, with edges between all nodes.
func (g Genotype) Dense() bool {
	return len(g.Normal) > 0 && len(g.NormalConcat) == 0 && len(g.Reduce) == 0 && len(g.ReduceConcat) == 0
}

// Inputs returns the number of inputs of each cell, its first nodes: 2, or 1 if g is dense.
func (g Genotype) Inputs() int { return g.wiring().inputs }

// Nodes returns the number of nodes of each cell besides its inputs.
func (g Genotype) Nodes() int {
	if len(g.Normal) == 0 {
		return 0
	}
	w := g.wiring()
	return w.target(len(g.Normal)-1) + 1 - w.inputs
}

// Target returns the node that the edge with index i of Normal or Reduce enters.
func (g Genotype) Target(i int) int { return g.wiring().target(i) }

// Siblings returns the index range, from inclusive and to exclusive, of the edges into the
// node that edge i enters.
func (g Genotype) Siblings(i int) (from, to int) {
	w := g.wiring()
	node := w.target(i)
	return w.first(node), w.first(node + 1)
}

// wiring says which edges enter which nodes. Nodes and edges are numbered from 0.
type wiring struct {
	inputs int
	all    bool // every node has edges from all nodes before it, rather than two
}

var (
	darts = wiring{inputs: inputs}
	dense = wiring{inputs: 1, all: true}
)

func (g Genotype) wiring() wiring {
	if g.Dense() {
		return dense
	}
	return darts
}

// first returns the index of the first edge into a node.
func (w wiring) first(node int) int {
	n := node - w.inputs
	if w.all {
		return n * (n + 2*w.inputs - 1) / 2
	}
	return n * edgesPerNode
}

// target returns the node that the edge with index i enters.
func (w wiring) target(i int) int {
	node := w.inputs
	for w.first(node+1) <= i {
		node++
	}
	return node
}

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
	if g.Dense() {
		if err := dense.validate(g.Normal, known); err != nil {
			return fmt.Errorf("cell %w", err)
		}
		return nil
	}
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
		node, rank := darts.target(i), [edgesPerNode]string{"first", "second"}[i%edgesPerNode]
		if e.From < 0 || e.From >= node {
			return fmt.Errorf("node %d, %s edge: input %d is not an earlier node (0..%d)", node, rank, e.From, node-1)
		}
		if err := checkOp(e.Op, known); err != nil {
			return fmt.Errorf("node %d, %s edge: %w", node, rank, err)
		}
	}
	if len(concat) == 0 {
		return errors.New("concatenates no nodes: want at least one")
	}
	last := darts.target(len(edges) - 1)
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

// validate checks a cell with edges between all nodes.
func (w wiring) validate(edges []Edge, known func(op string) bool) error {
	if most := w.first(w.inputs + maxNodes); len(edges) > most {
		return fmt.Errorf("has %d edges: want at most %d, of %d nodes", len(edges), most, maxNodes)
	}
	for i, e := range edges {
		node := w.target(i)
		if from := i - w.first(node); e.From != from {
			return fmt.Errorf("node %d: an edge from %d where that from %d is due: want edges from all nodes before it, in order", node, e.From, from)
		}
		if err := checkOp(e.Op, known); err != nil {
			return fmt.Errorf("node %d, edge from %d: %w", node, e.From, err)
		}
	}
	if n := w.target(len(edges) - 1); w.first(n+1) != len(edges) {
		return fmt.Errorf("has %d edges: node %d lacks some; want edges from all nodes before it", len(edges), n)
	}
	return nil
}

func checkOp(name string, known func(op string) bool) error {
	switch {
	case !isName(name):
		return fmt.Errorf("operation name %.60q: want letters, digits, '_', '-' and '.'", name)
	case known != nil && !known(name):
		return fmt.Errorf("unknown operation %q", name)
	}
	return nil
}

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
//
// A dense genotype is one line, in the notation of NAS-Bench-201:
//
//	|nor_conv_3x3~0|+|none~0|skip_connect~1|
func (g Genotype) String() string {
	if g.Dense() {
		return g.dense()
	}
	return "normal: " + cellText(g.Normal, g.NormalConcat) + "\nreduce: " + cellText(g.Reduce, g.ReduceConcat)
}

// dense returns the notation of NAS-Bench-201.
func (g Genotype) dense() string {
	var b strings.Builder
	for i, e := range g.Normal {
		if e.From == 0 && i > 0 {
			b.WriteString("|+")
		}
		fmt.Fprintf(&b, "|%s~%d", e.Op, e.From)
	}
	return b.String() + "|"
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
// representation of a Python named tuple on one line, or in that of NAS-Bench-201, a
// string, if it is dense.
func (g Genotype) Python() string {
	if g.Dense() {
		return "'" + g.dense() + "'"
	}
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
