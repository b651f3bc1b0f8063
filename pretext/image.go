package pretext

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"

	"unnas/internal/panics"
)

// Image is a decoded image with its label or mask. It is also an opaque image.Image, for
// png.Encode and others; [FromImage] converts any image.Image.
type Image struct {
	Width, Height int     // in pixels
	Pix           []uint8 // [Height, Width, 3]: red, green and blue of each pixel, row by row
	Label         int     // class of the image, -1 if unlabelled
	Mask          []uint8 // [Height, Width]: class of each pixel, 255 if ignored; nil if there is none
}

const (
	// maxPixels limits the pixels of an image, to 192 MiB.
	maxPixels = 1 << 26
	// maxMemory limits the memory of decoding besides the file: 64 megapixels in three
	// full planes of a progressive file, for example.
	maxMemory = 5 << 28
	// maxWork limits the pixels of all scans: some seconds.
	maxWork = 1 << 31
	// maxHeader limits the bytes read before the size of an image is known.
	maxHeader = 1 << 24
	// maxFile limits the size of a file.
	maxFile = 1 << 28
	// ignored marks an ignored pixel in Image.Mask.
	ignored = 255
)

// Decode decodes a JPEG or PNG image, recognised by its first bytes. The result has label
// -1 and no mask.
//
// Grayscale and CMYK images become RGB, 16-bit samples keep their upper 8 bits.
// Transparency is dropped: a pixel keeps the colour stored in the file. The Exif
// orientation is not applied, see [DecodeUpright], nor is a colour profile.
//
// JPEG files are decoded by image/jpeg, or by another [Decoder]. The one of package
// turbojpeg is faster, decodes more kinds of files, and gives the pixels of libjpeg. Those
// of image/jpeg differ by at most 3 levels, also with chroma subsampling, with two
// exceptions: CMYK files with subsampled colours, whose samples are repeated, and
// progressive files without their last scans, which libjpeg smooths. image/jpeg returns an
// error that names the feature for arithmetic coding, 12-bit samples, unusual sampling
// factors, and restart intervals in scans of one of several components.
//
// Damaged and truncated images are errors, as are JPEG files without a quantisation table.
// PNG chunks not needed for pixels may be damaged, missing or superfluous. These limits are
// checked before memory is taken: 2^26 pixels, 2^28 bytes, 2^24 bytes before the size of a
// JPEG image, 1.25 GiB for decoding, and 2^31 pixels in all scans together.
//
// Errors about the contents of the file are [ErrInvalidImage]; others are those of r and of
// ctx. Decode checks ctx while it reads and decodes, except during the seconds that a
// decoder other than image/jpeg takes. In a search or a training, with the context of Load,
// Decode may wait until other decoders leave enough memory.
func Decode(ctx context.Context, r io.Reader) (*Image, error) {
	return (*Decoder)(nil).Decode(ctx, r)
}

// DecodeUpright is [Decode] that applies the Exif orientation of JPEG images; see
// [Decoder.DecodeUpright].
func DecodeUpright(ctx context.Context, r io.Reader) (*Image, error) {
	return (*Decoder)(nil).DecodeUpright(ctx, r)
}

func (d *Decoder) decode(ctx context.Context, r io.Reader, upright bool) (*Image, error) {
	img, err := d.read(ctx, r, upright)
	if err != nil {
		return nil, fmt.Errorf("pretext: %w", err)
	}
	return img, nil
}

// read is decode without the package name in errors.
func (d *Decoder) read(ctx context.Context, r io.Reader, upright bool) (img *Image, err error) {
	defer func() {
		// A panic of a decoder on arbitrary bytes must not end a run.
		if p := recover(); p != nil {
			img, err = nil, invalid("image decoder failed: %w", panics.Recovered(p))
		}
	}()
	s := newStream(ctx, r)
	s.most = maxHeader
	if err := s.fill(len(pngMagic)); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading image: %w", err)
	}
	switch {
	case bytes.HasPrefix(s.file, []byte("\xff\xd8")):
		img, err = d.decodeJPEG(ctx, s, upright)
	case bytes.HasPrefix(s.file, []byte(pngMagic)):
		img, err = decodePNG(ctx, s)
	case len(s.file) == 0:
		return nil, invalid("the file is empty")
	default:
		return nil, invalid("not a JPEG or PNG image: its first bytes are [% x]", s.file[:min(len(s.file), len(pngMagic))])
	}
	if err != nil && !errors.Is(err, ErrInvalidImage) {
		return nil, fmt.Errorf("reading image: %w", err)
	}
	return img, err
}

