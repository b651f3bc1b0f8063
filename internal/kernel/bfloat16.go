package kernel

import (
	"math"
	"slices"
	"unsafe"
)

// ToBFloat16 rounds x to the nearest bfloat16, ties to even and denormal numbers to zero, and packs two of these into
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

const (
	quiet    = 1 << 6 // marks a NaN that no instruction reports
	exponent = 0xff << 23
	sign     = 1 << 31
)

// toBFloat16Generic is the definition of the primitive toBFloat16. Like the instructions
// of AVX-512 it takes denormal numbers for zeros.
func toBFloat16Generic(dst []uint16, x []float32) {
	for i, v := range x {
		u := math.Float32bits(v)
		switch {
		case v != v:
			dst[i] = uint16(u>>16) | quiet // rounding could make it infinite
		case u&exponent == 0:
			dst[i] = uint16(u >> 16 & (sign >> 16))
		default:
			dst[i] = uint16((u + 0x7fff + u>>16&1) >> 16)
		}
	}
}

// fromBFloat16Generic is the definition of the primitive fromBFloat16.
func fromBFloat16Generic(dst []float32, x []uint16) {
	for i, v := range x {
		dst[i] = math.Float32frombits(uint32(v) << 16)
	}
}

// A pair of bfloat16 takes the memory of a float32. That of two neighbours in a row, as
// toBFloat16 makes it, or of two rows of a matrix, as pairRows does, is an element of
// products of half the depth.

// pairRowsGeneric sets rows/2 rows of dst, or one more with zeros for a missing row, to
// pairs of the c elements of two rows of x, which are ld apart.
func pairRowsGeneric(dst, x []float32, ld, rows, c int) {
	var halves [2][1]uint16
	for r := 0; r < rows; r += 2 {
		for j := range c {
			toBFloat16Generic(halves[0][:], x[r*ld+j:][:1])
			halves[1][0] = 0
			if r+1 < rows {
				toBFloat16Generic(halves[1][:], x[(r+1)*ld+j:][:1])
			}
			dst[r/2*c+j] = math.Float32frombits(uint32(halves[1][0])<<16 | uint32(halves[0][0]))
		}
	}
}

// addPair adds the products of two pairs to sum: the second of each first, as VDPBF16PS
// does (Intel, Software Developer's Manual, volume 2). Each is added with one rounding,
// and denormal numbers are zeros.
func addPair(sum, x, y float32) float32 {
	p, q := math.Float32bits(x), math.Float32bits(y)
	sum = addProduct(normal(sum), math.Float32frombits(p&^0xffff), math.Float32frombits(q&^0xffff))
	return addProduct(sum, math.Float32frombits(p<<16), math.Float32frombits(q<<16))
}

// addProduct adds x·y to sum. The numbers x and y have so few bits that float64 loses
// none that matter.
func addProduct(sum, x, y float32) float32 {
	const smallest = 0x1p-126 - 0x1p-151 // that becomes a normal number
	exact := float64(float64(normal(x))*float64(normal(y))) + float64(sum)
	if math.Abs(exact) < smallest {
		return float32(math.Copysign(0, exact))
	}
	return float32(exact)
}

// normal returns x, or a zero if it is denormal.
func normal(x float32) float32 {
	if u := math.Float32bits(x); u&exponent == 0 {
		return math.Float32frombits(u & sign)
	}
	return x
}

// gemmPairsGeneric is the definition of the primitive gemm for pairs.
func gemmPairsGeneric(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, acc bool) {
	matmulPairs(m, n, k, a, lda, 1, b, ldb, c, ldc, acc)
}

// gemmTPairsGeneric is the definition of the primitive gemmT for pairs.
func gemmTPairsGeneric(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, acc bool) {
	matmulPairs(k, n, m, a, 1, lda, b, ldb, c, ldc, acc)
}

func matmulPairs(m, n, k int, a []float32, row, depth int, b []float32, ldb int, c []float32, ldc int, acc bool) {
	b, c = slices.Clip(b), slices.Clip(c)
	for i := range m {
		sums := c[i*ldc : i*ldc+n]
		if !acc {
			clear(sums)
		}
		for l := range k {
			x := a[i*row+l*depth]
			for j, y := range b[l*ldb : l*ldb+n] {
				sums[j] = addPair(sums[j], x, y)
			}
		}
	}
}
