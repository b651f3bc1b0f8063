package pass_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

// again is a toy whose output 0 a second run may make.
func again(name string) toy {
	return toy{
		name: name,
		traits: pass.Traits{
			Reads:   []ir.Form{ir.Affine},
			Repeats: func(i int) bool { return i == 0 },
		},
		out: []ir.Shape{mapShape, {1}},
	}
}

// chain applies steps of which each reads the one before.
func chain(p *program, x *ir.Value, count int) *ir.Value {
	for range count {
		x = p.apply(toy{name: "Next"}, x)
	}
	return x
}

// wideChain is a chain with a large value in its middle, where the program takes most memory.
func wideChain(p *program, x *ir.Value, count int) *ir.Value {
	x = chain(p, x, count/2)
	x = p.apply(toy{name: "Wide", out: []ir.Shape{{100 * mapShape.Size()}}}, x)
	x = p.apply(toy{name: "Narrow", out: []ir.Shape{mapShape}}, x)
	return chain(p, x, count-count/2-2)
}

// peak returns the most floats that live during one step.
func peak(p *ir.Program) int { return pass.Peak(p, pass.Liveness(p)) }

// TestRematerialise holds which steps run twice: those that make a map that is read at once
// and after a chain of steps.
func TestRematerialise(t *testing.T) {
	none := func(y *ir.Value) []*ir.Value { return nil }
	for _, c := range []struct {
		name string
		// build returns the map, made of x.
		build   func(p *program, x *ir.Value) *ir.Value
		results func(y *ir.Value) []*ir.Value // besides the last
		length  int                           // of the chain
		want    map[string]int                // runs of steps
	}{
		{"read late", func(p *program, x *ir.Value) *ir.Value { return p.apply(again("A"), x) }, none, 10, map[string]int{"A": 2}},
		{"not idle for long", func(p *program, x *ir.Value) *ir.Value { return p.apply(again("A"), x) }, none, 7, map[string]int{"A": 1}},
		{"idle for just long enough", func(p *program, x *ir.Value) *ir.Value { return p.apply(again("A"), x) }, none, 8, map[string]int{"A": 2}},
		{"of a kernel that may not", func(p *program, x *ir.Value) *ir.Value { return p.apply(toy{name: "A"}, x) }, none, 10, map[string]int{"A": 1}},
		{"of another library", func(p *program, x *ir.Value) *ir.Value { return p.foreign("A", x) }, none, 10, map[string]int{"A": 1}},
		{"a result", func(p *program, x *ir.Value) *ir.Value { return p.apply(again("A"), x) }, func(y *ir.Value) []*ir.Value {
			return []*ir.Value{y}
		}, 10, map[string]int{"A": 1}},
		{"of another", func(p *program, x *ir.Value) *ir.Value {
			return p.apply(again("A"), p.apply(again("B"), x))
		}, none, 10, map[string]int{"A": 2, "B": 2}},
		{"of a deferred map", func(p *program, x *ir.Value) *ir.Value {
			return p.apply(again("A"), p.apply(affine("Shifted", true, ir.Stored), x))
		}, none, 10, map[string]int{"A": 2, "Shifted": 1}},
		{"of a deferred map of another", func(p *program, x *ir.Value) *ir.Value {
			return p.apply(again("A"), p.apply(blend("Blend", ir.Stored, ir.Stored), x, p.apply(again("B"), x)))
		}, none, 10, map[string]int{"A": 2, "B": 2, "Blend": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p program
			x := p.apply(toy{name: "X"}, p.input("raw"))
			y := c.build(&p, x)
			n := wideChain(&p, p.apply(toy{name: "Now"}, y, x), c.length)
			last := p.apply(toy{name: "Late"}, n, y, x)
			q := p.build(append([]*ir.Value{p.apply(look(ir.Stored), last)}, c.results(y)...)...)
			q = pass.Defer(pass.Prune(q, target), target)
			count := func(p *ir.Program) map[string]int {
				runs := map[string]int{}
				for _, s := range p.Steps {
					if name := s.Op.String(); c.want[name] > 0 {
						runs[name]++
					}
				}
				return runs
			}
			r := pass.Rematerialise(q, target)
			assert.Equal(t, c.want, count(r))
			assert.Equal(t, c.want, count(pass.RepeatAll(q, target)))
			if c.want["A"] > 1 {
				assert.Less(t, peak(r), peak(q))
				late := step(t, r, "Late")
				assert.NotSame(t, y, late.In[1])
				assert.Same(t, y, step(t, r, "Now").In[0])
				for _, s := range r.Steps {
					assert.Equal(t, s.Out[0] == late.In[1], s.Late && s.Op.String() == "A", "the second run is late")
				}
			} else {
				assert.Equal(t, ops(q), ops(r))
			}
			l := pass.Assign(r, pass.Liveness(r))
			assert.NoError(t, check(r, serial(r), l))
		})
	}
}

