package pass_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

// withMoments is a toy that makes the moments of its output.
func withMoments(shapes ...ir.Shape) toy {
	return toy{name: "Conv", traits: pass.Traits{Moments: 1}, out: shapes}
}

var momentsShape = ir.Shape{3, mapShape.Channels()}

// TestEpilogueMoments holds where the kernel that makes a map makes its moments.
func TestEpilogueMoments(t *testing.T) {
	for _, c := range []struct {
		name string
		// build returns the map, and the moments that take the place of those of
		// ir.Moments; nil if they stay.
		build func(p *program, x *ir.Value) (of, moments *ir.Value)
	}{
		{"of a kernel that makes them", func(p *program, x *ir.Value) (of, moments *ir.Value) {
			out := p.Apply(withMoments(mapShape, momentsShape), x)
			return out[0], out[1]
		}},
		{"of its other output", func(p *program, x *ir.Value) (of, moments *ir.Value) {
			return p.Apply(withMoments(mapShape, momentsShape, mapShape), x)[2], nil
		}},
		{"of a kernel that makes none", func(p *program, x *ir.Value) (of, moments *ir.Value) {
			return p.apply(toy{name: "Plain"}, x), nil
		}},
		{"of an operator of another library", func(p *program, x *ir.Value) (of, moments *ir.Value) {
			return p.foreign("Tanh", x), nil
		}},
		{"of an input", func(_ *program, x *ir.Value) (of, moments *ir.Value) { return x, nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p program
			of, moments := c.build(&p, p.input("x"))
			read := p.apply(ir.Moments{}, of)
			q := p.build(p.apply(look(ir.Stored), read), read)
			if moments == nil {
				moments = read
			}
			e := pass.Epilogues(q, target)
			assert.Same(t, moments, step(t, e, "Look{0}").In[0])
			assert.Same(t, moments, e.Results[1])
		})
	}
}

// withSums is a toy that makes a gradient of its input 1, and its sums.
func withSums() toy {
	return toy{
		name: "Grad",
		traits: pass.Traits{Sums: func(output int) (sums, of int, ok bool) {
			return 2, 1, output == 1
		}},
		out: []ir.Shape{mapShape, mapShape, {2, mapShape.Channels()}},
	}
}

// TestEpilogueNormSums holds where the kernel that makes the gradient of a normalised map
// makes the sums of the gradient of the normalisation.
func TestEpilogueNormSums(t *testing.T) {
	type sums struct{ gy, x, statistics *ir.Value }
	for _, c := range []struct {
		name string
		// build returns what NormSums reads. x and gy are maps, s and other statistics.
		build func(p *program, x, gy, s, other *ir.Value) sums
		found bool
	}{
		{"of the normalised map", func(p *program, x, gy, s, _ *ir.Value) sums {
			y := p.apply(ir.BatchNorm{}, x, s)
			return sums{p.Apply(withSums(), gy, y)[1], x, s}
		}, true},
		{"of another output", func(p *program, x, gy, s, _ *ir.Value) sums {
			y := p.apply(ir.BatchNorm{}, x, s)
			return sums{p.Apply(withSums(), gy, y)[0], x, s}
		}, false},
		{"of another input", func(p *program, x, gy, s, _ *ir.Value) sums {
			y := p.apply(ir.BatchNorm{}, x, s)
			return sums{p.Apply(withSums(), y, gy)[1], x, s}
		}, false},
		{"with scale and shift", func(p *program, x, gy, s, _ *ir.Value) sums {
			y := p.apply(ir.BatchNorm{Affine: true}, x, s, p.input("scale", 5), p.input("shift", 5))
			return sums{p.Apply(withSums(), gy, y)[1], x, s}
		}, false},
		{"with other statistics", func(p *program, x, gy, s, other *ir.Value) sums {
			y := p.apply(ir.BatchNorm{}, x, s)
			return sums{p.Apply(withSums(), gy, y)[1], x, other}
		}, false},
		{"of another map", func(p *program, x, gy, s, _ *ir.Value) sums {
			y := p.apply(ir.BatchNorm{}, x, s)
			return sums{p.Apply(withSums(), gy, y)[1], gy, s}
		}, false},
		{"of coefficients", func(p *program, x, gy, s, _ *ir.Value) sums {
			y := p.Apply(ir.BatchNorm{}, x, s)[1]
			return sums{p.Apply(withSums(), gy, y)[1], x, s}
		}, false},
		{"of a gradient in two parts", func(p *program, x, gy, s, _ *ir.Value) sums {
			y := p.apply(ir.BatchNorm{}, x, s)
			return sums{p.apply(ir.Sum{}, p.Apply(withSums(), gy, y)[1], gy), x, s}
		}, false},
		{"of a kernel that makes none", func(p *program, x, gy, s, _ *ir.Value) sums {
			y := p.apply(ir.BatchNorm{}, x, s)
			return sums{p.apply(toy{name: "Grad"}, gy, y), x, s}
		}, false},
		{"of an input", func(p *program, x, gy, s, _ *ir.Value) sums {
			return sums{gy, x, s}
		}, false},
		{"of a map that is not normalised", func(p *program, x, gy, s, _ *ir.Value) sums {
			return sums{p.Apply(withSums(), gy, x)[1], x, s}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p program
			r := c.build(&p, p.input("x"), p.input("gy"), p.input("s", 3, 5), p.input("other", 3, 5))
			want := p.apply(ir.NormSums{}, r.gy, r.x, r.statistics)
			q := p.build(p.apply(look(ir.Stored), want))
			if c.found {
				want = step(t, q, "Grad").Out[2]
			}
			assert.Same(t, want, step(t, pass.Epilogues(q, target), "Look{0}").In[0])
		})
	}
}
