package kernel

// Large weights are used tile by tile for all pixels of a band, so that a tile
// stays in the L2 cache.
const (
	tileFloats = 1 << 15
	tileDepth  = 1 << 8 // products that are summed at a time
)

// narrowStrip is the number of pixels from which a product is efficient.
const narrowStrip = 16

// conv is one call of a convolution. It is a sum of matrix products, one for
// each run of taps whose inputs lie side by side in a frame: without dilation
// those of a row of the kernel, else each tap on its own.
type conv struct {
	sweep
	cout  int
	run   int // inputs of a run of taps
	runs  int // in a row of the kernel
	strip int // output pixels of one product with a frame
	// narrow is a convolution with so few pixels in a row, and so many outputs,
	// that it pays to copy the inputs out of the frame.
	narrow bool
	// pointwise is a convolution whose output pixels depend on one input pixel
	// each, at the same place.
	pointwise bool
}

func newConv(n, h, w, c int, win Window, cout int) conv {
	s := conv{sweep: newSweep(n, h, w, c, win), cout: cout, run: c, runs: win.KW}
	if win.DW == 1 {
		s.run, s.runs = win.KW*c, 1
	}
	s.strip = s.ow
	if win.KW == 1 && win.SW == 1 && win.PW == 0 && win.SH == 1 { // rows follow each other
		s.strip = blockPixels
		s.pointwise = win.KH == 1 && win.PH == 0
	}
	s.narrow = s.strip < narrowStrip && cout >= blockPixels
	return s
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
	if !s.narrow {
		return seen
	}
	for p := range pixels {
		copy(buf[p*s.run:(p+1)*s.run], s.row(seen, p))
	}
	return operand{x: buf, ld: s.run}
}

// inputsSize is the number of elements of the copies that inputs makes.
func (s *conv) inputsSize() int {
	if !s.narrow {
		return 0
	}
	return s.most((*sweep).outRows) * s.ow * s.run
}

// multiply sets c to a·b[k×n], or adds the product to it if acc, where b is
// stored in rows ldb apart.
func (s *conv) multiply(pixels, n, k int, a operand, b []float32, ldb int, c operand, acc bool) {
	strip, depth := s.strips(a, c), min(k, tileDepth)
	width := tileFloats / depth
	for l := 0; l < k; l += depth {
		for j := 0; j < n; j += width {
			for p := 0; p < pixels; p += strip {
				active.gemm(min(strip, pixels-p), min(width, n-j), min(depth, k-l),
					s.row(a, p)[l:], a.ld, b[l*ldb+j:], ldb, s.row(c, p)[j:], c.ld, acc || l > 0)
			}
		}
	}
}

// multiplyT adds aᵀ·b to c, which has k rows of n elements.
func (s *conv) multiplyT(pixels, n, k int, a, b operand, c []float32) {
	strip, height := s.strips(a, b), max(1, tileFloats/n)
	for l := 0; l < k; l += height {
		for p := 0; p < pixels; p += strip {
			active.gemmT(min(strip, pixels-p), n, min(height, k-l),
				s.row(a, p)[l:], a.ld, s.row(b, p), b.ld, c[l*n:], n, true)
		}
	}
}

func (s *conv) forwardSizes() (frame, inputs int) {
	return s.most((*sweep).outFrame) * s.frameRow(), s.inputsSize()
}

func (s *conv) backwardSizes() (frame, inputs, gx, gz, row int) {
	frame = s.most((*sweep).fullFrame) * s.frameRow()
	gx = s.most((*sweep).inRows) * s.frameRow()
	return frame, s.inputsSize(), gx, s.most((*sweep).fullReverse) * s.ow * s.cout, s.w * s.c
}

// ConvScratch returns the memory, in floats, that ConvForward or ConvBackward
// needs for each worker and shared.
func ConvScratch(n, h, w, c int, win Window, cout int, backward bool) (perWorker, shared int) {
	s := newConv(n, h, w, c, win, cout)
	if backward {
		g := grouped(s.bands, s.weights()+2*cout, true)
		return total(s.backwardSizes()), total(s.weights()) + g.memory()
	}
	return total(s.forwardSizes()), s.tasks() * 2 * cout
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
	if mom != nil {
		a.parts = t.Shared(a.tasks() * 2 * cout)
	}
	convForward.run(t, a.tasks(), a)
	if mom != nil {
		setMoments(mom, a.parts, a.tasks(), cout, a.pixels())
	}
}

