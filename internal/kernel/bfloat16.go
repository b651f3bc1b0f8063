package kernel

import (
	"math"
	"unsafe"
)

// ToBFloat16 rounds x to the nearest bfloat16, ties to even, and packs two of these into
// each float of dst; an odd one at the end has a neighbour of undefined content.
func ToBFloat16(t *ThreadPool, dst, x []float32) {
	need("dst", dst, (len(x)+1)/2)
	toBFloat16.run(t, chunks(len(x)), bfloat16Args{halves(dst, len(x)), x})
}

// FromBFloat16 unpacks what ToBFloat16 packed: len(dst) numbers.
func FromBFloat16(t *ThreadPool, dst, x []float32) {
	need("x", x, (len(dst)+1)/2)
	fromBFloat16.run(t, chunks(len(dst)), bfloat16Args{halves(x, len(dst)), dst})
}

// halves returns the memory of floats as that of n numbers of half the size.
func halves(f []float32, n int) []uint16 {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(&f[0])), n)
}

type bfloat16Args struct {
	narrow []uint16
	wide   []float32
}

var toBFloat16 = newLoop(func(a *bfloat16Args, _ *Worker, i int) {
	from, to := chunk(i, len(a.wide))
	active.toBFloat16(a.narrow[from:to], a.wide[from:to])
})

var fromBFloat16 = newLoop(func(a *bfloat16Args, _ *Worker, i int) {
	from, to := chunk(i, len(a.wide))
	active.fromBFloat16(a.wide[from:to], a.narrow[from:to])
})

// quiet marks a NaN that no instruction reports.
const quiet = 1 << 6

// toBFloat16Generic is the definition of the primitive toBFloat16.
func toBFloat16Generic(dst []uint16, x []float32) {
	for i, v := range x {
		u := math.Float32bits(v)
		if v != v {
			dst[i] = uint16(u>>16) | quiet // rounding could make it infinite
			continue
		}
		dst[i] = uint16((u + 0x7fff + u>>16&1) >> 16)
	}
}

// fromBFloat16Generic is the definition of the primitive fromBFloat16.
func fromBFloat16Generic(dst []float32, x []uint16) {
	for i, v := range x {
		dst[i] = math.Float32frombits(uint32(v) << 16)
	}
}
