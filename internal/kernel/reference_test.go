package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
)

// The references compute what the kernels do by direct loops in float64. Those
// of gradients are proved by finite differences of the others.

// dense is a map in float64.
type dense struct {
	n, h, w, c int
	v          []float64
}

func newDense(n, h, w, c int) dense { return dense{n, h, w, c, make([]float64, n*h*w*c)} }

// at returns the index of an element, or false if it lies outside.
func (d *dense) at(n, y, x, c int) (int, bool) {
	return ((n*d.h+y)*d.w+x)*d.c + c, y >= 0 && y < d.h && x >= 0 && x < d.w
}

// each calls body for every element of the map.
func (d *dense) each(body func(i, n, y, x, c int)) {
	i := 0
	for n := range d.n {
		for y := range d.h {
			for x := range d.w {
				for c := range d.c {
					body(i, n, y, x, c)
					i++
				}
			}
		}
	}
}

func (d dense) positive() dense {
	p := newDense(d.n, d.h, d.w, d.c)
	for i, v := range d.v {
		p.v[i] = max(0, v)
	}
	return p
}

// where returns g where d is positive.
func (d dense) where(g dense) dense {
	p := newDense(d.n, d.h, d.w, d.c)
	for i, v := range d.v {
		if v > 0 {
			p.v[i] = g.v[i]
		}
	}
	return p
}

// taps calls body for every product of a convolution: the indices of an output
// element's pixel, of an input element and of a tap.
func (d *dense) taps(win Window, z *dense, body func(n, y, x, iy, ix, tap int)) {
	for n := range z.n {
		for y := range z.h {
			for x := range z.w {
				for tap := range win.KH * win.KW {
					iy := y*win.SH - win.PH + tap/win.KW*win.DH
					ix := x*win.SW - win.PW + tap%win.KW*win.DW
					if iy >= 0 && iy < d.h && ix >= 0 && ix < d.w {
						body(n, y, x, iy, ix, tap)
					}
				}
			}
		}
	}
}

func refConv(x dense, win Window, w, bias []float64, cout int) dense {
	oh, ow := win.Out(x.h, x.w)
	z := newDense(x.n, oh, ow, cout)
	z.each(func(i, _, _, _, c int) {
		if bias != nil {
			z.v[i] = bias[c]
		}
	})
	x.taps(win, &z, func(n, y, xx, iy, ix, tap int) {
		to, _ := z.at(n, y, xx, 0)
		from, _ := x.at(n, iy, ix, 0)
		for i := range x.c {
			for o := range cout {
				z.v[to+o] += x.v[from+i] * w[(tap*x.c+i)*cout+o]
			}
		}
	})
	return z
}

func refConvBackward(gz, x dense, win Window, w []float64) (gx dense, gw, gbias []float64) {
	gx, gw, gbias = newDense(x.n, x.h, x.w, x.c), make([]float64, len(w)), make([]float64, gz.c)
	gz.each(func(i, _, _, _, c int) { gbias[c] += gz.v[i] })
	x.taps(win, &gz, func(n, y, xx, iy, ix, tap int) {
		to, _ := gz.at(n, y, xx, 0)
		from, _ := x.at(n, iy, ix, 0)
		for i := range x.c {
			for o := range gz.c {
				gx.v[from+i] += gz.v[to+o] * w[(tap*x.c+i)*gz.c+o]
				gw[(tap*x.c+i)*gz.c+o] += gz.v[to+o] * x.v[from+i]
			}
		}
	})
	return gx, gw, gbias
}

func refDepthwise(x dense, win Window, w []float64) dense {
	oh, ow := win.Out(x.h, x.w)
	z := newDense(x.n, oh, ow, x.c)
	x.taps(win, &z, func(n, y, xx, iy, ix, tap int) {
		to, _ := z.at(n, y, xx, 0)
		from, _ := x.at(n, iy, ix, 0)
		for c := range x.c {
			z.v[to+c] += x.v[from+c] * w[tap*x.c+c]
		}
	})
	return z
}

func refDepthwiseBackward(gz, x dense, win Window, w []float64) (gx dense, gw []float64) {
	gx, gw = newDense(x.n, x.h, x.w, x.c), make([]float64, len(w))
	x.taps(win, &gz, func(n, y, xx, iy, ix, tap int) {
		to, _ := gz.at(n, y, xx, 0)
		from, _ := x.at(n, iy, ix, 0)
		for c := range x.c {
			gx.v[from+c] += gz.v[to+c] * w[tap*x.c+c]
			gw[tap*x.c+c] += gz.v[to+c] * x.v[from+c]
		}
	})
	return gx, gw
}

