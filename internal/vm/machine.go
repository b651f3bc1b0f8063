package vm

import (
	"fmt"
	"runtime"
	"sync"
	"weak"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
	"unnas/internal/panics"
)

// stockLock serialises Gorgonia's own operations: some of them change their
// inputs for a moment.
var stockLock sync.Mutex

// Arena is memory for the values of a run. Machines that never run at the same
// time can share one.
type Arena struct {
	buf  []float32      // of what lives during a run only
	kept map[kept]*slot // of wanted nodes
}

// kept is a wanted node and the first element of the caller's memory for it; nil
// where that is the arena's.
type kept struct {
	node *gorgonia.Node
	into *float32
}

// slot is memory as kernels see it and as Gorgonia does.
type slot struct {
	mem   []float32
	value gorgonia.Value
}

// newSlot returns memory as a value of a shape. Gorgonia's scalars are a type of
// their own: they have to be refreshed.
func newSlot(mem []float32, shape tensor.Shape) *slot {
	if shape.Dims() == 0 {
		return &slot{mem, gorgonia.NewF32(0)}
	}
	return &slot{mem, tensor.New(tensor.WithShape(shape.Clone()...), tensor.WithBacking(mem))}
}

// keep returns the memory of a wanted node. All machines in the arena that want
// the node there share it, so that none has to bind the node again.
func (a *Arena) keep(v *value) *slot {
	k, mem := kept{node: v.node}, v.into
	if len(mem) > 0 {
		k.into = &mem[0]
	}
	s, ok := a.kept[k]
	if !ok {
		if mem == nil {
			mem = kernel.Floats(v.shape.TotalSize())
		}
		s = newSlot(mem, v.shape)
		a.kept[k] = s
	}
	return s
}

// NewArena returns an arena that is large enough for each of the plans.
func NewArena(plans ...*Plan) *Arena {
	size := 0
	for _, p := range plans {
		size = max(size, p.arena)
	}
	return &Arena{kernel.Floats(size), map[kept]*slot{}}
}

// Machine runs a plan. It implements gorgonia.VM. It is not safe for use by
// several goroutines; nor must machines run at the same time that share a graph,
// a team or an arena.
type Machine struct {
	// Training selects the statistics of the batch in batch normalisations,
	// and UpdateStats lets these keep their running averages. Both are true in
	// a new machine.
	Training, UpdateStats bool

	plan    *Plan
	team    *kernel.Team
	context graph.Context
	ops     []op
	sources []source // the inputs
	scalars []*slot  // native scalars that Gorgonia sees
	wanted  []bound
	modal   gorgonia.Nodes // whose operations of Gorgonia's differ in training
}

// op is a step with its values bound to memory.
type op struct {
	*step
	out, in []graph.Value
	args    []gorgonia.Value // of an operation of Gorgonia's
	result  *source          // of an operation of Gorgonia's
}

// source is a value whose memory may change from run to run.
type source struct {
	value  *value
	users  []binding
	passed []*gorgonia.Value // where Gorgonia's operations and wanted nodes take it from
	copy   []float32         // where it is kept, if it is
	scalar [1]float32
}

// binding is an input of a kernel that reads a source.
type binding struct {
	op *op
	in int
}

// bound is a wanted node and the value that it gets.
type bound struct {
	node  *gorgonia.Node
	value gorgonia.Value
}

var _ gorgonia.VM = (*Machine)(nil)

// Bind returns a machine that keeps its values in the arena and runs on the
// team. It binds the wanted nodes to their memory.
func (p *Plan) Bind(a *Arena, team *kernel.Team) (*Machine, error) {
	if len(a.buf) < p.arena {
		return nil, fmt.Errorf("vm: the plan needs an arena of %d bytes, this one has %d; list the plan in NewArena", 4*p.arena, 4*len(a.buf))
	}
	team.Reserve(p.perWorker, p.shared)
	m := &Machine{Training: true, UpdateStats: true, plan: p, team: team}
	b := binder{machine: m, arena: a, data: map[*value][]float32{}, sources: map[*value]*source{}, slots: map[*value]*slot{}}
	b.bind()
	return m, m.bindWanted()
}

// binder holds what is needed only while a plan is bound.
type binder struct {
	machine *Machine
	arena   *Arena
	data    map[*value][]float32
	sources map[*value]*source
	slots   map[*value]*slot
}

