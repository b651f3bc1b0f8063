package engine

import (
	"fmt"
	"slices"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/kernel"
)

// An Update is a program over vectors whose memory stays, such as a step of an optimiser.
// It is described by Vector, Numbers, Apply and Result, and then bound.
type Update struct {
	builder ir.Builder
	program ir.Program
	inputs  []cpuexec.Array
	results [][]float32
	numbers [][]float32 // those of the inputs that Run sets
	exec    interface{ Run(update bool) error }
}

// Vector adds an input in the memory of the caller. No other input may share it if the
// update gives it new values.
func (u *Update) Vector(name string, memory []float32) *ir.Value {
	a := cpuexec.Array{Shape: ir.Shape{len(memory)}, F: memory}
	v := &ir.Value{Name: name, Shape: a.Shape, Type: ir.Float32, Source: ir.External}
	u.program.Inputs, u.inputs = append(u.program.Inputs, v), append(u.inputs, a)
	return v
}

// Numbers adds an input of count numbers that each run is given.
func (u *Update) Numbers(name string, count int) *ir.Value {
	u.numbers = append(u.numbers, make([]float32, count))
	return u.Vector(name, u.numbers[len(u.numbers)-1])
}

// Apply adds a step and returns its outputs. Those that take the place of vectors are in
// their memory when the update has run.
func (u *Update) Apply(op ir.Op, in ...*ir.Value) []*ir.Value {
	out := u.builder.Apply(op, in...)
	u.builder.Steps[len(u.builder.Steps)-1].Name = fmt.Sprintf("%v of %s", op, in[0].Name)
	if s, ok := op.(ir.Stateful); ok {
		states := s.States()
		for i, v := range in {
			if o, ok := states[i]; ok && v.Source == ir.External {
				u.program.States = append(u.program.States, ir.State{In: v, Out: out[o]})
			}
		}
	}
	return out
}

// Result has a run write a value to memory of the caller.
func (u *Update) Result(v *ir.Value, memory []float32) {
	u.program.Results, u.results = append(u.program.Results, v), append(u.results, memory)
}

// Bind compiles the update to run where an engine keeps its parameters: on its device, or
// on the CPU.
func (u *Update) Bind(e *Engine) error {
	if !e.keeps() {
		return u.BindCPU(e.Pool)
	}
	u.program.Steps = u.builder.Steps
	plan, err := e.Device.Compile(&u.program)
	if err != nil {
		return err
	}
	exec := plan.Bind(u.results)
	before := e.Device.KeptBytes()
	for i, a := range u.inputs {
		if !slices.ContainsFunc(u.numbers, func(n []float32) bool { return len(a.F) > 0 && &n[0] == &a.F[0] }) {
			e.keep(a.F)
		}
		exec.SetInput(i, a)
	}
	u.exec = exec
	e.DeviceBytes += e.Device.KeptBytes() - before
	return e.Device.Fits(e.DeviceBytes)
}

// BindCPU compiles the update to run on a pool, on memory of the host.
func (u *Update) BindCPU(pool *kernel.ThreadPool) error {
	u.program.Steps = u.builder.Steps
	plan, err := cpuexec.Compile(&u.program, cpuexec.Options{Overwrite: true, Workers: pool.Size()})
	if err != nil {
		return err
	}
	exec, err := plan.Bind(cpuexec.NewArena(plan), pool, u.results)
	if err != nil {
		return err
	}
	for i, a := range u.inputs {
		exec.SetInput(i, a)
	}
	u.exec = exec
	return nil
}

// Run runs the update with the numbers that it is given, in the order of Numbers.
func (u *Update) Run(numbers ...float32) error {
	for _, to := range u.numbers {
		copy(to, numbers[:len(to)])
		numbers = numbers[len(to):]
	}
	if err := u.exec.Run(true); err != nil {
		return fmt.Errorf("darts: %w", err)
	}
	return nil
}
