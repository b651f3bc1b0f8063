package cpuexec_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/ir/irtest"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

// toy is an operator with a kernel of its own. Its outputs have the given shapes; without
// any, one output has that of input 0.
type toy struct {
	name   string
	out    []ir.Shape
	traits pass.Traits
	run    func(c *cpuexec.Context, out, in []cpuexec.Array) error
}

func (o toy) String() string { return o.name }

func (o toy) Infer(in []ir.Shape) ([]ir.Shape, error) {
	if o.out == nil {
		return in[:1], nil
	}
	return o.out, nil
}

func (o toy) Traits([]ir.Shape) pass.Traits { return o.traits }

func (o toy) Run(c *cpuexec.Context, out, in []cpuexec.Array) error { return o.run(c, out, in) }

// double multiplies a map by two.
var double = toy{name: "Double", run: func(c *cpuexec.Context, out, in []cpuexec.Array) error {
	c.Pool.ParallelFor(len(in[0].F), func(_ *kernel.Worker, i int) { out[0].F[i] = 2 * in[0].F[i] })
	return nil
}}

// host is an operator of another library, whose values are *[]float32.
type host struct {
	name string
	call func(in []cpuexec.Array) (any, error)
}

func (o host) String() string { return o.name }

func (host) Infer(in []ir.Shape) ([]ir.Shape, error) { return in[:1], nil }

func (o host) Call(in []cpuexec.Array) (any, error) { return o.call(in) }

func (host) Convert(value any) (cpuexec.Array, error) {
	v, ok := value.(*[]float32)
	if !ok {
		return cpuexec.Array{}, errors.New("not a list of numbers")
	}
	return cpuexec.Array{Shape: ir.Shape{len(*v)}, F: *v}, nil
}

// numbersOf returns what a host reads of an array.
func numbersOf(a cpuexec.Array) []float32 {
	if v, ok := a.Foreign.(*[]float32); ok {
		return *v
	}
	return a.F
}

// hostOf returns the result of an operator of another library.
func hostOf(p *irtest.Program, name string, call func(in []cpuexec.Array) (any, error), in ...*ir.Value) *ir.Value {
	v := p.Op(host{name, call}, in...)
	v.Source = ir.Foreign
	return v
}

// executable is a plan with memory.
type executable struct {
	*cpuexec.Executable
	arena   *cpuexec.Arena
	results [][]float32
}

// bind gives a plan memory of its own.
func bind(t testing.TB, plan *cpuexec.Plan, workers int) *executable {
	t.Helper()
	e := &executable{arena: cpuexec.NewArena(plan)}
	for _, v := range plan.Program().Results {
		var mem []float32
		if v.Type == ir.Float32 {
			mem = make([]float32, v.Shape.Size())
		}
		e.results = append(e.results, mem)
	}
	var err error
	e.Executable, err = plan.Bind(e.arena, kernel.NewThreadPool(workers), e.results)
	require.NoError(t, err)
	return e
}

// run runs the executable once on values for its inputs, in memory full of NaN, and
// returns copies of its results.
func (e *executable) run(t testing.TB, data []cpuexec.Array) [][]float32 {
	t.Helper()
	for i, a := range data {
		e.SetInput(i, a)
	}
	e.arena.Poison()
	for _, r := range e.results {
		cpuexec.Poison(r)
	}
	require.NoError(t, e.Run(false))
	var results [][]float32
	for _, r := range e.results {
		results = append(results, slices.Clone(r))
	}
	return results
}

// compile plans a program.
func compile(t testing.TB, p *ir.Program, o cpuexec.Options) *cpuexec.Plan {
	t.Helper()
	plan, err := cpuexec.Compile(p, o)
	require.NoError(t, err)
	return plan
}

// near fails unless both are equal but for rounding, as a part of the largest number.
func near(t testing.TB, want, got []float32, tolerance float64, of string) {
	t.Helper()
	require.Len(t, got, len(want), of)
	scale := 1.0
	for _, v := range want {
		scale = max(scale, math.Abs(float64(v)))
	}
	for i := range want {
		if !(math.Abs(float64(want[i])-float64(got[i])) <= tolerance*scale) {
			require.Fail(t, "different values", "%s: element %d is %v, want %v", of, i, got[i], want[i])
		}
	}
}
