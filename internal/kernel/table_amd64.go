//go:build amd64 && !purego

package kernel

import (
	"math"

	"unnas/internal/cpu"
)

//go:generate go run -C _asm . -out ../primitive_amd64.s -stubs ../stubs_amd64.go -pkg kernel

// variants holds the primitives of each level of instructions.
var variants = []primitives{
	cpu.Generic: generic,
	cpu.AVX2: (&assembly{
		product: productAVX2, affine: affineAVX2, dots: dotsAVX2, mask: maskAVX2,
		dw: dwAVX2, dwGrad: dwGradAVX2, maxRow: maxRowAVX2, maxGrad: maxGradAVX2,
		expSum: expSumAVX2,
	}).primitives(),
	cpu.AVX512: (&assembly{
		product: productAVX512, affine: affineAVX512, dots: dotsAVX512, mask: maskAVX512,
		dw: dwAVX512, dwGrad: dwGradAVX512, maxRow: maxRowAVX512, maxGrad: maxGradAVX512,
		expSum: expSumAVX512,
	}).primitives(),
}

// active is the variant in use.
var active = variants[cpu.Active]

// assembly holds the generated functions for one width of vectors.
type assembly struct {
	product func(m, n, k int, a *float32, row, depth int, b *float32, ldb int, c *float32, ldc int, acc bool)
	affine  func(dst, p, q, a, b, d *float32, n, c int, floor float32)
	dots    func(s, sxy, x, y *float32, n, c int)
	mask    func(dst, grad, x *float32, n int)
	dw      func(dst, src, w *float32, width, c, k, pixel, tap, row int)
	dwGrad  func(gw, src, grad *float32, width, c, k, pixel, tap, row int)
	maxRow  func(dst, src *float32, width, c, k, pixel, tap, row int)
	maxGrad func(gx, src, grad *float32, width, c, k, pixel, tap, row int)
	expSum  func(dst, x *float32, n int, shift float32) float64
}

// A goroutine cannot be stopped inside an assembly function, and the garbage
// collector waits for it. These limits keep a call of the functions for maps of any
// size below 100 µs; those for windows work on one row of an image.
const (
	maxProducts = 1 << 20 // multiply-adds
	maxElements = 1 << 17 // elements of a map
)

// maxDepth is how many products of a matrix product are added up in one call, so
// that the rows of b stay in the first-level cache.
const maxDepth = 64

