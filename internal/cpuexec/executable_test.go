package cpuexec_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/ir/irtest"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

// trap is a toy that fails as its variable says.
func trap(how *string) toy {
	return toy{name: "Trap", run: func(c *cpuexec.Context, out, in []cpuexec.Array) error {
		copy(out[0].F, in[0].F)
		switch *how {
		case "error":
			return errors.New("sprung")
		case "panic":
			panic("sprung")
		case "panic of a worker":
			c.Pool.ParallelFor(1000, func(_ *kernel.Worker, i int) {
				if i == 500 {
					panic("sprung")
				}
			})
		}
		return nil
	}}
}

// TestFailures names the step that fails, among others at the same time, and runs the same
// executable again.
func TestFailures(t *testing.T) {
	for _, workers := range []int{1, 3} {
		for _, how := range []string{"error", "panic", "panic of a worker", "error of a host", "panic of a host"} {
			t.Run(fmt.Sprintf("%s, %d workers", how, workers), func(t *testing.T) {
				now := ""
				p := irtest.NewProgram(1)
				x := p.Input("x", ir.Shape{6}, 1, 2, 3, 4, 5, 6)
				one := p.Op(trap(&now), x)
				p.Steps[0].Name = "Trap of a weight"
				two := hostOf(p, "Host", func(in []cpuexec.Array) (any, error) {
					switch now {
					case "error of a host":
						return nil, errors.New("sprung")
					case "panic of a host":
						panic("sprung")
					}
					v := []float32{1, 1, 1, 1, 1, 1}
					return &v, nil
				}, x)
				e := bind(t, compile(t, p.Build(p.Op(ir.Sum{}, one, p.Op(double, x), two)), cpuexec.Options{Workers: workers}), workers)
				for range 2 {
					now = how
					e.SetInput(0, p.Data[0])
					err := e.Run(true)
					want := map[string]string{
						"error": "Trap of a weight: sprung", "panic": "Trap of a weight failed: sprung",
						"panic of a worker": "Trap of a weight failed: sprung",
						"error of a host":   "Host: sprung", "panic of a host": "Host failed: sprung",
					}[how]
					assert.EqualError(t, err, want)
					now = ""
					assert.Equal(t, []float32{4, 7, 10, 13, 16, 19}, e.run(t, p.Data)[0])
				}
			})
		}
	}
}

// TestFailureOfTheFirst names the first of two steps at the same time that fail.
func TestFailureOfTheFirst(t *testing.T) {
	how := "error"
	p := irtest.NewProgram(1)
	x := p.Input("x", ir.Shape{2}, 1, 2)
	a, b := p.Op(trap(&how), x), p.Op(trap(&how), x)
	p.Steps[0].Name, p.Steps[1].Name = "First", "Second"
	e := bind(t, compile(t, p.Build(p.Op(ir.Sum{}, a, b)), cpuexec.Options{Workers: 4}), 4)
	e.SetInput(0, p.Data[0])
	for range 20 {
		assert.EqualError(t, e.Run(true), "First: sprung")
	}
}

// TestInputs holds that the memory of inputs is read anew in every run, and may change.
func TestInputs(t *testing.T) {
	p := irtest.NewProgram(1)
	x := p.Input("x", ir.Shape{3}, 1, 2, 3)
	labels := p.Add("labels", ir.Int32, cpuexec.Array{Shape: ir.Shape{3}, I: []int32{7, -8, 9}})
	addLabels := toy{name: "AddLabels", run: func(_ *cpuexec.Context, out, in []cpuexec.Array) error {
		for i, l := range in[1].I {
			out[0].F[i] = in[0].F[i] + float32(l)
		}
		return nil
	}}
	e := bind(t, compile(t, p.Build(p.Op(addLabels, x, labels)), cpuexec.Options{}), 1)
	assert.Equal(t, []float32{8, -6, 12}, e.run(t, p.Data)[0])
	p.Data[0].F[0] = 100
	require.NoError(t, e.Run(true))
	assert.Equal(t, []float32{107, -6, 12}, e.results[0])
	e.SetInput(0, cpuexec.Array{Shape: ir.Shape{3}, F: []float32{0, 0, 0}})
	require.NoError(t, e.Run(true))
	assert.Equal(t, []float32{7, -8, 9}, e.results[0])
	assert.True(t, e.Native(0))
	assert.True(t, e.Native(1))
}

