package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
)

// eachMap calls body for maps of all kinds, some of several spans.
func eachMap(t *testing.T, body func(t *testing.T, r *rand.Rand, kind string, x Map, d dense, size scratchSize)) {
	for i, s := range append(shapes, [4]int{3, 40, 33, 6}, [4]int{1, 2, 3, 2100}) {
		for j, kind := range lazies {
			t.Run(fmt.Sprintf("%v %s", s, kind), func(t *testing.T) {
				r := rng.New(3, t.Name(), i, j)
				x, d := lazy(r, kind, s[0], s[1], s[2], s[3])
				body(t, r, kind, x, d, sized(ElementwiseScratch(s[0], s[1], s[2], s[3], 1)))
			})
		}
	}
}

func TestApply(t *testing.T) {
	eachMap(t, func(t *testing.T, r *rand.Rand, kind string, x Map, d dense, size scratchSize) {
		dst := Floats(x.Len())
		operate(t, size, func(pool *ThreadPool) { Apply(pool, x, false, dst) }, dst)
		near(t, "elements", d.v, dst, 0)
		operate(t, size, func(pool *ThreadPool) { Apply(pool, x, true, dst) }, dst)
		near(t, "positive parts", d.positive().v, dst, 0)

		y := append([]float32(nil), dst...)
		gx := Floats(x.Len())
		gy, dgy := lazy(r, kind, x.N, x.H, x.W, x.C)
		operate(t, size, func(pool *ThreadPool) { ReLUBackward(pool, gy, y, gx) }, gx)
		near(t, "gradient", d.where(dgy).v, gx, 0)
	})
}

func TestScaleImages(t *testing.T) {
	eachMap(t, func(t *testing.T, r *rand.Rand, _ string, x Map, d dense, size scratchSize) {
		factors, dst := Floats(x.N), Floats(x.Len())
		for i := range factors {
			factors[i] = float32(i) * 1.5 // the first is zero
		}
		want := make([]float64, x.Len())
		d.each(func(i, n, _, _, _ int) { want[i] = d.v[i] * float64(factors[n]) })
		operate(t, size, func(pool *ThreadPool) { ScaleImages(pool, x, factors, dst) }, dst)
		near(t, "scaled", want, dst, 0)
	})
}

func TestMoments(t *testing.T) {
	eachMap(t, func(t *testing.T, r *rand.Rand, kind string, x Map, d dense, size scratchSize) {
		mom := Floats(3 * x.C)
		operate(t, size, func(pool *ThreadPool) { Moments(pool, x, mom) }, mom)
		near(t, "moments", refMoments(d), mom, sumTolerance)
	})
}

// TestMomentsOfLargeMeans is about a shift that a float32 cannot take the mean from
// without rounding: the mean must not move by what is lost.
func TestMomentsOfLargeMeans(t *testing.T) {
	const n, h, w, c = 2, 3, 5, 2
	r := rng.New(3, "large means", 0, 0)
	x, d := Plain(n, h, w, c, Floats(n*h*w*c)), newDense(n, h, w, c)
	x.D = []float32{10000.25, -3000.125}
	for i := range x.P {
		v := 3.12345 + 0.01*r.NormFloat64()
		x.P[i] = float32(v - float64(x.D[i%c]))
		d.v[i] = float64(x.P[i] + x.D[i%c])
	}
	mom := Floats(3 * c)
	operate(t, sized(ElementwiseScratch(n, h, w, c, 1)), func(pool *ThreadPool) { Moments(pool, x, mom) }, mom)
	for j, want := range refMoments(d)[:c] {
		assert.InDelta(t, want, float64(mom[j])+float64(mom[2*c+j]), 1e-5, "channel %d", j)
	}
}

