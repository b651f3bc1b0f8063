package darts

import (
	"gorgonia.org/gorgonia"

	"unnas/internal/rng"
	"unnas/ops"
)

// GDAS draws one operation of each edge anew for every pass, with the
// probabilities that the alphas give, rather than mix all (Dong and Yang, 2019,
// arXiv 1910.04465). The gradient of the alphas, to first order, passes through
// the operations that were drawn, relaxed by a temperature that falls linearly
// with the epochs, from 10 to 0.1. All cells of a kind draw alike.
//
// Differs: operations that were not drawn are computed too, and weigh nothing,
// so a step takes the time and the memory of FirstOrder. Reduction cells are
// searched. In the authors' code the weights that were not drawn, which are
// zero, are added to the maps of their edges, which gives them gradients that
// have to do with no operation; here, as in the paper, they have none.
type GDAS struct{}

// Name returns "gdas".
func (GDAS) Name() string { return "gdas" }

// Validate returns nil.
func (GDAS) Validate(SearchConfig) error { return nil }

// Rules returns a sampler, whose loss jumps.
func (GDAS) Rules(c SearchConfig) Rules {
	s := sampler{kind: "gumbel", number: rng.Gumbel}
	t := temperature{hottest: 10, coldest: 0.1, epochs: c.Epochs}
	heat := []float32{float32(t.hottest)}
	return Rules{
		Weigh: func(alphas *gorgonia.Node) (*gorgonia.Node, error) {
			noise, err := s.noiseOf(alphas)
			if err != nil {
				return nil, err
			}
			temperature, err := input(alphas, "temperature", heat, 1)
			if err != nil {
				return nil, err
			}
			return ops.GumbelSoftmax(alphas, noise, temperature)
		},
		Draw: func(at Place, purpose string) {
			s.draw(at, purpose)
			heat[0] = float32(t.at(at.Epoch))
		},
	}
}
