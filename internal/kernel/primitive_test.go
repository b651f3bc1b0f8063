package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpu"
	"unnas/internal/rng"
)

// eachVariant runs a test for every variant of the primitives. One that this
// build or processor lacks is skipped, or, if the environment variable
// UNNAS_REQUIRE lists it, fails.
func eachVariant(t *testing.T, body func(t *testing.T, p primitives)) {
	levels := []cpu.Level{cpu.Generic, cpu.AVX2, cpu.AVX512, cpu.AVX512BF16}
	var required []string
	if list := os.Getenv("UNNAS_REQUIRE"); list != "" {
		required = strings.Split(list, ",")
	}
	for _, name := range required {
		known := func(l cpu.Level) bool { return l.String() == name }
		require.True(t, slices.ContainsFunc(levels, known), "UNNAS_REQUIRE lists %q, which is none of %v", name, levels)
	}
	for _, level := range levels {
		t.Run(level.String(), func(t *testing.T) {
			if int(level) < len(variants) && level <= cpu.Best() {
				body(t, variants[level])
				return
			}
			if slices.Contains(required, level.String()) {
				t.Fatalf("UNNAS_REQUIRE lists %s, which this build or processor lacks", level)
			}
			t.Skipf("this build or processor lacks %s", level)
		})
	}
}

// bench compares one variant with the generic one, computed in float64.
type bench struct {
	t      *testing.T
	p      primitives
	r      *rand.Rand
	guards []guard
}

func newBench(t *testing.T, p primitives) *bench {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return &bench{t: t, p: p, r: rng.New(seed, "primitive", 0, 0)}
}

// guard is memory with a slice in it; what surrounds the slice must not change.
type guard struct {
	memory   []float32
	from, to int
}

// sentinel is not a number, so that reading it shows in results.
const sentinel = 0x7fdead00

// zone is the size of a guard, more than a vector.
const zone = 40

// floats returns n random numbers at any alignment, surrounded by sentinels.
func (b *bench) floats(n int) []float32 {
	from := zone + rng.IntN(b.r, 16)
	g := guard{align(make([]float32, n+2*zone+32)), from, from + n}
	for i := range g.memory {
		g.memory[i] = math.Float32frombits(sentinel)
	}
	x := g.memory[from : from+n : from+n]
	for i := range x {
		x[i] = float32(rng.Normal(b.r))
	}
	b.guards = append(b.guards, g)
	return x
}

// matrix returns rows of n numbers, ld apart, with sentinels between them.
func (b *bench) matrix(rows, n, ld int) []float32 {
	x := b.floats(max(0, (rows-1)*ld+n))
	if rows == 0 {
		return x
	}
	for i := range rows - 1 {
		for j := i*ld + n; j < (i+1)*ld; j++ {
			x[j] = math.Float32frombits(sentinel)
		}
	}
	return x
}

// intact checks the sentinels around all slices.
func (b *bench) intact(context string) {
	b.t.Helper()
	for _, g := range b.guards {
		for i, x := range g.memory {
			if (i < g.from || i >= g.to) && math.Float32bits(x) != sentinel {
				b.t.Fatalf("%s: wrote %g at %d of a slice of %d", context, x, i-g.from, g.to-g.from)
			}
		}
	}
	b.guards = b.guards[:0]
}

// close demands that got is want up to the rounding of float32. magnitude is the
// same result for the absolute values of all arguments and terms the number of
// roundings, which bound the error by terms·2⁻²⁴·magnitude (Higham, Accuracy and
// Stability of Numerical Algorithms, section 3.1). Sentinels must stay.
func (b *bench) close(context string, got []float32, want, magnitude []float64, terms int) {
	b.t.Helper()
	for i, x := range got {
		if math.IsNaN(want[i]) {
			require.EqualValues(b.t, sentinel, math.Float32bits(x), "%s: element %d lies between rows", context, i)
			continue
		}
		limit := float64(terms)*0x1p-24*magnitude[i] + 1e-37
		if diff := math.Abs(float64(x) - want[i]); !(diff <= limit) {
			b.t.Fatalf("%s: element %d of %d is %g, not %g (off by %g, limit %g)", context, i, len(got), x, want[i], diff, limit)
		}
	}
}

// wide returns x in float64, and abs its absolute values.
func wide(x []float32) []float64 { return convert(x, func(v float64) float64 { return v }) }
func abs(x []float32) []float64  { return convert(x, math.Abs) }

func convert(x []float32, f func(float64) float64) []float64 {
	if x == nil {
		return nil
	}
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = f(float64(v))
	}
	return y
}

func (b *bench) gemm(m, n, k, lda, ldb, ldc int, acc bool) {
	b.t.Helper()
	context := fmt.Sprintf("gemm m=%d n=%d k=%d lda=%d ldb=%d ldc=%d acc=%v", m, n, k, lda, ldb, ldc, acc)
	x, y, z := b.matrix(m, k, lda), b.matrix(k, n, ldb), b.matrix(m, n, ldc)
	want, magnitude := wide(z), abs(z)
	gemmGeneric(m, n, k, wide(x), lda, wide(y), ldb, want, ldc, acc)
	gemmGeneric(m, n, k, abs(x), lda, abs(y), ldb, magnitude, ldc, acc)
	b.p.gemm(m, n, k, x, lda, y, ldb, z, ldc, acc)
	b.close(context, z, want, magnitude, k+1)
	b.intact(context)
}

