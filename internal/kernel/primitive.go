package kernel

// primitives are the inner loops of all kernels, in one variant. The functions
// of the generic variant define what each does.
type primitives struct {
	products          // of numbers
	pairs    products // of pairs of bfloat16

	affine    func(dst, p, q, a, b, d []float32, n, c int, relu bool)
	addAffine func(dst, p, a, d []float32, n, c int)
	moments   func(s, ss, x []float32, n, c int)
	dots      func(s, sz, g, z []float32, n, c int)
	dots4     func(s, sxy, x, y0, y1, y2, y3 []float32, n, c int)
	combine   func(dst, p0, p1, p2, p3, a, d, e []float32, n, c int)
	mask      func(dst, g, x []float32)
	dw        func(dst, src, w []float32, width, c, k, stride, dil, rowStride int)
	dwGrad    func(gw, src, g []float32, width, c, k, stride, dil, rowStride int)
	maxRow    func(dst, src []float32, width, c, k, stride, dil, rowStride int)
	maxGrad   func(gx, src, g []float32, width, c, k, stride, dil, rowStride int)
	expSum    func(dst, x []float32, shift float32) float64

	toBFloat16   func(dst []uint16, x []float32)
	fromBFloat16 func(dst []float32, x []uint16)
	pairRows     func(dst, x []float32, ld, rows, c int)

	transform [transforms]func(dst []float32, to grid, src []float32, from grid, n, c int)
}

// products are the matrix products of one kind of elements.
type products struct {
	gemm  func(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, acc bool)
	gemmT func(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, acc bool)
}

// grid is how tiles lie in memory: the distances, in floats, between neighbouring
// rows of a tile, columns and tiles.
type grid struct{ row, column, tile int }

// last returns the index of the last float of n tiles of size×size elements of c
// floats.
func (g grid) last(size, n, c int) int { return (size-1)*(g.row+g.column) + (n-1)*g.tile + c - 1 }

// The transforms of Winograd's convolution of tiles of 4×4 inputs, 3×3 weights and
// 2×2 outputs (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks,
// 2016): those of inputs, weights and outputs, and of the gradients of outputs and of
// weights.
const (
	ofInput = iota
	ofWeight
	ofOutput
	ofOutputGrad
	ofWeightGrad
	transforms
)

// winogradMatrix holds the matrix l of each transform l·x·lᵀ. That of the outputs, and of
// the inputs, have the last row with the sign turned.
var winogradMatrix = [transforms][][]float32{
	ofInput:      {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}},
	ofWeight:     {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}},
	ofOutput:     {{1, 1, 1, 0}, {0, 1, -1, 1}},
	ofOutputGrad: {{1, 0}, {1, 1}, {1, -1}, {0, 1}},
	ofWeightGrad: {{1, 0.5, 0.5, 0}, {0, 0.5, -0.5, 0}, {0, 0.5, 0.5, 1}},
}