// TestResults copies results of all kinds to the memory of the caller.
func TestResults(t *testing.T) {
	p := irtest.NewProgram(1)
	x := p.Input("x", ir.Shape{3}, 1, 2, 3)
	y := p.Op(double, x)
	z := hostOf(p, "Host", func(in []cpuexec.Array) (any, error) {
		v := []float32{}
		for _, f := range numbersOf(in[0]) {
			v = append(v, f+10)
		}
		return &v, nil
	}, y)
	plan := compile(t, p.Build(y, x, z, y, p.Op(double, y)), cpuexec.Options{})
	e := bind(t, plan, 1)
	assert.Equal(t, [][]float32{{2, 4, 6}, {1, 2, 3}, {12, 14, 16}, {2, 4, 6}, {4, 8, 12}}, e.run(t, p.Data))
	for i := range e.results {
		assert.Equal(t, e.results[i], e.Result(i).F)
	}
	assert.IsType(t, new([]float32), e.Result(2).Foreign)
	assert.Equal(t, []float32{1, 2, 3}, p.Data[0].F)

	// Without memory, results of a host and inputs are only looked at.
	arena := cpuexec.NewArena(plan)
	bare, err := plan.Bind(arena, kernel.NewThreadPool(1), [][]float32{e.results[0], nil, nil, e.results[3], e.results[4]})
	require.NoError(t, err)
	bare.SetInput(0, p.Data[0])
	require.NoError(t, bare.Run(true))
	assert.Equal(t, []float32{1, 2, 3}, bare.Result(1).F)
	assert.Equal(t, []float32{12, 14, 16}, *bare.Result(2).Foreign.(*[]float32))
	assert.Nil(t, bare.Result(2).F, "a value that kernels do not read is not converted")
}

// TestStates keeps new values of states if they are to be updated.
func TestStates(t *testing.T) {
	p := irtest.NewProgram(1)
	state := p.Input("state", ir.Shape{2}, 1, 2)
	next := p.Op(double, state)
	p.States = []ir.State{{In: state, Out: next}}
	for _, results := range [][]*ir.Value{{p.Op(ir.Sum{}, state, next)}, {p.Op(ir.Sum{}, state, next), next}} {
		p.Data[0].F[0], p.Data[0].F[1] = 1, 2
		e := bind(t, compile(t, p.Build(results...), cpuexec.Options{}), 1)
		e.SetInput(0, p.Data[0])
		for _, c := range []struct {
			update       bool
			sum, becomes []float32
		}{
			{false, []float32{3, 6}, []float32{1, 2}},
			{true, []float32{3, 6}, []float32{2, 4}},
			{true, []float32{6, 12}, []float32{4, 8}},
			{false, []float32{12, 24}, []float32{4, 8}},
		} {
			require.NoError(t, e.Run(c.update))
			assert.Equal(t, c.sum, e.results[0])
			assert.Equal(t, c.becomes, p.Data[0].F)
		}
	}
}

// TestMomentsAlone keeps the statistics of maps that are needed for nothing else.
func TestMomentsAlone(t *testing.T) {
	window := ir.Square(3, 1, 1, 1)
	for _, c := range []struct {
		name  string
		apply func(p *irtest.Program, x *ir.Value) *ir.Value
	}{
		{"convolution", func(p *irtest.Program, x *ir.Value) *ir.Value {
			return p.Op(ir.Conv{Out: 4, Window: window}, x, p.Normal("w", 1, 3, 3, 4, 4))
		}},
		{"separable convolution", func(p *irtest.Program, x *ir.Value) *ir.Value {
			return p.Op(ir.SeparableConv{Windows: []ir.Window{window}}, x, p.Normal("d", 1, 3, 3, 1, 4), p.Normal("p", 1, 1, 1, 4, 4))
		}},
		{"reduction", func(p *irtest.Program, x *ir.Value) *ir.Value {
			return p.Op(ir.FactorizedReduce{Out: 4}, x, p.Normal("w", 1, 1, 1, 4, 2), p.Normal("w", 1, 1, 1, 4, 2))
		}},
		{"max pooling", func(p *irtest.Program, x *ir.Value) *ir.Value {
			return p.Op(ir.Pool{Window: window, Max: true}, x)
		}},
		{"average pooling", func(p *irtest.Program, x *ir.Value) *ir.Value { return p.Op(ir.Pool{Window: window}, x) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := irtest.NewProgram(1)
			x := p.Normal("x", 1, 2, 5, 4, 4)
			moments := p.Op(ir.Moments{}, c.apply(p, x))
			q := p.Build(p.Op(double, moments))
			plain, err := cpuexec.Plain(q)
			require.NoError(t, err)
			want := bind(t, plain, 1).run(t, p.Data)
			near(t, want[0], bind(t, compile(t, q, cpuexec.Options{}), 1).run(t, p.Data)[0], 1e-6, "moments")
		})
	}
}