func (b *bench) gemmT(m, n, k, lda, ldb, ldc int, acc bool) {
	b.t.Helper()
	context := fmt.Sprintf("gemmT m=%d n=%d k=%d lda=%d ldb=%d ldc=%d acc=%v", m, n, k, lda, ldb, ldc, acc)
	x, y, z := b.matrix(m, k, lda), b.matrix(m, n, ldb), b.matrix(k, n, ldc)
	want, magnitude := wide(z), abs(z)
	gemmTGeneric(m, n, k, wide(x), lda, wide(y), ldb, want, ldc, acc)
	gemmTGeneric(m, n, k, abs(x), lda, abs(y), ldb, magnitude, ldc, acc)
	b.p.gemmT(m, n, k, x, lda, y, ldb, z, ldc, acc)
	b.close(context, z, want, magnitude, m+1)
	b.intact(context)
}

func TestMatrixProducts(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		for n := range 81 {
			for range 4 {
				m, k := rng.IntN(b.r, 40), rng.IntN(b.r, 40)
				gap := rng.IntN(b.r, 4)
				b.gemm(m, n, k, k+gap, n+1-gap%2, n+gap, rng.Bool(b.r, 0.5))
				b.gemmT(m, n, k, k+gap, n+1-gap%2, n+gap, rng.Bool(b.r, 0.5))
			}
		}
		for _, s := range []struct{ m, n, k int }{
			{70, 36, 600}, {600, 20, 33}, {530, 512, 8}, {9, 130, 257}, {1100, 64, 16}, {3, 1, 512},
		} {
			if testing.Short() && s.m*s.n*s.k > 1<<16 {
				continue
			}
			b.gemm(s.m, s.n, s.k, s.k, s.n, s.n, s.n%3 == 0)
			b.gemmT(s.k, s.n, s.m, s.m, s.n, s.n, s.n%3 == 0)
		}
	})
}

// An element of a product is one chain of fused multiply-adds, in the order of the
// sum, whatever the width of vectors.
func TestMatrixProductsHaveTheSameBits(t *testing.T) {
	if cpu.Best() < cpu.AVX512 {
		t.Skip("this build or processor has no two vector variants")
	}
	avx2, avx512 := variants[cpu.AVX2], variants[cpu.AVX512]
	b := newBench(t, avx2)
	for n := 1; n <= 100; n++ {
		m, k, acc := 1+rng.IntN(b.r, 40), 1+rng.IntN(b.r, 150), rng.Bool(b.r, 0.5)
		x, y, z := b.floats(m*k), b.floats(max(m, k)*n), b.floats(max(m, k)*n)
		same := func(name string, product func(p primitives, c []float32)) {
			one, two := slices.Clone(z), slices.Clone(z)
			product(avx2, one)
			product(avx512, two)
			for i, v := range one {
				require.Equal(t, math.Float32bits(v), math.Float32bits(two[i]), "%s m=%d n=%d k=%d: element %d", name, m, n, k, i)
			}
		}
		same("gemm", func(p primitives, c []float32) { p.gemm(m, n, k, x, k, y, n, c, n, acc) })
		same("gemmT", func(p primitives, c []float32) { p.gemmT(m, n, k, x, k, y, n, c, n, acc) })
	}
}

// Rows of a may overlap, as they do where a convolution is a matrix product.
func TestMatrixProductOfOverlappingRows(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		b.gemm(10, 7, 15, 5, 7, 7, true)
		b.gemmT(10, 7, 15, 5, 7, 7, false)
	})
}

func TestTransforms(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		for which, l := range winogradMatrix {
			for c := 1; c <= 50; c++ {
				n, gap := 1+rng.IntN(b.r, 5), rng.IntN(b.r, 3)
				random := func(size int) (g grid, x []float32) {
					g.column = c + gap
					g.row = size*g.column + rng.IntN(b.r, 4)
					g.tile = size*g.row + rng.IntN(b.r, 4)
					return g, b.floats(g.last(size, n, c) + 1)
				}
				to, dst := random(len(l))
				from, src := random(len(l[0]))
				want := wide(dst)
				transformGeneric[float64](which)(want, to, wide(src), from, n, c)
				p.transform[which](dst, to, src, from, n, c)
				sums := convert(dst, func(float64) float64 { return 32 }) // of the absolute values of 16 elements
				b.close(fmt.Sprintf("transform %d n=%d c=%d %+v %+v", which, n, c, to, from), dst, want, sums, 4)
				b.intact("transform")
			}
		}
	})
}

func TestMatrixProductKeepsInfinities(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		const m, n, k = 11, 37, 5
		inf, nan := float32(math.Inf(1)), float32(math.NaN())
		a, b, c := Floats(m*k), Floats(k*n), Floats(m*n)
		for i := range a {
			a[i] = 1
		}
		for i := range b {
			b[i] = 1
		}
		a[3*k+2] = inf
		b[4*n+35] = nan
		b[2*n+36] = 0
		p.gemm(m, n, k, a, k, b, n, c, n, false)
		for i := range m {
			for j := range n {
				got := float64(c[i*n+j])
				switch {
				case j == 35 || i == 3 && j == 36: // Inf·0 is no number
					assert.True(t, math.IsNaN(got), "row %d column %d is %g", i, j, got)
				case i == 3:
					assert.True(t, math.IsInf(got, 1), "row %d column %d is %g", i, j, got)
				default:
					assert.False(t, math.IsNaN(got) || math.IsInf(got, 0), "row %d column %d is %g", i, j, got)
				}
			}
		}
	})
}

