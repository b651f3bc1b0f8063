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

// Supernet is the one-shot network of a search: every edge of every cell is a mixed
// operation, the sum of all candidates weighted by the softmax of its row of α (Liu
// et al., 2019, arXiv 1806.09055), or by a MixWeights. All normal cells share one α,
// all reduction cells the other.
type Supernet struct {
	Space Space
	// Out is the feature map of the last cell [N, H, W, C].
	Out *gorgonia.Node
	// Normal and Reduce are the architecture parameters α [edges, candidates]; Reduce is nil
	// if the cells are dense.
	Normal, Reduce *ops.Param
	// NormalBetas and ReduceBetas are the edge parameters β [edges]; nil without
	// Space.PartialChannels.
	NormalBetas, ReduceBetas *ops.Param

	params *ops.Params
}

// The names of α and β in published weights, by kind of cell, and of the one α of dense
// cells.
var (
	alphaNames = []string{"alphas_normal", "alphas_reduce"}
	betaNames  = []string{"betas_normal", "betas_reduce"}
	denseAlpha = []string{"arch_parameters"}
)

// alphaDeviation is the standard deviation of the initial α and β.
const alphaDeviation = 1e-3

// MixWeights computes the weights of mixed operations from α [edges, candidates];
// both have the same shape. It is called once per kind of cell.
type MixWeights func(alphas *gorgonia.Node) (*gorgonia.Node, error)

// Supernet builds the supernet of the space on images x [N, H, W, C] in s, weighted
// by the softmax of α.
func (sp Space) Supernet(s *ops.Scope, x *gorgonia.Node) (*Supernet, error) {
	return sp.SupernetWith(s, x, ops.Softmax)
}

// SupernetWith is Supernet with the operation weights of mix.
//
// With Space.PartialChannels K, the first 1/K of the channels of each edge goes
// through the mixed operation, whose candidates have K times fewer channels. The
// others bypass it, through a 2×2 max pooling on edges of stride 2; both are then
// shuffled in K groups. Edge normalisation multiplies all channels of an edge by the
// softmax of β over the edges into its node (Xu et al., 2020, arXiv 1907.05737).
// Differs: bypassing channels are weighted and summed before the shuffle, which is
// equivalent; maps of odd height or width, on which the published pooling fails, are
// pooled by 3×3 pixels.
func (sp Space) SupernetWith(s *ops.Scope, x *gorgonia.Node, mix MixWeights) (*Supernet, error) {
	if err := sp.Validate(); err != nil {
		return nil, err
	}
	if mix == nil {
		return nil, errors.New("cell: MixWeights is nil; want a function such as ops.Softmax")
	}
	net := &Supernet{Space: sp, params: s.Params()}
	names := alphaNames
	if sp.Backbone.Stem.dense() {
		names = denseAlpha
	}
	weights := make([]*gorgonia.Node, len(names))
	params := []**ops.Param{&net.Normal, &net.Reduce}
	shape := tensor.Shape{sp.Edges(), sp.columns()}
	for i, name := range names {
		a, err := s.Alpha(name, shape.Clone(), ops.Normal(alphaDeviation))
		if err != nil {
			return nil, fmt.Errorf("cell: %w", err)
		}
		if weights[i], err = mix(a); err != nil {
			return nil, fmt.Errorf("cell: weights of %s: %w", name, err)
		}
		if w := weights[i]; w == nil || !w.Shape().Eq(shape) {
			return nil, fmt.Errorf("cell: weights of %s: the node is %s; want the shape of α, %v", name, describe(w), shape)
		}
		*params[i] = s.Params().Find(name)
	}
	if sp.PartialChannels > 1 {
		params := []**ops.Param{&net.NormalBetas, &net.ReduceBetas}
		for i, name := range betaNames[:len(names)] {
			b, err := s.Alpha(name, tensor.Shape{sp.Edges()}, ops.Normal(alphaDeviation))
			if err != nil {
				return nil, fmt.Errorf("cell: %w", err)
			}
			if weights[i], err = ops.NormaliseEdges(weights[i], b, sp.into()); err != nil {
				return nil, fmt.Errorf("cell: weights of %s: %w", name, err)
			}
			*params[i] = s.Params().Find(name)
		}
	}
	outs, err := sp.Backbone.stack(s, x, func(s *ops.Scope, in []*gorgonia.Node, p place) (*gorgonia.Node, error) {
		kind := 0
		if p.reduces {
			kind = len(weights) - 1 // dense cells are of one kind
		}
		return sp.mixedCell(s, in, p, kind == 1, weights[kind])
	})
	if err != nil {
		return nil, err
	}
	net.Out, err = sp.Backbone.finish(s, outs[len(outs)-1])
	return net, err
}

