package cpuexec_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
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

// program builds a program, with values for its inputs.
type program struct {
	ir.Builder
	inputs []*ir.Value
	data   []cpuexec.Array
	states []ir.State
	random *rand.Rand
}

func newProgram(seed uint64) *program { return &program{random: rand.New(rand.NewPCG(seed, 5))} }

// add adds an input with a value.
func (p *program) add(name string, t ir.Type, a cpuexec.Array) *ir.Value {
	v := &ir.Value{Name: name, Shape: a.Shape, Type: t, Source: ir.External}
	p.inputs, p.data = append(p.inputs, v), append(p.data, a)
	return v
}

// input adds an input of given numbers.
func (p *program) input(name string, shape ir.Shape, data ...float32) *ir.Value {
	return p.add(name, ir.Float32, cpuexec.Array{Shape: shape, F: data})
}

// normal adds an input of random numbers with a standard deviation.
func (p *program) normal(name string, deviation float64, shape ...int) *ir.Value {
	data := make([]float32, ir.Shape(shape).Size())
	for i := range data {
		data[i] = float32(deviation * p.random.NormFloat64())
	}
	return p.input(name, shape, data...)
}

// apply returns output 0 of an operator. Its step has the name of the operator.
func (p *program) apply(op ir.Op, in ...*ir.Value) *ir.Value { return p.outputs(op, in...)[0] }

func (p *program) outputs(op ir.Op, in ...*ir.Value) []*ir.Value {
	out := p.Apply(op, in...)
	p.Steps[len(p.Steps)-1].Name = op.String()
	return out
}

// host returns the result of an operator of another library.
func (p *program) host(name string, call func(in []cpuexec.Array) (any, error), in ...*ir.Value) *ir.Value {
	v := p.apply(host{name, call}, in...)
	v.Source = ir.Foreign
	return v
}

// build returns the program with given results.
func (p *program) build(results ...*ir.Value) *ir.Program {
	return &ir.Program{Inputs: p.inputs, States: p.states, Steps: p.Steps, Results: results}
}

// gradients adds the gradients of a scalar with respect to values, by a reverse sweep.
func (p *program) gradients(loss *ir.Value, wrt ...*ir.Value) []*ir.Value {
	parts := map[*ir.Value][]*ir.Value{loss: {p.input("one", ir.Shape{}, 1)}}
	sum := func(v *ir.Value) *ir.Value {
		if len(parts[v]) == 1 {
			return parts[v][0]
		}
		return p.apply(ir.Sum{}, parts[v]...)
	}
	for _, s := range slices.Backward(slices.Clone(p.Steps)) {
		d, ok := s.Op.(ir.Differentiable)
		if !ok || len(parts[s.Out[0]]) == 0 {
			continue
		}
		for i, g := range d.Gradient(&p.Builder, s.In, s.Out, sum(s.Out[0])) {
			if g != nil {
				parts[s.In[i]] = append(parts[s.In[i]], g)
			}
		}
	}
	var gradients []*ir.Value
	for _, v := range wrt {
		gradients = append(gradients, sum(v))
	}
	return gradients
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
