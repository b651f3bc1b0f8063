package xla

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/pjrt"
	"unnas/internal/stablehlo"
)

// Options choose how Compile lowers and compiles.
type Options struct {
	Precision Precision // "" is Float32
	Depthwise Depthwise // "" is Convolutions
	Device    int       // the index of the device in Client.Devices
	// Fast lets XLA choose algorithms by their time, and such whose sums differ from run to
	// run. Without it, equal runs on equal devices give equal bits.
	Fast bool
	// Flags are XLA's debug options by name, as of pjrt.CompileOptions. They win over those
	// that Compile sets.
	Flags map[string]any
	// Cache is the directory of compiled programs, such as CacheDir returns; "" compiles
	// always.
	Cache string
}

// emitter returns one with the options.
func (o Options) emitter() (*emitter, error) {
	e := &emitter{Builder: stablehlo.New(), precision: o.Precision, shifts: o.Depthwise == Sums, joined: map[string]value{}, lanes: 1}
	switch o.Depthwise {
	case Convolutions, Sums, "":
	default:
		return nil, fmt.Errorf("xla: depthwise convolutions as %q; want %s or %s", o.Depthwise, Convolutions, Sums)
	}
	switch o.Precision {
	case Float32, "":
	case TF32, BFloat16:
		e.Precision = "DEFAULT"
	default:
		return nil, fmt.Errorf("xla: precision %q; want %s, %s or %s", o.Precision, Float32, TF32, BFloat16)
	}
	return e, nil
}

// LeastGraph is the number of kernels in a row from which on XLA makes a CUDA graph of them.
const LeastGraph = 4

// FlagsFor returns XLA's options for a platform.
func (o Options) FlagsFor(platform string) map[string]any {
	flags := map[string]any{}
	if platform == "cuda" {
		// A product with a slice of the argument would stay out of CUDA graphs.
		flags["xla_gpu_enable_dynamic_slice_fusion"] = false
		flags["xla_gpu_graph_min_graph_size"] = LeastGraph
		if !o.Fast {
			flags["xla_gpu_deterministic_ops"] = true
		}
	}
	maps.Copy(flags, o.Flags)
	return flags
}

// compileOptions returns the options with which XLA compiles for a client.
func (o Options) compileOptions(c *pjrt.Client) pjrt.CompileOptions {
	return pjrt.CompileOptions{Devices: []int{o.Device}, Flags: o.FlagsFor(c.Platform())}
}

// A Plan is a program compiled for a device.
type Plan struct {
	*lowered
	client *pjrt.Client
	device int
	on     *Device           // that keeps vectors; nil for none
	places map[*ir.Value]int // of outputs
	exec   *pjrt.Executable
	checks []check
}

// check finds values of a step's inputs that its operator refuses. from has the numbers of
// those that are inputs of the program, -1 for others.
type check struct {
	step *ir.Step
	from []int
	f    func(in []cpuexec.Array) error
}

// Text returns a program in StableHLO, as Compile lowers it.
func Text(p *ir.Program, o Options) (string, error) {
	e, err := o.emitter()
	if err != nil {
		return "", err
	}
	l, err := lower(p, e)
	if err != nil {
		return "", err
	}
	return l.text, nil
}

// Compile compiles a program, or loads what it compiled before. It leaves the program as it
// is. No value of the program may be deferred.
func Compile(c *pjrt.Client, p *ir.Program, o Options) (*Plan, error) {
	e, err := o.emitter()
	if err != nil {
		return nil, err
	}
	plan := &Plan{client: c, device: o.Device}
	if plan.lowered, err = lower(p, e); err != nil {
		return nil, err
	}
	plan.places = map[*ir.Value]int{}
	for _, s := range plan.outputs {
		plan.places[s.value] = s.at
	}
	plan.exec, err = compile(c, plan.text, o.compileOptions(c), o.Cache)
	if err != nil {
		return nil, fmt.Errorf("xla: %w", err)
	}
	// A program may run many searches, which drop their plans.
	runtime.AddCleanup(plan, (*pjrt.Executable).Close, plan.exec)
	for _, s := range plan.program.Steps {
		f := cpuexec.Check(s.Op)
		if f == nil {
			continue
		}
		c := check{step: s, f: f}
		for _, v := range s.In {
			c.from = append(c.from, slices.Index(plan.program.Inputs, v))
		}
		plan.checks = append(plan.checks, c)
	}
	return plan, nil
}

// Bytes returns the memory of the device that a run takes, as XLA plans it; inputs and
// results alone for a plugin that does not say.
func (p *Plan) Bytes() int64 {
	m, err := p.exec.Memory()
	if err != nil {
		return 4 * int64(p.floats+p.ints+p.size)
	}
	return m.Total()
}

// HostBytes returns the memory that an executable takes besides that of the device.
func (p *Plan) HostBytes() int64 { return 4 * int64(p.floats+p.ints+p.size) }

// Close frees the compiled program at once; otherwise the garbage collector does.
func (p *Plan) Close() { p.exec.Close() }

// An Executable is a plan with memory. It is not safe for concurrent use.
type Executable struct {
	plan    *Plan
	now     []cpuexec.Array // the inputs
	native  []bool          // inputs that the device reads, or that are copied as a result
	places  []int           // of inputs in what goes up, that of their type
	floats  []float32       // what goes up
	ints    []int32
	out     []float32
	results []result
	states  []state

	sources  []source // of the inputs, as the last run found them
	assembly *route   // of the argument of floats; nil if no input is kept
	takes    [2]*take // of the result, without states and with them
}

// result is a value and the memory that gets a copy after a run, unless it is nil.
type result struct {
	array *cpuexec.Array
	copy  []float32
}

// state is the number of a state among the inputs, and the new value.
type state struct {
	in  int
	out []float32
}

