package pass_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

// separable applies a separable convolution of one window, and returns its output.
func separable(p *program, x *ir.Value, w ir.Window, weights *[2]*ir.Value) *ir.Value {
	return p.apply(ir.SeparableConv{Windows: []ir.Window{w}}, x, weights[0], weights[1])
}

// separableGrad applies the gradient of a separable convolution, and returns its outputs.
func separableGrad(p *program, x, gy *ir.Value, w ir.Window, weights *[2]*ir.Value) []*ir.Value {
	return p.Apply(ir.SeparableConvGrad{Windows: []ir.Window{w}}, x, gy, weights[0], weights[1])
}

// weights returns the inputs of a separable convolution.
func weights(p *program, name string, size int) *[2]*ir.Value {
	return &[2]*ir.Value{p.input("depth"+name, size, size, 1, 5), p.input("point"+name, 1, 1, 5, 5)}
}

// TestFuseSiblings holds which steps become one.
func TestFuseSiblings(t *testing.T) {
	small, large := ir.Square(3, 1, 1, 1), ir.Square(5, 1, 2, 1)
	const one, two, three, four = "SeparableConv{3×3 pad=1}", "SeparableConv{3×3 pad=1, 3×3 pad=1}", "SeparableConv{3×3 pad=1, 3×3 pad=1, 3×3 pad=1}", "SeparableConv{3×3 pad=1, 3×3 pad=1, 3×3 pad=1, 3×3 pad=1}"
	for _, c := range []struct {
		name string
		// build returns the results; x is computed, w has the weights of a small window.
		build func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value
		want  []string
	}{
		{"of one map", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			a := separable(p, x, small, w)
			return []*ir.Value{p.apply(ir.ReLU{}, a), separable(p, x, small, w)}
		}, []string{two, "ReLU"}},
		{"of other windows, dilated", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			return []*ir.Value{separable(p, x, small, w), separable(p, x, ir.Square(5, 1, 4, 2), weights(p, "large", 5))}
		}, []string{"SeparableConv{3×3 pad=1, 5×5 pad=4 dilation=2}"}},
		{"at most four", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			var out []*ir.Value
			for range 6 {
				out = append(out, separable(p, x, small, w))
			}
			return out
		}, []string{four, two}},
		{"of other maps", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			return []*ir.Value{separable(p, x, small, w), separable(p, p.input("y"), small, w)}
		}, []string{one, one}},
		{"of another stride", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			return []*ir.Value{separable(p, x, small, w), separable(p, x, ir.Square(3, 2, 1, 1), w)}
		}, []string{one, "SeparableConv{3×3 stride=2 pad=1}"}},
		{"of windows that are not centred", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			return []*ir.Value{separable(p, x, small, w), separable(p, x, ir.Square(3, 1, 2, 1), w)}
		}, []string{one, "SeparableConv{3×3 pad=2}"}},
		{"with weights that are made later", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			a := separable(p, x, small, w)
			v := &[2]*ir.Value{p.apply(toy{name: "Weight"}, w[0]), w[1]}
			return []*ir.Value{a, separable(p, x, small, v)}
		}, []string{one, "Weight", one}},
		{"gradients beside another term", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			gy := p.input("gy")
			a, b := separableGrad(p, x, gy, small, w), separableGrad(p, x, x, large, weights(p, "large", 5))
			return []*ir.Value{p.apply(ir.Sum{}, a[0], gy, b[0])}
		}, []string{"GradSeparableConv{3×3 pad=1, 5×5 pad=2}", "Sum of 2"}},
		{"gradients and no other term", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			var terms []*ir.Value
			for range 3 {
				terms = append(terms, separableGrad(p, x, p.input("gy"), small, w)[0])
			}
			return []*ir.Value{p.apply(ir.Sum{}, terms...)}
		}, []string{"Grad" + three}},
		{"gradients of five", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			var terms []*ir.Value
			for range 5 {
				terms = append(terms, separableGrad(p, x, p.input("gy"), small, w)[0])
			}
			return []*ir.Value{p.apply(ir.Sum{}, terms...)}
		}, []string{"Grad" + four, "Grad" + one, "Sum of 2"}},
		{"a gradient that is a result", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			a, b := separableGrad(p, x, p.input("gy"), small, w)[0], separableGrad(p, x, p.input("gy"), small, w)[0]
			return []*ir.Value{p.apply(ir.Sum{}, a, b), a}
		}, []string{"Grad" + one, "Grad" + one, "Sum of 2"}},
		{"a gradient with two readers", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			a, b := separableGrad(p, x, p.input("gy"), small, w)[0], separableGrad(p, x, p.input("gy"), small, w)[0]
			return []*ir.Value{p.apply(ir.Sum{}, a, b), p.apply(ir.ReLU{}, a)}
		}, []string{"Grad" + one, "Grad" + one, "Sum of 2", "ReLU"}},
		{"gradients in two sums", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			gy := p.input("gy")
			a, b := separableGrad(p, x, gy, small, w)[0], separableGrad(p, x, x, small, w)[0]
			return []*ir.Value{p.apply(ir.Sum{}, a, gy), p.apply(ir.Sum{}, b, gy)}
		}, []string{"Grad" + one, "Grad" + one, "Sum of 2", "Sum of 2"}},
		{"a gradient that no sum reads", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			a, b := separableGrad(p, x, p.input("gy"), small, w)[0], separableGrad(p, x, x, small, w)[0]
			return []*ir.Value{p.apply(toy{name: "Product"}, a, b)}
		}, []string{"Grad" + one, "Grad" + one, "Product"}},
		{"a gradient whose sums are read", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			a, b := separableGrad(p, x, p.input("gy"), small, w), separableGrad(p, x, x, small, w)
			return []*ir.Value{p.apply(ir.Sum{}, a[0], b[0]), b[1]}
		}, []string{"Grad" + one, "Grad" + one, "Sum of 2"}},
		{"a gradient of weights that is read before the next", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			a := separableGrad(p, x, p.input("gy"), small, w)
			read := p.apply(ir.ReLU{}, a[2])
			b := separableGrad(p, x, x, small, w)
			return []*ir.Value{p.apply(ir.Sum{}, a[0], b[0]), read}
		}, []string{"Grad" + one, "ReLU", "Grad" + one, "Sum of 2"}},
		{"gradients of weights that are read later", func(p *program, x *ir.Value, w *[2]*ir.Value) []*ir.Value {
			a, b := separableGrad(p, x, p.input("gy"), small, w), separableGrad(p, x, x, small, w)
			read := p.apply(ir.ReLU{}, a[2])
			return []*ir.Value{p.apply(ir.Sum{}, a[0], b[0]), read, b[3]}
		}, []string{"Grad" + two, "ReLU"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p program
			x := p.apply(toy{name: "X"}, p.input("raw"))
			w := weights(&p, "", 3)
			q := pass.Prune(p.build(c.build(&p, x, w)...), target)
			q.Inputs = p.inputs
			assert.Equal(t, append([]string{"X"}, c.want...), ops(pass.FuseSiblings(q)))
		})
	}
}

