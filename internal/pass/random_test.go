package pass_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

// Random programs compute with whole numbers modulo 2⁶⁴, where every order of operations
// has the same result. A map is channels last.

// array is a value as a step reads it: a·p + b·q + d + e for each channel. Without
// coefficients it is p.
type array struct{ p, q, a, b, d, e []uint64 }

// at returns element i.
func (m array) at(i int) uint64 {
	if m.a == nil {
		return m.p[i]
	}
	c := i % len(m.a)
	v := m.a[c] * m.p[i]
	if m.q != nil {
		v += m.b[c] * m.q[i]
	}
	for _, shift := range [][]uint64{m.d, m.e} {
		if shift != nil {
			v += shift[c]
		}
	}
	return v
}

// operator is a toy that computes. Outputs that are not needed are nil.
type operator struct {
	toy
	run func(out [][]uint64, in []array)
}

// traitsOf is the target of random programs.
func traitsOf(s *ir.Step) pass.Traits {
	if o, ok := s.Op.(operator); ok {
		return o.traits
	}
	return target(s)
}

// mixer is pure, and has two outputs of two inputs; it reads them in a form. A second run
// may make output 0.
func mixer(factor uint64, reads ir.Form, repeats bool) operator {
	t := pass.Traits{Pure: true, Reads: []ir.Form{reads, reads}}
	if repeats {
		t.Repeats = func(i int) bool { return i == 0 }
	}
	return operator{
		toy{name: fmt.Sprintf("Mixer{%d %d %v}", factor, reads, repeats), traits: t, out: []ir.Shape{mapShape, mapShape}},
		func(out [][]uint64, in []array) {
			for i := range out[0] {
				out[0][i] = factor*in[0].at(i) + in[1].at(i)*in[1].at(i) + 1
			}
			for i := range out[1] {
				out[1][i] = in[0].at(i) * (in[1].at(i) + factor)
			}
		},
	}
}

// coefficients returns those of a kernel with rows of coefficients in memory, or in new
// memory.
func coefficients(mem []uint64) (rows [3][]uint64) {
	c := mapShape.Channels()
	if mem == nil {
		mem = make([]uint64, 3*c)
	}
	return [3][]uint64{mem[:c], mem[c : 2*c], mem[2*c:]}
}

// stretcher is affine with numbers.
func stretcher(factor uint64, shift bool, reads ir.Form) operator {
	o := affine(fmt.Sprintf("Stretcher{%d %v %d}", factor, shift, reads), shift, reads)
	o.traits.Pure, o.traits.Serial = true, true
	return operator{o, func(out [][]uint64, in []array) {
		rows := coefficients(out[1])
		m := in[0]
		a, d := rows[1], rows[2]
		for j := range a {
			rows[0][j], a[j], d[j] = 77, factor+uint64(j), 0
			if shift {
				d[j] = 3*factor + uint64(j)
			}
			if m.a != nil {
				a[j] *= m.a[j]
			}
		}
		m.a, m.d = a, d
		for i := range out[0] {
			out[0][i] = m.at(i)
		}
	}}
}

// blender is blend with numbers.
func blender(factor uint64, reads ir.Form) operator {
	o := blend(fmt.Sprintf("Blender{%d %d}", factor, reads), reads, ir.Stored)
	o.traits.Pure, o.traits.Serial = true, true
	return operator{o, func(out [][]uint64, in []array) {
		rows := coefficients(out[1])
		m := array{p: in[0].p, q: in[1].p, a: rows[0], b: rows[1], d: rows[2]}
		for j := range m.a {
			m.a[j], m.b[j], m.d[j] = factor, factor+uint64(j), 5*uint64(j)
			if in[0].a != nil {
				m.a[j] *= in[0].a[j]
			}
		}
		for i := range out[0] {
			out[0][i] = m.at(i)
		}
	}}
}

// counter is not pure: each run adds one to a state.
func counter() operator {
	return operator{toy{name: "Counter"}, func(out [][]uint64, in []array) {
		for i := range out[0] {
			out[0][i] = in[0].at(i) + 1
		}
	}}
}

// execute runs a program, and returns its results and new states. Values lie in the memory
// of a layout, which is full of other numbers at first; without one each has its own.
func execute(t *testing.T, p *ir.Program, l *pass.Layout, inputs map[*ir.Value][]uint64) (results [][]uint64) {
	memory := map[*ir.Value][]uint64{}
	for v, data := range inputs {
		memory[v] = data
	}
	var arena []uint64
	if l != nil {
		arena = make([]uint64, l.Size)
		for i := range arena {
			arena[i] = 0xdead<<32 + uint64(i)
		}
	}
	place := func(v *ir.Value) []uint64 {
		if l != nil && v.Type != ir.BFloat16 { // a number here has no half
			if at, ok := l.At[v]; ok {
				return arena[at : at+v.Shape.Size() : at+v.Shape.Size()]
			}
		}
		return make([]uint64, v.Shape.Size())
	}
	of := func(v *ir.Value) array {
		d := v.Deferred
		if d == nil {
			require.NotNil(t, memory[v], "a value is read before it is made")
			return array{p: memory[v]}
		}
		c := v.Shape.Channels()
		rows := memory[d.Coef][d.Row*c:]
		next := func() []uint64 {
			row := rows[:c]
			rows = rows[c:]
			return row
		}
		m := array{a: next()}
		base := d.P
		for base.Deferred != nil { // its factors are in those of v
			base = base.Deferred.P
		}
		m.p = memory[base]
		if d.Q != nil {
			m.b, m.q = next(), memory[d.Q]
		}
		if d.Shift {
			m.d = next()
		}
		if d.Compensated {
			m.e = next()
		}
		return m
	}
	for _, s := range p.Steps {
		var in []array
		for _, v := range s.In {
			in = append(in, of(v))
		}
		if v := s.Out[0]; v != nil && v.Source == ir.Foreign { // a view
			memory[v] = in[0].p
			continue
		}
		out := make([][]uint64, len(s.Out))
		for i, v := range s.Out {
			if v != nil && v.Deferred == nil {
				out[i] = place(v)
				memory[v] = out[i]
			}
		}
		switch op := s.Op.(type) {
		case operator:
			op.run(out, in)
		case ir.Sum:
			for i := range out[0] {
				var sum uint64
				for _, m := range in {
					sum += m.at(i)
				}
				out[0][i] = sum
			}
		case ir.ToBFloat16, ir.FromBFloat16:
			copy(out[0], in[0].p)
		default:
			require.Fail(t, "no kernel", "%v", s.Op)
		}
	}
	for _, v := range p.Results {
		results = append(results, memory[v])
	}
	for _, s := range p.States {
		results = append(results, memory[s.Out])
	}
	return results
}

