package kernel

// Large weights are used tile by tile for all pixels of a band, so that a tile
// stays in the L2 cache.
const (
	tileFloats = 1 << 15
	tileDepth  = 1 << 8 // products that are summed at a time
)

const (
	narrowStrip  = 16      // pixels from which a product is efficient
	groupPixels  = 256     // outputs from which a buffer for gradients of the weights costs little
	bufferFloats = 1 << 22 // of the buffers of all groups, where there are more than the usual number
	manyPixels   = 512     // outputs from which it pays to store the weights in panels
)

// conv is one call of a convolution. It is a sum of matrix products, one for
// each run of taps whose inputs lie side by side in a frame: without dilation
// those of a row of the kernel, else each tap on its own.
type conv struct {
	sweep
	cout  int
	run   int // inputs of a run of taps
	runs  int // in a row of the kernel
	strip int // output pixels of one product with a frame
	// copies is a convolution with enough outputs that it pays to copy the inputs out
	// of the frame, where the pixels of a product would be few.
	copies bool
	// pointwise is a convolution whose output pixels depend on one input pixel
	// each, at the same place.
	pointwise bool
}

func newConv(n, h, w, c int, win Window, cout int) conv {
	s := conv{sweep: newSweep(n, h, w, c, win), cout: cout, run: c, runs: win.KW}
	s.bands = cut(n, min(h, s.oh), max(s.frameRow(), s.ow*cout), win.reachH())
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
	return newConv(s.n, s.oh, s.ow, s.cout, win, s.c), true
}

// weights returns the number of elements of the weight.
func (s *conv) weights() int { return s.KH * s.KW * s.c * s.cout }

// place returns where, counted from the first tap of the first window, that of
// output pixel p lies in a frame.
func (s *conv) place(p int) int { return p/s.ow*s.SH*s.frameRow() + p%s.ow*s.SW*s.c }

// offset returns where in a frame the first window has run k of its taps.
func (s *conv) offset(k int) int { return k/s.runs*s.DH*s.frameRow() + k%s.runs*s.DW*s.c }

// operand is a matrix with a row for each output pixel: those of a map, or of
// the elements of a frame that one tap sees.
type operand struct {
	x      []float32
	ld     int
	framed bool
}

