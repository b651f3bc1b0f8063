package graph

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/xla"
)

// An Arena is memory for the values of a run. Machines that never run at the same time
// can share one.
type Arena struct {
	arena *cpuexec.Arena
	kept  map[keptNode]*slot // of wanted nodes
}

// keptNode is a wanted node and the first element of the caller's memory for it; nil where
// the arena has the memory.
type keptNode struct {
	node *gorgonia.Node
	into *float32
}

// NewArena returns an arena that is large enough for each of the plans.
func NewArena(plans ...*Plan) *Arena {
	var all []*cpuexec.Plan
	for _, p := range plans {
		if p.Plan != nil {
			all = append(all, p.Plan)
		}
	}
	return &Arena{cpuexec.NewArena(all...), map[keptNode]*slot{}}
}

// keep returns the memory of a wanted node. All machines in the arena that want the node
// there share it, so that none has to bind the node again.
func (a *Arena) keep(w *wanted) *slot {
	k, mem := keptNode{node: w.node}, w.into
	if len(mem) > 0 {
		k.into = &mem[0]
	}
	s, ok := a.kept[k]
	if !ok {
		if mem == nil {
			mem = kernel.Floats(w.value.Shape.Size())
		}
		s = newSlot(mem, w.value.Shape)
		a.kept[k] = s
	}
	return s
}

// Machine runs a plan. It implements gorgonia.VM. It is not safe for use by several
// goroutines; nor must machines run at the same time that share a graph, a thread pool or
// an arena.
type Machine struct {
	// UpdateStats lets batch normalisations keep their running statistics in training. It
	// is true in a new machine.
	UpdateStats bool

	plan    *Plan
	exec    executable
	inputs  []source
	results []bound
}

// executable runs a program on the CPU or on a device.
type executable interface {
	// Native reports whether the program reads an input; otherwise an operator of another
	// library does, which needs no more than Array.Foreign.
	Native(i int) bool
	SetInput(i int, a cpuexec.Array)
	Run(update bool) error
	Result(i int) cpuexec.Array
	Bytes() int64
}

// source is the node of an input.
type source struct {
	node   *gorgonia.Node
	value  *ir.Value
	scalar [1]float32
}

// bound is the node of a result and its memory, nil if it has none.
type bound struct {
	node *gorgonia.Node
	slot *slot
}

var _ gorgonia.VM = (*Machine)(nil)

// Bind returns a machine that keeps its values in the arena and runs on the pool. It
// binds the wanted nodes to their memory.
func (p *Plan) Bind(a *Arena, pool *kernel.ThreadPool) (*Machine, error) {
	m := &Machine{UpdateStats: true, plan: p}
	memory := make([][]float32, len(p.results))
	for i, w := range p.results {
		memory[i] = w.into
		if w.again || w.value.Source == ir.External {
			continue
		}
		r := bound{node: w.node}
		if w.keeps() {
			r.slot = a.keep(&w)
			memory[i] = r.slot.mem
		}
		m.results = append(m.results, r)
	}
	for i, n := range p.inputs {
		m.inputs = append(m.inputs, source{node: n, value: p.values[i]})
	}
	if p.device != nil {
		m.exec = p.device.Bind(memory)
		return m, m.bindResults()
	}
	exec, err := p.Plan.Bind(a.arena, pool, memory)
	if err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	m.exec = exec
	return m, m.bindResults()
}

// Evaluates reports whether the machine runs the program of evaluation.
func (m *Machine) Evaluates() bool { return m.plan.evaluate }

// bindResults gives the wanted nodes their values. A machine in another arena, or of
// another kind, may have bound them in between.
func (m *Machine) bindResults() error {
	for _, r := range m.results {
		if r.slot == nil {
			continue
		}
		r.slot.refresh()
		if err := bindNode(r.node, r.slot.value); err != nil {
			return err
		}
	}
	return nil
}

func bindNode(n *gorgonia.Node, v gorgonia.Value) error {
	if n.Value() == v {
		return nil
	}
	if err := gorgonia.UnsafeLet(n, v); err != nil {
		return fmt.Errorf("graph: %s: %w", n.Name(), err)
	}
	return nil
}

