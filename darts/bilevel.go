package darts

import (
	"fmt"
	"math"

	"unnas/internal/kernel"
)

// objective is what a bilevel step sees of a search: two sets of parameters,
// each with the gradient of a loss of its own. So small a view lets two numbers
// on paper drive the same code as a supernet.
type objective interface {
	// Weights and Alphas return the parameters and where their gradients lie.
	Weights() (values, grads []float32)
	Alphas() (values, grads []float32)
	// TrainGrad computes the loss on the next batch of the weights' half and its
	// gradient with respect to the weights.
	TrainGrad() error
	// HeldGrad computes the loss on the next batch of the alphas' half and its
	// gradient with respect to the alphas.
	HeldGrad() error
}

// bilevel alternates between alphas and weights, to first order (Liu et al.,
// 2019, arXiv 1806.09055, with ξ = 0): the alphas take a step of Adam as if the
// weights did not depend on them, then the weights take one of SGD.
type bilevel struct {
	c    Config
	team *kernel.Team

	velocity      []float32 // of the weights
	mean, squares []float32 // of the gradients of the alphas
	archSteps     int
}

func newBilevel(c Config, team *kernel.Team, o objective) *bilevel {
	w, _ := o.Weights()
	a, _ := o.Alphas()
	return &bilevel{c: c, team: team, velocity: make([]float32, len(w)), mean: make([]float32, len(a)), squares: make([]float32, len(a))}
}

// arch takes one step of the alphas.
func (b *bilevel) arch(o objective) error {
	if err := o.HeldGrad(); err != nil {
		return err
	}
	values, grads := o.Alphas()
	b.archSteps++
	b.run(func() {
		kernel.Adam(b.team, values, b.mean, b.squares, grads, b.archSteps, b.c.ArchLR, b.c.ArchBeta1, b.c.ArchBeta2, adamEpsilon, b.c.ArchDecay)
	})
	return nil
}

// adamEpsilon is PyTorch's.
const adamEpsilon = 1e-8

// weights takes one step of the weights with the given learning rate.
func (b *bilevel) weights(o objective, rate float64) error {
	if err := o.TrainGrad(); err != nil {
		return err
	}
	values, grads := o.Weights()
	b.run(func() {
		scale := 1.0
		if b.c.Clip > 0 {
			norm := math.Sqrt(kernel.SquaredNorm(b.team, grads))
			scale = math.Min(1, b.c.Clip/(norm+1e-6))
		}
		kernel.SGD(b.team, values, b.velocity, grads, float32(rate), float32(b.c.Momentum), float32(b.c.WeightDecay), float32(scale), false)
	})
	return nil
}

// run runs kernels on all workers of the team.
func (b *bilevel) run(f func()) {
	b.team.Begin()
	defer b.team.End()
	f()
}

// finite returns ErrDiverged, with the place, if a loss is not a number.
func finite(loss float64, half string) error {
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return fmt.Errorf("%w: the loss on %s is %v", ErrDiverged, half, loss)
	}
	return nil
}
