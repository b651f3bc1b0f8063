package kernel

// Large weights are used tile by tile for all pixels of a band, so that a tile
// stays in the L2 cache.
const (
	tileFloats = 1 << 15
	tileDepth  = 1 << 8 // products that are summed at a time
)

const (
	narrowStrip  = 16      // pixels from which a product is efficient
	groupPixels  = 128     // outputs from which a buffer for gradients of the weights costs little
	bufferFloats = 1 << 22 // of the buffers of all groups, where there are more than the usual number
	manyPixels   = 512     // outputs from which it pays to store the weights in panels
)

// conv is one call of a convolution. It is a sum of matrix products, one for
// each run of taps whose inputs lie side by side in a frame: without dilation
// those of a row of the kernel, else each tap on its own.
type conv struct {
	sweep
	precision Precision
	cout      int
	row       int // elements of a row of the input as the products see it
	run       int // inputs of a run of taps
	runs      int // in a row of the kernel
	strip     int // output pixels of one product with a frame
	// copies is a convolution with enough outputs that it pays to copy the inputs out
	// of the frame, where the pixels of a product would be few.
	copies bool
	// pointwise is a convolution whose output pixels depend on one input pixel
	// each, at the same place.
	pointwise bool
}

func newConv(p Precision, n, h, w, c int, win Window, cout int) conv {
	s := conv{sweep: newSweep(n, h, w, c, win), precision: p, cout: cout, run: c, runs: win.KW}
	s.row = s.frameRow()
	few := min(h, s.oh)
	s.bands = cut(n, few, max(s.row, s.ow*cout), 0) // products take longer than forming rows twice
	s.per = max(s.per, min(steps(manyTasks, n), few/bandRows))
	if win.DW == 1 {
		s.run, s.runs = win.KW*c, 1
	}
	s.strip = s.ow
	if win.KW == 1 && win.SW == 1 && win.PW == 0 && win.SH == 1 { // rows follow each other
		s.strip = blockPixels
		s.pointwise = win.KH == 1 && win.PH == 0
	}
	s.copies = cout >= blockPixels && s.strip < narrowStrip
	return s
}

// gradient returns the convolution that computes the gradient of the input from
// that of the output, with the weights turned by 180 degrees; only one without
// stride has it.
func (s *conv) gradient() (r conv, ok bool) {
	if s.SH > 1 || s.SW > 1 || s.PH > s.reachH() || s.PW > s.reachW() {
		return conv{}, false
	}
	win := s.Window
	win.PH, win.PW = s.reachH()-s.PH, s.reachW()-s.PW
	return newConv(s.precision, s.n, s.oh, s.ow, s.cout, win, s.c), true
}

// columns returns the blocks of output channels of the tasks that share a band, if there
// are few bands: whole panels.
func (s *conv) columns() division {
	panels := panelsOf(s.cout)
	return division{s.cout, steps(panels, min(panels, max(1, manyTasks/s.tasks()))) * panelWidth}
}

// direct reports whether the products read the input where it lies: dilated ones, of
// which none sees the padding.
func (s *conv) direct() bool { return s.runs > 1 }

// forms reports whether the input is formed before the products read it.
func (s *conv) forms() bool { return s.direct() || s.columns().count() > 1 }

// weights returns the number of elements of the weight.
func (s *conv) weights() int { return s.KH * s.KW * s.c * s.cout }

// place returns where, counted from the first tap of the first window, that of
// output pixel p lies in the input.
func (s *conv) place(p int) int { return p/s.ow*s.SH*s.row + p%s.ow*s.SW*s.c }

// offset returns where in the input the first window has run k of its taps.
func (s *conv) offset(k int) int { return k/s.runs*s.DH*s.row + k%s.runs*s.DW*s.c }

// operand is a matrix with a row for each output pixel: those of a map, or of
// the elements of the input that one tap sees.
type operand struct {
	x      []float32
	ld     int
	framed bool
	first  int // element of a framed one that the first output pixel sees
}

