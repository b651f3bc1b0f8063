package ops

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"gorgonia.org/gorgonia"

	"unnas/internal/graph"
	"unnas/internal/kernel"
	"unnas/internal/memory"
	"unnas/internal/panics"
)

// building serialises all work on Gorgonia graphs.
var building struct {
	sync.Mutex
	by atomic.Uint64 // the goroutine that holds the lock, or 0
}

// Build calls f, which builds a graph, while no other goroutine is in Build. Gorgonia has
// state shared by all graphs, so building two graphs concurrently, even unrelated ones, is a
// data race; programs that build graphs in several goroutines must do so in Build. Calls may
// nest, but f must not wait for another goroutine that calls Build. A panic of Gorgonia
// becomes an error with the stack (method Stack, see errors.As).
func Build(f func() error) (err error) {
	if me := goroutine(); me == 0 || building.by.Load() != me {
		building.Lock()
		building.by.Store(me)
		defer building.Unlock()
		defer building.by.Store(0)
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("ops: building the graph failed: %w", panics.Recovered(r))
		}
	}()
	return f()
}

// goroutine returns the number of the calling goroutine from the first line of its stack, or
// 0 if that line has another form: Build then locks as before, and a nested call deadlocks.
func goroutine() uint64 {
	var line [64]byte
	n := runtime.Stack(line[:], false)
	var id uint64
	_, _ = fmt.Sscanf(string(line[:n]), "goroutine %d ", &id)
	return id
}

// Grad adds the gradients of loss with respect to the learnables of the scope to its
// graph; Deriv of a learnable then returns its gradient, or nil if the loss does not
// depend on it. It returns an error if the graph already has gradients, since a node
// has only one Deriv; sum several losses into one instead.
func Grad(s *Scope, loss *gorgonia.Node) error {
	if loss == nil {
		return fmt.Errorf("ops: gradient of a loss: %w", errNilNode)
	}
	if loss.Dims() != 0 {
		return fmt.Errorf("ops: gradient of %s of shape %v; want a scalar loss", loss.Name(), loss.Shape())
	}
	if loss.Graph() != s.Graph() {
		return fmt.Errorf("ops: gradient of %s, which is in another graph than the scope; build both in one graph", loss.Name())
	}
	for _, n := range s.Graph().AllNodes() {
		if n.Deriv() != nil {
			return errors.New("ops: the graph already has gradients; call Grad once per graph, on the sum of all losses")
		}
	}
	found, err := graph.Grad(loss, s.Learnables())
	if err != nil {
		return fmt.Errorf("ops: gradient of %s: %w", loss.Name(), err)
	}
	if !found {
		return fmt.Errorf("ops: gradient of %s, which depends on no parameter of the scope", loss.Name())
	}
	return nil
}

// VM runs a graph by a plan made once. It runs operations of this package, of Gorgonia
// and of other packages, freely mixed. A VM is not safe for concurrent use. VMs of
// different graphs over different Params may run at the same time, each on all cores;
// VMs that share a graph or Params must not.
type VM interface {
	gorgonia.VM
	// SetTraining sets whether batch normalisations use, and update, the statistics of the
	// batch (the default) or use their running statistics.
	SetTraining(training bool)
	// Bytes returns the memory of the plan, besides inputs and parameters.
	Bytes() int64
}

// NewVM plans the computation of the wanted nodes of a graph; without any, of all nodes that
// no other node reads. A plan that needs more memory than the machine has is an error.
func NewVM(g *gorgonia.ExprGraph, want ...*gorgonia.Node) (_ VM, err error) {
	if g == nil {
		return nil, errors.New("ops: the graph is nil; build one first")
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("ops: planning the graph failed: %w", panics.Recovered(r))
		}
	}()
	var m machines
	var plans []*graph.Plan
	for _, evaluate := range []bool{false, true} {
		p, err := graph.Compile(g, graph.Options{Want: want, Evaluate: evaluate})
		if err != nil {
			return nil, fmt.Errorf("ops: %w", err)
		}
		plans = append(plans, p)
	}
	pool := kernel.NewThreadPool(0)
	m.bytes = max(plans[0].Bytes(pool.Size()), plans[1].Bytes(pool.Size()))
	if have := memory.Total(); have > 0 && m.bytes > have {
		return nil, fmt.Errorf("ops: the graph needs %.1f GiB of memory, this machine has %.1f; use smaller maps, fewer channels or a smaller batch", float64(m.bytes)/(1<<30), float64(have)/(1<<30))
	}
	arena := graph.NewArena(plans...)
	for i, p := range []**graph.Machine{&m.train, &m.evaluate} {
		if *p, err = plans[i].Bind(arena, pool); err != nil {
			return nil, fmt.Errorf("ops: %w", err)
		}
	}
	m.Machine = m.train
	return &m, nil
}

// machines are the programs of training and of evaluation; Machine is the one that runs.
type machines struct {
	*graph.Machine
	train, evaluate *graph.Machine
	bytes           int64
}

func (m *machines) SetTraining(training bool) {
	if m.Machine = m.evaluate; training {
		m.Machine = m.train
	}
}

func (m *machines) Bytes() int64 { return m.bytes }
