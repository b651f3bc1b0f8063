package kernel

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
)

func TestGroups(t *testing.T) {
	for _, c := range []struct{ tasks, size, want int }{
		{5, 10, 5},
		{100, 10, mostGroups},
		{100, cacheFloats / 23, 23},
		{100, cacheFloats / 7, someGroups},
		{100, groupFloats / 7, 7},
		{100, groupFloats, fewGroups},
		{100, 3 * groupFloats, fewGroups}, // whatever they take
		{1, 3 * groupFloats, 1},
	} {
		g := grouped(bands{n: c.tasks, per: 1}, c.size, true)
		assert.Equal(t, c.want, g.count, "%d tasks of %d floats", c.tasks, c.size)
		assert.Equal(t, c.want*lines(c.size), g.memory())
		next := 0
		for i := range g.count {
			from, to := g.members(i)
			assert.Equal(t, next, from)
			assert.Greater(t, to, from)
			next = to
		}
		assert.Equal(t, c.tasks, next, "every task is in a group")
	}
	assert.Zero(t, func() int { g := grouped(bands{n: 3, per: 2}, 10, false); return g.memory() }())
}

func TestMomentsKeepWhatRoundingTakes(t *testing.T) {
	const c, pixels = 2, 7
	parts := make([]float32, partsSize(2, 2*c)) // of two tasks: sums, then sums of squares
	copy(part(parts, 0, 2*c), []float32{1, 100, 9, 2000})
	copy(part(parts, 1, 2*c), []float32{0.1, 3, 8, 20})
	mom := make([]float32, 3*c)
	setMoments(NewThreadPool(1), mom, parts, 2, c, pixels)
	for j, sum := range []float64{1 + float64(float32(0.1)), 103} {
		mean := sum / pixels
		assert.NotEqual(t, mean, float64(mom[j]), "the mean needs rounding")
		assert.InDelta(t, mean, float64(mom[j])+float64(mom[2*c+j]), 1e-13*mean)
	}
}

func TestPartialSumsShareNoCacheLine(t *testing.T) {
	line := func(x *float32) uintptr { return uintptr(unsafe.Pointer(x)) / 64 }
	for _, size := range []int{1, 5, 16, 72} {
		parts := Floats(partsSize(3, size))
		for task := range 2 {
			this, next := part(parts, task, size), part(parts, task+1, size)
			assert.Less(t, line(&this[size-1]), line(&next[0]), "size %d", size)
		}
	}
}

// TestBands has images of some rows, and how many bands they are cut into, and into how
// many finely.
func TestBands(t *testing.T) {
	for _, c := range []struct{ n, h, rowLen, halo, few, many int }{
		{16, 32, 600, 8, 1, 4},
		{16, 32, 600, 12, 1, 2},
		{16, 8, 600, 4, 1, 1},
		{1, 32, 600, 2, 8, 8}, // of fewer rows than finely, but no fewer tasks
		{1, 256, 600, 2, 16, 32},
		{64, 32, 600, 2, 1, 1},
		{100, 64, 1 << 13, 2, 8, 8}, // large rows
		{3, 1, 1, 0, 1, 1},
	} {
		few := cut(c.n, c.h, c.rowLen, c.halo)
		assert.Equal(t, bands{c.n, c.few}, few, "%+v", c)
		assert.Equal(t, bands{c.n, c.many}, few.finely(c.h, c.halo), "%+v", c)
	}
}

// Several tasks add up the partial sums of many tasks.
func TestPartialSumsAddUpInParallel(t *testing.T) {
	const tasks, size, at = 300, 100, 7
	require.Less(t, sumsAtOnce(tasks), size-at)
	parts := make([]float32, partsSize(tasks, size))
	want := make([]float64, size)
	for i := range tasks {
		p := part(parts, i, size)
		for j := range p {
			p[j] = float32(i*j%17 - 5)
			want[j] += float64(p[j])
		}
	}
	pool := NewThreadPool(1)
	sums, few := make([]float64, size-at), make([]float32, size)
	addUp(pool, sums, parts, tasks, size, at)
	addParts(pool, few, parts, tasks)
	assert.Equal(t, want[at:], sums)
	for j, v := range few {
		assert.Equal(t, want[j], float64(v))
	}
}

func TestTranspose(t *testing.T) {
	for _, s := range [][2]int{{1, 1}, {3, 5}, {4, 16}, {18, 2*turnedRows + 3}, {37, turnedRows}} {
		m, n := s[0], s[1]
		src, dst := make([]float32, m*n), make([]float32, m*n)
		for i := range src {
			src[i] = float32(i)
		}
		transpose(NewThreadPool(1), dst, src, m, n)
		for i := range m {
			for j := range n {
				require.Equal(t, src[i*n+j], dst[j*m+i], "%d×%d: row %d, column %d", m, n, i, j)
			}
		}
	}
}

func TestSomeChannelsOfMaps(t *testing.T) {
	const from, count, c = 3, 1, 37
	for i, kind := range lazies {
		x, _ := lazy(rng.New(7, "channels", i, 0), kind, 1, 2, 3, c)
		all := x.pixels(make([]float32, c), from, count)
		for _, ch := range []channels{{0, 5}, {16, 16}, {19, c - 19}} {
			some := x.some(make([]float32, ch.n), from, count, ch)
			assert.Equal(t, all[ch.from:][:ch.n], some[:ch.n], "%s %v", kind, ch)
		}
	}
}