func (s *conv) pixel(o operand, p int) []float32 {
	if o.framed {
		return o.x[o.first+s.place(p):]
	}
	return o.x[p*o.ld:]
}

// strips returns the number of pixels that products of two operands may span.
func (s *conv) strips(a, b operand) int {
	if a.framed || b.framed {
		return s.strip
	}
	return blockPixels
}

// framed returns the operand of a frame, or of a part of the input whose first window
// begins at an element.
func (s *conv) framed(frame []float32, first int) operand {
	return operand{frame, s.SW * s.c, true, first}
}

// inputs returns what run k of the taps sees in some pixels, in buf if the map is narrow.
func (s *conv) inputs(buf []float32, in operand, k int, ar area) operand {
	in.first += s.offset(k)
	if !s.copies {
		return in
	}
	ld := spread(s.run)
	for line := range ar.lines {
		first := ar.first + line*s.ow
		for p := first; p < first+ar.length; p++ {
			copy(buf[p*ld:p*ld+s.run], s.pixel(in, p))
		}
	}
	return operand{x: buf, ld: ld}
}

// spread returns a distance for rows of n elements that are read together: an odd
// number of cache lines, since rows a power of two apart share few places in the
// cache.
func spread(n int) int { return lines(n) | 16 }

// inputsSize is the number of elements of the copies that inputs makes.
func (s *conv) inputsSize() int {
	if !s.copies {
		return 0
	}
	return s.most((*sweep).outRows) * s.ow * spread(s.run)
}

// area is a set of output pixels of a band: lines of neighbouring pixels, the lines
// a row apart.
type area struct{ first, lines, length int }

// whole returns all pixels of rows of a band.
func (s *conv) whole(out rows) area { return area{0, 1, out.len() * s.ow} }

// seen returns the pixels of rows of a band whose run k of taps, if it is a single
// one, does not fall on the padding.
func (s *conv) seen(out rows, k int) area {
	if s.runs == 1 {
		return s.whole(out)
	}
	win := s.Window
	win.PH, win.PW, win.KH, win.KW = win.PH-k/s.runs*s.DH, win.PW-k%s.runs*s.DW, 1, 1
	hit := win.within(out, s.h)
	columns := Window{KH: 1, SH: s.SW, PH: win.PW}.within(rows{0, s.ow}, s.w)
	return area{(hit.from-out.from)*s.ow + columns.from, hit.len(), columns.len()}
}

// multiply sets some columns of c to those of a·b, or adds the product to them if acc, for
// some pixels, with memory for operands.
func (s *conv) multiply(buf []float32, ar area, a operand, b matrix, c operand, ch channels, acc bool) {
	p := b.precision
	strip, depth := s.strips(a, c), min(b.rows, tileDepth/p.per())
	width, gemm := b.tile(depth), p.products().gemm
	for l := 0; l < b.rows; l += depth {
		for from := ch.from; from < ch.from+ch.n; from += width {
			to := min(from+width, ch.from+ch.n)
			for line := range ar.lines {
				first := ar.first + line*s.ow
				for i := 0; i < ar.length; i += strip {
					pixels, k := min(strip, ar.length-i), min(depth, b.rows-l)
					x, row := p.left(buf, s.pixel(a, first+i)[l*p.per():], a.ld, pixels, k*p.per())
					for j := from; j < to; {
						y, ld, n := b.block(l, j, to)
						gemm(pixels, n, k, x, row, y, ld, s.pixel(c, first+i)[j:], c.ld, acc || l > 0)
						j += n
					}
				}
			}
		}
	}
}

// multiplySize is the memory that multiply needs for products of k numbers.
func (s *conv) multiplySize(k int) int {
	return s.precision.even(k).leftSize(max(s.strip, blockPixels), min(k, tileDepth))
}

