package xla

import (
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
	if err == nil {
		return m.Total()
	}
	elements := p.floats + p.ints + p.size
	for _, i := range p.batch {
		elements += p.inputs[i].value.Shape.Size()
	}
	return 4 * int64(elements) // bytes count as much
}

// HostBytes returns the memory that an executable takes besides that of the devices.
func (p *Plan) HostBytes() int64 { return 4 * int64(len(p.devices)*(p.floats+p.ints+p.size)) }

// Close frees the compiled program at once; otherwise the garbage collector does.
func (p *Plan) Close() { p.exec.Close() }
