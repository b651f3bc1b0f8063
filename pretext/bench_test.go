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

// BenchmarkSample makes the inputs of such an image, and of one of CIFAR-10's size, and the
// crops of which a device makes them.
func BenchmarkSample(b *testing.B) {
	large, err := pretext.Decode(context.Background(), bytes.NewReader(encodeJPEG(b, ramp(500, 375))))
	require.NoError(b, err)
	for _, c := range []struct {
		name string
		task pretext.CropTask
		img  *pretext.Image
	}{
		{"cifar/rotation", pretext.Rotation{Transform: pretext.CIFAR10Transform()}, noisy(32, 32)},
		{"imagenet/rotation", pretext.Rotation{Transform: pretext.ImageNetTransform(224)}, large},
		{"imagenet/colorization", pretext.Colorization{Transform: pretext.ImageNetTransform(224)}, large},
		{"imagenet/jigsaw", pretext.JigsawImageNet(), large},
	} {
		r := rng.New(1, "benchmark", 0, 0)
		b.Run(c.name+"/inputs", func(b *testing.B) {
			dst := c.task.Spec().NewSample()
			require.NoError(b, c.task.Sample(dst, c.img, true, r)) // makes tables
			for b.Loop() {
				require.NoError(b, c.task.Sample(dst, c.img, true, r))
			}
		})
		b.Run(c.name+"/crops", func(b *testing.B) {
			dst := c.task.CropSpec().NewSample(c.task.Spec())
			for b.Loop() {
				require.NoError(b, c.task.Crop(dst, c.img, true, r))
			}
		})
	}
}
