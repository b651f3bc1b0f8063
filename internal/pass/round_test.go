package pass_test

import (
	"testing"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

// TestRoundOperands changes convolutions and their gradients, and nothing else.
func TestRoundOperands(t *testing.T) {
	window := ir.Square(3, 1, 1, 1)
	var p program
	x, w := p.input("x"), weights(&p, "", 3)
	full := p.input("full", 3, 3, 5, 5)
	conv := ir.Conv{Out: 5, Window: window, ReLU: true}
	y := p.apply(conv, x, full)
	z := separable(&p, y, window, w)
	g := p.Apply(ir.ConvGrad{Of: conv}, z, x, full)[0]
	q := p.build(separableGrad(&p, y, g, window, w)[0], p.apply(ir.FactorizedReduce{Out: 4}, x, p.input("w1", 1, 1, 5, 2), p.input("w2", 1, 1, 5, 2)))
	text(t, `
%0 float32[2 3 2 5] = input "x"
%1 float32[3 3 1 5] = input "depth"
%2 float32[1 1 5 5] = input "point"
%3 float32[3 3 5 5] = input "full"
%4 float32[1 1 5 2] = input "w1"
%5 float32[1 1 5 2] = input "w2"
%6 float32[2 3 2 5], %7 float32[3 5] = Conv{5 3×3 pad=1 relu bfloat16}(%0, %3)
%8 float32[2 3 2 5], %9 float32[3 5] = SeparableConv{3×3 pad=1 bfloat16}(%6, %1, %2)
%10 float32[2 3 2 5], %11 float32[3 3 5 5], %12 float32[5] = GradConv{5 3×3 pad=1 relu bfloat16}(%8, %0, %3)
%13 float32[2 3 2 5], %14 float32[2 5], %15 float32[3 3 1 5], %16 float32[1 1 5 5] = GradSeparableConv{3×3 pad=1 bfloat16}(%6, %10, %1, %2)
%17 float32[2 2 1 4], %18 float32[3 4] = FactorizedReduce{4}(%0, %4, %5)
return %13, %17
`, pass.RoundOperands(q))
}
