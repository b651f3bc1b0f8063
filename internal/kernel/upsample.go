package kernel

// upsampling is bilinear interpolation with corners aligned: output pixel Y lies
// at Y·(h-1)/(toH-1) among the input's rows, and so do the columns.
type upsampling struct {
	n, h, w, toH, toW, c int
}

// runPixels is the largest number of output pixels that are worked on at a time.
const runPixels = 16

// between returns the first of the two positions between which output i lies,
// and the second one's weight. A single position is both.
func between(i, in, out int) (at int, second float32) {
	if in == 1 || out == 1 {
		return 0, 0
	}
	at, rest := i*(in-1)/(out-1), i*(in-1)%(out-1)
	if at == in-1 {
		return at - 1, 1
	}
	return at, float32(rest) / float32(out-1)
}

// forwardBands cut the output, backwardBands the input.
func (u *upsampling) forwardBands() bands { return cut(u.n, u.toH, u.toW*u.c, 0).finely(u.toH, 0) }
func (u *upsampling) backwardBands() bands {
	return cut(u.n, u.h, max(u.w, u.toW*u.toH/u.h)*u.c, 0).finely(u.h, 0)
}

// A stencil is what interpolation needs beside the pixels: for each output column
// the weights of two input columns and the number of the first, and the weights
// of two input rows.
const columnFloats = 3

func (u *upsampling) stencilSize() int { return u.toW*columnFloats + 2 }

// columns fills a stencil but for its rows.
func (u *upsampling) columns(stencil []float32) {
	for x := range u.toW {
		at, second := between(x, u.w, u.toW)
		stencil[x*columnFloats], stencil[x*columnFloats+1] = 1-second, second
		stencil[x*columnFloats+2] = float32(at)
	}
}

// rows sets the row weights of a stencil for output row y, and returns them with
// the number of the first input row.
func (u *upsampling) rows(stencil []float32, y int) (weights []float32, at int) {
	at, second := between(y, u.h, u.toH)
	weights = stencil[u.toW*columnFloats:]
	weights[0], weights[1] = 1-second, second
	return weights, at
}

// run returns the end of the output columns, from x on, that lie between the same
// two input columns, and the number of the first of these.
func (u *upsampling) run(stencil []float32, x int) (end, at int) {
	first := stencil[x*columnFloats+2]
	for end = x + 1; end < min(u.toW, x+runPixels) && stencil[end*columnFloats+2] == first; {
		end++
	}
	return end, int(first)
}

// rowSize is the number of elements of an input row.
func (u *upsampling) rowSize() int { return u.w * u.c }

// pairSize is that of the two rows between which an output row lies.
func (u *upsampling) pairSize() int { return min(2, u.h) * u.rowSize() }

// blend computes the input row, w pixels wide, that lies at an output row.
func (u *upsampling) blend(dst, pair, weights []float32) {
	active.gemm(1, u.rowSize(), min(2, u.h), weights, 2, pair, u.rowSize(), dst, u.rowSize(), false)
}

// widen computes the output pixels of a run from a blended row.
func (u *upsampling) widen(dst, row, stencil []float32, x, end, at int) {
	active.gemm(end-x, u.c, min(2, u.w), stencil[x*columnFloats:], columnFloats, row[at*u.c:], u.c, dst, u.c, false)
}

// narrow adds the gradient g of a run to that of a blended row.
func (u *upsampling) narrow(row, g, stencil []float32, x, end, at int) {
	active.gemmT(end-x, u.c, min(2, u.w), stencil[x*columnFloats:], columnFloats, g, u.c, row[at*u.c:], u.c, true)
}

// share adds the gradient of a blended row to those of its two input rows that
// are among the rows in.
func (u *upsampling) share(gx []float32, in rows, at int, row, weights []float32) {
	for k := range min(2, u.h) {
		if in.contains(at + k) {
			dst := gx[(at+k-in.from)*u.rowSize():]
			active.gemm(1, u.rowSize(), 1, weights[k:], 1, row, u.rowSize(), dst, u.rowSize(), true)
		}
	}
}

