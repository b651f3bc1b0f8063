//go:build amd64 && !purego

package kernel

import (
	"math"

	"unnas/internal/cpu"
)

//go:generate go run -C _asm . -out ../primitive_amd64.s -stubs ../stubs_amd64.go -pkg kernel

// variants holds the primitives of each level of instructions.
var variants = []primitives{
	cpu.Generic: generic, cpu.AVX2: avx2.primitives(), cpu.AVX512: avx512.primitives(), cpu.AVX512BF16: avx512BF16().primitives(),
}

var (
	avx2 = &assembly{
		product: productAVX2, pairProduct: pairProductAVX2, affine: affineAVX2, dots: dotsAVX2, dots4: dots4AVX2, combine: combineAVX2, mask: maskAVX2,
		dw: dwAVX2, dwGrad: dwGradAVX2, maxRow: maxRowAVX2, maxGrad: maxGradAVX2,
		expSum: expSumAVX2, toBFloat16: toBFloat16AVX2, pairRows: pairRowsAVX2, block: 16,
		transform: [transforms]transform{
			winogradInputAVX2, winogradWeightAVX2, winogradOutputAVX2, winogradOutputGradAVX2, winogradWeightGradAVX2,
		},
	}
	avx512 = &assembly{
		product: productAVX512, pairProduct: pairProductAVX512, affine: affineAVX512, dots: dotsAVX512, dots4: dots4AVX512, combine: combineAVX512, mask: maskAVX512,
		dw: dwAVX512, dwGrad: dwGradAVX512, maxRow: maxRowAVX512, maxGrad: maxGradAVX512,
		expSum: expSumAVX512, toBFloat16: toBFloat16AVX2, pairRows: pairRowsAVX2, block: 16,
		transform: [transforms]transform{
			winogradInputAVX512, winogradWeightAVX512, winogradOutputAVX512, winogradOutputGradAVX512, winogradWeightGradAVX512,
		},
		half: avx2,
	}
)

// avx512BF16 returns the functions for processors that have instructions for bfloat16.
func avx512BF16() *assembly {
	s := *avx512
	s.pairProduct, s.toBFloat16, s.pairRows, s.block = pairProductAVX512BF16, toBFloat16AVX512BF16, pairRowsAVX512BF16, 32
	return &s
}

// active is the variant in use.
var active = variants[cpu.Active]

// assembly holds the generated functions for one width of vectors.
type assembly struct {
	product, pairProduct product

	affine  func(dst, p, q, a, b, d *float32, n, c int, floor float32)
	dots    func(s, sxy, x, y *float32, n, c int)
	dots4   func(s, sxy, x, y0, y1, y2, y3 *float32, n, c int)
	combine func(dst, p0, p1, p2, p3, a, d, e *float32, n, c int)
	mask    func(dst, grad, x *float32, n int)
	dw      func(dst, src, w *float32, width, c, k, pixel, tap, row int)
	dwGrad  func(gw, src, grad *float32, width, c, k, pixel, tap, row int)
	maxRow  func(dst, src *float32, width, c, k, pixel, tap, row int)
	maxGrad func(gx, src, grad *float32, width, c, k, pixel, tap, row int)
	expSum  func(dst, x *float32, n int, shift float32) float64

	toBFloat16 func(dst *uint16, x *float32, blocks int)
	pairRows   func(dst, x *float32, ld, rows, c int)
	block      int // numbers that toBFloat16 takes at a time

	transform [transforms]transform

	half *assembly // that for vectors half as wide, which has the same bits; nil for none
}

// Where half of the last vector of channels would be empty, vectors half as wide take
// less time, above all on processors that split the wide ones.

// maps returns the functions for maps of c channels.
func (s *assembly) maps(c int) *assembly {
	if s.half != nil && c%16 == 8 {
		return s.half
	}
	return s
}

// windows returns the functions for windows of c channels.
func (s *assembly) windows(c int) *assembly {
	if s.half != nil && c < 64 && c%16 > 0 && c%16 <= 8 {
		return s.half
	}
	return s
}

