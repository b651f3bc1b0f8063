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
// set and in a random one, with each JPEG decoder that is there and packed, and reports
// images a second on one core. With a view it is all that the rotation task does
// for an image of training, and with crops all that it does for a device. internal/peer/load.py does the same with OpenCV. The
// data lie beside the repository, or in the folder that UNNAS_SHARED names.
func BenchmarkLoad(b *testing.B) {
	shared := os.Getenv("UNNAS_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "shared")
	}
	imageNet := func(d *pretext.Decoder) Source {
		src, err := dataset.OpenImageNet1K(b.Context(), filepath.Join(shared, "data", "imagenet_mini"), dataset.Train, dataset.Options{Decoder: d})
		if err != nil {
			b.Skip(err)
		}
		return src
	}
	cifar, err := dataset.OpenCIFAR10(b.Context(), filepath.Join(shared, "data", "cifar10_lossless"), dataset.Train, dataset.Options{})
	if err != nil {
		b.Skip(err)
	}
	type load struct {
		name string
		src  Source
		view pretext.Transform
	}
	loads := []load{{"imagenet/decoder=go", imageNet(nil), pretext.ImageNetTransform(224)}, {"cifar/decoder=none", cifar, pretext.CIFAR10Transform()}}
	if turbo, err := turbojpeg.Decoder(); err == nil {
		loads = append(loads, load{"imagenet/decoder=turbo", imageNet(turbo), pretext.ImageNetTransform(224)})
	}
	for _, size := range []int{0, 256} {
		dir := b.TempDir()
		require.NoError(b, dataset.Pack(b.Context(), imageNet(nil), dir, dataset.PackOptions{Size: size}))
		packed, err := dataset.OpenPacked(b.Context(), dir, dataset.All, dataset.Options{})
		require.NoError(b, err)
		loads = append(loads, load{fmt.Sprintf("imagenet/packed=%d", size), packed, pretext.ImageNetTransform(224)})
	}
	for _, c := range loads {
		for _, order := range []string{"sorted", "random"} {
			for _, viewed := range []string{"false", "true", "crops"} {
				b.Run(fmt.Sprintf("%s/order=%s/view=%s", c.name, order, viewed), func(b *testing.B) {
					task := pretext.Rotation{Transform: c.view}
					sample, crop := task.Spec().NewSample(), task.CropSpec().NewSample(task.Spec())
					r := rng.New(1, "benchmark", 0, 0)
					for i := 0; b.Loop(); i++ {
						n := i % c.src.Len()
						if order == "random" {
							n = rng.IntN(r, c.src.Len())
						}
						img, err := c.src.Load(b.Context(), n)
						require.NoError(b, err)
						switch viewed {
						case "true":
							require.NoError(b, task.Sample(sample, img, true, r))
						case "crops":
							require.NoError(b, task.Crop(crop, img, true, r))
						}
					}
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
				})
			}
		}
	}
}
