package kernel

import "unnas/internal/rng"

// Dropout sets the elements of dst to zero with the given probability, which is
// below 1, and to those of x times 1/(1-rate) otherwise. Which ones depends on the
// key and on where they lie alone, so that the same call on the gradient of the
// result is the gradient of x.
func Dropout(t *Team, x Map, key uint64, rate float32, dst []float32) {
	x.check("x")
	need("dst", dst, x.Len())
	dropout.run(t, spans(&x), dropoutArgs{x, key, uint64(float64(rate) * (1 << 32)), 1 / (1 - rate), dst})
}

type dropoutArgs struct {
	x       Map
	key     uint64
	dropped uint64 // how many of the 2^32 numbers drop an element
	scale   float32
	dst     []float32
}

var dropout = newLoop(func(a *dropoutArgs, w *Worker, i int) {
	c := a.x.C
	buf := w.Scratch(blockFloats(c))
	from, to := span(i, &a.x)
	for step := blockOf(c); from < to; from += step {
		n := min(step, to-from)
		dst := a.dst[from*c : (from+n)*c]
		for j, v := range a.x.pixels(buf, from, n) {
			dst[j] = 0
			if rng.At(a.key, from*c+j)>>32 >= a.dropped {
				dst[j] = a.scale * v
			}
		}
	}
})
