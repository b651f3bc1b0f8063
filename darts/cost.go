package darts

import "slices"

// Cost adds the expected multiply-adds of the cells to the loss of the alphas, as a share of
// those of the costliest cells, times Weight: each operation of each edge counts with its
// softmax weight (Cai et al., 2019, arXiv 1812.00332, section 3.3; Xie et al., 2019, arXiv
// 1812.09926, section 2.4).
//
// Differs: it counts multiply-adds rather than measure latency.
type Cost struct {
	Weight float64 `json:"weight"`
}

// Name returns "cost".
func (Cost) Name() string { return "cost" }

// Validate refuses a weight that is not positive.
func (a Cost) Validate(SearchConfig) error { return positive("Weight", a.Weight) }

// Rules returns a regulariser: for the costs c of an edge the gradient is p·(c - Σ p·c).
func (a Cost) Rules(SearchConfig) Rules {
	var costs [][][]float32 // of each table, edge and operation, as shares
	return Rules{Candidates: true, Regularise: func(s *Step) {
		tables := s.Tables()
		if costs == nil {
			costs = shares(tables, s.Candidates())
		}
		for i, t := range tables {
			for e, alphas := range t.Values {
				g := make([]float64, len(alphas))
				throughSoftmax(g, softmaxOf(alphas, 1), costs[i][e], a.Weight)
				for k := range g {
					t.Grads[e][k] += float32(g[k])
				}
			}
		}
	}}
}

// shares returns the multiply-adds of the candidates of each table, edge and operation, as
// shares of those of the costliest operations of all edges.
func shares(tables []Table, all []Candidate) [][][]float32 {
	sums := make([][][]int64, len(tables))
	for i, t := range tables {
		for _, row := range t.Values {
			sums[i] = append(sums[i], make([]int64, len(row)))
		}
	}
	for _, c := range all {
		sums[c.Table][c.Edge][c.Op] += c.MACs
	}
	total := int64(1) // which a space without convolutions needs
	for _, t := range sums {
		for _, row := range t {
			total += slices.Max(row)
		}
	}
	costs := make([][][]float32, len(tables))
	for i, t := range sums {
		for _, row := range t {
			share := make([]float32, len(row))
			for k, macs := range row {
				share[k] = float32(float64(macs) / float64(total))
			}
			costs[i] = append(costs[i], share)
		}
	}
	return costs
}