// TestRematerialiseOutputs makes again only the output that a second run may make.
func TestRematerialiseOutputs(t *testing.T) {
	var p program
	x := p.apply(toy{name: "X"}, p.input("raw"))
	y := p.Apply(again("A"), x)
	n := chain(&p, y[0], 10)
	r := pass.RepeatAll(p.build(p.apply(toy{name: "Late"}, n, y[0], y[1])), target)
	assert.Equal(t, []string{"X", "A", "Next", "Next", "Next", "Next", "Next", "Next", "Next", "Next", "Next", "Next", "A", "Late"}, ops(r))
	second, late := r.Steps[12], r.Steps[13]
	assert.Nil(t, second.Out[1])
	assert.Same(t, second.Out[0], late.In[1])
	assert.Same(t, y[1], late.In[2])
}

// TestRematerialised shows a second run: it makes the map alone, right before it is read,
// from a second run of what that map was made of.
func TestRematerialised(t *testing.T) {
	var p program
	x := p.apply(toy{name: "X"}, p.input("raw"))
	b := p.Apply(again("B"), x)
	shifted := p.apply(affine("Shifted", true, ir.Stored), b[0])
	a := p.apply(again("A"), shifted)
	n := chain(&p, a, 10)
	q := p.build(p.apply(toy{name: "Late"}, n, a), b[1])
	q = pass.Defer(pass.Prune(q, target), target)
	text(t, `
%0 float32[2 3 2 5] = input "raw"
%1 float32[2 3 2 5] = X(%0)
%2 float32[2 3 2 5], %3 float32[1] = B(%1)
_, %4 float32[3 5] = Shifted(%2)
    %5 float32[2 3 2 5] = deferred %4[1]·%2 + %4[2]
%6 float32[2 3 2 5], _ = A(%5)
%7 float32[2 3 2 5] = Next(%6)
%8 float32[2 3 2 5] = Next(%7)
%9 float32[2 3 2 5] = Next(%8)
%10 float32[2 3 2 5] = Next(%9)
%11 float32[2 3 2 5] = Next(%10)
%12 float32[2 3 2 5] = Next(%11)
%13 float32[2 3 2 5] = Next(%12)
%14 float32[2 3 2 5] = Next(%13)
%15 float32[2 3 2 5] = Next(%14)
%16 float32[2 3 2 5] = Next(%15)
%17 float32[2 3 2 5], _ = B(%1)
    %18 float32[2 3 2 5] = deferred %4[1]·%17 + %4[2]
%19 float32[2 3 2 5], _ = A(%18)
%20 float32[2 3 2 5] = Late(%16, %19)
return %20, %3
`, pass.RepeatAll(q, target))
}

// TestRematerialiseChooses repeats the cheap steps, where they save nine tenths.
func TestRematerialiseChooses(t *testing.T) {
	var p program
	x := p.apply(toy{name: "X"}, p.input("raw"))
	wide := again("Cheap")
	wide.out = []ir.Shape{{64 * 60}}
	costly := again("Costly")
	costly.cost = 1 << 20
	a, b := p.apply(costly, x), p.apply(wide, x)
	n := wideChain(&p, p.apply(toy{name: "Now"}, x, a, b), 10)
	q := p.build(p.apply(toy{name: "Late"}, n, a), p.apply(toy{name: "Later"}, n, b))
	count := func(p *ir.Program, name string) int {
		return len(slices.DeleteFunc(ops(p), func(s string) bool { return s != name }))
	}
	all, some := pass.RepeatAll(q, target), pass.Rematerialise(q, target)
	assert.Equal(t, 2, count(all, "Costly"))
	assert.Equal(t, 2, count(all, "Cheap"))
	assert.Equal(t, 1, count(some, "Costly"))
	assert.Equal(t, 2, count(some, "Cheap"))
}

// TestRematerialiseSplitsSums adds up the terms that would wait for the rest of their sum.
func TestRematerialiseSplitsSums(t *testing.T) {
	var p program
	n := p.apply(toy{name: "X"}, p.input("raw"))
	var terms []*ir.Value
	for range 3 {
		for range 2 {
			n = chain(&p, n, 1)
			terms = append(terms, p.apply(affine("Shifted", true, ir.Stored), n))
		}
		n = chain(&p, n, 10)
	}
	q := p.build(p.apply(ir.Sum{}, append(terms, n)...))
	q = pass.Defer(pass.Prune(q, target), target)
	sums := func(p *ir.Program) []*ir.Step {
		return slices.DeleteFunc(slices.Clone(p.Steps), func(s *ir.Step) bool { return s.Op != ir.Op(ir.Sum{}) })
	}
	terms = slices.Clone(sums(q)[0].In) // deferred
	r := pass.Rematerialise(q, target)
	assert.Less(t, peak(r), peak(q))
	s := sums(r)
	if !assert.Len(t, s, 4) {
		return
	}
	for i, want := range [][]*ir.Value{
		{terms[0], terms[1]},
		{s[0].Out[0], terms[2], terms[3]},
		{s[1].Out[0], terms[4], terms[5]},
		{s[2].Out[0], n},
	} {
		assert.True(t, slices.Equal(want, s[i].In), "sum %d", i)
		assert.Equal(t, mapShape, s[i].Out[0].Shape)
	}
	assert.Equal(t, q.Results, r.Results)
	assert.Len(t, sums(q), 1, "of the program before")
	assert.Len(t, sums(q)[0].In, 7)
}
