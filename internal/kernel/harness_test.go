package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/internal/cpu"
	"unnas/internal/rng"
)

// lazies are the ways in which elements of a map may be pending.
var lazies = []string{"plain", "scaled", "affine", "gradient", "offset"}

// lazy returns a random map and its elements. All numbers are multiples of small
// powers of two, so that the elements are exact however they are formed, and
// some are equal and some zero.
func lazy(r *rand.Rand, kind string, n, h, w, c int) (Map, dense) {
	steps := func(n, scale int) []float32 {
		x := Floats(n)
		for i := range x {
			x[i] = float32(rng.IntN(r, 8*scale+1)-4*scale) / float32(scale)
		}
		return x
	}
	d := newDense(n, h, w, c)
	m := Plain(n, h, w, c, steps(len(d.v), 16))
	switch kind {
	case "scaled":
		m.A = steps(c, 8)
	case "affine":
		m.A, m.D = steps(c, 8), steps(c, 16)
	case "gradient":
		m.A, m.Q, m.B, m.D = steps(c, 8), steps(len(d.v), 16), steps(c, 8), steps(c, 16)
	case "offset":
		m.D = steps(c, 16)
	}
	for i, v := range m.P {
		x, j := float64(v), i%c
		if m.A != nil {
			x *= float64(m.A[j])
		}
		if m.Q != nil {
			x += float64(m.B[j]) * float64(m.Q[i])
		}
		if m.D != nil {
			x += float64(m.D[j])
		}
		d.v[i] = x
	}
	return m, d
}

// weight returns random numbers in both precisions.
func weight(r *rand.Rand, n int) ([]float32, []float64) {
	x, y := Floats(n), make([]float64, n)
	for i := range x {
		x[i] = float32(rng.Normal(r))
		y[i] = float64(x[i])
	}
	return x, y
}

// near demands that got is want to within tolerance times the largest element.
func near(t *testing.T, name string, want []float64, got []float32, tolerance float64) {
	t.Helper()
	require.Len(t, got, len(want), name)
	largest := 1e-30
	for _, v := range want {
		largest = max(largest, math.Abs(v))
	}
	for i, v := range want {
		if !(math.Abs(float64(got[i])-v) <= tolerance*largest) {
			t.Fatalf("%s: element %d of %d is %g, want %g (largest %g)", name, i, len(want), got[i], v, largest)
		}
	}
}

// sumTolerance is for results that are sums of products, relative to the largest.
const sumTolerance = 4e-6

// scratchSize are the two results of the functions named Scratch.
type scratchSize struct{ perWorker, shared int }

func sized(perWorker, shared int) scratchSize { return scratchSize{perWorker, shared} }

// widths returns the variants of the primitives that must give the same bits as the
// active one.
func widths() []primitives {
	if cpu.Active == cpu.Generic {
		return []primitives{generic}
	}
	return variants[cpu.AVX2 : cpu.Best()+1]
}

// operate runs a kernel with parts of one, two and three workers, and with vectors of
// all widths. It demands that results do not depend on the size of the pool, on the
// width of vectors, nor on what was in memory before, and that the memory reserved is
// enough and nothing is allocated. Short tests do not count allocations, for which the
// kernel runs six times more.
func operate(t *testing.T, size scratchSize, run func(pool *ThreadPool), outs ...[]float32) {
	t.Helper()
	defer func(p primitives) { active = p }(active)
	nan, widths := float32(math.NaN()), widths()
	var first [][]float32
	for workers := 1; workers <= 3; workers++ {
		pool := NewThreadPool(workers)
		pool.Reserve(size.perWorker, size.shared, 0)
		set(pool.sums, nan)
		for _, member := range pool.threads.parts {
			set(member.own.buf, nan)
		}
		for _, out := range outs {
			set(out, nan)
		}
		active = widths[workers%len(widths)]
		pool.Start()
		run(pool)
		if workers == 2 && !testing.Short() {
			// The runtime takes memory when a worker parks for the first time on a core.
			allocations := 1.0
			for range 3 {
				allocations = min(allocations, testing.AllocsPerRun(1, func() { run(pool) }))
			}
			require.Zero(t, allocations, "allocations")
		}
		pool.Stop()
		require.Len(t, pool.sums, size.shared, "shared memory")
		for _, member := range pool.threads.parts {
			require.Len(t, member.own.buf, size.perWorker, "scratch memory")
		}
		for i, out := range outs {
			if workers == 1 {
				first = append(first, append([]float32(nil), out...))
				continue
			}
			for j, v := range out {
				if math.Float32bits(v) != math.Float32bits(first[i][j]) {
					t.Fatalf("output %d, element %d: %g with one worker, %g with %d", i, j, first[i][j], v, workers)
				}
			}
		}
	}
}

// shapes are those of the inputs of windowed kernels: few and many images, small
// and large ones, with several bands and with groups of several tasks.
var shapes = [][4]int{{1, 9, 7, 3}, {2, 17, 6, 10}, {17, 5, 4, 6}, {3, 8, 11, 16}, {1, 40, 5, 1}, {16, 6, 6, 36}}

// squareWindows are those of candidate operations, and some more.
func squareWindows() []Window {
	var all []Window
	for _, k := range []int{1, 2, 3, 5, 7} {
		for _, stride := range []int{1, 2} {
			for _, dil := range []int{1, 2} {
				all = append(all, Square(k, stride, dil*(k-1)/2, dil))
			}
		}
	}
	return append(all, Square(5, 3, 0, 1), Square(3, 2, 0, 1))
}

// eachWindow calls body for every window and each second shape, if the window fits
// into it, with kinds of pending elements in turn.
func eachWindow(t *testing.T, windows []Window, body func(t *testing.T, r *rand.Rand, win Window, shape [4]int, kind string)) {
	for i, win := range windows {
		for j, shape := range shapes {
			kind := lazies[(i/2+j)%len(lazies)]
			if oh, ow := win.Out(shape[1], shape[2]); oh < 1 || ow < 1 || (i+j)%2 != 0 || testing.Short() && (i+j)%6 != 0 {
				continue
			}
			t.Run(fmt.Sprintf("%v %v %s", win, shape, kind), func(t *testing.T) {
				body(t, rng.New(7, t.Name(), i, j), win, shape, kind)
			})
		}
	}
}
