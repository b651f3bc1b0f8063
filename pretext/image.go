package pretext

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
)

// Image is a decoded image and what is known about it.
type Image struct {
	Width, Height int     // in pixels
	Pix           []uint8 // [Height, Width, 3]: red, green and blue of each pixel, row by row
	Label         int     // class of the image, -1 if it has none
	Mask          []uint8 // [Height, Width]: class of each pixel, 255 where it is ignored; nil if there is none
}

const (
	// maxPixels bounds the memory that an image can ask for: 192 MiB of pixels.
	maxPixels = 1 << 26
	// maxHeader bounds what is read before the size of an image is known.
	maxHeader = 1 << 24
	// ignored is what Image.Mask holds for a pixel that does not count.
	ignored = 255
)

// Decode reads a JPEG or PNG image, told apart by their first bytes. The result
// has label -1 and no mask.
//
// Chroma that a JPEG file stores at half size is interpolated with the triangle
// filter of libjpeg, so that pixels differ from that library's by 3 levels at
// most. Grey and CMYK images become RGB, samples of 16 bits keep the upper 8.
// Transparency is dropped: a pixel keeps the colour that it has in the file. The
// orientation in a file's Exif data is not applied. Package turbojpeg makes it
// faster, with pixels equal to libjpeg's.
//
// It returns an error, and takes no memory for pixels, if the header announces
// more than 2^26 pixels. Damaged and truncated images are errors too.
func Decode(r io.Reader) (img *Image, err error) {
	defer func() {
		// A data set may hold any bytes; a slip of a decoder must not end a run.
		if p := recover(); p != nil {
			img, err = nil, fmt.Errorf("pretext: image decoder failed: %v", p)
		}
	}()
	// What the header takes is kept in head, to be read once more with the pixels.
	var head bytes.Buffer
	header := io.TeeReader(io.LimitReader(r, maxHeader), &head)
	magic := make([]byte, 8)
	n, err := io.ReadFull(header, magic)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("pretext: reading image: %w", err)
	}
	header = io.MultiReader(bytes.NewReader(magic[:n]), header)

	var c image.Config
	var decode func(io.Reader) (image.Image, error)
	var other *jpegDecoder
	switch {
	case bytes.HasPrefix(magic, []byte("\xff\xd8")):
		other = otherJPEG.Load()
		decode = jpeg.Decode
		c, err = jpeg.DecodeConfig(header)
	case string(magic) == "\x89PNG\r\n\x1a\n":
		decode = png.Decode
		c, err = png.DecodeConfig(header)
	default:
		return nil, fmt.Errorf("pretext: not a JPEG or PNG image: its first bytes are [% x]", magic[:n])
	}
	if err != nil {
		return nil, fmt.Errorf("pretext: image header: %w", err)
	}
	if err := checkSize(c.Width, c.Height); err != nil {
		return nil, err
	}
	if other != nil {
		if img, err := other.try(&head, r, c.Width, c.Height); img != nil || err != nil {
			return img, err
		}
	}
	m, err := decode(io.MultiReader(&head, r))
	if err != nil {
		return nil, fmt.Errorf("pretext: decoding image: %w", err)
	}
	return toRGB(m), nil
}

// checkSize returns an error if an image of this size has no pixels or too many.
func checkSize(width, height int) error {
	if width <= 0 || height <= 0 || width > maxPixels/height {
		return fmt.Errorf("pretext: image of %d by %d pixels, want 1 to %d pixels in all", width, height, maxPixels)
	}
	return nil
}

// check returns an error if the fields of the image do not fit together.
func (m *Image) check() error {
	if m == nil {
		return errors.New("pretext: no image")
	}
	if err := checkSize(m.Width, m.Height); err != nil {
		return err
	}
	switch {
	case len(m.Pix) != 3*m.Width*m.Height:
		return fmt.Errorf("pretext: image of %d by %d pixels holds %d bytes, want %d", m.Width, m.Height, len(m.Pix), 3*m.Width*m.Height)
	case m.Mask != nil && len(m.Mask) != m.Width*m.Height:
		return fmt.Errorf("pretext: image of %d by %d pixels has a mask of %d bytes, want %d", m.Width, m.Height, len(m.Mask), m.Width*m.Height)
	}
	return nil
}

// toRGB copies the colours of what the JPEG and PNG decoders return.
func toRGB(m image.Image) *Image {
	b := m.Bounds()
	img := &Image{Width: b.Dx(), Height: b.Dy(), Label: -1}
	img.Pix = make([]uint8, 3*img.Width*img.Height)
	switch m := m.(type) {
	case *image.YCbCr:
		img.fromYCbCr(m)
	case *image.Gray:
		img.interleave(m.Pix, m.Stride, 1, 0)
	case *image.Gray16:
		img.interleave(m.Pix, m.Stride, 2, 0)
	case *image.RGBA: // of opaque files only, so nothing is premultiplied
		img.interleave(m.Pix, m.Stride, 4, 1)
	case *image.NRGBA:
		img.interleave(m.Pix, m.Stride, 4, 1)
	case *image.RGBA64: // opaque too
		img.interleave(m.Pix, m.Stride, 8, 2)
	case *image.NRGBA64:
		img.interleave(m.Pix, m.Stride, 8, 2)
	default: // palettes and CMYK
		img.eachRow(func(y int, row []uint8) {
			for x := range img.Width {
				c := color.NRGBAModel.Convert(m.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
				row[3*x], row[3*x+1], row[3*x+2] = c.R, c.G, c.B
			}
		})
	}
	return img
}

// eachRow calls f with every row of the image.
func (m *Image) eachRow(f func(y int, row []uint8)) {
	for y := range m.Height {
		f(y, m.Pix[3*m.Width*y:][:3*m.Width])
	}
}

// interleave fills the image with the first three samples of each pixel. Samples
// lie step bytes apart, the upper byte first, and pixels size bytes apart.
func (m *Image) interleave(pix []uint8, stride, size, step int) {
	m.eachRow(func(y int, row []uint8) {
		for x := range m.Width {
			p := pix[y*stride+size*x:]
			row[3*x], row[3*x+1], row[3*x+2] = p[0], p[step], p[2*step]
		}
	})
}
