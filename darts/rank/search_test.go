package rank_test

import (
	"cmp"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"unnas/darts/rank"
)

func TestRandomSearchByHand(t *testing.T) {
	// Of three architectures, one: each is chosen in a third of searches. Two: the
	// best by the task in two thirds, else the second. Three: always the best.
	c, err := rank.RandomSearch([]float64{30, 10, 20}, []float64{5, 7, 9}, 3)
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float64{7, 2*5/3. + 9/3., 5}, c.Mean, 1e-14)
	assert.Equal(t, []float64{5, 5, 5}, c.Low)
	assert.Equal(t, []float64{9, 9, 5}, c.High)

	c, err = rank.RandomSearch([]float64{4, 4, 4, 4}, []float64{1, 2, 3, 6}, 4)
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float64{3, 3, 3, 3}, c.Mean, 1e-14, "a task that says nothing is a choice at random")
	assert.Equal(t, []float64{1, 1, 1, 1}, c.Low)
	assert.Equal(t, []float64{6, 6, 6, 6}, c.High)
}

// TestRandomSearchDraws makes all draws of a few architectures.
func TestRandomSearchDraws(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		size := rapid.IntRange(1, 9).Draw(r, "size")
		value := rapid.Custom(func(r *rapid.T) float64 { return float64(rapid.IntRange(0, 6).Draw(r, "value")) })
		pretext := rapid.SliceOfN(value, size, size).Draw(r, "pretext")
		supervised := rapid.SliceOfN(value, size, size).Draw(r, "supervised")
		c, err := rank.RandomSearch(pretext, supervised, size)
		require.NoError(r, err)
		for n := 1; n <= size; n++ {
			probability := map[float64]float64{} // of supervised values
			draws := 0.0
			for set := range uint(1) << size {
				if bits.OnesCount(set) != n {
					continue
				}
				draws++
				var best []int
				for i := range size {
					if set>>i&1 == 0 {
						continue
					}
					if len(best) > 0 && pretext[i] > pretext[best[0]] {
						best = best[:0]
					}
					if len(best) == 0 || pretext[i] == pretext[best[0]] {
						best = append(best, i)
					}
				}
				for _, i := range best {
					probability[supervised[i]] += 1 / float64(len(best))
				}
			}
			var mean, sum float64
			quantile := map[float64]float64{}
			for v := range 7 {
				p := probability[float64(v)] / draws
				mean += p * float64(v)
				for _, q := range []float64{0.16, 0.84} {
					if sum < q && sum+p >= q {
						quantile[q] = float64(v)
					}
				}
				sum += p
			}
			assert.InDelta(r, mean, c.Mean[n-1], 1e-12, "n = %d", n)
			assert.Equal(r, []float64{quantile[0.16], quantile[0.84]}, []float64{c.Low[n-1], c.High[n-1]}, "n = %d", n)
		}
	})
}

// TestRandomSearchProperties with as many architectures as it takes for some to be
// neglected: the oracle rises and beats every task, and the last of all draws
// finds the best.
func TestRandomSearchProperties(t *testing.T) {
	const size = 3000
	pretext, supervised := make([]float64, size), make([]float64, size)
	for i := range size {
		pretext[i] = math.Sin(float64(i))
		supervised[i] = math.Round(1000 * (math.Sin(float64(i)) + math.Cos(float64(7*i))))
	}
	c, err := rank.RandomSearch(pretext, supervised, size)
	require.NoError(t, err)
	oracle, err := rank.RandomSearch(supervised, supervised, size)
	require.NoError(t, err)
	for n := range size {
		assert.LessOrEqual(t, oracle.Mean[max(0, n-1)], oracle.Mean[n]+1e-9)
		assert.LessOrEqual(t, c.Mean[n], oracle.Mean[n]+1e-9)
		assert.LessOrEqual(t, c.Low[n], c.High[n])
	}
	best := slices.MaxFunc(indices(size), func(i, j int) int { return cmp.Compare(pretext[i], pretext[j]) })
	assert.Equal(t, supervised[best], c.Mean[size-1])
	assert.Equal(t, slices.Max(supervised), oracle.Mean[size-1])

	order := rand.New(rand.NewPCG(3, 4)).Perm(size)
	again, err := rank.RandomSearch(pick(pretext, order), pick(supervised, order), size)
	require.NoError(t, err)
	assert.InDeltaSlice(t, c.Mean, again.Mean, 1e-9)
	assert.Equal(t, c.Low, again.Low)

	short, err := rank.RandomSearch(pretext, supervised, 10)
	require.NoError(t, err)
	assert.Equal(t, c.Mean[:10], short.Mean)
}

func TestRandomSearchRefused(t *testing.T) {
	x := []float64{1, 2}
	for _, most := range []int{0, -1, 3} {
		_, err := rank.RandomSearch(x, x, most)
		assert.ErrorContains(t, err, "of 2 architectures: want 1 to all of them")
	}
	_, err := rank.RandomSearch(nil, nil, 1)
	assert.ErrorContains(t, err, "draws 1 of 0 architectures")
	_, err = rank.RandomSearch(x, []float64{1}, 1)
	assert.ErrorContains(t, err, "random search of 2 and 1 values")
	_, err = rank.RandomSearch(x, []float64{1, math.NaN()}, 1)
	assert.ErrorContains(t, err, "value 1 of y is NaN")
}
