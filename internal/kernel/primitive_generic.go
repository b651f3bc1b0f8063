package kernel

import (
	"math"
	"slices"
)

// generic is the variant in plain Go: the specification of all others, and what
// runs where no other variant does.
var generic = primitives{
	products: products{gemmGeneric[float32], gemmTGeneric[float32]},
	pairs:    products{gemmPairsGeneric, gemmTPairsGeneric},
	affine:   affineGeneric[float32], addAffine: addAffineGeneric[float32],
	moments: momentsGeneric[float32], dots: dotsGeneric[float32], dots4: dots4Generic[float32],
	combine: combineGeneric[float32], mask: maskGeneric[float32],
	dw: dwGeneric[float32], dwGrad: dwGradGeneric[float32],
	maxRow: maxRowGeneric[float32], maxGrad: maxGradGeneric[float32],
	expSum:     expSumGeneric,
	toBFloat16: toBFloat16Generic, fromBFloat16: fromBFloat16Generic, pairRows: pairRowsGeneric,
	transform: [transforms]func(dst []float32, to grid, src []float32, from grid, n, c int){
		transformGeneric[float32](ofInput), transformGeneric[float32](ofWeight), transformGeneric[float32](ofOutput),
		transformGeneric[float32](ofOutputGrad), transformGeneric[float32](ofWeightGrad),
	},
}

type float interface{ ~float32 | ~float64 }

// gemmGeneric sets c[m×n] to a[m×k]·b[k×n], or adds the product to it if acc.
// The matrices are stored by rows, lda, ldb and ldc elements apart.
func gemmGeneric[T float](m, n, k int, a []T, lda int, b []T, ldb int, c []T, ldc int, acc bool) {
	b, c = slices.Clip(b), slices.Clip(c) // or slices of them could be longer
	for i := range m {
		row := c[i*ldc : i*ldc+n]
		if !acc {
			clear(row)
		}
		for l := range k {
			x := a[i*lda+l]
			for j, y := range b[l*ldb : l*ldb+n] {
				row[j] += T(x * y)
			}
		}
	}
}

// gemmTGeneric sets c[k×n] to a[m×k]ᵀ·b[m×n], or adds the product to it if acc.
func gemmTGeneric[T float](m, n, k int, a []T, lda int, b []T, ldb int, c []T, ldc int, acc bool) {
	b, c = slices.Clip(b), slices.Clip(c)
	if !acc {
		for l := range k {
			clear(c[l*ldc : l*ldc+n])
		}
	}
	for i := range m {
		y := b[i*ldb : i*ldb+n]
		for l := range k {
			x := a[i*lda+l]
			row := c[l*ldc : l*ldc+n]
			for j := range row {
				row[j] += T(x * y[j])
			}
		}
	}
}

// affineGeneric forms n pixels of c channels: dst = a·p + b·q + d with one
// coefficient per channel, then the positive part if relu. A nil a stands for
// ones; nil q (and b) and nil d for zeros. It is rounded once; other variants
// round each fused multiply-add.
func affineGeneric[T float](dst, p, q, a, b, d []T, n, c int, relu bool) {
	for i := range n {
		for j := range c {
			v := float64(p[i*c+j])
			if a != nil {
				v *= float64(a[j])
			}
			if q != nil {
				v += float64(float64(b[j]) * float64(q[i*c+j]))
			}
			if d != nil {
				v += float64(d[j])
			}
			if relu && v < 0 {
				v = 0
			}
			dst[i*c+j] = T(v)
		}
	}
}

// addAffineGeneric adds a·p + d, rounded once, to n pixels of c channels. A nil a
// stands for ones, a nil d for zeros.
func addAffineGeneric[T float](dst, p, a, d []T, n, c int) {
	for i := range n {
		for j := range c {
			v := float64(p[i*c+j])
			if a != nil {
				v *= float64(a[j])
			}
			if d != nil {
				v += float64(d[j])
			}
			dst[i*c+j] += T(v)
		}
	}
}

// momentsGeneric adds the sum and the sum of squares of each channel to s and
// ss. Other variants add up several pixels apart, and so lose little to rounding;
// this one adds up in float64.
func momentsGeneric[T float](s, ss, x []T, n, c int) {
	for j := range c {
		var sum, squares float64
		for i := j; i < n*c; i += c {
			v := float64(x[i])
			sum += v
			squares += float64(v * v)
		}
		s[j] += T(sum)
		ss[j] += T(squares)
	}
}

// dotsGeneric adds, for each channel, the sum of g to s and that of g·z to sz.
func dotsGeneric[T float](s, sz, g, z []T, n, c int) {
	for i := range n {
		for j := range c {
			v := g[i*c+j]
			s[j] += v
			sz[j] += T(v * z[i*c+j])
		}
	}
}

// dots4Generic adds, for each channel, the sum of x to s, unless nil, and those of
// x·y0 to x·y3 to sxy, which has c elements for each. The y from the first nil on do
// not exist.
func dots4Generic[T float](s, sxy, x, y0, y1, y2, y3 []T, n, c int) {
	for i := range x[:n*c] {
		if s != nil {
			s[i%c] += x[i]
		}
		for k, y := range [][]T{y0, y1, y2, y3} {
			if y == nil {
				break
			}
			sxy[k*c+i%c] += T(x[i] * y[i])
		}
	}
}

