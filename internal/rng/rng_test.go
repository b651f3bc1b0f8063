package rng_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"unnas/internal/rng"
)

// TestNewGolden pins the streams: whatever a seed gave once, it gives for ever.
// The numbers come from an implementation of its own of FNV-1a, SplitMix64 and
// PCG-DXSM, in Python.
func TestNewGolden(t *testing.T) {
	for _, c := range []struct {
		name         string
		seed         uint64
		purpose      string
		epoch, index int
		want         []uint64
	}{
		{"zeros", 0, "", 0, 0, []uint64{0xc61993f11de4419d, 0xb8667c73917b8f23, 0xb0149e43b7f20375}},
		{"start", 1, "weights", 0, 0, []uint64{0xf9c6ac69a5162300, 0x8a79040028938e85, 0x4d1893a86cd7475e}},
		{"later", 1, "weights", 2, 3, []uint64{0x1851c645a7a326c3, 0xfa1ef3a9a1727c4c, 0x68df2449c58a894a}},
		{"largest seed", math.MaxUint64, "init", 1 << 30, 1<<30 + 5, []uint64{0xe34f0e5fde4bd6c6, 0xc477bc1a22d69ec5, 0x1338273a87a3a360}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rng.New(c.seed, c.purpose, c.epoch, c.index)
			assert.Equal(t, c.want, []uint64{r.Uint64(), r.Uint64(), r.Uint64()})
		})
	}
}

// TestAtGolden pins the numbers that are taken in any order; the first of the keys 0
// and 1234567 are those of published test vectors.
func TestAtGolden(t *testing.T) {
	for _, c := range []struct {
		key  uint64
		i    int
		want uint64
	}{
		{0, 0, 0xe220a8397b1dcdaf},
		{0, 1, 0x6e789e6aa1b965f4},
		{1234567, 0, 0x599ed017fb08fc85},
		{1234567, 4, 0xe3b8346708cb5ecd},
		{math.MaxUint64, 1000000, 0xb6fe577e474fffc8},
	} {
		assert.Equal(t, c.want, rng.At(c.key, c.i), "number %d of %d", c.i, c.key)
	}
}

// TestShapesGolden pins what the functions make of a stream. The numbers come
// from the same implementation in Python.
func TestShapesGolden(t *testing.T) {
	stream := func() *rand.Rand { return rng.New(7, "golden", 3, 11) }

	floats := []float64{0.8018597836407583, 0.061721999102710035, 0.8830857065388726}
	integers := []int{17, 292, 377, 292, 610, 670}
	normals := []float64{1.665703110022725, -1.9248363666493526, 0.24585295660548867}
	gumbels := []float64{1.5104005066182555, -1.0242891156680158, 2.0847916665843096}

	r := stream()
	for i, want := range floats {
		assert.Equal(t, want, rng.Float(r), "Float %d", i)
	}
	r = stream()
	for i, want := range floats {
		assert.Equal(t, -3+float64(5*want), rng.Uniform(r, -3, 2), "Uniform %d", i)
	}
	r = stream()
	for i, want := range floats {
		assert.Equal(t, want < 0.5, rng.Bool(r, 0.5), "Bool %d", i)
	}
	r = stream()
	for i, want := range integers {
		assert.Equal(t, want, rng.IntN(r, 1000), "IntN %d", i)
	}
	r = stream()
	for i, want := range normals {
		// Some processors fuse a multiplication with an addition.
		assert.InEpsilon(t, want, rng.Normal(r), 1e-14, "Normal %d", i)
	}
	r = stream()
	for i, want := range gumbels {
		assert.InEpsilon(t, want, rng.Gumbel(r), 1e-14, "Gumbel %d", i)
	}
	assert.Equal(t, []int{8, 2, 5, 1, 6, 9, 7, 3, 4, 0}, rng.Perm(stream(), 10))
}

// TestStreamsDiffer compares the beginnings of streams whose keys differ little.
func TestStreamsDiffer(t *testing.T) {
	type key struct {
		seed         uint64
		purpose      string
		epoch, index int
	}
	first := map[uint64]key{}
	for seed := range uint64(4) {
		for _, purpose := range []string{"", "a", "b", "ab", "ba"} {
			for epoch := range 8 {
				for index := range 64 {
					k := key{seed, purpose, epoch, index}
					x := rng.New(seed, purpose, epoch, index).Uint64()
					other, found := first[x]
					require.False(t, found, "%+v and %+v begin alike", k, other)
					first[x] = k
				}
			}
		}
	}
}