// multiplyT adds aᵀ·b to c, which has k rows of n elements, for some pixels.
func (s *conv) multiplyT(buf []float32, ar area, k int, a operand, b []float32, n int, c []float32) {
	strip, height := s.strips(a, operand{}), tileHeight(n)
	for l := 0; l < k; l += height {
		for line := range ar.lines {
			first := ar.first + line*s.ow
			for p := 0; p < ar.length; p += strip {
				s.precision.gemmT(buf, min(strip, ar.length-p), n, min(height, k-l),
					s.pixel(a, first+p)[l:], a.ld, b[(first+p)*n:], n, c[l*n:], n, true)
			}
		}
	}
}

// tileHeight returns the number of rows of n elements of a tile that stays in the L2 cache.
func tileHeight(n int) int { return max(1, tileFloats/n) }

// panelWidth is the number of columns that a product takes at a time: three
// vectors or six.
const panelWidth = 48

// matrix is the right operand of products. Where it is read often it is stored in
// panels of columns, since rows far apart share few places in the cache.
type matrix struct {
	precision Precision // of the elements
	x         []float32
	rows, n   int
	panels    bool

	first, stored int // number of the first row of those stored
}

// newMatrix returns a matrix of k rows of numbers.
func newMatrix(p Precision, x []float32, k, n int, panels bool) matrix {
	rows := k / p.per()
	return matrix{precision: p, x: x, rows: rows, n: n, panels: panels, stored: rows}
}

// part returns some rows of numbers of a matrix.
func (m matrix) part(first, rows int) matrix {
	m.first, m.rows = m.first+first/m.precision.per(), rows/m.precision.per()
	return m
}

// block returns what begins at row l and column j, the distance of its rows, and
// how many columns below to it has.
func (m *matrix) block(l, j, to int) (x []float32, ld, n int) {
	l += m.first
	if !m.panels {
		return m.x[l*m.n+j:], m.n, to - j
	}
	n = min(panelWidth, m.n-j)
	return m.x[j*m.stored+l*n:], n, n
}

// tile returns the number of columns of a tile that stays in the L2 cache.
func (m *matrix) tile(depth int) int {
	return max(panelWidth, tileFloats/depth/panelWidth*panelWidth)
}

// panelsOf returns the number of panels of n columns.
func panelsOf(n int) int { return (n + panelWidth - 1) / panelWidth }

// pack stores a panel of src, which has rows of n numbers.
func pack(p Precision, dst, src []float32, rows, n, panel int) {
	j := panel * panelWidth
	width := min(panelWidth, n-j)
	if p == BFloat16 {
		active.pairRows(dst[j*rows/2:], src[j:], n, rows, width)
		return
	}
	for r := range rows {
		copy(dst[j*rows+r*width:][:width], src[r*n+j:])
	}
}

// packTransposed stores the part of a panel of all rows, from row first on, that the
// transpose of src has. src has n rows of rows elements.
func packTransposed(dst, src []float32, rows, n, all, first, panel int) {
	j := panel * panelWidth
	width := min(panelWidth, n-j)
	transposeBlock(dst[j*all+first*width:], width, src[j*rows:], rows, width, rows)
}

func (s *conv) forwardSizes() (frame, inputs, row, operands int) {
	if !s.direct() {
		frame = s.most((*sweep).outFrame) * s.frameRow()
	}
	return frame, s.inputsSize(), s.ow * s.cout, s.multiplySize(s.run)
}

func (s *conv) backwardSizes() (frame, inputs, gx, gz, row, operands int) {
	frame = s.most((*sweep).fullFrame) * s.frameRow()
	gx = s.most((*sweep).inRows) * s.frameRow()
	gz = s.most((*sweep).fullReverse) * s.ow * s.cout
	operands = max(s.multiplySize(s.cout), s.precision.gemmTSize(s.cout, min(s.run, tileHeight(s.cout))))
	return frame, s.inputsSize(), gx, gz, s.w * s.c, operands
}

// packs reports whether it pays to store the weights in panels. Those of pairs have to be
// made anyway.
func (s *conv) packs() bool {
	return s.cout > panelWidth && s.pixels() >= manyPixels || s.precision.even(s.c) == BFloat16
}

