package draw

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"

	"unnas/cell"
	"unnas/internal/picture"
)

// A Pair draws both cells of a genotype, or its only one, beside each other, in a compact form: the line
// of each node runs to the right, and each operation hangs below the line of its input,
// in the column of its node. Operations have short names, sep 3×3 for sep_conv_3x3, and
// the colours of a [Cell]; a legend explains them. Nodes and edges have the same places
// in all cells with equal numbers of nodes, for comparison.
//
// A pair of four nodes is 8 inches wide; scaled to a text width of 6½ inches, its labels
// have almost 6 points. Equal pairs give equal bytes. Writing fails if the genotype is
// invalid (see [cell.Genotype.Validate]), if the title has unprintable characters, or if
// the writer fails.
type Pair struct {
	Title    string // above the cells; may be empty
	Genotype cell.Genotype
}

// WriteSVG writes the pair as an SVG image whose text can be selected and searched.
func (p Pair) WriteSVG(w io.Writer) error { return p.write(w, picture.SVG) }

// WritePNG writes the pair as a PNG image of 200 pixels per inch on a white background.
// It also fails if the image would exceed 2²⁵ pixels.
func (p Pair) WritePNG(w io.Writer) error { return p.write(w, picture.PNG) }

// WritePDF writes the pair as a PDF document with one page of the size of the drawing.
func (p Pair) WritePDF(w io.Writer) error { return p.write(w, picture.PDF) }

// Save writes the pair to a file in the format of its extension: .svg, .png or .pdf. An
// existing file is replaced, or kept if writing fails.
func (p Pair) Save(path string) error {
	return save(path, map[string]func(io.Writer) error{".svg": p.WriteSVG, ".png": p.WritePNG, ".pdf": p.WritePDF})
}

func (p Pair) write(w io.Writer, format func(io.Writer, picture.Drawing) error) error {
	err := p.validate()
	if err == nil {
		err = format(w, newTable([][]Pair{{p}}, true))
	}
	if err != nil {
		return fmt.Errorf("draw: pair: %w", err)
	}
	return nil
}

func (p Pair) validate() error {
	if err := validateTitle(p.Title); err != nil {
		return err
	}
	return p.Genotype.Validate(nil)
}

// A Sheet is rows of pairs, each with the reduction cell below the normal one: for
// instance a row per task and a column per data set. Rows may differ in length. Two
// pairs of four nodes beside each other are 8 inches wide, as one Pair is. Equal sheets
// give equal bytes.
//
// Writing fails if the sheet has no pairs, or as writing a [Pair] does.
type Sheet [][]Pair

// WriteSVG writes the sheet as an SVG image whose text can be selected and searched.
func (s Sheet) WriteSVG(w io.Writer) error { return s.write(w, picture.SVG) }

// WritePNG writes the sheet as a PNG image of 200 pixels per inch on a white background.
// It also fails if the image would exceed 2²⁵ pixels, about a hundred pairs of four
// nodes.
func (s Sheet) WritePNG(w io.Writer) error { return s.write(w, picture.PNG) }

// WritePDF writes the sheet as a PDF document with one page of the size of the drawing.
func (s Sheet) WritePDF(w io.Writer) error { return s.write(w, picture.PDF) }

// Save writes the sheet to a file in the format of its extension: .svg, .png or .pdf. An
// existing file is replaced, or kept if writing fails.
func (s Sheet) Save(path string) error {
	return save(path, map[string]func(io.Writer) error{".svg": s.WriteSVG, ".png": s.WritePNG, ".pdf": s.WritePDF})
}

func (s Sheet) write(w io.Writer, format func(io.Writer, picture.Drawing) error) error {
	err := s.validate()
	if err == nil {
		err = format(w, newTable(s, false))
	}
	if err != nil {
		return fmt.Errorf("draw: sheet: %w", err)
	}
	return nil
}

