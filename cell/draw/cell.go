package draw

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/font/liberation"
	"gonum.org/v1/plot/vg"

	"unnas/cell"
	"unnas/internal/atomicfile"
	"unnas/internal/picture"
)

// A Cell draws one cell of a genotype: its inputs on the left, the output on the
// right, the intermediate nodes between them, numbered from 0 as in the papers, and an
// arrow per edge, labelled with its operation. Grey lines connect the concatenated
// nodes with the output.
//
// Each family of operations (separable convolutions, max pooling, …) has a colour of
// the palette of Okabe and Ito (2008) for all kinds of colour vision. Equal cells give
// equal bytes. Writing fails if the genotype is invalid (see [cell.Genotype.Validate]),
// if the title has unprintable characters, or if the writer fails.
type Cell struct {
	Title     string // above the cell; may be empty
	Genotype  cell.Genotype
	Reduction bool // draws the reduction cell; otherwise the normal or only one
}

// Cells returns the cells of a genotype: the normal and the reduction cell, or the only one.
func Cells(g cell.Genotype) []Cell {
	if g.Dense() {
		return []Cell{{Title: "cell", Genotype: g}}
	}
	return []Cell{{Title: "normal cell", Genotype: g}, {Title: "reduction cell", Genotype: g, Reduction: true}}
}

// WriteSVG writes the cell as an SVG image whose text can be selected and searched.
func (p Cell) WriteSVG(w io.Writer) error { return p.write(w, picture.SVG) }

// WritePNG writes the cell as a PNG image of 200 pixels per inch on a white
// background. It also fails if the image would exceed 2²⁵ pixels; a published cell has
// about a million.
func (p Cell) WritePNG(w io.Writer) error { return p.write(w, picture.PNG) }

// WritePDF writes the cell as a PDF document with one page of the size of the drawing.
func (p Cell) WritePDF(w io.Writer) error { return p.write(w, picture.PDF) }

// Save writes the cell to a file in the format of its extension: .svg, .png, .pdf or
// .dot. An existing file is replaced, or kept if writing fails.
func (p Cell) Save(path string) error {
	return save(path, map[string]func(io.Writer) error{
		".svg": p.WriteSVG, ".png": p.WritePNG, ".pdf": p.WritePDF, ".dot": p.WriteDOT,
	})
}

func save(path string, formats map[string]func(io.Writer) error) error {
	if err := atomicfile.WriteAs(path, formats); err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	return nil
}

func (p Cell) write(w io.Writer, format func(io.Writer, picture.Drawing) error) error {
	d, err := p.drawing()
	if err == nil {
		err = format(w, d)
	}
	if err != nil {
		return fmt.Errorf("draw: cell: %w", err)
	}
	return nil
}

func (p Cell) validate() error {
	if p.Reduction && p.Genotype.Dense() {
		return errors.New("the genotype is dense and has no reduction cell")
	}
	return Pair{p.Title, p.Genotype}.validate()
}

func (p Cell) parts() (edges []cell.Edge, concat []int) {
	if p.Reduction {
		return p.Genotype.Reduce, p.Genotype.ReduceConcat
	}
	return p.Genotype.Normal, outputs(p.Genotype)
}

// outputs returns the nodes that make the output of the normal or only cell.
func outputs(g cell.Genotype) []int {
	if g.Dense() {
		return []int{g.Inputs() + g.Nodes() - 1}
	}
	return g.NormalConcat
}

func validateTitle(title string) error {
	if !utf8.ValidString(title) || strings.ContainsFunc(title, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("title %.60q: want printable characters", title)
	}
	return nil
}

const (
	margin     = 4.0
	titleSize  = 9.0
	titleSpace = 20.0
	textSize   = 8.0
	indexSize  = 6.0
	opPad      = 5.0 // beside the text of a label
	edgeWidth  = 1.1
	thinWidth  = 0.8 // of frames and of the lines to the output
	headLength = 5.0 // of an arrow
	headWidth  = 4.5
	radius     = 3.0 // of a corner
)

var (
	ink   = color.NRGBA{0x22, 0x22, 0x22, 0xff}
	paper = color.NRGBA{0xff, 0xff, 0xff, 0xff}
	pale  = color.NRGBA{0xe9, 0xe9, 0xe9, 0xff}
	grey  = color.NRGBA{0x99, 0x99, 0x99, 0xff}
)

// family splits the name of an operation at its sizes: sep_conv_3x3 is of family
// sep_conv.
func family(op string) (name, sizes string) {
	if i := strings.IndexAny(op, "0123456789"); i >= 0 {
		return strings.TrimRight(op[:i], "_"), op[i:]
	}
	return op, ""
}

// colour returns the colour of an operation's family. All unknown families share one
// colour.
func colour(op string) color.NRGBA {
	switch name, _ := family(op); name {
	case "sep_conv":
		return picture.Blue
	case "dil_conv", "dil_sep_conv":
		return picture.Vermilion
	case "max_pool":
		return picture.BluishGreen
	case "avg_pool":
		return picture.Orange
	case "conv", "nor_conv":
		return picture.ReddishPurple
	case "skip_connect":
		return color.NRGBA{0x55, 0x55, 0x55, 0xff} // dark grey
	}
	return picture.SkyBlue
}

// A drawing is a cell with its layout.
type drawing struct {
	title string
	edges []cell.Edge
	*layout
	faces
}

// faces are the fonts of a drawing, of several sizes.
type faces struct{ plain, bold, small font.Face }

