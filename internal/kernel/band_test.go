package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestGroups(t *testing.T) {
	for _, c := range []struct{ tasks, size, want int }{
		{5, 10, 5},
		{100, 10, mostGroups},
		{100, groupFloats / 7, 7},
		{100, groupFloats, 2},
		{100, 3 * groupFloats, 2}, // of two, whatever they take
		{1, 3 * groupFloats, 1},
	} {
		g := grouped(bands{n: c.tasks, per: 1}, c.size, true)
		assert.Equal(t, c.want, g.count, "%d tasks of %d floats", c.tasks, c.size)
		assert.Equal(t, c.want*lines(c.size), g.memory())
		next := 0
		for i := range g.count {
			from, to := g.members(i)
			assert.Equal(t, next, from)
			assert.Greater(t, to, from)
			next = to
		}
		assert.Equal(t, c.tasks, next, "every task is in a group")
	}
	assert.Zero(t, func() int { g := grouped(bands{n: 3, per: 2}, 10, false); return g.memory() }())
}

func TestMomentsKeepWhatRoundingTakes(t *testing.T) {
	const c, pixels = 2, 7
	parts := []float32{1, 100, 9, 2000, 0.1, 3, 8, 20} // two tasks: sums, then sums of squares
	mom := make([]float32, 3*c)
	setMoments(mom, parts, 2, c, pixels)
	for j, sum := range []float64{float64(parts[0]) + float64(parts[4]), 103} {
		mean := sum / pixels
		assert.NotEqual(t, mean, float64(mom[j]), "the mean needs rounding")
		assert.InDelta(t, mean, float64(mom[j])+float64(mom[2*c+j]), 1e-13*mean)
	}
}