func refStage(x dense, win Window, wd, wp []float64, cout int) dense {
	return refConv(refDepthwise(x.positive(), win, wd), Square(1, 1, 0, 1), wp, nil, cout)
}

func refStageBackward(gz, x dense, win Window, wd, wp []float64) (gx dense, gwd, gwp []float64) {
	p := x.positive()
	gt, gwp, _ := refConvBackward(gz, refDepthwise(p, win, wd), Square(1, 1, 0, 1), wp)
	gx, gwd = refDepthwiseBackward(gt, p, win, wd)
	return x.where(gx), gwd, gwp
}

// moved returns the map moved by a pixel up and left, with zeros moving in.
func (d dense) moved() dense {
	m := newDense(d.n, d.h, d.w, d.c)
	m.each(func(i, n, y, x, c int) {
		if j, ok := d.at(n, y+1, x+1, c); ok {
			m.v[i] = d.v[j]
		}
	})
	return m
}

// halves splits the channels of a map, and joined puts them together.
func (d dense) halves() (a, b dense) {
	a, b = newDense(d.n, d.h, d.w, d.c/2), newDense(d.n, d.h, d.w, d.c/2)
	d.each(func(i, n, y, x, c int) {
		h, to := &a, c
		if c >= d.c/2 {
			h, to = &b, c-d.c/2
		}
		j, _ := h.at(n, y, x, to)
		h.v[j] = d.v[i]
	})
	return a, b
}

func joined(a, b dense) dense {
	d := newDense(a.n, a.h, a.w, a.c+b.c)
	d.each(func(i, n, y, x, c int) {
		h, from := &a, c
		if c >= a.c {
			h, from = &b, c-a.c
		}
		j, _ := h.at(n, y, x, from)
		d.v[i] = h.v[j]
	})
	return d
}

func refReduce(x dense, w1, w2 []float64, cout int) dense {
	p, win := x.positive(), Square(1, 2, 0, 1)
	return joined(refConv(p, win, w1, nil, cout/2), refConv(p.moved(), win, w2, nil, cout/2))
}

func refReduceBackward(gz, x dense, w1, w2 []float64) (gx dense, gw1, gw2 []float64) {
	p, win := x.positive(), Square(1, 2, 0, 1)
	g1, g2 := gz.halves()
	gx1, gw1, _ := refConvBackward(g1, p, win, w1)
	gx2, gw2, _ := refConvBackward(g2, p.moved(), win, w2)
	gx1.each(func(i, n, y, x, c int) {
		if j, ok := gx2.at(n, y-1, x-1, c); ok && y > 0 && x > 0 {
			gx1.v[i] += gx2.v[j]
		}
	})
	return x.where(gx1), gw1, gw2
}

func refMaxPool(x dense, win Window) (z dense, from []int) {
	oh, ow := win.Out(x.h, x.w)
	z = newDense(x.n, oh, ow, x.c)
	from = make([]int, len(z.v))
	for i := range z.v {
		z.v[i] = math.Inf(-1)
	}
	x.taps(win, &z, func(n, y, xx, iy, ix, _ int) {
		for c := range x.c {
			i, _ := z.at(n, y, xx, c)
			if j, _ := x.at(n, iy, ix, c); x.v[j] > z.v[i] {
				z.v[i], from[i] = x.v[j], j
			}
		}
	})
	return z, from
}

func refMaxPoolBackward(gz, x dense, win Window) dense {
	gx := newDense(x.n, x.h, x.w, x.c)
	_, from := refMaxPool(x, win)
	for i, j := range from {
		gx.v[j] += gz.v[i]
	}
	return gx
}

// refPoolCounts returns for each output pixel how many input pixels it sees.
func refPoolCounts(x *dense, win Window) dense {
	oh, ow := win.Out(x.h, x.w)
	counts := newDense(x.n, oh, ow, 1)
	x.taps(win, &counts, func(n, y, xx, _, _, _ int) {
		i, _ := counts.at(n, y, xx, 0)
		counts.v[i]++
	})
	return counts
}

func refAvgPool(x dense, win Window) dense {
	ones := make([]float64, win.KH*win.KW*x.c)
	for i := range ones {
		ones[i] = 1
	}
	z, counts := refDepthwise(x, win, ones), refPoolCounts(&x, win)
	for i := range z.v {
		z.v[i] /= counts.v[i/x.c]
	}
	return z
}