// ConvScratch returns the memory, in floats, that ConvForward or ConvBackward
// needs for each worker and shared.
func ConvScratch(p Precision, n, h, w, c int, win Window, cout int, backward bool) (perWorker, shared int) {
	s := newConv(p, n, h, w, c, win, cout)
	if !backward {
		perWorker, shared = total(s.forwardSizes()), total(s.forwardShared())
		if g, ok := s.winograd(); ok {
			perWorker, shared = g.forwardScratch(), total(g.forwardShared())
		}
		return withMoments(perWorker, shared, n, s.oh, s.ow, cout)
	}
	perWorker = total(s.backwardSizes())
	for _, needW := range []bool{false, s.byBands()} {
		g := s.bandGroups(needW, true)
		shared = max(shared, total(s.weights())+g.memory())
	}
	if r, ok := s.gradient(); ok {
		_, _, formed := r.forwardShared()
		perWorker, shared = max(perWorker, total(r.forwardSizes())), max(shared, total(s.weights(), formed))
		if g, ok := r.winograd(); ok {
			_, weights := g.forwardShared()
			perWorker, shared = max(perWorker, g.forwardScratch()), max(shared, total(weights))
		}
	}
	if g, ok := s.winogradGradient(); ok {
		perWorker, shared = max(perWorker, total(g.gradientSizes())), max(shared, total(g.gradientShared()))
	} else if g, ok := s.weightTiles(); ok {
		perWorker = max(perWorker, total(g.sizes()), blockPixels*max(c, cout))
		shared = max(shared, total(g.shared()))
	}
	return perWorker, shared
}

// ConvForward computes z [N, OH, OW, cout], the convolution of x, or if relu of
// its positive part, by w[KH·KW·C·cout]. bias may be nil. mom, unless nil,
// receives the moments of z as from Moments.
func ConvForward(t *ThreadPool, p Precision, x Map, win Window, relu bool, w, bias, z []float32, cout int, mom []float32) {
	a := convForwardArgs{conv: newConv(p, x.N, x.H, x.W, x.C, win, cout), x: x, relu: relu, w: w, bias: bias, z: z}
	x.check("x")
	need("w", w, a.weights())
	needIf("bias", bias, cout)
	need("z", z, a.pixels()*cout)
	needIf("mom", mom, 3*cout)
	if g, ok := a.winograd(); ok {
		mem := pieces(t.Shared(total(g.forwardShared())))
		sumsSize, _ := g.forwardShared()
		sums := mem.take(sumsSize)
		if mom == nil {
			sums = nil
		}
		g.forward(t, winogradForwardArgs{x: x, relu: relu, bias: bias, z: z, sums: sums}, w, false, mem)
		if mom != nil {
			setMoments(t, mom, sums, g.blocks(), cout, a.pixels())
			refine(t, Plain(x.N, a.oh, a.ow, cout, z), mom)
		}
		return
	}
	partsSize, panelsSize, formedSize := a.forwardShared()
	mem := pieces(t.Shared(total(a.forwardShared())))
	parts, panels := mem.take(partsSize), mem.take(panelsSize)
	if mom != nil {
		a.parts = parts
	}
	if a.packs() {
		a.w, a.panels = panels, true
		packRuns.run(t, a.KH*a.runs*panelsOf(cout), packArgs{p.even(x.C), a.w, w, a.run, cout})
	}
	a.compute(t, mem.take(formedSize))
	if mom != nil {
		setMoments(t, mom, a.parts, a.tasks(), cout, a.pixels())
		refine(t, Plain(x.N, a.oh, a.ow, cout, z), mom)
	}
}

// forwardShared returns the sizes of the memory that the workers have in common.
func (s *conv) forwardShared() (parts, panels, formed int) {
	if s.packs() {
		panels = s.weights() / s.precision.even(s.c).per()
	}
	if s.forms() {
		formed = s.n * s.h * s.w * s.c
	}
	return partsSize(s.tasks(), 2*s.cout), panels, formed
}

type packArgs struct {
	precision Precision
	dst, w    []float32
	run, cout int
}

