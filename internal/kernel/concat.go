package kernel

// Concat writes the channels of all maps, which are alike but for the number of
// channels, one after the other to each pixel of dst.
func Concat(t *ThreadPool, maps []Map, dst []float32) {
	c := 0
	for k := range maps {
		maps[k].like("map", maps[0].N, maps[0].H, maps[0].W, maps[k].C)
		c += maps[k].C
	}
	if len(maps) == 0 {
		return
	}
	need("dst", dst, maps[0].N*maps[0].H*maps[0].W*c)
	at := 0
	for k := range maps {
		place.run(t, spans(&maps[k]), placeArgs{x: maps[k], count: maps[k].C, dst: dst, c: c, at: at})
		at += maps[k].C
	}
}

// Slice writes c channels of x, from channel number from on, to dst [N, H, W, c].
func Slice(t *ThreadPool, x Map, from, c int, dst []float32) {
	x.check("x")
	if from < 0 || from+c > x.C {
		panicf("kernel: channels %d to %d of %d", from, from+c, x.C)
	}
	need("dst", dst, x.N*x.H*x.W*c)
	place.run(t, spans(&x), placeArgs{x: x, first: from, count: c, dst: dst, c: c})
}

// Unslice writes g to the channels of dst [N, H, W, c] from number from on, and
// zeros to all others: the gradient of Slice.
func Unslice(t *ThreadPool, g Map, from, c int, dst []float32) {
	g.check("g")
	if from < 0 || from+g.C > c {
		panicf("kernel: channels %d to %d of %d", from, from+g.C, c)
	}
	need("dst", dst, g.N*g.H*g.W*c)
	place.run(t, spans(&g), placeArgs{x: g, count: g.C, dst: dst, c: c, at: from, alone: true})
}

// placeArgs are count channels of x, from the first on, and their place in dst,
// which has c channels; if alone, the other channels of dst become zero.
type placeArgs struct {
	x            Map
	first, count int
	dst          []float32
	c, at        int
	alone        bool
}

var place = newLoop(func(a *placeArgs, w *Worker, i int) {
	buf := w.Scratch(blockFloats(a.x.C))
	from, to := span(i, &a.x)
	for step := blockOf(a.x.C); from < to; from += step {
		n := min(step, to-from)
		src := a.x.pixels(buf, from, n)
		for p := range n {
			pixel := a.dst[(from+p)*a.c:][:a.c]
			if a.alone {
				clear(pixel[:a.at])
				clear(pixel[a.at+a.count:])
			}
			copy(pixel[a.at:a.at+a.count], src[p*a.x.C+a.first:])
		}
	}
})
