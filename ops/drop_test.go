package ops_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// TestScaleImages drops the second of three images of a normalised map.
func TestScaleImages(t *testing.T) {
	n := newNet(t)
	data := noise("x", 3*2*2*5)
	data[20] = float32(math.Inf(1)) // of the second image
	x := n.values("x", data, 3, 2, 2, 5)
	y, err := ops.ScaleImages(x, n.values("factors", []float32{2, 0, -0.5}, 3))
	require.NoError(t, err)
	n.run(y)
	for i, v := range value(y) {
		switch i / 20 {
		case 0:
			assert.Equal(t, 2*data[i], v)
		case 1:
			assert.Zero(t, v)
		case 2:
			assert.Equal(t, -data[i]/2, v)
		}
	}
	_, err = ops.ScaleImages(x, n.values("two", []float32{1, 2}, 2))
	require.ErrorContains(t, err, "factors of (2)")
	var none *gorgonia.Node
	_, err = ops.ScaleImages(x, none)
	require.Error(t, err)
}