// packRuns stores a panel of the weights of a run of taps.
var packRuns = newLoop(func(a *packArgs, _ *Worker, i int) {
	panels := panelsOf(a.cout)
	at := i / panels * a.run * a.cout
	pack(a.precision, a.dst[at/a.precision.per():], a.w[at:], a.run, a.cout, i%panels)
})

type convForwardArgs struct {
	conv
	x              Map
	relu           bool
	w              []float32
	panels         bool // w is stored so
	bias, z, parts []float32
	masked         bool // z is zero where mask is not positive
	mask           Map
}

// compute runs the convolution, with memory for the input if it is formed first.
func (a convForwardArgs) compute(t *ThreadPool, mem []float32) {
	if a.forms() {
		a.x.form(t, mem, a.relu)
		a.relu = false
	}
	if a.direct() {
		a.row = a.sweep.w * a.c
	}
	convForward.run(t, a.tasks()*a.columns().count(), a)
}

var convForward = newLoop(func(a *convForwardArgs, w *Worker, i int) {
	frameSize, inputsSize, rowSize, operandsSize := a.forwardSizes()
	mem := pieces(w.Scratch(total(frameSize, inputsSize, rowSize, operandsSize)))
	frameBuf, inputs, row, operands := mem.take(frameSize), mem.take(inputsSize), mem.take(rowSize), mem.take(operandsSize)
	columns := a.columns()
	task := i % a.tasks()
	ch := columns.block(i / a.tasks()) // tasks with the same weights follow each other
	image, band := a.at(task)
	out := a.outRows(band)
	var in operand
	if a.direct() {
		in = a.framed(a.x.P, ((image*a.h+out.from*a.SH-a.PH)*a.sweep.w-a.PW)*a.c)
	} else {
		in = a.framed(a.frame(frameBuf, &a.x, image, a.outFrame(band), 0, a.relu), 0)
	}
	pixels, first := out.len()*a.ow, a.output(image, out.from)
	z := a.z[first*a.cout:][:pixels*a.cout]
	begun := true
	switch {
	case a.bias != nil:
		for p := range pixels {
			copy(z[p*a.cout+ch.from:][:ch.n], a.bias[ch.from:])
		}
	case a.runs > 1: // some pixels see only padding
		for p := range pixels {
			clear(z[p*a.cout+ch.from:][:ch.n])
		}
	default:
		begun = false
	}
	precision := a.precision.even(a.c)
	for k := range a.KH * a.runs {
		w := newMatrix(precision, a.w[k*a.run*a.cout/precision.per():], a.run, a.cout, a.panels)
		seen := a.seen(out, k)
		a.multiply(operands, seen, a.inputs(inputs, in, k, seen), w, operand{x: z, ld: a.cout}, ch, begun || k > 0)
	}
	side := a.ow // pixels that lie side by side
	if ch.n < a.cout {
		side = 1
	}
	var sums, squares []float32
	if a.parts != nil {
		part := a.parts[task*lines(2*a.cout):]
		sums, squares = part[ch.from:][:ch.n], part[a.cout+ch.from:][:ch.n]
		clear(sums)
		clear(squares)
	}
	for p := 0; p < pixels; p += side {
		z := z[p*a.cout+ch.from:][:side*ch.n]
		if a.masked {
			active.mask(z, z, a.mask.some(row, first+p, side, ch))
		}
		if sums != nil {
			active.moments(sums, squares, z, side, ch.n)
		}
	}
})

