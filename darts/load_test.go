package darts

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
	"unnas/internal/rng"
	"unnas/pretext"
	"unnas/pretext/turbojpeg"
)

// BenchmarkLoad loads real images one after the other, in the order of the data
// set and in a random one, with each JPEG decoder that is there, and reports
// images a second on one core. With a view it is all that the rotation task does
// for an image of training. internal/peer/load.py does the same with OpenCV. The
// data lie beside the repository, or in the folder that UNNAS_SHARED names.
func BenchmarkLoad(b *testing.B) {
	shared := os.Getenv("UNNAS_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "shared")
	}
	imageNet, err := dataset.OpenImageNet1K(filepath.Join(shared, "data", "imagenet_mini"), true, nil)
	if err != nil {
		b.Skip(err)
	}
	cifar, err := dataset.OpenCIFAR10(filepath.Join(shared, "data", "cifar10_lossless"), true)
	if err != nil {
		b.Skip(err)
	}
	inGo := func() error { pretext.SetJPEGDecoder("", nil); return nil }
	b.Cleanup(func() { pretext.SetJPEGDecoder("", nil) })
	for _, c := range []struct {
		name string
		use  func() error
		src  Source
		view pretext.View
	}{
		{"imagenet/decoder=go", inGo, imageNet, pretext.ImageNet(224)},
		{"imagenet/decoder=turbo", turbojpeg.Use, imageNet, pretext.ImageNet(224)},
		{"cifar/decoder=none", inGo, cifar, pretext.CIFAR10()},
	} {
		for _, order := range []string{"sorted", "random"} {
			for _, viewed := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/order=%s/view=%t", c.name, order, viewed), func(b *testing.B) {
					if err := c.use(); err != nil {
						b.Skip(err)
					}
					task := pretext.Rotation{View: c.view}
					x, y := make([]float32, task.Spec().InputLen()), make([]int32, task.Spec().LabelLen())
					r := rng.New(1, "benchmark", 0, 0)
					for i := 0; b.Loop(); i++ {
						n := i % c.src.Len()
						if order == "random" {
							n = rng.IntN(r, c.src.Len())
						}
						img, err := c.src.Load(b.Context(), n)
						require.NoError(b, err)
						if viewed {
							require.NoError(b, task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, true, r))
						}
					}
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
				})
			}
		}
	}
}
