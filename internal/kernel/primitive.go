package kernel

// primitives are the inner loops of all kernels, in one variant. The functions
// of the generic variant define what each does.
type primitives struct {
	gemm      func(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, acc bool)
	gemmT     func(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, acc bool)
	affine    func(dst, p, q, a, b, d []float32, n, c int, relu bool)
	addAffine func(dst, p, a, d []float32, n, c int)
	moments   func(s, ss, x []float32, n, c int)
	dots      func(s, sz, g, z []float32, n, c int)
	mask      func(dst, g, x []float32)
	dw        func(dst, src, w []float32, width, c, k, stride, dil, rowStride int)
	dwGrad    func(gw, src, g []float32, width, c, k, stride, dil, rowStride int)
	maxRow    func(dst, src []float32, width, c, k, stride, dil, rowStride int)
	maxGrad   func(gx, src, g []float32, width, c, k, stride, dil, rowStride int)
	expSum    func(dst, x []float32, shift float32) float64
}