// TestNeighboursAreIndependent looks at the streams of successive images and
// epochs as one sequence each: no value may follow from the one before.
func TestNeighboursAreIndependent(t *testing.T) {
	const n = 20000
	for _, c := range []struct {
		name string
		next func(i int) *rand.Rand
	}{
		{"index", func(i int) *rand.Rand { return rng.New(1, "image", 0, i) }},
		{"epoch", func(i int) *rand.Rand { return rng.New(1, "image", i, 0) }},
		{"seed", func(i int) *rand.Rand { return rng.New(uint64(i), "image", 0, 0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sum, product float64
			last := 0.0
			for i := range n {
				x := rng.Float(c.next(i)) - 0.5
				sum += x
				product += x * last
				last = x
			}
			// Five standard deviations: those of x and of the product of two.
			assert.InDelta(t, 0, sum/n, 5*math.Sqrt(1.0/12/n))
			assert.InDelta(t, 0, product/n, 5*math.Sqrt(1.0/144/n))
		})
	}
}

func TestUniformity(t *testing.T) {
	const n, bins = 60000, 6 // 6 does not divide 2⁶⁴
	draws := map[string]func(r *rand.Rand) int{
		"Float":   func(r *rand.Rand) int { return int(bins * rng.Float(r)) },
		"Uniform": func(r *rand.Rand) int { return int(rng.Uniform(r, -2, 1)*bins/3 + 2*bins/3) },
		"IntN":    func(r *rand.Rand) int { return rng.IntN(r, bins) },
		"Perm":    func(r *rand.Rand) int { return rng.Perm(r, bins)[2] },
		"Normal": func(r *rand.Rand) int { // by the distribution function
			return min(bins-1, int(bins*0.5*math.Erfc(-rng.Normal(r)/math.Sqrt2)))
		},
		"Gumbel": func(r *rand.Rand) int { // likewise
			return min(bins-1, int(bins*math.Exp(-math.Exp(-rng.Gumbel(r)))))
		},
	}
	for name, draw := range draws {
		t.Run(name, func(t *testing.T) {
			r := rng.New(5, name, 0, 0)
			counts := make([]float64, bins)
			for range n {
				counts[draw(r)]++
			}
			square := 0.0
			for _, c := range counts {
				square += (c - n/bins) * (c - n/bins) / (n / bins)
			}
			assert.Less(t, square, 20.5, "chi square of 5 degrees of freedom, beyond its 99.9 %% point: %v", counts)
		})
	}
}

func TestRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rng.New(rapid.Uint64().Draw(t, "seed"), "ranges", 0, 0)
		n := rapid.IntRange(1, math.MaxInt).Draw(t, "n")
		lo := rapid.Float64Range(-1e6, 1e6).Draw(t, "lo")
		width := rapid.Float64Range(1e-3, 1e6).Draw(t, "width")
		for range 20 {
			i := rng.IntN(r, n)
			require.True(t, 0 <= i && i < n, "IntN(%d) = %d", n, i)
			f := rng.Float(r)
			require.True(t, 0 <= f && f < 1, "Float = %v", f)
			u := rng.Uniform(r, lo, lo+width)
			require.True(t, lo <= u && u <= lo+width, "Uniform(%v, %v) = %v", lo, lo+width, u) // rounding may give hi
			z := rng.Normal(r)
			require.Less(t, math.Abs(z), 9.0, "Normal") // √(2·53·ln 2) = 8.6
		}
		require.False(t, rng.Bool(r, 0))
		require.True(t, rng.Bool(r, 1))
	})
}

func TestPerm(t *testing.T) {
	for n := range 40 {
		p := rng.Perm(rng.New(1, "perm", 0, n), n)
		require.Len(t, p, n)
		slices.Sort(p)
		for i, v := range p {
			require.Equal(t, i, v, "n = %d", n)
		}
	}
}

// extremes is a generator that gives two numbers and then ends the test.
type extremes struct {
	t      *testing.T
	values []uint64
}

func (e *extremes) Uint64() uint64 {
	require.NotEmpty(e.t, e.values, "drew too often")
	x := e.values[0]
	e.values = e.values[1:]
	return x
}

// TestExtremes feeds the smallest and the largest number that a generator gives.
func TestExtremes(t *testing.T) {
	from := func(values ...uint64) *rand.Rand { return rand.New(&extremes{t, values}) }

	assert.Equal(t, 0.0, rng.Float(from(0)))
	assert.Equal(t, 1-1.0/(1<<53), rng.Float(from(math.MaxUint64)))
	assert.Equal(t, 0.0, rng.Normal(from(0, 0)))
	assert.InDelta(t, 8.57, rng.Normal(from(math.MaxUint64, 0)), 0.01, "the largest number is finite")
	assert.InDelta(t, 0.3665, rng.Gumbel(from(0, 1<<63)), 1e-4, "zero is drawn again")
	assert.InDelta(t, 36.74, rng.Gumbel(from(math.MaxUint64)), 0.01, "the largest number is finite")
	// 2⁶⁴ leaves 4 when divided by 6: the last numbers would favour the first
	// values, and are drawn again.
	assert.Equal(t, 5, rng.IntN(from(math.MaxUint64, 5), 6))
	assert.Equal(t, 0, rng.IntN(from(math.MaxUint64-math.MaxUint64%6, 6), 6))
}

func TestIntNPanics(t *testing.T) {
	for _, n := range []int{0, -1, math.MinInt} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			assert.Panics(t, func() { rng.IntN(rng.New(1, "panics", 0, 0), n) })
		})
	}
}