// TestHosts passes values to operators of other libraries as those know them, and converts
// results that kernels read.
func TestHosts(t *testing.T) {
	p := irtest.NewProgram(1)
	known := []float32{5, 6}
	x := p.Add("x", "numbers", cpuexec.Array{Foreign: &known})
	x.Shape = ir.Shape{2}
	y := p.Input("y", ir.Shape{2}, 1, 2)
	var got []any
	add := func(in []cpuexec.Array) (any, error) {
		v := []float32{0, 0}
		for _, a := range in {
			got = append(got, a.Foreign)
			for i, f := range numbersOf(a) {
				v[i] += f
			}
		}
		return &v, nil
	}
	a := hostOf(p, "A", add, x, p.Op(double, y))
	b := hostOf(p, "B", add, a, a)
	c := hostOf(p, "C", add, b, y)
	e := bind(t, compile(t, p.Build(p.Op(double, c)), cpuexec.Options{Workers: 1}), 1)
	assert.False(t, e.Native(0), "only a host reads it")
	assert.True(t, e.Native(1), "a kernel reads it, then a host")
	assert.Equal(t, [][]float32{{2 * (2*7 + 1), 2 * (2*10 + 2)}}, e.run(t, p.Data))
	require.Len(t, got, 6)
	assert.Same(t, &known, got[0])
	assert.Nil(t, got[1], "a value that a kernel makes")
	assert.Same(t, got[2], got[3])

	p = irtest.NewProgram(1)
	bad := hostOf(p, "Bad", func([]cpuexec.Array) (any, error) { return 7, nil }, p.Input("x", ir.Shape{2}, 1, 2))
	e = bind(t, compile(t, p.Build(p.Op(double, bad)), cpuexec.Options{}), 1)
	e.SetInput(0, p.Data[0])
	assert.EqualError(t, e.Run(true), "Bad: not a list of numbers")
}

// TestArenas shares one arena between plans.
func TestArenas(t *testing.T) {
	chain := func(size int) *cpuexec.Plan {
		p := irtest.NewProgram(1)
		return compile(t, p.Build(p.Op(double, p.Op(double, p.Normal("x", 1, size)))), cpuexec.Options{})
	}
	small, large := chain(30), chain(90)
	assert.Equal(t, 96, cpuexec.NewArena(small, large).Floats())
	assert.Equal(t, 96, cpuexec.NewArena(large, small).Floats())
	assert.Equal(t, 0, cpuexec.NewArena().Floats())
	_, err := large.Bind(cpuexec.NewArena(small), kernel.NewThreadPool(1), nil)
	assert.EqualError(t, err, "cpuexec: the plan needs an arena of 384 bytes, this one has 128; list the plan in NewArena")
}

// TestScratch gives kernels scratch memory of their own, which no other kernel overwrites.
func TestScratch(t *testing.T) {
	const size = 300
	scratch := toy{
		name:   "Scratch",
		traits: pass.Traits{Scratch: func() (perWorker, shared int) { return 7, size }},
		run: func(c *cpuexec.Context, out, in []cpuexec.Array) error {
			shared, sums, floats := c.Pool.Shared(size), c.Sums(size), c.Floats(size)
			c.Pool.ParallelFor(size, func(w *kernel.Worker, i int) {
				own := w.Scratch(7)
				for j := range own {
					own[j] = in[0].F[i]
				}
				shared[i], sums[i], floats[i] = own[6], float64(own[5]), own[4]
			})
			for i := range out[0].F {
				out[0].F[i] = shared[i] + float32(sums[i]) + floats[i]
			}
			return nil
		},
	}
	p := irtest.NewProgram(1)
	var terms []*ir.Value
	for i := range 12 {
		terms = append(terms, p.Op(scratch, p.Normal(fmt.Sprint("x", i), 1, size)))
	}
	for _, workers := range []int{1, 2, 7} {
		plan := compile(t, p.Build(terms...), cpuexec.Options{Workers: workers})
		_, _, perWorker, shared := plan.Sizes()
		assert.Equal(t, []int{7, size}, []int{perWorker, shared})
		for range 10 {
			for i, got := range bind(t, plan, workers).run(t, p.Data) {
				for j, v := range p.Data[i].F {
					require.Equal(t, v+v+v, got[j], "element %d of result %d, %d workers", j, i, workers)
				}
			}
		}
	}
}

