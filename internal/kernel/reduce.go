package kernel

// reduce is one call of a factorised reduction: output row y depends on the even
// pixels of input row 2y and the odd ones of row 2y+1.
type reduce struct {
	bands
	h, w, c, oh, ow, half int
}

func newReduce(n, h, w, c, cout int) reduce {
	if cout%2 != 0 {
		panicf("kernel: a factorised reduction has an even number of channels, not %d", cout)
	}
	r := reduce{h: h, w: w, c: c, oh: (h + 1) / 2, ow: (w + 1) / 2, half: cout / 2}
	r.bands = cut(n, r.oh, 2*w*c, 0)
	return r
}

// rowLen is the number of elements of an input row with a pixel behind it, since
// the odd pixels of an odd row go beyond its end.
func (r *reduce) rowLen() int { return (r.w + 1) * r.c }

// pair forms the two input rows of output row y, with zeros beyond the edges.
func (r *reduce) pair(dst []float32, x *Map, image, y int) (even, odd []float32) {
	even, odd = dst[:r.rowLen()], dst[r.rowLen():][:r.rowLen()]
	from := (image*r.h + 2*y) * r.w
	x.load(even, from, r.w, true)
	if 2*y+1 < r.h {
		x.load(odd, from+r.w, r.w, true)
		clear(odd[r.w*r.c:])
	} else {
		clear(odd)
	}
	return even, odd[r.c:]
}

// ReduceScratch returns the memory, in floats, that ReduceForward or
// ReduceBackward needs for each worker and shared.
func ReduceScratch(n, h, w, c, cout int, backward bool) (perWorker, shared int) {
	r := newReduce(n, h, w, c, cout)
	if backward {
		g := grouped(r.bands, c*cout, true)
		return total(r.backwardSizes()), total(c*cout) + g.memory()
	}
	return withMoments(2*r.rowLen(), partsSize(r.tasks(), 2*cout), n, r.oh, r.ow, cout)
}

func (r *reduce) backwardSizes() (pair, gx, gz int) {
	return 2 * r.rowLen(), 2 * r.rowLen(), r.ow * 2 * r.half
}

// ReduceForward computes z [N, ⌈H/2⌉, ⌈W/2⌉, cout], the factorised reduction of
// x: of its positive part two 1×1 convolutions of stride two, by w1[C·cout/2]
// and, on the map without its first row and column and with zeros behind its last
// ones, by w2[C·cout/2]; their channels follow each other. mom, unless nil, receives
// the moments of z as from Moments.
func ReduceForward(t *ThreadPool, x Map, w1, w2, z []float32, cout int, mom []float32) {
	a := reduceForwardArgs{reduce: newReduce(x.N, x.H, x.W, x.C, cout), x: x, w1: w1, w2: w2, z: z}
	pixels := x.N * a.oh * a.ow
	x.check("x")
	need("w1", w1, x.C*a.half)
	need("w2", w2, x.C*a.half)
	need("z", z, pixels*cout)
	needIf("mom", mom, 3*cout)
	if mom != nil {
		a.parts = t.Shared(partsSize(a.tasks(), 2*cout))
	}
	reduceForward.run(t, a.tasks(), a)
	if mom != nil {
		setMoments(t, mom, a.parts, a.tasks(), cout, pixels)
		refine(t, Plain(x.N, a.oh, a.ow, cout, z), mom)
	}
}

type reduceForwardArgs struct {
	reduce
	x                Map
	w1, w2, z, parts []float32
}

var reduceForward = newLoop(func(a *reduceForwardArgs, w *Worker, i int) {
	image, band := a.at(i)
	out, cout := a.band(band, a.oh), 2*a.half
	buf, sums := w.Scratch(2*a.rowLen()), part(a.parts, i, 2*cout)
	for y := out.from; y < out.to; y++ {
		even, odd := a.pair(buf, &a.x, image, y)
		z := a.z[(image*a.oh+y)*a.ow*cout:][:a.ow*cout]
		active.gemm(a.ow, a.half, a.c, even, 2*a.c, a.w1, a.half, z, cout, false)
		active.gemm(a.ow, a.half, a.c, odd, 2*a.c, a.w2, a.half, z[a.half:], cout, false)
		addMoments(sums, z, a.ow, cout)
	}
})

