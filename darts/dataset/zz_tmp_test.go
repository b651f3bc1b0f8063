package dataset_test

import (
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"testing"

	"unnas/darts/dataset"
)

var palette = [256]color.RGBA{0: {128, 64, 128, 255}, 1: {244, 35, 232, 255}, 2: {70, 70, 70, 255}, 3: {102, 102, 156, 255}, 4: {190, 153, 153, 255}, 5: {153, 153, 153, 255}, 6: {250, 170, 30, 255}, 7: {220, 220, 0, 255}, 8: {107, 142, 35, 255}, 9: {152, 251, 152, 255}, 10: {70, 130, 180, 255}, 11: {220, 20, 60, 255}, 12: {255, 0, 0, 255}, 13: {0, 0, 142, 255}, 15: {0, 60, 100, 255}, 18: {119, 11, 32, 255}}

func sheet(t *testing.T, name string, w, h, cols, rows, zoom, first int, mask bool) {
	d, err := dataset.NewScenes(100000, w, h, 1)
	if err != nil {
		t.Fatal(err)
	}
	m := image.NewRGBA(image.Rect(0, 0, cols*(w*zoom+4), rows*(h*zoom+4)))
	for k := range cols * rows {
		i := first + k/cols + 8*(k%cols)
		if rows > 8 {
			i = first + k
		}
		img, err := d.Load(context.Background(), i)
		if err != nil {
			t.Fatal(err)
		}
		ox, oy := k%cols*(w*zoom+4), k/cols*(h*zoom+4)
		for y := range h * zoom {
			for x := range w * zoom {
				p := (y/zoom)*w + x/zoom
				c := color.RGBA{img.Pix[3*p], img.Pix[3*p+1], img.Pix[3*p+2], 255}
				if mask {
					c = palette[img.Mask[p]]
				}
				m.SetRGBA(ox+x, oy+y, c)
			}
		}
	}
	f, _ := os.Create("/tmp/" + name + ".png")
	png.Encode(f, m)
	f.Close()
}

func TestTmpSheets(t *testing.T) {
	sheet(t, "s32", 32, 32, 16, 8, 2, 0, false)
	sheet(t, "s64", 64, 64, 10, 8, 2, 0, false)
	sheet(t, "s256", 256, 256, 5, 8, 1, 0, false)
	sheet(t, "m256", 256, 256, 5, 8, 1, 0, true)
	sheet(t, "s160", 160, 160, 8, 8, 1, 400, false)
	sheet(t, "s1024", 1024, 512, 2, 3, 1, 3, false)
}

func BenchmarkScenes(b *testing.B) {
	for _, c := range []struct {
		n    string
		w, h int
	}{{"32", 32, 32}, {"64", 64, 64}, {"256", 256, 256}, {"2048x1024", 2048, 1024}} {
		b.Run(c.n, func(b *testing.B) {
			d, _ := dataset.NewScenes(100000, c.w, c.h, 1)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				d.Load(context.Background(), i)
				i++
			}
		})
	}
}
