package pass_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

// TestLiveness holds during which steps values take memory.
func TestLiveness(t *testing.T) {
	two := []ir.Shape{mapShape, mapShape}
	var p program
	raw, state := p.input("raw"), p.input("state")
	x := p.apply(toy{name: "X"}, raw)                                     // step 0
	pair := p.Apply(toy{name: "Pair", out: two}, x)                       // 1; its second output is read by none
	factors := p.Apply(affine("Scaled", false, ir.Stored), pair[0])       // 2
	chained := p.Apply(affine("Chained", true, ir.Scaled), factors[0])    // 3
	both := p.Apply(blend("Blend", ir.Stored, ir.Stored), x, pair[0])     // 4
	next := p.apply(toy{name: "NextState"}, state)                        // 5
	first := p.apply(ir.ReLU{}, chained[0])                               // 6
	viewed := p.apply(toy{name: "Viewed"}, raw)                           // 7
	view := p.foreign("View", p.foreign("ViewOfView", viewed))            // 8, 9
	mixed := p.foreign("Mixed", p.apply(toy{name: "Y"}, first), view)     // 10, 11
	last := p.apply(ir.Sum{}, both[0], p.apply(toy{name: "Z"}, mixed))    // 12, 13
	end := p.apply(look(ir.Stored), p.apply(toy{name: "Unread"}, viewed)) // 14, 15; the result
	q := p.build(end)
	q.States = []ir.State{{In: state, Out: next}}
	q = pass.Defer(q, target)
	want := map[*ir.Value]pass.Span{
		x:                  {First: 0, Last: 13}, // for Blend
		pair[0]:            {First: 1, Last: 13}, // for Blend, and Chained before
		pair[1]:            {First: 1, Last: 1},
		factors[1]:         {First: 2, Last: 6}, // with Chained, whose coefficients include them
		chained[1]:         {First: 3, Last: 6},
		both[1]:            {First: 4, Last: 13},
		next:               {First: 5, Last: 15},
		first:              {First: 6, Last: 10},
		viewed:             {First: 7, Last: 14},
		p.Steps[8].Out[0]:  {First: 8, Last: 12}, // since Mixed may share its memory
		view:               {First: 9, Last: 12},
		p.Steps[10].Out[0]: {First: 10, Last: 12},
		mixed:              {First: 11, Last: 12},
		p.Steps[12].Out[0]: {First: 12, Last: 13},
		last:               {First: 13, Last: 13},
		p.Steps[14].Out[0]: {First: 14, Last: 15},
		end:                {First: 15, Last: 15},
	}
	got := pass.Liveness(q)
	assert.Len(t, got, len(want))
	for v, span := range want {
		for i, s := range q.Steps {
			for j, out := range s.Out {
				if out == v {
					assert.Equal(t, span, got[v], "output %d of step %d, %v", j, i, s.Op)
				}
			}
		}
	}
}

// TestLivenessOfViews keeps the memory of a value while a result of another library that
// may share it is read, or is a result of the program.
func TestLivenessOfViews(t *testing.T) {
	var p program
	x := p.apply(toy{name: "X"}, p.input("raw"))
	view := p.foreign("View", x)
	n := chain(&p, view, 3)
	late := p.apply(toy{name: "Late"}, n, view)
	end := chain(&p, late, 2)
	spans := pass.Liveness(p.build(end))
	assert.Equal(t, pass.Span{First: 0, Last: 5}, spans[x])
	spans = pass.Liveness(p.build(end, view))
	assert.Equal(t, pass.Span{First: 0, Last: 7}, spans[x])
	assert.Equal(t, pass.Span{First: 1, Last: 7}, spans[view])
}
