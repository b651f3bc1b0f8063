package kernel

import (
	"math"
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
		bits(1):              0,
		bits(0x00018000):     bits(0x00020000), // denormal
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
