package segmentation_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"unnas/segmentation"
)

func confusion(t require.TestingT, classes int, truth, predicted []uint8) *segmentation.ConfusionMatrix {
	c, err := segmentation.NewConfusionMatrix(classes)
	require.NoError(t, err)
	require.NoError(t, c.Add(truth, predicted))
	return c
}

// TestConfusion has the values of a small case, worked out by hand.
func TestConfusion(t *testing.T) {
	//                             0 right, 0 as 1, 0 as 2, 1 right twice, 1 as 0, ignored, and nobody has 2 or 3.
	c := confusion(t, 4, []uint8{0, 0, 0, 1, 1, 1, 255, 255}, []uint8{0, 1, 2, 1, 1, 0, 3, 255})
	assert.Equal(t, uint64(6), c.Pixels())
	assert.Equal(t, 4, c.Classes())
	assert.Equal(t, uint64(2), c.Count(1, 1))
	assert.Equal(t, uint64(1), c.Count(0, 2))
	assert.Equal(t, uint64(0), c.Count(2, 0))
	iou := c.IoU()
	assert.InDeltaSlice(t, []float64{1. / 4, 2. / 4, 0}, iou[:3], 1e-15)
	assert.True(t, math.IsNaN(iou[3]))
	mean, absent := c.MeanIoU()
	assert.InDelta(t, 0.25, mean, 1e-15, "the class that was predicted in vain counts as 0, the absent one does not")
	assert.Equal(t, []int{3}, absent)
	assert.InDelta(t, 0.5, c.Accuracy(), 1e-15)
}

func TestConfusionOfNothing(t *testing.T) {
	c := confusion(t, 2, []uint8{255}, []uint8{9})
	mean, absent := c.MeanIoU()
	assert.True(t, math.IsNaN(mean))
	assert.Equal(t, []int{0, 1}, absent)
	assert.True(t, math.IsNaN(c.Accuracy()))
	assert.Zero(t, c.Pixels())
}

// TestConfusionIsOfSets adds images whole, in parts, in other orders and with
// their pixels shuffled.
func TestConfusionIsOfSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		classes := rapid.IntRange(1, 5).Draw(t, "classes")
		n := rapid.IntRange(0, 60).Draw(t, "pixels")
		class := rapid.IntRange(0, classes)
		truth, predicted := make([]uint8, n), make([]uint8, n)
		for i := range n {
			truth[i] = uint8(class.Draw(t, "truth"))
			if int(truth[i]) == classes {
				truth[i] = 255
			}
			predicted[i] = uint8(class.Draw(t, "predicted") % classes)
		}
		whole := confusion(t, classes, truth, predicted)
		var order []int
		for i := range n {
			order = append(order, i)
		}
		order = rapid.Permutation(order).Draw(t, "order")
		mixedTruth, mixedPredicted := make([]uint8, n), make([]uint8, n)
		for i, j := range order {
			mixedTruth[i], mixedPredicted[i] = truth[j], predicted[j]
		}
		cut := rapid.IntRange(0, n).Draw(t, "cut")
		parts := confusion(t, classes, mixedTruth[cut:], mixedPredicted[cut:])
		require.NoError(t, parts.Merge(confusion(t, classes, mixedTruth[:cut], mixedPredicted[:cut])))
		assert.Equal(t, whole, parts)
		for _, v := range whole.IoU() {
			assert.False(t, v < 0 || v > 1, v)
		}
		if exact := confusion(t, classes, predicted, predicted); n > 0 {
			mean, _ := exact.MeanIoU()
			assert.InDelta(t, 1, mean, 0)
		}
	})
}

func TestConfusionErrors(t *testing.T) {
	for _, classes := range []int{0, -1, 256} {
		_, err := segmentation.NewConfusionMatrix(classes)
		require.EqualError(t, err, fmt.Sprintf("segmentation: ConfusionMatrix of %d classes, want 1 to 255", classes))
	}
	c := confusion(t, 3, nil, nil)
	require.EqualError(t, c.Add([]uint8{0}, nil), "segmentation: 1 pixels and 0 predictions, want equal numbers")
	require.EqualError(t, c.Add([]uint8{0, 3}, []uint8{0, 0}), "segmentation: pixel 1 has class 3, want 0 to 2, or 255 for ignored pixels")
	require.EqualError(t, c.Add([]uint8{0, 2}, []uint8{0, 255}), "segmentation: class 255 predicted for pixel 1, want 0 to 2")
	assert.Zero(t, c.Pixels(), "nothing was counted")
	require.EqualError(t, c.Merge(confusion(t, 2, nil, nil)), "segmentation: cannot merge ConfusionMatrix of 3 and of 2 classes")

	// Counts cannot overflow: they double until that is refused.
	full := confusion(t, 2, []uint8{1}, []uint8{1})
	for range 63 {
		require.NoError(t, full.Merge(full))
	}
	require.ErrorContains(t, full.Merge(full), "segmentation: more than 18446744073709551615 pixels")
	assert.Equal(t, uint64(1)<<63, full.Pixels())
	assert.InDelta(t, 1, full.Accuracy(), 0)
}

// Two images of four pixels. Nobody has or predicts class 2.
func ExampleConfusionMatrix() {
	c, _ := segmentation.NewConfusionMatrix(3)
	fmt.Println(c.Add([]uint8{0, 0, 1, 255}, []uint8{0, 1, 1, 1}))
	fmt.Println(c.Add([]uint8{1, 1, 1, 0}, []uint8{1, 1, 0, 0}))
	mean, absent := c.MeanIoU()
	fmt.Printf("%.2f, mean %.2f without classes %v, %.2f of the pixels right\n", c.IoU(), mean, absent, c.Accuracy())
	// Output:
	// <nil>
	// <nil>
	// [0.50 0.60 NaN], mean 0.55 without classes [2], 0.71 of the pixels right
}