// TestMomentsOfLargeOutputs holds that every kernel with moments centres them, in
// the memory that it asks for.
func TestMomentsOfLargeOutputs(t *testing.T) {
	const n, h, w, c, cout = 3, 6, 8, 2, 4
	r := rng.New(3, "large outputs", 0, 0)
	x := Plain(n, h, w, c, Floats(n*h*w*c))
	for i := range x.P {
		x.P[i] = float32(1000 + r.NormFloat64())
	}
	positive := func(n int) []float32 {
		x := Floats(n)
		for i := range x {
			x[i] = 1 + r.Float32()
		}
		return x
	}
	one, full, half, other, each := Square(1, 1, 0, 1), positive(c*cout), positive(c*cout/2), positive(c*cout/2), positive(c)
	stages := []Stage{{Win: one, WD: each, WP: full}}
	for _, k := range []struct {
		name    string
		h, w, c int
		size    scratchSize
		forward func(t *ThreadPool, z, mom []float32)
	}{
		{"convolution", h, w, cout, sized(ConvScratch(Float32, n, h, w, c, one, cout, false)), func(t *ThreadPool, z, mom []float32) {
			ConvForward(t, Float32, x, one, false, full, nil, z, cout, mom)
		}},
		{"max pooling", h, w, c, sized(MaxPoolScratch(n, h, w, c, Square(3, 1, 1, 1), false)), func(t *ThreadPool, z, mom []float32) {
			MaxPoolForward(t, x, Square(3, 1, 1, 1), z, mom)
		}},
		{"average pooling", h, w, c, sized(AvgPoolScratch(n, h, w, c, Square(3, 1, 1, 1), false)), func(t *ThreadPool, z, mom []float32) {
			AvgPoolForward(t, x, Square(3, 1, 1, 1), z, mom)
		}},
		{"factorised reduction", h / 2, w / 2, cout, sized(ReduceScratch(n, h, w, c, cout, false)), func(t *ThreadPool, z, mom []float32) {
			ReduceForward(t, x, half, other, z, cout, mom)
		}},
		{"stage", h, w, cout, sized(StagesScratch(Float32, n, h, w, c, stages, false)), func(t *ThreadPool, z, mom []float32) {
			stages[0].Z, stages[0].Mom = z, mom
			StagesForward(t, Float32, x, stages)
		}},
	} {
		t.Run(k.name, func(t *testing.T) {
			z, mom, d := Floats(n*k.h*k.w*k.c), Floats(3*k.c), newDense(n, k.h, k.w, k.c)
			operate(t, k.size, func(pool *ThreadPool) { k.forward(pool, z, mom) }, z, mom)
			for i, v := range z {
				d.v[i] = float64(v)
			}
			for j, want := range refMoments(d)[k.c : 2*k.c] {
				assert.InEpsilon(t, want, mom[k.c+j], 1e-5, "variance of channel %d", j)
			}
		})
	}
}

func TestNormSums(t *testing.T) {
	eachMap(t, func(t *testing.T, r *rand.Rand, kind string, z Map, dz dense, size scratchSize) {
		g, dg := lazy(r, kind, z.N, z.H, z.W, z.C)
		mean, dmean := weight(r, z.C)
		sg, sgz := make([]float64, z.C), make([]float64, z.C)
		want, wantZ := make([]float64, z.C), make([]float64, z.C)
		dz.each(func(i, _, _, _, c int) {
			want[c] += dg.v[i]
			wantZ[c] += dg.v[i] * (dz.v[i] - dmean[c])
		})
		got, gotZ := Floats(z.C), Floats(z.C)
		operate(t, size, func(pool *ThreadPool) {
			NormSums(pool, g, z, mean, sg, sgz)
			for c := range sg {
				got[c], gotZ[c] = float32(sg[c]), float32(sgz[c])
			}
		}, got, gotZ)
		near(t, "sums", want, got, sumTolerance)
		near(t, "products", wantZ, gotZ, sumTolerance)
	})
}

