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
// line, as all memory of a team does.
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

// transpose sets dst[n×m] to the transpose of src[m×n].
func transpose(dst, src []float32, m, n int) {
	const tile = 16
	for i0 := 0; i0 < m; i0 += tile {
		for j0 := 0; j0 < n; j0 += tile {
			for i := i0; i < min(i0+tile, m); i++ {
				at := j0*m + i
				for _, v := range src[i*n+j0 : i*n+min(j0+tile, n)] {
					dst[at] = v
					at += m
				}
			}
		}
	}
}
