package darts

import (
	"fmt"
	"slices"

	"unnas/cell"
	"unnas/internal/rng"
	"unnas/ops"
)

// PT selects the cells by perturbation (DARTS-PT) rather than by the alphas (Wang et al., 2021,
// arXiv 2108.04392): of each edge it keeps the operation without which the validation loss
// is largest, and prunes the others. It does so at the ends of the last Epochs epochs, edge
// by edge in random order, about as many in each, so that the supernet is fine-tuned
// between. At the end, each node of spaces that derive some of its edges loses those edges
// without which the loss is smallest.
//
// Differs: losses are those of the last batch of the alphas, whereas the authors take the
// accuracy on all validation images; the weights of the remaining operations of the edge
// sum to 1; the learning rates are those of the schedule. "none" is never selected where the
// space does not derive it. Edges are removed by leaving "none" on them; in spaces without
// it, they are derived by the alphas.
type PT struct {
	Epochs int `json:"epochs"`
}

// Name returns "darts-pt".
func (PT) Name() string { return "darts-pt" }

// Validate refuses epochs that the search does not have, and samplers whose losses cannot be
// compared.
func (a PT) Validate(c SearchConfig) error {
	if most := c.Epochs - c.ArchStartEpoch; a.Epochs < 1 || a.Epochs > most {
		return fmt.Errorf("Epochs is %d, must be from 1 to the %d epochs in which the alphas learn", a.Epochs, most)
	}
	for _, other := range c.Algorithms {
		if other == nil || other.Name() == a.Name() {
			continue
		}
		if r := other.Rules(c); r.Draw != nil && r.Rest == nil {
			return fmt.Errorf("the losses of %s cannot be compared, since its operations are drawn; choose another sampler", other.Name())
		}
	}
	return nil
}

// Rules returns a selection.
func (a PT) Rules(c SearchConfig) Rules {
	return Rules{EndEpoch: func(s *Step) error {
		n := s.Epoch + a.Epochs - c.Epochs + 1 // epochs of the selection with this one
		if n < 1 {
			return nil
		}
		values, _ := s.Alphas()
		before := slices.Clone(values)
		p, err := newSelection(s, c.Space)
		if err == nil {
			err = p.project(n, a.Epochs)
		}
		if err != nil {
			copy(values, before)
		}
		return err
	}}
}

// selection selects at the end of an epoch.
type selection struct {
	*Step
	space cell.Space
	whole bool // all edges are derived
}

// newSelection returns the selection of a step.
func newSelection(s *Step, space cell.Space) (selection, error) {
	rows := make([][][]float64, 2)
	for i, t := range s.Tables() {
		for _, row := range t.Values {
			rows[i] = append(rows[i], make([]float64, len(row)))
		}
	}
	g, err := space.Derive(rows[0], rows[1], nil, nil)
	if err != nil {
		return selection{}, fmt.Errorf("darts: %w", err)
	}
	return selection{s, space, len(g.Normal) == len(rows[0])}, nil
}

// project selects until n/of of the edges have one operation, and some of the edges if n is
// of.
func (p selection) project(n, of int) error {
	r := p.Rand("darts-pt")
	for i, t := range p.Tables() {
		edges := len(t.Values)
		var left []int
		for e := range edges {
			if len(p.candidates(i, e)) > 1 {
				left = append(left, e)
			}
		}
		for len(left) > edges-(edges*n+of-1)/of {
			at := rng.IntN(r, len(left))
			if err := p.edge(i, left[at]); err != nil {
				return err
			}
			left = slices.Delete(left, at, at+1)
		}
		if n == of {
			if err := p.nodes(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// none returns the operation "none" of an edge of a table, or -1.
func (p selection) none(table, edge int) int {
	return slices.Index(p.space.Names(table == 1, edge), ops.None().Name())
}

// candidates returns the operations that may be selected for an edge.
func (p selection) candidates(table, edge int) (all []int) {
	t := p.Tables()[table]
	for k := range t.Values[edge] {
		if !t.Pruned(edge, k) && (p.whole || k != p.none(table, edge)) {
			all = append(all, k)
		}
	}
	return all
}

// edge leaves the operation of an edge without which the loss is largest.
func (p selection) edge(table, edge int) error {
	t := p.Tables()[table]
	best, most := -1, 0.0
	for _, k := range p.candidates(table, edge) {
		a := t.Values[edge][k]
		t.Prune(edge, k)
		loss, err := p.Trial(ValAlphas)
		t.Values[edge][k] = a
		if err != nil {
			return err
		}
		if best < 0 || loss > most {
			best, most = k, loss
		}
	}
	for k := range t.Values[edge] {
		if k != best {
			t.Prune(edge, k)
		}
	}
	return nil
}

// keptEdges is the number of edges into a node that cells keep.
const keptEdges = 2

// nodes leaves two edges into each node.
func (p selection) nodes(table int) error {
	t := p.Tables()[table]
	for first, into := 0, keptEdges; first < len(t.Values) && !p.whole; first, into = first+into, into+1 {
		kept := make([]int, into)
		for i := range kept {
			kept[i] = first + i
		}
		for len(kept) > keptEdges {
			if slices.ContainsFunc(kept, func(e int) bool { return p.none(table, e) < 0 }) {
				return nil
			}
			worst, least := -1, 0.0
			for i, e := range kept {
				before := slices.Clone(t.Values[e])
				p.remove(table, e)
				loss, err := p.Trial(ValAlphas)
				copy(t.Values[e], before)
				if err != nil {
					return err
				}
				if worst < 0 || loss < least {
					worst, least = i, loss
				}
			}
			p.remove(table, kept[worst])
			kept = slices.Delete(kept, worst, worst+1)
		}
	}
	return nil
}

// remove leaves "none" on an edge.
func (p selection) remove(table, edge int) {
	t := p.Tables()[table]
	for k := range t.Values[edge] {
		t.Prune(edge, k)
	}
	t.Values[edge][p.none(table, edge)] = 0
}
