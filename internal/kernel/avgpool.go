package kernel

// taps returns the number of the k taps of a window, its first at input position
// from and the others dil apart, that lie inside of an image of n pixels.
func taps(from, k, dil, n int) int {
	before := (max(0, -from) + dil - 1) / dil
	return min(k, (max(0, n-from)+dil-1)/dil) - before
}

// weigh multiplies row y of the output, or of its gradient, by the reciprocals of
// the numbers of pixels in the windows. shares[OW·C] keeps them, from row to row,
// for windows with the number of rows in *height.
func (s *sweep) weigh(dst, row, shares []float32, height *int, y int) {
	if n := taps(y*s.SH-s.PH, s.KH, s.DH, s.h); n != *height {
		*height = n
		for x := range s.ow {
			set(shares[x*s.c:(x+1)*s.c], 1/float32(n*taps(x*s.SW-s.PW, s.KW, s.DW, s.w)))
		}
	}
	active.affine(dst, row, nil, shares, nil, nil, 1, s.ow*s.c, false)
}

// AvgPoolScratch returns the memory, in floats, that AvgPoolForward or
// AvgPoolBackward needs for each worker and shared.
func AvgPoolScratch(n, h, w, c int, win Window, backward bool) (perWorker, shared int) {
	s := newPool(n, h, w, c, win)
	if backward {
		return total(s.avgPoolBackwardSizes()), 0
	}
	return withMoments(total(s.avgPoolForwardSizes()), partsSize(s.tasks(), 2*c), n, s.oh, s.ow, c)
}

func (s *sweep) avgPoolForwardSizes() (frame, shares, weight int) {
	return s.most((*sweep).outFrame) * s.frameRow(), s.ow * s.c, s.KH * s.KW * s.c
}

func (s *sweep) avgPoolBackwardSizes() (spread, shares, weight, row int) {
	return s.spreadSize(s.most((*sweep).inRows)), s.ow * s.c, s.KH * s.KW * s.c, s.ow * s.c
}

// AvgPoolForward computes z [N, OH, OW, C], the mean of each channel over the
// pixels of each window, which is square; the padding does not count. mom,
// unless nil, receives the moments of z as from Moments.
func AvgPoolForward(t *ThreadPool, x Map, win Window, z, mom []float32) {
	a := poolArgs{sweep: newPool(x.N, x.H, x.W, x.C, win), x: x, z: z}
	x.check("x")
	poolForward(t, avgPoolForward, a, mom)
}

var avgPoolForward = newLoop(func(a *poolArgs, w *Worker, i int) {
	frameSize, sharesSize, weightSize := a.avgPoolForwardSizes()
	mem := pieces(w.Scratch(total(frameSize, sharesSize, weightSize)))
	buf, shares, weight := mem.take(frameSize), mem.take(sharesSize), mem.take(weightSize)
	set(weight, 1)
	image, band := a.at(i)
	out, height := a.outRows(band), 0
	frame := a.frame(buf, &a.x, image, a.outFrame(band), 0, false)
	sums := part(a.parts, i, 2*a.c)
	for y := out.from; y < out.to; y++ {
		z := a.z[a.output(image, y)*a.c:][:a.ow*a.c]
		active.dw(z, frame[(y-out.from)*a.SH*a.frameRow():], weight, a.ow, a.c, a.KH, a.SH, a.DH, a.frameRow())
		a.weigh(z, z, shares, &height, y)
		addMoments(sums, z, a.ow, a.c)
	}
})

// AvgPoolBackward computes gx [N, h, w, C], the gradient of the input of
// AvgPoolForward, from the gradient gz of its output.
func AvgPoolBackward(t *ThreadPool, gz Map, win Window, h, w int, gx []float32) {
	a := poolBackwardArgs{sweep: newPool(gz.N, h, w, gz.C, win), gz: gz, gx: gx}
	gz.like("gz", gz.N, a.oh, a.ow, gz.C)
	need("gx", gx, gz.N*h*w*gz.C)
	avgPoolBackward.run(t, a.tasks(), a)
}

var avgPoolBackward = newLoop(func(a *poolBackwardArgs, w *Worker, i int) {
	spreadSize, sharesSize, weightSize, rowSize := a.avgPoolBackwardSizes()
	mem := pieces(w.Scratch(total(spreadSize, sharesSize, weightSize, rowSize)))
	spread, shares := mem.take(spreadSize), mem.take(sharesSize)
	weight, row := mem.take(weightSize), mem.take(rowSize)
	set(weight, 1)
	image, band := a.at(i)
	in, reverse, height := a.inRows(band), a.reverse(band), 0
	a.blank(spread, in, reverse)
	for y := reverse.from; y < reverse.to; y++ {
		if at, ok := a.spreadAt(in, y); ok {
			a.weigh(row, a.gz.pixels(row, a.output(image, y), a.ow), shares, &height, y)
			a.spreadOut(spread[at:], row)
		}
	}
	for y := in.from; y < in.to; y++ {
		gx := a.gx[a.input(image, y)*a.c:][:a.w*a.c]
		active.dw(gx, spread[(y-in.from)*a.spreadRow():], weight, a.w, a.c, a.KH, 1, a.DH, a.spreadRow())
	}
})