// ConvBackward computes, from the gradient gz of the output of ConvForward, those
// of x, of the weight and of the bias: gx, gw and gbias, each unless nil.
func ConvBackward(t *ThreadPool, p Precision, gz, x Map, win Window, relu bool, w, gx, gw, gbias []float32) {
	a := convBackwardArgs{conv: newConv(p, x.N, x.H, x.W, x.C, win, gz.C), gz: gz, x: x, relu: relu, gx: gx}
	x.check("x")
	gz.like("gz", x.N, a.oh, a.ow, gz.C)
	need("w", w, a.weights())
	needIf("gx", gx, x.Len())
	needIf("gw", gw, a.weights())
	needIf("gbias", gbias, gz.C)

	if gw != nil {
		if g, ok := a.winogradGradient(); ok {
			g.weightGradient(t, gz, x, relu, gw)
			gw = nil
		} else if g, ok := a.weightTiles(); ok {
			g.run(t, gz, x, relu, gw)
			gw = nil
		}
	}
	r, ok := a.gradient()
	if ok && gx != nil {
		if g, ok := r.winograd(); ok {
			_, size := g.forwardShared()
			g.forward(t, winogradForwardArgs{x: gz, z: gx, masked: relu, mask: x}, w, true, t.Shared(total(size)))
			gx, a.gx = nil, nil
		}
	}
	a.needW, a.needBias = gw != nil, gbias != nil
	a.groups = a.bandGroups(a.needW, a.needBias)
	formed := 0
	if ok && gx != nil {
		_, _, formed = r.forwardShared()
	}
	mem := pieces(t.Shared(total(a.weights()) + max(a.memory(), lines(formed))))
	a.turned, a.buffers = mem.take(a.weights()), mem
	if gx != nil {
		turn := turnArgs{a.conv, a.turned, w}
		if p.even(a.cout) == BFloat16 { // pairs of neighbours are turned as numbers are
			turn.cout, turn.w = a.cout/2, a.turned[a.weights()/2:]
			ToBFloat16(t, turn.w, w)
		}
		turnTaps.run(t, win.KH*win.KW*panelsOf(a.c), turn)
		if ok {
			g := convForwardArgs{conv: r, x: gz, w: a.turned, panels: true, z: gx, masked: relu, mask: x}
			g.compute(t, mem.take(formed))
			a.gx = nil
		}
	}
	if a.gx != nil || a.needW || a.needBias {
		convBackward.run(t, a.count, a)
	}
	a.sum(t, gbias, 0)
	a.sum(t, gw, a.biasSize())
}

// bandGroups returns the groups of bands that add gradients of the weights, the bias or
// both: as many as keep many workers busy, if each has enough pixels.
func (s *conv) bandGroups(needW, needBias bool) groups {
	size := s.biasSize()
	if needW {
		size += s.weights()
	}
	g := grouped(s.bands, size, needW || needBias)
	g.count = max(g.count, min(g.of, manyTasks, s.pixels()/groupPixels, bufferFloats/size))
	return g
}

// biasSize is the number of elements for the gradient of the bias, which are sums and
// sums of squares.
func (s *conv) biasSize() int { return lines(2 * s.cout) }

// byBands reports whether the gradient of the weights is computed band by band.
func (s *conv) byBands() bool {
	_, fast := s.winogradGradient()
	_, tiled := s.weightTiles()
	return !fast && !tiled
}

type turnArgs struct {
	conv
	dst, w []float32
}

// turnTaps stores a panel of the transposed weights of a tap, the last one first, as the
// runs of taps need them that compute the gradient of the input.
var turnTaps = newLoop(func(a *turnArgs, _ *Worker, i int) {
	panels, size := panelsOf(a.c), a.c*a.cout
	i, panel := i/panels, i%panels
	tap := a.KH*a.KW - 1 - i
	inRun := a.KW / a.runs
	run := a.dst[i/inRun*inRun*size:]
	packTransposed(run, a.w[tap*size:], a.cout, a.c, inRun*a.cout, i%inRun*a.cout, panel)
})

type convBackwardArgs struct {
	conv
	groups
	gz, x           Map
	relu            bool
	turned          []float32
	gx              []float32
	needW, needBias bool
}

