package picture_test

import (
	"bytes"
	"compress/zlib"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/vg"

	"unnas/internal/picture"
)

// sheet is a disc on a sheet of the given size in inches, with a text.
type sheet struct{ width, height vg.Length }

func (s sheet) Size() (width, height vg.Length) { return s.width * vg.Inch, s.height * vg.Inch }

func (s sheet) Draw(c vg.Canvas) {
	var path vg.Path
	picture.Disc(&path, vg.Point{X: 0.5 * vg.Inch, Y: 0.25 * vg.Inch}, 0.2*vg.Inch)
	c.SetColor(nil)
	c.SetColor(picture.Blue)
	c.Fill(path)
	paint := picture.Blue
	paint.A = 0x80
	c.SetColor(paint)
	sans := font.NewCache(liberation.Collection()).Lookup(font.Font{Typeface: "Liberation", Variant: "Sans"}, 8)
	c.FillString(sans, vg.Point{X: 0.8 * vg.Inch, Y: 0.2 * vg.Inch}, "ρ = 1 <&>")
}

var formats = map[string]func(io.Writer, picture.Drawing) error{"SVG": picture.SVG, "PNG": picture.PNG, "PDF": picture.PDF}

func TestFormats(t *testing.T) {
	for name, format := range formats {
		t.Run(name, func(t *testing.T) {
			var b, again bytes.Buffer
			require.NoError(t, format(&b, sheet{2, 0.5}))
			require.NoError(t, format(&again, sheet{2, 0.5}))
			assert.True(t, bytes.Equal(b.Bytes(), again.Bytes()))
			assert.ErrorIs(t, format(full{}, sheet{2, 0.5}), errFull)
		})
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestSVG(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, picture.SVG(&b, sheet{2, 0.5}))
	assert.Contains(t, b.String(), ">ρ = 1 &lt;&amp;&gt;<")
	assert.Contains(t, b.String(), "font-family:Liberation Sans,Arial,Helvetica,sans-serif;")
}

func TestPNG(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, picture.PNG(&b, sheet{2, 0.5}))
	img, err := png.Decode(&b)
	require.NoError(t, err)
	assert.Equal(t, []int{2 * picture.DPI, picture.DPI / 2}, []int{img.Bounds().Dx(), img.Bounds().Dy()})
	at := func(x, y int) color.Color { return color.NRGBAModel.Convert(img.At(x, y)) }
	paper := color.NRGBA{0xff, 0xff, 0xff, 0xff}
	for _, p := range [][2]int{{100, 50}, {100 + 26, 50 + 26}, {100 - 38, 50}, {100, 50 + 38}} { // the radius is 40 pixels
		assert.Equal(t, picture.Blue, at(p[0], p[1]), "%v is in the disc", p)
	}
	for _, p := range [][2]int{{100 + 30, 50 + 30}, {100 - 42, 50}, {100, 50 - 42}} {
		assert.Equal(t, paper, at(p[0], p[1]), "%v is outside the disc", p)
	}
	assert.ErrorContains(t, picture.PNG(io.Discard, sheet{100, 20}), "80000000 pixels: want at most 33554432")
}

func TestPDF(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, picture.PDF(&b, sheet{2, 0.5}))
	assert.Contains(t, b.String(), "/CreationDate (D:20000101000000)\n/ModDate (D:20000101000000)")
	assert.Contains(t, b.String(), "/MediaBox [0 0 144.00 36.00]")
	assert.Contains(t, b.String(), "/ca 0.502", "half transparent")
	assert.NotContains(t, b.String(), "/FontFile", "text is drawn as shapes")
	_, stream, found := strings.Cut(b.String(), "stream\n")
	require.True(t, found)
	inflated, err := zlib.NewReader(strings.NewReader(stream))
	require.NoError(t, err)
	page, err := io.ReadAll(inflated)
	require.NoError(t, err)
	blue := "0.000 0.447 0.698 rg"
	assert.Equal(t, 2, strings.Count(string(page), blue), "whatever its opacity:\n%s", page)
}

// dot is a disc with a radius of a tenth of an inch on a square inch.
type dot struct {
	x     vg.Length
	paint color.NRGBA
}

