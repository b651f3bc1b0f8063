package cell

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// Supernet is the network of a search: every edge of every cell mixes all
// candidates, weighted by what becomes of its row of alphas: their softmax (Liu et
// al., 2019, arXiv 1806.09055), unless a Weigh says otherwise. All normal cells
// share one alpha, all reduction cells the other.
type Supernet struct {
	Space Space
	// Out is the feature map of the last cell [N, H, W, C].
	Out *gorgonia.Node
	// Normal and Reduce are the alphas [edges, candidates].
	Normal, Reduce *ops.Param
	// NormalBetas and ReduceBetas weigh the edges [edges]; nil unless the space is
	// Partial.
	NormalBetas, ReduceBetas *ops.Param

	params *ops.Params
}

// The names of the alphas and betas in published weights.
const (
	normalAlphas = "alphas_normal"
	reduceAlphas = "alphas_reduce"
	normalBetas  = "betas_normal"
	reduceBetas  = "betas_reduce"
)

// alphaDeviation is the spread of the first values of alphas and betas.
const alphaDeviation = 1e-3

// Weigh turns alphas [edges, candidates] into the weights of mixed operations, of
// the same shape. It is called once for each kind of cells.
type Weigh func(alphas *gorgonia.Node) (*gorgonia.Node, error)

// Supernet builds the supernet of the space on images x [N, H, W, C] in s, with
// the softmax of the alphas as weights.
func (sp Space) Supernet(s *ops.Scope, x *gorgonia.Node) (*Supernet, error) {
	return sp.SupernetWith(s, x, ops.Softmax)
}

// SupernetWith is Supernet with weights of one's own making.
//
// If the space is Partial, the first of K equal parts of the channels of each edge
// goes through the mixed operation, with K times fewer channels. The others pass by,
// through a max pooling of 2×2 pixels where the edge has stride 2, and all are
// shuffled in K groups. The softmax of one beta for each edge, over the edges that
// enter a node, then weighs all channels of the edge (Xu et al., 2020, arXiv
// 1907.05737). Differs: what passes by is weighed and summed before it is shuffled,
// which comes to the same; a map of odd height or width, on which the published
// pooling fails, is pooled by 3×3 pixels.
func (sp Space) SupernetWith(s *ops.Scope, x *gorgonia.Node, weigh Weigh) (*Supernet, error) {
	if err := sp.Validate(); err != nil {
		return nil, err
	}
	if weigh == nil {
		return nil, errors.New("cell: weigh is nil; give ops.Softmax, for example")
	}
	net := &Supernet{Space: sp, params: s.Params()}
	var weights [2]*gorgonia.Node
	shape := tensor.Shape{sp.Edges(), len(sp.Ops)}
	for i, name := range []string{normalAlphas, reduceAlphas} {
		a, err := s.Alpha(name, shape.Clone(), ops.Normal(alphaDeviation))
		if err != nil {
			return nil, fmt.Errorf("cell: %w", err)
		}
		if weights[i], err = weigh(a); err != nil {
			return nil, fmt.Errorf("cell: weights of %s: %w", name, err)
		}
		if w := weights[i]; w == nil || !w.Shape().Eq(shape) {
			return nil, fmt.Errorf("cell: weights of %s: they are %s; return a node of the shape of the alphas, %v", name, describe(w), shape)
		}
	}
	net.Normal, net.Reduce = s.Params().Find(normalAlphas), s.Params().Find(reduceAlphas)
	if sp.Partial > 1 {
		for i, name := range []string{normalBetas, reduceBetas} {
			b, err := s.Alpha(name, tensor.Shape{sp.Edges()}, ops.Normal(alphaDeviation))
			if err != nil {
				return nil, fmt.Errorf("cell: %w", err)
			}
			if weights[i], err = ops.NormaliseEdges(weights[i], b, sp.into()); err != nil {
				return nil, fmt.Errorf("cell: weights of %s: %w", name, err)
			}
		}
		net.NormalBetas, net.ReduceBetas = s.Params().Find(normalBetas), s.Params().Find(reduceBetas)
	}
	outs, err := sp.Body.stack(s, x, func(s *ops.Scope, s0, s1 *gorgonia.Node, p place) (*gorgonia.Node, error) {
		w := weights[0]
		if p.reduces {
			w = weights[1]
		}
		return sp.mixedCell(s, s0, s1, p, w)
	})
	if err != nil {
		return nil, err
	}
	net.Out = outs[len(outs)-1]
	return net, nil
}

