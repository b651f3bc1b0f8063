package pass_test

import (
	"testing"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

// TestPrune keeps what a result or a state needs.
func TestPrune(t *testing.T) {
	two := []ir.Shape{mapShape, mapShape}
	var p program
	x, state := p.input("x"), p.input("state")
	a := p.Apply(toy{name: "Pair", out: two}, x)
	b := p.Apply(toy{name: "All", traits: pass.Traits{All: true}, out: two}, a[1])
	p.apply(toy{name: "Dead"}, p.apply(toy{name: "DeadToo"}, b[0]))
	p.foreign("DeadForeign", a[0])
	c := p.Apply(toy{name: "Statistics", out: two}, state)
	p.apply(toy{name: "DeadOfState"}, c[0])
	q := p.build(b[0], x)
	q.States = []ir.State{{In: state, Out: c[1]}}
	text(t, `
%0 float32[2 3 2 5] = input "x"
%1 float32[2 3 2 5] = input "state"
_, %2 float32[2 3 2 5] = Pair(%0)
%3 float32[2 3 2 5], %4 float32[2 3 2 5] = All(%2)
_, %5 float32[2 3 2 5] = Statistics(%1)
state %1 = %5
return %3, %0
`, pass.Prune(q, target))
}
