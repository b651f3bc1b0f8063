package cpuexec

import (
	"math"
	"slices"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

// Plain plans a program as it is, one step at a time. All of its deferred maps are stored.
func Plain(p *ir.Program) (*Plan, error) {
	return newPlan(p, slices.Repeat(pass.Levels{{1}}, len(p.Steps)), nil)
}

// KernelOf returns the kernel of an operator.
func KernelOf(op ir.Op) (Kernel, error) { return kernelOf(op) }

// Poison fills the arena with NaN.
func (a *Arena) Poison() { Poison(a.floats) }

// Floats returns the length of the arena.
func (a *Arena) Floats() int { return len(a.floats) }

// Poison fills memory with NaN.
func Poison(mem []float32) {
	for i := range mem {
		mem[i] = float32(math.NaN())
	}
}

// Sizes returns the floats of a plan in the arena, of the results of other libraries, and of
// the scratch memory of each worker.
func (p *Plan) Sizes() (arena, foreign, perWorker, shared int) {
	return p.layout.Size, p.foreign, p.perWorker, p.shared
}

// Levels returns the number of levels.
func (p *Plan) Levels() int { return len(p.levels) }

// SetCount is setCount.
var SetCount = setCount
