package kernel

// blockPixels is the number of pixels that make good use of a matrix product.
const blockPixels = 64

// Stage is one of the stages that read a map [N, H, W, C]: ReLU, depthwise
// convolution by WD[K·K·C], pointwise convolution by WP[C·COUT].
type Stage struct {
	Win    Window // square
	WD, WP []float32

	// Z [N, OH, OW, COUT], unless nil, receives the output and Mom, unless nil, its
	// moments as from Moments.
	Z, Mom []float32

	right []float32 // WP as products read it

	// GZ is the gradient of the output; GWD and GWP, unless nil, receive those of
	// the weights.
	GZ       Map
	GWD, GWP []float32
}

// fan is one call for some stages of one map, which share what they read of it.
// What lies between the two convolutions of a stage exists for one block of rows
// at a time; the backward pass computes it again.
type fan struct {
	sweep     // by the widest window
	precision Precision
	list      []Stage
	block     int // output rows in a block
}

// newFan panics unless the stages fit together: several have strides and
// resolutions alike, and windows that are centred.
func newFan(p Precision, n, h, w, c int, list []Stage) fan {
	widest := list[0].Win
	for i := range list {
		win := list[i].Win
		win.mustBeSquare()
		if len(list) > 1 && (win.SH != widest.SH || 2*win.PH != win.reachH()) {
			panicf("kernel: stages of windows %+v and %+v do not go together", list[0].Win, win)
		}
		if win.PH > widest.PH {
			widest = win
		}
	}
	f := fan{sweep: newSweep(n, h, w, c, widest), precision: p.even(c), list: list}
	f.block = max(1, blockPixels/f.ow)
	for i := range list {
		f.precision = f.precision.even(f.cout(&list[i]))
	}
	return f
}

// cout returns the number of channels of the output of a stage.
func (f *fan) cout(s *Stage) int { return len(s.WP) / f.c }

// sizes returns the largest number of channels of an output and the number of
// elements of all weights.
func (f *fan) sizes() (cout, weights int) {
	for i := range f.list {
		s := &f.list[i]
		cout, weights = max(cout, f.cout(s)), weights+len(s.WD)+len(s.WP)
	}
	return cout, weights
}

// visit returns the sweep of one stage, over frames of the widest window.
func (f *fan) visit(s *Stage) sweep {
	v := f.sweep
	v.Window = s.Win
	return v
}

// under returns the part of a frame, which begins at input row first, that output
// row y of a stage sees.
func (f *fan) under(frame []float32, first int, s *Stage, y int) []float32 {
	return frame[(y*f.SH-s.Win.PH-first)*f.frameRow()+(f.PW-s.Win.PW)*f.c:]
}

// depthwise computes count rows of the depthwise convolution of a stage.
func (f *fan) depthwise(dst, frame []float32, s *Stage, count int) {
	for r := range count {
		active.dw(dst[r*f.ow*f.c:], frame[r*f.SH*f.frameRow():], s.WD, f.ow, f.c, s.Win.KH, f.SH, s.Win.DH, f.frameRow())
	}
}

func (f *fan) forwardSizes() (frame, inner int) {
	return f.most((*sweep).outFrame) * f.frameRow(), f.block * f.ow * f.c
}

func (f *fan) backwardSizes() (frame, gz, inner, spread, row, operands int) {
	cout, _ := f.sizes()
	frame = f.most((*sweep).fullFrame) * f.frameRow()
	gz = f.most((*sweep).fullReverse) * f.ow * cout
	operands = max(f.precision.leftSize(f.ow, cout), f.precision.gemmTSize(cout, f.c))
	return frame, gz, f.block * f.ow * f.c, f.spreadSize(f.most((*sweep).inRows)), max(f.ow, f.w) * f.c, operands
}

// momentsSize is the size of the partial sums of the moments of all outputs.
func (f *fan) momentsSize() int {
	size := 0
	for i := range f.list {
		size += partsSize(f.tasks(), 2*f.cout(&f.list[i]))
	}
	return size
}

// forwardShared returns the sizes of the sums of the moments of all outputs and of the
// weights as the products read them.
func (f *fan) forwardShared() (moments, weights int) {
	if f.precision == BFloat16 {
		_, weights = f.sizes()
	}
	return f.momentsSize(), weights / 2
}

