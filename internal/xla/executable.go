package xla

import (
	"errors"
	"fmt"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/pjrt"
)

// An Executable is a plan with memory. It is not safe for concurrent use.
//
// Run runs all replicas on the same inputs. To give each its own, set the inputs and call
// Load for each, then RunLoaded, and Take for each.
type Executable struct {
	plan     *Plan
	now      []cpuexec.Array // the inputs
	native   []bool          // inputs that the devices read, or that are copied as a result
	places   []int           // of inputs in what goes up, that of their type
	replicas []*replica
	taken    *replica // that Take took last
	update   bool     // whether states take the values of the last run
	stream   *stream  // of the next run, once something is loaded
	results  []result
	states   []state

	sources  []source // of the inputs, as they were found last
	assembly *route   // of the argument of floats; nil if no input is kept
	takes    [2]*take // of the result, without states and with them
}

// A replica is the memory of the host for one replica of a program.
type replica struct {
	device int
	floats []float32 // what goes up
	ints   []int32
	batch  []*pjrt.Buffer // the arguments of the batch of the next run
	out    []float32
}

// result is a result of the program, an input or what a run computes, and the memory that
// gets a copy, unless it is nil.
type result struct {
	value *ir.Value
	input int // the number of the input; -1 for what a run computes
	copy  []float32
}

// state is the number of a state among the inputs, and its new value.
type state struct {
	in  int
	out *ir.Value
}

// Bind returns an executable that copies each result of the program to its memory; nil
// leaves it in memory of the executable.
func (p *Plan) Bind(results [][]float32) *Executable {
	e := &Executable{plan: p, now: make([]cpuexec.Array, len(p.inputs)), native: make([]bool, len(p.inputs))}
	for _, d := range p.devices {
		e.replicas = append(e.replicas, &replica{device: d, floats: make([]float32, p.floats), ints: make([]int32, p.ints), out: make([]float32, p.size)})
	}
	e.taken = e.replicas[0]
	number := map[*ir.Value]int{}
	for i, s := range p.inputs {
		number[s.value] = i
		e.native[i] = p.reads(i)
	}
	for i, v := range p.program.Results {
		r := result{v, -1, results[i]}
		if v.Source == ir.External {
			r.input = number[v]
			e.native[r.input] = e.native[r.input] || results[i] != nil
		}
		e.results = append(e.results, r)
	}
	for _, s := range p.program.States {
		e.states = append(e.states, state{number[s.In], s.Out})
	}
	return e
}

// Native reports whether the program reads input number i.
func (e *Executable) Native(i int) bool { return e.native[i] }

// SetInput gives input number i of the program a value, until the next call. Its memory is
// copied when the executable runs, or loads it.
func (e *Executable) SetInput(i int, a cpuexec.Array) {
	a.Shape = e.plan.inputs[i].value.Shape
	e.now[i] = a
}

// Result returns result number i of the replica that was taken last, unless it is in a
// vector that the device keeps.
func (e *Executable) Result(i int) cpuexec.Array {
	r := e.results[i]
	if r.input >= 0 {
		return e.now[r.input]
	}
	return cpuexec.Array{Shape: r.value.Shape, F: e.computed(r.value)}
}

// computed returns what the replica that was taken last has computed.
func (e *Executable) computed(v *ir.Value) []float32 {
	return e.taken.out[e.plan.places[v]:][:v.Shape.Size()]
}

// Bytes returns the memory of each device that a run takes.
func (e *Executable) Bytes() int64 { return e.plan.Bytes() }

// Replicas returns how many replicas run at once.
func (e *Executable) Replicas() int { return len(e.replicas) }

// Run runs the program. States take their new values if update is set.
func (e *Executable) Run(update bool) error {
	for k := range e.replicas {
		if err := e.Load(k); err != nil {
			return err
		}
	}
	if err := e.RunLoaded(update); err != nil {
		return err
	}
	e.Take(0)
	return nil
}

// Load gives replica number k the inputs as they are now.
func (e *Executable) Load(k int) error {
	if e.stream == nil {
		e.stream = &stream{plan: e.plan}
	}
	if err := e.load(e.replicas[k]); err != nil {
		return errors.Join(err, e.end())
	}
	return nil
}

func (e *Executable) load(r *replica) error {
	if err := e.arrange(); err != nil {
		return fmt.Errorf("xla: %w", err)
	}
	if err := e.pack(r); err != nil {
		return err
	}
	if err := e.send(r); err != nil {
		return fmt.Errorf("xla: %w", err)
	}
	return nil
}

