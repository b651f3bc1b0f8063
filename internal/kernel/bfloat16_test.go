package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
)

// TestBFloat16 rounds what is known: ties go to the even number, what is too large becomes
// infinite, and NaN stays NaN.
func TestBFloat16(t *testing.T) {
	bits := math.Float32frombits
	for x, want := range map[float32]float32{
		0: 0, 1: 1, -1: -1,
		1 + 1.0/256:          1, // between 1 and 1 + 1/128
		1 + 3.0/256:          1 + 2.0/128,
		1 + 1.0/256 + 1e-6:   1 + 1.0/128,
		-3.141592:            -3.140625,
		bits(0x7f7f7fff):     bits(0x7f7f0000),
		math.MaxFloat32:      float32(math.Inf(1)),
		float32(math.Inf(1)): float32(math.Inf(1)),
		bits(0x00800000):     bits(0x00800000),
		bits(0x007fffff):     0, // denormal
		bits(0x80018000):     bits(1 << 31),
	} {
		for _, n := range []int{1, 15, 16, 17, 40} {
			in, packed, out := Floats(n), Floats((n+1)/2), Floats(n)
			for i := range in {
				in[i] = x
			}
			pool := NewThreadPool(1)
			ToBFloat16(pool, packed, in)
			FromBFloat16(pool, out, packed)
			for i, v := range out {
				require.Equal(t, math.Float32bits(want), math.Float32bits(v), "%v, element %d of %d", x, i, n)
			}
		}
	}
}

// TestBFloat16Variants compares each variant with the definition, on all kinds of numbers.
func TestBFloat16Variants(t *testing.T) {
	r := rng.New(1, "bfloat16", 0, 0)
	eachVariant(t, func(t *testing.T, p primitives) {
		for _, n := range []int{0, 1, 15, 16, 17, 31, 32, 33, 100, maxElementsForTest + 21} {
			x, got, want := Floats(n), make([]uint16, n+1), make([]uint16, n+1)
			for i := range x {
				x[i] = math.Float32frombits(r.Uint32())
				if i%5 == 0 { // halfway between two
					x[i] = math.Float32frombits(r.Uint32()&^0xffff | 0x8000)
				}
			}
			got[n], want[n] = 7, 7
			p.toBFloat16(got[:n], x)
			toBFloat16Generic(want[:n], x)
			require.Equal(t, want, got)
			back, wide := Floats(n), Floats(n)
			p.fromBFloat16(back, got[:n])
			fromBFloat16Generic(wide, got[:n])
			for i := range back {
				require.Equal(t, math.Float32bits(wide[i]), math.Float32bits(back[i]))
				assert.Equal(t, x[i] != x[i], back[i] != back[i], "NaN")
			}
		}
	})
}

const maxElementsForTest = 1 << 17

// special returns n numbers of all kinds: ordinary ones, zeros and denormal, tiny, huge and
// infinite ones, and NaN if wanted.
func (b *bench) special(n int, nan bool) []float32 {
	x := b.floats(n)
	for i := range x {
		switch rng.IntN(b.r, 12) {
		case 0:
			x[i] = math.Float32frombits(b.r.Uint32() & 0x80ffffff) // denormal, or little more
		case 1:
			x[i] *= 0x1p-63 // whose products are
		case 2:
			x[i] = math.Float32frombits(b.r.Uint32()&0xffff0000 | 0x8000) // halfway
		case 3:
			x[i] = float32(math.Copysign(0, float64(x[i])))
		}
		if !nan && (x[i] != x[i] || math.Abs(float64(x[i])) > 0x1p60) {
			x[i] = 1
		}
	}
	return x
}

