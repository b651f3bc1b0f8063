package kernel

// blockPixels is the number of pixels that make good use of a matrix product.
const blockPixels = 64

// stage is one call of a stage: ReLU, depthwise and pointwise convolution. What
// lies between the two convolutions exists for one block of rows at a time; the
// backward pass computes it again.
type stage struct {
	sweep
	cout  int
	block int // output rows in a block
	taps  int // elements of the depthwise weights
}

func newStage(n, h, w, c int, win Window, cout int) stage {
	win.mustBeSquare()
	s := stage{sweep: newSweep(n, h, w, c, win), cout: cout, taps: win.KH * win.KW * c}
	s.block = max(1, blockPixels/s.ow)
	return s
}

// weights returns the number of elements of both weights.
func (s *stage) weights() int { return s.taps + s.c*s.cout }

func (s *stage) forwardSizes() (frame, inner int) {
	return s.most((*sweep).outFrame) * s.frameRow(), s.block * s.ow * s.c
}

func (s *stage) backwardSizes() (frame, gz, inner, spread, row int) {
	frame = s.most((*sweep).fullFrame) * s.frameRow()
	gz = s.most((*sweep).fullReverse) * s.ow * s.cout
	return frame, gz, s.block * s.ow * s.c, s.spreadSize(s.most((*sweep).inRows)), max(s.ow, s.w) * s.c
}

// StageScratch returns the memory, in floats, that StageForward or StageBackward
// needs for each worker and shared.
func StageScratch(n, h, w, c int, win Window, cout int, backward bool) (perWorker, shared int) {
	s := newStage(n, h, w, c, win, cout)
	if backward {
		g := grouped(s.bands, s.weights(), true)
		return total(s.backwardSizes()), total(s.weights(), s.tasks()*2*c) + g.memory()
	}
	return total(s.forwardSizes()), s.tasks() * 2 * cout
}

// StageForward computes z [N, OH, OW, cout], the pointwise convolution by
// wp[C·cout] of the depthwise convolution by wd[K·K·C] of the positive part of
// x. win is square. mom, unless nil, receives the moments of z as from Moments.
func StageForward(t *Team, x Map, win Window, wd, wp, z []float32, cout int, mom []float32) {
	a := stageForwardArgs{stage: newStage(x.N, x.H, x.W, x.C, win, cout), x: x, wd: wd, wp: wp, z: z}
	x.check("x")
	need("wd", wd, a.taps)
	need("wp", wp, x.C*cout)
	need("z", z, a.pixels()*cout)
	needIf("mom", mom, 3*cout)
	if mom != nil {
		a.parts = t.Shared(a.tasks() * 2 * cout)
	}
	stageForward.run(t, a.tasks(), a)
	if mom != nil {
		setMoments(mom, a.parts, a.tasks(), cout, a.pixels())
	}
}

type stageForwardArgs struct {
	stage
	x                Map
	wd, wp, z, parts []float32
}

var stageForward = newLoop(func(a *stageForwardArgs, w *Worker, i int) {
	frameSize, innerSize := a.forwardSizes()
	mem := pieces(w.Scratch(total(frameSize, innerSize)))
	buf, inner := mem.take(frameSize), mem.take(innerSize)
	image, band := a.at(i)
	out := a.outRows(band)
	frame := a.frame(buf, &a.x, image, a.outFrame(band), 0, true)
	sums := part(a.parts, i, a.cout)
	for y := out.from; y < out.to; y += a.block {
		count := min(a.block, out.to-y)
		pixels := count * a.ow
		a.depthwise(inner, frame[(y-out.from)*a.SH*a.frameRow():], a.wd, count)
		z := a.z[a.output(image, y)*a.cout:][:pixels*a.cout]
		active.gemm(pixels, a.cout, a.c, inner, a.c, a.wp, a.cout, z, a.cout, false)
		addMoments(sums, z, pixels, a.cout)
	}
})

// depthwise computes count rows of the depthwise convolution of a frame by w.
func (s *stage) depthwise(dst, frame, w []float32, count int) {
	for r := range count {
		active.dw(dst[r*s.ow*s.c:], frame[r*s.SH*s.frameRow():], w, s.ow, s.c, s.KH, s.SH, s.DH, s.frameRow())
	}
}

// StageBackward computes, from the gradient gz of the output of StageForward,
// those of x and of the weights: gx, gwd and gwp, each unless nil. sums[2·C],
// unless it or gx is nil, receives the sums of gx and of gx·x for each channel.
func StageBackward(t *Team, gz, x Map, win Window, wd, wp, gx, gwd, gwp, sums []float32) {
	a := stageBackwardArgs{stage: newStage(x.N, x.H, x.W, x.C, win, gz.C), gz: gz, x: x, wd: wd, gx: gx}
	x.check("x")
	gz.like("gz", x.N, a.oh, a.ow, gz.C)
	need("wd", wd, a.taps)
	need("wp", wp, x.C*gz.C)
	needIf("gx", gx, x.Len())
	needIf("gwd", gwd, a.taps)
	needIf("gwp", gwp, x.C*gz.C)
	needIf("sums", sums, 2*x.C)

	a.needWD, a.needWP = gwd != nil, gwp != nil
	a.groups = grouped(a.bands, a.weights(), a.needWD || a.needWP)
	mem := pieces(t.Shared(total(a.weights(), a.tasks()*2*x.C) + a.memory()))
	turned, parts := mem.take(a.weights()), mem.take(a.tasks()*2*x.C)
	if sums != nil && gx != nil {
		a.parts = parts
	}
	a.wdTurned, a.wpTurned, a.buffers = turned[:a.taps], turned[a.taps:], mem
	for at := 0; at < a.taps; at += x.C {
		copy(a.wdTurned[at:at+x.C], wd[a.taps-at-x.C:])
	}
	transpose(a.wpTurned, wp, x.C, gz.C)

	stageBackward.run(t, a.count, a)
	a.sum(t, gwd, 0)
	a.sum(t, gwp, a.taps)
	addParts(sums, a.parts, a.tasks())
}

