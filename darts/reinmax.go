package darts

import (
	"gorgonia.org/gorgonia"

	"unnas/internal/rng"
)

// ReinMax draws one operation D of each edge anew for every pass, with the probabilities
// p = softmax(α), as GDAS does, and gives the alphas a gradient that is accurate to second
// order, where that of straight-through sampling is to first (Liu et al., 2023, arXiv
// 2304.08612): for a gradient g of the weights
//
//	2·J(q)·g - J(p)·g/2, with q = (D + softmax(α/Temperature))/2
//
// and J(q) = diag(q) - q·qᵀ. All cells of a kind draw alike.
//
// Differs: operations that were not drawn are computed too, and weigh nothing.
type ReinMax struct {
	Temperature float64 `json:"temperature"` // 1 or a little more in the paper
}

// Name returns "reinmax".
func (ReinMax) Name() string { return "reinmax" }

// Validate refuses a temperature that is not positive.
func (a ReinMax) Validate(SearchConfig) error { return positive("Temperature", a.Temperature) }

// Rules returns a sampler, whose loss jumps.
func (a ReinMax) Rules(SearchConfig) Rules {
	s := sampler{kind: "reinmax", number: rng.Gumbel}
	return Rules{
		Weigh: func(alphas *gorgonia.Node) (*gorgonia.Node, error) {
			noise, err := s.noiseOf(alphas)
			if err != nil {
				return nil, err
			}
			return applyRows(heun{a.Temperature}, alphas, noise)
		},
		Draw: s.draw,
	}
}

// heun draws one operation, with the gradient of ReinMax.
type heun struct{ temperature float64 }

func (heun) Name() string { return "ReinMax" }

func (heun) forward(weights, alphas []float32, others [][]float32) {
	best := 0
	for k, n := range others[0] {
		if alphas[k]+n > alphas[best]+others[0][best] {
			best = k
		}
	}
	clear(weights)
	weights[best] = 1
}

func (h heun) backward(grads, gy, weights, alphas []float32, _ [][]float32) {
	g := make([]float64, len(alphas))
	q := softmaxOf(alphas, h.temperature)
	for k, drawn := range weights {
		q[k] = (q[k] + float64(drawn)) / 2
	}
	throughSoftmax(g, q, gy, 2)
	throughSoftmax(g, softmaxOf(alphas, 1), gy, -0.5)
	for k := range g {
		grads[k] = float32(g[k])
	}
}