// StagesScratch returns the memory, in floats, that StagesForward or
// StagesBackward needs for each worker and shared. Of the stages, windows and
// weights count, of the weights only their lengths.
func StagesScratch(p Precision, n, h, w, c int, stages []Stage, backward bool) (perWorker, shared int) {
	f := newFan(p, n, h, w, c, stages)
	_, all := f.sizes()
	if backward {
		g := grouped(f.bands, all, true)
		return total(f.backwardSizes()), total(all, partsSize(f.tasks(), 2*c)) + g.memory()
	}
	f.sweep = f.finely()
	perWorker, shared = total(f.forwardSizes()), total(f.forwardShared())
	for i := range stages {
		perWorker, shared = withMoments(perWorker, shared, n, f.oh, f.ow, f.cout(&stages[i]))
	}
	return perWorker, shared
}

// StagesForward computes the outputs of stages of x.
func StagesForward(t *ThreadPool, p Precision, x Map, stages []Stage) {
	a := fanForwardArgs{fan: newFan(p, x.N, x.H, x.W, x.C, stages), x: x}
	a.sweep = a.finely()
	a.check()
	mem := pieces(t.Shared(total(a.forwardShared())))
	momentsSize, weightsSize := a.forwardShared()
	a.parts = mem.take(momentsSize)
	weights := mem.take(weightsSize)
	for i := range stages {
		s := &stages[i]
		s.right = a.precision.right(t, weights, s.WP, x.C, a.cout(s))
		if a.precision == BFloat16 {
			weights = weights[len(s.WP)/2:]
		}
	}
	fanForward.run(t, a.tasks(), a)
	parts := a.parts
	for i := range stages {
		s := &stages[i]
		cout := a.cout(s)
		if s.Mom != nil {
			setMoments(t, s.Mom, parts, a.tasks(), cout, a.pixels())
		}
		parts = parts[partsSize(a.tasks(), 2*cout):]
	}
	for i := range stages { // now that no parts are needed any more
		if s := &stages[i]; s.Mom != nil && s.Z != nil {
			refine(t, Plain(x.N, a.oh, a.ow, a.cout(s), s.Z), s.Mom)
		}
	}
}

type fanForwardArgs struct {
	fan
	x     Map
	parts []float32
}

func (a *fanForwardArgs) check() {
	a.x.check("x")
	for i := range a.list {
		s := &a.list[i]
		need("a stage's WD", s.WD, s.Win.KH*s.Win.KW*a.c)
		need("a stage's WP", s.WP, a.c*a.cout(s))
		needIf("a stage's Z", s.Z, a.pixels()*a.cout(s))
		needIf("a stage's Mom", s.Mom, 3*a.cout(s))
	}
}

var fanForward = newLoop(func(a *fanForwardArgs, w *Worker, i int) {
	frameSize, innerSize := a.forwardSizes()
	mem := pieces(w.Scratch(total(frameSize, innerSize)))
	buf, inner := mem.take(frameSize), mem.take(innerSize)
	image, band := a.at(i)
	seen, out := a.outFrame(band), a.outRows(band)
	frame := a.frame(buf, &a.x, image, seen, 0, true)
	parts := a.parts
	for k := range a.list {
		s := &a.list[k]
		cout := a.cout(s)
		var sums []float32
		if s.Mom != nil {
			sums = part(parts, i, 2*cout)
		}
		parts = parts[partsSize(a.tasks(), 2*cout):]
		if s.Z == nil {
			continue
		}
		for y := out.from; y < out.to; y += a.block {
			count := min(a.block, out.to-y)
			pixels := count * a.ow
			a.depthwise(inner, a.under(frame, seen.from, s, y), s, count)
			z := s.Z[a.output(image, y)*cout:][:pixels*cout]
			left, row := a.precision.left(inner, inner, a.c, pixels, a.c)
			a.precision.products().gemm(pixels, cout, a.c/a.precision.per(), left, row, s.right, cout, z, cout, false)
			addMoments(sums, z, pixels, cout)
		}
	}
})