// combineGeneric sets n pixels of c channels to e + a0·p0 + d + a1·p1 + a2·p2 + a3·p3,
// or if d is nil adds these products to them. a has c factors for each map, ones if
// nil. The maps from the first nil on do not exist. It adds from left to right, and
// rounds like a fused multiply-add.
func combineGeneric[T float](dst, p0, p1, p2, p3, a, d, e []T, n, c int) {
	for i := range dst[:n*c] {
		j, sum := i%c, dst[i]
		if d != nil {
			sum = e[j]
		}
		for k, p := range [][]T{p0, p1, p2, p3} {
			if p == nil {
				break
			}
			v := float64(p[i])
			if a != nil {
				v *= float64(a[k*c+j])
			}
			sum = T(float64(sum) + float64(v))
			if k == 0 && d != nil {
				sum += d[j]
			}
		}
		dst[i] = sum
	}
}

// maskGeneric sets dst to g where x is positive and to zero elsewhere: the
// gradient of a ReLU.
func maskGeneric[T float](dst, g, x []T) {
	for i, v := range x {
		if v > 0 {
			dst[i] = g[i]
		} else {
			dst[i] = 0
		}
	}
}

// dwGeneric computes one row of a depthwise k×k convolution, width pixels of c
// channels. src begins at the pixel under the first tap of the first output, its
// rows are rowStride elements apart; w holds k·k taps of c channels.
func dwGeneric[T float](dst, src, w []T, width, c, k, stride, dil, rowStride int) {
	for x := range width {
		for j := range c {
			var sum T
			for ky := range k {
				for kx := range k {
					sum += T(w[(ky*k+kx)*c+j] * src[ky*dil*rowStride+(x*stride+kx*dil)*c+j])
				}
			}
			dst[x*c+j] = sum
		}
	}
}

// dwGradGeneric adds to gw the gradient of the taps of a depthwise convolution
// for one row g of output gradients. The other arguments are those of dw.
func dwGradGeneric[T float](gw, src, g []T, width, c, k, stride, dil, rowStride int) {
	gw = slices.Clip(gw)
	for ky := range k {
		for kx := range k {
			taps := gw[(ky*k+kx)*c : (ky*k+kx+1)*c]
			for x := range width {
				at := ky*dil*rowStride + (x*stride+kx*dil)*c
				for j := range c {
					taps[j] += T(src[at+j] * g[x*c+j])
				}
			}
		}
	}
}

// maxRowGeneric computes one row of a k×k max pooling. The arguments are those
// of dw without weights; pixels outside the image must hold -Inf.
func maxRowGeneric[T float](dst, src []T, width, c, k, stride, dil, rowStride int) {
	for x := range width {
		for j := range c {
			best := src[x*stride*c+j]
			for ky := range k {
				for kx := range k {
					if v := src[ky*dil*rowStride+(x*stride+kx*dil)*c+j]; v > best {
						best = v
					}
				}
			}
			dst[x*c+j] = best
		}
	}
}

// maxGradGeneric adds each element of g, the gradient of one row of a k×k max
// pooling, to gx at the first largest input of its window. gx is laid out as src.
func maxGradGeneric[T float](gx, src, g []T, width, c, k, stride, dil, rowStride int) {
	for x := range width {
		for j := range c {
			at := x*stride*c + j
			best := src[at]
			for ky := range k {
				for kx := range k {
					if i := ky*dil*rowStride + (x*stride+kx*dil)*c + j; src[i] > best {
						best, at = src[i], i
					}
				}
			}
			gx[at] += g[x*c+j]
		}
	}
}

// transformGeneric returns the transform that sets each of n tiles of dst to l·x·lᵀ,
// where x is the tile of src and l the matrix of the transform. An element of a tile
// is c numbers.
func transformGeneric[T float](which int) func(dst []T, to grid, src []T, from grid, n, c int) {
	l := winogradMatrix[which]
	return func(dst []T, to grid, src []T, from grid, n, c int) {
		for t := range n {
			for j := range c {
				x, y := src[t*from.tile+j:], dst[t*to.tile+j:]
				for column, right := range l {
					var turned [4]T // a column of x·lᵀ
					for i := range right {
						for k, f := range right {
							turned[i] += T(T(f) * x[i*from.row+k*from.column])
						}
					}
					for row, left := range l {
						var sum T
						for k, f := range left {
							sum += T(T(f) * turned[k])
						}
						y[row*to.row+column*to.column] = sum
					}
				}
			}
		}
	}
}

// expSumGeneric sets dst to exp(x - shift), where nothing in x is larger than shift, and
// returns the sum of its elements. They are right to within two units in the last
// place; below the normal range they are zero. It takes a fraction of the time of
// math.Exp, and most of that of a loss.
func expSumGeneric(dst, x []float32, shift float32) (sum float64) {
	const (
		lowest = -87              // exp(-87) is about the smallest normal number
		magic  = 3 << 22          // numbers of this size have no fractional bits
		bits   = 0x4b400000 - 127 // of magic, less the bias of an exponent
		ln2Hi  = 0x162p-9         // few bits, so that n·ln2Hi is exact
		ln2Lo  = math.Ln2 - ln2Hi
	)
	dst = slices.Clip(dst)[:len(x)]
	for j, v := range x {
		v -= shift
		if v < lowest {
			dst[j] = 0
			continue
		}
		// exp(v) = 2ⁿ·exp(r) with |r| ≤ ln 2/2, where seven terms of the series do.
		shifted := float32(v*math.Log2E) + magic
		n := shifted - magic
		r := v - float32(n*ln2Hi) - float32(n*ln2Lo)
		e := 1 + float32(r*(1+float32(r*(1./2+float32(r*(1./6+float32(r*(1./24+float32(r*(1./120+float32(r*(1./720+float32(r*(1./5040))))))))))))))
		e *= math.Float32frombits((math.Float32bits(shifted) - bits) << 23)
		dst[j] = e
		sum += float64(e)
	}
	return sum
}
