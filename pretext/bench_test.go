package pretext_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
	"unnas/pretext"
)

// BenchmarkDecode decodes a file of ImageNet's usual size, with chroma at half
// the width and height.
func BenchmarkDecode(b *testing.B) {
	file := encodeJPEG(b, ramp(500, 375))
	for b.Loop() {
		_, err := pretext.Decode(context.Background(), bytes.NewReader(file))
		require.NoError(b, err)
	}
}

// BenchmarkRotation samples such an image.
func BenchmarkRotation(b *testing.B) {
	img, err := pretext.Decode(context.Background(), bytes.NewReader(encodeJPEG(b, ramp(500, 375))))
	require.NoError(b, err)
	task := pretext.Rotation{View: pretext.ImageNet(224)}
	x, y := make([]float32, task.Spec().InputLen()), make([]int32, task.Spec().LabelLen())
	r := rng.New(1, "benchmark", 0, 0)
	for b.Loop() {
		require.NoError(b, task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, true, r))
	}
}
