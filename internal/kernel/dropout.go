package kernel

import (
	"math"

	"unnas/internal/rng"
)

// Dropout sets the elements of dst to zero with the given probability, which is
// below 1, and to those of x times 1/(1-rate) otherwise. Which ones depends on the
// key and on where they lie alone, so that the same call on the gradient of the
// result is the gradient of x.
func Dropout(t *ThreadPool, x Map, key uint64, rate float32, dst []float32) {
	x.check("x")
	need("dst", dst, x.Len())
	dropout.run(t, spans(&x), dropoutArgs{x, key, uint64(float64(rate) * (1 << 32)), 1 / (1 - rate), dst})
}

type dropoutArgs struct {
	x       Map
	key     uint64
	dropped uint64  // how many of the 2^32 numbers drop an element
	scale   float32 // of elements that stay
	dst     []float32
}

var dropout = newLoop(func(a *dropoutArgs, w *Worker, i int) {
	c := a.x.C
	buf := w.Scratch(blockFloats(c))
	from, to := span(i, &a.x)
	for step := blockOf(c); from < to; from += step {
		n := min(step, to-from)
		dst := a.dst[from*c : (from+n)*c]
		// A number of the stream serves two elements. The comparison is the sign of a
		// difference, since a branch would be guessed wrong too often. It masks the
		// element: a product with zero would keep NaN, and make NaN of infinity.
		h := rng.At(a.key, from*c/2) >> (32 * (from * c % 2))
		for j, v := range a.x.pixels(buf, from, n) {
			if i := from*c + j; i%2 == 0 {
				h = rng.At(a.key, i/2)
			}
			stays := ^uint32(int64(h&math.MaxUint32-a.dropped) >> 63)
			dst[j] = math.Float32frombits(math.Float32bits(v*a.scale) & stays)
			h >>= 32
		}
	}
})
