package darts

import (
	"errors"
	"fmt"
	"math"

	"unnas/internal/engine"
	"unnas/internal/ir"
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
	// statistics do not learn from them. Values and gradients are the host's before and
	// after it (Engine.Host).
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
	c                    SearchConfig
	e                    *engine.Engine
	adam                 ir.Adam
	weightStep, archStep engine.Update

	velocity      []float32 // of the weights
	mean, squares []float32 // of the gradients of the alphas
	archSteps     int
	ahead         ahead
}

// ahead is what looks ahead, to second order.
type ahead struct {
	weights, velocity []float32     // copies
	val, plus         []float32     // gradients of the alphas: of the validation loss, and at w + ε·∇
	look              engine.Update // the step to w'
	norm              engine.Update // of the gradient of the weights
	parts             [3]float32    // of the norm
	besides           engine.Update // adds a multiple of the gradient to the weights
}

// newBilevel returns the rule of a search on the pool of an engine.
func newBilevel(c SearchConfig, e *engine.Engine, o objective) (*bilevel, error) {
	w, gw := o.Weights()
	a, ga := o.Alphas()
	b := &bilevel{
		c: c, e: e, adam: ir.Adam{Beta1: c.ArchBeta1, Beta2: c.ArchBeta2, Epsilon: adamEpsilon, Decay: c.ArchWeightDecay},
		velocity: make([]float32, len(w)), mean: make([]float32, len(a)), squares: make([]float32, len(a)),
	}
	c.step(&b.weightStep, w, b.velocity, gw)
	u := &b.archStep
	u.Apply(b.adam, u.Vector("alphas", a), u.Vector("mean", b.mean), u.Vector("squares", b.squares), u.Vector("gradients", ga), u.Numbers("corrections", 2))
	err := errors.Join(b.weightStep.Bind(e), b.archStep.Bind(e))
	if c.Algorithm == SecondOrder {
		err = errors.Join(err, b.ahead.bind(c.SGD, e, o))
	}
	return b, err
}

// bind takes memory for an objective.
func (a *ahead) bind(s SGD, e *engine.Engine, o objective) error {
	w, gw := o.Weights()
	alphas, _ := o.Alphas()
	a.weights, a.velocity = make([]float32, len(w)), make([]float32, len(w))
	a.val, a.plus = make([]float32, len(alphas)), make([]float32, len(alphas))
	s.GradClip = 0
	s.step(&a.look, w, a.velocity, gw)
	u := &a.norm
	u.Result(u.Apply(ir.Norm{}, u.Vector("gradients", gw))[0], a.parts[:])
	u = &a.besides
	u.Apply(ir.Axpy{}, u.Vector("weights", w), u.Vector("gradients", gw), u.Numbers("factor", 1))
	return errors.Join(a.look.BindCPU(e.Pool), a.norm.BindCPU(e.Pool), a.besides.BindCPU(e.Pool))
}

// arch takes one step of the alphas; rate is the learning rate of the weights.
func (b *bilevel) arch(o objective, rate float64) error {
	if err := b.archGrad(o, rate); err != nil {
		return err
	}
	b.archSteps++
	return b.archStep.Run(b.adam.Corrections(b.archSteps, b.c.ArchLR))
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
	w, _ := o.Weights()
	_, ga := o.Alphas()
	if err := b.e.Host(); err != nil {
		return err
	}
	copy(b.ahead.weights, w)
	defer copy(w, b.ahead.weights)

	if err := o.Trial(trainWeights); err != nil {
		return err
	}
	copy(b.ahead.velocity, b.velocity)
	if err := b.ahead.look.Run(float32(rate)); err != nil {
		return err
	}
	if err := o.Trial(valBoth); err != nil {
		return err
	}
	if err := b.ahead.norm.Run(); err != nil {
		return err
	}
	norm := float64(b.ahead.parts[0]) + float64(b.ahead.parts[1]) + float64(b.ahead.parts[2])
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
	w, _ := o.Weights()
	copy(w, b.ahead.weights)
	if err := b.ahead.besides.Run(float32(times)); err != nil {
		return err
	}
	return o.Trial(trainAlphas)
}

// adamEpsilon is PyTorch's.
const adamEpsilon = 1e-8

// weights takes one step of the weights with the given learning rate.
func (b *bilevel) weights(o objective, rate float64) error {
	if err := o.TrainGrad(); err != nil {
		return err
	}
	return b.weightStep.Run(float32(rate))
}

// step adds a step of the weights to an update, which is then run with the learning rate.
// Spans are the ranges that learn, none for all; the gradients of others are zero. It
// returns the new weights of each.
func (s SGD) step(u *engine.Update, values, velocity, grads []float32, spans ...span) (learned []*ir.Value) {
	all := u.Vector("gradients", grads)
	numbers := []*ir.Value{u.Numbers("learning rate", 1)}
	if s.GradClip > 0 {
		numbers = append(numbers, u.Apply(ir.ClipFactor{Limit: s.GradClip}, all)...)
	}
	if spans == nil {
		spans = []span{{0, len(values)}}
	}
	op := ir.SGD{Momentum: s.Momentum, Decay: s.WeightDecay, Nesterov: s.Nesterov}
	for _, r := range spans {
		g := all
		if r.to-r.from < len(grads) {
			g = u.Vector("gradients", grads[r.from:r.to])
		}
		in := []*ir.Value{u.Vector("weights", values[r.from:r.to]), u.Vector("velocity", velocity[r.from:r.to]), g}
		learned = append(learned, u.Apply(op, append(in, numbers...)...)[0])
	}
	return learned
}

// finite returns ErrDiverged, with the place, if a loss is not a number.
func finite(loss float64, half string) error {
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return fmt.Errorf("%w: the loss on %s is %v", ErrDiverged, half, loss)
	}
	return nil
}
