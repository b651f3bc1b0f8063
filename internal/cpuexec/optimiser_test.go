package cpuexec_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/ir/irtest"
	"unnas/internal/pass"
)

// element is a formula over the elements of vectors, and over numbers.
type element func(x, numbers []float64) []float64

// updates lists operators of optimisers with their formulas.
var updates = []struct {
	op      ir.Op
	vectors int
	numbers []float32
	formula element
}{
	{ir.SGD{Momentum: 0.75, Decay: 0.125}, 3, []float32{0.25}, func(x, n []float64) []float64 {
		v := 0.75*x[1] + x[2] + 0.125*x[0]
		return []float64{x[0] - n[0]*v, v}
	}},
	{ir.SGD{Momentum: 0.75, Decay: 0.125}, 3, []float32{0.25, 0.5}, func(x, n []float64) []float64 {
		v := 0.75*x[1] + n[1]*x[2] + 0.125*x[0]
		return []float64{x[0] - n[0]*v, v}
	}},
	{ir.SGD{Momentum: 0.75, Decay: 0.125, Nesterov: true}, 3, []float32{0.25, 0.5}, func(x, n []float64) []float64 {
		g := n[1]*x[2] + 0.125*x[0]
		v := 0.75*x[1] + g
		return []float64{x[0] - n[0]*(g+0.75*v), v}
	}},
	{ir.Adam{Beta1: 0.5, Beta2: 0.75, Epsilon: 0.125, Decay: 0.0625}, 4, []float32{0.25, 1.5}, func(x, n []float64) []float64 {
		g := x[3] + 0.0625*x[0]
		m, v := 0.5*x[1]+0.5*g, 0.75*x[2]+0.25*g*g
		return []float64{x[0] - n[0]*m/(n[1]*math.Sqrt(v)+0.125), m, v}
	}},
	{ir.Average{Decay: 0.875}, 2, nil, func(x, _ []float64) []float64 { return []float64{0.875*x[0] + 0.125*x[1]} }},
	{ir.Axpy{}, 2, []float32{-0.375}, func(x, n []float64) []float64 { return []float64{x[0] + n[0]*x[1]} }},
}

// update returns a program that applies an operator to random vectors of n elements, and to
// numbers.
func update(op ir.Op, vectors int, numbers []float32, n int) (*irtest.Program, *ir.Program) {
	p := irtest.NewProgram(7)
	var in []*ir.Value
	for i := range vectors {
		in = append(in, p.Normal(fmt.Sprint("vector ", i), 1, n))
	}
	each := 1
	if _, ok := op.(ir.Adam); ok {
		each = 2
		for i, x := range p.Data[2].F {
			p.Data[2].F[i] = x * x
		}
	}
	for x := range slices.Chunk(numbers, each) {
		in = append(in, p.Input("numbers", ir.Shape{each}, x...))
	}
	out := p.Outputs(op, in...)
	for i, o := range op.(ir.Stateful).States() {
		p.States = append(p.States, ir.State{In: in[i], Out: out[o]})
	}
	return p, p.Build()
}

// TestUpdates compares steps with their formulas in float64, for lengths on both sides of
// those of vector registers and tasks. Whether states are overwritten, and the number of
// workers, change no bit.
func TestUpdates(t *testing.T) {
	for _, c := range updates {
		for _, n := range []int{1, 15, 16, 17, 10007, 40009} {
			t.Run(fmt.Sprintf("%v %d, %d elements", c.op, len(c.numbers), n), func(t *testing.T) {
				var first [][]float32
				for _, workers := range []int{1, 2, 7} {
					for _, overwrite := range []bool{true, false} {
						p, q := update(c.op, c.vectors, c.numbers, n)
						want := make([][]float64, c.vectors)
						for i := range want {
							for _, x := range p.Data[i].F {
								want[i] = append(want[i], float64(x))
							}
						}
						plan := compile(t, q, cpuexec.Options{Workers: workers, Overwrite: overwrite})
						e := bind(t, plan, workers)
						if overwrite {
							assert.Zero(t, e.arena.Floats(), "memory besides the states")
						} else {
							assert.GreaterOrEqual(t, e.arena.Floats(), n*len(q.States))
						}
						for i, a := range p.Data {
							e.SetInput(i, a)
						}
						for range 3 {
							e.arena.Poison()
							require.NoError(t, e.Run(true))
							follow(c.formula, want, c.numbers)
						}
						var got [][]float32
						for i, w := range want {
							got = append(got, p.Data[i].F)
							for j, x := range w {
								require.InDelta(t, x, got[i][j], 2e-6*max(1, math.Abs(x)), "element %d of vector %d", j, i)
							}
						}
						if first == nil {
							first = got
						}
						require.Equal(t, first, got, "%d workers, overwrite %v", workers, overwrite)
					}
				}
			})
		}
	}
}

