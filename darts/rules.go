package darts

import (
	"math/rand/v2"
	"slices"

	"unnas/cell"
	"unnas/internal/rng"
	"unnas/ops"
)

// Rules are what an Algorithm changes in a search. Hooks that are nil change nothing.
// What they compute depends on their arguments and on memory of the search alone, so
// that results are the same on any number of cores and ranks, and when a search resumes.
type Rules struct {
	// Weigh computes the operation weights from an α [edges, candidates]. It is called
	// once per kind of cell, when the graph is built, and may add inputs to the graph,
	// with memory that it binds by ops.Bind. nil is ops.Softmax.
	Weigh cell.MixWeights
	// Draw fills the inputs of Weigh for the next pass. purpose is "weights" or "alphas",
	// whichever learn from it.
	Draw func(at Place, purpose string)
	// Rest fills the inputs of Weigh for passes that compare losses, as StopEigenvalue
	// does, so that they are a smooth function of the alphas. A sampler with Draw and
	// without Rest cannot be compared.
	Rest func()

	// Gradient computes the gradient of the alphas; nil is Objective.ValGrad.
	Gradient func(s *Step) error
	// Regularise adds the gradient of a regulariser to that of the alphas. Its value is
	// not part of the losses that a search records.
	Regularise func(s *Step)
	// Alphas and Weights are called for a step of the alphas or of the weights. Call next
	// for the step itself.
	Alphas, Weights func(s *Step, next func(s *Step) error) error
	// EndEpoch follows the last step of an epoch in which the alphas may learn. It is
	// called again if the search stops within it, so it changes nothing until it is sure
	// to succeed. s.Objective has the last batch of the alphas, and none of the weights.
	EndEpoch func(s *Step) error

	// State is memory that the search keeps in its checkpoints.
	State []float32

	// Passes is how many more passes than one a step of the alphas takes, and Copies the
	// number of copies of the weights that the hooks keep. Both says that they call
	// Trial(ValBoth).
	Passes, Copies int
	Both           bool
	// Candidates says that the hooks call Objective.Candidates.
	Candidates bool
}

// Place is where in a search a step or a pass is.
type Place struct {
	Seed        uint64
	Epoch, Step int // from 0
}

// Rand returns the random stream of a purpose at the place: equal ones on all ranks, and
// when a search resumes. Purposes of different algorithms must differ.
func (p Place) Rand(purpose string) *rand.Rand { return rng.New(p.Seed, purpose, p.Epoch, p.Step) }

// Objective is what a step sees of a search: two sets of parameters, two losses and their
// gradients. All methods work on the batches of one step, and leave the gradients alone
// that they do not compute.
type Objective interface {
	// Weights and Alphas return the parameters and their gradients. The alphas include
	// the betas.
	Weights() (values, grads []float32)
	Alphas() (values, grads []float32)
	// Tables returns the alphas of each kind of cell: normal, then reduction cells, or those
	// of the only kind.
	Tables() []Table
	// Candidates returns the operations of all cells; nil without Rules.Candidates.
	Candidates() []Candidate
	// TrainGrad computes the loss on the batch of the weights and its gradient with
	// respect to the weights.
	TrainGrad() error
	// ValGrad computes the loss on the batch of the alphas and its gradient with respect
	// to the alphas.
	ValGrad() error
	// Trial returns a loss and computes gradients for parameters that are not there to
	// stay: running statistics do not learn from them.
	Trial(t Trial) (loss float64, err error)
}

// Trial says which loss and gradients a pass on trial computes.
type Trial int

// The passes on trial.
const (
	TrainWeights Trial = iota // the weights' loss, with respect to the weights
	ValBoth                   // the alphas' loss, with respect to weights and alphas; see Rules.Both
	TrainAlphas               // the weights' loss, with respect to the alphas
	ValAlphas                 // the alphas' loss, with respect to the alphas
)

// Table is the α of a kind of cell, a row for each edge, as memory of the search.
type Table struct{ Values, Grads [][]float32 }

// pruned is the α of an operation that was pruned. Its softmax weight is at most e^-50, and
// Dirichlet takes no smaller one.
const pruned = -50

// Prune removes an operation of an edge from a search, which then computes it still, but
// with a weight of almost zero: its α is -50 from now on.
func (t Table) Prune(edge, op int) { t.Values[edge][op] = pruned }

// Pruned reports whether an operation has been removed.
func (t Table) Pruned(edge, op int) bool { return t.Values[edge][op] == pruned }

// tableOf returns the table of a parameter.
func tableOf(p *ops.Params, q *ops.Param) (t Table) {
	rows := func(data []float32) (rows [][]float32) {
		for n := q.Shape[1]; len(data) > 0; data = data[n:] {
			rows = append(rows, data[:n:n])
		}
		return rows
	}
	return Table{rows(p.Data(q)), rows(p.Grad(q))}
}

// rules are those of the algorithms of a search, in order.
type rules []Rules

// rules returns the rules of all for a search.
func (a Algorithms) rules(c SearchConfig) rules {
	all := make(rules, len(a))
	for i, one := range a {
		all[i] = one.Rules(c)
	}
	return all
}

// weigh returns the sampler.
func (all rules) weigh() cell.MixWeights {
	for _, r := range all {
		if r.Weigh != nil {
			return r.Weigh
		}
	}
	return ops.Softmax
}

func (all rules) draw(at Place, purpose string) {
	for _, r := range all {
		if r.Draw != nil {
			r.Draw(at, purpose)
		}
	}
}

func (all rules) rest() {
	for _, r := range all {
		if r.Rest != nil {
			r.Rest()
		}
	}
}

func (all rules) endEpoch(s *Step) error {
	for _, r := range all {
		if r.EndEpoch == nil {
			continue
		}
		if err := r.EndEpoch(s); err != nil {
			return err
		}
	}
	return nil
}

// passes and copies return the sums of Rules.Passes and Rules.Copies, and both whether one
// says Rules.Both, or Rules.Candidates, or has an EndEpoch.
func (all rules) passes() (n int) {
	for _, r := range all {
		n += r.Passes
	}
	return n
}

func (all rules) copies() (n int) {
	for _, r := range all {
		n += r.Copies
	}
	return n
}

// hooked reports whether hooks see the parameters or their gradients within a step.
func (all rules) hooked() bool {
	return slices.ContainsFunc(all, func(r Rules) bool {
		return r.Gradient != nil || r.Regularise != nil || r.Alphas != nil || r.Weights != nil || r.EndEpoch != nil
	})
}

func (all rules) endEpochs() bool {
	return slices.ContainsFunc(all, func(r Rules) bool { return r.EndEpoch != nil })
}

func (all rules) candidates() bool {
	return slices.ContainsFunc(all, func(r Rules) bool { return r.Candidates })
}

func (all rules) both() bool { return slices.ContainsFunc(all, func(r Rules) bool { return r.Both }) }

// around returns a step within the hooks of all, the first of which is the outermost.
func (all rules) around(step func(*Step) error, hook func(Rules) func(*Step, func(*Step) error) error) func(*Step) error {
	for _, r := range slices.Backward(all) {
		if h, next := hook(r), step; h != nil {
			step = func(s *Step) error { return h(s, next) }
		}
	}
	return step
}
