package cpuexec

import (
	"errors"
	"fmt"
	"slices"

	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/panics"
)

// An Executable is a plan with memory. It is not safe for concurrent use; nor must
// executables run at the same time that share a pool or an arena.
type Executable struct {
	plan     *Plan
	pool     *kernel.ThreadPool
	contexts []Context // of the kernels that run at the same time
	levels   []level
	steps    []step
	inputs   []input
	results  []result
	states   []state
}

// level is groups of steps that may run at the same time.
type level struct {
	steps  []step
	groups [][]step
	serial bool // one of them calls another library
	run    func(pool *kernel.ThreadPool, group int)
}

// step is a step with its values bound to memory.
type step struct {
	name    string
	kernel  Kernel
	host    Host // if there is no kernel
	out, in []Array
	made    *input // the output of a host
	err     error  // of the last run
}

// input is a value whose memory may change from run to run.
type input struct {
	value  *ir.Value
	users  []*Array // inputs of steps, and outputs that overwrite it
	native bool     // read by kernels, or copied as a result
	now    Array
}

// result is a value and the memory that gets a copy after a run, unless it is nil.
type result struct {
	array *Array
	copy  []float32
}

// state is the memory of a state, and the new value.
type state struct {
	in  *input
	out []float32
}

// Bind returns an executable that keeps its values in the arena and runs on the pool.
// results is the memory for each result of the program; nil is for results that are
// inputs, or of another library, and are only looked at (Result).
func (p *Plan) Bind(a *Arena, pool *kernel.ThreadPool, results [][]float32) (*Executable, error) {
	if len(a.floats) < p.layout.Size {
		return nil, fmt.Errorf("cpuexec: the plan needs an arena of %d bytes, this one has %d; list the plan in NewArena", 4*p.layout.Size, 4*len(a.floats))
	}
	pool.Reserve(p.perWorker, p.shared, p.together)
	b := binder{
		e:      &Executable{plan: p, pool: pool, contexts: make([]Context, pool.Size())},
		arena:  a,
		memory: map[*ir.Value][]float32{},
		inputs: map[*ir.Value]*input{},
	}
	b.bind(results)
	return b.e, nil
}

// binder holds what is needed only while a plan is bound.
type binder struct {
	e      *Executable
	arena  *Arena
	memory map[*ir.Value][]float32 // of results
	inputs map[*ir.Value]*input
}

func (b *binder) bind(results [][]float32) {
	e, p := b.e, b.e.plan.program
	for i, v := range p.Results {
		if v.Source == ir.Computed && b.memory[v] == nil {
			b.memory[v] = results[i]
		}
	}
	e.inputs = make([]input, len(p.Inputs))
	for i, v := range p.Inputs {
		e.inputs[i].value = v
		b.inputs[v] = &e.inputs[i]
	}
	for v, old := range e.plan.overwritten {
		b.inputs[v] = b.inputs[old]
	}
	e.steps = make([]step, len(p.Steps))
	for i, s := range p.Steps {
		t := &e.steps[i]
		t.name, t.kernel = s.Name, e.plan.kernels[i]
		if t.kernel == nil {
			t.host = s.Op.(Host)
		}
		t.out, t.in = make([]Array, len(s.Out)), make([]Array, len(s.In))
		for j, v := range s.Out {
			switch {
			case v == nil:
			case v.Source == ir.Foreign:
				t.made = &input{value: v}
				b.inputs[v] = t.made
			case b.inputs[v] != nil:
				t.out[j].Shape = v.Shape
				b.inputs[v].users = append(b.inputs[v].users, &t.out[j])
			default:
				t.out[j] = Array{Shape: v.Shape, F: b.floats(v)}
			}
		}
		for j, v := range s.In {
			t.in[j].Shape = v.Shape
			switch in := b.inputs[v]; {
			case in != nil:
				in.users = append(in.users, &t.in[j])
				in.native = in.native || t.kernel != nil
			case v.Deferred != nil:
				t.in[j].Map = b.deferred(v)
			default:
				t.in[j].F = b.floats(v)
			}
		}
	}
	rest := e.steps
	for _, groups := range e.plan.levels {
		l := level{steps: rest}
		for _, n := range groups {
			l.groups = append(l.groups, rest[:n])
			rest = rest[n:]
		}
		l.steps = l.steps[:len(l.steps)-len(rest)]
		l.serial = slices.ContainsFunc(l.steps, func(s step) bool { return s.host != nil })
		l.run = func(pool *kernel.ThreadPool, i int) { e.runGroup(pool, l.groups[i]) }
		e.levels = append(e.levels, l)
	}
	e.results = make([]result, len(p.Results))
	for i, v := range p.Results {
		e.results[i] = b.result(v, results[i])
	}
	for _, s := range p.States {
		if e.plan.overwritten[s.Out] != nil {
			continue
		}
		e.states = append(e.states, state{b.inputs[s.In], b.floats(s.Out)})
	}
}

