package xla

import (
	"errors"

	"unnas/internal/ir"
)

// moments returns the mean, the biased variance and the rounding error of the mean of each
// channel. All sums are of differences from a number near their mean, first that of a few
// pixels, then those of the first range of pixels, which loses few digits in one pass.
func (e *emitter) moments(x value) value {
	c := x.Shape[len(x.Shape)-1]
	near := e.near(x)
	d := e.Sub(x, e.over(near, x))
	sum, squares := e.partialSums(d, e.Mul(d, d))
	ranges := sum.Shape[0]
	share := float64(c) / float64(x.Size())
	first, firstSquare := e.row(sum, 0), e.row(squares, 0)
	rest, restSquare := e.Sums(e.Sub(sum, e.over(first, sum)), e.Sub(squares, e.over(firstSquare, squares)), 0)
	rest, restSquare = e.times(rest, share), e.times(restSquare, share)
	first, firstSquare = e.times(first, share*float64(ranges)), e.times(firstSquare, share*float64(ranges))
	offset := e.Add(first, rest)
	variance := e.Sub(e.Add(firstSquare, restSquare), e.Mul(offset, offset))
	m, err := e.twoSum(near, first)
	m, more := e.twoSum(m, rest)
	return e.stack(m, e.Max(variance, e.like(variance, 0)), e.Add(err, more))
}

// twoSum returns x + y, rounded, and the rounding error.
func (e *emitter) twoSum(x, y value) (sum, rest value) {
	sum = e.Add(x, y)
	part := e.Sub(sum, x)
	return sum, e.Add(e.Sub(x, e.Sub(sum, part)), e.Sub(y, part))
}

// near returns the mean of four pixels of x for each channel: the factor is a power of two,
// since XLA may leave out the rounding of a product where it is subtracted.
func (e *emitter) near(x value) value {
	rows := e.pixels(x)
	n, c := rows.Shape[0], rows.Shape[1]
	total := e.Fill(x.Type, 0, c)
	for i := range 4 {
		at := (2*i + 1) * n / 8
		total = e.Add(total, e.Reshape(e.Range(rows, 0, at, at+1), c))
	}
	return e.times(total, 0.25)
}

// sums returns the sums over the pixels of each channel of two maps.
func (e *emitter) sums(x, y value) (sumX, sumY value) {
	x, y = e.partialSums(x, y)
	return e.Sums(x, y, 0)
}

// partialSums returns the sums over ranges of pixels of two maps: [ranges, C]. One after the
// other, more sums would lose digits.
func (e *emitter) partialSums(x, y value) (sumsX, sumsY value) {
	rows := e.pixels(x)
	n, c := rows.Shape[0], rows.Shape[1]
	ranges := 1
	for i := 1; i*i <= n; i++ {
		if n%i == 0 {
			ranges = i
		}
	}
	return e.Sums(e.Reshape(x, ranges, n/ranges, c), e.Reshape(y, ranges, n/ranges, c), 1)
}

func moments(e *emitter, _ ir.Moments, in []value) []value { return []value{e.moments(in[0])} }

// statistics returns what a normalisation normalises with.
func (e *emitter) statistics(mean, rest, variance value, epsilon float64) value {
	return e.stack(mean, rest, e.Div(e.like(mean, 1), e.Sqrt(e.plus(variance, epsilon))))
}

var errOneValue = errors.New("a batch of one value per channel has no variance; use two or more images per micro-batch, or larger maps")

func batchStatistics(e *emitter, o ir.BatchStatistics, in []value) []value {
	if o.Count < 2 {
		panic(errOneValue)
	}
	mean, variance := e.Add(e.row(in[0], 0), e.row(in[0], 2)), e.row(in[0], 1)
	rest := e.Sub(e.row(in[0], 2), e.Sub(mean, e.row(in[0], 0)))
	move := func(from, x value, factor float64) value {
		return e.Add(e.times(from, 1-o.Momentum), e.times(x, o.Momentum*factor))
	}
	unbias := float64(o.Count) / float64(o.Count-1)
	return []value{e.statistics(mean, rest, variance, o.Epsilon), move(in[1], mean, 1), move(in[2], variance, unbias)}
}

func runningStatistics(e *emitter, o ir.RunningStatistics, in []value) []value {
	return []value{e.statistics(in[0], e.like(in[0], 0), in[1], o.Epsilon)}
}

// centred returns x without its mean, and the reciprocal standard deviation.
func (e *emitter) centred(x, statistics value) (centred, rstd value) {
	d := e.Sub(x, e.over(e.row(statistics, 0), x))
	return e.Sub(d, e.over(e.row(statistics, 1), x)), e.row(statistics, 2)
}

func batchNorm(e *emitter, o ir.BatchNorm, in []value) []value {
	x, mean := in[0], e.Add(e.row(in[1], 0), e.row(in[1], 1))
	d, a := e.centred(x, in[1])
	shift := e.like(a, 0)
	if o.Affine {
		a, shift = e.Mul(a, in[2]), in[3]
	}
	y := e.Add(e.Mul(d, e.over(a, x)), e.over(shift, x))
	return []value{y, e.stack(a, e.Sub(shift, e.Mul(mean, a)), e.like(a, 0))}
}

func normSums(e *emitter, _ ir.NormSums, in []value) []value {
	gy, x := in[0], in[1]
	sum, products := e.sums(gy, e.Mul(gy, e.Sub(x, e.over(e.row(in[2], 0), x))))
	return []value{e.stack(sum, e.Mul(products, e.row(in[2], 2)))}
}

func batchNormGrad(e *emitter, o ir.BatchNormGrad, in []value) []value {
	gy, x := in[0], in[1]
	d, rstd := e.centred(x, in[2])
	scale, zero := rstd, e.like(rstd, 0)
	sum, product := zero, zero // Σgy and Σgy·x̂
	if o.Batch || o.Affine {
		sum, product = e.row(in[3], 0), e.row(in[3], 1)
	}
	if o.Affine {
		scale = e.Mul(rstd, in[4])
	}
	gx, slope, shift := gy, zero, zero
	if o.Batch {
		share := float64(x.Shape[len(x.Shape)-1]) / float64(x.Size())
		mean := e.times(sum, share)
		slope = e.times(e.Mul(product, rstd), share)
		gx = e.Sub(e.Sub(gy, e.over(mean, x)), e.Mul(d, e.over(slope, x)))
		shift = e.Mul(scale, e.Sub(e.Mul(slope, e.Add(e.row(in[2], 0), e.row(in[2], 1))), mean))
	}
	return []value{e.Mul(gx, e.over(scale, x)), e.stack(scale, e.Negate(e.Mul(scale, slope)), shift), product, sum}
}
