package darts

import (
	"errors"
	"fmt"
	"math"

	"unnas/internal/engine"
	"unnas/internal/ir"
	"unnas/internal/kernel"
)

// bilevel alternates between alphas and weights: the alphas take a step of Adam,
// then the weights take one of SGD.
type bilevel struct {
	c                    SearchConfig
	rules                rules
	adam                 ir.Adam
	weightStep, archStep engine.Update

	velocity      []float32 // of the weights
	mean, squares []float32 // of the gradients of the alphas
	archSteps     int

	step            Step                // under way
	alphas, weights func(s *Step) error // the steps, within the hooks of the rules
	learning        bool                // whether the gradient of the alphas is under way
	pruned          []*float32          // α of the step under way
}

// Step is a step of a search under way.
type Step struct {
	Place
	Rate float64 // learning rate of the weights
	Objective

	of   *bilevel
	pool *kernel.ThreadPool
	// The updates of the methods, nil before the first call.
	look, norm, add *engine.Update
	velocity        []float32  // a copy
	parts           [3]float32 // of the norm
}

// newBilevel returns the rule of a search on the pool of an engine.
func newBilevel(c SearchConfig, r rules, e *engine.Engine, o Objective) (*bilevel, error) {
	w, gw := o.Weights()
	a, ga := o.Alphas()
	b := &bilevel{
		c: c, rules: r, adam: ir.Adam{Beta1: c.ArchBeta1, Beta2: c.ArchBeta2, Epsilon: adamEpsilon, Decay: c.ArchWeightDecay},
		velocity: make([]float32, len(w)), mean: make([]float32, len(a)), squares: make([]float32, len(a)),
	}
	b.step = Step{Place: Place{Seed: c.Seed}, Objective: o, of: b, pool: e.Pool}
	b.alphas = r.around(b.stepAlphas, func(r Rules) func(*Step, func(*Step) error) error { return r.Alphas })
	b.weights = r.around(b.stepWeights, func(r Rules) func(*Step, func(*Step) error) error { return r.Weights })
	c.step(&b.weightStep, w, b.velocity, gw)
	u := &b.archStep
	u.Apply(b.adam, u.Vector("alphas", a), u.Vector("mean", b.mean), u.Vector("squares", b.squares), u.Vector("gradients", ga), u.Numbers("corrections", 2))
	return b, errors.Join(b.weightStep.Bind(e), b.archStep.Bind(e))
}

// at begins a step and returns it; rate is the learning rate of the weights.
func (b *bilevel) at(epoch, step int, rate float64) *Step {
	b.step.Epoch, b.step.Step, b.step.Rate = epoch, step, rate
	return &b.step
}

// stepAlphas takes one step of the alphas. Those that are pruned stay.
func (b *bilevel) stepAlphas(s *Step) error {
	if err := b.archGrad(s); err != nil {
		return err
	}
	b.pruned = b.pruned[:0]
	for _, t := range s.Tables() {
		for _, row := range t.Values {
			for k := range row {
				if row[k] == pruned {
					b.pruned = append(b.pruned, &row[k])
				}
			}
		}
	}
	b.archSteps++
	if err := b.archStep.Run(b.adam.Corrections(b.archSteps, b.c.ArchLR)); err != nil {
		return err
	}
	for _, a := range b.pruned {
		*a = pruned
	}
	return nil
}

// archGrad computes the gradient of the alphas.
func (b *bilevel) archGrad(s *Step) error {
	gradient := (*Step).ValGrad
	for _, r := range b.rules {
		if r.Gradient != nil {
			gradient = r.Gradient
		}
	}
	b.learning = true
	defer func() { b.learning = false }()
	if err := gradient(s); err != nil {
		return err
	}
	for _, r := range b.rules {
		if r.Regularise != nil {
			r.Regularise(s)
		}
	}
	return nil
}

// stepWeights takes one step of the weights.
func (b *bilevel) stepWeights(s *Step) error {
	if err := s.TrainGrad(); err != nil {
		return err
	}
	return b.weightStep.Run(float32(s.Rate))
}

// LookAhead moves the weights by a step of SGD along their gradient, with the momentum
// and the weight decay of the search, but without clipping. The momentum itself stays. It
// takes memory for a copy of the weights (Rules.Copies).
func (s *Step) LookAhead() error {
	if s.look == nil {
		w, gw := s.Weights()
		u, sgd := new(engine.Update), s.of.c.SGD
		sgd.GradClip = 0
		s.velocity = make([]float32, len(w))
		sgd.step(u, w, s.velocity, gw)
		if err := u.BindCPU(s.pool); err != nil {
			return err
		}
		s.look = u
	}
	copy(s.velocity, s.of.velocity)
	return s.look.Run(float32(s.Rate))
}

// GradNorm returns the Euclidean norm of the gradient of the weights.
func (s *Step) GradNorm() (float64, error) {
	if s.norm == nil {
		_, gw := s.Weights()
		u := new(engine.Update)
		u.Result(u.Apply(ir.Norm{}, u.Vector("gradients", gw))[0], s.parts[:])
		if err := u.BindCPU(s.pool); err != nil {
			return 0, err
		}
		s.norm = u
	}
	err := s.norm.Run()
	return float64(s.parts[0]) + float64(s.parts[1]) + float64(s.parts[2]), err
}

// AddGrad adds a multiple of their gradient to the weights.
func (s *Step) AddGrad(times float64) error {
	if s.add == nil {
		w, gw := s.Weights()
		u := new(engine.Update)
		u.Apply(ir.Axpy{}, u.Vector("weights", w), u.Vector("gradients", gw), u.Numbers("factor", 1))
		if err := u.BindCPU(s.pool); err != nil {
			return err
		}
		s.add = u
	}
	return s.add.Run(float32(times))
}

// adamEpsilon is PyTorch's.
const adamEpsilon = 1e-8

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