// touches reports whether one of the two input rows from at on is among in.
func (u *upsampling) touches(in rows, at int) bool {
	return in.contains(at) || u.h > 1 && in.contains(at+1)
}

// UpsampleScratch returns the memory, in floats, that UpsampleForward or
// UpsampleBackward needs for each worker, with an input of h×w pixels and an
// output of toH×toW; they share none.
func UpsampleScratch(h, w, c, toH, toW int, backward bool) (perWorker, shared int) {
	u := upsampling{h: h, w: w, toH: toH, toW: toW, c: c}
	if backward {
		return total(u.backwardSizes()), 0
	}
	return total(u.forwardSizes()), 0
}

func (u *upsampling) forwardSizes() (stencil, pair, row int) {
	return u.stencilSize(), u.pairSize(), u.rowSize()
}

func (u *upsampling) backwardSizes() (stencil, gradient, row int) {
	return u.stencilSize(), runPixels * u.c, u.rowSize()
}

// UpsampleForward computes y [N, h, w, C] from x by bilinear interpolation with
// corners aligned.
func UpsampleForward(t *ThreadPool, x Map, h, w int, y []float32) {
	x.check("x")
	need("y", y, x.N*h*w*x.C)
	u := upsampling{x.N, x.H, x.W, h, w, x.C}
	a := upsampleArgs{u, u.forwardBands(), x, y}
	upsampleForward.run(t, a.cut.tasks(), a)
}

type upsampleArgs struct {
	upsampling
	cut    bands
	x      Map // the output's gradient in the backward pass
	result []float32
}

var upsampleForward = newLoop(func(a *upsampleArgs, w *Worker, i int) {
	stencilSize, pairSize, rowSize := a.forwardSizes()
	mem := pieces(w.Scratch(total(stencilSize, pairSize, rowSize)))
	stencil, buf, row := mem.take(stencilSize), mem.take(pairSize), mem.take(rowSize)
	a.columns(stencil)
	image, band := a.cut.at(i)
	out := a.cut.band(band, a.toH)
	for y := out.from; y < out.to; y++ {
		weights, at := a.rows(stencil, y)
		a.blend(row, a.x.pixels(buf, (image*a.h+at)*a.w, min(2, a.h)*a.w), weights)
		dst := a.result[(image*a.toH+y)*a.toW*a.c:]
		for x := 0; x < a.toW; {
			end, at := a.run(stencil, x)
			a.widen(dst[x*a.c:], row, stencil, x, end, at)
			x = end
		}
	}
})

// UpsampleBackward computes gx [N, h, w, C], the gradient of the input of
// UpsampleForward, from that of its output.
func UpsampleBackward(t *ThreadPool, gy Map, h, w int, gx []float32) {
	gy.check("gy")
	need("gx", gx, gy.N*h*w*gy.C)
	u := upsampling{gy.N, h, w, gy.H, gy.W, gy.C}
	a := upsampleArgs{u, u.backwardBands(), gy, gx}
	upsampleBackward.run(t, a.cut.tasks(), a)
}

var upsampleBackward = newLoop(func(a *upsampleArgs, w *Worker, i int) {
	stencilSize, gradientSize, rowSize := a.backwardSizes()
	mem := pieces(w.Scratch(total(stencilSize, gradientSize, rowSize)))
	stencil, buf, row := mem.take(stencilSize), mem.take(gradientSize), mem.take(rowSize)
	a.columns(stencil)
	image, band := a.cut.at(i)
	in := a.cut.band(band, a.h)
	gx := a.result[(image*a.h+in.from)*a.rowSize():][:in.len()*a.rowSize()]
	clear(gx)
	for y := range a.toH {
		weights, first := a.rows(stencil, y)
		if !a.touches(in, first) {
			continue
		}
		clear(row)
		for x := 0; x < a.toW; {
			end, at := a.run(stencil, x)
			a.narrow(row, a.x.pixels(buf, (image*a.toH+y)*a.toW+x, end-x), stencil, x, end, at)
			x = end
		}
		a.share(gx, in, first, row, weights)
	}
})
