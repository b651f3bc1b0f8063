package kernel

func newGlobal(n, h, w, c int) bands { return cut(n, h, w*c, 0).finely(h, 0) }

// GlobalPoolScratch returns the memory, in floats, that GlobalPoolForward needs
// for each worker and shared.
func GlobalPoolScratch(n, h, w, c int) (perWorker, shared int) {
	b := newGlobal(n, h, w, c)
	return blockFloats(c), partsSize(b.tasks(), 2*c)
}

// GlobalPoolForward computes y [N, C], the mean of x over H and W.
func GlobalPoolForward(t *ThreadPool, x Map, y []float32) {
	x.check("x")
	need("y", y, x.N*x.C)
	b := newGlobal(x.N, x.H, x.W, x.C)
	parts := t.Shared(partsSize(b.tasks(), 2*x.C))
	globalPool.run(t, b.tasks(), globalPoolArgs{b, x, parts})
	for i := range y {
		image, channel := i/x.C, i%x.C
		var sum float64
		for band := range b.per {
			sum += float64(parts[(image*b.per+band)*lines(2*x.C)+channel])
		}
		y[i] = float32(sum / float64(x.H*x.W))
	}
}

type globalPoolArgs struct {
	bands
	x     Map
	parts []float32
}

var globalPool = newLoop(func(a *globalPoolArgs, w *Worker, i int) {
	image, band := a.at(i)
	r := a.band(band, a.x.H)
	from, to := (image*a.x.H+r.from)*a.x.W, (image*a.x.H+r.to)*a.x.W
	sums, buf := part(a.parts, i, 2*a.x.C), w.Scratch(blockFloats(a.x.C))
	for step := blockOf(a.x.C); from < to; from += step {
		n := min(step, to-from)
		addMoments(sums, a.x.pixels(buf, from, n), n, a.x.C)
	}
})

// GlobalPoolBackward computes gx [n, h, w, c], the gradient of the input of
// GlobalPoolForward, from the gradient gy[n·c] of its output.
func GlobalPoolBackward(t *ThreadPool, gy []float32, n, h, w, c int, gx []float32) {
	need("gy", gy, n*c)
	need("gx", gx, n*h*w*c)
	globalUnpool.run(t, n, globalUnpoolArgs{gy, gx, h * w, c})
}

type globalUnpoolArgs struct {
	gy, gx    []float32
	pixels, c int
}

var globalUnpool = newLoop(func(a *globalUnpoolArgs, _ *Worker, image int) {
	gx := a.gx[image*a.pixels*a.c:][:a.pixels*a.c]
	for j, g := range a.gy[image*a.c : (image+1)*a.c] {
		gx[j] = g / float32(a.pixels)
	}
	for done := a.c; done < len(gx); done *= 2 {
		copy(gx[done:], gx[:done])
	}
})
