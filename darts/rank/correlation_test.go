package rank_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"unnas/darts/rank"
)

// statistics are all of them, by the name that errors have.
var statistics = map[string]rank.Statistic{
	"Spearman's ρ": rank.Spearman, "Kendall's τ": rank.KendallTau, "Pearson's r": rank.Pearson,
}

func TestByHand(t *testing.T) {
	for _, c := range []struct {
		name                       string
		x, y                       []float64
		spearman, kendall, pearson float64
	}{
		{"line", []float64{1, 2, 4}, []float64{3, 5, 9}, 1, 1, 1},
		{"falling line", []float64{4, 1, 2}, []float64{-8, -2, -4}, -1, -1, -1},
		{"convex", []float64{0, 1, 2}, []float64{0, 1, 4}, 1, 1, 4 / math.Sqrt(2*26./3)},
		// Ranks 1 2 3 4 and 2 1 4 3: the squares of their differences sum to 4.
		{"two swaps", []float64{10, 20, 30, 40}, []float64{2, 1, 4, 3}, 1 - 6*4/60., 2. / 6, 0.6},
		// Ranks 1.5 1.5 3 and 1 2 3; two of three pairs agree, x ties the third.
		{"a tie", []float64{5, 5, 7}, []float64{1, 2, 3}, 1.5 / math.Sqrt(1.5*2), 2 / math.Sqrt(2*3), math.Sqrt(3) / 2},
		{"unrelated", []float64{1, 2, 3}, []float64{1, 0, 1}, 0, 0, 0},
		{"ties in both", []float64{1, 1, 2, 2}, []float64{1, 2, 1, 2}, 0, 0, 0},
		{"as large as numbers are", []float64{-math.MaxFloat64, 0, math.MaxFloat64}, []float64{-math.MaxFloat64, 0, math.MaxFloat64}, 1, 1, 1},
		{"as small as numbers are", []float64{0, math.SmallestNonzeroFloat64, 2 * math.SmallestNonzeroFloat64}, []float64{3, 2, 1}, -1, -1, -1},
		{"hardly different", []float64{1, math.Nextafter(1, 2), 1}, []float64{1, 2, 1}, 1, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, want := range map[string]float64{"Spearman's ρ": c.spearman, "Kendall's τ": c.kendall, "Pearson's r": c.pearson} {
				got, err := statistics[name](c.x, c.y)
				require.NoError(t, err)
				assert.InDelta(t, want, got, 1e-15, name)
			}
		})
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		name string
		x, y []float64
		want rank.Line
	}{
		{"line", []float64{1, 2, 4}, []float64{5, 7, 11}, rank.Line{Slope: 2, Intercept: 3}},
		{"cloud", []float64{0, 1, 2, 3}, []float64{1, 0, 3, 0}, rank.Line{Slope: 0, Intercept: 1}},
		{"constant y", []float64{0, 1, 2}, []float64{1.1, 1.1, 1.1}, rank.Line{Intercept: 1.1}},
		{"large", []float64{0, 1e200, 2e200}, []float64{3, 3 + 1e200, 3 + 2e200}, rank.Line{Slope: 1, Intercept: 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := rank.Fit(c.x, c.y)
			require.NoError(t, err)
			assert.InDelta(t, c.want.Slope, got.Slope, 1e-15)
			if c.name != "large" { // what is left of 3 beside 1e200
				assert.InDelta(t, c.want.Intercept, got.Intercept, 1e-14)
			}
		})
	}
	_, err := rank.Fit([]float64{0, 1e-200, 2e-200}, []float64{0, 1e200, 3e200})
	assert.ErrorContains(t, err, "scale the measures")
}

