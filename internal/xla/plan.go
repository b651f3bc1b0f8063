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

// A Plan is a program compiled for a device.
type Plan struct {
	*lowered
	client *pjrt.Client
	device int
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
	plan.exec, err = compile(c, plan.text, pjrt.CompileOptions{Devices: []int{o.Device}, Flags: o.FlagsFor(c.Platform())}, o.Cache)
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
	floats  []float32
	ints    []int32
	out     []float32
	results []result
	states  []state
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
		floats: make([]float32, p.floats), ints: make([]int32, p.ints), out: make([]float32, p.size),
	}
	number := map[*ir.Value]int{}
	for i, s := range p.inputs {
		number[s.value] = i
		e.native[i] = s.at >= 0
	}
	memory := map[*ir.Value][]float32{}
	for _, s := range p.outputs {
		memory[s.value] = e.out[s.at : s.at+s.value.Shape.Size()]
	}
	for i, v := range p.program.Results {
		if v.Source == ir.External {
			in := number[v]
			e.native[in] = e.native[in] || results[i] != nil
			e.results = append(e.results, result{&e.now[in], results[i]})
			continue
		}
		e.results = append(e.results, result{&cpuexec.Array{Shape: v.Shape, F: memory[v]}, results[i]})
	}
	for _, s := range p.program.States {
		e.states = append(e.states, state{number[s.In], memory[s.Out]})
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

// Result returns result number i of the last run.
func (e *Executable) Result(i int) cpuexec.Array { return *e.results[i].array }

// Bytes returns the memory of the device that a run takes.
func (e *Executable) Bytes() int64 { return e.plan.Bytes() }

// Run runs the program. States take their new values if update is set.
func (e *Executable) Run(update bool) error {
	if err := e.pack(); err != nil {
		return err
	}
	if err := e.run(); err != nil {
		return fmt.Errorf("xla: %w", err)
	}
	for _, r := range e.results {
		copy(r.copy, r.array.F)
	}
	if update {
		for _, s := range e.states {
			copy(e.now[s.in].F, s.out)
		}
	}
	return nil
}

// pack copies the inputs to the memory of the arguments.
func (e *Executable) pack() error {
	for i, s := range e.plan.inputs {
		if s.at < 0 {
			continue
		}
		a, n := e.now[i], 0
		if s.value.Type == ir.Int32 {
			n = copy(e.ints[s.at:], a.I)
		} else {
			n = copy(e.floats[s.at:], a.F)
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
func (e *Executable) run() (err error) {
	var args []*pjrt.Buffer
	defer func() {
		for _, b := range args {
			b.Close()
		}
	}()
	var waits []func() error
	if len(e.floats) > 0 {
		b, wait, err := pjrt.StartToDevice(e.plan.client, e.plan.device, e.floats, len(e.floats))
		if err != nil {
			return err
		}
		args, waits = append(args, b), append(waits, wait)
	}
	if len(e.ints) > 0 {
		b, wait, err := pjrt.StartToDevice(e.plan.client, e.plan.device, e.ints, len(e.ints))
		if err != nil {
			return errors.Join(err, waitAll(waits))
		}
		args, waits = append(args, b), append(waits, wait)
	}
	out, err := e.plan.exec.Run([][]*pjrt.Buffer{args})
	if err = errors.Join(err, waitAll(waits)); err != nil {
		return err
	}
	defer out[0][0].Close()
	return pjrt.ToHost(out[0][0], e.out)
}

// waitAll waits for all copies to the device.
func waitAll(waits []func() error) error {
	var errs []error
	for _, wait := range waits {
		errs = append(errs, wait())
	}
	return errors.Join(errs...)
}