func newFaces(plain, bold, small vg.Length) faces {
	fonts := font.NewCache(liberation.Collection())
	sans := font.Font{Typeface: "Liberation", Variant: "Sans"}
	heavy := font.Font{Typeface: "Liberation", Variant: "Sans", Weight: xfont.WeightBold}
	return faces{fonts.Lookup(sans, plain), fonts.Lookup(heavy, bold), fonts.Lookup(sans, small)}
}

func (p Cell) drawing() (*drawing, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	edges, concat := p.parts()
	d := &drawing{title: p.Title, edges: edges, faces: newFaces(textSize, titleSize, indexSize)}
	var widest vg.Length
	for _, e := range edges {
		widest = max(widest, d.plain.Width(e.Op))
	}
	d.layout = newLayout(p.Genotype, edges, concat, float64(widest)+2*opPad)
	return d, nil
}

// Size returns the size of the drawing.
func (d *drawing) Size() (width, height vg.Length) {
	width = max(vg.Length(d.width), d.bold.Width(d.title)) + 2*margin
	height = vg.Length(d.height) + 2*margin
	if d.title != "" {
		height += titleSpace
	}
	return width, height
}

// Draw draws the cell.
func (d *drawing) Draw(c vg.Canvas) {
	width, height := d.Size()
	if d.title != "" {
		c.SetColor(ink)
		c.FillString(d.bold, vg.Point{X: (width - d.bold.Width(d.title)) / 2, Y: height - margin - titleSize}, d.title)
	}
	c.Translate(vg.Point{X: (width - vg.Length(d.width)) / 2, Y: margin})
	for i := range d.lines {
		if i < len(d.edges) {
			drawArrow(c, d.path(i), colour(d.edges[i].Op), edgeWidth)
		} else {
			drawArrow(c, d.path(i), grey, thinWidth)
		}
	}
	for i, e := range d.edges {
		drawBox(c, d.opBox(i), tint(colour(e.Op)), colour(e.Op), thinWidth)
		d.drawText(c, d.opBox(i), e.Op, "")
	}
	for n := range d.nodes {
		switch {
		case n < d.inputs:
			drawBox(c, d.nodeBox(n), pale, ink, thinWidth)
			d.drawText(c, d.nodeBox(n), "c", fmt.Sprintf("k−%d", d.inputs-n))
		case n < len(d.nodes)-1:
			drawBox(c, d.nodeBox(n), paper, ink, thinWidth)
			d.drawText(c, d.nodeBox(n), strconv.Itoa(n-d.inputs), "")
		default:
			drawBox(c, d.nodeBox(n), pale, ink, thinWidth)
			d.drawText(c, d.nodeBox(n), "c", "k")
		}
	}
}

// drawText centres a text with a subscript in a box.
func (f faces) drawText(c vg.Canvas, box vg.Rectangle, text, index string) {
	size := f.plain.Font.Size
	width := f.plain.Width(text) + f.small.Width(index)
	at := vg.Point{
		X: vg.Length((box.Min.X + box.Max.X - width) / 2),
		Y: vg.Length((box.Min.Y+box.Max.Y)/2) - vg.Length(0.34*size), // half the height of a capital letter
	}
	c.SetColor(ink)
	c.FillString(f.plain, at, text)
	if index != "" {
		c.FillString(f.small, vg.Point{X: at.X + f.plain.Width(text), Y: at.Y - vg.Length(0.25*size)}, index)
	}
}

// drawArrow draws a line with a head. The line must arrive from the left.
func drawArrow(c vg.Canvas, path vg.Path, colour color.Color, width vg.Length) {
	end := &path[len(path)-1].Pos
	tip := *end
	end.X -= headLength / 2 // so that the blunt end stays inside the head
	c.SetColor(colour)
	c.SetLineWidth(width)
	c.Stroke(path)
	var head vg.Path
	head.Move(tip)
	head.Line(vg.Point{X: tip.X - headLength, Y: tip.Y + headWidth/2})
	head.Line(vg.Point{X: tip.X - headLength, Y: tip.Y - headWidth/2})
	head.Close()
	c.Fill(head)
}

// drawBox draws a box with round corners.
func drawBox(c vg.Canvas, box vg.Rectangle, fill, frame color.Color, width vg.Length) {
	lo, hi := box.Min, box.Max
	at := func(x, y vg.Length) vg.Point { return vg.Point{X: x, Y: y} }
	var path vg.Path
	path.Move(at(lo.X+radius, lo.Y))
	path.Line(at(hi.X-radius, lo.Y))
	path.QuadTo(at(hi.X, lo.Y), at(hi.X, lo.Y+radius))
	path.Line(at(hi.X, hi.Y-radius))
	path.QuadTo(at(hi.X, hi.Y), at(hi.X-radius, hi.Y))
	path.Line(at(lo.X+radius, hi.Y))
	path.QuadTo(at(lo.X, hi.Y), at(lo.X, hi.Y-radius))
	path.Line(at(lo.X, lo.Y+radius))
	path.QuadTo(at(lo.X, lo.Y), at(lo.X+radius, lo.Y))
	path.Close()
	c.SetColor(fill)
	c.Fill(path)
	c.SetColor(frame)
	c.SetLineWidth(width)
	c.Stroke(path)
}

// tint returns the colour mixed with white.
func tint(c color.NRGBA) color.NRGBA {
	mix := func(v uint8) uint8 { return uint8(255 - (255-int(v))*15/100) }
	return color.NRGBA{mix(c.R), mix(c.G), mix(c.B), 0xff}
}
