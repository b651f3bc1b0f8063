package kernel

import "math"

func newPool(n, h, w, c int, win Window) sweep {
	win.mustBeSquare()
	return newSweep(n, h, w, c, win)
}

// reverseFrame returns the input rows under all windows that contain a row of
// the band.
func (s *sweep) reverseFrame(band int) rows { return s.sees(s.reverse(band)) }

// MaxPoolScratch returns the memory, in floats, that MaxPoolForward or
// MaxPoolBackward needs for each worker and shared.
func MaxPoolScratch(n, h, w, c int, win Window, backward bool) (perWorker, shared int) {
	s := newPool(n, h, w, c, win)
	if backward {
		return total(s.maxPoolBackwardSizes()), 0
	}
	return withMoments(s.most((*sweep).outFrame)*s.frameRow(), partsSize(s.tasks(), 2*c), n, s.oh, s.ow, c)
}

func (s *sweep) maxPoolBackwardSizes() (frame, sum, gz int) {
	frame = s.most((*sweep).reverseFrame) * s.frameRow()
	return frame, frame, s.ow * s.c
}

// MaxPoolForward computes z [N, OH, OW, C], the largest element of each channel
// in each window, which is square. mom, unless nil, receives the moments of z as
// from Moments.
func MaxPoolForward(t *ThreadPool, x Map, win Window, z, mom []float32) {
	a := poolArgs{sweep: newPool(x.N, x.H, x.W, x.C, win), x: x, z: z}
	x.check("x")
	poolForward(t, maxPoolForward, a, mom)
}

// poolForward runs one of the forward loops of pooling.
func poolForward(t *ThreadPool, l *loop[poolArgs], a poolArgs, mom []float32) {
	need("z", a.z, a.pixels()*a.c)
	needIf("mom", mom, 3*a.c)
	if mom != nil {
		a.parts = t.Shared(partsSize(a.tasks(), 2*a.c))
	}
	l.run(t, a.tasks(), a)
	if mom != nil {
		setMoments(t, mom, a.parts, a.tasks(), a.c, a.pixels())
		refine(t, Plain(a.n, a.oh, a.ow, a.c, a.z), mom)
	}
}

type poolArgs struct {
	sweep
	x        Map
	z, parts []float32
}

var maxPoolForward = newLoop(func(a *poolArgs, w *Worker, i int) {
	image, band := a.at(i)
	out, seen := a.outRows(band), a.outFrame(band)
	frame := a.frame(w.Scratch(seen.len()*a.frameRow()), &a.x, image, seen, float32(math.Inf(-1)), false)
	sums := part(a.parts, i, 2*a.c)
	for y := out.from; y < out.to; y++ {
		z := a.z[a.output(image, y)*a.c:][:a.ow*a.c]
		active.maxRow(z, frame[(y-out.from)*a.SH*a.frameRow():], a.ow, a.c, a.KH, a.SH, a.DH, a.frameRow())
		addMoments(sums, z, a.ow, a.c)
	}
})

// MaxPoolBackward computes gx, the gradient of x, from the gradient gz of the
// output of MaxPoolForward: each element of gz belongs to the first largest
// input of its window, by rows.
func MaxPoolBackward(t *ThreadPool, gz, x Map, win Window, gx []float32) {
	a := poolBackwardArgs{sweep: newPool(x.N, x.H, x.W, x.C, win), gz: gz, x: x, gx: gx}
	x.check("x")
	gz.like("gz", x.N, a.oh, a.ow, x.C)
	need("gx", gx, x.Len())
	maxPoolBackward.run(t, a.tasks(), a)
}

type poolBackwardArgs struct {
	sweep
	gz, x Map
	gx    []float32
}

var maxPoolBackward = newLoop(func(a *poolBackwardArgs, w *Worker, i int) {
	frameSize, sumSize, gzSize := a.maxPoolBackwardSizes()
	mem := pieces(w.Scratch(total(frameSize, sumSize, gzSize)))
	frameBuf, sumBuf, gzBuf := mem.take(frameSize), mem.take(sumSize), mem.take(gzSize)
	image, band := a.at(i)
	in, reverse, seen := a.inRows(band), a.reverse(band), a.reverseFrame(band)
	frame := a.frame(frameBuf, &a.x, image, seen, float32(math.Inf(-1)), false)
	sum := sumBuf[:len(frame)]
	clear(sum)
	for y := reverse.from; y < reverse.to; y++ {
		at := (y - reverse.from) * a.SH * a.frameRow()
		gz := a.gz.pixels(gzBuf, a.output(image, y), a.ow)
		active.maxGrad(sum[at:], frame[at:], gz, a.ow, a.c, a.KH, a.SH, a.DH, a.frameRow())
	}
	for y := in.from; y < in.to; y++ {
		gx := a.gx[a.input(image, y)*a.c:][:a.w*a.c]
		if seen.contains(y) {
			copy(gx, a.inner(sum, seen, y))
		} else {
			clear(gx)
		}
	}
})
