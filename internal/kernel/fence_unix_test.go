//go:build unix

package kernel

import (
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// fence hands out slices that begin or end at pages which nobody may touch.
type fence struct {
	t   *testing.T
	end bool
	all [][]byte
}

func (f *fence) floats(n int) []float32 {
	page := os.Getpagesize()
	size := (4*n + page - 1) / page * page
	memory, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(f.t, err)
	f.all = append(f.all, memory)
	require.NoError(f.t, syscall.Mprotect(memory[:page], syscall.PROT_NONE))
	require.NoError(f.t, syscall.Mprotect(memory[page+size:], syscall.PROT_NONE))
	from := page
	if f.end {
		from += size - 4*n
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&memory[from])), n)
}

func (f *fence) free() {
	for _, memory := range f.all {
		require.NoError(f.t, syscall.Munmap(memory))
	}
	f.all = nil
}

// Sentinels show what is written outside of a slice; this shows what is read.
func TestPrimitivesTouchNothingOutside(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	eachVariant(t, func(t *testing.T, p primitives) {
		for _, end := range []bool{false, true} {
			f := &fence{t: t, end: end}
			for c := 1; c <= 40; c++ {
				n := 1 + c%7
				matrices := func() (a, b, ab []float32) { return f.floats(n * 5), f.floats(5 * c), f.floats(n * c) }
				a, b, ab := matrices()
				calls := map[string]func(){
					"gemm":           func() { p.gemm(n, c, 5, a, 5, b, c, ab, c, c%2 == 0) },
					"gemmT":          func() { p.gemmT(n, c, 5, a, 5, ab, c, b, c, c%2 == 0) },
					"gemm of pairs":  func() { p.pairs.gemm(n, c, 5, a, 5, b, c, ab, c, c%2 == 0) },
					"gemmT of pairs": func() { p.pairs.gemmT(n, c, 5, a, 5, ab, c, b, c, c%2 == 0) },
					"pairRows":       func() { p.pairRows(f.floats((n+1)/2*c), ab, c, n, c) },
					"affine":         func() { p.affine(ab, f.floats(n*c), f.floats(n*c), f.floats(c), f.floats(c), f.floats(c), n, c, true) },
					"addAffine":      func() { p.addAffine(ab, f.floats(n*c), f.floats(c), f.floats(c), n, c) },
					"dots":           func() { p.dots(f.floats(c), f.floats(c), ab, f.floats(n*c), n, c) },
					"toBFloat16": func() {
						p.toBFloat16(halves(f.floats(n*c), n*c), f.floats(n*c))
					},
					"fromBFloat16": func() {
						p.fromBFloat16(f.floats(n*c), halves(f.floats((n*c+1)/2), n*c))
					},
					"dots4": func() {
						p.dots4(f.floats(c), f.floats(3*c), ab, f.floats(n*c), f.floats(n*c), f.floats(n*c), nil, n, c)
					},
					"combine": func() {
						p.combine(ab, f.floats(n*c), f.floats(n*c), nil, nil, f.floats(2*c), f.floats(c), f.floats(c), n, c)
					},
					"mask": func() { p.mask(ab, f.floats(n*c), f.floats(n*c)) },
				}
				for i, l := range winogradMatrix {
					to := grid{len(l) * c, c, len(l) * len(l) * c}
					from := grid{len(l[0]) * c, c, len(l[0]) * len(l[0]) * c}
					dst, src := f.floats(n*to.tile), f.floats(n*from.tile)
					calls[fmt.Sprint("transform", i)] = func() { p.transform[i](dst, to, src, from, n, c) }
				}
				for _, width := range []int{n, 8, 16} {
					s := window{width: width, c: c, k: 3 + c%3*2, stride: 1 + n%2, dil: 1 + c/2%2}
					src, w, dst := f.floats(s.inputs()), f.floats(s.k*s.k*c), f.floats(width*c)
					calls["dw"] = func() { p.dw(dst, src, w, width, c, s.k, s.stride, s.dil, s.rowStride()) }
					calls["dwGrad"] = func() { p.dwGrad(w, src, dst, width, c, s.k, s.stride, s.dil, s.rowStride()) }
					calls["maxRow"] = func() { p.maxRow(dst, src, width, c, s.k, s.stride, s.dil, s.rowStride()) }
					calls["maxGrad"] = func() { p.maxGrad(f.floats(s.inputs()), src, dst, width, c, s.k, s.stride, s.dil, s.rowStride()) }
					for name, call := range calls {
						require.NotPanics(t, call, "%s with c=%d n=%d %+v end=%v", name, c, n, s, end)
					}
				}
				f.free()
			}
		}
	})
}