func TestAffine(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		// The bits of kind say which arguments there are.
		run := func(n, c int, kinds ...int) {
			for _, kind := range kinds {
				optional := func(bit, n int) []float32 {
					if kind&bit == 0 {
						return nil
					}
					return b.floats(n)
				}
				x, y := b.floats(n*c), optional(1, n*c)
				coefA, coefD, relu := optional(2, c), optional(4, c), kind&8 != 0
				var coefB []float32
				if y != nil {
					coefB = b.floats(c)
				}
				dst := b.floats(n * c)
				want, magnitude := wide(dst), wide(dst)
				affineGeneric(want, wide(x), wide(y), wide(coefA), wide(coefB), wide(coefD), n, c, relu)
				affineGeneric(magnitude, abs(x), abs(y), abs(coefA), abs(coefB), abs(coefD), n, c, relu)
				context := fmt.Sprintf("affine n=%d c=%d kind=%05b", n, c, kind)
				switch { // results may take the place of an argument
				case kind&16 == 0:
				case y == nil:
					dst = x
				default:
					dst = y
				}
				p.affine(dst, x, y, coefA, coefB, coefD, n, c, relu)
				b.close(context, dst, want, magnitude, 4)
				b.intact(context)
			}
		}
		all := make([]int, 32)
		for i := range all {
			all[i] = i
		}
		for c := range 41 {
			run(1+rng.IntN(b.r, 5), c, all...)
		}
		run(0, 3, all...)
		if !testing.Short() {
			run(700, 200, 15)
			run(1, maxTestLength, 15)
		}
	})
}

// maxTestLength exceeds what one call of an assembly function takes.
const maxTestLength = 1<<17 + 11

func TestAddAffine(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		for c := range 41 {
			for kind := range 4 {
				n := rng.IntN(b.r, 6)
				dst, x := b.floats(n*c), b.floats(n*c)
				var coefA, coefD []float32
				if kind&1 != 0 {
					coefA = b.floats(c)
				}
				if kind&2 != 0 {
					coefD = b.floats(c)
				}
				want, magnitude := wide(dst), abs(dst)
				addAffineGeneric(want, wide(x), wide(coefA), wide(coefD), n, c)
				addAffineGeneric(magnitude, abs(x), abs(coefA), abs(coefD), n, c)
				p.addAffine(dst, x, coefA, coefD, n, c)
				context := fmt.Sprintf("addAffine n=%d c=%d kind=%d", n, c, kind)
				b.close(context, dst, want, magnitude, 4)
				b.intact(context)
			}
		}
	})
}

func TestReLUKeepsWhatIsNoNumber(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		nan, inf := float32(math.NaN()), float32(math.Inf(1))
		for c := 1; c <= 40; c++ {
			x, y := Floats(c*3), Floats(c*3)
			for i := range x {
				x[i] = []float32{nan, inf, -inf, -1, 2}[i%5]
			}
			p.affine(y, x, nil, nil, nil, nil, 3, c, true)
			for i, v := range y {
				switch i % 5 {
				case 0:
					assert.True(t, math.IsNaN(float64(v)), "ReLU(NaN) is %g", v)
				default:
					assert.Equal(t, []float32{0, inf, 0, 0, 2}[i%5], v)
				}
			}
			p.affine(y, x, nil, nil, nil, nil, 3, c, false)
			for i, v := range y {
				assert.Equal(t, math.Float32bits(x[i]), math.Float32bits(v))
			}
		}
	})
}

func TestSums(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		run := func(n, c int) {
			s, products, g, z := b.floats(c), b.floats(c), b.floats(n*c), b.floats(n*c)
			context := fmt.Sprintf("dots n=%d c=%d", n, c)
			want, wantProducts, magnitude, magnitudeProducts := wide(s), wide(products), abs(s), abs(products)
			dotsGeneric(want, wantProducts, wide(g), wide(z), n, c)
			dotsGeneric(magnitude, magnitudeProducts, abs(g), abs(z), n, c)
			p.dots(s, products, g, z, n, c)
			b.close(context, s, want, magnitude, n+1)
			b.close(context, products, wantProducts, magnitudeProducts, n+2)
			b.intact(context)

			x := b.floats(n * c)
			s, squares := b.floats(c), b.floats(c)
			context = fmt.Sprintf("moments n=%d c=%d", n, c)
			want, wantSquares, magnitude, magnitudeSquares := wide(s), wide(squares), abs(s), abs(squares)
			momentsGeneric(want, wantSquares, wide(x), n, c)
			momentsGeneric(magnitude, magnitudeSquares, abs(x), n, c)
			p.moments(s, squares, x, n, c)
			b.close(context, s, want, magnitude, n+1)
			b.close(context, squares, wantSquares, magnitudeSquares, n+2)
			b.intact(context)
		}
		for c := range 81 {
			for n := range 10 {
				run(n, c)
			}
		}
		if !testing.Short() {
			run(2000, 70)
			run(2, maxTestLength)
		}
	})
}

