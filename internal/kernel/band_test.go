package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

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