// describe returns what a node is, for an error.
func describe(n *gorgonia.Node) string {
	if n == nil {
		return "nil"
	}
	return fmt.Sprintf("of shape %v", n.Shape())
}

// mixedCell builds a cell whose edges mix all candidates. weights [edges,
// candidates] have one more column, the weights of edges, if the space is Partial.
func (sp Space) mixedCell(s *ops.Scope, s0, s1 *gorgonia.Node, p place, weights *gorgonia.Node) (*gorgonia.Node, error) {
	nodes, err := p.inputs(s, s0, s1, false)
	if err != nil {
		return nil, err
	}
	var states []state
	add := func(x *gorgonia.Node) error {
		st, err := sp.split(x, p.stride(len(states)))
		states = append(states, st)
		return err
	}
	for _, x := range nodes {
		if err := add(x); err != nil {
			return nil, err
		}
	}
	columns := weights.Shape()[1]
	edge := 0
	for i := range sp.Nodes {
		var terms, passed []*gorgonia.Node
		var index, edges []int
		for j, st := range states {
			for k, op := range sp.Ops {
				c, err := p.connect(op, j, false)
				var y *gorgonia.Node
				if err == nil {
					y, err = mixed(s.Sub(fmt.Sprintf("_ops.%d._ops.%d", edge, k)), op, st.mixed, c)
				}
				if err != nil {
					return nil, fmt.Errorf("edge %d→%d, %s: %w", j, i+2, op.Name(), err)
				}
				terms = append(terms, y)
				index = append(index, edge*columns+k)
			}
			passed = append(passed, st.passed)
			edges = append(edges, edge*columns+len(sp.Ops))
			edge++
		}
		node, err := ops.Mix(weights, index, terms...)
		if err == nil && sp.Partial > 1 {
			var rest *gorgonia.Node
			if rest, err = ops.Mix(weights, edges, passed...); err == nil {
				node, err = ops.Interleave(node, rest)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("node %d: %w", i+2, err)
		}
		nodes = append(nodes, node)
		if err := add(node); err != nil {
			return nil, err
		}
	}
	return ops.Concat(nodes[2:]...)
}

// state is what edges read of a state of a cell: the channels that they mix, and a
// map of all channels at their resolution, of which the others pass by.
type state struct{ mixed, passed *gorgonia.Node }

// split returns what edges of a stride read of a state.
func (sp Space) split(x *gorgonia.Node, stride int) (state, error) {
	if sp.Partial <= 1 {
		return state{mixed: x}, nil
	}
	shape := x.Shape()
	part, err := ops.Channels(x, 0, shape[3]/sp.Partial)
	if err != nil || stride == 1 {
		return state{part, x}, err
	}
	size, pad := 2, 0
	if shape[1]%2 != 0 || shape[2]%2 != 0 {
		size, pad = 3, 1
	}
	pooled, err := ops.MaxPool2D(x, size, stride, pad)
	return state{part, pooled}, err
}

// mixed builds one operation of a mixed op.
func mixed(s *ops.Scope, op ops.Op, x *gorgonia.Node, c ops.Conn) (*gorgonia.Node, error) {
	raw, unnormalised := op.(ops.Unnormalised)
	if !unnormalised {
		return op.Build(s, x, c)
	}
	// In published weights such an operation and its normalisation are a sequence.
	y, err := raw.Build(s.Sub("0"), x, c)
	if err != nil {
		return nil, err
	}
	return s.Sub("1").BatchNorm(y, false)
}

// Genotype derives the cells that the alphas favour now. The parameters must
// have values.
func (n *Supernet) Genotype() (Genotype, error) {
	normal, reduce := n.Alphas()
	if normal == nil {
		return Genotype{}, errors.New("cell: the alphas have no values yet; call Params.Init")
	}
	normalBetas, reduceBetas := n.Betas()
	return n.Space.Derive(normal, reduce, normalBetas, reduceBetas)
}

// Alphas returns copies of both alphas, a row for each edge; nil before
// Params.Init.
func (n *Supernet) Alphas() (normal, reduce [][]float64) {
	return n.rows(n.Normal), n.rows(n.Reduce)
}

// Betas returns copies of both betas, a number for each edge; nil before
// Params.Init, and unless the space is Partial.
func (n *Supernet) Betas() (normal, reduce []float64) {
	return n.values(n.NormalBetas), n.values(n.ReduceBetas)
}

func (n *Supernet) values(q *ops.Param) []float64 {
	if q == nil || n.params.Data(q) == nil {
		return nil
	}
	values := make([]float64, q.Shape[0])
	for i, v := range n.params.Data(q) {
		values[i] = float64(v)
	}
	return values
}

func (n *Supernet) rows(q *ops.Param) [][]float64 {
	data := n.params.Data(q)
	if data == nil {
		return nil
	}
	rows := make([][]float64, q.Shape[0])
	for i := range rows {
		rows[i] = make([]float64, q.Shape[1])
		for j := range rows[i] {
			rows[i][j] = float64(data[i*q.Shape[1]+j])
		}
	}
	return rows
}

// Derive returns the genotype that two alphas favour, given as rows of values
// before softmax; see the function Derive. Betas are nil, or one for each edge: the
// weight of an operation is then multiplied by the softmax of the beta of its edge
// over the edges that enter the same node (Xu et al., 2020, arXiv 1907.05737, section
// 3.3). If the space limits the skip connections of normal cells and there are more,
// the weakest beyond the limit are barred from their edges and the cell is derived
// anew, until there are not (Chen et al., 2019, arXiv 1904.12760, section 3.4).
//
// Differs: a cell that has fewer skip connections than the limit stays as it is.
func (sp Space) Derive(normal, reduce [][]float64, normalBetas, reduceBetas []float64) (Genotype, error) {
	normalEdges, err := deriveLimited(normal, normalBetas, sp.Ops.Names(), sp.Nodes, sp.MaxSkips)
	if err != nil {
		return Genotype{}, fmt.Errorf("normal cell: %w", err)
	}
	reduceEdges, err := deriveLimited(reduce, reduceBetas, sp.Ops.Names(), sp.Nodes, 0)
	if err != nil {
		return Genotype{}, fmt.Errorf("reduction cell: %w", err)
	}
	return sp.genotype(normalEdges, reduceEdges), nil
}

// Entropy returns the mean entropy of the rows of an alpha after softmax, as a
// share of the largest possible: 1 while all candidates weigh the same, towards
// 0 as each edge decides for one.
func Entropy(alpha [][]float64) float64 {
	var sum float64
	for _, row := range alpha {
		if len(row) < 2 {
			continue // decided
		}
		for _, p := range probabilities(row) {
			if p > 0 {
				sum -= p * math.Log(p) / math.Log(float64(len(row)))
			}
		}
	}
	return sum / math.Max(1, float64(len(alpha)))
}

// Share returns the mean weight, after softmax, of the operation of a name over
// the rows of an alpha of the space: how much a search leans to it.
func (sp Space) Share(alpha [][]float64, name string) float64 {
	k := slices.Index(sp.Ops.Names(), name)
	var sum float64
	for _, row := range alpha {
		if k >= 0 && k < len(row) {
			sum += probabilities(row)[k]
		}
	}
	return sum / math.Max(1, float64(len(alpha)))
}

// KendallTau compares how two alphas of equal shape rank the operations of each
// edge. It is the mean over the edges of Kendall's rank correlation (Kendall,
// 1938, doi 10.1093/biomet/30.1-2.81, without a correction for ties): of all pairs
// of operations, the share that both alphas order alike less the share that they
// order the opposite way. A pair that either has as equals counts for neither, and
// an edge with one operation as 1. It is 1 for equal rankings, around 0 for
// unrelated and -1 for opposite ones, and NaN for alphas of different shapes and
// for those without edges.
func KendallTau(a, b [][]float64) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	var sum float64
	for i, row := range a {
		if len(row) != len(b[i]) {
			return math.NaN()
		}
		if len(row) < 2 {
			sum++
			continue
		}
		agreed, pairs := 0, len(row)*(len(row)-1)/2
		for k := range row {
			for l := range k {
				agreed += cmp.Compare(row[k], row[l]) * cmp.Compare(b[i][k], b[i][l])
			}
		}
		sum += float64(agreed) / float64(pairs)
	}
	return sum / float64(len(a))
}

// probabilities returns the softmax of a row.
func probabilities(row []float64) []float64 {
	p := make([]float64, len(row))
	top := slices.Max(row)
	var sum float64
	for i, v := range row {
		p[i] = math.Exp(v - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}
