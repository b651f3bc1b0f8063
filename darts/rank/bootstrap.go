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

// Bootstrap returns a confidence interval of a statistic at the given level, such as
// 0.95, by the percentile method (Efron, 1979, doi 10.1214/aos/1176344552): it draws
// resamples of the architectures with replacement, and the interval excludes
// (1-level)/2 of them on either side, with interpolated percentiles. A thousand
// resamples are usual; the time is proportional to their number.
//
// A resample whose statistic is undefined, for instance because all its architectures
// are equal, is drawn again; if nine in ten are undefined, so is the interval. Equal
// seeds give equal intervals.
func Bootstrap(s Statistic, x, y []float64, level float64, resamples int, seed uint64) (Interval, error) {
	switch {
	case !(level > 0 && level < 1):
		return Interval{}, fmt.Errorf("rank: bootstrap: level %g: want a level between 0 and 1, such as 0.95", level)
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
			return Interval{}, fmt.Errorf("rank: bootstrap: the interval is %w: the statistic of %d of %d resamples is undefined", ErrUndefined, draw-len(found), draw)
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

// percentile returns the value below which the fraction p of sorted values lies.
func percentile(sorted []float64, p float64) float64 {
	at := float64(p * float64(len(sorted)-1))
	i := min(int(math.Floor(at)), len(sorted)-2)
	if i < 0 {
		return sorted[0]
	}
	low, high := sorted[i], sorted[i+1]
	return low + float64((at-float64(i))*(high-low))
}
