package pass_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

// TestCompress holds which maps are stored as bfloat16 while they lie idle.
func TestCompress(t *testing.T) {
	for _, c := range []struct {
		name string
		// build returns the map, made of x, and what else is a result.
		build  func(p *program, x *ir.Value) (y *ir.Value, results []*ir.Value)
		length int // of the chain of steps before it is read, where most memory is needed
		narrow int // maps that are rounded, besides x
	}{
		{"read late", func(p *program, x *ir.Value) (*ir.Value, []*ir.Value) {
			return p.apply(toy{name: "A"}, x), nil
		}, 10, 1},
		{"idle for just long enough", func(p *program, x *ir.Value) (*ir.Value, []*ir.Value) {
			return p.apply(toy{name: "A"}, x), nil
		}, 8, 1},
		{"not idle for long", func(p *program, x *ir.Value) (*ir.Value, []*ir.Value) {
			return p.apply(toy{name: "A"}, x), nil
		}, 7, 0},
		{"a result", func(p *program, x *ir.Value) (*ir.Value, []*ir.Value) {
			y := p.apply(toy{name: "A"}, x)
			return y, []*ir.Value{y}
		}, 10, 0},
		{"of another library", func(p *program, x *ir.Value) (*ir.Value, []*ir.Value) {
			return p.foreign("A", x), nil
		}, 10, 0},
		{"no map", func(p *program, x *ir.Value) (*ir.Value, []*ir.Value) {
			return p.apply(toy{name: "A", out: []ir.Shape{{60}}}, x), nil
		}, 10, 0},
		{"an input", func(p *program, x *ir.Value) (*ir.Value, []*ir.Value) {
			return p.input("y"), nil
		}, 10, 0},
		{"deferred", func(p *program, x *ir.Value) (*ir.Value, []*ir.Value) {
			return p.apply(affine("Shifted", true, ir.Stored), x), nil
		}, 10, 1}, // what it is formed from
	} {
		t.Run(c.name, func(t *testing.T) {
			var p program
			x := p.apply(toy{name: "X"}, p.input("raw"))
			y, results := c.build(&p, x)
			n := wideChain(&p, p.apply(look(ir.Affine), y), c.length)
			last := p.apply(blend("Late", ir.Affine, ir.Affine), n, y)
			q := p.build(append(results, p.apply(look(ir.Affine), last))...)
			q = pass.Defer(pass.Prune(q, target), target)
			before := q.String()
			r := pass.Compress(q)
			assert.Equal(t, before, q.String())
			to, from := 0, 0
			for _, s := range r.Steps {
				switch s.Op.(type) {
				case ir.ToBFloat16:
					to++
					assert.False(t, s.Late)
					assert.Equal(t, ir.BFloat16, s.Out[0].Type)
				case ir.FromBFloat16:
					from++
					assert.True(t, s.Late)
					assert.Equal(t, ir.Float32, s.Out[0].Type)
				}
			}
			assert.Equal(t, []int{c.narrow, c.narrow}, []int{to, from})
			assert.Equal(t, q.Results, r.Results)
			assert.NoError(t, check(r, serial(r), pass.Assign(r, pass.Liveness(r))))
		})
	}
}

// TestCompressAtThePeak leaves maps as they are that lie idle at other times than that of most
// memory.
func TestCompressAtThePeak(t *testing.T) {
	var p program
	x := p.apply(toy{name: "X"}, p.input("raw"))
	first := p.apply(toy{name: "First"}, chain(&p, x, 10), x)
	y := p.apply(toy{name: "Y"}, first)
	last := p.apply(toy{name: "Last"}, wideChain(&p, y, 10), y)
	r := pass.Compress(p.build(last))
	var rounded []*ir.Value
	for _, s := range r.Steps {
		if _, ok := s.Op.(ir.ToBFloat16); ok {
			rounded = append(rounded, s.In[0])
		}
	}
	assert.Equal(t, 1, len(rounded))
	assert.Same(t, y, rounded[0])
}

// TestCompressed shows where a map is rounded, and where it becomes float32 again.
func TestCompressed(t *testing.T) {
	var p program
	x := p.apply(toy{name: "X"}, p.input("raw"))
	shifted := p.apply(affine("Shifted", true, ir.Stored), x)
	n := wideChain(&p, p.apply(look(ir.Affine), shifted), 9)
	both := p.apply(ir.Sum{}, n, shifted)
	q := pass.Defer(pass.Prune(p.build(p.apply(ir.Sum{}, both, shifted, x)), target), target)
	text(t, `
%0 float32[2 3 2 5] = input "raw"
%1 float32[2 3 2 5] = X(%0)
_, %2 float32[3 5] = Shifted(%1)
    %3 float32[2 3 2 5] = deferred %2[1]·%1 + %2[2]
%4 float32[2 3 2 5] = Look{2}(%3)
%5 bfloat16[2 3 2 5] = ToBFloat16(%1)
%6 float32[2 3 2 5] = Next(%4)
%7 float32[2 3 2 5] = Next(%6)
%8 float32[2 3 2 5] = Next(%7)
%9 float32[2 3 2 5] = Next(%8)
%10 float32[6000] = Wide(%9)
%11 float32[2 3 2 5] = Narrow(%10)
%12 float32[2 3 2 5] = Next(%11)
%13 float32[2 3 2 5] = Next(%12)
%14 float32[2 3 2 5] = Next(%13)
%15 float32[2 3 2 5] = FromBFloat16(%5)
    %16 float32[2 3 2 5] = deferred %2[1]·%15 + %2[2]
%17 float32[2 3 2 5] = Sum(%14, %16)
%18 float32[2 3 2 5] = Sum(%17, %16, %15)
return %18
`, pass.Compress(q))
	assert.Equal(t, 16, pass.Floats(&ir.Value{Shape: ir.Shape{3, 5}, Type: ir.BFloat16}))
	assert.Equal(t, 32, pass.Floats(&ir.Value{Shape: ir.Shape{33}, Type: ir.BFloat16}))
	assert.Equal(t, 16, pass.Floats(&ir.Value{Shape: ir.Shape{31}, Type: ir.BFloat16}))
}

// TestCompressKeepsExact rounds nothing that an exact result or a state depends on, even if
// it is idle for long before.
func TestCompressKeepsExact(t *testing.T) {
	build := func() (*ir.Program, *ir.Value) {
		var p program
		x := p.apply(toy{name: "X"}, p.input("raw"))
		y := p.apply(toy{name: "A"}, x)
		n := chain(&p, p.apply(look(ir.Affine), y), 12)
		late := p.apply(blend("Late", ir.Affine, ir.Affine), n, y)
		return p.build(p.apply(look(ir.Affine), late)), late
	}
	rounded := func(p *ir.Program) (n int) {
		for _, s := range pass.Compress(pass.Prune(p, target)).Steps {
			if _, ok := s.Op.(ir.ToBFloat16); ok {
				n++
			}
		}
		return n
	}
	p, _ := build()
	assert.Positive(t, rounded(p))
	p.Exact = p.Results
	assert.Zero(t, rounded(p), "an exact result")
	p, late := build()
	p.States = []ir.State{{In: p.Inputs[0], Out: late}}
	assert.Zero(t, rounded(p), "a state")
}
