package cpuexec

import (
	"math"

	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

type contrast struct{ ir.Contrast }

// Traits says that Run computes all outputs.
func (k contrast) Traits([]ir.Shape) pass.Traits { return pass.Traits{Pure: true, All: true} }

func (k contrast) Run(c *Context, out, in []Array) error {
	rows, width := in[0].Shape[0], in[0].Shape[1]
	labels := in[1].I
	z, u, lengths, soft := in[0].F, out[3].F, out[4].F, out[5].F
	images := 0
	for _, l := range labels {
		if l != k.Ignore {
			images++
		}
	}
	parallel(c, rows, func(i int) {
		var squares float64
		for _, v := range z[i*width:][:width] {
			squares += float64(float64(v) * float64(v))
		}
		length := math.Sqrt(squares)
		scale := 0.0
		if length >= ir.NoDirection {
			scale = 1 / length
		}
		lengths[i] = float32(length)
		for d, v := range z[i*width:][:width] {
			u[i*width+d] = float32(float64(v) * scale)
		}
	})
	clear(soft)
	losses, hits := make([]float64, rows), make([]bool, rows)
	if images < 2 {
		images = 0
	} else {
		parallel(c, rows, func(i int) {
			if labels[i/2] != k.Ignore {
				losses[i], hits[i] = k.anchor(i, width, labels, u, soft[i*rows:][:rows])
			}
		})
	}
	var loss float64
	score := 0
	for i, l := range losses {
		loss += l
		if hits[i] {
			score++
		}
	}
	out[0].F[0] = float32(loss / float64(max(1, 2*images)))
	out[1].F[0] = float32(score)
	out[2].F[0] = float32(2 * images)
	return nil
}

// anchor computes the loss of a row, whether its positive, the other row of its image, is
// the nearest row, and the softmax of its similarities.
func (k contrast) anchor(i, width int, labels []int32, u, soft []float32) (loss float64, hit bool) {
	takes := func(j int) bool { return j != i && labels[j/2] != k.Ignore }
	positive, top := 0.0, math.Inf(-1) // top: the most similar negative
	for j := range soft {
		if !takes(j) {
			continue
		}
		s := dotted(u[i*width:][:width], u[j*width:][:width]) / k.Temperature
		if soft[j] = float32(s); j == i^1 {
			positive = s
		} else {
			top = max(top, s)
		}
	}
	largest, sum := max(top, positive), 0.0
	for j, s := range soft {
		if takes(j) {
			sum += math.Exp(float64(s) - largest)
		}
	}
	for j, s := range soft {
		if takes(j) {
			soft[j] = float32(math.Exp(float64(s)-largest) / sum)
		}
	}
	return math.Log(sum) + largest - positive, positive > top
}

func dotted(a, b []float32) (sum float64) {
	for i, v := range a {
		sum += float64(float64(v) * float64(b[i]))
	}
	return sum
}

// parallel calls f for every i below n on all cores.
func parallel(c *Context, n int, f func(i int)) {
	c.Pool.ParallelFor(n, func(_ *kernel.Worker, i int) { f(i) })
}

type contrastGrad struct{ ir.ContrastGrad }

func (contrastGrad) Traits([]ir.Shape) pass.Traits { return pure() }

func (k contrastGrad) Run(c *Context, out, in []Array) error {
	labels, u, lengths, soft := in[1].I, in[3].F, in[4].F, in[5].F
	rows, width := in[3].Shape[0], in[3].Shape[1]
	g, count := out[0].F, float64(in[2].F[0])
	clear(g)
	if count == 0 {
		return nil
	}
	factor := float64(in[0].F[0]) / (count * k.Temperature)
	// of is the derivative of all losses by the similarity of rows i and j.
	of := func(i, j int) float64 {
		p := float64(soft[i*rows+j]) + float64(soft[j*rows+i])
		if j == i^1 {
			p -= 2
		}
		return p
	}
	parallel(c, rows, func(i int) {
		length := float64(lengths[i])
		if labels[i/2] == k.Ignore || length < ir.NoDirection {
			return
		}
		to, own := g[i*width:][:width], u[i*width:][:width]
		for j := range rows {
			if j == i || labels[j/2] == k.Ignore {
				continue
			}
			weight := float32(factor * of(i, j))
			for d, v := range u[j*width:][:width] {
				to[d] += float32(weight * v)
			}
		}
		along := dotted(to, own)
		for d, v := range own {
			to[d] = float32((float64(to[d]) - float64(along*float64(v))) / length)
		}
	})
	return nil
}