// randomProgram returns the program of a seed, with numbers for its inputs.
func randomProgram(seed uint64) (*ir.Program, map[*ir.Value][]uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	var p program
	inputs := map[*ir.Value][]uint64{}
	var maps []*ir.Value
	for i := range 3 {
		v := p.input(fmt.Sprint("input", i))
		for range v.Shape.Size() {
			inputs[v] = append(inputs[v], r.Uint64())
		}
		maps = append(maps, v)
	}
	some := func() *ir.Value { return maps[max(r.IntN(len(maps)), r.IntN(len(maps)))] }
	form := func() ir.Form { return ir.Form(r.IntN(3)) }
	state, newest := maps[0], maps[0]
	for range 5 + r.IntN(50) {
		factor := 1 + r.Uint64N(2)
		switch r.IntN(12) {
		case 0, 1, 2:
			maps = append(maps, p.Apply(mixer(factor, form(), r.IntN(4) > 0), some(), some())...)
		case 3, 4, 5:
			maps = append(maps, p.apply(stretcher(factor, r.IntN(2) == 0, min(form(), ir.Scaled)), some()))
		case 6, 7:
			maps = append(maps, p.apply(blender(factor, min(form(), ir.Scaled)), some(), some()))
		case 8, 9:
			terms := []*ir.Value{some(), some()}
			for range r.IntN(4) {
				terms = append(terms, maps[r.IntN(len(maps))])
			}
			maps = append(maps, p.apply(ir.Sum{}, terms...))
		case 10:
			maps = append(maps, p.foreign("View", some()))
		case 11:
			newest = p.apply(counter(), newest)
			maps = append(maps, newest)
		}
	}
	var early []*ir.Value // which were idle since their other readers
	for range 6 {
		early = append(early, maps[r.IntN(len(maps))])
	}
	results := []*ir.Value{p.apply(mixer(1, ir.Affine, false), p.apply(ir.Sum{}, early[:3]...), early[3]), p.apply(mixer(2, ir.Affine, false), early[4], early[5])}
	for range r.IntN(3) {
		results = append(results, some())
	}
	q := p.build(results...)
	if newest != state {
		q.States = []ir.State{{In: state, Out: newest}}
	}
	return q, inputs
}

// TestRandomPrograms compares the results of random programs before and after each pass.
func TestRandomPrograms(t *testing.T) {
	first := rand.Uint64()
	t.Logf("seeds from %d on", first)
	changed := map[string]int{}
	for seed := first; seed < first+500; seed++ {
		p, inputs := randomProgram(seed)
		want := execute(t, p, nil, inputs)
		type transformation struct {
			name   string
			pass   func(*ir.Program, pass.Target) *ir.Program
			levels int // what Schedule gets after the pass; 0 for no call
		}
		last := transformation{"Rematerialise", pass.Rematerialise, 0}
		if seed%2 == 0 {
			last = transformation{"RepeatAll", pass.RepeatAll, 0}
		}
		same := func(p *ir.Program, _ pass.Target) *ir.Program { return p }
		for _, c := range []transformation{
			{"Merge", pass.Merge, 0}, {"Epilogues", pass.Epilogues, 0}, {"Prune", pass.Prune, 0}, {"Defer", pass.Defer, 0},
			{"FuseSiblings", func(p *ir.Program, _ pass.Target) *ir.Program { return pass.FuseSiblings(p) }, 0},
			last,
			{"Compress", func(p *ir.Program, _ pass.Target) *ir.Program { return pass.Compress(p) }, 0},
			{"Schedule", same, 1 + int(seed%20)},
		} {
			before, results := p.String(), p.Results
			p = c.pass(p, traitsOf)
			assert.Len(t, p.Results, len(results))
			levels := serial(p)
			if c.levels > 0 {
				p, levels = pass.Schedule(p, traitsOf, c.levels)
			}
			if p.String() != before {
				changed[c.name]++
			}
			spans := levels.Widen(pass.Liveness(p))
			l := pass.Assign(p, spans)
			require.NoError(t, check(p, levels, l), "seed %d, %s", seed, c.name)
			require.GreaterOrEqual(t, l.Size, pass.Peak(p, spans), "seed %d, %s", seed, c.name)
			for i, got := range execute(t, p, &l, inputs) {
				require.True(t, slices.Equal(want[i], got), "seed %d, result %d after %s of\n%v", seed, i, c.name, p)
			}
		}
	}
	for _, name := range []string{"Merge", "Prune", "Defer", "Rematerialise", "RepeatAll", "Compress", "Schedule"} {
		assert.Greater(t, changed[name], 5, "programs that %s changed", name)
	}
}