// checkSize returns an error if an image of this size has no pixels or too many.
func checkSize(width, height int) error {
	if width <= 0 || height <= 0 || width > maxPixels/height {
		return invalid("image of %d by %d pixels, want 1 to %d pixels in all", width, height, maxPixels)
	}
	return nil
}

// check returns an error if the fields of the image are inconsistent.
func (m *Image) check() error {
	if m == nil {
		return errors.New("pretext: no image")
	}
	if err := checkSize(m.Width, m.Height); err != nil {
		return fmt.Errorf("pretext: %w", err)
	}
	switch {
	case len(m.Pix) != 3*m.Width*m.Height:
		return fmt.Errorf("pretext: image of %d by %d pixels holds %d bytes, want %d", m.Width, m.Height, len(m.Pix), 3*m.Width*m.Height)
	case m.Mask != nil && len(m.Mask) != m.Width*m.Height:
		return fmt.Errorf("pretext: image of %d by %d pixels has a mask of %d bytes, want %d", m.Width, m.Height, len(m.Mask), m.Width*m.Height)
	}
	return nil
}

// ColorModel returns color.RGBAModel.
func (m *Image) ColorModel() color.Model { return color.RGBAModel }

// Bounds returns the rectangle of the image, which starts at (0, 0).
func (m *Image) Bounds() image.Rectangle { return image.Rect(0, 0, m.Width, m.Height) }

// At returns the colour of a pixel, transparent outside of the image.
func (m *Image) At(x, y int) color.Color {
	if !(image.Point{X: x, Y: y}.In(m.Bounds())) {
		return color.RGBA{}
	}
	p := m.Pix[3*(y*m.Width+x):]
	return color.RGBA{R: p[0], G: p[1], B: p[2], A: 255}
}

// Opaque returns true.
func (m *Image) Opaque() bool { return true }

// FromImage converts an image, with label -1 and no mask; it returns an *Image as it is.
// Transparency is dropped: a pixel keeps its colour. Images decoded by image/jpeg and
// image/png become what [Decode] returns, except JPEG files of red, green and blue planes.
func FromImage(m image.Image) *Image {
	switch m := m.(type) {
	case *Image:
		return m
	case *image.RGBA:
		if !m.Opaque() { // colours are premultiplied
			return eachPixel(m)
		}
	case *image.RGBA64:
		if !m.Opaque() {
			return eachPixel(m)
		}
	case *image.YCbCr:
		if m.Rect.Min != (image.Point{}) { // a sub-image, which may start within a chroma sample
			return eachPixel(m)
		}
	}
	return toRGB(m)
}

// eachPixel is toRGB for images of any kind.
func eachPixel(m image.Image) *Image {
	b := m.Bounds()
	img := &Image{Width: b.Dx(), Height: b.Dy(), Pix: make([]uint8, 3*b.Dx()*b.Dy()), Label: -1}
	img.eachRow(func(y int, row []uint8) {
		for x := range img.Width {
			c := color.NRGBAModel.Convert(m.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
			row[3*x], row[3*x+1], row[3*x+2] = c.R, c.G, c.B
		}
	})
	return img
}

// toRGB converts the image types that the JPEG and PNG decoders return.
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
		return eachPixel(m)
	}
	return img
}

// eachRow calls f with every row of the image.
func (m *Image) eachRow(f func(y int, row []uint8)) {
	for y := range m.Height {
		f(y, m.Pix[3*m.Width*y:][:3*m.Width])
	}
}

// interleave fills the image with the first three samples of each pixel. Samples are step
// bytes apart, the upper byte first, and pixels size bytes apart.
func (m *Image) interleave(pix []uint8, stride, size, step int) {
	m.eachRow(func(y int, row []uint8) {
		for x := range m.Width {
			p := pix[y*stride+size*x:]
			row[3*x], row[3*x+1], row[3*x+2] = p[0], p[step], p[2*step]
		}
	})
}
