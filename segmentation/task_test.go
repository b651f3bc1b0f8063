package segmentation_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
	"unnas/pretext"
	"unnas/pretext/pretexttest"
	"unnas/segmentation"
)

// small returns a task of few pixels with two classes.
func small() segmentation.Task {
	t := segmentation.Cityscapes()
	t.Transform = pretext.CityscapesTransform(13, 20)
	t.Transform.Width = 17
	t.ASPP.Channels, t.ASPP.Classes = 5, 2
	return t
}

func TestTask(t *testing.T) {
	pretexttest.Run(t, small())
	padded := small()
	padded.Transform.Crop = pretext.CropPadded
	pretexttest.Run(t, padded)
}

func TestCityscapes(t *testing.T) {
	task := segmentation.Cityscapes()
	require.NoError(t, task.Validate())
	assert.Equal(t, "segmentation", task.Name())
	assert.Equal(t, pretext.Spec{
		Height: 321, Width: 321, Channels: 3, Inputs: 1, LabelShape: []int{321, 321}, Classes: 19,
	}, task.Spec())
}

// TestSampleMask cuts image and mask alike: the colours are those of the classes.
func TestSampleMask(t *testing.T) {
	task := small()
	task.Transform.Jitter = 0
	task.Transform.Mean, task.Transform.Std = [3]float64{}, [3]float64{1. / 255, 1. / 255, 1. / 255}
	img := &pretext.Image{Width: 60, Height: 40}
	for i := range 60 * 40 {
		class := []uint8{0, 1, 255}[(i%60/20+i/60/20)%3]
		img.Mask = append(img.Mask, class)
		img.Pix = append(img.Pix, class, class, class)
	}
	seen := map[int32]int{}
	for i := range 50 {
		x, y := make([]float32, task.Spec().InputLen()), make([]int32, task.Spec().LabelLen())
		require.NoError(t, task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, i > 0, rng.New(1, "mask", 0, i)))
		for p, label := range y {
			seen[label]++
			switch x[3*p] { // in between, a pixel is of two classes
			case 0:
				require.Equal(t, int32(0), label)
			case 1:
				require.Equal(t, int32(1), label)
			case 255:
				require.Equal(t, pretext.IgnoreIndex, label)
			}
		}
	}
	assert.Len(t, seen, 3)
}

func TestTaskErrors(t *testing.T) {
	task := small()
	task.Transform.Crop = pretext.CropNone
	img := &pretext.Image{Width: 2, Height: 3, Pix: make([]uint8, 18)}
	x, y := make([]float32, task.Spec().InputLen()), make([]int32, task.Spec().LabelLen())
	require.ErrorContains(t, task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, false, nil), "segmentation: pretext: the image has no mask")
	img.Mask = []uint8{0, 0, 1, 1, 2, 255}
	require.ErrorContains(t, task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, false, nil), "segmentation: class 2 in row 9, column 0 of the transformed mask, want 0 to 1, or 255")
	img.Mask[4] = 1
	require.NoError(t, task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, false, nil))

	task.ASPP.Classes = 256
	require.ErrorContains(t, task.Validate(), "256 classes, not in 2..255, the classes of a mask")
	task.ASPP.Classes = 2
	for want, change := range map[string]func(a *segmentation.ASPP){
		"ASPP rates []":                                       func(a *segmentation.ASPP) { a.Rates = nil },
		"ASPP rates [6 9000]; want 1 to 8192":                 func(a *segmentation.ASPP) { a.Rates = []int{6, 9000} },
		"ASPP of 1099511627776 channels, not in 1..16384":     func(a *segmentation.ASPP) { a.Channels = 1 << 40 },
		"ASPP of 0 channels":                                  func(a *segmentation.ASPP) { a.Channels = 0 },
		"ASPP for 1 classes, not in 2..255":                   func(a *segmentation.ASPP) { a.Classes = 1 },
		"ASPP for 4611686018427387904 classes, not in 2..255": func(a *segmentation.ASPP) { a.Classes = 1 << 62 },
	} {
		wrong := task
		change(&wrong.ASPP)
		assert.ErrorContains(t, wrong.Validate(), want)
	}
	task.Transform = pretext.CityscapesTransform(13, 0)
	require.ErrorContains(t, task.Validate(), "Transform.Short = 0")
}

// A mask and its image are cut alike. Class 255 does not count.
func ExampleTask() {
	task := segmentation.Cityscapes()
	task.Transform = pretext.Transform{Height: 2, Width: 3, Std: [3]float64{1, 1, 1}, Crop: pretext.CropNone}
	img := &pretext.Image{Width: 3, Height: 2, Pix: make([]uint8, 18), Mask: []uint8{0, 18, 255, 13, 13, 7}}
	x, y := make([]float32, task.Spec().InputLen()), make([]int32, task.Spec().LabelLen())
	fmt.Println(task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, false, nil), y)
	img.Mask[5] = 19
	fmt.Println(task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, false, nil))
	// Output:
	// <nil> [0 18 -1 13 13 7]
	// segmentation: class 19 in row 1, column 2 of the transformed mask, want 0 to 18, or 255 for ignored pixels
}
