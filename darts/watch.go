package darts

import (
	"fmt"
	"strings"

	"unnas/darts/record"
)

// watch is what a search remembers of its epochs in order to judge the next one.
// It is part of checkpoints.
type watch struct {
	Before [][]float64 `json:"before"` // the alphas after the epoch before the one under way; null in the first
	Warned bool        `json:"warned"` // of the collapse
}

// collapseSkips returns the number of skip connections of a normal cell that indicates a
// collapse: 2 (Liang et al., 2019, arXiv 1909.06035, criterion 1), or most edges of a cell
// that keeps all.
func (s *search) collapseSkips() int {
	if s.result.Genotype.Dense() {
		return len(s.result.Genotype.Normal)/2 + 1
	}
	return 2
}

// undecided is the entropy of the alphas above which derived cells mean little, unless
// most of their edges agree.
const undecided = 0.95

// warn warns once that the cells collapse, unless a hyperparameter deals with it.
func (s *search) warn() error {
	if s.watch.Warned || s.result.Last.Entropy > undecided && 2*s.skips() <= len(s.result.Genotype.Normal) || s.c.StopSkips > 0 || s.c.StopEigenvalue > 0 || s.c.Space.MaxSkips > 0 || !s.collapsed(s.collapseSkips()) {
		return nil
	}
	s.watch.Warned = true
	return s.record(record.Warning{Text: fmt.Sprintf("after epoch %d, %d of the %d edges of the normal cell are skip connections, a sign that the search collapses into cells that compute little (DARTS+); if it lasts, set StopSkips or StopEigenvalue to end the search in time, Space.MaxSkips to derive fewer (not of dense cells), or ArchStartEpoch to let the weights learn first",
		s.complete, s.skips(), len(s.result.Genotype.Normal))})
}

// poolShare returns the weight of all poolings among the candidates.
func (s *search) poolShare(normal, reduce [][]float64) float64 {
	var sum float64
	for _, name := range s.c.Space.Ops.Names() {
		if strings.HasPrefix(name, "max_pool_") || strings.HasPrefix(name, "avg_pool_") {
			sum += s.c.Space.OpWeight(normal, reduce, name)
		}
	}
	return sum
}