func (dot) Size() (width, height vg.Length) { return vg.Inch, vg.Inch }

func (d dot) Draw(c vg.Canvas) {
	var path vg.Path
	picture.Disc(&path, vg.Point{X: d.x * vg.Inch, Y: 0.5 * vg.Inch}, 0.1*vg.Inch)
	c.SetColor(d.paint)
	c.Fill(path)
}

func TestGIF(t *testing.T) {
	frames := []picture.Drawing{dot{0.3, picture.Blue}, dot{0.7, picture.Orange}, dot{0.7, picture.Orange}}
	var b, again bytes.Buffer
	require.NoError(t, picture.GIF(&b, frames, 200*time.Millisecond, time.Second))
	require.NoError(t, picture.GIF(&again, frames, 200*time.Millisecond, time.Second))
	assert.True(t, bytes.Equal(b.Bytes(), again.Bytes()))
	assert.ErrorIs(t, picture.GIF(full{}, frames, time.Second, time.Second), errFull)

	g, err := gif.DecodeAll(&b)
	require.NoError(t, err)
	assert.Equal(t, []int{20, 20, 100}, g.Delay)
	assert.Equal(t, []int{picture.GIFDPI, picture.GIFDPI}, []int{g.Config.Width, g.Config.Height})
	assert.Equal(t, image.Rect(20, 40, 80, 60), g.Image[1].Rect, "what both discs cover")
	assert.Equal(t, image.Rect(0, 0, 1, 1), g.Image[2].Rect, "nothing new")
	at := func(frame, x, y int) color.Color { return color.NRGBAModel.Convert(g.Image[frame].At(x, y)) }
	paper := color.NRGBA{0xff, 0xff, 0xff, 0xff}
	assert.Equal(t, []color.Color{picture.Blue, paper}, []color.Color{at(0, 30, 50), at(0, 70, 50)})
	assert.Equal(t, []color.Color{paper, picture.Orange}, []color.Color{at(1, 30, 50), at(1, 70, 50)})
}

// many is a picture of more colours than a GIF image may have.
type many struct{ dot }

func (m many) Draw(c vg.Canvas) {
	for i := range 100 {
		for k := range 10 {
			var path vg.Path
			x, y := vg.Length(i)*vg.Inch/100, vg.Length(k)*vg.Inch/10
			path.Move(vg.Point{X: x, Y: y})
			path.Line(vg.Point{X: x + vg.Inch/100, Y: y})
			path.Line(vg.Point{X: x + vg.Inch/100, Y: y + vg.Inch/10})
			path.Line(vg.Point{X: x, Y: y + vg.Inch/10})
			path.Close()
			c.SetColor(color.NRGBA{uint8(2 * i), uint8(20 * k), 0, 0xff})
			c.Fill(path)
		}
	}
	m.dot.Draw(c)
}

func TestGIFOfManyColours(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, picture.GIF(&b, []picture.Drawing{many{dot{0.5, picture.SkyBlue}}}, 0, 0))
	g, err := gif.Decode(&b)
	require.NoError(t, err)
	palette := g.(*image.Paletted).Palette
	assert.Len(t, palette, 256)
	assert.Contains(t, palette, color.Color(color.RGBA{0x56, 0xb4, 0xe9, 0xff}), "a frequent one is kept")
	for _, x := range []int{5, 30, 90} {
		drawn := color.RGBA{uint8(2 * x), 20 * 9, 0, 0xff} // in the top row
		assert.Equal(t, palette.Convert(drawn), g.At(x, 5), "or becomes the most similar one")
	}
}

func TestGIFErrors(t *testing.T) {
	assert.EqualError(t, picture.GIF(io.Discard, nil, 0, 0), "no frames: want at least one")
	assert.EqualError(t, picture.GIF(io.Discard, []picture.Drawing{sheet{1, 1}, sheet{1, 2}}, 0, 0), "frame 1 differs in size from the first")
	frames := slices.Repeat([]picture.Drawing{sheet{10, 10}}, 68)
	assert.EqualError(t, picture.GIF(io.Discard, frames, 0, 0), "68000000 pixels in 68 frames: want at most 67108864; take fewer frames")
}
