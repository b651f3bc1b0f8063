package kernel

// Loops that treat every pixel alike cut a map into spans of pixels, and work on
// a block of a span at a time, which stays in the L1 cache.
const (
	blockElements = 1 << 11
	spanBlocks    = 2
)

// blockOf returns the number of pixels of c channels in a block.
func blockOf(c int) int { return max(1, blockElements/c) }

// blockFloats returns the largest number of elements of a block of c or fewer
// channels.
func blockFloats(c int) int { return max(blockElements, c) }

// spans returns the number of spans of a map.
func spans(m *Map) int {
	span := spanBlocks * blockOf(m.C)
	return (m.N*m.H*m.W + span - 1) / span
}

// span returns the pixels of span i.
func span(i int, m *Map) (from, to int) {
	span := spanBlocks * blockOf(m.C)
	return i * span, min(m.N*m.H*m.W, (i+1)*span)
}

// ElementwiseScratch returns the memory, in floats, that any function on maps
// [n, h, w, c], count of them where it takes several, needs for each worker and
// shared: Apply, ReLUBackward, Moments, Combine, CombineSums, NormSums, Concat,
// Slice, Unslice, ScaleImages, Interleave, Deinterleave and Dropout. c is the
// larger number of channels of inputs and output.
func ElementwiseScratch(n, h, w, c, count int) (perWorker, shared int) {
	m := Plain(n, h, w, c, nil)
	return (1 + atOnce) * lines(blockFloats(c)), max(c*(count+2), partsSize(spans(&m), (1+count)*c), total(momentsSizes(&m)))
}

// Apply writes the elements of x, or if relu their positive parts, to dst.
func Apply(t *ThreadPool, x Map, relu bool, dst []float32) {
	x.check("x")
	need("dst", dst, x.Len())
	apply.run(t, spans(&x), applyArgs{x, relu, dst})
}

type applyArgs struct {
	x    Map
	relu bool
	dst  []float32
}

var apply = newLoop(func(a *applyArgs, _ *Worker, i int) {
	from, to := span(i, &a.x)
	a.x.load(a.dst[from*a.x.C:to*a.x.C], from, to-from, a.relu)
})

// ReLUBackward sets gx to gy where y, the result of a ReLU, is positive and to
// zero elsewhere.
func ReLUBackward(t *ThreadPool, gy Map, y []float32, gx []float32) {
	gy.check("gy")
	need("y", y, gy.Len())
	need("gx", gx, gy.Len())
	reluBackward.run(t, spans(&gy), reluBackwardArgs{gy, y, gx})
}

type reluBackwardArgs struct {
	gy    Map
	y, gx []float32
}

var reluBackward = newLoop(func(a *reluBackwardArgs, w *Worker, i int) {
	c, buf := a.gy.C, w.Scratch(blockFloats(a.gy.C))
	from, to := span(i, &a.gy)
	for step := blockOf(c); from < to; from += step {
		n := min(step, to-from)
		lo, hi := from*c, (from+n)*c
		active.mask(a.gx[lo:hi], a.gy.pixels(buf, from, n), a.y[lo:hi])
	}
})

// Moments sets mom[3·C] to the mean of each channel of x, then the biased
// variances, then what rounding took from the means.
func Moments(t *ThreadPool, x Map, mom []float32) {
	x.check("x")
	need("mom", mom, 3*x.C)
	x.moments(t, t.Shared(partsSize(spans(&x), 2*x.C)), mom)
	refine(t, x, mom)
}

// moments sets mom from the sums and sums of squares of all spans, kept in parts.
func (m *Map) moments(t *ThreadPool, parts, mom []float32) {
	moments.run(t, spans(m), momentsArgs{*m, parts})
	setMoments(t, mom, parts, spans(m), m.C, m.N*m.H*m.W)
}

type momentsArgs struct {
	x     Map
	parts []float32
}

var moments = newLoop(func(a *momentsArgs, w *Worker, i int) {
	sums, buf := part(a.parts, i, 2*a.x.C), w.Scratch(blockFloats(a.x.C))
	from, to := span(i, &a.x)
	for step := blockOf(a.x.C); from < to; from += step {
		n := min(step, to-from)
		addMoments(sums, a.x.pixels(buf, from, n), n, a.x.C)
	}
})

// Sum sets dst to the sum of terms of its length, added from left to right. dst
// may be the first of them.
func Sum(t *ThreadPool, dst []float32, terms [][]float32) {
	for _, term := range terms {
		need("term", term, len(dst))
	}
	sum.run(t, chunks(len(dst)), sumArgs{dst, terms})
}

type sumArgs struct {
	dst   []float32
	terms [][]float32
}

var sum = newLoop(func(a *sumArgs, _ *Worker, i int) {
	from, to := chunk(i, len(a.dst))
	dst := a.dst[from:to]
	for k, term := range a.terms {
		if k == 0 {
			copy(dst, term[from:to])
		} else {
			active.addAffine(dst, term[from:to], nil, nil, 1, len(dst))
		}
	}
	if len(a.terms) == 0 {
		clear(dst)
	}
})

// ScaleImages writes each image of x, times its factor, to dst. An image whose
// factor is zero becomes zeros, whatever it holds.
func ScaleImages(t *ThreadPool, x Map, factors, dst []float32) {
	x.check("x")
	need("factors", factors, x.N)
	need("dst", dst, x.Len())
	image := x
	image.N = 1
	scaleImages.run(t, x.N*spans(&image), scaleImagesArgs{x, image, factors, dst})
}

type scaleImagesArgs struct {
	x, image     Map
	factors, dst []float32
}

var scaleImages = newLoop(func(a *scaleImagesArgs, w *Worker, i int) {
	c, perImage := a.x.C, spans(&a.image)
	factor, first := a.factors[i/perImage], i/perImage*a.x.H*a.x.W
	from, to := span(i%perImage, &a.image)
	clear(a.dst[(first+from)*c : (first+to)*c])
	if factor == 0 {
		return
	}
	buf := w.Scratch(blockFloats(c) + c)
	buf, row := buf[:blockFloats(c)], buf[blockFloats(c):]
	for j := range row {
		row[j] = factor
	}
	for step := blockOf(c); from < to; from += step {
		n := min(step, to-from)
		lo, hi := (first+from)*c, (first+from+n)*c
		active.addAffine(a.dst[lo:hi], a.x.pixels(buf, first+from, n), row, nil, n, c)
	}
})