func refAvgPoolBackward(gz dense, win Window, h, w int) dense {
	gx := newDense(gz.n, h, w, gz.c)
	counts := refPoolCounts(&gx, win)
	gx.taps(win, &gz, func(n, y, x, iy, ix, _ int) {
		for c := range gz.c {
			i, _ := gz.at(n, y, x, c)
			j, _ := gx.at(n, iy, ix, c)
			gx.v[j] += gz.v[i] / counts.v[i/gz.c]
		}
	})
	return gx
}

// refMoments returns the mean, the biased variance and, of what rounding took from
// the mean, zero for each channel.
func refMoments(x dense) []float64 {
	mom, pixels := make([]float64, 3*x.c), float64(x.n*x.h*x.w)
	x.each(func(i, _, _, _, c int) { mom[c] += x.v[i] / pixels })
	x.each(func(i, _, _, _, c int) { mom[x.c+c] += (x.v[i] - mom[c]) * (x.v[i] - mom[c]) / pixels })
	return mom
}

// channelSums returns the sums of g and of g·x for each channel.
func channelSums(g, x dense) []float64 {
	sums := make([]float64, 2*g.c)
	g.each(func(i, _, _, _, c int) {
		sums[c] += g.v[i]
		sums[g.c+c] += g.v[i] * x.v[i]
	})
	return sums
}

// refUpsample interpolates at positions computed as in the definition.
func refUpsample(x dense, h, w int) dense {
	y := newDense(x.n, h, w, x.c)
	y.each(func(i, n, yy, xx, c int) {
		x.corners(yy, xx, h, w, func(iy, ix int, weight float64) {
			j, _ := x.at(n, iy, ix, c)
			y.v[i] += weight * x.v[j]
		})
	})
	return y
}

func refUpsampleBackward(gy dense, h, w int) dense {
	gx := newDense(gy.n, h, w, gy.c)
	gy.each(func(i, n, yy, xx, c int) {
		gx.corners(yy, xx, gy.h, gy.w, func(iy, ix int, weight float64) {
			j, _ := gx.at(n, iy, ix, c)
			gx.v[j] += weight * gy.v[i]
		})
	})
	return gx
}

// corners calls body for the four pixels around an output pixel.
func (d *dense) corners(y, x, h, w int, body func(iy, ix int, weight float64)) {
	position := func(i, in, out int) (int, float64) {
		if out == 1 {
			return 0, 0
		}
		at := float64(i) * float64(in-1) / float64(out-1)
		first := min(int(at), max(0, in-2))
		return first, at - float64(first)
	}
	iy, fy := position(y, d.h, h)
	ix, fx := position(x, d.w, w)
	for dy, wy := range []float64{1 - fy, fy} {
		for dx, wx := range []float64{1 - fx, fx} {
			if wy*wx != 0 {
				body(iy+dy, ix+dx, wy*wx)
			}
		}
	}
}

func refSoftmax(x []float64, rows, k int) []float64 {
	y := make([]float64, len(x))
	for r := range rows {
		var sum float64
		for j := range k {
			sum += math.Exp(x[r*k+j])
		}
		for j := range k {
			y[r*k+j] = math.Exp(x[r*k+j]) / sum
		}
	}
	return y
}

func refSoftmaxBackward(gy, y []float64, rows, k int) []float64 {
	gx := make([]float64, len(y))
	for r := range rows {
		for i := range k {
			for j := range k {
				d := -y[r*k+i] * y[r*k+j]
				if i == j {
					d += y[r*k+i]
				}
				gx[r*k+i] += gy[r*k+j] * d
			}
		}
	}
	return gx
}

func refCrossEntropy(logits []float64, rows, k int, labels []int32, ignore int32, smoothing float64) (loss float64, correct, count int) {
	y := refSoftmax(logits, rows, k)
	for r := range rows {
		if labels[r] == ignore {
			continue
		}
		count++
		top := 0
		for j := range k {
			if logits[r*k+j] > logits[r*k+top] {
				top = j
			}
			loss -= refTarget(j, k, labels[r], smoothing) * math.Log(y[r*k+j])
		}
		if top == int(labels[r]) {
			correct++
		}
	}
	return loss / float64(max(1, count)), correct, count
}

func refTarget(j, k int, label int32, smoothing float64) float64 {
	if k == 1 {
		return 1
	}
	if j == int(label) {
		return 1 - smoothing
	}
	return smoothing / float64(k-1)
}

func refCrossEntropyBackward(scale float64, logits []float64, rows, k int, labels []int32, ignore int32, smoothing float64) []float64 {
	g := refSoftmax(logits, rows, k)
	_, _, count := refCrossEntropy(logits, rows, k, labels, ignore, smoothing)
	for i := range g {
		if labels[i/k] == ignore {
			g[i] = 0
		} else {
			g[i] = (g[i] - refTarget(i%k, k, labels[i/k], smoothing)) * scale / float64(count)
		}
	}
	return g
}

