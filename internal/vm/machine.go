package vm

import (
	"fmt"
	"reflect"
	"sync"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// stockLock serialises Gorgonia's own operations: some of them change their
// inputs for a moment.
var stockLock sync.Mutex

// Arena is the memory for what lives only during a run. Machines that never run
// at the same time can share one.
type Arena struct{ buf []float32 }

// NewArena returns an arena that is large enough for each of the plans.
func NewArena(plans ...*Plan) *Arena {
	size := 0
	for _, p := range plans {
		size = max(size, p.arena)
	}
	return &Arena{kernel.Floats(size)}
}

// Machine runs a plan. It implements gorgonia.VM. It is not safe for use by
// several goroutines, and machines that share a team or an arena must not run
// at the same time.
type Machine struct {
	// Training selects the statistics of the batch in batch normalisations,
	// and UpdateStats lets these keep their running averages. Both are true in
	// a new machine.
	Training, UpdateStats bool

	plan    *Plan
	team    *kernel.Team
	context graph.Context
	ops     []op
	sources []source
	scalars []scalar
	wanted  []bound
	mode    bool // what Gorgonia's operations were told about Training
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
	passed []*gorgonia.Value // arguments of Gorgonia's operations
	scalar [1]float32
}

// binding is an input of a kernel that reads a source.
type binding struct {
	op *op
	in int
}

// bound is a wanted node and the native value that it gets.
type bound struct {
	node  *gorgonia.Node
	value gorgonia.Value
}

// scalar is a native result that Gorgonia sees as a value of its own type.
type scalar struct {
	to   *gorgonia.F32
	from []float32
}

var _ gorgonia.VM = (*Machine)(nil)

// New compiles a graph and gives the plan memory and a team of its own, with
// one worker for each available core.
func New(g *gorgonia.ExprGraph, o Options) (*Machine, error) {
	p, err := Compile(g, o)
	if err != nil {
		return nil, err
	}
	return p.Bind(NewArena(p), kernel.NewTeam(0))
}

// Bind returns a machine that keeps its values in the arena and runs on the
// team. It binds the wanted nodes to their memory.
func (p *Plan) Bind(a *Arena, team *kernel.Team) (*Machine, error) {
	if len(a.buf) < p.arena {
		return nil, fmt.Errorf("vm: the plan needs an arena of %d bytes, this one has %d; list the plan in NewArena", 4*p.arena, 4*len(a.buf))
	}
	team.Reserve(p.perTask, p.shared)
	m := &Machine{Training: true, UpdateStats: true, plan: p, team: team}
	b := binder{machine: m, arena: a.buf, kept: kernel.Floats(p.kept), data: map[*value][]float32{}, sources: map[*value]*source{}, args: map[*value]gorgonia.Value{}}
	if err := b.bind(); err != nil {
		return nil, err
	}
	return m, m.setMode()
}

// binder holds what is needed only while a plan is bound.
type binder struct {
	machine     *Machine
	arena, kept []float32
	data        map[*value][]float32
	sources     map[*value]*source
	args        map[*value]gorgonia.Value
}

func (b *binder) bind() error {
	m := b.machine
	p := m.plan
	m.sources = make([]source, len(p.inputs))
	for i, v := range p.inputs {
		m.sources[i].value = v
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
			if v.stock {
				o.result = &source{value: v}
				b.sources[v] = o.result
				continue
			}
			o.out[j].Shape = v.shape
			if v.form == nil {
				b.data[v] = b.memory(v)
				o.out[j].F = b.data[v]
			}
		}
		o.in = make([]graph.Value, len(s.in))
		o.args = make([]gorgonia.Value, len(s.in))
		for j, v := range s.in {
			if s.kernel != nil {
				b.input(o, j, v)
			} else {
				b.argument(o, j, v)
			}
		}
	}
	for _, v := range p.wanted {
		if !v.stock {
			m.wanted = append(m.wanted, bound{v.node, b.header(v)})
		}
	}
	return m.bindWanted()
}

