package pass_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

// levelsOf returns the operators of each level, one string for each group.
func levelsOf(p *ir.Program, l pass.Levels) (names [][]string) {
	all := ops(p)
	for _, groups := range l {
		var level []string
		for _, n := range groups {
			level, all = append(level, strings.Join(all[:n], " ")), all[n:]
		}
		names = append(names, level)
	}
	return names
}

// TestSchedule shows the levels of two chains, for several bounds.
func TestSchedule(t *testing.T) {
	var p program
	x := p.input("x")
	op := func(name string, in ...*ir.Value) *ir.Value { return p.apply(toy{name: name}, in...) }
	a := op("A2", op("A1", x))
	b := op("B2", op("B1", x))
	q := p.build(op("End", op("A3", a), op("B3", b)))
	for _, c := range []struct {
		ahead int
		want  [][]string
	}{
		{1, [][]string{{"A1"}, {"A2", "B1"}, {"B2", "A3"}, {"B3"}, {"End"}}},
		{2, [][]string{{"A1", "B1"}, {"A2", "B2"}, {"A3", "B3"}, {"End"}}},
		{100, [][]string{{"A1", "B1"}, {"A2", "B2"}, {"A3", "B3"}, {"End"}}},
	} {
		s, l := pass.Schedule(q, target, c.ahead)
		assert.Equal(t, c.want, levelsOf(s, l), "ahead %d", c.ahead)
		assert.Equal(t, q.Results, s.Results)
	}
}

// TestScheduleLate lets second runs begin in the level before the first that reads them, and
// those that they read in the level before.
func TestScheduleLate(t *testing.T) {
	var p program
	x := p.input("x")
	first := p.apply(toy{name: "First"}, x)
	late := func(name string, in ...*ir.Value) *ir.Value {
		v := p.apply(toy{name: name}, in...)
		p.Steps[len(p.Steps)-1].Late = true
		return v
	}
	again := late("AgainToo", late("Again", first))
	unread := late("Unread", x)
	n := chain(&p, first, 4)
	q := p.build(p.apply(toy{name: "End"}, n, again), unread)
	s, l := pass.Schedule(q, target, 100)
	assert.Equal(t, [][]string{{"First", "Unread"}, {"Next"}, {"Next"}, {"Again", "Next"}, {"AgainToo", "Next"}, {"End"}}, levelsOf(s, l))
}

// TestScheduleReadsParts holds that a step follows those that make what its deferred inputs
// are formed from.
func TestScheduleReadsParts(t *testing.T) {
	var p program
	raw := p.input("raw")
	x := p.apply(toy{name: "X"}, raw)
	y := chain(&p, raw, 3)
	q := p.build(p.apply(look(ir.Affine), p.apply(blend("Blend", ir.Stored, ir.Stored), x, y)))
	s, l := pass.Schedule(pass.Defer(pass.Prune(q, target), target), target, 100)
	assert.Equal(t, [][]string{{"X", "Next"}, {"Next"}, {"Next"}, {"Blend"}, {"Look{2}"}}, levelsOf(s, l))
}

// TestScheduleGroups lets light steps follow, in one group, those that they wait for.
func TestScheduleGroups(t *testing.T) {
	light := func(name string, out ...ir.Shape) toy {
		return toy{name: name, traits: pass.Traits{Serial: true}, out: out}
	}
	huge := ir.Shape{1<<12 + 1}
	for _, c := range []struct {
		name  string
		build func(p *program, a, b *ir.Value) *ir.Value
		want  [][]string
	}{
		{"a light step", func(p *program, a, _ *ir.Value) *ir.Value {
			return p.apply(light("Light"), a)
		}, [][]string{{"A Light", "B"}, {"End"}}},
		{"two of them", func(p *program, a, _ *ir.Value) *ir.Value {
			return p.apply(light("Light"), p.apply(light("Light"), a))
		}, [][]string{{"A Light Light", "B"}, {"End"}}},
		{"with inputs of the program", func(p *program, a, _ *ir.Value) *ir.Value {
			return p.apply(light("Light"), a, p.input("y"))
		}, [][]string{{"A Light", "B"}, {"End"}}},
		{"that reads what two groups make", func(p *program, a, b *ir.Value) *ir.Value {
			return p.apply(light("Light"), a, b)
		}, [][]string{{"A", "B"}, {"Light"}, {"End"}}},
		{"that reads what two groups of different levels make", func(p *program, a, b *ir.Value) *ir.Value {
			return p.apply(light("Light"), a, p.apply(toy{name: "Next"}, b))
		}, [][]string{{"A", "B"}, {"Next Light"}, {"End"}}},
		{"that reads an input of the program alone", func(p *program, _, _ *ir.Value) *ir.Value {
			return p.apply(light("Light"), p.inputs[0])
		}, [][]string{{"A", "B", "Light"}, {"End"}}},
		{"that stores a large map", func(p *program, a, _ *ir.Value) *ir.Value {
			return p.apply(light("Light", huge), a)
		}, [][]string{{"A", "B"}, {"Light"}, {"End"}}},
		{"that is not serial", func(p *program, a, _ *ir.Value) *ir.Value {
			return p.apply(toy{name: "Heavy"}, a)
		}, [][]string{{"A", "B"}, {"Heavy"}, {"End"}}},
		{"that is late", func(p *program, a, _ *ir.Value) *ir.Value {
			v := p.apply(light("Light"), a)
			p.Steps[len(p.Steps)-1].Late = true
			return v
		}, [][]string{{"A", "B"}, {"Light"}, {"End"}}},
		{"that follows a late one", func(p *program, a, _ *ir.Value) *ir.Value {
			v := p.apply(toy{name: "Late"}, a)
			p.Steps[len(p.Steps)-1].Late = true
			return p.apply(light("Light"), v)
		}, [][]string{{"A", "B"}, {"Late"}, {"Light"}, {"End"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p program
			x := p.input("x")
			a, b := p.apply(toy{name: "A"}, x), p.apply(toy{name: "B"}, x)
			q := p.build(p.apply(toy{name: "End"}, c.build(&p, a, b), a, b))
			s, l := pass.Schedule(q, target, 100)
			assert.Equal(t, c.want, levelsOf(s, l))
			assert.NoError(t, check(s, l, pass.Assign(s, l.Widen(pass.Liveness(s)))))
		})
	}
}

// TestWiden returns the levels of the steps of a span.
func TestWiden(t *testing.T) {
	l := pass.Levels{{2}, {1}, {1, 1}, {1}}
	v := [6]*ir.Value{}
	spans := map[*ir.Value]pass.Span{}
	for i := range v {
		v[i] = &ir.Value{}
		spans[v[i]] = pass.Span{First: i, Last: min(i+1, 5)}
	}
	wide := l.Widen(spans)
	for i, want := range []pass.Span{{First: 0, Last: 0}, {First: 0, Last: 1}, {First: 1, Last: 2}, {First: 2, Last: 2}, {First: 2, Last: 3}, {First: 3, Last: 3}} {
		assert.Equal(t, want, wide[v[i]], "value %d", i)
	}
}

// TestCompany holds which steps may run beside others.
func TestCompany(t *testing.T) {
	l := pass.Levels{{2}, {1, 2}, {1}}
	assert.Equal(t, []bool{false, false, true, true, true, false}, l.Company())
}