func (s Sheet) validate() error {
	empty := true
	for i, row := range s {
		for k, p := range row {
			if err := p.validate(); err != nil {
				return fmt.Errorf("row %d, pair %d: %w", i, k, err)
			}
			empty = false
		}
	}
	if empty {
		return errors.New("no pairs")
	}
	return nil
}

// Sizes in a table, in points.
const (
	tableTitle  = 8.0
	tableSpace  = 14.0 // of a title
	tableGap    = 10.0 // between cells of a pair
	tablePad    = 18.0 // between pairs
	tableLegend = 16.0 // height of a line
)

// A table is a drawing of rows of pairs.
type table struct {
	faces
	rows    [][]block
	beside  bool        // the cells of a pair stand beside each other, not below
	title   bool        // whether any pair has one
	width   vg.Length   // of a block
	heights []vg.Length // of the blocks of each row
	columns int
	legend  [][]entry
	widest  vg.Length // width of the widest entry
}

// A block is a pair with its layout.
type block struct {
	title string
	cells []chart // normal, reduction; or the only one
}

func newBlock(p Pair, normal, reduction *plan) block {
	g := p.Genotype
	if g.Dense() {
		return block{p.Title, []chart{{plan: normal, name: "cell", edges: g.Normal, concat: outputs(g)}}}
	}
	return block{p.Title, []chart{
		{plan: normal, name: "normal cell", edges: g.Normal, concat: g.NormalConcat},
		{plan: reduction, name: "reduction cell", edges: g.Reduce, concat: g.ReduceConcat},
	}}
}

// An entry of the legend explains a family of operations.
type entry struct {
	label, text string
	paint       color.NRGBA
	stroke      vg.Length
	width       vg.Length // of the label
}

func newTable(rows [][]Pair, beside bool) *table {
	opWidth := labelWidth(slices.Concat(rows...))
	blocks := make([][]block, len(rows))
	for i, row := range rows {
		for _, p := range row {
			g := p.Genotype
			blocks[i] = append(blocks[i], newBlock(p, newPlan(opWidth, g, g.Normal), newPlan(opWidth, g, g.Reduce)))
		}
	}
	return layTable(blocks, beside)
}

func chartFaces() faces { return newFaces(chartText, tableTitle, chartIndex) }

// labelWidth returns the width of the widest operation label.
func labelWidth(pairs []Pair) float64 {
	f := chartFaces()
	var widest vg.Length
	for _, p := range pairs {
		for _, e := range slices.Concat(p.Genotype.Normal, p.Genotype.Reduce) {
			widest = max(widest, f.plain.Width(short(e.Op)))
		}
	}
	return float64(widest) + 2*chartPad
}

// layTable gives all blocks the same width and those of a row the same height, and adds
// a legend of the families in use.
func layTable(rows [][]block, beside bool) *table {
	t := &table{faces: chartFaces(), rows: rows, beside: beside, heights: make([]vg.Length, len(rows))}
	used := map[string]bool{} // short names
	fresh := false
	for i, row := range rows {
		t.columns = max(t.columns, len(row))
		for _, b := range row {
			t.title = t.title || b.title != ""
			w, h := b.size(beside)
			t.width, t.heights[i] = max(t.width, w, t.bold.Width(b.title)), max(t.heights[i], h)
			for _, ch := range b.cells {
				for _, e := range ch.edges {
					name, _ := family(e.Op)
					used[name] = true
				}
				fresh = fresh || slices.Contains(ch.fresh, true)
			}
		}
	}
	var entries []entry
	for _, f := range families {
		if used[f.name] && !slices.ContainsFunc(entries, func(e entry) bool { return e.label == f.short }) {
			entries = append(entries, entry{label: f.short, text: f.long, paint: colour(f.name), stroke: chartPlain})
		}
	}
	if fresh {
		entries = append(entries, entry{label: "new", text: "differs from the pair before", paint: grey, stroke: chartBold})
	}
	t.explain(entries)
	return t
}

