package kernel

// PixelCrossEntropyScratch returns the memory, in floats, that PixelCrossEntropy
// or PixelCrossEntropyBackward needs for each worker and shared, with k classes
// and logits of h×w pixels that are interpolated to toH×toW.
func PixelCrossEntropyScratch(n, h, w, k, toH, toW int, backward bool) (perWorker, shared int) {
	u := upsampling{n, h, w, toH, toW, k}
	stencil, pair, row, run := u.pixelSizes()
	if backward {
		return total(stencil, pair, row, run, row), 0
	}
	return total(stencil, pair, row, run), tallyFloats * u.forwardBands().tasks()
}

func (u *upsampling) pixelSizes() (stencil, pair, row, run int) {
	return u.stencilSize(), u.pairSize(), u.rowSize(), runPixels * u.c
}

// PixelCrossEntropy is CrossEntropy without smoothing of the logits [N, h, w, K]
// interpolated as by UpsampleForward to toH×toW pixels, each of which has one of
// the labels. The interpolated logits are never stored.
func PixelCrossEntropy(t *ThreadPool, logits Map, toH, toW int, labels []int32, ignore int32) (loss float64, correct, count int) {
	a := newPixelLoss(logits, toH, toW, labels, ignore)
	a.cut = a.forwardBands()
	a.tallies = talliesOf(t, a.cut.tasks())
	pixelLoss.run(t, a.cut.tasks(), a)
	return a.tallies.mean()
}

type pixelLossArgs struct {
	upsampling
	cut     bands
	logits  Map
	labels  []int32
	ignore  int32
	factor  float32
	glogits []float32
	tallies tallies
}

func newPixelLoss(logits Map, toH, toW int, labels []int32, ignore int32) pixelLossArgs {
	logits.check("logits")
	need("labels", labels, logits.N*toH*toW)
	u := upsampling{logits.N, logits.H, logits.W, toH, toW, logits.C}
	return pixelLossArgs{upsampling: u, logits: logits, labels: labels, ignore: ignore}
}

// pair returns the two rows of logits from row at on.
func (a *pixelLossArgs) pair(buf []float32, image, at int) []float32 {
	return a.logits.pixels(buf, (image*a.h+at)*a.w, min(2, a.h)*a.w)
}

// wanted reports whether one of the labels is not ignored.
func (a *pixelLossArgs) wanted(labels []int32) bool {
	for _, label := range labels {
		if label != a.ignore {
			return true
		}
	}
	return false
}

var pixelLoss = newLoop(func(a *pixelLossArgs, w *Worker, i int) {
	stencilSize, pairSize, rowSize, runSize := a.pixelSizes()
	mem := pieces(w.Scratch(total(stencilSize, pairSize, rowSize, runSize)))
	stencil, buf, row, run := mem.take(stencilSize), mem.take(pairSize), mem.take(rowSize), mem.take(runSize)
	a.columns(stencil)
	target := target{k: a.c}
	var sum tally
	image, band := a.cut.at(i)
	out := a.cut.band(band, a.toH)
	for y := out.from; y < out.to; y++ {
		labels := a.labels[(image*a.toH+y)*a.toW:][:a.toW]
		weights, first := a.rows(stencil, y)
		a.blend(row, a.pair(buf, image, first), weights)
		for x := 0; x < a.toW; {
			end, at := a.run(stencil, x)
			if a.wanted(labels[x:end]) {
				a.widen(run, row, stencil, x, end, at)
			}
			for p, label := range labels[x:end] {
				if label != a.ignore {
					logits := run[p*a.c : (p+1)*a.c]
					sum.add(target.loss(logits, logits, label))
				}
			}
			x = end
		}
	}
	a.tallies.set(i, sum)
})

// PixelCrossEntropyBackward computes the gradient of the logits of
// PixelCrossEntropy, where scale is that of the loss.
func PixelCrossEntropyBackward(t *ThreadPool, scale float32, logits Map, toH, toW int, labels []int32, ignore int32, glogits []float32) {
	a := newPixelLoss(logits, toH, toW, labels, ignore)
	need("glogits", glogits, logits.Len())
	a.cut, a.glogits, a.factor = a.backwardBands(), glogits, scale/counted(labels, ignore)
	pixelLossBackward.run(t, a.cut.tasks(), a)
}

var pixelLossBackward = newLoop(func(a *pixelLossArgs, w *Worker, i int) {
	stencilSize, pairSize, rowSize, runSize := a.pixelSizes()
	mem := pieces(w.Scratch(total(stencilSize, pairSize, rowSize, runSize, rowSize)))
	stencil, buf, row := mem.take(stencilSize), mem.take(pairSize), mem.take(rowSize)
	run, gradient := mem.take(runSize), mem.take(rowSize)
	a.columns(stencil)
	target := target{k: a.c}
	image, band := a.cut.at(i)
	in := a.cut.band(band, a.h)
	glogits := a.glogits[(image*a.h+in.from)*a.rowSize():][:in.len()*a.rowSize()]
	clear(glogits)
	for y := range a.toH {
		weights, first := a.rows(stencil, y)
		labels := a.labels[(image*a.toH+y)*a.toW:][:a.toW]
		if !a.touches(in, first) || !a.wanted(labels) {
			continue
		}
		a.blend(row, a.pair(buf, image, first), weights)
		clear(gradient)
		for x := 0; x < a.toW; {
			end, at := a.run(stencil, x)
			if a.wanted(labels[x:end]) {
				a.widen(run, row, stencil, x, end, at)
				for p, label := range labels[x:end] {
					if pixel := run[p*a.c : (p+1)*a.c]; label == a.ignore {
						clear(pixel)
					} else {
						target.gradient(pixel, pixel, label, a.factor)
					}
				}
				a.narrow(gradient, run, stencil, x, end, at)
			}
			x = end
		}
		a.share(glogits, in, first, gradient, weights)
	}
})
