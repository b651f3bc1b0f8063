package pass_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

// TestMerge computes a tree of common subexpressions once.
func TestMerge(t *testing.T) {
	var p program
	x := p.input("x")
	var sums []*ir.Value
	for range 2 {
		y := p.Apply(toy{name: "Pair", traits: pass.Traits{Pure: true}, out: []ir.Shape{mapShape, mapShape}}, x)
		sums = append(sums, p.apply(ir.ReLU{}, y[1]))
	}
	state := p.input("state")
	q := p.build(p.apply(ir.Sum{}, sums...), sums[1])
	q.States = []ir.State{{In: state, Out: sums[1]}}
	text(t, `
%0 float32[2 3 2 5] = input "x"
%1 float32[2 3 2 5] = input "state"
%2 float32[2 3 2 5], %3 float32[2 3 2 5] = Pair(%0)
%4 float32[2 3 2 5] = ReLU(%3)
%5 float32[2 3 2 5] = Sum(%4, %4)
state %1 = %4
return %5, %4
`, pass.Merge(q, target))
}

// TestMergeKeeps holds which steps remain two.
func TestMergeKeeps(t *testing.T) {
	pure := pass.Traits{Pure: true}
	for _, c := range []struct {
		name  string
		build func(p *program, x, y *ir.Value) []*ir.Value
	}{
		{"other inputs", func(p *program, x, y *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(ir.ReLU{}, x), p.apply(ir.ReLU{}, y)}
		}},
		{"inputs in another order", func(p *program, x, y *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(ir.Sum{}, x, y), p.apply(ir.Sum{}, y, x)}
		}},
		{"more inputs", func(p *program, x, y *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(ir.Sum{}, x, y), p.apply(ir.Sum{}, x, y, x)}
		}},
		{"other attributes", func(p *program, x, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(ir.Channels{From: 0, Count: 2}, x), p.apply(ir.Channels{From: 1, Count: 2}, x)}
		}},
		{"another operator of the same name", func(p *program, x, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(ir.ReLU{}, x), p.apply(toy{name: "ReLU", traits: pure}, x)}
		}},
		{"a kernel that is not pure", func(p *program, x, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(toy{name: "Random"}, x), p.apply(toy{name: "Random"}, x)}
		}},
		{"an operator of another library", func(p *program, x, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.foreign("Tanh", x), p.foreign("Tanh", x)}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p program
			results := c.build(&p, p.input("x"), p.input("y"))
			before := p.build(results...)
			assert.Equal(t, before.String(), pass.Merge(before, target).String())
		})
	}
}
