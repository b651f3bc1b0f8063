package rank

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"unnas/internal/rng"
)

// An Interval is a range of values.
type Interval struct{ Low, High float64 }

// MaxResamples is the largest number of resamples of [Bootstrap].
const MaxResamples = 1_000_000

// Bootstrap returns an interval that holds the statistic of the population from
// which the architectures were drawn with about the confidence level, such as
// 0.95. It is that of the percentile method (Efron, 1979, doi
// 10.1214/aos/1176344552): architectures are drawn with replacement, as many as
// there are, and the interval leaves (1-level)/2 of the resamples at either side,
// with percentiles interpolated between two of them. A thousand resamples are
// usual. The time is theirs times that of the statistic.
//
// A resample of which the statistic is undefined, because it has one architecture
// alone for instance, is drawn again; where that is the fate of nine in ten, the
// interval is undefined too. Equal seeds give equal intervals.
func Bootstrap(s Statistic, x, y []float64, level float64, resamples int, seed uint64) (Interval, error) {
	switch {
	case !(level > 0 && level < 1):
		return Interval{}, fmt.Errorf("rank: bootstrap: level %g: want one between 0 and 1, such as 0.95", level)
	case resamples < 1 || resamples > MaxResamples:
		return Interval{}, fmt.Errorf("rank: bootstrap: %d resamples: want 1 to %d", resamples, MaxResamples)
	}
	if _, err := s(x, y); err != nil {
		return Interval{}, fmt.Errorf("rank: bootstrap: %w", err)
	}
	found := make([]float64, 0, resamples)
	u, v := make([]float64, len(x)), make([]float64, len(x))
	for draw := 0; len(found) < resamples; draw++ {
		if draw == 10*resamples+10 {
			return Interval{}, fmt.Errorf("rank: bootstrap: the interval is %w: so is the statistic of %d of %d resamples", ErrUndefined, draw-len(found), draw)
		}
		r := rng.New(seed, "bootstrap", 0, draw)
		for i := range u {
			j := rng.IntN(r, len(x))
			u[i], v[i] = x[j], y[j]
		}
		switch value, err := s(u, v); {
		case err == nil:
			found = append(found, value)
		case !errors.Is(err, ErrUndefined):
			return Interval{}, fmt.Errorf("rank: bootstrap: resample %d: %w", draw, err)
		}
	}
	slices.Sort(found)
	return Interval{percentile(found, (1-level)/2), percentile(found, (1+level)/2)}, nil
}

// percentile returns the value below which the share p of sorted values lies.
func percentile(sorted []float64, p float64) float64 {
	at := float64(p * float64(len(sorted)-1))
	i := min(int(math.Floor(at)), len(sorted)-2)
	if i < 0 {
		return sorted[0]
	}
	low, high := sorted[i], sorted[i+1]
	return low + float64((at-float64(i))*(high-low))
}
