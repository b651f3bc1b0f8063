package darts

import (
	"gorgonia.org/gorgonia"

	"unnas/internal/rng"
	"unnas/ops"
)

// SNAS draws the weights of each edge anew for every pass, from the concrete distribution:
// the softmax of (α + Gumbel noise)/temperature (Xie et al., 2019, arXiv 1812.09926).
// The temperature falls linearly with the epochs, from Hottest to Coldest, and with it the
// weights come closer to those of a single operation. The gradient of the alphas is that
// of the weights, to first order. All cells of a kind draw alike. Cost adds the penalty for
// resources. StopEigenvalue measures without noise.
//
// Differs: weights and alphas learn from images of their own, in turn, rather than from
// the same in one step.
type SNAS struct {
	Hottest float64 `json:"hottest"`
	Coldest float64 `json:"coldest"`
}

// Name returns "snas".
func (SNAS) Name() string { return "snas" }

// Validate refuses temperatures that are not positive.
func (a SNAS) Validate(SearchConfig) error {
	if err := positive("Coldest", a.Coldest); err != nil {
		return err
	}
	return positive("Hottest", a.Hottest)
}

// Rules returns a sampler.
func (a SNAS) Rules(c SearchConfig) Rules {
	s := sampler{kind: "concrete", number: rng.Gumbel}
	t := temperature{hottest: a.Hottest, coldest: a.Coldest, epochs: c.Epochs}
	inverse := []float32{0} // of the temperature
	return Rules{
		Weigh: func(alphas *gorgonia.Node) (*gorgonia.Node, error) {
			noise, err := s.noiseOf(alphas)
			if err != nil {
				return nil, err
			}
			factor, err := input(alphas, "inverse temperature", inverse, 1)
			if err != nil {
				return nil, err
			}
			sum, err := ops.Mix(factor, []int{0, 0}, alphas, noise)
			if err != nil {
				return nil, err
			}
			return ops.Softmax(sum)
		},
		Draw: func(at Place, purpose string) {
			s.draw(at, purpose)
			inverse[0] = float32(1 / t.at(at.Epoch))
		},
		Rest: func() { s.fill(0) },
	}
}
