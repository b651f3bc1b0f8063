package pretext_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/jpeg"
	"image/png"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/pretext"
)

// TestFromImage gives the pixels of Decode for what image/jpeg and image/png decode.
func TestFromImage(t *testing.T) {
	for name, file := range map[string][]byte{"JPEG": encodeJPEG(t, ramp(23, 18)), "PNG": encodePNG(t, ramp(23, 18))} {
		want, err := pretext.Decode(t.Context(), bytes.NewReader(file))
		require.NoError(t, err)
		m, _, err := image.Decode(bytes.NewReader(file))
		require.NoError(t, err)
		assert.Equal(t, want, pretext.FromImage(m), name)
	}
}

// TestFromImageKinds converts the same colours from several kinds of images, and from
// a part of a larger one.
func TestFromImageKinds(t *testing.T) {
	colour := func(x, y int) color.NRGBA { return color.NRGBA{uint8(40 * x), uint8(60 * y), uint8(10*x + y), 0xff} }
	all := image.Rect(-2, 3, 5, 7)
	for name, m := range map[string]draw.Image{
		"RGBA": image.NewRGBA(all), "NRGBA": image.NewNRGBA(all), "RGBA64": image.NewRGBA64(all), "NRGBA64": image.NewNRGBA64(all),
	} {
		for y := all.Min.Y; y < all.Max.Y; y++ {
			for x := all.Min.X; x < all.Max.X; x++ {
				m.Set(x, y, colour(x+2, y-3))
			}
		}
		part := m.(interface {
			SubImage(image.Rectangle) image.Image
		}).SubImage(image.Rect(0, 4, 4, 7))
		img := pretext.FromImage(part)
		require.Equal(t, [3]int{4, 3, -1}, [3]int{img.Width, img.Height, img.Label}, name)
		for y := range 3 {
			for x := range 4 {
				c := colour(x+2, y+1)
				require.Equal(t, color.RGBA{c.R, c.G, c.B, 0xff}, img.At(x, y), name)
			}
		}
	}
	m := image.NewRGBA(image.Rect(0, 0, 1, 1))
	m.Set(0, 0, color.NRGBA{200, 100, 50, 0x80})
	assert.InDeltaSlice(t, []uint8{200, 100, 50}, pretext.FromImage(m).Pix, 1, "transparency is dropped")

	// A part of a photograph may begin within a sample of chroma.
	photo := image.NewYCbCr(image.Rect(0, 0, 8, 6), image.YCbCrSubsampleRatio420)
	for i := range photo.Cb {
		photo.Cb[i], photo.Cr[i] = uint8(250*(i%2)), uint8(250*(i%3))
	}
	part := photo.SubImage(image.Rect(1, 3, 8, 6))
	img := pretext.FromImage(part)
	require.Equal(t, [2]int{7, 3}, [2]int{img.Width, img.Height})
	for y := range 3 {
		for x := range 7 {
			require.Equal(t, color.RGBAModel.Convert(part.At(1+x, 3+y)), img.At(x, y))
		}
	}
}

// TestImageIsImage writes an image as PNG, and reads it.
func TestImageIsImage(t *testing.T) {
	want := &pretext.Image{Width: 3, Height: 2, Label: -1, Pix: []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, want))
	got, err := pretext.Decode(t.Context(), &b)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Same(t, want, pretext.FromImage(want))
	for _, p := range [][2]int{{-1, 0}, {3, 0}, {0, 2}} {
		assert.Equal(t, color.RGBA{}, want.At(p[0], p[1]))
	}
}

func ExampleFromImage() {
	m := image.NewGray(image.Rect(0, 0, 4, 3))
	m.SetGray(1, 2, color.Gray{Y: 200})
	img := pretext.FromImage(m)
	fmt.Println(img.Width, img.Height, img.At(1, 2))

	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil { // an Image is an image.Image
		fmt.Println(err)
		return
	}
	again, err := pretext.Decode(context.Background(), &file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(again.At(1, 2))
	// Output:
	// 4 3 {200 200 200 255}
	// {200 200 200 255}
}
