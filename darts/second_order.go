package darts

// SecondOrder lets the alphas see what they do to the weights: their gradient
// is that of the validation loss at w' = w - ξ·∇w L_train(w, α), one step of SGD
// ahead, with momentum and weight decay (Liu et al., 2019, arXiv 1806.09055,
// equations 6 to 8). ξ is the learning rate of the weights. The product with
// the second derivative comes from two gradients at w ± ε·∇w' L_val(w', α),
// with ε = 0.01/‖∇w' L_val‖. A step takes five passes and memory for two more
// copies of the weights.
//
// Differs from the authors' code: passes at w' and w ± ε·∇ leave the running
// statistics of batch normalisations alone.
type SecondOrder struct{}

// Name returns "second-order".
func (SecondOrder) Name() string { return "second-order" }

// Validate returns nil.
func (SecondOrder) Validate(SearchConfig) error { return nil }

// Rules returns a gradient of the alphas.
func (SecondOrder) Rules(SearchConfig) Rules {
	return Rules{Gradient: new(unrolled).gradient, Passes: 3, Copies: 2, Both: true}
}

// unrolled is the memory of a gradient of second order.
type unrolled struct {
	weights   []float32 // a copy
	val, plus []float32 // gradients of the alphas: of the validation loss, and at w + ε·∇
}

// perturbation is the distance of w ± ε·∇ from w.
const perturbation = 0.01

// gradient computes the gradient of the alphas to second order:
//
//	∇α L_val(w', α) - ξ·(∇α L_train(w + ε·∇, α) - ∇α L_train(w - ε·∇, α))/2ε
//
// with ∇ = ∇w' L_val(w', α); see SecondOrder. The step to w' is not clipped. It
// returns with the weights as they were, to the bit.
func (u *unrolled) gradient(s *Step) error {
	w, _ := s.Weights()
	_, ga := s.Alphas()
	if u.weights == nil {
		u.weights, u.val, u.plus = make([]float32, len(w)), make([]float32, len(ga)), make([]float32, len(ga))
	}
	copy(u.weights, w)
	defer copy(w, u.weights)

	if _, err := s.Trial(TrainWeights); err != nil {
		return err
	}
	if err := s.LookAhead(); err != nil {
		return err
	}
	if _, err := s.Trial(ValBoth); err != nil {
		return err
	}
	norm, err := s.GradNorm()
	if err != nil || norm == 0 { // no weight matters to the validation loss
		return err
	}
	copy(u.val, ga)

	epsilon := perturbation / norm
	if err := u.beside(s, epsilon); err != nil {
		return err
	}
	copy(u.plus, ga)
	if err := u.beside(s, -epsilon); err != nil {
		return err
	}
	for i, minus := range ga {
		product := (float64(u.plus[i]) - float64(minus)) / (2 * epsilon)
		ga[i] = float32(float64(u.val[i]) - float64(s.Rate*product))
	}
	return nil
}

// beside computes the gradient of the alphas on the weights' batch, at the copied
// weights plus times their gradient.
func (u *unrolled) beside(s *Step, times float64) error {
	w, _ := s.Weights()
	copy(w, u.weights)
	if err := s.AddGrad(times); err != nil {
		return err
	}
	_, err := s.Trial(TrainAlphas)
	return err
}
