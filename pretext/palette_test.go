package pretext_test

import (
	"bytes"
	"encoding/csv"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
	"unnas/pretext"
)

// TestBins compares with the published table at some of its rows.
func TestBins(t *testing.T) {
	bins := pretext.Bins()
	require.Len(t, bins, 313)
	for i, want := range map[int][2]float64{
		0: {-90, 50}, 4: {-90, 90}, 5: {-80, 20}, 100: {-10, -20}, 120: {0, 0}, 160: {20, 30}, 249: {70, -70}, 312: {100, 0},
	} {
		assert.Equal(t, want, bins[i], "bin %d", i)
	}
	for i, p := range bins[1:] {
		q := bins[i]
		require.True(t, q[0] < p[0] || q[0] == p[0] && q[1] < p[1], "%v before %v", q, p)
	}
}

func TestBinsOfReference(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(reference(t, "reference", "pts_in_hull.csv"))).ReadAll()
	require.NoError(t, err)
	bins := pretext.Bins()
	require.Len(t, bins, len(rows))
	for i, row := range rows {
		for k, text := range row {
			want, err := strconv.ParseFloat(text, 64)
			require.NoError(t, err)
			require.Equal(t, want, bins[i][k], "bin %d", i)
		}
	}
}

// TestNearestBin compares with a search among all bins: the smallest distance,
// and the first of equals.
func TestNearestBin(t *testing.T) {
	bins := pretext.Bins()
	check := func(t *testing.T, a, b float64) {
		best, shortest := int32(0), math.Inf(1)
		for i, p := range bins {
			if d := (a-p[0])*(a-p[0]) + (b-p[1])*(b-p[1]); d < shortest {
				best, shortest = int32(i), d
			}
		}
		if got := pretext.NearestBin(a, b); got != best {
			require.FailNow(t, "wrong bin", "%v, %v: %d, want %d", a, b, got, best)
		}
	}
	t.Run("whole numbers", func(t *testing.T) { // ties and corners of cells among them
		for a := -140.; a <= 140; a++ {
			for b := -140.; b <= 140; b++ {
				check(t, a, b)
			}
		}
	})
	t.Run("beside ties and borders", func(t *testing.T) {
		var line []float64
		for v := -130.; v <= 130; v++ {
			if int(v)%5 == 0 || int(v)%4 == 0 {
				line = append(line, math.Nextafter(v, -200), v, math.Nextafter(v, 200))
			}
		}
		for _, a := range line {
			for _, b := range line {
				check(t, a, b)
			}
		}
	})
	t.Run("random", func(t *testing.T) {
		seed := rand.Uint64()
		t.Log("seed", seed)
		r := rng.New(seed, "tints", 0, 0)
		for range 100000 {
			check(t, rng.Uniform(r, -150, 150), rng.Uniform(r, -150, 150))
		}
	})
	t.Run("sRGB", func(t *testing.T) {
		for i := range 18 * 18 * 18 {
			_, a, b := pretext.Lab(uint8(i%18*15), uint8(i/18%18*15), uint8(i/18/18*15))
			check(t, a, b)
		}
	})
	t.Run("far away", func(t *testing.T) {
		for _, v := range []float64{-1e300, -1e18, -1e3, 0, 1e3, 1e18, 1e300, math.Inf(1), math.Inf(-1), math.NaN()} {
			check(t, v, 3)
			check(t, 3, v)
			check(t, v, v)
		}
	})
}