// bindWanted gives the wanted nodes their values. Another machine may have
// bound them in between, if both want the same node.
func (m *Machine) bindWanted() error {
	for _, w := range m.wanted {
		if w.node.Value() == w.value {
			continue
		}
		if err := gorgonia.UnsafeLet(w.node, w.value); err != nil {
			return fmt.Errorf("vm: %s: %w", w.node.Name(), err)
		}
	}
	return nil
}

// memory returns the place of a native value.
func (b *binder) memory(v *value) []float32 {
	n := max(v.shape.TotalSize(), 1)
	switch {
	case v.into != nil:
		return v.into
	case v.want:
		return b.kept[v.at : v.at+n : v.at+n]
	}
	return b.arena[v.at : v.at+n : v.at+n]
}

// header returns the Gorgonia value of a native value, one for all who ask.
func (b *binder) header(v *value) gorgonia.Value {
	if h, ok := b.args[v]; ok {
		return h
	}
	var h gorgonia.Value
	if v.shape.Dims() == 0 {
		to := gorgonia.NewF32(0)
		b.machine.scalars = append(b.machine.scalars, scalar{to, b.data[v]})
		h = to
	} else {
		h = tensor.New(tensor.WithShape(v.shape.Clone()...), tensor.WithBacking(b.data[v]))
	}
	b.args[v] = h
	return h
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
		lazy.D = rows[:c:c]
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
func (m *Machine) RunAll() (err error) {
	var current *op
	defer func() {
		m.team.End()
		if r := recover(); r != nil {
			err = fmt.Errorf("vm: %s failed: %v", describe(current), r)
		}
	}()
	m.context.Team = m.team
	m.context.Training, m.context.UpdateStats = m.Training, m.UpdateStats
	if m.mode != m.Training {
		if err := m.setMode(); err != nil {
			return err
		}
	}
	m.team.Begin()
	for i := range m.sources {
		s := &m.sources[i]
		if err := s.set(s.value.node.Value()); err != nil {
			return fmt.Errorf("vm: input %s: %w", s.value.node.Name(), err)
		}
	}
	for i := range m.ops {
		current = &m.ops[i]
		if err := m.step(current); err != nil {
			return fmt.Errorf("vm: %s: %w", describe(current), err)
		}
	}
	m.refresh()
	return m.bindWanted()
}

func (m *Machine) step(o *op) error {
	if o.kernel != nil {
		return o.kernel.Run(&m.context, o.out, o.in)
	}
	m.refresh()
	stockLock.Lock()
	defer stockLock.Unlock()
	if o.result == nil { // that of gorgonia.Read, the only one without a result
		*readInto(o.stock) = o.args[0]
		return nil
	}
	v, err := o.stock.Do(o.args...)
	if err != nil {
		return err
	}
	if o.result.value.want {
		if err := gorgonia.UnsafeLet(o.node, v); err != nil {
			return err
		}
	}
	return o.result.set(v)
}

// refresh copies native scalars to where Gorgonia sees them.
func (m *Machine) refresh() {
	for _, s := range m.scalars {
		*s.to = gorgonia.F32(s.from[0])
	}
}

// set hands a new value to all who read the source.
func (s *source) set(v gorgonia.Value) error {
	for _, arg := range s.passed {
		*arg = v
	}
	if len(s.users) == 0 {
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
	for _, u := range s.users {
		in := &u.op.in[u.in]
		in.F, in.I = now.F, now.I
	}
	return nil
}

// setMode tells Gorgonia's operations whether the run trains.
func (m *Machine) setMode() error {
	for i := range m.ops {
		o := &m.ops[i]
		if t, ok := o.stock.(gorgonia.TrainModeOp); ok {
			if err := t.SetTraining(m.Training); err != nil {
				return fmt.Errorf("vm: %s: %w", describe(o), err)
			}
		}
	}
	m.mode = m.Training
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

// isRead reports whether an operation is that of gorgonia.Read, which has no
// exported name.
func isRead(o gorgonia.Op) bool { return fmt.Sprintf("%T", o) == "gorgonia.readOp" }

// readInto returns the variable that gorgonia.Read was given.
func readInto(o gorgonia.Op) *gorgonia.Value {
	return (*gorgonia.Value)(reflect.ValueOf(o).FieldByName("into").UnsafePointer())
}
