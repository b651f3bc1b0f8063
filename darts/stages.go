package darts

import (
	"cmp"
	"fmt"
	"slices"
)

// Stages prunes the weakest operations of each edge in stages: after Epochs[i] epochs each
// edge keeps the Keep[i] operations with the largest α, as in P-DARTS (Chen et al., 2019,
// arXiv 1904.12760, section 3.3) and DrNAS (Chen et al., 2021, arXiv 2006.10355, section
// 3.4). It combines with any sampler.
//
// Differs: a pruned operation is computed still, and weighs nothing, so later stages are no
// faster and have the depth and the channels of the first; weights and alphas go on from
// stage to stage.
type Stages struct {
	Epochs []int `json:"epochs"` // rising
	Keep   []int `json:"keep"`   // falling
}

// Name returns "stages".
func (Stages) Name() string { return "stages" }

// Validate refuses stages that do not follow each other within the search.
func (a Stages) Validate(c SearchConfig) error {
	if len(a.Epochs) == 0 || len(a.Epochs) != len(a.Keep) {
		return fmt.Errorf("Epochs is %v and Keep %v; want a number to keep for each of one or more epochs", a.Epochs, a.Keep)
	}
	of := len(c.Space.Names(false, 0))
	after, keep := c.ArchStartEpoch, of
	for i, epoch := range a.Epochs {
		if epoch <= after || epoch > c.Epochs {
			return fmt.Errorf("Epochs is %v, must rise from above the %d epochs in which the alphas rest, to %d at most", a.Epochs, c.ArchStartEpoch, c.Epochs)
		}
		if a.Keep[i] < 1 || a.Keep[i] >= keep {
			return fmt.Errorf("Keep is %v, must fall from below the %d operations of an edge, to 1 at least", a.Keep, of)
		}
		after, keep = epoch, a.Keep[i]
	}
	return nil
}

// Rules returns a schedule.
func (a Stages) Rules(SearchConfig) Rules {
	return Rules{EndEpoch: func(s *Step) error {
		i := slices.Index(a.Epochs, s.Epoch+1)
		if i < 0 {
			return nil
		}
		for _, t := range s.Tables() {
			for e, row := range t.Values {
				for _, k := range strongest(row)[a.Keep[i]:] {
					t.Prune(e, k)
				}
			}
		}
		return nil
	}}
}

// strongest returns the operations of an edge, those with the largest α first.
func strongest(row []float32) []int {
	order := make([]int, len(row))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(row[j], row[i]) })
	return order
}