// TestFusedSteps shows where fused steps run, and what they read and make.
func TestFusedSteps(t *testing.T) {
	small, large := ir.Square(3, 1, 1, 1), ir.Square(5, 1, 2, 1)
	var p program
	x := p.apply(toy{name: "X"}, p.input("raw"))
	u, v := weights(&p, "3", 3), weights(&p, "5", 5)
	a := separable(&p, x, small, u)
	relu := p.apply(ir.ReLU{}, a)
	b := separable(&p, x, large, v)
	ga := separableGrad(&p, x, relu, small, u)
	other := p.apply(toy{name: "Other"}, b)
	gb := separableGrad(&p, x, other, large, v)
	sum := p.apply(ir.Sum{}, ga[0], other, gb[0])
	q := pass.Prune(p.build(sum, ga[2], ga[3], gb[2], gb[3]), target)
	text(t, `
%0 float32[2 3 2 5] = input "raw"
%1 float32[3 3 1 5] = input "depth3"
%2 float32[1 1 5 5] = input "point3"
%3 float32[5 5 1 5] = input "depth5"
%4 float32[1 1 5 5] = input "point5"
%5 float32[2 3 2 5] = X(%0)
%6 float32[2 3 2 5], _, %7 float32[2 3 2 5], _ = SeparableConv{3×3 pad=1, 5×5 pad=2}(%5, %1, %2, %3, %4)
%8 float32[2 3 2 5] = ReLU(%6)
%9 float32[2 3 2 5] = Other(%7)
%10 float32[2 3 2 5], _, %11 float32[3 3 1 5], %12 float32[1 1 5 5], %13 float32[5 5 1 5], %14 float32[1 1 5 5] = GradSeparableConv{3×3 pad=1, 5×5 pad=2}(%5, %8, %1, %2, %9, %3, %4)
%15 float32[2 3 2 5] = Sum(%10, %9)
return %15, %11, %12, %13, %14
`, pass.FuseSiblings(q))
}