// describe returns the shape of a node, for errors.
func describe(n *gorgonia.Node) string {
	if n == nil {
		return "nil"
	}
	return fmt.Sprintf("of shape %v", n.Shape())
}

// mixedCell builds a cell of mixed operations. weights is [edges, candidates]; with
// partial channels it has one more column, the edge weights.
func (sp Space) mixedCell(s *ops.Scope, in []*gorgonia.Node, p place, reduction bool, weights *gorgonia.Node) (*gorgonia.Node, error) {
	nodes, err := p.adapt(s, in, false)
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
	for i := p.inputs; i < p.inputs+sp.Nodes; i++ {
		var terms, bypassed []*gorgonia.Node
		var index, edges []int
		for j, st := range states {
			for k, op := range sp.candidates(reduction, edge) {
				c, err := p.connect(op, j, false)
				var y *gorgonia.Node
				if err == nil {
					y, err = p.mixed(s.Sub(sp.Backbone.candidate(edge, j, i, k)), op, st.mixed, c)
				}
				if err != nil {
					return nil, fmt.Errorf("edge %d→%d, %s: %w", j, i, op.Name(), err)
				}
				terms = append(terms, y)
				index = append(index, edge*columns+k)
			}
			bypassed = append(bypassed, st.bypass)
			edges = append(edges, edge*columns+sp.columns())
			edge++
		}
		node, err := ops.Mix(weights, index, terms...)
		if err == nil && sp.PartialChannels > 1 {
			var rest *gorgonia.Node
			if rest, err = ops.Mix(weights, edges, bypassed...); err == nil {
				node, err = ops.Interleave(node, rest)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("node %d: %w", i, err)
		}
		nodes = append(nodes, node)
		if err := add(node); err != nil {
			return nil, err
		}
	}
	if p.all {
		return nodes[len(nodes)-1], nil
	}
	return ops.Concat(nodes[p.inputs:]...)
}

// state is what edges read of a node: the channels to mix, and the map whose other
// channels bypass the operations, at the resolution of the edge's output.
type state struct{ mixed, bypass *gorgonia.Node }

// split returns the state of a node for edges of the given stride.
func (sp Space) split(x *gorgonia.Node, stride int) (state, error) {
	if sp.PartialChannels <= 1 {
		return state{mixed: x}, nil
	}
	shape := x.Shape()
	part, err := ops.Channels(x, 0, shape[3]/sp.PartialChannels)
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

// mixed builds one candidate of a mixed operation. Those of dense cells are as published,
// without a batch normalisation after poolings.
func (p place) mixed(s *ops.Scope, op ops.Op, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
	raw, ok := op.(ops.Unnormalised)
	if !ok || !raw.NeedsBatchNorm() || p.all {
		return op.Build(s, x, c)
	}
	// Published weights name such an operation and its batch normalisation as a sequence.
	y, err := raw.Build(s.Sub("0"), x, c)
	if err != nil {
		return nil, err
	}
	return s.Sub("1").BatchNorm(y, false)
}

// Genotype derives the cells from the current α and β. The parameters must have
// values.
func (n *Supernet) Genotype() (Genotype, error) {
	normal, reduce := n.Alphas()
	if normal == nil {
		return Genotype{}, errors.New("cell: the architecture parameters have no values; call Params.Init first")
	}
	normalBetas, reduceBetas := n.Betas()
	return n.Space.Derive(normal, reduce, normalBetas, reduceBetas)
}

// Alphas returns copies of both α, a row per edge; nil before Params.Init. Dense cells have
// the first alone.
func (n *Supernet) Alphas() (normal, reduce [][]float64) {
	return n.rows(n.Normal), n.rows(n.Reduce)
}

// Betas returns copies of both β, a value per edge; nil before Params.Init and without
// Space.PartialChannels.
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
	if q == nil {
		return nil
	}
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

// Derive returns the genotype of two α, given as rows of values before softmax; see
// the function Derive. Betas are nil or one value per edge: operation weights are then
// multiplied by the softmax of β over the edges into the same node (Xu et al., 2020,
// arXiv 1907.05737, section 3.3). If a normal cell exceeds MaxSkips, its weakest skip
// connections are barred and the cell is derived again, until it does not (Chen et al.,
// 2019, arXiv 1904.12760, section 3.4).
//
// Differs: a cell with fewer skip connections than the limit is left as it is.
//
// Dense cells keep all edges, each with its strongest operation, which may be "none";
// betas and reduce do not matter.
func (sp Space) Derive(normal, reduce [][]float64, normalBetas, reduceBetas []float64) (Genotype, error) {
	names := func(reduction bool) func(row int) []string {
		return func(row int) []string { return sp.Names(reduction, row) }
	}
	if sp.Backbone.Stem.dense() {
		if len(normal) != sp.Edges() {
			return Genotype{}, fmt.Errorf("cell: derive: %d rows of parameters: %d nodes have %d edges", len(normal), sp.Nodes, sp.Edges())
		}
		edges, err := deriveDense(normal, names(false))
		return Genotype{Normal: edges}, err
	}
	normalEdges, err := deriveLimited(normal, normalBetas, names(false), sp.Nodes, sp.MaxSkips)
	if err != nil {
		return Genotype{}, fmt.Errorf("normal cell: %w", err)
	}
	reduceEdges, err := deriveLimited(reduce, reduceBetas, names(true), sp.Nodes, 0)
	if err != nil {
		return Genotype{}, fmt.Errorf("reduction cell: %w", err)
	}
	return sp.genotype(normalEdges, reduceEdges), nil
}

// Entropy returns the mean entropy of the softmax of the rows of α, relative to the
// largest possible: 1 if all candidates have the same weight, towards 0 as each edge
// converges to one.
func Entropy(alpha [][]float64) float64 {
	var sum float64
	for _, row := range alpha {
		if len(row) < 2 {
			continue // one candidate: entropy 0
		}
		for _, p := range probabilities(row) {
			if p > 0 {
				sum -= p * math.Log(p) / math.Log(float64(len(row)))
			}
		}
	}
	return sum / math.Max(1, float64(len(alpha)))
}

// OpWeight returns the mean weight, after softmax, of the named operation over the rows of
// both α of the space.
func (sp Space) OpWeight(normal, reduce [][]float64, name string) float64 {
	var sum float64
	for kind, alpha := range [][][]float64{normal, reduce} {
		for i, row := range alpha {
			if k := slices.Index(sp.Names(kind == 1, i), name); k >= 0 && k < len(row) {
				sum += probabilities(row)[k]
			}
		}
	}
	return sum / math.Max(1, float64(len(normal)+len(reduce)))
}

// KendallTau compares how two α of equal shape rank the operations of each edge. It
// is the mean over the edges of Kendall's rank correlation (Kendall, 1938, doi
// 10.1093/biomet/30.1-2.81, without a correction for ties): the fraction of pairs of
// operations that both order alike minus the fraction that they order oppositely. A
// tie in either counts for neither; an edge with one operation counts as 1. The result
// is 1 for equal, about 0 for unrelated and -1 for opposite rankings, and NaN for α of
// different shapes or without edges.
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
