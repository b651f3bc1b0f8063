package kernel

import "unsafe"

// chunkFloats is how much of a long slice one task works on.
const chunkFloats = 1 << 14

// chunks returns the number of tasks for a slice of n elements.
func chunks(n int) int { return (n + chunkFloats - 1) / chunkFloats }

// chunk returns the elements of task i.
func chunk(i, n int) (from, to int) { return i * chunkFloats, min(n, (i+1)*chunkFloats) }

// pieces is scratch memory from which parts are taken in turn, each on its own
// cache line.
type pieces []float32

func (p *pieces) take(n int) []float32 {
	s := *p
	*p = s[lines(n):]
	return s[:n:n]
}

// lines rounds a number of elements up to whole cache lines.
func lines(n int) int { return (n + 15) &^ 15 }

// total returns the memory that pieces of the given sizes take.
func total(sizes ...int) int {
	sum := 0
	for _, n := range sizes {
		sum += lines(n)
	}
	return sum
}

// doubles returns memory for half as many float64 values. x must start a cache
// line, as all memory of a pool does.
func doubles(x []float32) []float64 {
	if len(x) < 2 {
		return nil
	}
	return unsafe.Slice((*float64)(unsafe.Pointer(&x[0])), len(x)/2)
}

// set fills x with v.
func set(x []float32, v float32) {
	if v == 0 {
		clear(x)
		return
	}
	for i := range x {
		x[i] = v
	}
}

// turnedRows is the number of rows of a transpose that one task sets.
const turnedRows = 64

// transpose sets dst to the transpose of src, which has m rows of n elements.
func transpose(t *ThreadPool, dst, src []float32, m, n int) {
	transposeRows.run(t, steps(n, turnedRows), transposeArgs{dst, src, m, n})
}

type transposeArgs struct {
	dst, src []float32
	m, n     int
}

var transposeRows = newLoop(func(a *transposeArgs, _ *Worker, i int) {
	from := i * turnedRows
	transposeBlock(a.dst[from*a.m:], a.m, a.src[from:], a.n, a.m, min(turnedRows, a.n-from))
})

// transposeBlock sets a block of a matrix, whose rows are to elements apart, to the
// transpose of one of m rows of n elements, which are from elements apart.
func transposeBlock(dst []float32, to int, src []float32, from, m, n int) {
	const tile, side = 16, 4
	for i0 := 0; i0 < m; i0 += tile {
		for j0 := 0; j0 < n; j0 += tile {
			width := min(tile, n-j0)
			i, end := i0, min(i0+tile, m)
			for ; i+side <= end; i += side { // rows together, since their elements will lie side by side
				a, b := src[i*from+j0:][:width], src[(i+1)*from+j0:][:width]
				c, d := src[(i+2)*from+j0:][:width], src[(i+3)*from+j0:][:width]
				for j := range width {
					x := (*[side]float32)(dst[(j0+j)*to+i:])
					x[0], x[1], x[2], x[3] = a[j], b[j], c[j], d[j]
				}
			}
			for ; i < end; i++ {
				for j, v := range src[i*from+j0:][:width] {
					dst[(j0+j)*to+i] = v
				}
			}
		}
	}
}