type stageBackwardArgs struct {
	stage
	groups
	gz, x              Map
	wd                 []float32
	wdTurned, wpTurned []float32 // by 180 degrees; transposed
	gx, parts          []float32
	needWD, needWP     bool
}

var stageBackward = newLoop(func(a *stageBackwardArgs, w *Worker, i int) {
	var gwd, gwp []float32
	if a.size > 0 {
		buffer := a.buffer(i)
		gwd, gwp = buffer[:a.taps], buffer[a.taps:]
	}
	frameSize, gzSize, innerSize, spreadSize, rowSize := a.backwardSizes()
	mem := pieces(w.Scratch(total(frameSize, gzSize, innerSize, spreadSize, rowSize)))
	frameBuf, gzBuf, inner := mem.take(frameSize), mem.take(gzSize), mem.take(innerSize)
	spread, row := mem.take(spreadSize), mem.take(rowSize)
	for task, to := a.members(i); task < to; task++ {
		image, band := a.at(task)
		reverse := a.fullReverse(band)
		gz := a.gz.pixels(gzBuf, a.output(image, reverse.from), reverse.len()*a.ow)
		var frame []float32
		if a.size > 0 {
			frame = a.frame(frameBuf, &a.x, image, a.fullFrame(band), 0, true)
		}
		if a.needWP {
			a.pointwiseGradient(gwp, frame, gz, inner, band)
		}
		a.innerGradient(gwd, frame, gz, spread, row, band)
		if a.gx != nil {
			a.inputGradient(frame, spread, row, task)
		}
	}
})

// under returns the part of a band's frame that output row y sees.
func (a *stageBackwardArgs) under(frame []float32, band, y int) []float32 {
	return frame[(y*a.SH-a.PH-a.fullFrame(band).from)*a.frameRow():]
}

// pointwiseGradient adds to gwp the products of what lies between the two
// convolutions and the gradients of the band's output.
func (a *stageBackwardArgs) pointwiseGradient(gwp, frame, gz, inner []float32, band int) {
	out, first := a.outRows(band), a.fullReverse(band).from
	for y := out.from; y < out.to; y += a.block {
		count := min(a.block, out.to-y)
		a.depthwise(inner, a.under(frame, band, y), a.wd, count)
		active.gemmT(count*a.ow, a.cout, a.c, inner, a.c, gz[(y-first)*a.ow*a.cout:], a.cout, gwp, a.cout, true)
	}
}

// innerGradient computes the gradient of what lies between the convolutions, row
// by row. It spreads what the gradient of the band's input needs, and adds to gwd
// the products with the band's frame.
func (a *stageBackwardArgs) innerGradient(gwd, frame, gz, spread, row []float32, band int) {
	in, out, reverse := a.inRows(band), a.outRows(band), a.fullReverse(band)
	if a.gx != nil {
		a.blank(spread, in, reverse)
	}
	for y := reverse.from; y < reverse.to; y++ {
		at, wanted := a.spreadAt(in, y)
		wanted = wanted && a.gx != nil
		member := a.needWD && out.contains(y)
		if !wanted && !member {
			continue
		}
		g := row
		if wanted && a.SW == 1 {
			g = spread[at:]
		}
		active.gemm(a.ow, a.c, a.cout, gz[(y-reverse.from)*a.ow*a.cout:], a.cout, a.wpTurned, a.c, g, a.c, false)
		if wanted && a.SW > 1 {
			a.spreadOut(spread[at:], g)
		}
		if member {
			active.dwGrad(gwd, a.under(frame, band, y), g, a.ow, a.c, a.KH, a.SH, a.DH, a.frameRow())
		}
	}
}

// inputGradient computes a task's part of gx from the spread gradients.
func (a *stageBackwardArgs) inputGradient(frame, spread, row []float32, task int) {
	image, band := a.at(task)
	in, sums := a.inRows(band), part(a.parts, task, a.c)
	for y := in.from; y < in.to; y++ {
		gx := a.gx[a.input(image, y)*a.c:][:a.w*a.c]
		active.dw(gx, spread[(y-in.from)*a.spreadRow():], a.wdTurned, a.w, a.c, a.KH, 1, a.DH, a.spreadRow())
		var x []float32 // or its positive part: gx is zero elsewhere
		if frame != nil {
			x = a.inner(frame, a.fullFrame(band), y)
		} else {
			x = a.x.pixels(row, a.input(image, y), a.w)
		}
		active.mask(gx, gx, x)
		if sums != nil {
			active.dots(sums[:a.c], sums[a.c:], gx, x, a.w, a.c)
		}
	}
}
