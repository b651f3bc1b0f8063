package ops

import (
	"errors"
	"fmt"
	"sync"

	"gorgonia.org/gorgonia"

	"unnas/internal/graph"
	"unnas/internal/kernel"
	"unnas/internal/vm"
)

// building serialises all work on Gorgonia graphs.
var building sync.Mutex

// Build calls f, which builds a graph, while no other call of Build runs.
// Gorgonia keeps state for all graphs together, so building two of them at the
// same time, even unrelated ones, is a data race; programs that build graphs
// from several goroutines do so in Build. Calls must not be nested. A panic of
// Gorgonia's becomes an error.
func Build(f func() error) (err error) {
	building.Lock()
	defer building.Unlock()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("ops: building the graph failed: %v", r)
		}
	}()
	return f()
}

// Grad adds the gradients of loss with respect to the learnables of the scope
// to its graph; Deriv of a learnable then returns its gradient, or nil if the
// loss does not depend on it. A graph takes one call: Gorgonia answers a second
// one, for another loss, with the gradients of the first, so Grad refuses it.
// Sum several losses into one instead.
func Grad(s *Scope, loss *gorgonia.Node) error {
	if loss == nil {
		return fmt.Errorf("ops: gradient of a loss: %w", errNilNode)
	}
	if loss.Dims() != 0 {
		return fmt.Errorf("ops: gradient of %s, whose shape is %v; a scalar loss is needed", loss.Name(), loss.Shape())
	}
	if loss.Graph() != s.Graph() {
		return fmt.Errorf("ops: gradient of %s, which belongs to another graph than the scope; build both in one", loss.Name())
	}
	for _, n := range s.Graph().AllNodes() {
		if n.Deriv() != nil {
			return errors.New("ops: this graph has gradients already; use one call of Grad per graph, on the sum of all losses")
		}
	}
	behind := ancestors(loss)
	var nodes gorgonia.Nodes
	for _, n := range s.Learnables() {
		if behind[n] {
			nodes = append(nodes, n)
		}
	}
	if len(nodes) == 0 {
		return fmt.Errorf("ops: gradient of %s, which depends on no parameter of the scope", loss.Name())
	}
	if _, err := gorgonia.Grad(loss, nodes...); err != nil {
		return fmt.Errorf("ops: gradient of %s: %w", loss.Name(), err)
	}
	return nil
}

// ancestors returns the nodes that a node is computed from, itself included.
func ancestors(n *gorgonia.Node) map[*gorgonia.Node]bool {
	seen := map[*gorgonia.Node]bool{n: true}
	for left := (gorgonia.Nodes{n}); len(left) > 0; {
		n, left = left[len(left)-1], left[:len(left)-1]
		for _, child := range graph.Children(n) {
			if !seen[child] {
				seen[child] = true
				left = append(left, child)
			}
		}
	}
	return seen
}

// VM runs a graph by a plan made once. It runs graphs of this package's
// operations, of Gorgonia's and of users' own, freely mixed.
type VM interface {
	gorgonia.VM
	// SetTraining says whether batch normalisations use, and update, the
	// statistics of the batch (true at first) or use their running statistics.
	SetTraining(training bool)
	// Bytes returns the memory that the plan takes, besides inputs and parameters.
	Bytes() int64
}

// NewVM plans the computation of the wanted nodes of a graph. Without wanted
// nodes, every node is wanted that no other one reads.
func NewVM(g *gorgonia.ExprGraph, want ...*gorgonia.Node) (VM, error) {
	p, err := vm.Compile(g, vm.Options{Want: want})
	if err != nil {
		return nil, fmt.Errorf("ops: %w", err)
	}
	m, err := p.Bind(vm.NewArena(p), kernel.NewTeam(0))
	if err != nil {
		return nil, fmt.Errorf("ops: %w", err)
	}
	return machine{m}, nil
}

type machine struct{ *vm.Machine }

func (m machine) SetTraining(training bool) {
	m.Training, m.UpdateStats = training, training
}