// ReduceBackward computes, from the gradient gz of the output of ReduceForward,
// those of x and of the weights: gx, gw1 and gw2, each unless nil.
func ReduceBackward(t *ThreadPool, gz, x Map, w1, w2, gx, gw1, gw2 []float32) {
	a := reduceBackwardArgs{reduce: newReduce(x.N, x.H, x.W, x.C, gz.C), gz: gz, x: x, gx: gx}
	size := x.C * a.half
	x.check("x")
	gz.like("gz", x.N, a.oh, a.ow, gz.C)
	need("w1", w1, size)
	need("w2", w2, size)
	needIf("gx", gx, x.Len())
	needIf("gw1", gw1, size)
	needIf("gw2", gw2, size)

	a.needW1, a.needW2 = gw1 != nil, gw2 != nil
	a.groups = grouped(a.bands, 2*size, a.needW1 || a.needW2)
	mem := pieces(t.Shared(total(2*size) + a.memory()))
	turned := mem.take(2 * size)
	a.turned1, a.turned2, a.buffers = turned[:size], turned[size:], mem
	transpose(t, a.turned1, w1, x.C, a.half)
	transpose(t, a.turned2, w2, x.C, a.half)

	reduceBackward.run(t, a.count, a)
	a.sum(t, gw1, 0)
	a.sum(t, gw2, size)
}

type reduceBackwardArgs struct {
	reduce
	groups
	gz, x            Map
	turned1, turned2 []float32 // the weights transposed
	gx               []float32
	needW1, needW2   bool
}

var reduceBackward = newLoop(func(a *reduceBackwardArgs, w *Worker, i int) {
	cout := 2 * a.half
	pairSize, gxSize, gzSize := a.backwardSizes()
	mem := pieces(w.Scratch(total(pairSize, gxSize, gzSize)))
	pair, sum, gzBuf := mem.take(pairSize), mem.take(gxSize), mem.take(gzSize)
	clear(sum) // products fill every second pixel
	var gw1, gw2 []float32
	if a.size > 0 {
		buffer := a.buffer(i)
		gw1, gw2 = buffer[:a.size/2], buffer[a.size/2:]
	}
	for task, to := a.members(i); task < to; task++ {
		image, band := a.at(task)
		out := a.band(band, a.oh)
		for y := out.from; y < out.to; y++ {
			even, odd := a.pair(pair, &a.x, image, y)
			gz := a.gz.pixels(gzBuf, (image*a.oh+y)*a.ow, a.ow)
			if a.needW1 {
				active.gemmT(a.ow, a.half, a.c, even, 2*a.c, gz, cout, gw1, a.half, true)
			}
			if a.needW2 {
				active.gemmT(a.ow, a.half, a.c, odd, 2*a.c, gz[a.half:], cout, gw2, a.half, true)
			}
			if a.gx == nil {
				continue
			}
			active.gemm(a.ow, a.c, a.half, gz, cout, a.turned1, a.c, sum, 2*a.c, false)
			active.gemm(a.ow, a.c, a.half, gz[a.half:], cout, a.turned2, a.c, sum[a.rowLen()+a.c:], 2*a.c, false)
			rowLen := a.w * a.c
			gx := a.gx[(image*a.h+2*y)*rowLen:]
			active.mask(gx[:rowLen], sum[:rowLen], even[:rowLen])
			if 2*y+1 < a.h {
				active.mask(gx[rowLen:2*rowLen], sum[a.rowLen():][:rowLen], pair[a.rowLen():][:rowLen])
			}
		}
	}
})