// follow takes a step on paper.
func follow(f element, vectors [][]float64, numbers []float32) {
	var all []float64
	for _, x := range numbers {
		all = append(all, float64(x))
	}
	x := make([]float64, len(vectors))
	for j := range vectors[0] {
		for i := range vectors {
			x[i] = vectors[i][j]
		}
		for i, y := range f(x, all) {
			vectors[i][j] = y
		}
	}
}

// TestUpdatesOfOneVector needs one output of a step alone, and no state.
func TestUpdatesOfOneVector(t *testing.T) {
	for _, c := range updates {
		for i := range c.op.(ir.Stateful).States() {
			p, _ := update(c.op, c.vectors, c.numbers, 19)
			p.States = nil
			got := bind(t, compile(t, p.Build(p.Steps[0].Out[i]), cpuexec.Options{Overwrite: true}), 1).run(t, p.Data)[0]
			for j := range got {
				var x, numbers []float64
				for k := range c.vectors {
					x = append(x, float64(p.Data[k].F[j]))
				}
				for _, n := range c.numbers {
					numbers = append(numbers, float64(n))
				}
				require.InDelta(t, c.formula(x, numbers)[i], got[j], 2e-6, "%v, element %d of output %d", c.op, j, i)
			}
		}
	}
}

// TestNorms compares norms and the factors that clip them with sums in float64.
func TestNorms(t *testing.T) {
	for _, n := range []int{1, 15, 16, 17, 10007, 40009} {
		var first [][]float32
		for _, workers := range []int{1, 2, 7} {
			p := irtest.NewProgram(3)
			g := p.Normal("g", 2, n)
			var squares float64
			for _, x := range p.Data[0].F {
				squares += float64(x) * float64(x)
			}
			want := math.Sqrt(squares)
			norm := p.Op(ir.Norm{}, g)
			long, short := p.Op(ir.ClipFactor{Limit: want / 4}, g), p.Op(ir.ClipFactor{Limit: 2 * want}, g)
			got := bind(t, compile(t, p.Build(norm, long, short), cpuexec.Options{Workers: workers}), workers).run(t, p.Data)
			parts := got[0]
			assert.InEpsilon(t, want, float64(parts[0])+float64(parts[1])+float64(parts[2]), 1e-13, "%d elements", n)
			assert.InEpsilon(t, want/4/(want+1e-6), got[1][0], 1e-7, "%d elements", n)
			assert.Equal(t, float32(1), got[2][0])
			if first == nil {
				first = got
			}
			assert.Equal(t, first, got, "%d workers", workers)
		}
	}
	for _, c := range []struct {
		g      float32
		norm   float64 // to the last bit
		factor float32
	}{
		{0, 0, 1},
		{1, math.Sqrt2, float32(math.Sqrt2 / 2 / (math.Sqrt2 + 1e-6))},
		{math.MaxFloat32, math.Inf(1), 0.5 / math.MaxFloat32},
	} {
		p := irtest.NewProgram(1)
		g := p.Input("g", ir.Shape{2}, c.g, c.g)
		got := bind(t, compile(t, p.Build(p.Op(ir.Norm{}, g), p.Op(ir.ClipFactor{Limit: math.Sqrt2 / 2}, g)), cpuexec.Options{}), 1).run(t, p.Data)
		assert.Equal(t, c.norm, float64(got[0][0])+float64(got[0][1])+float64(got[0][2]))
		assert.Equal(t, c.factor, got[1][0])
	}
}