func (b *binder) bind() {
	m := b.machine
	p := m.plan
	m.sources = make([]source, len(p.inputs))
	for i, v := range p.inputs {
		m.sources[i] = source{value: v, copy: v.into}
		b.sources[v] = &m.sources[i]
	}
	m.ops = make([]op, len(p.steps))
	for i, s := range p.steps {
		o := &m.ops[i]
		o.step = s
		o.out = make([]graph.Value, len(s.out))
		for j, v := range s.out {
			if v == nil {
				continue
			}
			if v.form == nil && (v.native() || v.kept()) {
				b.data[v] = b.memory(v)
			}
			o.out[j] = graph.Value{Shape: v.shape, F: b.data[v]}
			if v.stock {
				o.result = &source{value: v, copy: b.data[v]}
				b.sources[v] = o.result
			}
		}
		o.in = make([]graph.Value, len(s.in))
		if s.stock != nil {
			o.args = make([]gorgonia.Value, len(s.in))
		}
		for j, v := range s.in {
			if s.kernel != nil {
				b.input(o, j, v)
			} else {
				b.argument(o, j, v)
			}
		}
		if _, ok := s.stock.(gorgonia.TrainModeOp); ok {
			m.modal = append(m.modal, s.node)
		}
	}
	m.wanted = make([]bound, len(p.wanted))
	for i, v := range p.wanted {
		m.wanted[i].node = v.node
		if v.kept() {
			m.wanted[i].value = b.header(v)
		} else {
			b.sources[v].passed = append(b.sources[v].passed, &m.wanted[i].value)
		}
	}
}

// bindWanted gives the wanted nodes their values. A machine in another arena, or
// of another kind, may have bound them in between.
func (m *Machine) bindWanted() error {
	for _, w := range m.wanted {
		if w.value == nil || w.node.Value() == w.value {
			continue
		}
		if err := gorgonia.UnsafeLet(w.node, w.value); err != nil {
			return fmt.Errorf("vm: %s: %w", w.node.Name(), err)
		}
	}
	return nil
}

// memory returns the place of a value.
func (b *binder) memory(v *value) []float32 {
	if v.kept() {
		return b.arena.keep(v).mem
	}
	end := v.at + v.shape.TotalSize()
	return b.arena.buf[v.at:end:end]
}

// header returns the Gorgonia value of a value with memory, one for all who ask.
func (b *binder) header(v *value) gorgonia.Value {
	s, ok := b.slots[v]
	if !ok {
		if v.kept() {
			s = b.arena.keep(v)
		} else {
			s = newSlot(b.data[v], v.shape)
		}
		b.slots[v] = s
		if v.shape.Dims() == 0 {
			b.machine.scalars = append(b.machine.scalars, s)
		}
	}
	return s.value
}

// input binds an input of a kernel.
func (b *binder) input(o *op, j int, v *value) {
	o.in[j].Shape = v.shape
	if v.form == nil {
		if s, ok := b.sources[v]; ok {
			s.users = append(s.users, binding{o, j})
		} else {
			o.in[j].F = b.data[v]
		}
		return
	}
	n, h, w, c := graph.NHWC(v.shape)
	lazy := &kernel.Map{N: n, H: h, W: w, C: c}
	o.in[j].Lazy = lazy
	rows := b.data[v.form.coef][v.form.row*c:]
	lazy.A, rows = rows[:c:c], rows[c:]
	p := v.form.p
	for p.form != nil { // its factors are in A already
		p = p.form.p
	}
	lazy.P = b.data[p]
	if v.form.q != nil {
		lazy.B, rows = rows[:c:c], rows[c:]
		lazy.Q = b.data[v.form.q]
	}
	if v.form.shift {
		lazy.D, rows = rows[:c:c], rows[c:]
	}
	if v.form.rest {
		lazy.E = rows[:c:c]
	}
}

// argument binds an input of an operation of Gorgonia's.
func (b *binder) argument(o *op, j int, v *value) {
	if s, ok := b.sources[v]; ok {
		s.passed = append(s.passed, &o.args[j])
		return
	}
	o.args[j] = b.header(v)
}

