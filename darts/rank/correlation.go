package rank

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrUndefined is the error of a statistic that the data do not determine: there are
// fewer than three points, or all values of one measure are equal.
var ErrUndefined = errors.New("undefined")

// A Statistic measures the association of two measures of the same architectures: x[i]
// and y[i] belong to architecture i. [Spearman], [KendallTau] and [Pearson] are
// statistics.
//
// They return an error for slices of different lengths, for values that are NaN or
// infinite, with the index, and, where the statistic is not defined, [ErrUndefined].
type Statistic func(x, y []float64) (float64, error)

// Spearman returns Spearman's rank correlation (1904, doi 10.2307/1412159): the
// correlation of the ranks; equal values share the mean of their ranks. It is 1 if y is
// an increasing function of x, and -1 if it is a decreasing one.
func Spearman(x, y []float64) (float64, error) {
	if err := check("Spearman's ρ", x, y); err != nil {
		return 0, err
	}
	return correlation(ranks(x), ranks(y)), nil
}

// Pearson returns Pearson's correlation coefficient (1895, doi 10.1098/rspl.1895.0041):
// ±1 for points on a line.
func Pearson(x, y []float64) (float64, error) {
	if err := check("Pearson's r", x, y); err != nil {
		return 0, err
	}
	return correlation(x, y), nil
}

// KendallTau returns Kendall's rank correlation with correction for ties, τ-b (1945,
// doi 10.1093/biomet/33.3.239): the number of pairs of architectures that both measures
// order alike minus those that they order oppositely, divided by the geometric mean of
// the numbers of pairs that x and y order. It takes O(n log n) time (Knight, 1966, doi
// 10.1080/01621459.1966.10480879).
//
// cell.KendallTau is a different measure: it compares the rows of α, and ties reduce it.
func KendallTau(x, y []float64) (float64, error) {
	if err := check("Kendall's τ", x, y); err != nil {
		return 0, err
	}
	n := len(x)
	by := order(n, func(i, j int) int {
		if c := cmp.Compare(x[i], x[j]); c != 0 {
			return c
		}
		return cmp.Compare(y[i], y[j])
	})
	tiedX := tiedPairs(n, func(i int) bool { return x[by[i]] == x[by[i-1]] })
	tiedBoth := tiedPairs(n, func(i int) bool { return x[by[i]] == x[by[i-1]] && y[by[i]] == y[by[i-1]] })
	sorted := make([]float64, n)
	for i, j := range by {
		sorted[i] = y[j]
	}
	// Pairs with equal x are ordered by y, so each inversion is a pair ordered oppositely.
	opposite := inversions(sorted, make([]float64, n))
	tiedY := tiedPairs(n, func(i int) bool { return sorted[i] == sorted[i-1] })
	all := float64(float64(n) * float64(n-1) / 2)
	difference := all - tiedX - tiedY + tiedBoth - float64(2*opposite)
	return clamp(difference / math.Sqrt((all-tiedX)*(all-tiedY))), nil
}

// tiedPairs counts the pairs of equal elements in a sorted list of n; equal(i) compares
// element i with the one before.
func tiedPairs(n int, equal func(i int) bool) float64 {
	pairs, run := 0.0, 0.0
	for i := 1; i < n; i++ {
		if equal(i) {
			run++
			pairs += run
		} else {
			run = 0
		}
	}
	return pairs
}

// inversions sorts v and returns the number of pairs in descending order.
func inversions(v, scratch []float64) float64 {
	if len(v) < 2 {
		return 0
	}
	half := len(v) / 2
	left, right := v[:half], v[half:]
	count := inversions(left, scratch[:half]) + inversions(right, scratch[half:])
	merged := scratch[:0]
	for len(left) > 0 && len(right) > 0 {
		if left[0] <= right[0] {
			merged, left = append(merged, left[0]), left[1:]
		} else {
			count += float64(len(left))
			merged, right = append(merged, right[0]), right[1:]
		}
	}
	merged = append(append(merged, left...), right...)
	copy(v, merged)
	return count
}

// A Line is y = Intercept + Slope·x.
type Line struct{ Slope, Intercept float64 }

