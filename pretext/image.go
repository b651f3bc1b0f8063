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

// Image is a decoded image and what is known about it. It is an image.Image too, of
// opaque pixels, so png.Encode and others take it as it is; [FromImage] makes one of
// any image.Image.
type Image struct {
	Width, Height int     // in pixels
	Pix           []uint8 // [Height, Width, 3]: red, green and blue of each pixel, row by row
	Label         int     // class of the image, -1 if it has none
	Mask          []uint8 // [Height, Width]: class of each pixel, 255 where it is ignored; nil if there is none
}

const (
	// maxPixels bounds the memory that an image can ask for: 192 MiB of pixels.
	maxPixels = 1 << 26
	// maxMemory bounds what decoding takes besides the file: 64 megapixels in three
	// whole planes of a progressive file, for example.
	maxMemory = 5 << 28
	// maxWork bounds the pixels of all scans: some seconds.
	maxWork = 1 << 31
	// maxHeader bounds what is read before the size of an image is known.
	maxHeader = 1 << 24
	// maxFile bounds the size of a file.
	maxFile = 1 << 28
	// ignored is what Image.Mask holds for a pixel that does not count.
	ignored = 255
)

// Decode reads a JPEG or PNG image, told apart by their first bytes. The result
// has label -1 and no mask.
//
// Grey and CMYK images become RGB, samples of 16 bits keep the upper 8.
// Transparency is dropped: a pixel keeps the colour that it has in the file. The
// orientation in a file's Exif data is not applied, see [DecodeUpright], nor is a colour
// profile.
//
// JPEG files are decoded by image/jpeg, or by another [Decoder]. That of package
// turbojpeg decodes faster, decodes more kinds of files, and gives the
// pixels of libjpeg. Those of image/jpeg differ from them by 3 levels at most, chroma
// that is stored at half size included, with two exceptions: CMYK files that store
// colours at half size, whose samples are repeated, and progressive files that lack
// their last scans, which libjpeg smooths. What image/jpeg cannot decode gives an
// error that names it: arithmetic coding, samples of 12 bits, unusual sampling
// factors, and restart intervals in scans of one of several components.
//
// Damaged and truncated images are errors, those of a JPEG file that lacks a
// quantisation table too. In PNG files, what pixels do not need may be damaged, missing
// or too much. An image of more than 2^26 pixels is an error before memory is taken
// for them, and so are more than 2^28 bytes, more than 2^24 of them before the size
// of a JPEG image, one that would take more than 1.25 GiB to decode, and one with
// more than 2^31 pixels in all of its scans together.
//
// Errors about what the file holds are [ErrInvalidImage]; others are those of r and,
// once it ends, of ctx, which Decode looks at while it reads and decodes, but for
// the seconds that a decoder other than Go's takes. In a search or a training Decode
// may wait, with the context that Load has, until other decoders leave enough memory.
func Decode(ctx context.Context, r io.Reader) (*Image, error) {
	return (*Decoder)(nil).Decode(ctx, r)
}

// DecodeUpright is [Decode], and turns a JPEG image as the orientation in its Exif
// data asks for; see [Decoder.DecodeUpright].
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

// read is decode whose errors lack the name of the package.
func (d *Decoder) read(ctx context.Context, r io.Reader, upright bool) (img *Image, err error) {
	defer func() {
		// A data set may hold any bytes; a slip of a decoder must not end a run.
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

// check returns an error if the fields of the image do not fit together.
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

// ColorModel is that of color.RGBA.
func (m *Image) ColorModel() color.Model { return color.RGBAModel }

// Bounds returns the rectangle of the image, which begins at (0, 0).
func (m *Image) Bounds() image.Rectangle { return image.Rect(0, 0, m.Width, m.Height) }

// At returns the colour of a pixel, and one without colour outside of the image.
func (m *Image) At(x, y int) color.Color {
	if !(image.Point{X: x, Y: y}.In(m.Bounds())) {
		return color.RGBA{}
	}
	p := m.Pix[3*(y*m.Width+x):]
	return color.RGBA{R: p[0], G: p[1], B: p[2], A: 255}
}

// Opaque says that all pixels are opaque.
func (m *Image) Opaque() bool { return true }

// FromImage returns the colours of an image, with label -1 and no mask; an *Image is
// returned as it is. Transparency is dropped: a pixel keeps its colour. What image/jpeg
// and image/png decode becomes what [Decode] gives, JPEG files of red, green and blue
// planes excepted.
func FromImage(m image.Image) *Image {
	switch m := m.(type) {
	case *Image:
		return m
	case *image.RGBA:
		if !m.Opaque() { // its colours are multiplied by their opacity
			return eachPixel(m)
		}
	case *image.RGBA64:
		if !m.Opaque() {
			return eachPixel(m)
		}
	case *image.YCbCr:
		if m.Rect.Min != (image.Point{}) { // a part, which may begin within a chroma sample
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
