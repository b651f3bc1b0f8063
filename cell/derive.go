package cell

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"unnas/ops"
)

// Derive discretises the architecture parameters of a cell. For each intermediate
// node it keeps the edges with the largest weights, and on each edge the strongest
// operation. It returns keep edges per node, in node order, heaviest first.
//
// alpha has one row per edge of the search space, before the softmax, and one
// column per operation of ops. The rows are in node order: node 2 from 0 and 1,
// node 3 from 0, 1 and 2, and so on for the given number of intermediate nodes.
// The weight of an edge is the largest softmax probability of its row among the
// operations other than "none" (Liu et al., 2019, arXiv 1806.09055, section
// 2.4). Of equal edges the one from the earlier node is kept, of equal
// operations the one that ops lists first.
//
// Derive fails if the sizes disagree, if a parameter is infinite or not a
// number, if "none" is the only operation, or if keep is neither 1 nor 2 (node 2
// has only two incoming edges).
func Derive(alpha [][]float64, ops []string, nodes, keep int) ([]Edge, error) {
	chosen, err := derive(alpha, nil, func(int) []string { return ops }, nodes, keep, nil)
	if err != nil {
		return nil, err
	}
	return edgesOf(chosen), nil
}

// deriveLimited is Derive with two edges per node, optional betas, and at most skips
// skip connections (0: no limit); see Space.Derive. Among equal skip connections the
// last are barred.
func deriveLimited(alpha [][]float64, betas []float64, names func(row int) []string, nodes, skips int) ([]Edge, error) {
	skip := ops.Skip().Name()
	barred := map[int]bool{} // rows whose skip connection is excluded
	for {
		chosen, err := derive(alpha, betas, names, nodes, edgesPerNode, func(row int, op string) bool { return op == skip && barred[row] })
		if err != nil && len(barred) > 0 {
			return nil, fmt.Errorf("%w, and at most %d skip connections: give the space more operations or raise MaxSkips", err, skips)
		}
		if err != nil {
			return nil, err
		}
		found := slices.DeleteFunc(slices.Clone(chosen), func(c candidate) bool { return c.Op != skip })
		if skips == 0 || len(found) <= skips {
			return edgesOf(chosen), nil
		}
		slices.SortFunc(found, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.row, b.row))
		})
		for _, c := range found[skips:] {
			barred[c.row] = true
		}
	}
}

// derive is Derive with optional betas and names for each row; barred excludes operations
// of a row, in addition to "none".
func derive(alpha [][]float64, betas []float64, names func(row int) []string, nodes, keep int, barred func(row int, op string) bool) ([]candidate, error) {
	if keep < 1 || keep > inputs {
		return nil, fmt.Errorf("cell: derive: %d edges per node: want 1 or %d", keep, inputs)
	}
	if nodes < 1 || nodes > maxNodes {
		return nil, fmt.Errorf("cell: derive: %d nodes: want 1 to %d", nodes, maxNodes)
	}
	if want := nodes * (nodes + 3) / 2; len(alpha) != want {
		return nil, fmt.Errorf("cell: derive: %d rows of parameters: %d nodes have %d edges", len(alpha), nodes, want)
	}
	if betas != nil && len(betas) != len(alpha) {
		return nil, fmt.Errorf("cell: derive: %d betas for %d edges", len(betas), len(alpha))
	}
	var chosen []candidate
	row := 0
	for node := inputs; node < inputs+nodes; node++ {
		candidates := make([]candidate, node)
		edgeWeights, err := softmaxBetas(betas, row, node)
		if err != nil {
			return nil, fmt.Errorf("cell: derive: node %d: %w", node, err)
		}
		for from := range candidates {
			allowed := func(op string) bool { return op != "none" && (barred == nil || !barred(row, op)) }
			c, err := strongest(alpha[row], names(row), allowed)
			if err != nil {
				return nil, fmt.Errorf("cell: derive: edge %d→%d: %w", from, node, err)
			}
			c.From, c.row = from, row
			c.weight *= edgeWeights[from]
			candidates[from] = c
			row++
		}
		slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(b.weight, a.weight) })
		chosen = append(chosen, candidates[:keep]...)
	}
	return chosen, nil
}

// softmaxBetas returns the softmax of count betas, starting at row; ones if betas is
// nil.
func softmaxBetas(betas []float64, row, count int) ([]float64, error) {
	if betas == nil {
		return slices.Repeat([]float64{1}, count), nil
	}
	betas = betas[row : row+count]
	for from, b := range betas {
		if math.IsNaN(b) || math.IsInf(b, 0) {
			return nil, fmt.Errorf("beta %v of the edge from %d is not finite", b, from)
		}
	}
	return probabilities(betas), nil
}

// candidate is the best operation of an edge.
type candidate struct {
	Edge
	weight float64
	row    int
}

func edgesOf(chosen []candidate) []Edge {
	edges := make([]Edge, len(chosen))
	for i, c := range chosen {
		edges[i] = c.Edge
	}
	return edges
}

// strongest returns the allowed operation with the largest softmax probability, and
// that probability.
func strongest(alpha []float64, ops []string, allowed func(op string) bool) (candidate, error) {
	if len(alpha) != len(ops) {
		return candidate{}, fmt.Errorf("%d parameters for %d operations", len(alpha), len(ops))
	}
	best := -1
	for k, a := range alpha {
		if math.IsNaN(a) || math.IsInf(a, 0) {
			return candidate{}, fmt.Errorf("parameter %v of %s is not finite", a, ops[k])
		}
		if allowed(ops[k]) && (best < 0 || a > alpha[best]) {
			best = k
		}
	}
	if best < 0 {
		return candidate{}, fmt.Errorf("no operation but none among %q", ops)
	}
	// Sorted, so that the sum does not depend on the order of the values. It overflows
	// only if "none" takes all probability: the weight is then 0.
	sum := 0.0
	for _, a := range slices.Sorted(slices.Values(alpha)) {
		sum += math.Exp(a - alpha[best])
	}
	return candidate{Edge: Edge{Op: ops[best]}, weight: 1 / sum}, nil
}