// Bind returns an executable that copies each result of the program to its memory; nil
// leaves it in memory of the executable.
func (p *Plan) Bind(results [][]float32) *Executable {
	e := &Executable{
		plan:   p,
		now:    make([]cpuexec.Array, len(p.inputs)),
		native: make([]bool, len(p.inputs)),
		ints:   make([]int32, p.ints), out: make([]float32, p.size),
	}
	number := map[*ir.Value]int{}
	for i, s := range p.inputs {
		number[s.value] = i
		e.native[i] = s.at >= 0
	}
	memory := func(v *ir.Value) []float32 { return e.out[p.places[v]:][:v.Shape.Size()] }
	for i, v := range p.program.Results {
		if v.Source == ir.External {
			in := number[v]
			e.native[in] = e.native[in] || results[i] != nil
			e.results = append(e.results, result{&e.now[in], results[i]})
			continue
		}
		e.results = append(e.results, result{&cpuexec.Array{Shape: v.Shape, F: memory(v)}, results[i]})
	}
	for _, s := range p.program.States {
		e.states = append(e.states, state{number[s.In], memory(s.Out)})
	}
	return e
}

// Native reports whether the program reads input number i.
func (e *Executable) Native(i int) bool { return e.native[i] }

// SetInput gives input number i of the program a value, until the next call. Its memory is
// copied when the executable runs.
func (e *Executable) SetInput(i int, a cpuexec.Array) {
	a.Shape = e.plan.inputs[i].value.Shape
	e.now[i] = a
}

// Result returns result number i of the last run, unless it is in a vector that the device
// keeps.
func (e *Executable) Result(i int) cpuexec.Array { return *e.results[i].array }

// Bytes returns the memory of the device that a run takes.
func (e *Executable) Bytes() int64 { return e.plan.Bytes() }

// Run runs the program. States take their new values if update is set.
func (e *Executable) Run(update bool) error {
	if err := e.arrange(); err != nil {
		return fmt.Errorf("xla: %w", err)
	}
	if err := e.pack(); err != nil {
		return err
	}
	if err := e.run(update); err != nil {
		return fmt.Errorf("xla: %w", err)
	}
	for _, r := range e.results {
		if kept, _ := e.plan.on.find(r.copy); kept == nil {
			copy(r.copy, r.array.F)
		}
	}
	if update {
		for _, s := range e.states {
			if e.sources[s.in].vector == nil {
				copy(e.now[s.in].F, s.out)
			}
		}
	}
	return nil
}

// pack copies the inputs that are not kept to the memory from which they go up.
func (e *Executable) pack() error {
	for i, s := range e.plan.inputs {
		if s.at < 0 || e.sources[i].vector != nil {
			continue
		}
		a, n := e.now[i], 0
		if s.value.Type == ir.Int32 {
			n = copy(e.ints[e.places[i]:], a.I)
		} else {
			n = copy(e.floats[e.places[i]:], a.F)
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

// run runs the program on the device.
func (e *Executable) run(update bool) (err error) {
	s := &stream{plan: e.plan}
	defer func() { err = errors.Join(err, s.end()) }()
	var args []*pjrt.Buffer
	if len(e.floats) > 0 {
		b, err := up(s, e.floats)
		if err != nil {
			return err
		}
		args = append(args, b)
	}
	if e.assembly != nil {
		if args, err = e.assembly.start(s, args...); err != nil {
			return err
		}
	}
	if len(e.ints) > 0 {
		b, err := up(s, e.ints)
		if err != nil {
			return err
		}
		args = append(args, b)
	}
	out, err := s.start(e.plan.exec, args...)
	if err != nil {
		return err
	}
	t, err := e.take(update)
	if err != nil {
		return err
	}
	if t != nil {
		return t.run(s, out[0], e.out)
	}
	return s.down(out[0], e.out)
}

// A stream is copies and programs that run one after the other, while the host waits for
// the last.
type stream struct {
	plan    *Plan
	waits   []func() error
	buffers []*pjrt.Buffer // that are freed at its end
}

// up copies elements to the device.
func up[T float32 | int32](s *stream, elements []T) (*pjrt.Buffer, error) {
	b, wait, err := pjrt.StartToDevice(s.plan.client, s.plan.device, elements, len(elements))
	if err != nil {
		return nil, err
	}
	s.waits, s.buffers = append(s.waits, wait), append(s.buffers, b)
	if d := s.plan.on; d != nil {
		d.up += int64(len(elements))
	}
	return b, nil
}

// start starts a program.
func (s *stream) start(e *pjrt.Executable, args ...*pjrt.Buffer) ([]*pjrt.Buffer, error) {
	out, wait, err := e.Start([][]*pjrt.Buffer{args})
	if err != nil {
		return nil, err
	}
	s.waits, s.buffers = append(s.waits, wait), append(s.buffers, out[0]...)
	return out[0], nil
}

// down copies a buffer to the host, once it is computed.
func (s *stream) down(b *pjrt.Buffer, to []float32) error {
	if d := s.plan.on; d != nil {
		d.down += int64(len(to))
	}
	return pjrt.ToHost(b, to)
}

// release returns a buffer that the stream leaves open.
func (s *stream) release(b *pjrt.Buffer) *pjrt.Buffer {
	s.buffers = slices.DeleteFunc(s.buffers, func(other *pjrt.Buffer) bool { return other == b })
	return b
}

// wait waits for all that was started.
func (s *stream) wait() error {
	var errs []error
	for _, wait := range s.waits {
		errs = append(errs, wait())
	}
	s.waits = nil
	return errors.Join(errs...)
}

// end waits, and frees the buffers.
func (s *stream) end() error {
	err := s.wait()
	for _, b := range s.buffers {
		b.Close()
	}
	return err
}