func TestSumsOfSeveralMaps(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		run := func(n, c, maps int, sum bool) {
			context := fmt.Sprintf("dots4 n=%d c=%d maps=%d", n, c, maps)
			var s []float32
			if sum {
				s = b.floats(c)
			}
			products, x := b.floats(maps*c), b.floats(n*c)
			var y [4][]float32
			var wideY, absY [4][]float64
			for k := range maps {
				y[k] = b.floats(n * c)
				wideY[k], absY[k] = wide(y[k]), abs(y[k])
			}
			want, wantProducts, magnitude, magnitudeProducts := wide(s), wide(products), abs(s), abs(products)
			if !sum {
				want, magnitude = nil, nil
			}
			dots4Generic(want, wantProducts, wide(x), wideY[0], wideY[1], wideY[2], wideY[3], n, c)
			dots4Generic(magnitude, magnitudeProducts, abs(x), absY[0], absY[1], absY[2], absY[3], n, c)
			alone := slices.Clone(products)
			for k := range maps {
				p.dots4(nil, alone[k*c:], x, y[k], nil, nil, nil, n, c)
			}
			p.dots4(s, products, x, y[0], y[1], y[2], y[3], n, c)
			b.close(context, s, want, magnitude, n+1)
			b.close(context, products, wantProducts, magnitudeProducts, n+2)
			require.Equal(t, alone, products, "%s: each map alone", context)
			b.intact(context)
		}
		for c := 1; c < 40; c++ {
			for n := range 6 {
				run(n, c, 1+rng.IntN(b.r, 4), n%2 == 0)
			}
		}
		if !testing.Short() {
			run(3000, 70, 3, true)
			run(2, maxTestLength, 2, true)
		}
	})
}

func TestCombinePrimitive(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		run := func(n, c, maps int, shifted, weighted bool) {
			context := fmt.Sprintf("combine n=%d c=%d maps=%d shifted=%v weighted=%v", n, c, maps, shifted, weighted)
			dst := b.floats(n * c)
			var x [4][]float32
			var wideX, absX [4][]float64
			for k := range maps {
				x[k] = b.floats(n * c)
				wideX[k], absX[k] = wide(x[k]), abs(x[k])
			}
			var a, d, e []float32
			var wideA, absA, wideD, absD, wideE, absE []float64
			if weighted {
				a = b.floats(maps * c)
				wideA, absA = wide(a), abs(a)
			}
			if shifted {
				d, e = b.floats(c), b.floats(c)
				wideD, absD, wideE, absE = wide(d), abs(d), wide(e), abs(e)
			}
			want, magnitude := wide(dst), abs(dst)
			combineGeneric(want, wideX[0], wideX[1], wideX[2], wideX[3], wideA, wideD, wideE, n, c)
			combineGeneric(magnitude, absX[0], absX[1], absX[2], absX[3], absA, absD, absE, n, c)
			p.combine(dst, x[0], x[1], x[2], x[3], a, d, e, n, c)
			b.close(context, dst, want, magnitude, maps+2)
			b.intact(context)
		}
		for c := 1; c < 40; c++ {
			for maps := 1; maps <= 4; maps++ {
				run(rng.IntN(b.r, 5), c, maps, c%2 == 0, c%3 > 0)
			}
		}
		if !testing.Short() {
			run(3000, 70, 4, true, true)
			run(2, maxTestLength, 3, false, true)
		}
	})
}

