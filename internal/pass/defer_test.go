package pass_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

// TestDefer holds which maps are left to their readers.
func TestDefer(t *testing.T) {
	shifted, scaled := affine("Shifted", true, ir.Stored), affine("Scaled", false, ir.Stored)
	chained := affine("Chained", true, ir.Scaled)
	two, partly, any := blend("Blend", ir.Stored, ir.Stored), blend("PartlyDeferredBlend", ir.Scaled, ir.Stored), blend("AnyBlend", ir.Affine, ir.Affine)
	stored, factors, all := look(ir.Stored), look(ir.Scaled), look(ir.Affine)
	for _, c := range []struct {
		name string
		// build returns the results. x and y are computed, raw is an input.
		build           func(p *program, x, y, raw *ir.Value) []*ir.Value
		op              string
		deferred, plain int // outputs of such steps
	}{
		{"every reader can form it", func(p *program, x, _, _ *ir.Value) []*ir.Value {
			s := p.apply(shifted, x)
			return []*ir.Value{p.apply(all, s), p.apply(all, s), p.apply(ir.Sum{}, s, x)}
		}, "Shifted", 1, 0},
		{"one reader cannot", func(p *program, x, _, _ *ir.Value) []*ir.Value {
			s := p.apply(shifted, x)
			return []*ir.Value{p.apply(all, s), p.apply(stored, s)}
		}, "Shifted", 0, 1},
		{"a reader of another library", func(p *program, x, _, _ *ir.Value) []*ir.Value {
			s := p.apply(shifted, x)
			return []*ir.Value{p.apply(all, s), p.foreign("Tanh", s)}
		}, "Shifted", 0, 1},
		{"a reader that can form another input only", func(p *program, x, _, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(blend("OtherBlend", ir.Affine, ir.Stored), x, p.apply(shifted, x))}
		}, "Shifted", 0, 1},
		{"a result", func(p *program, x, _, _ *ir.Value) []*ir.Value {
			s := p.apply(shifted, x)
			return []*ir.Value{p.apply(all, s), s}
		}, "Shifted", 0, 1},
		{"read by none", func(p *program, x, _, _ *ir.Value) []*ir.Value {
			p.apply(shifted, x)
			return []*ir.Value{p.apply(all, x)}
		}, "Shifted", 0, 1},
		{"a shift for a reader of factors", func(p *program, x, _, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(factors, p.apply(shifted, x))}
		}, "Shifted", 0, 1},
		{"factors for a reader of factors", func(p *program, x, _, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(factors, p.apply(scaled, x))}
		}, "Scaled", 1, 0},
		{"two maps for a reader of factors", func(p *program, x, y, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(factors, p.apply(two, x, y))}
		}, "Blend", 0, 1},
		{"of an input", func(p *program, _, _, raw *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(all, p.apply(shifted, raw))}
		}, "Shifted", 0, 1},
		{"of a value of another library", func(p *program, x, _, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(all, p.apply(shifted, p.foreign("Tanh", x)))}
		}, "Shifted", 0, 1},
		{"two terms of a sum", func(p *program, x, y, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(ir.Sum{}, p.apply(shifted, x), p.apply(shifted, y))}
		}, "Shifted", 2, 0},
		{"factors in a shift", func(p *program, x, _, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(all, p.apply(chained, p.apply(scaled, x)))}
		}, "Chained", 1, 0},
		{"factors below a shift", func(p *program, x, _, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(all, p.apply(chained, p.apply(scaled, x)))}
		}, "Scaled", 1, 0},
		{"a shift below a shift", func(p *program, x, _, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(all, p.apply(affine("Chained", true, ir.Affine), p.apply(shifted, x)))}
		}, "Chained", 0, 1},
		{"two maps", func(p *program, x, y, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(all, p.apply(two, x, y))}
		}, "Blend", 1, 0},
		{"two maps, the second an input", func(p *program, x, _, raw *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(all, p.apply(two, x, raw))}
		}, "Blend", 0, 1},
		{"two maps, the second of another library", func(p *program, x, y, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(all, p.apply(two, x, p.foreign("Tanh", y)))}
		}, "Blend", 0, 1},
		{"two maps, the first with factors", func(p *program, x, y, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(all, p.apply(partly, p.apply(scaled, x), y))}
		}, "PartlyDeferredBlend", 1, 0},
		// The kernel reads the second with factors too, which a Deferred cannot hold.
		{"two maps, the second with factors", func(p *program, x, y, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(all, p.apply(any, x, p.apply(scaled, y)))}
		}, "AnyBlend", 0, 1},
		// It reads the first with a shift, for which there is no place either.
		{"two maps, the first with a shift", func(p *program, x, y, _ *ir.Value) []*ir.Value {
			return []*ir.Value{p.apply(all, p.apply(any, p.apply(shifted, x), y))}
		}, "AnyBlend", 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p program
			raw := p.input("raw")
			x, y := p.apply(toy{name: "X"}, raw), p.apply(toy{name: "Y"}, raw)
			results := c.build(&p, x, y, raw)
			deferred, plain := 0, 0
			for _, s := range pass.Defer(p.build(results...), target).Steps {
				if s.Op.String() == c.op {
					if s.Out[0].Deferred != nil {
						deferred++
					} else {
						plain++
					}
				}
			}
			assert.Equal(t, c.deferred, deferred, "deferred")
			assert.Equal(t, c.plain, plain, "plain")
		})
	}
	t.Run("the next value of a state", func(t *testing.T) {
		var p program
		state := p.input("state")
		s := p.apply(shifted, p.apply(toy{name: "X"}, state))
		q := p.build(p.apply(all, s))
		q.States = []ir.State{{In: state, Out: s}}
		assert.Nil(t, pass.Defer(q, target).States[0].Out.Deferred)
	})
}

