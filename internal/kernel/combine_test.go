package kernel

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/cpu"
	"unnas/internal/rng"
)

// Normalised maps far from zero before, weighted: the mean of their sum must be
// zero but for the rounding of single elements, where products and shifts are
// rounded together.
func TestCombineKeepsTheMean(t *testing.T) {
	const pixels, c, count = 1 << 13, 5, 8
	r := rng.New(3, "mean", 0, 0)
	maps, w := make([]Map, count), make([]float32, count)
	for k := range maps {
		m := Plain(1, 1, pixels, c, Floats(pixels*c))
		m.A, m.D, m.E = Floats(c), Floats(c), Floats(c)
		mean := make([]float64, c)
		for i := range m.P {
			m.P[i] = float32(2*rng.Normal(r) + float64(3*(i%c)) - 5)
			mean[i%c] += float64(m.P[i]) / pixels
		}
		for j := range c {
			m.A[j] = float32(rng.Uniform(r, 0.2, 0.5))
			shift := -mean[j] * float64(m.A[j])
			m.D[j] = float32(shift)
			m.E[j] = float32(shift - float64(m.D[j]))
		}
		maps[k], w[k] = m, float32(rng.Uniform(r, 0.1, 0.15))
	}
	dst, mean := Floats(pixels*c), make([]float64, c)
	Combine(NewThreadPool(1), maps, w, dst)
	for i, v := range dst {
		mean[i%c] += float64(v) / pixels
	}
	limit := 3e-9
	if cpu.Active == cpu.Generic { // rounds the product on its own
		limit = 1e-7
	}
	for j, m := range mean {
		assert.Less(t, math.Abs(m), limit, "channel %d", j)
	}
}

// TestCombineInParts holds that it matters to no bit of a sum without weights in how
// many parts it is made, and whether its maps are formed while they are read.
func TestCombineInParts(t *testing.T) {
	const n, h, w, c = 3, 5, 7, 6
	pool, r := NewThreadPool(2), rng.New(5, "parts", 0, 0)
	var maps, applied []Map
	for _, kind := range []string{"affine", "gradient", "plain", "scaled", "affine", "offset", "affine", "gradient", "affine"} {
		m, _ := lazy(r, kind, n, h, w, c)
		for i := range m.P {
			m.P[i] = float32(rng.Normal(r))
		}
		a := Plain(n, h, w, c, Floats(m.Len()))
		Apply(pool, m, false, a.P)
		maps, applied = append(maps, m), append(applied, a)
	}
	sum := func(maps ...Map) Map {
		dst := Plain(n, h, w, c, Floats(n*h*w*c))
		Combine(pool, maps, nil, dst.P)
		return dst
	}
	want := sum(maps...)
	assert.Equal(t, want, sum(applied...))
	for k := 1; k < len(maps); k++ {
		assert.Equal(t, want, sum(append([]Map{sum(maps[:k]...)}, maps[k:]...)...), "after %d maps", k)
	}
}