// StagesBackward computes, from the gradients of the outputs of stages of x,
// those of their weights and gx, that of x, unless nil. sums[2·C], unless it or gx
// is nil, receives the sums of gx and of gx·x for each channel.
func StagesBackward(t *ThreadPool, p Precision, x Map, stages []Stage, gx, sums []float32) {
	a := fanBackwardArgs{fan: newFan(p, x.N, x.H, x.W, x.C, stages), x: x, gx: gx}
	a.check()
	needIf("sums", sums, 2*x.C)

	_, all := a.sizes()
	for i := range stages {
		a.weights = a.weights || stages[i].GWD != nil || stages[i].GWP != nil
	}
	a.groups = grouped(a.bands, all, a.weights)
	mem := pieces(t.Shared(total(all, partsSize(a.tasks(), 2*x.C)) + a.memory()))
	a.turned, a.parts = mem.take(all), mem.take(partsSize(a.tasks(), 2*x.C))
	a.buffers = mem
	if sums == nil || gx == nil {
		a.parts = nil
	}
	at := 0
	for i := range stages {
		s := &stages[i]
		turn(a.turned[at:], s.WD, x.C)
		a.precision.rightTransposed(t, a.turned[at+len(s.WD):], s.WP, x.C, a.cout(s))
		at += len(s.WD) + len(s.WP)
	}

	fanBackward.run(t, a.count, a)
	at = 0
	for i := range stages {
		s := &stages[i]
		a.sum(t, s.GWD, at)
		a.sum(t, s.GWP, at+len(s.WD))
		at += len(s.WD) + len(s.WP)
	}
	addParts(t, sums, a.parts, a.tasks())
}

// turn sets dst to depthwise weights of c channels turned by 180 degrees.
func turn(dst, w []float32, c int) {
	for at := 0; at < len(w); at += c {
		copy(dst[at:at+c], w[len(w)-at-c:])
	}
}

type fanBackwardArgs struct {
	fan
	groups
	x         Map
	turned    []float32 // of each stage WD by 180 degrees and WP transposed, as products read it
	gx, parts []float32
	weights   bool // some gradient of weights is wanted
}

func (a *fanBackwardArgs) check() {
	a.x.check("x")
	needIf("gx", a.gx, a.x.Len())
	for i := range a.list {
		s := &a.list[i]
		s.GZ.like("a stage's GZ", a.x.N, a.oh, a.ow, a.cout(s))
		need("a stage's WD", s.WD, s.Win.KH*s.Win.KW*a.c)
		need("a stage's WP", s.WP, a.c*a.cout(s))
		needIf("a stage's GWD", s.GWD, len(s.WD))
		needIf("a stage's GWP", s.GWP, len(s.WP))
	}
}

var fanBackward = newLoop(func(a *fanBackwardArgs, w *Worker, i int) {
	var buffer []float32
	if a.weights {
		buffer = a.buffer(i)
	}
	frameSize, gzSize, innerSize, spreadSize, rowSize, operandsSize := a.backwardSizes()
	mem := pieces(w.Scratch(total(frameSize, gzSize, innerSize, spreadSize, rowSize, operandsSize)))
	frameBuf, gzBuf := mem.take(frameSize), mem.take(gzSize)
	b := branch{fanBackwardArgs: a, inner: mem.take(innerSize), spread: mem.take(spreadSize), row: mem.take(rowSize)}
	b.operands = mem.take(operandsSize)
	for task, to := a.members(i); task < to; task++ {
		b.image, b.band = a.at(task)
		if a.weights {
			b.seen = a.fullFrame(b.band)
			b.frame = a.frame(frameBuf, &a.x, b.image, b.seen, 0, true)
		}
		at := 0
		for k := range a.list {
			b.Stage, b.win, b.first = &a.list[k], a.visit(&a.list[k]), k == 0
			split := at + len(b.WD)
			end := split + len(b.WP)
			b.wd, b.wp = a.turned[at:split], a.turned[split:end]
			if a.weights {
				b.gwd, b.gwp = buffer[at:split], buffer[split:end]
			}
			at = end
			b.reverse = b.win.fullReverse(b.band)
			b.gz = b.GZ.pixels(gzBuf, a.output(b.image, b.reverse.from), b.reverse.len()*a.ow)
			b.pointwiseGradient()
			b.innerGradient()
			b.inputGradient()
		}
		b.finish(task)
	}
})

