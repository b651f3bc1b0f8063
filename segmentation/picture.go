package segmentation

import (
	"errors"
	"fmt"
	"image"
	"image/color"

	"unnas/pretext"
)

// Palette is the colour of each class in pictures of masks. Ignored pixels are black.
type Palette []color.RGBA

// CityscapesPalette returns the official colours of the 19 evaluation classes of Cityscapes
// (Cordts et al., 2016, arXiv 1604.01685), which package scenes uses as well.
func CityscapesPalette() Palette {
	return Palette{
		{128, 64, 128, 255},  // road
		{244, 35, 232, 255},  // sidewalk
		{70, 70, 70, 255},    // building
		{102, 102, 156, 255}, // wall
		{190, 153, 153, 255}, // fence
		{153, 153, 153, 255}, // pole
		{250, 170, 30, 255},  // traffic light
		{220, 220, 0, 255},   // traffic sign
		{107, 142, 35, 255},  // vegetation
		{152, 251, 152, 255}, // terrain
		{70, 130, 180, 255},  // sky
		{220, 20, 60, 255},   // person
		{255, 0, 0, 255},     // rider
		{0, 0, 142, 255},     // car
		{0, 0, 70, 255},      // truck
		{0, 60, 100, 255},    // bus
		{0, 80, 100, 255},    // train
		{0, 0, 230, 255},     // motorcycle
		{119, 11, 32, 255},   // bicycle
	}
}

// Picture draws masks of an image side by side, from left to right: the image, then each
// mask, [Height, Width] as in Image.Mask, in the colours of its classes blended over the
// image. opacity runs from 0, the image alone, to 1, the colours alone:
//
//	palette.Picture(img, 0.6, img.Mask, predicted)
//
// shows the image, the truth and the prediction. A mask of another size, or with a class
// without a colour, is an error. Use image/png to write the picture.
func (p Palette) Picture(img *pretext.Image, opacity float64, masks ...[]uint8) (*image.RGBA, error) {
	if img == nil || min(img.Width, img.Height) < 1 || img.Width > len(img.Pix)/img.Height || len(img.Pix) != 3*img.Width*img.Height {
		return nil, errors.New("segmentation: Picture needs an image with 3 bytes per pixel")
	}
	if !(opacity >= 0 && opacity <= 1) {
		return nil, fmt.Errorf("segmentation: opacity %g, want 0 to 1", opacity)
	}
	out := image.NewRGBA(image.Rect(0, 0, (1+len(masks))*img.Width, img.Height))
	panel := func(number, pixel int, c color.RGBA) {
		out.SetRGBA(number*img.Width+pixel%img.Width, pixel/img.Width, c)
	}
	for i := range img.Width * img.Height {
		panel(0, i, color.RGBA{img.Pix[3*i], img.Pix[3*i+1], img.Pix[3*i+2], 255})
	}
	for k, mask := range masks {
		if len(mask) != img.Width*img.Height {
			return nil, fmt.Errorf("segmentation: mask %d has %d pixels, the image %d by %d", k, len(mask), img.Width, img.Height)
		}
		for i, class := range mask {
			c := color.RGBA{A: 255}
			if class != ignored {
				if int(class) >= len(p) {
					return nil, fmt.Errorf("segmentation: mask %d has class %d in row %d, column %d, but the palette has %d colours", k, class, i/img.Width, i%img.Width, len(p))
				}
				c = p[class]
			}
			lay := func(under, over uint8) uint8 {
				return uint8(float64(under) + float64(opacity*(float64(over)-float64(under))) + 0.5)
			}
			panel(k+1, i, color.RGBA{lay(img.Pix[3*i], c.R), lay(img.Pix[3*i+1], c.G), lay(img.Pix[3*i+2], c.B), 255})
		}
	}
	return out, nil
}