// TestRefused demands an error, and no number, wherever there is no answer.
func TestRefused(t *testing.T) {
	all := map[string]rank.Statistic{"the regression line": func(x, y []float64) (float64, error) {
		line, err := rank.Fit(x, y)
		return line.Slope, err
	}}
	for name, s := range statistics {
		all[name] = s
	}
	nan, inf := math.NaN(), math.Inf(-1)
	for _, c := range []struct {
		name      string
		x, y      []float64
		undefined bool
		want      string
	}{
		{"nothing", nil, nil, true, "of 0 points is undefined: want at least 3"},
		{"two points", []float64{1, 2}, []float64{2, 1}, true, "of 2 points is undefined: want at least 3"},
		{"constant x", []float64{7, 7, 7}, []float64{1, 2, 3}, true, "is undefined: all 3 values of x are 7"},
		{"two signs of zero", []float64{0, math.Copysign(0, -1), 0}, []float64{1, 2, 3}, true, "all 3 values of x are 0"},
		{"lengths", []float64{1, 2, 3}, []float64{1, 2}, false, "of 3 and 2 values"},
		{"NaN in x", []float64{1, nan, 3}, []float64{1, 2, 3}, false, "value 1 of x is NaN"},
		{"NaN in y, too few", []float64{1}, []float64{nan}, false, "value 0 of y is NaN"},
		{"infinite", []float64{1, 2, 3}, []float64{1, 2, inf}, false, "value 2 of y is -Inf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, s := range all {
				_, err := s(c.x, c.y)
				require.ErrorContains(t, err, "rank: "+name)
				assert.ErrorContains(t, err, c.want)
				assert.Equal(t, c.undefined, errors.Is(err, rank.ErrUndefined), name)
				_, err = rank.Bootstrap(s, c.x, c.y, 0.9, 10, 1)
				assert.ErrorContains(t, err, c.want)
			}
		})
	}
	for name, s := range statistics {
		_, err := s([]float64{1, 2, 3}, []float64{4, 4, 4})
		assert.ErrorIs(t, err, rank.ErrUndefined, name)
		assert.ErrorContains(t, err, "all 3 values of y are 4")
	}
}

// TestSciPy compares with the numbers that testdata/gen_correlation.py computed.
func TestSciPy(t *testing.T) {
	text, err := os.ReadFile("testdata/scipy.json")
	require.NoError(t, err)
	var reference struct {
		Cases []struct {
			X, Y              []float64
			Spearman, Pearson float64
			Kendall           float64 `json:"kendall_tau_b"`
			Slope, Intercept  float64
			Interval          []float64
		}
	}
	require.NoError(t, json.Unmarshal(text, &reference))
	require.Len(t, reference.Cases, 7)
	for _, c := range reference.Cases {
		for name, want := range map[string]float64{"Spearman's ρ": c.Spearman, "Kendall's τ": c.Kendall, "Pearson's r": c.Pearson} {
			got, err := statistics[name](c.X, c.Y)
			require.NoError(t, err)
			assert.InDelta(t, want, got, 1e-12, "%s of %d", name, len(c.X))
		}
		line, err := rank.Fit(c.X, c.Y)
		require.NoError(t, err)
		assert.InEpsilon(t, c.Slope, line.Slope, 1e-12)
		assert.InEpsilon(t, c.Intercept, line.Intercept, 1e-12)
		if c.Interval == nil {
			continue
		}
		// Other draws, so equal up to the error of so many resamples.
		got, err := rank.Bootstrap(rank.Spearman, c.X, c.Y, 0.9, 2000, 5)
		require.NoError(t, err)
		tolerance := 0.07 * (c.Interval[1] - c.Interval[0])
		assert.InDelta(t, c.Interval[0], got.Low, tolerance)
		assert.InDelta(t, c.Interval[1], got.High, tolerance)
	}
}

// measures draws two measures with ties that are not constant.
func measures(r *rapid.T) (x, y []float64) {
	n := rapid.IntRange(3, 40).Draw(r, "n")
	value := rapid.Custom(func(r *rapid.T) float64 { return float64(rapid.IntRange(-9, 9).Draw(r, "value")) })
	x = rapid.SliceOfN(value, n, n).Draw(r, "x")
	y = rapid.SliceOfN(value, n, n).Draw(r, "y")
	x[0], x[1] = 10, 11
	y[n-2], y[n-1] = 12, -13
	return x, y
}

