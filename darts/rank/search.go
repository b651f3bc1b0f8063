package rank

import (
	"cmp"
	"fmt"
	"slices"
)

// A Curve is the result of random search: element n-1 is the supervised accuracy of the
// architecture selected from n, in the unit of the accuracies.
type Curve struct {
	Mean []float64 // expected value
	Low  []float64 // 16 % quantile
	High []float64 // 84 % quantile
}

// The band contains the fraction of searches within ±1 standard deviation of a normal
// distribution. Unlike standard deviations, quantiles stay within the range of the
// accuracies.
const (
	lowQuantile  = 0.16
	highQuantile = 0.84
)

// negligible is a remaining probability that no longer changes a curve in float64.
const negligible = 1e-18

// RandomSearch returns the curve of random search with a pretext task (Liu et al.,
// 2020, arXiv 2003.12056, section 4): n architectures are drawn without replacement,
// and the one with the highest pretext accuracy is selected, at random among equals.
// The curve is its supervised accuracy for n = 1 … most; pretext[i] and supervised[i]
// belong to architecture i.
//
// With the supervised accuracy as pretext task it is the oracle; its first element is a
// random choice.
//
// Differs: the paper draws a thousand times. Here the probability of each architecture
// is computed in closed form, the limit of infinitely many draws: among N
// architectures, the selected one is one of the k with the lowest pretext accuracy in
// C(k, n) of C(N, n) draws.
func RandomSearch(pretext, supervised []float64, most int) (Curve, error) {
	if err := pairs("random search", pretext, supervised); err != nil {
		return Curve{}, err
	}
	if most < 1 || most > len(pretext) {
		return Curve{}, fmt.Errorf("rank: random search draws %d of %d architectures: want 1 to all of them", most, len(pretext))
	}
	size := len(pretext)
	best := order(size, func(i, j int) int { return cmp.Compare(pretext[j], pretext[i]) })
	place := make([]int, size) // by supervised accuracy
	for k, i := range order(size, func(i, j int) int { return cmp.Compare(supervised[i], supervised[j]) }) {
		place[i] = k
	}
	c := Curve{make([]float64, most), make([]float64, most), make([]float64, most)}
	chances := make([]chance, 0, size)
	for n := 1; n <= most; n++ {
		chances = chances[:0]
		below := 1.0 // the probability that all n are among the remaining ones
		for begin := 0; begin < size && below > negligible; {
			end, all := begin, below
			for ; end < size && pretext[best[end]] == pretext[best[begin]]; end++ {
				left := float64(size - end)
				below *= max(0, left-float64(n)) / left
			}
			p := (all - below) / float64(end-begin)
			for _, i := range best[begin:end] {
				chances = append(chances, chance{place[i], supervised[i], p})
			}
			begin = end
		}
		slices.SortFunc(chances, func(a, b chance) int { return cmp.Compare(a.place, b.place) })
		c.Mean[n-1], c.Low[n-1], c.High[n-1] = moments(chances)
	}
	return c, nil
}

// A chance is an architecture with the probability of its selection.
type chance struct {
	place       int
	supervised  float64
	probability float64
}

// moments returns the mean and the quantiles of chances in ascending order.
func moments(chances []chance) (mean, low, high float64) {
	low, high = chances[0].supervised, chances[0].supervised
	var sum float64
	for _, c := range chances {
		if sum < lowQuantile {
			low = c.supervised
		}
		if sum < highQuantile {
			high = c.supervised
		}
		sum += c.probability
		mean += float64(c.probability * c.supervised)
	}
	return mean, low, high
}
