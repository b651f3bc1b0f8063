package kernel

// Precision is that of the operands of the matrix products of convolutions. Sums, and all
// else, are float32.
type Precision int

// The precisions. BFloat16 rounds operands to the nearest bfloat16, ties to even, and
// multiplies two of them at a time. Products of odd numbers of channels stay in Float32.
const (
	Float32 Precision = iota
	BFloat16
)

// even returns the precision of products that add up k numbers.
func (p Precision) even(k int) Precision {
	if k%2 != 0 {
		return Float32
	}
	return p
}

// per returns how many numbers an element of an operand holds: a pair of bfloat16 takes the
// memory of a float32.
func (p Precision) per() int {
	if p == BFloat16 {
		return 2
	}
	return 1
}

func (p Precision) products() *products {
	if p == BFloat16 {
		return &active.pairs
	}
	return &active.products
}

// left returns rows of k numbers of x, ld apart, as the left operand of products, and the
// distance of its rows. It takes rows·k/2 floats of buf, which may be x if the rows follow
// each other, unless x itself will do.
func (p Precision) left(buf, x []float32, ld, rows, k int) ([]float32, int) {
	switch {
	case p == Float32:
		return x, ld
	case ld <= k && ld%2 == 0:
		n := (rows-1)*ld + k
		active.toBFloat16(halves(buf, n), x[:n])
		return buf, ld / 2
	}
	for r := range rows {
		active.toBFloat16(halves(buf[r*k/2:], k), x[r*ld:][:k])
	}
	return buf, k / 2
}

// leftSize is the memory that left needs.
func (p Precision) leftSize(rows, k int) int {
	if p == Float32 {
		return 0
	}
	return rows * k / 2
}

// gemmT sets c[k×n] to a[m×k]ᵀ·b[m×n], or adds the product to it if acc.
func (p Precision) gemmT(buf []float32, m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, acc bool) {
	if p == Float32 {
		active.gemmT(m, n, k, a, lda, b, ldb, c, ldc, acc)
		return
	}
	const pairs = blockPixels / 2
	x, y := buf[:pairs*k], buf[pairs*k:]
	for i := 0; i < m; i += blockPixels {
		rows := min(blockPixels, m-i)
		active.pairRows(x, a[i*lda:], lda, rows, k)
		active.pairRows(y, b[i*ldb:], ldb, rows, n)
		active.pairs.gemmT((rows+1)/2, n, k, x, k, y, n, c, ldc, acc || i > 0)
	}
}

// gemmTSize is the memory that gemmT needs.
func (p Precision) gemmTSize(n, k int) int {
	if p == Float32 {
		return 0
	}
	return blockPixels / 2 * (n + k)
}

// right sets dst to the right operand of products, which has a row for each row of w, or
// for two of them.
func (p Precision) right(t *ThreadPool, dst, w []float32, rows, n int) []float32 {
	if p == Float32 {
		return w
	}
	rightRows.run(t, steps(rows, turnedRows), rightArgs{dst, w, rows, n})
	return dst
}

type rightArgs struct {
	dst, w  []float32
	rows, n int
}

var rightRows = newLoop(func(a *rightArgs, _ *Worker, i int) {
	from := i * turnedRows
	active.pairRows(a.dst[from/2*a.n:], a.w[from*a.n:], a.n, min(turnedRows, a.rows-from), a.n)
})

// rightTransposed does the same for the transpose of w, which has m rows of n numbers. It
// takes m·n floats of dst.
func (p Precision) rightTransposed(t *ThreadPool, dst, w []float32, m, n int) {
	if p == BFloat16 {
		n /= 2
		pairs := dst[m*n:][:m*n]
		ToBFloat16(t, pairs, w)
		w = pairs
	}
	transpose(t, dst, w, m, n)
}
