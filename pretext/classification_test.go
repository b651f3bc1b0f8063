package pretext_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/pretext"
)

func TestClassification(t *testing.T) {
	v := plain(4, 5, pretext.CropNone)
	task := pretext.Classification{Transform: v, Classes: 10}
	assert.Equal(t, "classification", task.Name())
	assert.Equal(t, pretext.Spec{Height: 4, Width: 5, Channels: 3, Inputs: 1, LabelShape: []int{1}, Classes: 10}, task.Spec())
	img := compass(7, 9)
	x, y := sample(t, task, img, true, 1)
	assert.Equal(t, []int32{3}, y)
	assert.Equal(t, render(t, v, img, true, nil), x)
}

func TestClassificationErrors(t *testing.T) {
	img := compass(5, 4)
	task := pretext.Classification{Transform: plain(4, 5, pretext.CropNone), Classes: 3}
	x, y := make([]float32, 60), make([]int32, 1)
	for _, label := range []int{-1, 3} {
		img.Label = label
		require.ErrorContains(t, task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, false, nil), "want 0 to 2; choose a self-supervised task for unlabelled images")
	}
	img.Label = 2
	require.NoError(t, task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, false, nil))
	require.ErrorContains(t, task.Sample(pretext.Sample{Inputs: x[:59], Labels: y}, img, false, nil), "59 floats, 1 labels and 0 targets, want 60, 1 and 0")
	require.ErrorContains(t, task.Sample(pretext.Sample{Inputs: x, Labels: y[:0]}, img, false, nil), "60 floats, 0 labels and 0 targets, want 60, 1 and 0")

	task.Classes = 1
	require.ErrorContains(t, task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, false, nil), "Classification.Classes = 1, want 2 to 16777216")
	require.ErrorContains(t, pretext.Classification{Classes: 3}.Validate(), "Transform.Height")
	task.Classes, task.Smoothing = 3, 1
	require.ErrorContains(t, task.Validate(), "Classification.Smoothing = 1, want 0 to below 1")
}

func TestWithClasses(t *testing.T) {
	task := pretext.Classification{Transform: plain(4, 5, pretext.CropNone), Classes: 1000, Smoothing: 0.1}
	got := pretext.WithClasses(task, 3)
	assert.Equal(t, 1000, task.Classes)
	task.Classes = 3
	assert.Equal(t, pretext.Task(task), got)
	assert.Equal(t, pretext.Task(pretext.JigsawCIFAR10()), pretext.WithClasses(pretext.JigsawCIFAR10(), 3))
}
