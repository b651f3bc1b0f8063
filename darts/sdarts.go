package darts

import (
	"gorgonia.org/gorgonia"

	"unnas/internal/rng"
	"unnas/ops"
)

// SDARTSRS perturbs the operation weights at random while the weights learn, by numbers
// that are uniform from -ε to ε, so that the loss becomes smooth in them (Chen and Hsieh,
// 2020, arXiv 2002.05283, SDARTS-RS). ε rises linearly with the epochs, from 0.03 to
// Radius, as in the authors' code. Perturbed weights are from 0 to 1, and need not sum to 1.
type SDARTSRS struct {
	Radius float64 `json:"radius"` // 0.3 in the paper
}

// SDARTSADV is SDARTSRS with the perturbation that is the worst for the loss of the batch,
// which Steps steps of projected gradient ascent look for, of length 2ε/Steps for each
// weight, from a random one (Chen and Hsieh, 2020, arXiv 2002.05283, SDARTS-ADV). Each
// takes a pass.
//
// Differs: these passes normalise by the statistics of the batch.
type SDARTSADV struct {
	Radius float64 `json:"radius"` // 0.3 in the paper
	Steps  int     `json:"steps"`  // 7 in the paper
}

// Name returns "sdarts-rs".
func (SDARTSRS) Name() string { return "sdarts-rs" }

// Name returns "sdarts-adv".
func (SDARTSADV) Name() string { return "sdarts-adv" }

// Validate refuses a radius that is not positive.
func (a SDARTSRS) Validate(SearchConfig) error { return positive("Radius", a.Radius) }

// Validate refuses a radius or steps that are not positive.
func (a SDARTSADV) Validate(SearchConfig) error {
	if err := positive("Radius", a.Radius); err != nil {
		return err
	}
	return positive("Steps", float64(a.Steps))
}

// Rules returns a step of the weights with perturbed operation weights.
func (a SDARTSRS) Rules(c SearchConfig) Rules { return perturbed{radius: a.Radius}.rules(c) }

// Rules returns a step of the weights with perturbed operation weights.
func (a SDARTSADV) Rules(c SearchConfig) Rules { return perturbed{a.Radius, a.Steps}.rules(c) }

// leastRadius is ε in the first epoch.
const leastRadius = 0.03

type perturbed struct {
	radius float64
	steps  int
}

// rules returns a sampler that mixes by the softmax of α or by α itself, and a step of the
// weights during which α holds the perturbed weights.
func (p perturbed) rules(c SearchConfig) Rules {
	choice := []float32{1, 0} // softmax(α), α
	var alphas, weights []float32
	return Rules{
		Passes: p.steps,
		Weigh: func(alphas *gorgonia.Node) (*gorgonia.Node, error) {
			softmax, err := ops.Softmax(alphas)
			if err != nil {
				return nil, err
			}
			of, err := input(alphas, "choice", choice, 2)
			if err != nil {
				return nil, err
			}
			return ops.Mix(of, []int{0, 1}, softmax, alphas)
		},
		Weights: func(s *Step, next func(*Step) error) error {
			values, _ := s.Alphas()
			alphas = append(alphas[:0], values...)
			choice[0], choice[1] = 0, 1
			defer func() {
				copy(values, alphas)
				choice[0], choice[1] = 1, 0
			}()
			radius := leastRadius + float64((p.radius-leastRadius)*rising(s, c))
			if err := p.perturb(s, radius, &weights); err != nil {
				return err
			}
			return next(s)
		},
	}
}

// perturb makes the tables those of operation weights, perturbed. Operations that were pruned
// stay at 0.
func (p perturbed) perturb(s *Step, radius float64, weights *[]float32) error {
	*weights = (*weights)[:0]
	r := s.Rand("sdarts")
	eachEdge(s, func(row, _ []float32) {
		for k, w := range softmaxOf(row, 1) {
			noise := rng.Uniform(r, -radius, radius)
			if row[k] == pruned {
				w, noise = 0, 0
			}
			*weights = append(*weights, float32(w))
			row[k] = float32(min(max(w+noise, 0), 1))
		}
	})
	for range p.steps {
		if _, err := s.Trial(TrainAlphas); err != nil {
			return err
		}
		i := 0
		eachEdge(s, func(row, grads []float32) {
			for k, g := range grads {
				w := float64((*weights)[i])
				i++
				if w == 0 {
					continue
				}
				at := float64(row[k]) + float64(float64(2*radius/float64(p.steps))*sign(g))
				at = min(max(at, w-radius), w+radius)
				row[k] = float32(min(max(at, 0), 1))
			}
		})
	}
	return nil
}

func sign(x float32) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}