// TestWidthsOfVectors holds that the width of vectors does not matter to any bit.
func TestWidthsOfVectors(t *testing.T) {
	if len(variants) <= int(cpu.AVX512) || cpu.Best() < cpu.AVX512 {
		t.Skip("this build or processor has one width")
	}
	b := newBench(t, primitives{})
	// both runs f with each variant on dst of its own, with the same content.
	both := func(context string, size int, f func(p *primitives, dst []float32)) {
		t.Helper()
		first := b.floats(size)
		second := slices.Clone(first)
		f(&variants[cpu.AVX2], first)
		f(&variants[cpu.AVX512], second)
		for i := range first {
			require.Equal(t, bits(first[i]), bits(second[i]), "%s: element %d of %d", context, i, size)
		}
		b.intact(context)
	}
	maps := func(n, c int) {
		context := fmt.Sprintf("n=%d c=%d", n, c)
		x, y, z, a, d := b.floats(n*c), b.floats(n*c), b.floats(n*c), b.floats(4*c), b.floats(c)
		both("affine "+context, n*c, func(p *primitives, dst []float32) { p.affine(dst, x, y, a, a[c:], d, n, c, true) })
		both("addAffine "+context, n*c, func(p *primitives, dst []float32) { p.addAffine(dst, x, a, d, n, c) })
		both("mask "+context, n*c, func(p *primitives, dst []float32) { p.mask(dst, x, y) })
		both("moments "+context, 2*c, func(p *primitives, dst []float32) { p.moments(dst[:c], dst[c:], x, n, c) })
		both("dots "+context, 2*c, func(p *primitives, dst []float32) { p.dots(dst[:c], dst[c:], x, y, n, c) })
		for maps, list := range [][4][]float32{{x}, {x, y}, {x, y, z}, {x, y, z, x}} {
			context := fmt.Sprintf("%s maps=%d", context, maps+1)
			both("dots4 "+context, (2+maps)*c, func(p *primitives, dst []float32) {
				p.dots4(dst[:c], dst[c:], z, list[0], list[1], list[2], list[3], n, c)
			})
			both("combine "+context, n*c, func(p *primitives, dst []float32) {
				p.combine(dst, list[0], list[1], list[2], list[3], a, nil, nil, n, c)
				p.combine(dst, list[0], list[1], list[2], list[3], a, d, d, n, c)
			})
		}
		both("expSum "+context, n*c+2, func(p *primitives, dst []float32) {
			sum := math.Float64bits(p.expSum(dst[2:], x, 4))
			dst[0], dst[1] = float32(sum>>32), float32(sum&math.MaxUint32)
		})
	}
	for c := 1; c <= 70; c++ {
		for _, n := range []int{1, 2, 3, 7, 8, 9, 13, 40} {
			maps(n, c)
		}
	}
	b.windows(2, func(s window) {
		context := fmt.Sprintf("%+v", s)
		src, w, g := b.floats(s.inputs()), b.floats(s.k*s.k*s.c), b.floats(s.width*s.c)
		for i := range src { // with equal elements for the maxima
			src[i] = float32(math.Round(float64(src[i]*4))) / 3
		}
		both("dw "+context, len(g), func(p *primitives, dst []float32) {
			p.dw(dst, src, w, s.width, s.c, s.k, s.stride, s.dil, s.rowStride())
		})
		both("dwGrad "+context, len(w), func(p *primitives, dst []float32) {
			p.dwGrad(dst, src, g, s.width, s.c, s.k, s.stride, s.dil, s.rowStride())
		})
		both("maxRow "+context, len(g), func(p *primitives, dst []float32) {
			p.maxRow(dst, src, s.width, s.c, s.k, s.stride, s.dil, s.rowStride())
		})
		both("maxGrad "+context, len(src), func(p *primitives, dst []float32) {
			p.maxGrad(dst, src, g, s.width, s.c, s.k, s.stride, s.dil, s.rowStride())
		})
	})
}

func TestMask(t *testing.T) {
	nan := float32(math.NaN())
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		run := func(n int) {
			dst, g, x := b.floats(n), b.floats(n), b.floats(n)
			for i := range x {
				switch rng.IntN(b.r, 8) {
				case 0:
					x[i] = nan
				case 1:
					x[i] = 0
				case 2:
					x[i] = float32(math.Copysign(0, -1))
				case 3:
					x[i] = float32(math.Inf(1))
				case 4:
					x[i], g[i] = -1, nan
				}
			}
			want := make([]float32, n)
			maskGeneric(want, g, x)
			p.mask(dst, g, x)
			require.Equal(t, want, dst, "n=%d", n)
			p.mask(g, g, x)
			require.Equal(t, want, g, "in place, n=%d", n)
			b.intact(fmt.Sprintf("mask n=%d", n))
		}
		for n := range 300 {
			run(n)
		}
		if !testing.Short() {
			run(maxTestLength)
		}
	})
}

// window is a case of the kernels that work on one row of windows.
type window struct{ width, c, k, stride, dil, gap int }

func (w window) rowStride() int { return ((w.width-1)*w.stride+(w.k-1)*w.dil+1+w.gap)*w.c + w.gap }

// inputs is the number of elements that a row of windows covers.
func (w window) inputs() int {
	return (w.k-1)*w.dil*w.rowStride() + ((w.width-1)*w.stride+(w.k-1)*w.dil+1)*w.c
}

// windows calls body for many cases.
func (b *bench) windows(dilations int, body func(w window)) {
	for c := 1; c <= 40; c++ {
		for k := 1; k <= 7; k++ {
			body(window{
				width: 1 + rng.IntN(b.r, 36), c: c, k: k,
				stride: 1 + rng.IntN(b.r, 2), dil: 1 + rng.IntN(b.r, dilations), gap: rng.IntN(b.r, 3),
			})
		}
	}
	for width := 1; width <= 40; width++ {
		for stride := 1; stride <= 3; stride++ {
			body(window{width: width, c: 1 + rng.IntN(b.r, 20), k: 3, stride: stride, dil: dilations})
		}
	}
	body(window{width: 5, c: 100, k: 3, stride: 2, dil: dilations, gap: 1})
	body(window{width: 80, c: 24, k: 5, stride: 1, dil: 1})
}

func TestDepthwise(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		b.windows(2, func(s window) {
			context := fmt.Sprintf("dw %+v", s)
			dst, src, w := b.floats(s.width*s.c), b.floats(s.inputs()), b.floats(s.k*s.k*s.c)
			want, magnitude := wide(dst), wide(dst)
			dwGeneric(want, wide(src), wide(w), s.width, s.c, s.k, s.stride, s.dil, s.rowStride())
			dwGeneric(magnitude, abs(src), abs(w), s.width, s.c, s.k, s.stride, s.dil, s.rowStride())
			p.dw(dst, src, w, s.width, s.c, s.k, s.stride, s.dil, s.rowStride())
			b.close(context, dst, want, magnitude, s.k*s.k)
			b.intact(context)
		})
	})
}