var convBackward = newLoop(func(a *convBackwardArgs, w *Worker, i int) {
	var gw, gbias []float32
	if a.size > 0 {
		buffer := a.buffer(i)
		gbias, gw = buffer[:a.biasSize()], buffer[a.biasSize():]
	}
	frameSize, inputsSize, gxSize, gzSize, rowSize, operandsSize := a.backwardSizes()
	mem := pieces(w.Scratch(total(frameSize, inputsSize, gxSize, gzSize, rowSize, operandsSize)))
	frameBuf, inputs, gxBuf := mem.take(frameSize), mem.take(inputsSize), mem.take(gxSize)
	gzBuf, row, operands := mem.take(gzSize), mem.take(rowSize), mem.take(operandsSize)
	for task, to := a.members(i); task < to; task++ {
		image, band := a.at(task)
		reverse := a.fullReverse(band)
		gz := a.gz.pixels(gzBuf, a.output(image, reverse.from), reverse.len()*a.ow)
		var frame []float32
		if a.needW {
			frame = a.frame(frameBuf, &a.x, image, a.fullFrame(band), 0, a.relu)
			a.weightGradient(gw, frame, inputs, operands, gz, band)
		}
		if a.needBias {
			out := a.outRows(band)
			active.moments(gbias[:a.cout], gbias[a.cout:], gz[(out.from-reverse.from)*a.ow*a.cout:],
				out.len()*a.ow, a.cout)
		}
		if a.gx != nil {
			a.inputGradient(image, band, frame, gz, gxBuf, row, operands)
		}
	}
})

// weightGradient adds to gw the products of the band's inputs and its gradients.
func (a *convBackwardArgs) weightGradient(gw, frame, inputs, operands, gz []float32, band int) {
	out := a.outRows(band)
	in := a.framed(frame, (a.outFrame(band).from-a.fullFrame(band).from)*a.frameRow())
	gz = gz[(out.from-a.fullReverse(band).from)*a.ow*a.cout:]
	for k := range a.KH * a.runs {
		seen := a.seen(out, k)
		a.multiplyT(operands, seen, a.run, a.inputs(inputs, in, k, seen), gz, a.cout, gw[k*a.run*a.cout:])
	}
}

// inputGradient computes the band's part of gx where there is a stride: each tap
// adds the gradient of a window to the pixel that the tap saw.
func (a *convBackwardArgs) inputGradient(image, band int, frame, gz, buf, row, operands []float32) {
	in, seen, first := a.inRows(band), a.fullFrame(band), a.fullReverse(band).from
	gx := a.gx[a.input(image, in.from)*a.c : a.input(image, in.to)*a.c]
	sum := buf[:in.len()*a.frameRow()]
	clear(sum)
	inRun, precision := a.KW/a.runs, a.precision.even(a.cout)
	for i := range a.KH * a.KW {
		tap := a.KH*a.KW - 1 - i
		ky, kx := tap/a.KW, tap%a.KW
		hit := a.hits(in, ky)
		if hit.len() == 0 {
			continue
		}
		g := gz[(hit.from-first)*a.ow*a.cout:]
		dst := sum[(hit.from*a.SH-a.PH+ky*a.DH-in.from)*a.frameRow()+kx*a.DW*a.c:]
		w := newMatrix(precision, a.turned[i/inRun*inRun*a.c*a.cout/precision.per():], inRun*a.cout, a.c, true)
		a.multiply(operands, a.whole(hit), operand{x: g, ld: a.cout}, w.part(i%inRun*a.cout, a.cout), a.framed(dst, 0), channels{0, a.c}, true)
	}
	for y := in.from; y < in.to; y++ {
		from := a.inner(sum, in, y)
		to := gx[(y-in.from)*a.w*a.c:][:a.w*a.c]
		switch {
		case a.relu && frame != nil:
			active.mask(to, from, a.inner(frame, seen, y))
		case a.relu:
			active.mask(to, from, a.x.pixels(row, a.input(image, y), a.w))
		default:
			copy(to, from)
		}
	}
}

// hits returns the output rows that see one of the input rows with row ky of
// their kernel.
func (s *conv) hits(in rows, ky int) rows {
	w := s.Window
	w.PH, w.KH = w.PH-ky*w.DH, 1
	return w.seenBy(in, s.oh)
}