// RunAll computes the wanted nodes from the values that the inputs hold now.
// What the nodes held before is overwritten: copy what is to outlive the next run.
func (m *Machine) RunAll() (err error) {
	var current *op
	defer func() {
		m.team.End()
		if r := recover(); r != nil {
			err = fmt.Errorf("vm: %s failed: %w", describe(current), panics.Recovered(r))
		}
	}()
	m.context.Team = m.team
	m.context.Training, m.context.UpdateStats = m.Training, m.UpdateStats
	for _, n := range m.modal {
		if err := modes.set(n, m.Training); err != nil {
			return err
		}
	}
	m.team.Begin()
	for i := range m.sources {
		if err := m.sources[i].read(); err != nil {
			return err
		}
	}
	for i := range m.ops {
		current = &m.ops[i]
		if err := m.step(current); err != nil {
			return fmt.Errorf("vm: %s: %w", describe(current), err)
		}
	}
	m.refresh()
	for _, d := range m.plan.copies {
		copy(d.data, d.of)
	}
	if err := m.bindWanted(); err != nil {
		return err
	}
	for _, r := range m.plan.reads {
		*r.into = r.node.Value()
	}
	return nil
}

func (m *Machine) step(o *op) error {
	if o.kernel != nil {
		return o.kernel.Run(&m.context, o.out, o.in)
	}
	m.refresh()
	stockLock.Lock()
	defer stockLock.Unlock()
	v, err := o.stock.Do(o.args...)
	if err != nil {
		return err
	}
	return o.result.set(v)
}

// refresh copies scalars to where Gorgonia sees them.
func (m *Machine) refresh() {
	for _, s := range m.scalars {
		*s.value.(*gorgonia.F32) = gorgonia.F32(s.mem[0])
	}
}

// read takes the value that an input holds now.
func (s *source) read() error {
	n := s.value.node
	v := n.Value()
	if v == nil {
		return fmt.Errorf("vm: input %s has no value; bind one with gorgonia.Let", n.Name())
	}
	if err := s.set(v); err != nil {
		return fmt.Errorf("vm: input %s: %w", n.Name(), err)
	}
	return nil
}

// set hands a new value to all who read the source.
func (s *source) set(v gorgonia.Value) error {
	for _, to := range s.passed {
		*to = v
	}
	if len(s.users) == 0 && s.copy == nil {
		return nil
	}
	var now graph.Value
	if x, ok := v.(*gorgonia.F32); ok {
		s.scalar[0] = float32(*x)
		now.F = s.scalar[:]
	} else {
		var err error
		if now, err = graph.ValueOf(v); err != nil {
			return err
		}
	}
	if v.Dtype() != s.value.dtype || len(now.F)+len(now.I) != s.value.shape.TotalSize() {
		return fmt.Errorf("a value of type %v and shape %v, but the graph was built for %v and %v", v.Dtype(), v.Shape(), s.value.dtype, s.value.shape)
	}
	copy(s.copy, now.F)
	for _, u := range s.users {
		in := &u.op.in[u.in]
		in.F, in.I = now.F, now.I
	}
	return nil
}

// modes holds the mode that each of Gorgonia's operations is in, by its node. It
// does not keep nodes alive.
var modes = nodeModes{training: map[weak.Pointer[gorgonia.Node]]bool{}}

type nodeModes struct {
	sync.Mutex
	training map[weak.Pointer[gorgonia.Node]]bool
}

// set puts the operation of a node into a mode, unless a machine did so before:
// Gorgonia's batch normalisation forgets its running statistics each time.
func (m *nodeModes) set(n *gorgonia.Node, training bool) error {
	m.Lock()
	defer m.Unlock()
	key := weak.Make(n)
	last, known := m.training[key]
	if known && last == training {
		return nil
	}
	if err := n.Op().(gorgonia.TrainModeOp).SetTraining(training); err != nil {
		return fmt.Errorf("vm: %v: %w", n.Op(), err)
	}
	m.training[key] = training
	if !known {
		runtime.AddCleanup(n, func(key weak.Pointer[gorgonia.Node]) {
			m.Lock()
			defer m.Unlock()
			delete(m.training, key)
		}, key)
	}
	return nil
}

// Reset does nothing: every run starts afresh.
func (m *Machine) Reset() {}

// Close does nothing: a machine holds nothing but memory.
func (m *Machine) Close() error { return nil }

// Bytes returns the memory that the machine takes, its share of the arena
// included.
func (m *Machine) Bytes() int64 { return m.plan.Bytes(m.team.Size()) }

func describe(o *op) string {
	if o == nil {
		return "reading the inputs"
	}
	return o.node.Name()
}