func (s *conv) row(o operand, p int) []float32 {
	if o.framed {
		return o.x[s.place(p):]
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

// framed returns the operand that begins with frame.
func (s *conv) framed(frame []float32) operand { return operand{frame, s.SW * s.c, true} }

// inputs returns what run k of the taps sees, in buf if the map is narrow.
func (s *conv) inputs(buf, frame []float32, k, pixels int) operand {
	seen := s.framed(frame[s.offset(k):])
	if !s.copies {
		return seen
	}
	ld := spread(s.run)
	for p := range pixels {
		copy(buf[p*ld:p*ld+s.run], s.row(seen, p))
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

// multiply sets c to a·b, or adds the product to it if acc, for some pixels.
func (s *conv) multiply(ar area, a operand, b matrix, c operand, acc bool) {
	strip, depth := s.strips(a, c), min(b.rows, tileDepth)
	width := b.tile(depth)
	for l := 0; l < b.rows; l += depth {
		for from := 0; from < b.n; from += width {
			to := min(from+width, b.n)
			for line := range ar.lines {
				first := ar.first + line*s.ow
				for p := 0; p < ar.length; p += strip {
					for j := from; j < to; {
						x, ld, n := b.block(l, j, to)
						active.gemm(min(strip, ar.length-p), n, min(depth, b.rows-l),
							s.row(a, first+p)[l:], a.ld, x, ld, s.row(c, first+p)[j:], c.ld, acc || l > 0)
						j += n
					}
				}
			}
		}
	}
}

// multiplyT adds aᵀ·b to c, which has k rows of n elements, for some pixels.
func (s *conv) multiplyT(ar area, k int, a operand, b []float32, n int, c []float32) {
	strip, height := s.strips(a, operand{}), max(1, tileFloats/n)
	for l := 0; l < k; l += height {
		for line := range ar.lines {
			first := ar.first + line*s.ow
			for p := 0; p < ar.length; p += strip {
				active.gemmT(min(strip, ar.length-p), n, min(height, k-l),
					s.row(a, first+p)[l:], a.ld, b[(first+p)*n:], n, c[l*n:], n, true)
			}
		}
	}
}

// panelWidth is the number of columns that a product takes at a time: three
// vectors or six.
const panelWidth = 48

// matrix is the right operand of products. Where it is read often it is stored in
// panels of columns, since rows far apart share few places in the cache.
type matrix struct {
	x       []float32
	rows, n int
	panels  bool

	first, stored int // number of the first row of those stored
}

func newMatrix(x []float32, rows, n int, panels bool) matrix {
	return matrix{x: x, rows: rows, n: n, panels: panels, stored: rows}
}

// part returns some rows of a matrix.
func (m matrix) part(first, rows int) matrix {
	m.first, m.rows = m.first+first, rows
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

// pack stores src, which has rows of n elements, in panels.
func pack(dst, src []float32, rows, n int) {
	for j := 0; j < n; j += panelWidth {
		width := min(panelWidth, n-j)
		panel := dst[j*rows:]
		for r := range rows {
			copy(panel[r*width:(r+1)*width], src[r*n+j:])
		}
	}
}

// packTransposed stores the transpose of src, which has n rows of rows elements,
// in panels of all rows, from row first on.
func packTransposed(dst, src []float32, rows, n, all, first int) {
	for j := 0; j < n; j += panelWidth {
		width := min(panelWidth, n-j)
		transpose(dst[j*all+first*width:], src[j*rows:], width, rows)
	}
}

func (s *conv) forwardSizes() (frame, inputs, row int) {
	return s.most((*sweep).outFrame) * s.frameRow(), s.inputsSize(), s.ow * s.cout
}

func (s *conv) backwardSizes() (frame, inputs, gx, gz, row int) {
	frame = s.most((*sweep).fullFrame) * s.frameRow()
	gx = s.most((*sweep).inRows) * s.frameRow()
	gz = s.most((*sweep).fullReverse) * s.ow * s.cout
	return frame, s.inputsSize(), gx, gz, s.w * s.c
}

// packs reports whether it pays to store the weights in panels.
func (s *conv) packs() bool { return s.cout > panelWidth && s.pixels() >= manyPixels }

// ConvScratch returns the memory, in floats, that ConvForward or ConvBackward
// needs for each worker and shared.
func ConvScratch(n, h, w, c int, win Window, cout int, backward bool) (perWorker, shared int) {
	s := newConv(n, h, w, c, win, cout)
	if !backward {
		perWorker, shared = total(s.forwardSizes()), s.forwardShared()
		if g, ok := s.winograd(); ok {
			perWorker, shared = total(g.forwardSizes()), total(g.forwardShared())
		}
		return withMoments(perWorker, shared, n, s.oh, s.ow, cout)
	}
	perWorker = total(s.backwardSizes())
	for _, needW := range []bool{false, s.byBands()} {
		g := s.bandGroups(needW, true)
		shared = max(shared, total(s.weights())+g.memory())
	}
	if r, ok := s.gradient(); ok {
		perWorker = max(perWorker, total(r.forwardSizes()))
		if g, ok := r.winograd(); ok {
			_, weights := g.forwardShared()
			perWorker, shared = max(perWorker, total(g.forwardSizes())), max(shared, total(s.weights(), weights))
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
func ConvForward(t *Team, x Map, win Window, relu bool, w, bias, z []float32, cout int, mom []float32) {
	a := convForwardArgs{conv: newConv(x.N, x.H, x.W, x.C, win, cout), x: x, relu: relu, w: w, bias: bias, z: z}
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
		g.forward(t, winogradForwardArgs{x: x, relu: relu, bias: bias, z: z, sums: sums}, w, mem)
		if mom != nil {
			setMoments(mom, sums, g.blocks(), cout, a.pixels())
			refine(t, Plain(x.N, a.oh, a.ow, cout, z), mom)
		}
		return
	}
	mem := pieces(t.Shared(a.forwardShared()))
	if parts := mem.take(partsSize(a.tasks(), 2*cout)); mom != nil {
		a.parts = parts
	}
	if a.packs() {
		a.w, a.panels = mem.take(a.weights()), true
		packRuns.run(t, a.KH*a.runs, packArgs{a.w, w, a.run, cout})
	}
	convForward.run(t, a.tasks(), a)
	if mom != nil {
		setMoments(mom, a.parts, a.tasks(), cout, a.pixels())
		refine(t, Plain(x.N, a.oh, a.ow, cout, z), mom)
	}
}

// forwardShared is the memory that the workers have in common.
func (s *conv) forwardShared() int {
	if s.packs() {
		return total(partsSize(s.tasks(), 2*s.cout), s.weights())
	}
	return partsSize(s.tasks(), 2*s.cout)
}

type packArgs struct {
	dst, w    []float32
	run, cout int
}

// packRuns stores the weights of each run of taps in panels.
var packRuns = newLoop(func(a *packArgs, _ *Worker, k int) {
	at := k * a.run * a.cout
	pack(a.dst[at:], a.w[at:], a.run, a.cout)
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

var convForward = newLoop(func(a *convForwardArgs, w *Worker, i int) {
	frameSize, inputsSize, rowSize := a.forwardSizes()
	mem := pieces(w.Scratch(total(frameSize, inputsSize, rowSize)))
	frameBuf, inputs, row := mem.take(frameSize), mem.take(inputsSize), mem.take(rowSize)
	image, band := a.at(i)
	out := a.outRows(band)
	frame := a.frame(frameBuf, &a.x, image, a.outFrame(band), 0, a.relu)
	pixels := out.len() * a.ow
	z := a.z[a.output(image, out.from)*a.cout:][:pixels*a.cout]
	begun := true
	switch {
	case a.bias != nil:
		for p := range pixels {
			copy(z[p*a.cout:], a.bias)
		}
	case a.runs > 1: // some pixels see only padding
		clear(z)
	default:
		begun = false
	}
	for k := range a.KH * a.runs {
		w := newMatrix(a.w[k*a.run*a.cout:], a.run, a.cout, a.panels)
		a.multiply(a.seen(out, k), a.inputs(inputs, frame, k, pixels), w, operand{x: z, ld: a.cout}, begun || k > 0)
	}
	if a.masked {
		for y := out.from; y < out.to; y++ {
			z := z[(y-out.from)*a.ow*a.cout:][:a.ow*a.cout]
			active.mask(z, z, a.mask.pixels(row, a.output(image, y), a.ow))
		}
	}
	addMoments(part(a.parts, i, 2*a.cout), z, pixels, a.cout)
})

// ConvBackward computes, from the gradient gz of the output of ConvForward, those
// of x, of the weight and of the bias: gx, gw and gbias, each unless nil.
func ConvBackward(t *Team, gz, x Map, win Window, relu bool, w, gx, gw, gbias []float32) {
	a := convBackwardArgs{conv: newConv(x.N, x.H, x.W, x.C, win, gz.C), gz: gz, x: x, relu: relu, gx: gx}
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
	if r, ok := a.gradient(); ok && gx != nil {
		if g, ok := r.winograd(); ok {
			_, size := g.forwardShared()
			mem := pieces(t.Shared(total(a.weights(), size)))
			turned := mem.take(a.weights())
			flipTaps.run(t, 9, turnArgs{a.conv, turned, w})
			g.forward(t, winogradForwardArgs{x: gz, z: gx, masked: relu, mask: x}, turned, mem)
			gx, a.gx = nil, nil
		}
	}
	a.needW, a.needBias = gw != nil, gbias != nil
	a.groups = a.bandGroups(a.needW, a.needBias)
	mem := pieces(t.Shared(total(a.weights()) + a.memory()))
	a.turned, a.buffers = mem.take(a.weights()), mem
	if gx != nil {
		turnTaps.run(t, win.KH*win.KW, turnArgs{a.conv, a.turned, w})
		if r, ok := a.gradient(); ok {
			g := convForwardArgs{conv: r, x: gz, w: a.turned, panels: true, z: gx, masked: relu, mask: x}
			convForward.run(t, g.tasks(), g)
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

// turnTaps stores the transposed weights of the taps, the last one first, as the
// runs of taps need them that compute the gradient of the input.
var turnTaps = newLoop(func(a *turnArgs, _ *Worker, i int) {
	size := a.c * a.cout
	tap := a.KH*a.KW - 1 - i
	inRun := a.KW / a.runs
	run := a.dst[i/inRun*inRun*size:]
	packTransposed(run, a.w[tap*size:], a.cout, a.c, inRun*a.cout, i%inRun*a.cout)
})

// flipTaps stores the transposed weights of the taps, the last one first.
var flipTaps = newLoop(func(a *turnArgs, _ *Worker, i int) {
	size := a.c * a.cout
	transpose(a.dst[(a.KH*a.KW-1-i)*size:][:size], a.w[i*size:][:size], a.c, a.cout)
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
	frameSize, inputsSize, gxSize, gzSize, rowSize := a.backwardSizes()
	mem := pieces(w.Scratch(total(frameSize, inputsSize, gxSize, gzSize, rowSize)))
	frameBuf, inputs, gxBuf := mem.take(frameSize), mem.take(inputsSize), mem.take(gxSize)
	gzBuf, row := mem.take(gzSize), mem.take(rowSize)
	for task, to := a.members(i); task < to; task++ {
		image, band := a.at(task)
		reverse := a.fullReverse(band)
		gz := a.gz.pixels(gzBuf, a.output(image, reverse.from), reverse.len()*a.ow)
		var frame []float32
		if a.needW {
			frame = a.frame(frameBuf, &a.x, image, a.fullFrame(band), 0, a.relu)
			a.weightGradient(gw, frame, inputs, gz, band)
		}
		if a.needBias {
			out := a.outRows(band)
			active.moments(gbias[:a.cout], gbias[a.cout:], gz[(out.from-reverse.from)*a.ow*a.cout:],
				out.len()*a.ow, a.cout)
		}
		if a.gx != nil {
			a.inputGradient(image, band, frame, gz, gxBuf, row)
		}
	}
})

// weightGradient adds to gw the products of the band's inputs and its gradients.
func (a *convBackwardArgs) weightGradient(gw, frame, inputs, gz []float32, band int) {
	out := a.outRows(band)
	frame = frame[(a.outFrame(band).from-a.fullFrame(band).from)*a.frameRow():]
	gz = gz[(out.from-a.fullReverse(band).from)*a.ow*a.cout:]
	pixels := out.len() * a.ow
	for k := range a.KH * a.runs {
		a.multiplyT(a.seen(out, k), a.run, a.inputs(inputs, frame, k, pixels), gz, a.cout, gw[k*a.run*a.cout:])
	}
}

// inputGradient computes the band's part of gx where there is a stride: each tap
// adds the gradient of a window to the pixel that the tap saw.
func (a *convBackwardArgs) inputGradient(image, band int, frame, gz, buf, row []float32) {
	in, seen, first := a.inRows(band), a.fullFrame(band), a.fullReverse(band).from
	gx := a.gx[a.input(image, in.from)*a.c : a.input(image, in.to)*a.c]
	sum := buf[:in.len()*a.frameRow()]
	clear(sum)
	inRun := a.KW / a.runs
	for i := range a.KH * a.KW {
		tap := a.KH*a.KW - 1 - i
		ky, kx := tap/a.KW, tap%a.KW
		hit := a.hits(in, ky)
		if hit.len() == 0 {
			continue
		}
		g := gz[(hit.from-first)*a.ow*a.cout:]
		dst := sum[(hit.from*a.SH-a.PH+ky*a.DH-in.from)*a.frameRow()+kx*a.DW*a.c:]
		w := newMatrix(a.turned[i/inRun*inRun*a.c*a.cout:], inRun*a.cout, a.c, true)
		a.multiply(a.whole(hit), operand{x: g, ld: a.cout}, w.part(i%inRun*a.cout, a.cout), a.framed(dst), true)
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