func TestDepthwiseGrad(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		b.windows(2, func(s window) {
			context := fmt.Sprintf("dwGrad %+v", s)
			gw, src, g := b.floats(s.k*s.k*s.c), b.floats(s.inputs()), b.floats(s.width*s.c)
			want, magnitude := wide(gw), abs(gw)
			dwGradGeneric(want, wide(src), wide(g), s.width, s.c, s.k, s.stride, s.dil, s.rowStride())
			dwGradGeneric(magnitude, abs(src), abs(g), s.width, s.c, s.k, s.stride, s.dil, s.rowStride())
			p.dwGrad(gw, src, g, s.width, s.c, s.k, s.stride, s.dil, s.rowStride())
			b.close(context, gw, want, magnitude, s.width+1)
			b.intact(context)
		})
	})
}

// ties makes many elements equal, some infinite and some no number.
func (b *bench) ties(x []float32) {
	for i := range x {
		switch v := rng.IntN(b.r, 12); v {
		case 0:
			x[i] = float32(math.NaN())
		case 1, 2, 3:
			x[i] = float32(math.Inf(-1))
		case 4:
			x[i] = float32(math.Inf(1))
		default:
			x[i] = float32(v % 4)
		}
	}
}

func TestMaxRow(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		b.windows(2, func(s window) {
			dst, src := b.floats(s.width*s.c), b.floats(s.inputs())
			b.ties(src)
			want := make([]float32, len(dst))
			maxRowGeneric(want, src, s.width, s.c, s.k, s.stride, s.dil, s.rowStride())
			p.maxRow(dst, src, s.width, s.c, s.k, s.stride, s.dil, s.rowStride())
			for i := range want {
				require.Equal(t, bits(want[i]), bits(dst[i]), "%+v element %d", s, i)
			}
			b.intact(fmt.Sprintf("maxRow %+v", s))
		})
	})
}

// bits makes numbers comparable that are none.
func bits(x float32) uint32 {
	if x != x {
		return sentinel
	}
	return math.Float32bits(x)
}

func TestMaxGrad(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		b.windows(2, func(s window) {
			gx, src, g := b.floats(s.inputs()), b.floats(s.inputs()), b.floats(s.width*s.c)
			b.ties(src)
			for i := range g { // small integers: sums are exact
				g[i] = float32(rng.IntN(b.r, 100) - 50)
			}
			for i := range gx {
				gx[i] = float32(rng.IntN(b.r, 100))
			}
			want := slices.Clone(gx)
			maxGradGeneric(want, src, g, s.width, s.c, s.k, s.stride, s.dil, s.rowStride())
			p.maxGrad(gx, src, g, s.width, s.c, s.k, s.stride, s.dil, s.rowStride())
			require.Equal(t, want, gx, "%+v", s)
			b.intact(fmt.Sprintf("maxGrad %+v", s))
		})
	})
}

func TestExpSum(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		b := newBench(t, p)
		run := func(n int) {
			const shift = 3
			x, dst := b.floats(n), b.floats(n)
			for i := range x {
				x[i] = shift - 86.9*float32(rng.Float(b.r))
			}
			total := 0.0
			sum := p.expSum(dst, x, shift)
			for i, v := range x {
				// Two units in the last place.
				require.InEpsilon(t, math.Exp(float64(v-shift)), dst[i], 2.4e-7, "exp(%g)", v-shift)
				total += float64(dst[i])
			}
			require.InDelta(t, total, sum, 1e-12*total)
			p.expSum(x, x, shift)
			require.Equal(t, dst, x, "in place")
			b.intact(fmt.Sprintf("expSum n=%d", n))
		}
		for n := range 70 {
			run(n)
		}
		run(maxTestLength)

		inf, nan := float32(math.Inf(1)), float32(math.NaN())
		for n := 3; n < 40; n++ {
			x, dst := Floats(n), Floats(n)
			for i := range x {
				x[i] = []float32{0, -1e30, -inf}[i%3]
			}
			assert.EqualValues(t, (n+2)/3, p.expSum(dst, x, 0))
			for i, v := range dst {
				assert.EqualValues(t, []float32{1, 0, 0}[i%3], v)
			}
			x[n-1] = nan
			assert.True(t, math.IsNaN(p.expSum(dst, x, 0)))
			assert.True(t, math.IsNaN(float64(dst[n-1])))
		}
	})
}

