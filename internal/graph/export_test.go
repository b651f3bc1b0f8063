package graph

import (
	"errors"
	"math"
	"reflect"

	"gorgonia.org/gorgonia"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

// Kept returns the floats of results without memory of the caller's.
func (p *Plan) Kept() int { return p.kept }

// Built returns the program that computes the wanted nodes of a graph, and the nodes of its
// inputs and results.
func Built(g *gorgonia.ExprGraph, o Options) (p *ir.Program, inputs, results []*gorgonia.Node, err error) {
	b, err := build(g, o)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, w := range b.plan.results {
		results = append(results, w.node)
	}
	return &b.program, b.plan.inputs, results, nil
}

// Poison fills all memory of a machine that a run must not depend on with NaN.
func (m *Machine) Poison(a *Arena, pool *kernel.ThreadPool) error {
	for _, w := range m.plan.results {
		fill(w.into)
	}
	for _, r := range m.results {
		if r.slot != nil {
			fill(r.slot.mem)
		}
	}
	return m.plan.Poison(a, pool)
}

// Sizes returns the floats of a plan in the arena, and in the scratch memory of each worker
// that is its own and that its loops share.
func (p *Plan) Sizes() (arena, perWorker, shared int) {
	of := reflect.ValueOf(p.Plan).Elem()
	return int(of.FieldByName("layout").FieldByName("Size").Int()), int(of.FieldByName("perWorker").Int()), int(of.FieldByName("shared").Int())
}

// Levels returns what may run at the same time.
func (p *Plan) Levels() (l pass.Levels) {
	of := reflect.ValueOf(p.Plan).Elem().FieldByName("levels")
	for i := range of.Len() {
		var groups []int
		for j := range of.Index(i).Len() {
			groups = append(groups, int(of.Index(i).Index(j).Int()))
		}
		l = append(l, groups)
	}
	return l
}

// Poison fills the memory of a plan in an arena, and scratch memory, with NaN. To reach it,
// it runs a program that makes as large a value there.
func (p *Plan) Poison(a *Arena, pool *kernel.ThreadPool) error {
	size, _, _ := p.Sizes()
	if size == 0 {
		return nil
	}
	var b ir.Builder
	first := b.Apply(poison{size}, nil...)[0]
	last := b.Apply(reader{}, first)[0]
	plan, err := cpuexec.Compile(&ir.Program{Steps: b.Steps, Results: []*ir.Value{last}}, cpuexec.Options{})
	if err != nil {
		return err
	}
	result := make([]float32, 1)
	e, err := plan.Bind(a.arena, pool, [][]float32{result})
	if err != nil {
		return err
	}
	if err := e.Run(false); err != nil {
		return err
	}
	if !math.IsNaN(float64(result[0])) {
		return errors.New("the arena is not full of NaN")
	}
	return nil
}

func fill(mem []float32) {
	for i := range mem {
		mem[i] = float32(math.NaN())
	}
}

// poison fills a value and scratch memory with NaN.
type poison struct{ size int }

func (poison) String() string { return "poison" }

func (k poison) Infer([]ir.Shape) ([]ir.Shape, error) { return []ir.Shape{{k.size}}, nil }

func (poison) Traits([]ir.Shape) pass.Traits { return pass.Traits{} }

func (poison) Run(c *cpuexec.Context, out, _ []cpuexec.Array) error {
	const scratch = 1 << 12
	fill(out[0].F)
	fill(c.Pool.Shared(scratch))
	c.Pool.ParallelFor(1000, func(w *kernel.Worker, _ int) { fill(w.Scratch(scratch)) })
	return nil
}

// reader is the last element of a value.
type reader struct{}

func (reader) String() string { return "reader" }

func (reader) Infer([]ir.Shape) ([]ir.Shape, error) { return []ir.Shape{{}}, nil }

func (reader) Traits([]ir.Shape) pass.Traits { return pass.Traits{} }

func (reader) Run(_ *cpuexec.Context, out, in []cpuexec.Array) error {
	out[0].F[0] = in[0].F[len(in[0].F)-1]
	return nil
}

// Sibling returns the node of output i of the operator of which n is an output.
func Sibling(n *gorgonia.Node, i int) *gorgonia.Node { return get(Operation(n), i) }