type transform = func(dst *float32, dstRow, dstColumn, dstNext int, src *float32, srcRow, srcColumn, srcNext int, n, c int)

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
			s.maps(c).affine(&dst[i*c], &p[i*c], element(q, i*c), coefficients(a, c), coefficients(b, c), coefficients(d, c),
				min(pixels, n-i), c, floor)
		}
	}
	var tiles [transforms]func(dst []float32, to grid, src []float32, from grid, n, c int)
	for i, f := range s.transform {
		l := winogradMatrix[i]
		tiles[i] = func(dst []float32, to grid, src []float32, from grid, n, c int) {
			if n*c == 0 {
				return
			}
			_, _ = dst[to.last(len(l), n, c)], src[from.last(len(l[0]), n, c)]
			some := max(1, maxElements/(16*c))
			for t := 0; t < n; t += some {
				f(&dst[t*to.tile], to.row, to.column, to.tile, &src[t*from.tile], from.row, from.column, from.tile, min(some, n-t), c)
			}
		}
	}
	return primitives{
		transform: tiles,
		products:  s.product.products(),
		pairs:     s.pairProduct.products(),
		affine:    linear,
		addAffine: func(dst, p, a, d []float32, n, c int) {
			linear(dst, p, dst, a, nil, d, n, c, false)
		},
		moments: func(sum, squares, x []float32, n, c int) { s.sums(sum, squares, x, x, n, c) },
		dots:    s.sums,
		dots4: func(sum, products, x, y0, y1, y2, y3 []float32, n, c int) {
			if n*c == 0 {
				return
			}
			maps := 0
			for _, y := range [...][]float32{y0, y1, y2, y3} {
				if y == nil {
					break
				}
				_ = y[n*c-1]
				maps++
			}
			_, _ = products[maps*c-1], x[n*c-1]
			if sum != nil {
				_ = sum[c-1]
			}
			pixels := max(1, maxElements/c)
			for i := 0; i < n; i += pixels {
				s.maps(c).dots4(element(sum, 0), &products[0], &x[i*c], element(y0, i*c), element(y1, i*c), element(y2, i*c), element(y3, i*c),
					min(pixels, n-i), c)
			}
		},
		combine: func(dst, p0, p1, p2, p3, a, d, e []float32, n, c int) {
			if n*c == 0 {
				return
			}
			maps := 0
			for _, p := range [...][]float32{p0, p1, p2, p3} {
				if p == nil {
					break
				}
				_ = p[n*c-1]
				maps++
			}
			_ = dst[n*c-1]
			pixels := max(1, maxElements/c)
			for i := 0; i < n; i += pixels {
				s.maps(c).combine(&dst[i*c], element(p0, i*c), element(p1, i*c), element(p2, i*c), element(p3, i*c),
					coefficients(a, maps*c), coefficients(d, c), coefficients(e, c), min(pixels, n-i), c)
			}
		},
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
			s.windows(c).dw(&dst[0], &src[0], &w[0], width, c, k, stride*c, dil*c, dil*rowStride)
		},
		dwGrad: func(gw, src, g []float32, width, c, k, stride, dil, rowStride int) {
			if width*c == 0 {
				return
			}
			_, _, _ = g[width*c-1], src[lastInput(width, c, k, stride, dil, rowStride)], gw[k*k*c-1]
			s.windows(c).dwGrad(&gw[0], &src[0], &g[0], width, c, k, stride*c, dil*c, dil*rowStride)
		},
		maxRow: func(dst, src []float32, width, c, k, stride, dil, rowStride int) {
			if width*c == 0 {
				return
			}
			_, _ = dst[width*c-1], src[lastInput(width, c, k, stride, dil, rowStride)]
			s.windows(c).maxRow(&dst[0], &src[0], width, c, k, stride*c, dil*c, dil*rowStride)
		},
		maxGrad: func(gx, src, g []float32, width, c, k, stride, dil, rowStride int) {
			if width*c == 0 {
				return
			}
			last := lastInput(width, c, k, stride, dil, rowStride)
			_, _, _ = gx[last], src[last], g[width*c-1]
			s.windows(c).maxGrad(&gx[0], &src[0], &g[0], width, c, k, stride*c, dil*c, dil*rowStride)
		},
		expSum: func(dst, x []float32, shift float32) (sum float64) {
			for i := 0; i < len(x); i += maxElements {
				count := min(maxElements, len(x)-i)
				sum += s.expSum(&dst[i : i+count : len(dst)][0], &x[i], count, shift)
			}
			return sum
		},
		toBFloat16: func(dst []uint16, x []float32) {
			n := len(x) / s.block * s.block
			for i := 0; i < n; i += maxElements {
				count := min(maxElements, n-i)
				s.toBFloat16(&dst[i : i+count : len(dst)][0], &x[i], count/s.block)
			}
			toBFloat16Generic(dst[n:], x[n:])
		},
		pairRows: func(dst, x []float32, ld, rows, c int) {
			if rows*c == 0 {
				return
			}
			_, _ = dst[(rows+1)/2*c-1], x[(rows-1)*ld+c-1]
			some := max(1, maxElements/c)
			for i := 0; i < rows/2; i += some {
				s.pairRows(&dst[i*c], &x[2*i*ld], ld, min(some, rows/2-i), c)
			}
			if rows%2 == 1 {
				pairRowsGeneric(dst[rows/2*c:], x[(rows-1)*ld:], ld, 1, c)
			}
		},
		fromBFloat16: func(dst []float32, x []uint16) {
			const block = 16
			n := len(dst) / block * block
			for i := 0; i < n; i += maxElements {
				count := min(maxElements, n-i)
				fromBFloat16AVX2(&dst[i], &x[i : i+count : len(x)][0], count/block)
			}
			fromBFloat16Generic(dst[n:], x[n:])
		},
	}
}

// lastInput returns the index of the last input of a row of windows.
func lastInput(width, c, k, stride, dil, rowStride int) int {
	return (k-1)*dil*rowStride + ((width-1)*stride+(k-1)*dil+1)*c - 1
}

// product is a function for matrix products.
type product func(m, n, k int, a *float32, row, depth int, b *float32, ldb int, c *float32, ldc int, acc bool)

func (f product) products() products {
	return products{
		gemm: func(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, acc bool) {
			f.matmul(m, n, k, a, lda, 1, b, ldb, c, ldc, acc)
		},
		gemmT: func(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, acc bool) {
			f.matmul(k, n, m, a, 1, lda, b, ldb, c, ldc, acc)
		},
	}
}

// matmul sets c[m×n] to the product of a and b[k×n], or adds it if acc. Element
// i, l of a is at a[i*row+l*depth].
func (f product) matmul(m, n, k int, a []float32, row, depth int, b []float32, ldb int, c []float32, ldc int, acc bool) {
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
			f(min(rows, m-i), n, part, &a[i*row+l*depth], row, depth, &b[l*ldb], ldb, &c[i*ldc], ldc, acc || l > 0)
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
		s.maps(c).dots(&sum[0], &products[0], &x[i*c], &y[i*c], min(pixels, n-i), c)
	}
}
