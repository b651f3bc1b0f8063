package golden

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestAllowedErrors holds that a running mean that is zero in exact arithmetic may be
// off by the rounding of float32 and no more, other tensors by the rule of the case.
func TestAllowedErrors(t *testing.T) {
	const channels = 16
	g := &Case{Tolerance: 1e-4, Floor: 1e-6, Tensors: map[string]Tensor{
		"buffer.aspp5.1.running_mean": {F: make([]float32, channels)},
		"buffer.aspp5.1.running_var":  {F: slices.Repeat([]float32{1.03}, channels)},
		"output":                      {F: []float32{3, 4}},
	}}
	off := func(by float32) []float32 { return append([]float32{by}, make([]float32, channels-1)...) }
	for by, allowed := range map[float32]bool{2.83e-8: true, 1e-7: false, 1e-3: false} {
		diff, norm, limit := g.compare("buffer.aspp5.1.running_mean", off(by))
		assert.InEpsilon(t, by, diff, 1e-6)
		assert.Zero(t, norm)
		assert.Equal(t, allowed, diff <= limit, "%v of %v", by, limit)
	}
	_, norm, limit := g.compare("output", []float32{3, 4.001})
	assert.InDelta(t, 5, norm, 1e-12)
	assert.InEpsilon(t, 5e-4, limit, 1e-12)
}

func TestChannelsLast(t *testing.T) {
	want := []float32{0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15}
	v := Tensor{F: []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}
	for _, shape := range [][]int{{2, 2, 2, 2}, {1, 2, 2, 2, 2}, {2, 1, 2, 2, 2}, {2, 2, 1, 4}} {
		v.Shape = shape
		assert.Equal(t, want, v.NHWC(), shape)
	}
}