// size returns the size of the cells of a block.
func (b block) size(beside bool) (width, height vg.Length) {
	for i, ch := range b.cells {
		w, h := vg.Length(ch.width), vg.Length(ch.height)
		gap := vg.Length(0)
		if i > 0 {
			gap = tableGap
		}
		if beside {
			width, height = width+gap+w, max(height, h)
		} else {
			width, height = max(width, w), height+gap+h
		}
	}
	return width, height
}

// explain breaks the entries of the legend into lines.
func (t *table) explain(entries []entry) {
	widths := make([]vg.Length, len(entries))
	for i := range entries {
		e := &entries[i]
		e.width = t.plain.Width(e.label) + 2*chartPad
		widths[i] = e.width + chartGap + t.plain.Width(e.text)
		t.widest = max(t.widest, widths[i])
	}
	room, _ := t.Size()
	room -= 2 * margin
	var left vg.Length
	for i, e := range entries {
		width := widths[i]
		if len(t.legend) == 0 || left < width {
			t.legend = append(t.legend, nil)
			left = room
		}
		left -= width + tablePad
		last := len(t.legend) - 1
		t.legend[last] = append(t.legend[last], e)
	}
}

// Size returns the size of the drawing.
func (t *table) Size() (width, height vg.Length) {
	width = vg.Length(vg.Length(t.columns)*(t.width+tablePad)) - tablePad
	for i := range t.rows {
		height += t.rowHeight(i)
	}
	width, height = max(width, t.widest)+2*margin, height-tablePad+2*margin
	if len(t.legend) > 0 {
		height += tableGap - chartGap + vg.Length(vg.Length(len(t.legend))*tableLegend)
	}
	return width, height
}

// rowHeight returns the height of a row with the gap below it; 0 for a row without
// pairs.
func (t *table) rowHeight(i int) vg.Length {
	switch {
	case len(t.rows[i]) == 0:
		return 0
	case t.title:
		return t.heights[i] + tableSpace + tablePad
	}
	return t.heights[i] + tablePad
}

// Draw draws the table.
func (t *table) Draw(c vg.Canvas) {
	_, height := t.Size()
	top := height - margin
	for i, row := range t.rows {
		for k, b := range row {
			t.drawBlock(c, vg.Point{X: margin + vg.Length(vg.Length(k)*(t.width+tablePad)), Y: top}, b)
		}
		top -= t.rowHeight(i)
	}
	for i, line := range t.legend {
		x := vg.Length(margin)
		y := margin + vg.Length((float64(len(t.legend)-1-i))*tableLegend)
		for _, e := range line {
			box := vg.Rectangle{Min: vg.Point{X: x, Y: y}, Max: vg.Point{X: x + e.width, Y: y + chartOp}}
			drawBox(c, box, tint(e.paint), e.paint, e.stroke)
			t.drawText(c, box, e.label, "")
			x += e.width + chartGap
			c.FillString(t.plain, vg.Point{X: x, Y: y + chartOp/2 - 0.34*chartText}, e.text)
			x += t.plain.Width(e.text) + tablePad
		}
	}
}

// drawBlock draws a pair with its top left corner at a point.
func (t *table) drawBlock(c vg.Canvas, at vg.Point, b block) {
	if t.title {
		c.SetColor(ink)
		c.FillString(t.bold, vg.Point{X: at.X, Y: at.Y - tableTitle}, b.title)
		at.Y -= tableSpace
	}
	for _, ch := range b.cells {
		c.Push()
		c.Translate(vg.Point{X: whole(at.X), Y: whole(at.Y - vg.Length(ch.height))})
		ch.draw(c, t.faces)
		c.Pop()
		if t.beside {
			at.X += vg.Length(ch.width) + tableGap
		} else {
			at.Y -= vg.Length(ch.height) + tableGap
		}
	}
}

// whole rounds to whole pixels of all image formats: text at fractions of a pixel is
// blurred.
func whole(x vg.Length) vg.Length {
	const pixel = vg.Inch / picture.GIFDPI
	return vg.Length(math.Round(float64(x/pixel))) * pixel
}