// TestDeferForms shows the formulas, and the coefficients that kernels make for them
// though no step reads them.
func TestDeferForms(t *testing.T) {
	compensated := toy{
		name: "Compensated",
		traits: pass.Traits{Defers: func(i int) (pass.Deferral, bool) {
			return pass.Deferral{P: 1, Q: -1, Coef: 0, Shift: true, Compensated: true}, i == 1
		}},
		out: []ir.Shape{{3, 5}, mapShape},
	}
	var p program
	x := p.apply(toy{name: "X"}, p.input("raw"))
	scaled := p.apply(affine("Scaled", false, ir.Stored), x)
	chained := p.apply(affine("Chained", true, ir.Scaled), scaled)
	both := p.apply(blend("Blend", ir.Scaled, ir.Stored), scaled, x)
	exact := p.Apply(compensated, x, x)[1]
	q := p.build(p.apply(ir.Sum{}, chained, both, exact))
	text(t, `
%0 float32[2 3 2 5] = input "raw"
%1 float32[2 3 2 5] = X(%0)
_, %2 float32[3 5] = Scaled(%1)
    %3 float32[2 3 2 5] = deferred %2[1]·%1
_, %4 float32[3 5] = Chained(%3)
    %5 float32[2 3 2 5] = deferred %4[1]·%3 + %4[2]
_, %6 float32[3 5] = Blend(%3, %1)
    %7 float32[2 3 2 5] = deferred %6[0]·%3 + %6[1]·%1 + %6[2]
%8 float32[3 5], _ = Compensated(%1, %1)
    %9 float32[2 3 2 5] = deferred %8[0]·%1 + %8[1] + %8[2]
%10 float32[2 3 2 5] = Sum(%5, %7, %9)
return %10
`, pass.Defer(pass.Prune(q, target), target))
}

// TestDeferSavesMemory compares two maps that their reader forms with two that it cannot
// form.
func TestDeferSavesMemory(t *testing.T) {
	for _, c := range []struct {
		reader toy
		want   int
	}{
		{blend("Reader", ir.Stored, ir.Stored), 3 * 64},
		{blend("Reader", ir.Affine, ir.Affine), 64 + 2*16},
	} {
		var p program
		x := p.apply(toy{name: "X"}, p.input("raw"))
		a, b := p.apply(affine("A", true, ir.Stored), x), p.apply(affine("B", true, ir.Stored), x)
		q := pass.Defer(pass.Prune(p.build(p.apply(c.reader, a, b)), target), target)
		assert.Equal(t, c.want, pass.Assign(q, pass.Liveness(q)).Size)
		assert.Equal(t, c.want, peak(q))
	}
}

// TestPassesLeaveTheirInput holds that a pass returns another program.
func TestPassesLeaveTheirInput(t *testing.T) {
	with := func(f func(*ir.Program, pass.Target) *ir.Program) func(*ir.Program) *ir.Program {
		return func(p *ir.Program) *ir.Program { return f(p, target) }
	}
	for _, c := range []struct {
		name string
		pass func(*ir.Program) *ir.Program
	}{
		{"merge", with(pass.Merge)},
		{"epilogues", with(pass.Epilogues)},
		{"prune", with(pass.Prune)},
		{"defer", with(pass.Defer)},
		{"siblings", pass.FuseSiblings},
		{"rematerialise", with(pass.RepeatAll)},
		{"round", pass.RoundOperands},
		{"compress", pass.Compress},
		{"schedule", func(p *ir.Program) *ir.Program {
			p, _ = pass.Schedule(p, target, 100)
			return p
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p program
			x := p.apply(toy{name: "X"}, p.input("raw"))
			conv := p.Apply(withMoments(mapShape, momentsShape), x)
			moments := p.apply(ir.Moments{}, conv[0])
			a, b := p.apply(ir.ReLU{}, conv[0]), p.apply(ir.ReLU{}, conv[0])
			deferred := p.apply(affine("Shifted", true, ir.Stored), x)
			window := ir.Square(3, 1, 1, 1)
			depth, point := p.input("depth", 3, 3, 1, 5), p.input("point", 1, 1, 5, 5)
			var terms []*ir.Value
			for range 2 {
				terms = append(terms, p.apply(ir.SeparableConv{Windows: []ir.Window{window}}, x, depth, point))
			}
			again := p.apply(toy{name: "Again", traits: pass.Traits{Repeats: func(int) bool { return true }}}, x)
			n := p.apply(toy{name: "Next"}, again)
			for range 10 {
				n = p.apply(toy{name: "Next"}, n)
			}
			terms = append(terms, a, b, deferred, again, n)
			q := p.build(p.apply(ir.Sum{}, terms...), moments)
			before := q.String()
			assert.NotEqual(t, before, c.pass(q).String(), "the pass does something")
			assert.Equal(t, before, q.String())
		})
	}
}
