package picture

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"regexp"

	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgpdf"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The colours of the palette of Okabe and Ito (2008) for all kinds of colour vision.
var (
	Orange        = color.NRGBA{0xe6, 0x9f, 0x00, 0xff}
	SkyBlue       = color.NRGBA{0x56, 0xb4, 0xe9, 0xff}
	BluishGreen   = color.NRGBA{0x00, 0x9e, 0x73, 0xff}
	Blue          = color.NRGBA{0x00, 0x72, 0xb2, 0xff}
	Vermilion     = color.NRGBA{0xd5, 0x5e, 0x00, 0xff}
	ReddishPurple = color.NRGBA{0xcc, 0x79, 0xa7, 0xff}
)

// DPI is the resolution of PNG images, and MaxPixels their largest number of pixels.
const (
	DPI       = 200
	MaxPixels = 1 << 25
)

// A Drawing has a size, and draws itself on a canvas of that size.
type Drawing interface {
	Size() (width, height vg.Length)
	Draw(c vg.Canvas)
}

// SVG writes the drawing as an SVG image whose text can be selected and searched.
func SVG(w io.Writer, d Drawing) error {
	c := vgsvg.New(d.Size())
	d.Draw(c)
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return err
	}
	// The canvas names its only font family. Arial has the same widths and is the
	// fallback. Quotes in text are escaped, so only attributes match.
	svg := bytes.ReplaceAll(b.Bytes(), []byte(`style="font-family:Liberation Sans;`),
		[]byte(`style="font-family:Liberation Sans,Arial,Helvetica,sans-serif;`))
	_, err := w.Write(svg)
	return err
}

// PNG writes the drawing as a PNG image on a white background. It fails if the image
// would exceed MaxPixels.
func PNG(w io.Writer, d Drawing) error {
	width, height := d.Size()
	if pixels := width.Dots(DPI) * height.Dots(DPI); pixels > MaxPixels {
		return fmt.Errorf("%.0f pixels: want at most %d; SVG has no such limit", pixels, MaxPixels)
	}
	c := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(DPI))
	d.Draw(c)
	_, err := (vgimg.PngCanvas{Canvas: c}).WriteTo(w)
	return err
}

// PDF writes the drawing as a PDF document of one page. Text is drawn as shapes, since
// the fonts of vgpdf lack Greek letters.
func PDF(w io.Writer, d Drawing) error {
	c := page{Canvas: vgpdf.New(d.Size())}
	d.Draw(&c)
	if c.err != nil {
		return c.err
	}
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return err
	}
	// Documents have a creation date. A fixed one has the same length, so no offset in
	// the file changes.
	_, err := w.Write(date.ReplaceAll(b.Bytes(), []byte("$1 (D:20000101000000)")))
	return err
}

var date = regexp.MustCompile(`(/CreationDate|/ModDate) \(D:\d{14}\)`)

// A page draws text as glyph outlines, and corrects transparent colours.
type page struct {
	*vgpdf.Canvas
	err error
}

// SetColor sets the current colour; nil is black.
func (c *page) SetColor(paint color.Color) {
	if paint == nil {
		paint = color.Black
	}
	c.Canvas.SetColor(straight(color.NRGBAModel.Convert(paint).(color.NRGBA)))
}

// A straight colour is not premultiplied by its opacity, which vgpdf would apply a
// second time.
type straight color.NRGBA

// RGBA returns the components, in 16 bits each.
func (s straight) RGBA() (r, g, b, a uint32) {
	return 0x101 * uint32(s.R), 0x101 * uint32(s.G), 0x101 * uint32(s.B), 0x101 * uint32(s.A)
}

// FillString draws text starting at the point.
func (c *page) FillString(f font.Face, at vg.Point, text string) {
	var b sfnt.Buffer
	// Font units are exact.
	units := fixed.I(int(f.Face.UnitsPerEm()))
	scale := f.Font.Size / vg.Length(units)
	var path vg.Path
	for _, r := range text {
		glyph, err := f.Face.GlyphIndex(&b, r)
		if err != nil {
			c.err = fmt.Errorf("character %q: %w", r, err)
			return
		}
		segments, err := f.Face.LoadGlyph(&b, glyph, units, nil)
		if err != nil {
			c.err = fmt.Errorf("character %q: %w", r, err)
			return
		}
		for i, s := range segments {
			var p [3]vg.Point
			for k, a := range s.Args {
				p[k] = vg.Point{X: at.X + vg.Length(float64(a.X)*float64(scale)), Y: at.Y - vg.Length(float64(a.Y)*float64(scale))}
			}
			switch s.Op {
			case sfnt.SegmentOpMoveTo:
				if i > 0 {
					path.Close()
				}
				path.Move(p[0])
			case sfnt.SegmentOpLineTo:
				path.Line(p[0])
			case sfnt.SegmentOpQuadTo:
				path.QuadTo(p[0], p[1])
			case sfnt.SegmentOpCubeTo:
				path.CubeTo(p[0], p[1], p[2])
			}
		}
		if len(segments) > 0 {
			path.Close()
		}
		at.X += f.Width(string(r))
	}
	if len(path) > 0 {
		c.Fill(path)
	}
}

// Disc adds a disc to a path, as four curves: canvases draw arcs differently.
func Disc(path *vg.Path, centre vg.Point, radius vg.Length) {
	const k = 4 * (math.Sqrt2 - 1) / 3 // length of the tangents
	at := func(x, y vg.Length) vg.Point {
		return vg.Point{X: centre.X + vg.Length(x*radius), Y: centre.Y + vg.Length(y*radius)}
	}
	path.Move(at(1, 0))
	path.CubeTo(at(1, k), at(k, 1), at(0, 1))
	path.CubeTo(at(-k, 1), at(-1, k), at(-1, 0))
	path.CubeTo(at(-1, -k), at(-k, -1), at(0, -1))
	path.CubeTo(at(k, -1), at(1, -k), at(1, 0))
	path.Close()
}