// floats returns the place of a computed value, nil if it is deferred.
func (b *binder) floats(v *ir.Value) []float32 {
	if v.Deferred != nil {
		return nil
	}
	if mem, ok := b.memory[v]; ok {
		return mem
	}
	at := b.e.plan.layout.At[v]
	end := at + v.Floats()
	return b.arena.floats[at:end:end]
}

// result binds a result.
func (b *binder) result(v *ir.Value, mem []float32) result {
	if in := b.inputs[v]; in != nil {
		in.native = in.native || mem != nil
		return result{&in.now, mem}
	}
	r := result{array: &Array{Shape: v.Shape, F: b.memory[v]}}
	if len(mem) > 0 && &mem[0] != &r.array.F[0] { // a value that is another result too
		r.copy = mem
	}
	return r
}

// deferred returns the map that readers form.
func (b *binder) deferred(v *ir.Value) *kernel.Map {
	d := v.Deferred
	n, h, w, c := v.Shape.NHWC()
	m := &kernel.Map{N: n, H: h, W: w, C: c}
	rows := b.floats(d.Coef)[d.Row*c:]
	next := func() (row []float32) {
		row, rows = rows[:c:c], rows[c:]
		return row
	}
	m.A = next()
	p := d.P
	for p.Deferred != nil { // its factors are in A already
		p = p.Deferred.P
	}
	m.P = b.floats(p)
	if d.Q != nil {
		m.B, m.Q = next(), b.floats(d.Q)
	}
	if d.Shift {
		m.D = next()
	}
	if d.Compensated {
		m.E = next()
	}
	return m
}

// Native reports whether kernels read input number i; otherwise it is passed on to
// operators of other libraries, which need no more of it than Array.Foreign.
func (e *Executable) Native(i int) bool { return e.inputs[i].native }

// SetInput gives input number i of the program a value, until the next call. Its memory
// is not copied. That of a state that is overwritten must not be that of another input.
func (e *Executable) SetInput(i int, a Array) { e.inputs[i].set(a) }

// set hands a value to the steps.
func (in *input) set(a Array) {
	in.now = a
	for _, to := range in.users {
		to.F, to.I, to.Foreign = a.F, a.I, a.Foreign
	}
}

// Result returns result number i of the last run.
func (e *Executable) Result(i int) Array { return *e.results[i].array }

// errUpdates refuses a run that keeps states.
var errUpdates = errors.New("cpuexec: the program overwrites its states, so that every run updates them")

// Run runs the program. States take their new values if update is set, as it must be if
// Options.Overwrite is.
func (e *Executable) Run(update bool) error {
	if !update && len(e.plan.overwritten) > 0 {
		return errUpdates
	}
	e.pool.Start()
	defer e.pool.Stop()
	for i := range e.levels {
		if err := e.runLevel(&e.levels[i]); err != nil {
			return err
		}
	}
	for _, r := range e.results {
		copy(r.copy, r.array.F)
	}
	if update {
		for _, s := range e.states {
			copy(s.in.now.F, s.out)
		}
	}
	return nil
}

// runLevel runs the steps of a level and returns the error of the first that has one.
func (e *Executable) runLevel(l *level) error {
	if l.serial {
		for i := range l.groups {
			l.run(e.pool, i)
		}
	} else {
		e.pool.Concurrently(len(l.groups), l.run)
	}
	return l.err()
}

// err returns the error of the first step that failed in the last run.
func (l *level) err() error {
	for i := range l.steps {
		if err := l.steps[i].err; err != nil {
			return fmt.Errorf("%s%w", l.steps[i].name, err)
		}
	}
	return nil
}

// runGroup runs steps one after the other, until one fails.
func (e *Executable) runGroup(pool *kernel.ThreadPool, steps []step) {
	for i := range steps {
		if e.run(pool, &steps[i]); steps[i].err != nil {
			return
		}
	}
}

// run runs a step on a part of the pool.
func (e *Executable) run(pool *kernel.ThreadPool, s *step) {
	s.err = nil
	defer func() {
		if r := recover(); r != nil {
			s.err = fmt.Errorf(" failed: %w", panics.Recovered(r))
		}
	}()
	var err error
	if s.kernel != nil {
		c := &e.contexts[pool.Number()]
		c.Pool = pool
		err = s.kernel.Run(c, s.out, s.in)
	} else {
		err = s.call()
	}
	if err != nil {
		s.err = fmt.Errorf(": %w", err)
	}
}

// call calls an operator of another library.
func (s *step) call() error {
	v, err := s.host.Call(s.in)
	if err != nil {
		return err
	}
	var a Array
	if s.made.native {
		if a, err = s.host.Convert(v); err != nil {
			return err
		}
	}
	a.Foreign = v
	s.made.set(a)
	return nil
}

// Bytes returns the memory that the executable takes, its share of the arena included.
func (e *Executable) Bytes() int64 { return e.plan.Bytes(e.pool.Size()) }

// RunOp runs one operator on arrays, with a memory of its own: for interpreters. Every
// output must have memory.
func RunOp(op ir.Op, pool *kernel.ThreadPool, out, in []Array) error {
	k, err := kernelOf(op)
	if err != nil {
		return err
	}
	return k.Run(&Context{Pool: pool}, out, in)
}
