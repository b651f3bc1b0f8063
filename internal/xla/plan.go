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
	// Devices has the index in Client.Devices of the device of each replica of a program; nil
	// is one replica on the first.
	Devices []int
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
	e := &emitter{
		Builder: stablehlo.New(), precision: o.Precision, shifts: o.Depthwise == Sums, replicas: o.replicas(),
		joined: map[string]value{}, lanes: 1,
	}
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
	return pjrt.CompileOptions{Replicas: o.replicas(), Devices: o.devices(), Flags: o.FlagsFor(c.Platform())}
}

// devices returns the index of the device of each replica.
func (o Options) devices() []int {
	if o.Devices == nil {
		return []int{0}
	}
	return o.Devices
}

func (o Options) replicas() int { return len(o.devices()) }

// A Plan is a program compiled for replicas on devices.
type Plan struct {
	*lowered
	client  *pjrt.Client
	devices []int             // of the replicas
	on      *Device           // that keeps vectors; nil for none
	places  map[*ir.Value]int // of outputs
	exec    *pjrt.Executable
	checks  []check
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
	plan := &Plan{client: c, devices: o.devices()}
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

// Bytes returns the memory of each device that a run takes, as XLA plans it; inputs and
// results alone for a plugin that does not say.
func (p *Plan) Bytes() int64 {
	m, err := p.exec.Memory()
	if err != nil {
		return 4 * int64(p.floats+p.ints+p.size)
	}
	return m.Total()
}

// HostBytes returns the memory that an executable takes besides that of the devices.
func (p *Plan) HostBytes() int64 { return 4 * int64(len(p.devices)*(p.floats+p.ints+p.size)) }

// Close frees the compiled program at once; otherwise the garbage collector does.
func (p *Plan) Close() { p.exec.Close() }

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
		e.native[i] = s.at >= 0 || slices.Contains(p.batch, i)
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
		if e.sources[i].vector != nil || s.at < 0 && !slices.Contains(e.plan.batch, i) {
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

// A stream is copies and programs that run one after the other, while the host waits for
// the last.
type stream struct {
	plan    *Plan
	waits   []func() error
	buffers []*pjrt.Buffer // that are freed at its end
}

// up copies the elements of an array to a device.
func (s *stream) up(device int, a cpuexec.Array) (*pjrt.Buffer, error) {
	b, wait, err := up(s.plan.client, device, a)
	if err != nil {
		return nil, err
	}
	s.waits, s.buffers = append(s.waits, wait), append(s.buffers, b)
	if d := s.plan.on; d != nil {
		d.up += a.Memory()
	}
	return b, nil
}

// up starts to copy the elements of an array to a device.
func up(c *pjrt.Client, device int, a cpuexec.Array) (*pjrt.Buffer, func() error, error) {
	shape := []int(a.Shape)
	if shape == nil {
		shape = []int{a.Len()}
	}
	switch {
	case a.I != nil:
		return pjrt.StartToDevice(c, device, a.I, shape...)
	case a.Bytes() != nil:
		return pjrt.StartToDevice(c, device, a.Bytes(), shape...)
	}
	return pjrt.StartToDevice(c, device, a.F, shape...)
}

// start starts a program.
func (s *stream) start(e *pjrt.Executable, args [][]*pjrt.Buffer) ([][]*pjrt.Buffer, error) {
	out, wait, err := e.Start(args)
	if err != nil {
		return nil, err
	}
	s.waits, s.buffers = append(s.waits, wait), append(s.buffers, slices.Concat(out...)...)
	return out, nil
}

// down copies a buffer to the host, once it is computed.
func (s *stream) down(b *pjrt.Buffer, to []float32) error {
	if d := s.plan.on; d != nil {
		d.down += 4 * int64(len(to))
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