// branch is one stage of a fan in one task of the backward pass.
type branch struct {
	*fanBackwardArgs
	*Stage
	win   sweep // that of the stage, over the frames of the fan
	first bool  // of the fan

	image, band        int
	seen, reverse      rows      // those in frame and in gz
	frame, gz          []float32 // frame is nil if no gradient of weights is wanted
	wd, wp             []float32 // turned
	gwd, gwp           []float32
	inner, spread, row []float32 // scratch
	operands           []float32 // of products
}

// pointwiseGradient adds to gwp the products of what lies between the two
// convolutions and the gradients of the band's output.
func (b *branch) pointwiseGradient() {
	if b.GWP == nil {
		return
	}
	out, cout := b.outRows(b.band), b.cout(b.Stage)
	for y := out.from; y < out.to; y += b.block {
		count := min(b.block, out.to-y)
		b.depthwise(b.inner, b.under(b.frame, b.seen.from, b.Stage, y), b.Stage, count)
		b.precision.gemmT(b.operands, count*b.ow, cout, b.c, b.inner, b.c, b.gz[(y-b.reverse.from)*b.ow*cout:], cout, b.gwp, cout, true)
	}
}

// innerGradient computes the gradient of what lies between the convolutions, row
// by row. It spreads what the gradient of the band's input needs, and adds to gwd
// the products with the band's frame.
func (b *branch) innerGradient() {
	in, out, cout := b.inRows(b.band), b.outRows(b.band), b.cout(b.Stage)
	if b.gx != nil {
		b.win.blank(b.spread, in, b.reverse)
	}
	for y := b.reverse.from; y < b.reverse.to; y++ {
		at, wanted := b.win.spreadAt(in, y)
		wanted = wanted && b.gx != nil
		member := b.GWD != nil && out.contains(y)
		if !wanted && !member {
			continue
		}
		g := b.row
		if wanted && b.SW == 1 {
			g = b.spread[at:]
		}
		left, row := b.precision.left(b.operands, b.gz[(y-b.reverse.from)*b.ow*cout:], cout, b.ow, cout)
		b.precision.products().gemm(b.ow, b.c, cout/b.precision.per(), left, row, b.wp, b.c, g, b.c, false)
		if wanted && b.SW > 1 {
			b.spreadOut(b.spread[at:], g)
		}
		if member {
			active.dwGrad(b.gwd, b.under(b.frame, b.seen.from, b.Stage, y), g, b.ow, b.c, b.Win.KH, b.SH, b.Win.DH, b.frameRow())
		}
	}
}

// inputGradient adds the band's part of gx, without that of the ReLU, from the
// spread gradients.
func (b *branch) inputGradient() {
	if b.gx == nil {
		return
	}
	in := b.inRows(b.band)
	for y := in.from; y < in.to; y++ {
		dst := b.gxRow(y)
		if !b.first {
			dst = b.row
		}
		active.dw(dst, b.spread[(y-in.from)*b.win.spreadRow():], b.wd, b.w, b.c, b.Win.KH, 1, b.Win.DH, b.win.spreadRow())
		if !b.first {
			active.addAffine(b.gxRow(y), b.row, nil, nil, 1, b.w*b.c)
		}
	}
}

func (b *branch) gxRow(y int) []float32 { return b.gx[b.input(b.image, y)*b.c:][:b.w*b.c] }

// finish applies the gradient of the ReLU to the band's part of gx, and adds it
// up.
func (b *branch) finish(task int) {
	if b.gx == nil {
		return
	}
	in, sums := b.inRows(b.band), part(b.parts, task, 2*b.c)
	for y := in.from; y < in.to; y++ {
		var x []float32 // or its positive part: gx is zero elsewhere
		if b.frame != nil {
			x = b.fan.inner(b.frame, b.seen, y)
		} else {
			x = b.x.pixels(b.row, b.input(b.image, y), b.w)
		}
		gx := b.gxRow(y)
		active.mask(gx, gx, x)
		if sums != nil {
			active.dots(sums[:b.c], sums[b.c:], gx, x, b.w, b.c)
		}
	}
}
