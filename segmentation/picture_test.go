package segmentation_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/pretext"
	"unnas/segmentation"
)

func TestPicture(t *testing.T) {
	p := segmentation.Palette{{100, 0, 50, 255}, {0, 255, 0, 255}}
	img := &pretext.Image{Width: 2, Height: 1, Pix: []uint8{0, 10, 20, 200, 201, 203}}
	got, err := p.Picture(img, 0.5, []uint8{0, 1}, []uint8{255, 0})
	require.NoError(t, err)
	assert.Equal(t, image.Rect(0, 0, 6, 1), got.Bounds())
	want := []color.RGBA{
		{0, 10, 20, 255}, {200, 201, 203, 255},
		{50, 5, 35, 255}, {100, 228, 102, 255},
		{0, 5, 10, 255}, {150, 101, 127, 255},
	}
	for x, c := range want {
		assert.Equal(t, c, got.RGBAAt(x, 0), "column %d", x)
	}
	for opacity, want := range map[float64]color.RGBA{0: {200, 201, 203, 255}, 1: {0, 255, 0, 255}} {
		got, err = p.Picture(img, opacity, []uint8{255, 1})
		require.NoError(t, err)
		assert.Equal(t, want, got.RGBAAt(3, 0))
	}
}

func TestCityscapesPalette(t *testing.T) {
	p := segmentation.CityscapesPalette()
	require.Len(t, p, 19)
	seen := map[color.RGBA]bool{{A: 255}: true}
	for class, c := range p {
		assert.Equal(t, uint8(255), c.A)
		assert.False(t, seen[c], "class %d has a colour of its own", class)
		seen[c] = true
	}
}

func TestPictureErrors(t *testing.T) {
	p := segmentation.CityscapesPalette()
	img := &pretext.Image{Width: 2, Height: 2, Pix: make([]uint8, 12)}
	for _, c := range []struct {
		name    string
		img     *pretext.Image
		opacity float64
		mask    []uint8
		want    string
	}{
		{"no image", nil, 1, nil, "segmentation: Picture needs an image"},
		{"short image", &pretext.Image{Width: 2, Height: 2, Pix: make([]uint8, 11)}, 1, nil, "3 bytes per pixel"},
		{"sizes beyond numbers", &pretext.Image{Width: 1 << 32, Height: 1 << 32}, 1, nil, "3 bytes per pixel"},
		{"opacity", img, 1.5, make([]uint8, 4), "opacity 1.5, want 0 to 1"},
		{"no opacity", img, math.NaN(), make([]uint8, 4), "opacity NaN"},
		{"no mask", img, 1, nil, "mask 0 has 0 pixels, the image 2 by 2"},
		{"class", img, 1, []uint8{0, 18, 255, 19}, "mask 0 has class 19 in row 1, column 1, but the palette has 19 colours"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := p.Picture(c.img, c.opacity, c.mask)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// An image beside its mask, as a PNG file.
func ExamplePalette_Picture() {
	img, _ := town{1, 96, 48}.Load(context.Background(), 0)
	picture, err := segmentation.CityscapesPalette().Picture(img, 0.7, img.Mask)
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	fmt.Println(png.Encode(&file, picture), picture.Bounds())
	// Output: <nil> (0,0)-(192,48)
}
