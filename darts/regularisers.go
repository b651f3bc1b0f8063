package darts

import "math"

// BetaDARTS adds the mean over the edges of log Σ exp(α) to the loss of the alphas, times
// a weight that rises linearly with the epochs from 0 to Weight. It keeps the softmax
// weights from growing apart early (Ye et al., 2022, arXiv 2203.01665, where it is called
// beta decay). It does not decay the betas of partial channels.
type BetaDARTS struct {
	Weight float64 `json:"weight"` // 50 in the paper's search on NAS-Bench-201
}

// Name returns "beta-darts".
func (BetaDARTS) Name() string { return "beta-darts" }

// Validate refuses a weight that is not positive.
func (a BetaDARTS) Validate(SearchConfig) error { return positive("Weight", a.Weight) }

// Rules returns a regulariser, whose gradient is the softmax.
func (a BetaDARTS) Rules(c SearchConfig) Rules {
	return Rules{Regularise: func(s *Step) {
		scale := a.Weight * rising(s, c) / float64(edges(s))
		eachEdge(s, func(alphas, grads []float32) {
			for k, p := range softmaxOf(alphas, 1) {
				grads[k] += float32(scale * p)
			}
		})
	}}
}

// Entropy adds the mean over the edges of the entropy of the softmax weights, in nats, to
// the loss of the alphas, times a weight that rises linearly with the epochs from 0 to
// Weight. It draws each edge to one operation, so that less is lost when the cells are
// derived (Tian et al., 2020, arXiv 2007.03154). A negative Weight keeps them apart.
//
// Differs: the authors weigh with other schedules, and have a term for the betas, too.
type Entropy struct {
	Weight float64 `json:"weight"`
}

// Name returns "entropy".
func (Entropy) Name() string { return "entropy" }

// Validate refuses a weight that is 0 or not finite.
func (a Entropy) Validate(SearchConfig) error {
	return positive("the magnitude of Weight", math.Abs(a.Weight))
}

// Rules returns a regulariser: for H = -Σ p·log p the gradient is -p·(log p + H).
func (a Entropy) Rules(c SearchConfig) Rules {
	return Rules{Regularise: func(s *Step) {
		scale := a.Weight * rising(s, c) / float64(edges(s))
		eachEdge(s, func(alphas, grads []float32) {
			weights := softmaxOf(alphas, 1)
			entropy := 0.0
			for _, p := range weights {
				entropy -= float64(p * logOf(p))
			}
			for k, p := range weights {
				grads[k] -= float32(scale * p * (logOf(p) + entropy))
			}
		})
	}}
}

// logOf returns the logarithm of a probability, which p·log p does not need at 0.
func logOf(p float64) float64 { return math.Log(max(p, math.SmallestNonzeroFloat64)) }
