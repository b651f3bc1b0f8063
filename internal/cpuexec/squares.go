package cpuexec

import (
	"math"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

// squaresAtATime is the number of squares in a partial sum: sums do not depend on the
// number of cores.
const squaresAtATime = 1 << 13

// blocks returns the number of partial sums of n squares, and eachBlock calls f for each.
func blocks(n int) int { return (n + squaresAtATime - 1) / squaresAtATime }

func eachBlock(c *Context, n int, f func(block, from, to int)) {
	parallel(c, blocks(n), func(i int) { f(i, i*squaresAtATime, min((i+1)*squaresAtATime, n)) })
}

type squaredError struct{ ir.SquaredError }

// Traits says that Run computes all outputs.
func (k squaredError) Traits([]ir.Shape) pass.Traits { return pass.Traits{Pure: true, All: true} }

func (k squaredError) Run(c *Context, out, in []Array) error {
	x, y := in[0].F, in[1].F
	type part struct {
		sum   float64
		count int
	}
	parts := make([]part, blocks(len(x)))
	eachBlock(c, len(x), func(block, from, to int) {
		var p part
		for i := from; i < to; i++ {
			if y[i] != k.Ignore {
				d := float64(x[i]) - float64(y[i])
				p.sum += float64(d * d)
				p.count++
			}
		}
		parts[block] = p
	})
	var all part
	for _, p := range parts {
		all.sum += p.sum
		all.count += p.count
	}
	out[0].F[0] = float32(all.sum / float64(max(1, all.count)))
	out[1].F[0] = float32(all.sum)
	setCount(out[2].F, all.count)
	return nil
}

type squaredErrorGrad struct{ ir.SquaredErrorGrad }

func (squaredErrorGrad) Traits([]ir.Shape) pass.Traits { return pure() }

func (k squaredErrorGrad) Run(c *Context, out, in []Array) error {
	var count float64
	for _, n := range in[3].F {
		count += float64(n)
	}
	factor := 2 * float64(in[0].F[0]) / math.Max(1, count)
	x, y := in[1].F, in[2].F
	for side, sign := range []float64{1, -1} {
		g := out[side].F
		eachBlock(c, len(g), func(_, from, to int) {
			for i := from; i < to; i++ {
				g[i] = 0
				if y[i] != k.Ignore {
					g[i] = float32(sign * factor * (float64(x[i]) - float64(y[i])))
				}
			}
		})
	}
	return nil
}