// TestPairRows compares each variant with the definition, to the bit.
func TestPairRows(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		for c := range 70 {
			rows, ld := rng.IntN(b.r, 8), c+rng.IntN(b.r, 5)
			if c%9 == 8 {
				ld = c / 2 // rows overlap
			}
			x, dst := b.special(max(0, (rows-1)*ld+c), true), b.floats((rows+1)/2*c)
			want := slices.Clone(dst)
			pairRowsGeneric(want, x, ld, rows, c)
			p.pairRows(dst, x, ld, rows, c)
			context := fmt.Sprintf("rows=%d c=%d ld=%d", rows, c, ld)
			for i, v := range want {
				require.Equal(t, math.Float32bits(v), math.Float32bits(dst[i]), "%s: element %d", context, i)
			}
			b.intact(context)
		}
		if !testing.Short() {
			p.pairRows(b.floats(3*maxElementsForTest), b.floats(5*maxElementsForTest), maxElementsForTest, 5, maxElementsForTest)
			b.intact("large")
		}
	})
}

// TestPairProducts compares the products of pairs of each variant with the definition, to
// the bit.
func TestPairProducts(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		for n := 1; n <= 100; n++ {
			m, k, gap, acc := 1+rng.IntN(b.r, 40), 1+rng.IntN(b.r, 90), rng.IntN(b.r, 3), rng.Bool(b.r, 0.5)
			pairs := func(rows, n int) []float32 {
				x := b.floats(rows * n)
				p.pairRows(x, b.special(2*rows*n, false), n, 2*rows, n)
				return x
			}
			lda, ldc := k+gap, n+gap
			same := func(name string, rows int, product func(c []float32, p products)) {
				got := b.special((rows-1)*ldc+n, false)
				want := slices.Clone(got)
				product(want, generic.pairs)
				product(got, p.pairs)
				context := fmt.Sprintf("%s m=%d n=%d k=%d gap=%d acc=%v", name, m, n, k, gap, acc)
				for i, v := range want {
					require.Equal(t, math.Float32bits(v), math.Float32bits(got[i]), "%s: element %d", context, i)
				}
				b.intact(context)
			}
			x, y, z := pairs(m, lda), pairs(k, n), pairs(m, n)
			same("gemm", m, func(c []float32, p products) { p.gemm(m, n, k, x, lda, y, n, c, ldc, acc) })
			same("gemmT", k, func(c []float32, p products) { p.gemmT(m, n, k, x, lda, z, n, c, ldc, acc) })
		}
		// Denormal numbers are zeros in these products alone.
		tiny := []float32{math.Float32frombits(1 << 20)}
		p.gemm(1, 1, 1, tiny, 1, []float32{1}, 1, tiny, 1, true)
		require.Equal(t, uint32(1<<21), math.Float32bits(tiny[0]))
	})
}

// TestPairs computes a sum by hand: the second product of a pair is added first.
func TestPairs(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		x, y, c := Floats(2), Floats(2), Floats(1)
		row := []float32{1, 0x1p24, -1, 3}
		p.toBFloat16(halves(x, 4), row)
		p.pairRows(y, []float32{-0x1p24, 1, 1, 0x1p-24}, 1, 4, 1)
		c[0] = 1
		p.pairs.gemm(1, 1, 2, x, 2, y, 1, c, 1, true)
		// 1 + 2²⁴ is 2²⁴, less 2²⁴ is 0; 3·2⁻²⁴ - 1 is exact.
		assert.Equal(t, []float32{3*0x1p-24 - 1}, c)
	})
}

// TestBFloat16InParallel packs on several workers.
func TestBFloat16InParallel(t *testing.T) {
	const n = 3*chunkFloats + 77
	x, _ := weight(rng.New(1, "packed", 0, 0), n)
	packed, out := Floats((n+1)/2), Floats(n)
	operate(t, scratchSize{}, func(pool *ThreadPool) {
		ToBFloat16(pool, packed[:(n+1)/2], x)
		FromBFloat16(pool, out, packed)
	}, out)
	for i, v := range out {
		require.InEpsilon(t, x[i], v, 1.0/256)
	}
}
