package dataset_test

import (
	"bytes"
	"context"
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
)

// BenchmarkLoad loads random images, one after the other and on all cores, and
// reports images/s. The images have as many pixels as is usual in ImageNet
// and Cityscapes. The files come from the memory
// of the system, so it is the work of the processor that is measured.
func BenchmarkLoad(b *testing.B) {
	root := b.TempDir()
	images := draw(24, 500, 375)
	for i := range images.Len() {
		img := load(b, images, i)
		m := image.NewRGBA(image.Rect(0, 0, img.Width, img.Height))
		for p := range img.Width * img.Height {
			m.Set(p%img.Width, p/img.Width, color.RGBA{img.Pix[3*p], img.Pix[3*p+1], img.Pix[3*p+2], 255})
		}
		var file bytes.Buffer
		require.NoError(b, jpeg.Encode(&file, m, &jpeg.Options{Quality: 95}))
		class := []string{tench, goldfish, shark}[i%3]
		write(b, filepath.Join(root, "train", class, class+"_"+strconv.Itoa(i)+".JPEG"), file.Bytes())
	}
	city(b, root, draw(4, 2048, 1024))
	record := cifarImage(1, 2)
	write(b, filepath.Join(root, "test_batch.bin"), bytes.Repeat(record, 1000))

	cifar, err := dataset.OpenCIFAR10(b.Context(), root, dataset.Test, dataset.Options{})
	require.NoError(b, err)
	folder, err := dataset.OpenImageNet1K(b.Context(), root, dataset.Train, dataset.Options{})
	require.NoError(b, err)
	cityscapes, err := dataset.OpenCityscapes(b.Context(), root, dataset.Train, dataset.Options{})
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
		{"ImageNet22K", open22K(b, filepath.Join(root, "train"), dataset.Options{})},
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