// primitives checks the lengths of slices, which panics if one is too short, and
// leaves the work to the functions. A slice expression is checked against the
// capacity unless it has a third index.
func (s *assembly) primitives() primitives {
	// The calls are many and the arguments too, so there is one call less for affine.
	linear := func(dst, p, q, a, b, d []float32, n, c int, relu bool) {
		if n*c == 0 {
			return
		}
		_, _ = dst[n*c-1], p[n*c-1]
		if q != nil {
			_ = q[n*c-1]
		}
		floor := float32(math.Inf(-1))
		if relu {
			floor = 0
		}
		pixels := n
		if n*c > maxElements {
			pixels = max(1, maxElements/c)
		}
		for i := 0; i < n; i += pixels {
			s.affine(&dst[i*c], &p[i*c], element(q, i*c), coefficients(a, c), coefficients(b, c), coefficients(d, c),
				min(pixels, n-i), c, floor)
		}
	}
	return primitives{
		gemm: func(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, acc bool) {
			s.matmul(m, n, k, a, lda, 1, b, ldb, c, ldc, acc)
		},
		gemmT: func(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, acc bool) {
			s.matmul(k, n, m, a, 1, lda, b, ldb, c, ldc, acc)
		},
		affine: linear,
		addAffine: func(dst, p, a, d []float32, n, c int) {
			linear(dst, p, dst, a, nil, d, n, c, false)
		},
		moments: func(sum, squares, x []float32, n, c int) { s.sums(sum, squares, x, x, n, c) },
		dots:    s.sums,
		mask: func(dst, g, x []float32) {
			for i := 0; i < len(x); i += maxElements {
				count := min(maxElements, len(x)-i)
				s.mask(&dst[i : i+count : len(dst)][0], &g[i : i+count : len(g)][0], &x[i], count)
			}
		},
		dw: func(dst, src, w []float32, width, c, k, stride, dil, rowStride int) {
			if width*c == 0 {
				return
			}
			_, _, _ = dst[width*c-1], src[lastInput(width, c, k, stride, dil, rowStride)], w[k*k*c-1]
			s.dw(&dst[0], &src[0], &w[0], width, c, k, stride*c, dil*c, dil*rowStride)
		},
		dwGrad: func(gw, src, g []float32, width, c, k, stride, dil, rowStride int) {
			if width*c == 0 {
				return
			}
			_, _, _ = g[width*c-1], src[lastInput(width, c, k, stride, dil, rowStride)], gw[k*k*c-1]
			s.dwGrad(&gw[0], &src[0], &g[0], width, c, k, stride*c, dil*c, dil*rowStride)
		},
		maxRow: func(dst, src []float32, width, c, k, stride, dil, rowStride int) {
			if width*c == 0 {
				return
			}
			_, _ = dst[width*c-1], src[lastInput(width, c, k, stride, dil, rowStride)]
			s.maxRow(&dst[0], &src[0], width, c, k, stride*c, dil*c, dil*rowStride)
		},
		maxGrad: func(gx, src, g []float32, width, c, k, stride, dil, rowStride int) {
			if width*c == 0 {
				return
			}
			last := lastInput(width, c, k, stride, dil, rowStride)
			_, _, _ = gx[last], src[last], g[width*c-1]
			s.maxGrad(&gx[0], &src[0], &g[0], width, c, k, stride*c, dil*c, dil*rowStride)
		},
		expSum: func(dst, x []float32, shift float32) (sum float64) {
			for i := 0; i < len(x); i += maxElements {
				count := min(maxElements, len(x)-i)
				sum += s.expSum(&dst[i : i+count : len(dst)][0], &x[i], count, shift)
			}
			return sum
		},
	}
}

// lastInput returns the index of the last input of a row of windows.
func lastInput(width, c, k, stride, dil, rowStride int) int {
	return (k-1)*dil*rowStride + ((width-1)*stride+(k-1)*dil+1)*c - 1
}

// matmul sets c[m×n] to the product of a and b[k×n], or adds it if acc. Element
// i, l of a is at a[i*row+l*depth].
func (s *assembly) matmul(m, n, k int, a []float32, row, depth int, b []float32, ldb int, c []float32, ldc int, acc bool) {
	if m == 0 || n == 0 || k == 0 {
		gemmGeneric(m, n, 0, nil, 0, nil, 0, c, ldc, acc)
		return
	}
	_, _, _ = a[(m-1)*row+(k-1)*depth], b[(k-1)*ldb+n-1], c[(m-1)*ldc+n-1]
	for l := 0; l < k; l += maxDepth {
		part := min(maxDepth, k-l)
		rows := m
		if m*n*part > maxProducts {
			rows = max(8, maxProducts/(n*part)&^7)
		}
		for i := 0; i < m; i += rows {
			s.product(min(rows, m-i), n, part, &a[i*row+l*depth], row, depth, &b[l*ldb], ldb, &c[i*ldc], ldc, acc || l > 0)
		}
	}
}

// coefficients returns the address of c coefficients, or nil for none.
func coefficients(x []float32, c int) *float32 {
	if x == nil {
		return nil
	}
	return &x[:c:len(x)][0]
}

// element returns the address of an element of an optional map.
func element(x []float32, i int) *float32 {
	if x == nil {
		return nil
	}
	return &x[i]
}

// sums adds, for each channel, the sum of x to sum and that of x·y to products.
func (s *assembly) sums(sum, products, x, y []float32, n, c int) {
	if n*c == 0 {
		return
	}
	_, _, _, _ = sum[c-1], products[c-1], x[n*c-1], y[n*c-1]
	pixels := n
	if n*c > maxElements {
		pixels = max(1, maxElements/c)
	}
	for i := 0; i < n; i += pixels {
		s.dots(&sum[0], &products[0], &x[i*c], &y[i*c], min(pixels, n-i), c)
	}
}