// A slice that is too short is a mistake of the caller, found before anything is
// written beyond it, though its capacity would do.
func TestShortSlicesPanic(t *testing.T) {
	eachVariant(t, func(t *testing.T, p primitives) {
		f := func(n int) []float32 { return make([]float32, n, 2*n+8) }
		for name, call := range map[string]func(){
			"gemm a":        func() { p.gemm(2, 3, 4, f(7), 4, f(12), 3, f(6), 3, false) },
			"gemm b":        func() { p.gemm(2, 3, 4, f(8), 4, f(11), 3, f(6), 3, false) },
			"gemm c":        func() { p.gemm(2, 3, 4, f(8), 4, f(12), 3, f(5), 3, false) },
			"gemm empty c":  func() { p.gemm(2, 3, 0, nil, 4, nil, 3, f(5), 3, false) },
			"gemmT a":       func() { p.gemmT(2, 3, 4, f(7), 4, f(6), 3, f(12), 3, true) },
			"gemmT b":       func() { p.gemmT(2, 3, 4, f(8), 4, f(5), 3, f(12), 3, true) },
			"gemmT c":       func() { p.gemmT(2, 3, 4, f(8), 4, f(6), 3, f(11), 3, true) },
			"affine dst":    func() { p.affine(f(5), f(6), f(6), f(3), f(3), f(3), 2, 3, false) },
			"affine p":      func() { p.affine(f(6), f(5), f(6), f(3), f(3), f(3), 2, 3, false) },
			"affine q":      func() { p.affine(f(6), f(6), f(5), f(3), f(3), f(3), 2, 3, false) },
			"affine a":      func() { p.affine(f(6), f(6), f(6), f(2), f(3), f(3), 2, 3, false) },
			"affine b":      func() { p.affine(f(6), f(6), f(6), f(3), f(2), f(3), 2, 3, false) },
			"affine d":      func() { p.affine(f(6), f(6), f(6), f(3), f(3), f(2), 2, 3, false) },
			"addAffine dst": func() { p.addAffine(f(5), f(6), f(3), f(3), 2, 3) },
			"addAffine p":   func() { p.addAffine(f(6), f(5), f(3), f(3), 2, 3) },
			"moments s":     func() { p.moments(f(2), f(3), f(6), 2, 3) },
			"moments ss":    func() { p.moments(f(3), f(2), f(6), 2, 3) },
			"moments x":     func() { p.moments(f(3), f(3), f(5), 2, 3) },
			"dots z":        func() { p.dots(f(3), f(3), f(6), f(5), 2, 3) },
			"dots4 s":       func() { p.dots4(f(2), f(6), f(6), f(6), f(6), nil, nil, 2, 3) },
			"dots4 sxy":     func() { p.dots4(f(3), f(5), f(6), f(6), f(6), nil, nil, 2, 3) },
			"dots4 x":       func() { p.dots4(f(3), f(6), f(5), f(6), f(6), nil, nil, 2, 3) },
			"dots4 y1":      func() { p.dots4(f(3), f(6), f(6), f(6), f(5), nil, nil, 2, 3) },
			"combine dst":   func() { p.combine(f(5), f(6), f(6), nil, nil, f(6), f(3), f(3), 2, 3) },
			"combine p1":    func() { p.combine(f(6), f(6), f(5), nil, nil, f(6), f(3), f(3), 2, 3) },
			"combine a":     func() { p.combine(f(6), f(6), f(6), nil, nil, f(5), f(3), f(3), 2, 3) },
			"combine e":     func() { p.combine(f(6), f(6), f(6), nil, nil, f(6), f(3), f(2), 2, 3) },
			"mask dst":      func() { p.mask(f(4), f(5), f(5)) },
			"mask g":        func() { p.mask(f(5), f(4), []float32{1, 1, 1, 1, 1}) },
			"dw dst":        func() { p.dw(f(5), f(36), f(27), 2, 3, 3, 1, 1, 12) },
			"dw src":        func() { p.dw(f(6), f(35), f(27), 2, 3, 3, 1, 1, 12) },
			"dw w":          func() { p.dw(f(6), f(36), f(26), 2, 3, 3, 1, 1, 12) },
			"dwGrad gw":     func() { p.dwGrad(f(26), f(36), f(6), 2, 3, 3, 1, 1, 12) },
			"dwGrad src":    func() { p.dwGrad(f(27), f(35), f(6), 2, 3, 3, 1, 1, 12) },
			"dwGrad g":      func() { p.dwGrad(f(27), f(36), f(5), 2, 3, 3, 1, 1, 12) },
			"maxRow dst":    func() { p.maxRow(f(5), f(36), 2, 3, 3, 1, 1, 12) },
			"maxRow src":    func() { p.maxRow(f(6), f(35), 2, 3, 3, 1, 1, 12) },
			"maxGrad gx":    func() { p.maxGrad(f(35), append(f(35), 1), f(6), 2, 3, 3, 1, 1, 12) },
			"maxGrad src":   func() { p.maxGrad(f(36), f(35), f(6), 2, 3, 3, 1, 1, 12) },
			"expSum dst":    func() { p.expSum(f(4), f(5), 0) },
			"maxGrad g":     func() { p.maxGrad(f(36), f(36), f(5), 2, 3, 3, 1, 1, 12) },
		} {
			assert.Panics(t, call, name)
		}
	})
}

