package dataset_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
	"unnas/internal/rng"
	"unnas/pretext"
	"unnas/pretext/turbojpeg"
)

// BenchmarkLoad loads random images, one after the other and on all cores, and
// reports images a second. The images have as many pixels as is usual in ImageNet
// and Cityscapes, in files of about 50 kB and 3.6 MB. These come from the memory
// of the system, so it is the work of the processor that is measured.
func BenchmarkLoad(b *testing.B) {
	root := b.TempDir()
	drawn := scenes(b, 24, 500, 375, 1)
	for i := range drawn.Len() {
		img := load(b, drawn, i)
		m := image.NewRGBA(image.Rect(0, 0, img.Width, img.Height))
		for p := range img.Width * img.Height {
			m.Set(p%img.Width, p/img.Width, color.RGBA{img.Pix[3*p], img.Pix[3*p+1], img.Pix[3*p+2], 255})
		}
		var file bytes.Buffer
		require.NoError(b, jpeg.Encode(&file, m, &jpeg.Options{Quality: 95}))
		class := []string{tench, goldfish, shark}[i%3]
		write(b, filepath.Join(root, "train", class, class+"_"+strconv.Itoa(i)+".JPEG"), file.Bytes())
	}
	city(b, root, scenes(b, 4, 2048, 1024, 1))
	record := cifarImage(1, 2)
	write(b, filepath.Join(root, "data_batch_1.bin"), bytes.Repeat(record, 1000))

	cifar, err := dataset.OpenCIFAR10(root, true)
	require.NoError(b, err)
	folder, err := dataset.OpenImageNet1K(root, true)
	require.NoError(b, err)
	cityscapes, err := dataset.OpenCityscapes(root, true)
	require.NoError(b, err)
	for _, c := range []struct {
		name string
		src  interface {
			Len() int
			Load(context.Context, int) (*pretext.Image, error)
		}
	}{
		{"CIFAR10", cifar},
		{"ImageNet1K", folder},
		{"ImageNet22K", open22K(b, filepath.Join(root, "train"), dataset.ImageNet22KOptions{})},
		{"Cityscapes", cityscapes},
	} {
		b.Run(c.name+"/one", func(b *testing.B) {
			r := rng.New(1, "benchmark", 0, 0)
			for b.Loop() {
				load(b, c.src, rng.IntN(r, c.src.Len()))
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
		b.Run(c.name+"/all", func(b *testing.B) {
			var workers atomic.Int64
			b.RunParallel(func(p *testing.PB) {
				r := rng.New(2, "benchmark", 0, int(workers.Add(1)))
				for p.Next() {
					load(b, c.src, rng.IntN(r, c.src.Len()))
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}

// BenchmarkReal loads real images, in the order of the data set and in a random
// one, with each JPEG decoder that is there, and reports images a second on one
// core. The view is the one of rotation: random crop, flip, jitter, and the other
// three ways up.
func BenchmarkReal(b *testing.B) {
	imageNet, err := dataset.OpenImageNet1K(sharedData(b, "imagenet_mini"), true)
	require.NoError(b, err)
	cifar, err := dataset.OpenCIFAR10(sharedData(b, "cifar10_lossless"), true)
	require.NoError(b, err)
	b.Cleanup(func() { pretext.SetJPEGDecoder("", nil) })
	for _, c := range []struct {
		name, decoder string
		use           func() error
		src           interface {
			Len() int
			Load(context.Context, int) (*pretext.Image, error)
		}
		view pretext.View
	}{
		{"ImageNet", "go", func() error { pretext.SetJPEGDecoder("", nil); return nil }, imageNet, pretext.ImageNet(224)},
		{"ImageNet", "turbo", turbojpeg.Use, imageNet, pretext.ImageNet(224)},
		{"CIFAR10", "none", func() error { return nil }, cifar, pretext.CIFAR10()},
	} {
		for _, random := range []bool{false, true} {
			for _, viewed := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/decoder=%s/random=%t/view=%t", c.name, c.decoder, random, viewed), func(b *testing.B) {
					if err := c.use(); err != nil {
						b.Skip(err)
					}
					task := pretext.Rotation{View: c.view}
					x, y := make([]float32, task.Spec().InputLen()), make([]int32, task.Spec().LabelLen())
					r := rng.New(1, "benchmark", 0, 0)
					for i := 0; b.Loop(); i++ {
						n := i % c.src.Len()
						if random {
							n = rng.IntN(r, c.src.Len())
						}
						img := load(b, c.src, n)
						if viewed {
							require.NoError(b, task.Sample(x, y, img, true, r))
						}
					}
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
				})
			}
		}
	}
}