// TestInvariance: the order of the architectures does not matter, nor does it for
// ranks how a measure is scaled, bent included; the measures change places freely.
func TestInvariance(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		x, y := measures(r)
		order := rapid.Permutation(indices(len(x))).Draw(r, "order")
		bend := func(v []float64) []float64 {
			w := slices.Clone(v)
			for i := range w {
				w[i] = math.Exp(w[i]/4) + 3*w[i]
			}
			return w
		}
		for name, s := range statistics {
			want, err := s(x, y)
			require.NoError(r, err)
			assert.LessOrEqual(r, math.Abs(want), 1.0)
			for variant, v := range map[string][2][]float64{
				"permuted":  {pick(x, order), pick(y, order)},
				"exchanged": {y, x},
				"x bent":    {bend(x), y},
				"y bent":    {x, bend(y)},
			} {
				if name == "Pearson's r" && (variant == "x bent" || variant == "y bent") {
					continue
				}
				got, err := s(v[0], v[1])
				require.NoError(r, err)
				assert.InDelta(r, want, got, 1e-13, "%s, %s", name, variant)
			}
			falling := slices.Clone(x)
			for i := range falling {
				falling[i] = 5 - 2*x[i]
			}
			got, err := s(falling, y)
			require.NoError(r, err)
			assert.InDelta(r, -want, got, 1e-13, "%s, falling", name)
		}
	})
}

// TestKendallPairs compares with the definition, pair by pair.
func TestKendallPairs(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		x, y := measures(r)
		var sum, orderedX, orderedY float64
		for i := range x {
			for j := range i {
				a, b := sign(x[i]-x[j]), sign(y[i]-y[j])
				sum += a * b
				orderedX += a * a
				orderedY += b * b
			}
		}
		got, err := rank.KendallTau(x, y)
		require.NoError(r, err)
		assert.InDelta(r, sum/math.Sqrt(orderedX*orderedY), got, 1e-15)
	})
}

func TestBootstrap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x, y := make([]float64, 50), make([]float64, 50)
	for i := range x {
		x[i] = r.NormFloat64()
		y[i] = x[i] + r.NormFloat64()
	}
	estimate, err := rank.Spearman(x, y)
	require.NoError(t, err)
	wide, err := rank.Bootstrap(rank.Spearman, x, y, 0.95, 500, 7)
	require.NoError(t, err)
	assert.Less(t, wide.Low, estimate)
	assert.Less(t, estimate, wide.High)
	narrow, err := rank.Bootstrap(rank.Spearman, x, y, 0.5, 500, 7)
	require.NoError(t, err)
	assert.Less(t, wide.Low, narrow.Low)
	assert.Less(t, narrow.High, wide.High)

	again, err := rank.Bootstrap(rank.Spearman, x, y, 0.95, 500, 7)
	require.NoError(t, err)
	assert.Equal(t, wide, again, "equal seeds")
	other, err := rank.Bootstrap(rank.Spearman, x, y, 0.95, 500, 8)
	require.NoError(t, err)
	assert.NotEqual(t, wide, other, "another seed")

	one, err := rank.Bootstrap(rank.Spearman, x, y, 0.95, 1, 7)
	require.NoError(t, err)
	assert.Equal(t, one.Low, one.High)
	certain, err := rank.Bootstrap(rank.Spearman, []float64{1, 2, 3}, []float64{2, 4, 8}, 0.95, 200, 1)
	require.NoError(t, err, "a ninth of the resamples is constant and drawn again")
	assert.Equal(t, rank.Interval{Low: 1, High: 1}, certain)
}

func TestBootstrapRefused(t *testing.T) {
	x, y := []float64{1, 2, 3}, []float64{1, 3, 2}
	for _, level := range []float64{0, 1, -0.5, 95, math.NaN()} {
		_, err := rank.Bootstrap(rank.Spearman, x, y, level, 10, 1)
		assert.ErrorContains(t, err, "want a level between 0 and 1")
	}
	for _, resamples := range []int{0, -1, rank.MaxResamples + 1} {
		_, err := rank.Bootstrap(rank.Spearman, x, y, 0.9, resamples, 1)
		assert.ErrorContains(t, err, "want 1 to 1000000")
	}
	calls := 0
	_, err := rank.Bootstrap(func(_, _ []float64) (float64, error) {
		if calls++; calls == 1 {
			return 0.5, nil
		}
		return 0, rank.ErrUndefined
	}, x, y, 0.9, 10, 1)
	assert.ErrorIs(t, err, rank.ErrUndefined)
	assert.ErrorContains(t, err, "110 of 110 resamples")
}

func indices(n int) []int {
	v := make([]int, n)
	for i := range v {
		v[i] = i
	}
	return v
}

// pick returns the values at the given places.
func pick[T any](v []T, at []int) []T {
	w := make([]T, len(at))
	for i, j := range at {
		w[i] = v[j]
	}
	return w
}

func sign(f float64) float64 {
	switch {
	case f > 0:
		return 1
	case f < 0:
		return -1
	}
	return 0
}
