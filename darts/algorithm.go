package darts

import "fmt"

// Algorithm is how a search learns. All algorithms alternate between alphas and
// weights, each on images of its own; they differ in the gradient of the alphas
// and in what the alphas make of a mixed operation.
type Algorithm int

// The algorithms. The zero value is the first.
const (
	// FirstOrder treats the weights as given while the alphas learn (Liu et al.,
	// 2019, arXiv 1806.09055, with ξ = 0). A step takes two passes.
	FirstOrder Algorithm = iota

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
	SecondOrder

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
	GDAS

	// DrNAS draws the weights of each edge anew for every pass, from the Dirichlet
	// distribution with concentrations elu(α) + 1 (Chen et al., 2021, arXiv
	// 2006.10355). The gradient of the alphas, to first order, is the pathwise one.
	// All cells of a kind draw alike. The paper's regulariser, which keeps
	// concentrations near 1, is ArchDecay, as in the authors' code: by default they
	// decay alphas by 1e-3, towards 0, where concentrations are 1. As there, cells
	// are derived from the softmax of the alphas, which orders the operations of an
	// edge as the mean weights do.
	//
	// Differs: the authors search with a part of the channels and remove operations
	// in stages; and their cells may have edges without an operation.
	DrNAS
)

var algorithms = [...]string{FirstOrder: "first-order", SecondOrder: "second-order", GDAS: "gdas", DrNAS: "drnas"}

func (a Algorithm) known() bool { return a >= 0 && int(a) < len(algorithms) }

// String returns the name of the algorithm, "first-order" for example.
func (a Algorithm) String() string {
	if !a.known() {
		return fmt.Sprintf("Algorithm(%d)", int(a))
	}
	return algorithms[a]
}

// MarshalText returns the name of the algorithm.
func (a Algorithm) MarshalText() ([]byte, error) {
	if err := a.validate(); err != nil {
		return nil, err
	}
	return []byte(a.String()), nil
}

// UnmarshalText sets the algorithm to the one of a name.
func (a *Algorithm) UnmarshalText(name []byte) error {
	for i, n := range algorithms {
		if n == string(name) {
			*a = Algorithm(i)
			return nil
		}
	}
	return fmt.Errorf("darts: no algorithm is named %.60q; choose one of %q", name, algorithms)
}

func (a Algorithm) validate() error {
	if !a.known() {
		return fmt.Errorf("darts: Algorithm is %d, must be from 0 to %d, one of %q", int(a), len(algorithms)-1, algorithms)
	}
	return nil
}