// normals returns n normally distributed numbers.
func normals(r *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = rng.Normal(r)
	}
	return x
}

func normalMap(r *rand.Rand, n, h, w, c int) dense { return dense{n, h, w, c, normals(r, n*h*w*c)} }

func dot(a, b []float64) float64 {
	var sum float64
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

// prove demands that gradient is that of f at x, by central differences.
func prove(t *testing.T, name string, f func() float64, x, gradient []float64) {
	t.Helper()
	const step = 1e-5
	require.Len(t, gradient, len(x), name)
	for i, v := range x {
		x[i] = v + step
		up := f()
		x[i] = v - step
		down := f()
		x[i] = v
		require.InDelta(t, (up-down)/(2*step), gradient[i], 1e-6, "%s: derivative %d", name, i)
	}
}

func TestReferencesOfGradients(t *testing.T) {
	r := rng.New(1, "references", 0, 0)
	win := Window{KH: 3, KW: 2, SH: 2, SW: 1, PH: 1, PW: 2, DH: 1, DW: 2}
	x := normalMap(r, 2, 4, 3, 2)
	oh, ow := win.Out(x.h, x.w)

	t.Run("conv", func(t *testing.T) {
		w, bias, gz := normals(r, 6*2*3), normals(r, 3), normalMap(r, 2, oh, ow, 3)
		f := func() float64 { return dot(gz.v, refConv(x, win, w, bias, 3).v) }
		gx, gw, gbias := refConvBackward(gz, x, win, w)
		prove(t, "x", f, x.v, gx.v)
		prove(t, "w", f, w, gw)
		prove(t, "bias", f, bias, gbias)
	})
	t.Run("stage", func(t *testing.T) {
		wd, wp, gz := normals(r, 6*2), normals(r, 2*3), normalMap(r, 2, oh, ow, 3)
		f := func() float64 { return dot(gz.v, refStage(x, win, wd, wp, 3).v) }
		gx, gwd, gwp := refStageBackward(gz, x, win, wd, wp)
		prove(t, "x", f, x.v, gx.v)
		prove(t, "wd", f, wd, gwd)
		prove(t, "wp", f, wp, gwp)
	})
	t.Run("reduce", func(t *testing.T) {
		w1, w2, gz := normals(r, 2*2), normals(r, 2*2), normalMap(r, 2, 2, 2, 4)
		f := func() float64 { return dot(gz.v, refReduce(x, w1, w2, 4).v) }
		gx, gw1, gw2 := refReduceBackward(gz, x, w1, w2)
		prove(t, "x", f, x.v, gx.v)
		prove(t, "w1", f, w1, gw1)
		prove(t, "w2", f, w2, gw2)
	})
	t.Run("pool", func(t *testing.T) {
		gz := normalMap(r, 2, oh, ow, 2)
		f := func() float64 { z, _ := refMaxPool(x, Square(3, 2, 1, 1)); return dot(z.v, gz.v[:len(z.v)]) }
		g := dense{2, 2, 2, 2, gz.v[:16]}
		prove(t, "max", f, x.v, refMaxPoolBackward(g, x, Square(3, 2, 1, 1)).v)
		f = func() float64 { return dot(gz.v, refAvgPool(x, win).v) }
		prove(t, "avg", f, x.v, refAvgPoolBackward(gz, win, x.h, x.w).v)
	})
	t.Run("upsample", func(t *testing.T) {
		gy := normalMap(r, 2, 9, 8, 2)
		f := func() float64 { return dot(gy.v, refUpsample(x, 9, 8).v) }
		prove(t, "x", f, x.v, refUpsampleBackward(gy, x.h, x.w).v)
	})
	t.Run("softmax", func(t *testing.T) {
		const rows, k = 3, 5
		logits, gy := normals(r, rows*k), normals(r, rows*k)
		f := func() float64 { return dot(gy, refSoftmax(logits, rows, k)) }
		prove(t, "x", f, logits, refSoftmaxBackward(gy, refSoftmax(logits, rows, k), rows, k))
		labels := []int32{4, 9, 0}
		f = func() float64 {
			loss, _, _ := refCrossEntropy(logits, rows, k, labels, 9, 0.1)
			return 3 * loss
		}
		prove(t, "logits", f, logits, refCrossEntropyBackward(3, logits, rows, k, labels, 9, 0.1))
	})
}
