package darts

import (
	"fmt"
	"math"

	"unnas/internal/kernel"
)

// objective is what a bilevel step sees of a search: two sets of parameters, two
// losses and their gradients. The interface is small so that two numbers on paper can drive the
// same code as a supernet.
//
// All methods work on the batches of one step. Each leaves the gradients alone
// that it does not compute.
type objective interface {
	// Weights and Alphas return the parameters and where their gradients lie.
	Weights() (values, grads []float32)
	Alphas() (values, grads []float32)
	// TrainGrad computes the loss on the batch of the weights' half and its
	// gradient with respect to the weights.
	TrainGrad() error
	// ValGrad computes the loss on the batch of the alphas' half and its gradient
	// with respect to the alphas.
	ValGrad() error
	// Trial computes gradients for weights that are not there to stay: running
	// statistics do not learn from them.
	Trial(trial) error
}

// trial says which loss and gradients a pass on trial computes.
type trial int

const (
	trainWeights trial = iota // the weights' loss, with respect to the weights
	valBoth                   // the alphas' loss, with respect to weights and alphas
	trainAlphas               // the weights' loss, with respect to the alphas
	valAlphas                 // the alphas' loss, with respect to the alphas
)

// bilevel alternates between alphas and weights: the alphas take a step of Adam,
// then the weights take one of SGD.
type bilevel struct {
	c    SearchConfig
	pool *kernel.ThreadPool

	velocity      []float32 // of the weights
	mean, squares []float32 // of the gradients of the alphas
	archSteps     int
	ahead         ahead
}

// ahead is memory for a look ahead, to second order.
type ahead struct {
	weights, velocity []float32 // copies
	val, plus         []float32 // gradients of the alphas: of the validation loss, and at w + ε·∇
}

func newBilevel(c SearchConfig, pool *kernel.ThreadPool, o objective) *bilevel {
	w, _ := o.Weights()
	a, _ := o.Alphas()
	b := &bilevel{c: c, pool: pool, velocity: make([]float32, len(w)), mean: make([]float32, len(a)), squares: make([]float32, len(a))}
	if c.Algorithm == SecondOrder {
		b.ahead = ahead{make([]float32, len(w)), make([]float32, len(w)), make([]float32, len(a)), make([]float32, len(a))}
	}
	return b
}

// arch takes one step of the alphas; rate is the learning rate of the weights.
func (b *bilevel) arch(o objective, rate float64) error {
	if err := b.archGrad(o, rate); err != nil {
		return err
	}
	values, grads := o.Alphas()
	b.archSteps++
	b.run(func() {
		kernel.Adam(b.pool, values, b.mean, b.squares, grads, b.archSteps, b.c.ArchLR, b.c.ArchBeta1, b.c.ArchBeta2, adamEpsilon, b.c.ArchWeightDecay)
	})
	return nil
}

// archGrad computes the gradient of the alphas.
func (b *bilevel) archGrad(o objective, rate float64) error {
	if b.c.Algorithm == SecondOrder {
		return b.unrolledGrad(o, rate)
	}
	return o.ValGrad()
}

// archPasses returns how often archGrad asks for gradients.
func (b *bilevel) archPasses() int {
	if b.c.Algorithm == SecondOrder {
		return 4
	}
	return 1
}

// perturbation is the distance of w ± ε·∇ from w.
const perturbation = 0.01

// unrolledGrad computes the gradient of the alphas to second order:
//
//	∇α L_val(w', α) - ξ·(∇α L_train(w + ε·∇, α) - ∇α L_train(w - ε·∇, α))/2ε
//
// with ∇ = ∇w' L_val(w', α); see SecondOrder. The step to w' is not clipped. It
// returns with the weights as they were, to the bit.
func (b *bilevel) unrolledGrad(o objective, rate float64) error {
	w, gw := o.Weights()
	_, ga := o.Alphas()
	copy(b.ahead.weights, w)
	defer copy(w, b.ahead.weights)

	if err := o.Trial(trainWeights); err != nil {
		return err
	}
	copy(b.ahead.velocity, b.velocity)
	look := b.c.SGD
	look.GradClip = 0
	b.run(func() {
		look.step(b.pool, w, b.ahead.velocity, gw, rate)
	})
	if err := o.Trial(valBoth); err != nil {
		return err
	}
	var norm float64
	b.run(func() { norm = math.Sqrt(kernel.SquaredNorm(b.pool, gw)) })
	if norm == 0 { // no weight matters to the validation loss
		return nil
	}
	copy(b.ahead.val, ga)

	epsilon := perturbation / norm
	if err := b.besides(o, epsilon); err != nil {
		return err
	}
	copy(b.ahead.plus, ga)
	if err := b.besides(o, -epsilon); err != nil {
		return err
	}
	for i, minus := range ga {
		product := (float64(b.ahead.plus[i]) - float64(minus)) / (2 * epsilon)
		ga[i] = float32(float64(b.ahead.val[i]) - float64(rate*product))
	}
	return nil
}

// besides computes the gradient of the alphas on the weights' batch, at the
// copied weights plus times their gradient.
func (b *bilevel) besides(o objective, times float64) error {
	w, gw := o.Weights()
	copy(w, b.ahead.weights)
	// Without momentum the velocity is but where the step is put down.
	b.run(func() { SGD{}.step(b.pool, w, b.ahead.velocity, gw, -times) })
	return o.Trial(trainAlphas)
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
		b.c.step(b.pool, values, b.velocity, grads, rate)
	})
	return nil
}

// step takes a step, while the pool is at work. Spans are the ranges that learn, none
// for all; the gradients of others are zero.
func (s SGD) step(pool *kernel.ThreadPool, values, velocity, grads []float32, rate float64, spans ...span) {
	scale := 1.0
	if s.GradClip > 0 {
		scale = math.Min(1, s.GradClip/(math.Sqrt(kernel.SquaredNorm(pool, grads))+1e-6))
	}
	if spans == nil {
		spans = []span{{0, len(values)}}
	}
	for _, r := range spans {
		kernel.SGD(pool, values[r.from:r.to], velocity[r.from:r.to], grads[r.from:r.to], float32(rate), float32(s.Momentum), float32(s.WeightDecay), float32(scale), s.Nesterov)
	}
}

// run runs kernels on all workers of the pool.
func (b *bilevel) run(f func()) {
	b.pool.Start()
	defer b.pool.Stop()
	f()
}

// finite returns ErrDiverged, with the place, if a loss is not a number.
func finite(loss float64, half string) error {
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return fmt.Errorf("%w: the loss on %s is %v", ErrDiverged, half, loss)
	}
	return nil
}