// send starts to copy the batch of a replica to its device, unless it was sent before. With
// several replicas it waits, since the memory may have another batch for the next.
func (e *Executable) send(r *replica) (err error) {
	r.batch = make([]*pjrt.Buffer, len(e.plan.batch))
	for n, i := range e.plan.batch {
		if r.batch[n] = e.plan.on.sentTo(r.device, e.now[i]); r.batch[n] != nil {
			continue
		}
		if r.batch[n], err = e.stream.up(r.device, e.now[i]); err != nil {
			return err
		}
	}
	if len(e.replicas) > 1 {
		return e.stream.wait()
	}
	return nil
}

// end waits for what was started, and frees what the run alone needs.
func (e *Executable) end() error {
	s := e.stream
	e.stream = nil
	return s.end()
}

// RunLoaded runs the program on what was loaded. States take their new values if update is
// set.
func (e *Executable) RunLoaded(update bool) error {
	e.update = update
	if err := errors.Join(e.run(), e.end()); err != nil {
		return fmt.Errorf("xla: %w", err)
	}
	return nil
}

// Take gives results and states their values of replica number k.
func (e *Executable) Take(k int) {
	e.taken = e.replicas[k]
	for _, r := range e.results {
		from := r.input
		if kept, _ := e.plan.on.find(r.copy); kept != nil {
			continue
		}
		if from >= 0 {
			copy(r.copy, e.now[from].F)
		} else {
			copy(r.copy, e.computed(r.value))
		}
	}
	if e.update {
		for _, s := range e.states {
			if e.sources[s.in].vector == nil {
				copy(e.now[s.in].F, e.computed(s.out))
			}
		}
	}
}

// pack copies the inputs that are not kept to the memory from which they go up, but for
// those of a batch.
func (e *Executable) pack(r *replica) error {
	for i, s := range e.plan.inputs {
		if e.sources[i].vector != nil || !e.plan.reads(i) {
			continue
		}
		a := e.now[i]
		n := a.Len()
		if s.at >= 0 && s.value.Type == ir.Int32 {
			n = copy(r.ints[e.places[i]:], a.I)
		} else if s.at >= 0 {
			n = copy(r.floats[e.places[i]:], a.F)
		}
		if n != s.value.Shape.Size() {
			return fmt.Errorf("xla: input %q has %d elements; want %v", s.value.Name, n, s.value.Shape)
		}
	}
	for _, c := range e.plan.checks {
		in := make([]cpuexec.Array, len(c.step.In))
		for i, v := range c.step.In {
			in[i].Shape = v.Shape
			if at := c.from[i]; at >= 0 {
				if kept := e.sources[at].vector; kept != nil {
					if err := e.plan.on.fetch(kept); err != nil {
						return fmt.Errorf("xla: %w", err)
					}
				}
				in[i] = e.now[at]
			}
		}
		if err := c.f(in); err != nil {
			return fmt.Errorf("%s: %w", c.step.Name, err)
		}
	}
	return nil
}

// run runs the program on the devices.
func (e *Executable) run() (err error) {
	s := e.stream
	var floats []*pjrt.Buffer
	if len(e.replicas[0].floats) > 0 {
		floats = make([]*pjrt.Buffer, len(e.replicas))
		for k, r := range e.replicas {
			if floats[k], err = s.up(r.device, cpuexec.Array{F: r.floats}); err != nil {
				return err
			}
		}
	}
	args := make([][]*pjrt.Buffer, len(e.replicas))
	if e.assembly != nil {
		if args, err = e.assembly.start(s, floats); err != nil {
			return err
		}
	} else {
		for k, b := range floats {
			args[k] = []*pjrt.Buffer{b}
		}
	}
	for k, r := range e.replicas {
		if len(r.ints) > 0 {
			b, err := s.up(r.device, cpuexec.Array{I: r.ints})
			if err != nil {
				return err
			}
			args[k] = append(args[k], b)
		}
		args[k] = append(args[k], r.batch...)
	}
	out, err := s.start(e.plan.exec, args)
	if err != nil {
		return err
	}
	computed := make([]*pjrt.Buffer, len(out))
	for k, list := range out {
		computed[k] = list[0]
	}
	t, err := e.take()
	if err != nil {
		return err
	}
	if t != nil {
		return t.run(s, computed, e.replicas)
	}
	for k, r := range e.replicas {
		if err := s.down(computed[k], r.out); err != nil {
			return err
		}
	}
	return nil
}
