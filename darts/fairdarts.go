package darts

import (
	"math"

	"gorgonia.org/gorgonia"
)

// FairDARTS weighs each operation by the sigmoid of its α, so that operations do not
// compete, and adds Weight times the zero-one loss -mean((σ(α) - 0.5)²) to that of the
// alphas, which draws each weight to 0 or 1 (Chu et al., 2020, arXiv 1911.12126).
//
// Differs: cells are derived as the space derives them, from the softmax of the alphas,
// which orders the operations of an edge as their sigmoids do; the authors keep the
// operations above a threshold. Their space lacks "none".
type FairDARTS struct {
	Weight float64 `json:"weight"` // 10 in the paper
}

// Name returns "fairdarts".
func (FairDARTS) Name() string { return "fairdarts" }

// Validate refuses a negative weight.
func (a FairDARTS) Validate(SearchConfig) error { return notNegative("Weight", a.Weight) }

// Rules returns a sampler and a regulariser.
func (a FairDARTS) Rules(SearchConfig) Rules {
	return Rules{
		Weigh: func(alphas *gorgonia.Node) (*gorgonia.Node, error) { return applyRows(sigmoid{}, alphas) },
		Regularise: func(s *Step) {
			n := 0
			for _, t := range s.Tables() {
				n += len(t.Values) * len(t.Values[0])
			}
			eachEdge(s, func(alphas, grads []float32) {
				for k, x := range alphas {
					w := logistic(x)
					grads[k] -= float32(a.Weight * 2 * (w - 0.5) * w * (1 - w) / float64(n))
				}
			})
		},
	}
}

func logistic(x float32) float64 { return 1 / (1 + math.Exp(-float64(x))) }

// sigmoid is the sigmoid of α.
type sigmoid struct{}

func (sigmoid) Name() string { return "Sigmoid" }

func (sigmoid) forward(weights, alphas []float32, _ [][]float32) {
	for k, x := range alphas {
		weights[k] = float32(logistic(x))
	}
}

func (sigmoid) backward(grads, gy, weights, _ []float32, _ [][]float32) {
	for k, w := range weights {
		grads[k] = float32(float64(gy[k]) * float64(w) * (1 - float64(w)))
	}
}