// RunAll computes the wanted nodes from the values that the inputs hold now. The previous
// values of the nodes are overwritten: copy what is to outlive the next run.
func (m *Machine) RunAll() error {
	if err := m.prepare(); err != nil {
		return err
	}
	if err := m.exec.Run(m.UpdateStats); err != nil {
		return fmt.Errorf("graph: %w", err)
	}
	return m.bind()
}

// RunReplicas runs the plan on each replica of the device at once, on inputs of its own.
// Before, it calls load for each in turn, which sets the values of the inputs and may keep
// none of their memory; it reports false if there are none for the others. Afterwards it
// calls take for each that was loaded, with the wanted nodes bound to its values.
func (m *Machine) RunReplicas(load func(k int) (bool, error), take func(k int) error) error {
	exec, ok := m.exec.(*xla.Executable)
	if !ok {
		return errors.New("graph: only a plan for a device has replicas")
	}
	loaded := 0
	for k := range exec.Replicas() {
		if loaded == k {
			more, err := load(k)
			if err != nil || !more && k == 0 {
				return err
			}
			if more {
				loaded++
			}
			if err := m.prepare(); err != nil {
				return err
			}
		}
		if err := exec.Load(k); err != nil {
			return fmt.Errorf("graph: %w", err)
		}
	}
	if err := exec.RunLoaded(m.UpdateStats); err != nil {
		return fmt.Errorf("graph: %w", err)
	}
	for k := range loaded {
		exec.Take(k)
		if err := errors.Join(m.bind(), take(k)); err != nil {
			return err
		}
	}
	return nil
}

// bind binds the wanted nodes to what the run has computed.
func (m *Machine) bind() error {
	if err := m.bindResults(); err != nil {
		return err
	}
	for i, w := range m.plan.results {
		if w.value.Source == ir.Foreign && !w.keeps() {
			if err := bindNode(w.node, m.exec.Result(i).Foreign.(gorgonia.Value)); err != nil {
				return err
			}
		}
	}
	for _, r := range m.plan.reads {
		*r.into = r.node.Value()
	}
	return nil
}

// prepare sets the mode of Gorgonia's operations and takes the values of the inputs.
func (m *Machine) prepare() error {
	for _, n := range m.plan.modal {
		if err := modes.set(n, !m.plan.evaluate); err != nil {
			return err
		}
	}
	for i := range m.inputs {
		if err := m.read(i); err != nil {
			return fmt.Errorf("graph: input %s %w", m.inputs[i].node.Name(), err)
		}
	}
	return nil
}

// read takes the value that input number i holds now.
func (m *Machine) read(i int) error {
	s := &m.inputs[i]
	v := s.node.Value()
	if v == nil {
		return fmt.Errorf("has no value; call Params.Init if it is a parameter, or bind one with gorgonia.Let")
	}
	a := cpuexec.Array{}
	if m.exec.Native(i) {
		if x, ok := v.(*gorgonia.F32); ok && len(s.value.Shape) == 0 {
			s.scalar[0] = float32(*x)
			a.F = s.scalar[:]
		} else {
			var err error
			if a, err = checked(v, s.value); err != nil {
				return fmt.Errorf("holds %w", err)
			}
		}
	}
	if a.Foreign == nil {
		a.Foreign = v
	}
	m.exec.SetInput(i, a)
	return nil
}

// Measure runs the plan as RunAll does, a number of times on one core, and takes the least
// time of each part. States keep their values, and wanted nodes have no meaning after it.
func (m *Machine) Measure(times int) (cpuexec.Schedule, error) {
	if err := m.prepare(); err != nil {
		return cpuexec.Schedule{}, err
	}
	exec, ok := m.exec.(*cpuexec.Executable)
	if !ok {
		return cpuexec.Schedule{}, errors.New("graph: only a plan for the CPU can be measured")
	}
	return exec.Measure(times)
}

// Reset does nothing: every run starts afresh.
func (m *Machine) Reset() {}

// Close does nothing: a machine holds nothing but memory.
func (m *Machine) Close() error { return nil }

// Bytes returns the memory that the machine takes, its share of the arena included.
func (m *Machine) Bytes() int64 { return m.exec.Bytes() + 4*int64(m.plan.kept) }
