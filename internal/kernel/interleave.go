package kernel

// Interleave mixes the channels of two maps alike but for their number, first with
// C/K and rest with C of them, as a shuffle in K groups of C/K does that takes the
// first group from first and all others from rest: for each pixel of dst [N, H, W,
// C], j below C/K and g from 1 to K-1,
//
//	dst[j·K] = first[j], dst[j·K+g] = rest[g·C/K+j]
//
// The first C/K channels of rest go nowhere.
func Interleave(t *ThreadPool, first, rest Map, dst []float32) {
	rest.check("rest")
	first.like("first", rest.N, rest.H, rest.W, first.C)
	if rest.C%first.C != 0 {
		panicf("kernel: %d channels are no groups of %d", rest.C, first.C)
	}
	need("dst", dst, rest.Len())
	interleave.run(t, spans(&rest), interleaveArgs{first: first, rest: rest, dst: dst})
}

type interleaveArgs struct {
	first, rest Map
	dst         []float32
}

var interleave = newLoop(func(a *interleaveArgs, w *Worker, i int) {
	c, size := a.rest.C, a.first.C
	groups := c / size
	mem := pieces(w.Scratch(2 * lines(blockFloats(c))))
	firstBuf, restBuf := mem.take(blockFloats(c)), mem.take(blockFloats(c))
	from, to := span(i, &a.rest)
	for step := blockOf(c); from < to; from += step {
		n := min(step, to-from)
		first, rest := a.first.pixels(firstBuf, from, n), a.rest.pixels(restBuf, from, n)
		for p := range n {
			dst, first, rest := a.dst[(from+p)*c:][:c], first[p*size:][:size], rest[p*c:][:c]
			for j, v := range first {
				dst[j*groups] = v
			}
			for g := 1; g < groups; g++ {
				for j, v := range rest[g*size:][:size] {
					dst[j*groups+g] = v
				}
			}
		}
	}
})

// Deinterleave computes the gradients of the maps of Interleave, first with size
// channels, from that of its result g; either may be nil.
func Deinterleave(t *ThreadPool, g Map, size int, first, rest []float32) {
	g.check("g")
	if g.C%size != 0 {
		panicf("kernel: %d channels are no groups of %d", g.C, size)
	}
	needIf("first", first, g.Len()/g.C*size)
	needIf("rest", rest, g.Len())
	deinterleave.run(t, spans(&g), deinterleaveArgs{g, size, first, rest})
}

type deinterleaveArgs struct {
	g           Map
	size        int
	first, rest []float32
}

var deinterleave = newLoop(func(a *deinterleaveArgs, w *Worker, i int) {
	c, size := a.g.C, a.size
	groups := c / size
	buf := w.Scratch(blockFloats(c))
	from, to := span(i, &a.g)
	for step := blockOf(c); from < to; from += step {
		n := min(step, to-from)
		g := a.g.pixels(buf, from, n)
		for p := range n {
			g := g[p*c:][:c]
			if a.first != nil {
				first := a.first[(from+p)*size:][:size]
				for j := range first {
					first[j] = g[j*groups]
				}
			}
			if a.rest == nil {
				continue
			}
			rest := a.rest[(from+p)*c:][:c]
			clear(rest[:size])
			for group := 1; group < groups; group++ {
				part := rest[group*size:][:size]
				for j := range part {
					part[j] = g[j*groups+group]
				}
			}
		}
	}
})