type convForwardArgs struct {
	conv
	x                 Map
	relu              bool
	w, bias, z, parts []float32
}

var convForward = newLoop(func(a *convForwardArgs, w *Worker, i int) {
	frameSize, inputsSize := a.forwardSizes()
	mem := pieces(w.Scratch(total(frameSize, inputsSize)))
	frameBuf, inputs := mem.take(frameSize), mem.take(inputsSize)
	image, band := a.at(i)
	out := a.outRows(band)
	frame := a.frame(frameBuf, &a.x, image, a.outFrame(band), 0, a.relu)
	pixels := out.len() * a.ow
	z := a.z[a.output(image, out.from)*a.cout:][:pixels*a.cout]
	if a.bias != nil {
		for p := range pixels {
			copy(z[p*a.cout:], a.bias)
		}
	}
	for k := range a.KH * a.runs {
		a.multiply(pixels, a.cout, a.run, a.inputs(inputs, frame, k, pixels), a.w[k*a.run*a.cout:], a.cout,
			operand{x: z, ld: a.cout}, k > 0 || a.bias != nil)
	}
	addMoments(part(a.parts, i, a.cout), z, pixels, a.cout)
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

	a.needW, a.needBias = gw != nil, gbias != nil
	a.groups = grouped(a.bands, a.weights()+2*gz.C, a.needW || a.needBias)
	mem := pieces(t.Shared(total(a.weights()) + a.memory()))
	a.turned, a.buffers = mem.take(a.weights()), mem
	if gx != nil {
		turnTaps.run(t, win.KH*win.KW, turnArgs{a.turned, w, x.C, gz.C})
	}
	convBackward.run(t, a.count, a)
	a.sum(t, gw, 0)
	a.sum(t, gbias, a.weights())
}

type turnArgs struct {
	dst, w  []float32
	c, cout int
}

// turnTaps transposes the weight of each tap.
var turnTaps = newLoop(func(a *turnArgs, _ *Worker, tap int) {
	at := tap * a.c * a.cout
	transpose(a.dst[at:], a.w[at:], a.c, a.cout)
})

type convBackwardArgs struct {
	conv
	groups
	gz, x           Map
	relu            bool
	turned          []float32 // the weight of each tap transposed
	gx              []float32
	needW, needBias bool
}

var convBackward = newLoop(func(a *convBackwardArgs, w *Worker, i int) {
	var gw, gbias []float32
	if a.size > 0 {
		buffer := a.buffer(i)
		gw, gbias = buffer[:a.weights()], buffer[a.weights():]
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
		a.multiplyT(pixels, a.cout, a.run, a.inputs(inputs, frame, k, pixels), operand{x: gz, ld: a.cout},
			gw[k*a.run*a.cout:])
	}
}

// inputGradient computes the band's part of gx: each tap adds the gradient of a
// window to the pixel that the tap saw.
func (a *convBackwardArgs) inputGradient(image, band int, frame, gz, buf, row []float32) {
	in, seen, first := a.inRows(band), a.fullFrame(band), a.fullReverse(band).from
	gx := a.gx[a.input(image, in.from)*a.c : a.input(image, in.to)*a.c]
	sum := gx
	if !a.pointwise {
		sum = buf[:in.len()*a.frameRow()]
		clear(sum)
	}
	for tap := range a.KH * a.KW {
		ky, kx := tap/a.KW, tap%a.KW
		hit := a.hits(in, ky)
		if hit.len() == 0 {
			continue
		}
		g := gz[(hit.from-first)*a.ow*a.cout:]
		dst := sum[(hit.from*a.SH-a.PH+ky*a.DH-in.from)*a.frameRow()+kx*a.DW*a.c:]
		a.multiply(hit.len()*a.ow, a.c, a.cout, operand{x: g, ld: a.cout}, a.turned[tap*a.c*a.cout:], a.c,
			a.framed(dst), !a.pointwise)
	}
	for y := in.from; y < in.to; y++ {
		from := a.inner(sum, in, y)
		to := gx[(y-in.from)*a.w*a.c:][:a.w*a.c]
		switch {
		case a.relu && frame != nil:
			active.mask(to, from, a.inner(frame, seen, y))
		case a.relu:
			active.mask(to, from, a.x.pixels(row, a.input(image, y), a.w))
		case !a.pointwise:
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