// TestOverwrite holds that states are overwritten where they lie, and only by runs that
// update them.
func TestOverwrite(t *testing.T) {
	p := irtest.NewProgram(1)
	w, x, a := p.Input("w", ir.Shape{2}, 1, 2), p.Input("x", ir.Shape{2}, 10, 20), p.Input("a", ir.Shape{1}, 1)
	next := p.Op(ir.Axpy{}, w, x, a)
	p.States = []ir.State{{In: w, Out: next}}
	e := bind(t, compile(t, p.Build(p.Op(ir.Sum{}, next, x)), cpuexec.Options{Workers: 1, Overwrite: true}), 1)
	assert.Zero(t, e.arena.Floats())
	for i, in := range p.Data {
		e.SetInput(i, in)
	}
	require.NoError(t, e.Run(true))
	assert.Equal(t, []float32{11, 22}, p.Data[0].F)
	assert.Equal(t, []float32{21, 42}, e.results[0], "the next step reads the new value")
	other := []float32{5, 6}
	e.SetInput(0, cpuexec.Array{Shape: ir.Shape{2}, F: other})
	require.NoError(t, e.Run(true))
	assert.Equal(t, []float32{15, 26}, other)
	assert.Equal(t, []float32{25, 46}, e.results[0])
	assert.Equal(t, []float32{11, 22}, p.Data[0].F, "memory that is no input any more")
	assert.Zero(t, testing.AllocsPerRun(10, func() { _ = e.Run(true) }))

	const refusal = "cpuexec: the program overwrites its states, so that every run updates them"
	before := slices.Clone(other)
	assert.EqualError(t, e.Run(false), refusal)
	_, err := e.Measure(1)
	assert.EqualError(t, err, refusal)
	assert.Equal(t, before, other)

	// A state that is not overwritten is copied, as without the option.
	p.Data[0].F[0], p.Data[0].F[1] = 1, 2
	e = bind(t, compile(t, p.Build(p.Op(ir.Sum{}, next, w)), cpuexec.Options{Workers: 1, Overwrite: true}), 1)
	for i, in := range p.Data {
		e.SetInput(i, in)
	}
	require.NoError(t, e.Run(false))
	assert.Equal(t, []float32{1, 2}, p.Data[0].F)
	require.NoError(t, e.Run(true))
	assert.Equal(t, []float32{11, 22}, p.Data[0].F)
	assert.Equal(t, []float32{12, 24}, e.results[0])
}

// swing is a toy with two outputs that can take the memory of its inputs.
var swing = toy{
	name: "Swing", traits: pass.Traits{All: true, InPlace: []int{0, 1}}, out: []ir.Shape{{5}, {5}},
	run: func(_ *cpuexec.Context, out, in []cpuexec.Array) error {
		for i, x := range in[0].F {
			y := in[1].F[i]
			out[0].F[i], out[1].F[i] = (x+y)/2, (x-3*y)/4
		}
		return nil
	},
}

// mean is a toy that reads two values and overwrites none.
var mean = toy{name: "Mean", run: func(_ *cpuexec.Context, out, in []cpuexec.Array) error {
	for i := range out[0].F {
		out[0].F[i] = (in[0].F[i] + in[1].F[i]) / 2
	}
	return nil
}}

// TestRandomOverwrite runs random programs over states twice, with and without overwriting
// them.
func TestRandomOverwrite(t *testing.T) {
	saved := 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := irtest.NewProgram(seed)
		var values []*ir.Value
		latest := map[*ir.Value]*ir.Value{}
		for i := range 4 {
			values = append(values, p.Normal(fmt.Sprint("state ", i), 1, 5))
		}
		states := slices.Clone(values)
		for range 2 + r.IntN(6) {
			a, b := values[r.IntN(len(values))], values[r.IntN(len(values))]
			if r.IntN(2) == 0 {
				values = append(values, p.Op(mean, a, b))
				continue
			}
			out := p.Outputs(swing, a, b)
			latest[a], latest[b] = out[0], out[1]
			values = append(values, out...)
		}
		for _, s := range states {
			if latest[s] != nil && r.IntN(8) > 0 {
				p.States = append(p.States, ir.State{In: s, Out: latest[s]})
			}
		}
		q := p.Build(p.Op(mean, values[r.IntN(len(values))], values[r.IntN(len(values))]))
		start := map[*ir.Value][]float32{}
		for i, s := range states {
			start[s] = slices.Clone(p.Data[i].F)
		}
		var want []any
		floats := 0
		for _, o := range []cpuexec.Options{{Workers: 1}, {Workers: 1, Overwrite: true}, {Workers: 4, Overwrite: true}} {
			for i, s := range states {
				copy(p.Data[i].F, start[s])
			}
			e := bind(t, compile(t, q, o), o.Workers)
			for i, in := range p.Data {
				e.SetInput(i, in)
			}
			for range 2 {
				e.arena.Poison()
				require.NoError(t, e.Run(true))
			}
			got := []any{slices.Clone(e.results[0])}
			for _, in := range p.Data {
				got = append(got, slices.Clone(in.F))
			}
			if want == nil {
				want, floats = got, e.arena.Floats()
			} else if e.arena.Floats() < floats {
				saved++
			}
			require.Equal(t, want, got, "seed %d, %+v\n%v", seed, o, q)
		}
	}
	assert.Greater(t, saved, 200, "programs that overwrite a state")
}