// TestCoefficients hands all coefficients of a deferred map to its reader.
func TestCoefficients(t *testing.T) {
	shape := ir.Shape{2, 3}
	rounded := toy{
		name: "Rounded", out: []ir.Shape{shape, {4, 3}},
		traits: pass.Traits{Defers: func(i int) (pass.Deferral, bool) {
			return pass.Deferral{P: 0, Q: 1, Coef: 1, Shift: true, Compensated: true}, i == 0
		}},
		run: func(_ *cpuexec.Context, out, _ []cpuexec.Array) error {
			for i := range out[1].F {
				out[1].F[i] = float32(i/3*10 + i%3)
			}
			return nil
		},
	}
	coefficients := toy{
		name: "Coefficients", out: []ir.Shape{{18 + 2*6}},
		traits: pass.Traits{Reads: []ir.Form{ir.Affine}},
		run: func(_ *cpuexec.Context, out, in []cpuexec.Array) error {
			m := in[0].AsMap()
			to := out[0].F[:0]
			for _, part := range [][]float32{m.A, m.B, m.D, m.E, m.P, m.Q} {
				to = append(to, part...)
			}
			return nil
		},
	}
	p := irtest.NewProgram(1)
	x := p.Op(double, p.Input("x", shape, 1, 2, 3, 4, 5, 6))
	y := p.Op(double, p.Input("y", shape, 7, 8, 9, 10, 11, 12))
	got := bind(t, compile(t, p.Build(p.Op(coefficients, p.Op(rounded, x, y))), cpuexec.Options{}), 1).run(t, p.Data)[0]
	assert.Equal(t, []float32{0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24}, got[:24])
	assert.True(t, math.IsNaN(float64(got[24])))
}

// TestContext holds that memory for a kernel is used again.
func TestContext(t *testing.T) {
	var c cpuexec.Context
	big := c.Floats(6)
	assert.Len(t, big, 6)
	small := c.Floats(4)
	assert.Len(t, small, 4)
	assert.Same(t, &big[0], &small[0])
	assert.Len(t, c.Floats(9), 9)
	assert.Len(t, c.Sums(5), 5)
	assert.Len(t, c.Sums(2), 2)
}

// TestArray shows arrays as maps.
func TestArray(t *testing.T) {
	plain := cpuexec.Array{Shape: ir.Shape{2, 3}, F: []float32{1, 2, 3, 4, 5, 6}}
	assert.True(t, plain.Needed())
	assert.Equal(t, kernel.Plain(2, 1, 1, 3, plain.F), plain.AsMap())
	deferred := cpuexec.Array{Shape: ir.Shape{2, 3}, Map: &kernel.Map{N: 2, H: 1, W: 1, C: 3, P: plain.F, A: []float32{1, 2, 3}}}
	assert.False(t, deferred.Needed())
	assert.Equal(t, *deferred.Map, deferred.AsMap())
}

// TestSetCount splits a count that one float32 does not hold.
func TestSetCount(t *testing.T) {
	for _, c := range []struct {
		to   []float32
		n    int
		want []float32
	}{
		{nil, 5, nil},
		{make([]float32, 1), 5, []float32{5}},
		{make([]float32, 2), 5, []float32{0, 5}},
		{make([]float32, 2), 3*ir.ExactCount + 1, []float32{3 * ir.ExactCount, 1}},
	} {
		cpuexec.SetCount(c.to, c.n)
		assert.Equal(t, c.want, c.to)
	}
}
