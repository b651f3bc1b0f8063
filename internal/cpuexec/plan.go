package cpuexec

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"unnas/internal/cpu"
	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

// Options choose what Compile does.
type Options struct {
	// Recompute trades time for memory: maps that would lie idle for long are computed
	// again. Results keep all their bits.
	Recompute bool
	// BFloat16 stores maps that would lie idle for long as bfloat16, and rounds the operands
	// of the products of convolutions to it.
	BFloat16 bool
	// Overwrite lets the new value of a state overwrite the old one during the run, where
	// nothing reads that any more: then it takes no memory, and is not copied. Every run
	// then updates the states, and leaves them undefined if it fails.
	Overwrite bool
	// Workers is the size of the pool that the plan is for; 0 is the number of cores that
	// the process may use. Results do not depend on it, nor on the size of the pool; the
	// memory does, a little, since steps that run at the same time keep more.
	Workers int
}

// A Plan is a program with its steps' kernels and a layout of its values in memory.
type Plan struct {
	program           *ir.Program
	levels            pass.Levels
	kernels           []Kernel // of the steps; nil for a Host
	layout            pass.Layout
	overwritten       map[*ir.Value]*ir.Value // new values of states in the memory of old ones, which they give
	foreign           int                     // floats of the results of other libraries
	perWorker, shared int                     // floats of scratch memory, of each worker and of a step
	together          int                     // as shared, of a step that runs with others
}

// Compile plans a program. It leaves the program as it is. Where the environment variable
// UNNAS_DUMP names a directory, it writes the program after each pass there.
func Compile(p *ir.Program, o Options) (*Plan, error) {
	if cpu.Err != nil {
		return nil, fmt.Errorf("cpuexec: %w", cpu.Err)
	}
	for _, s := range p.Steps {
		if _, ok := s.Op.(Host); ok {
			continue
		}
		if _, err := kernelOf(s.Op); err != nil {
			return nil, fmt.Errorf("cpuexec: %s: %w", s.Name, err)
		}
	}
	d, err := newDump()
	if err != nil {
		return nil, err
	}
	d.write("program", p)
	for _, t := range passes(o) {
		p = t.apply(p)
		d.write(t.name, p)
	}
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ahead := workers * workers
	if workers == 1 {
		ahead = 0
	}
	p, levels := pass.Schedule(p, traits, ahead)
	d.write("schedule", p)
	if d.err != nil {
		return nil, fmt.Errorf("cpuexec: UNNAS_DUMP: %w", d.err)
	}
	var overwritten map[*ir.Value]*ir.Value
	if o.Overwrite {
		overwritten = pass.InPlace(p, levels, traits)
	}
	return newPlan(p, levels, overwritten)
}

// transformation is a pass.
type transformation struct {
	name  string
	apply func(p *ir.Program) *ir.Program
}

// passes returns the passes over a program, in order.
func passes(o Options) []transformation {
	with := func(f func(*ir.Program, pass.Target) *ir.Program) func(*ir.Program) *ir.Program {
		return func(p *ir.Program) *ir.Program { return f(p, traits) }
	}
	list := []transformation{
		{"merge", with(pass.Merge)},
		{"epilogues", with(pass.Epilogues)},
		{"prune", with(pass.Prune)},
		{"defer", with(pass.Defer)},
		{"siblings", pass.FuseSiblings},
	}
	if o.Recompute {
		list = append(list, transformation{"rematerialise", with(pass.Rematerialise)})
	}
	if o.BFloat16 {
		list = append(list, transformation{"round", pass.RoundOperands}, transformation{"compress", pass.Compress})
	}
	return list
}

// traits are those of the kernel of a step.
func traits(s *ir.Step) pass.Traits {
	k, err := kernelOf(s.Op)
	if err != nil {
		return pass.Traits{} // of a Host
	}
	return k.Traits(ir.Shapes(s.In))
}

func newPlan(p *ir.Program, levels pass.Levels, overwritten map[*ir.Value]*ir.Value) (*Plan, error) {
	spans := levels.Widen(pass.Liveness(p))
	for v := range overwritten {
		delete(spans, v)
	}
	plan := &Plan{program: p, levels: levels, kernels: make([]Kernel, len(p.Steps)), layout: pass.Assign(p, spans), overwritten: overwritten}
	with := levels.Company()
	for i, s := range p.Steps {
		if v := s.Out[0]; v != nil && v.Source == ir.Foreign {
			plan.foreign += pass.Floats(v)
			continue
		}
		k, err := kernelOf(s.Op)
		if err != nil {
			return nil, fmt.Errorf("cpuexec: %s: %w", s.Name, err)
		}
		plan.kernels[i] = k
		if scratch := k.Traits(ir.Shapes(s.In)).Scratch; scratch != nil {
			perWorker, shared := scratch()
			plan.perWorker, plan.shared = max(plan.perWorker, perWorker), max(plan.shared, shared)
			if with[i] {
				plan.together = max(plan.together, shared)
			}
		}
	}
	return plan, nil
}

// Bytes returns the memory that an executable of the plan takes on a pool of workers,
// besides inputs and results. Values of other libraries, which are made anew in every
// run, count once.
func (p *Plan) Bytes(workers int) int64 {
	return 4 * (int64(p.layout.Size) + int64(p.foreign) + int64(p.perWorker)*int64(workers) + int64(p.shared) + int64(p.together)*int64(workers-1))
}

// Program returns the program after all passes.
func (p *Plan) Program() *ir.Program { return p.program }

// An Arena is memory for the values of a run. Executables that never run at the same
// time can share one.
type Arena struct{ floats []float32 }

// NewArena returns an arena that is large enough for each of the plans.
func NewArena(plans ...*Plan) *Arena {
	size := 0
	for _, p := range plans {
		size = max(size, p.layout.Size)
	}
	return &Arena{kernel.Floats(size)}
}

// dump writes programs to a directory.
type dump struct {
	dir    string // "" writes nothing
	number int    // of files
	err    error
}

// dumps counts the programs that were written by this process.
var dumps atomic.Int64

func newDump() (*dump, error) {
	d := &dump{}
	if dir := os.Getenv("UNNAS_DUMP"); dir != "" {
		d.dir = filepath.Join(dir, fmt.Sprintf("%03d", dumps.Add(1)))
		if err := os.MkdirAll(d.dir, 0o755); err != nil {
			return nil, fmt.Errorf("cpuexec: UNNAS_DUMP: %w", err)
		}
	}
	return d, nil
}

// write writes the program after a pass.
func (d *dump) write(name string, p *ir.Program) {
	if d.dir == "" || d.err != nil {
		return
	}
	d.err = os.WriteFile(filepath.Join(d.dir, fmt.Sprintf("%d-%s.txt", d.number, name)), []byte(p.String()), 0o644)
	d.number++
}