// BenchmarkPrimitive measures each primitive on shapes of a search network, in
// multiply-adds or in bytes read and written.
func BenchmarkPrimitive(b *testing.B) {
	type kernel struct {
		name  string
		flops int
		bytes int
		run   func(p *primitives)
	}
	var kernels []kernel
	floats := func(n int) []float32 { // memory that was never written is not typical
		x := Floats(n)
		for i := range x {
			x[i] = float32(i%7) - 3
		}
		return x
	}
	for _, s := range []struct{ m, n, k int }{
		{32, 16, 16}, {64, 16, 16}, {16, 32, 32}, {64, 32, 32}, {8, 64, 64}, {64, 64, 64},
		{64, 36, 36}, {64, 24, 48}, {1024, 10, 64}, {1024, 64, 64}, {196, 512, 512},
	} {
		x, y, z, g := floats(s.m*s.k), floats(s.k*s.n), floats(s.m*s.n), floats(s.k*s.n)
		size := fmt.Sprintf("m=%d,n=%d,k=%d", s.m, s.n, s.k)
		kernels = append(kernels,
			kernel{"gemm/" + size, 2 * s.m * s.n * s.k, 0, func(p *primitives) { p.gemm(s.m, s.n, s.k, x, s.k, y, s.n, z, s.n, false) }},
			kernel{"gemmT/" + size, 2 * s.m * s.n * s.k, 0, func(p *primitives) { p.gemmT(s.m, s.n, s.k, x, s.k, z, s.n, g, s.n, false) }})
	}
	for _, s := range []window{
		{32, 16, 3, 1, 1, 0}, {32, 16, 3, 1, 2, 0}, {32, 16, 5, 1, 1, 0}, {32, 16, 5, 1, 2, 0}, {32, 36, 3, 1, 1, 0},
		{16, 32, 3, 1, 1, 0}, {16, 32, 3, 2, 1, 0}, {16, 32, 5, 2, 1, 0}, {8, 64, 3, 1, 1, 0}, {8, 64, 5, 1, 1, 0},
		{8, 64, 3, 2, 1, 0}, {14, 48, 7, 1, 1, 0},
	} {
		dst, src, w, gx := floats(s.width*s.c), floats(s.inputs()), floats(s.k*s.k*s.c), floats(s.inputs())
		size := fmt.Sprintf("w=%d,c=%d,k=%d,s=%d,d=%d", s.width, s.c, s.k, s.stride, s.dil)
		flops := 2 * s.width * s.c * s.k * s.k
		kernels = append(kernels,
			kernel{"dw/" + size, flops, 0, func(p *primitives) { p.dw(dst, src, w, s.width, s.c, s.k, s.stride, s.dil, s.rowStride()) }},
			kernel{"dwGrad/" + size, flops, 0, func(p *primitives) { p.dwGrad(w, src, dst, s.width, s.c, s.k, s.stride, s.dil, s.rowStride()) }})
		if s.dil == 1 && s.k == 3 {
			kernels = append(kernels,
				kernel{"maxRow/" + size, flops / 2, 0, func(p *primitives) { p.maxRow(dst, src, s.width, s.c, s.k, s.stride, s.dil, s.rowStride()) }},
				kernel{"maxGrad/" + size, flops / 2, 0, func(p *primitives) { p.maxGrad(gx, src, dst, s.width, s.c, s.k, s.stride, s.dil, s.rowStride()) }})
		}
	}
	for _, s := range []struct{ n, c int }{{32, 16}, {1024, 16}, {1024, 36}, {256, 64}, {2048, 64}} {
		x, y, z, a := floats(s.n*s.c), floats(s.n*s.c), floats(s.n*s.c), floats(s.c)
		s1, s2, s4 := floats(s.c), floats(s.c), floats(4*s.c)
		size := fmt.Sprintf("n=%d,c=%d", s.n, s.c)
		once := 4 * s.n * s.c
		kernels = append(kernels,
			kernel{"affine/" + size, 0, 2 * once, func(p *primitives) { p.affine(z, x, nil, a, nil, a, s.n, s.c, true) }},
			kernel{"affine2/" + size, 0, 3 * once, func(p *primitives) { p.affine(z, x, y, a, a, a, s.n, s.c, true) }},
			kernel{"relu/" + size, 0, 2 * once, func(p *primitives) { p.affine(z, x, nil, nil, nil, nil, s.n, s.c, true) }},
			kernel{"addAffine/" + size, 0, 3 * once, func(p *primitives) { p.addAffine(z, x, a, a, s.n, s.c) }},
			kernel{"moments/" + size, 0, once, func(p *primitives) { p.moments(s1, s2, x, s.n, s.c) }},
			kernel{"dots/" + size, 0, 2 * once, func(p *primitives) { p.dots(s1, s2, x, y, s.n, s.c) }},
			kernel{"dots4/" + size, 0, 5 * once, func(p *primitives) { p.dots4(s1, s4, x, y, z, x, y, s.n, s.c) }},
			kernel{"combine/" + size, 0, 5 * once, func(p *primitives) { p.combine(z, x, y, x, y, s4, a, a, s.n, s.c) }},
			kernel{"mask/" + size, 0, 3 * once, func(p *primitives) { p.mask(z, x, y) }})
	}
	for _, n := range []int{10, 313} {
		x, y := floats(n), floats(n)
		kernels = append(kernels, kernel{fmt.Sprintf("expSum/n=%d", n), 0, 8 * n, func(p *primitives) { p.expSum(y, x, 4) }})
	}
	for _, k := range kernels {
		for level := range variants {
			if cpu.Level(level) > cpu.Best() {
				continue
			}
			b.Run(k.name+"/"+cpu.Level(level).String(), func(b *testing.B) {
				p := &variants[level]
				for b.Loop() {
					k.run(p)
				}
				seconds := b.Elapsed().Seconds() / float64(b.N)
				if k.flops > 0 {
					b.ReportMetric(float64(k.flops)/seconds/1e9, "GFLOP/s")
				} else {
					b.ReportMetric(float64(k.bytes)/seconds/1e9, "GB/s")
				}
			})
		}
	}
}