func TestCombine(t *testing.T) {
	eachMap(t, func(t *testing.T, r *rand.Rand, kind string, x Map, d dense, _ scratchSize) {
		maps, values := []Map{x}, []dense{d}
		for _, kind := range lazies {
			m, v := lazy(r, kind, x.N, x.H, x.W, x.C)
			maps, values = append(maps, m), append(values, v)
		}
		w, dw := weight(r, len(maps))
		g, dg := lazy(r, kind, x.N, x.H, x.W, x.C)
		weighted, plain := make([]float64, x.Len()), make([]float64, x.Len())
		var sg, sgv []float64
		for k, v := range values {
			sums := channelSums(dg, v)
			sg, sgv = sums[:x.C], append(sgv, sums[x.C:]...)
			for i, v := range v.v {
				weighted[i] += dw[k] * v
				plain[i] += v
			}
		}
		size := sized(ElementwiseScratch(x.N, x.H, x.W, x.C, len(maps)))
		dst := Floats(x.Len())
		operate(t, size, func(pool *ThreadPool) { Combine(pool, maps, w, dst) }, dst)
		near(t, "weighted sum", weighted, dst, sumTolerance)
		operate(t, size, func(pool *ThreadPool) { Combine(pool, maps, nil, dst) }, dst)
		near(t, "sum", plain, dst, sumTolerance)
		sums, got := make([]float64, len(sg)+len(sgv)), Floats(len(sg)+len(sgv))
		operate(t, size, func(pool *ThreadPool) {
			CombineSums(pool, g, maps, sums[:len(sg)], sums[len(sg):])
			for i, v := range sums {
				got[i] = float32(v)
			}
		}, got)
		near(t, "sums", sg, got[:len(sg)], sumTolerance)
		near(t, "sums of products", sgv, got[len(sg):], sumTolerance)
	})
}

func TestCombineOfNothing(t *testing.T) {
	pool, dst := NewThreadPool(1), []float32{1, 2, 3}
	Combine(pool, nil, nil, dst)
	require.Equal(t, []float32{0, 0, 0}, dst)
	CombineSums(pool, Map{}, nil, nil, nil)
}

func TestSumOfSlices(t *testing.T) {
	const n = 3*chunkFloats + 5
	r := rng.New(3, "sum", 0, 0)
	for count := range 4 {
		var terms [][]float32
		want := make([]float64, n)
		for range count {
			x, dx := weight(r, n)
			terms = append(terms, x)
			for i, v := range dx {
				want[i] += v
			}
		}
		dst := Floats(n)
		operate(t, scratchSize{}, func(pool *ThreadPool) { Sum(pool, dst, terms) }, dst)
		near(t, "sum", want, dst, 1e-7)
	}
}

func TestConcat(t *testing.T) {
	eachMap(t, func(t *testing.T, r *rand.Rand, kind string, x Map, d dense, _ scratchSize) {
		maps, whole := []Map{x}, d
		for i, kind := range lazies[:2] {
			m, v := lazy(r, kind, x.N, x.H, x.W, 2+3*i)
			maps, whole = append(maps, m), joined(whole, v)
		}
		c := whole.c
		size := sized(ElementwiseScratch(x.N, x.H, x.W, c, 1))
		all := Floats(len(whole.v))
		operate(t, size, func(pool *ThreadPool) { Concat(pool, maps, all) }, all)
		near(t, "concatenation", whole.v, all, 0)

		part := Floats(x.N * x.H * x.W * 3)
		var want []float64
		whole.each(func(i, _, _, _, channel int) {
			if channel >= c-4 && channel < c-1 {
				want = append(want, whole.v[i])
			}
		})
		m := Plain(x.N, x.H, x.W, c, all)
		operate(t, size, func(pool *ThreadPool) { Slice(pool, m, c-4, 3, part) }, part)
		near(t, "slice", want, part, 0)

		back := newDense(x.N, x.H, x.W, c+3)
		back.each(func(i, n, y, x, channel int) {
			if j, _ := whole.at(n, y, x, channel-1); channel >= 1 && channel < c+1 {
				back.v[i] = whole.v[j]
			}
		})
		dst := Floats(len(back.v))
		operate(t, size, func(pool *ThreadPool) { Unslice(pool, m, 1, c+3, dst) }, dst)
		near(t, "gradient of slice", back.v, dst, 0)
	})
}
