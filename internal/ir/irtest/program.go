package irtest

import (
	"math/rand/v2"
	"slices"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
)

// A Program builds a program, with values for its inputs.
type Program struct {
	ir.Builder
	Inputs []*ir.Value
	Data   []cpuexec.Array
	States []ir.State
	Random *rand.Rand
}

// NewProgram returns an empty program, whose random numbers are those of a seed.
func NewProgram(seed uint64) *Program { return &Program{Random: rand.New(rand.NewPCG(seed, 5))} }

// Add adds an input with a value.
func (p *Program) Add(name string, t ir.Type, a cpuexec.Array) *ir.Value {
	v := &ir.Value{Name: name, Shape: a.Shape, Type: t, Source: ir.External}
	p.Inputs, p.Data = append(p.Inputs, v), append(p.Data, a)
	return v
}

// Input adds an input of given numbers.
func (p *Program) Input(name string, shape ir.Shape, data ...float32) *ir.Value {
	return p.Add(name, ir.Float32, cpuexec.Array{Shape: shape, F: data})
}

// Normal adds an input of random numbers with a standard deviation.
func (p *Program) Normal(name string, deviation float64, shape ...int) *ir.Value {
	data := make([]float32, ir.Shape(shape).Size())
	for i := range data {
		data[i] = float32(deviation * p.Random.NormFloat64())
	}
	return p.Input(name, shape, data...)
}

// Op returns output 0 of an operator. Its step has the name of the operator.
func (p *Program) Op(op ir.Op, in ...*ir.Value) *ir.Value { return p.Outputs(op, in...)[0] }

// Outputs returns all outputs of an operator.
func (p *Program) Outputs(op ir.Op, in ...*ir.Value) []*ir.Value {
	out := p.Apply(op, in...)
	p.Steps[len(p.Steps)-1].Name = op.String()
	return out
}

// Build returns the program with given results.
func (p *Program) Build(results ...*ir.Value) *ir.Program {
	return &ir.Program{Inputs: p.Inputs, States: p.States, Steps: p.Steps, Results: results}
}

// Gradients adds the gradients of a scalar with respect to values, by a reverse sweep.
func (p *Program) Gradients(loss *ir.Value, wrt ...*ir.Value) []*ir.Value {
	parts := map[*ir.Value][]*ir.Value{loss: {p.Input("one", ir.Shape{}, 1)}}
	sum := func(v *ir.Value) *ir.Value {
		if len(parts[v]) == 1 {
			return parts[v][0]
		}
		return p.Op(ir.Sum{}, parts[v]...)
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
