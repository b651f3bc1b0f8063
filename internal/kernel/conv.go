package kernel

// productFloats is the largest part of a weight that a loop over pixels uses at
// a time, so that it stays in the L2 cache.
const productFloats = 1 << 15

// conv is one call of a convolution. It is a sum of matrix products, one for
// each run of taps whose inputs lie side by side in a frame: without dilation
// those of a row of the kernel, else each tap on its own.
type conv struct {
	sweep
	cout  int
	run   int // inputs of a run of taps
	runs  int // in a row of the kernel
	strip int // output pixels of one product
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
	return s
}

// weights returns the number of elements of the weight.
func (s *conv) weights() int { return s.KH * s.KW * s.c * s.cout }

// place returns where, counted from the first tap of the first window, that of
// output pixel p lies in a frame.
func (s *conv) place(p int) int { return p/s.ow*s.SH*s.frameRow() + p%s.ow*s.SW*s.c }

// breadth returns how many rows of n elements of a weight to use at a time.
func breadth(n int) int { return max(16, productFloats/n&^15) }

func (s *conv) forwardSizes() (frame int) { return s.most((*sweep).outFrame) * s.frameRow() }

func (s *conv) backwardSizes() (frame, gx, gz, row int) {
	frame = s.most((*sweep).fullFrame) * s.frameRow()
	gx = s.most((*sweep).inRows) * s.frameRow()
	return frame, gx, s.most((*sweep).fullReverse) * s.ow * s.cout, s.w * s.c
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
// receives mean and biased variance of each channel of z, one after the other.
func ConvForward(t *Team, x Map, win Window, relu bool, w, bias, z []float32, cout int, mom []float32) {
	a := convForwardArgs{conv: newConv(x.N, x.H, x.W, x.C, win, cout), x: x, relu: relu, w: w, bias: bias, z: z}
	x.check("x")
	need("w", w, a.weights())
	needIf("bias", bias, cout)
	need("z", z, a.pixels()*cout)
	needIf("mom", mom, 2*cout)
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
	image, band := a.at(i)
	out := a.outRows(band)
	frame := a.frame(w.Scratch(a.forwardSizes()), &a.x, image, a.outFrame(band), 0, a.relu)
	pixels := out.len() * a.ow
	z := a.z[a.output(image, out.from)*a.cout:][:pixels*a.cout]
	if a.bias != nil {
		for p := range pixels {
			copy(z[p*a.cout:], a.bias)
		}
	}
	n := breadth(a.run)
	for k := range a.KH * a.runs {
		src, weight := frame[a.offset(k):], a.w[k*a.run*a.cout:]
		for j := 0; j < a.cout; j += n {
			n := min(n, a.cout-j)
			for p := 0; p < pixels; p += a.strip {
				m := min(a.strip, pixels-p)
				active.gemm(m, n, a.run, src[a.place(p):], a.SW*a.c, weight[j:], a.cout,
					z[p*a.cout+j:], a.cout, k > 0 || a.bias != nil)
			}
		}
	}
	addMoments(part(a.parts, i, a.cout), z, pixels, a.cout)
})

// offset returns where in a frame the first window has run k of its taps.
func (s *conv) offset(k int) int { return k/s.runs*s.DH*s.frameRow() + k%s.runs*s.DW*s.c }

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
	frameSize, gxSize, gzSize, rowSize := a.backwardSizes()
	mem := pieces(w.Scratch(total(frameSize, gxSize, gzSize, rowSize)))
	frameBuf, gxBuf, gzBuf, row := mem.take(frameSize), mem.take(gxSize), mem.take(gzSize), mem.take(rowSize)
	for task, to := a.members(i); task < to; task++ {
		image, band := a.at(task)
		reverse := a.fullReverse(band)
		gz := a.gz.pixels(gzBuf, a.output(image, reverse.from), reverse.len()*a.ow)
		var frame []float32
		if a.needW {
			frame = a.frame(frameBuf, &a.x, image, a.fullFrame(band), 0, a.relu)
			a.weightGradient(gw, frame, gz, band)
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
func (a *convBackwardArgs) weightGradient(gw, frame, gz []float32, band int) {
	out := a.outRows(band)
	frame = frame[(a.outFrame(band).from-a.fullFrame(band).from)*a.frameRow():]
	gz = gz[(out.from-a.fullReverse(band).from)*a.ow*a.cout:]
	pixels, n := out.len()*a.ow, breadth(a.cout)
	for k := range a.KH * a.runs {
		src := frame[a.offset(k):]
		for j := 0; j < a.run; j += n {
			n := min(n, a.run-j)
			for p := 0; p < pixels; p += a.strip {
				m := min(a.strip, pixels-p)
				active.gemmT(m, a.cout, n, src[a.place(p)+j:], a.SW*a.c, gz[p*a.cout:], a.cout,
					gw[(k*a.run+j)*a.cout:], a.cout, true)
			}
		}
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
	n := breadth(a.cout)
	for tap := range a.KH * a.KW {
		ky, kx := tap/a.KW, tap%a.KW
		hit := a.hits(in, ky)
		if hit.len() == 0 {
			continue
		}
		g := gz[(hit.from-first)*a.ow*a.cout:]
		dst := sum[(hit.from*a.SH-a.PH+ky*a.DH-in.from)*a.frameRow()+kx*a.DW*a.c:]
		pixels := hit.len() * a.ow
		for j := 0; j < a.c; j += n {
			n := min(n, a.c-j)
			for p := 0; p < pixels; p += a.strip {
				m := min(a.strip, pixels-p)
				active.gemm(m, n, a.cout, g[p*a.cout:], a.cout, a.turned[tap*a.c*a.cout+j:], a.c,
					dst[a.place(p)+j:], a.SW*a.c, !a.pointwise)
			}
		}
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