// Fit returns the least-squares regression line of y on x. It fails like a [Statistic],
// but y may be constant.
func Fit(x, y []float64) (Line, error) {
	const name = "the regression line"
	if err := cmp.Or(points(name, x, y), varies(name, "x", x)); err != nil {
		return Line{}, err
	}
	if constant(y) {
		return Line{Intercept: y[0]}, nil
	}
	u, meanX, scaleX := standard(x)
	v, meanY, scaleY := standard(y)
	slope := dot(u, v) / dot(u, u) * (scaleY / scaleX)
	line := Line{Slope: slope, Intercept: meanY - float64(slope*meanX)}
	if !finite(line.Slope) || !finite(line.Intercept) {
		return Line{}, fmt.Errorf("rank: %s: slope %g or intercept %g is too large: scale the measures", name, line.Slope, line.Intercept)
	}
	return line, nil
}

// least is the smallest number of points: two points always have a line and rank
// correlation ±1.
const least = 3

// check returns why the named correlation cannot be computed.
func check(name string, x, y []float64) error {
	return cmp.Or(points(name, x, y), varies(name, "x", x), varies(name, "y", y))
}

// points validates points.
func points(name string, x, y []float64) error {
	if err := pairs(name, x, y); err != nil {
		return err
	}
	if len(x) < least {
		return fmt.Errorf("rank: %s of %d points is %w: want at least %d", name, len(x), ErrUndefined, least)
	}
	return nil
}

// pairs validates two measures of any number of architectures.
func pairs(name string, x, y []float64) error {
	if len(x) != len(y) {
		return fmt.Errorf("rank: %s of %d and %d values: want equal numbers", name, len(x), len(y))
	}
	for k, v := range [][]float64{x, y} {
		if i := slices.IndexFunc(v, func(f float64) bool { return !finite(f) }); i >= 0 {
			return fmt.Errorf("rank: %s: value %d of %s is %g: leave the architecture out", name, i, [...]string{"x", "y"}[k], v[i])
		}
	}
	return nil
}

// varies returns an error for a constant measure.
func varies(name, measure string, v []float64) error {
	if len(v) > 0 && constant(v) {
		return fmt.Errorf("rank: %s is %w: all %d values of %s are %g", name, ErrUndefined, len(v), measure, v[0])
	}
	return nil
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

func constant(v []float64) bool {
	return !slices.ContainsFunc(v, func(f float64) bool { return f != v[0] })
}

// order returns the integers below n sorted by compare, equal ones by size.
func order(n int, compare func(i, j int) int) []int {
	indices := make([]int, n)
	for i := range indices {
		indices[i] = i
	}
	slices.SortFunc(indices, func(i, j int) int {
		if c := compare(i, j); c != 0 {
			return c
		}
		return i - j
	})
	return indices
}

// ranks returns the ranks of the values from 1, their mean for equal values.
func ranks(v []float64) []float64 {
	by := order(len(v), func(i, j int) int { return cmp.Compare(v[i], v[j]) })
	r := make([]float64, len(v))
	for begin := 0; begin < len(by); {
		end := begin + 1
		for end < len(by) && v[by[end]] == v[by[begin]] {
			end++
		}
		for _, i := range by[begin:end] {
			r[i] = float64(begin+1+end) / 2
		}
		begin = end
	}
	return r
}

// correlation returns the correlation of values that are not all equal.
func correlation(x, y []float64) float64 {
	u, _, _ := standard(x)
	v, _, _ := standard(y)
	return clamp(dot(u, v) / math.Sqrt(dot(u, u)*dot(v, v)))
}

// standard returns v, whose values are not all equal, minus its mean and divided by a
// power of two that brings the largest magnitude into [1, 2), so that sums of squares
// neither overflow nor vanish.
func standard(v []float64) (rest []float64, mean, scale float64) {
	rest = slices.Clone(v)
	outer := shrink(rest)
	// The mean of the rest corrects the rounding of the mean, which may dominate nearly
	// equal values.
	for range 2 {
		var sum float64
		for _, f := range rest {
			sum += f
		}
		part := sum / float64(len(rest))
		for i := range rest {
			rest[i] -= part
		}
		mean += part
	}
	inner := shrink(rest)
	return rest, mean * outer, outer * inner
}

// shrink divides v by a power of two, which it returns.
func shrink(v []float64) float64 {
	var top float64
	for _, f := range v {
		top = max(top, math.Abs(f))
	}
	_, exponent := math.Frexp(top)
	for i := range v {
		v[i] = math.Ldexp(v[i], 1-exponent)
	}
	return math.Ldexp(1, exponent-1)
}

// dot returns the sum of products. The conversion prevents fused multiply-add, so that
// all CPUs give the same bits.
func dot(x, y []float64) float64 {
	var sum float64
	for i := range x {
		sum += float64(x[i] * y[i])
	}
	return sum
}

// clamp removes rounding beyond ±1.
func clamp(r float64) float64 { return max(-1, min(1, r)) }
