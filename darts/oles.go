package darts

import (
	"fmt"
	"math"
)

// OLES stops operations of edges early, one by one (Jiang et al., 2023, Operation-level early
// stopping for robustifying differentiable NAS, NeurIPS): every Every steps in which the
// alphas learn it compares the gradients that a batch of the weights and one of the alphas
// give the weights of an operation. If the mean cosine of the angle between them is below
// Threshold, the operation overfits, and its weights stay from then on. A step takes one more
// pass. Operations without weights never stop.
type OLES struct {
	Every     int     `json:"every"`
	Threshold float64 `json:"threshold"`
}

// Name returns "oles".
func (OLES) Name() string { return "oles" }

// Validate refuses hyperparameters out of range.
func (a OLES) Validate(SearchConfig) error {
	if err := positive("Every", float64(a.Every)); err != nil {
		return err
	}
	if !(a.Threshold >= -1 && a.Threshold <= 1) {
		return fmt.Errorf("Threshold is %s, must be from -1 to 1", plain(a.Threshold))
	}
	return nil
}

// Rules returns a step of the weights around that of the search.
func (a OLES) Rules(c SearchConfig) Rules {
	o := &stopper{OLES: a, from: c.ArchStartEpoch, state: make([]float32, 1+2*c.Space.Backbone.Cells*c.Space.Edges()*len(c.Space.Names(false, 0)))}
	return Rules{Candidates: true, Both: true, Passes: 1, Copies: 2, State: o.state, Weights: o.step}
}

// stopper is the memory of OLES. Its state has the number of steps since the last
// comparison, then the sum of cosines and 1 for a stopped operation, for each candidate.
type stopper struct {
	OLES
	from        int // epoch
	state       []float32
	val, values []float32 // copies of gradients of the validation loss, and of weights
}

func (o *stopper) step(s *Step, next func(*Step) error) error {
	if s.Epoch < o.from {
		return next(s)
	}
	if _, err := s.Trial(ValBoth); err != nil {
		return err
	}
	all := s.Candidates()
	o.val, o.values = o.val[:0], o.values[:0]
	for _, c := range all {
		for i, g := range c.Grads {
			o.val, o.values = append(o.val, g...), append(o.values, c.Values[i]...)
		}
	}
	if err := next(s); err != nil {
		return err
	}
	o.state[0]++
	compare := int(o.state[0]) == o.Every
	if compare {
		o.state[0] = 0
	}
	val, values := o.val, o.values
	for i, c := range all {
		sum, stopped := &o.state[1+2*i], &o.state[2+2*i]
		var dot, train2, val2 float64
		for j, grads := range c.Grads {
			for k, g := range grads {
				dot += float64(float64(g) * float64(val[k]))
				train2 += float64(float64(g) * float64(g))
				val2 += float64(float64(val[k]) * float64(val[k]))
			}
			if *stopped == 1 {
				copy(c.Values[j], values)
			}
			val, values = val[len(grads):], values[len(grads):]
		}
		if len(c.Grads) == 0 {
			continue
		}
		if dot != 0 {
			*sum += float32(dot / math.Sqrt(train2*val2))
		}
		if compare {
			if float64(*sum) < float64(o.Threshold*float64(o.Every)) {
				*stopped = 1
			}
			*sum = 0
		}
	}
	return nil
}
