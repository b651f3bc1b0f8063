package rank

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"unnas/internal/picture"
)

// A Figure is rows of panels of one size, for instance a column per task and a row per
// data set. Rows may differ in length. Three panels fill a text width of 6½ inches;
// their smallest letters then have 7 points.
//
// Equal figures give equal bytes. Writing fails if the figure has no panels, if a panel
// cannot be computed, if a title or label has unprintable characters, or if the writer
// fails.
type Figure [][]Panel

// A Panel is a [Scatter], [Searches] or [Groups].
type Panel interface {
	// plot returns the plot of the panel.
	plot() (*plot.Plot, error)
}

// A Scatter is a panel with a point per architecture, the regression line ([Fit]) and
// Spearman's ρ, as in Figures 2 and 3 of Liu et al. (2020).
type Scatter struct {
	Title          string    // above the panel
	XLabel, YLabel string    // of the axes, such as "jigsaw (%)"
	X, Y           []float64 // pretext and supervised accuracy of each architecture
}

// Searches is a panel with the curve of a [RandomSearch] for each task, of the oracle,
// which selects by supervised accuracy, and of random choice. The axis of n is
// logarithmic. The bands contain 68 % of the searches.
type Searches struct {
	Title      string // above the panel
	YLabel     string // of the axis, such as "accuracy on ImageNet (%)"
	Supervised []float64
	Tasks      []Column // name and accuracies of each pretext task, at most six
	Most       int      // the largest n
}

// WriteSVG writes the figure as an SVG image whose text can be selected and
// searched.
func (f Figure) WriteSVG(w io.Writer) error { return f.write(w, picture.SVG) }

// WritePNG writes the figure as a PNG image of 200 pixels per inch on a white
// background. It also fails if the image would exceed 2²⁵ pixels, about 150 panels.
func (f Figure) WritePNG(w io.Writer) error { return f.write(w, picture.PNG) }

// WritePDF writes the figure as a PDF document with one page of the size of the figure.
func (f Figure) WritePDF(w io.Writer) error { return f.write(w, picture.PDF) }

// Save writes the figure to a file in the format of its extension: .svg, .png or .pdf.
// An existing file is replaced, or kept if writing fails.
func (f Figure) Save(path string) error {
	return save(path, map[string]func(io.Writer) error{".svg": f.WriteSVG, ".png": f.WritePNG, ".pdf": f.WritePDF})
}

func (f Figure) write(w io.Writer, format func(io.Writer, picture.Drawing) error) error {
	d, err := f.drawing()
	if err == nil {
		err = format(w, d)
	}
	if err != nil {
		return fmt.Errorf("rank: figure: %w", err)
	}
	return nil
}

const (
	panelSize  = 2.05 * vg.Inch // without the gap
	axisSpace  = 30             // space for axes, ticks and labels
	panelGap   = 9
	margin     = 4
	titleSize  = 9
	textSize   = 8
	tickSize   = 7
	lineWidth  = 1.2
	thinWidth  = 0.6
	pointSize  = 1.5 // radius, of a hundred points
	smallPoint = 0.6 // of many
)

var (
	ink    = color.NRGBA{0x22, 0x22, 0x22, 0xff}
	grey   = color.NRGBA{0x77, 0x77, 0x77, 0xff}
	paints = []color.NRGBA{
		picture.Blue, picture.Vermilion, picture.BluishGreen, picture.ReddishPurple, picture.Orange, picture.SkyBlue,
	}
)

// A drawing is the plots of a figure, nil beyond the end of a shorter row.
type drawing struct {
	plots   [][]*plot.Plot
	columns int
}

func (f Figure) drawing() (*drawing, error) {
	d := &drawing{}
	for _, row := range f {
		d.columns = max(d.columns, len(row))
	}
	if d.columns == 0 {
		return nil, errors.New("no panels")
	}
	for i, row := range f {
		plots := make([]*plot.Plot, d.columns)
		for k, panel := range row {
			if panel == nil {
				return nil, fmt.Errorf("row %d, panel %d is nil", i, k)
			}
			p, err := panel.plot()
			if err != nil {
				return nil, fmt.Errorf("row %d, panel %d: %w", i, k, err)
			}
			plots[k] = p
		}
		d.plots = append(d.plots, plots)
	}
	return d, nil
}

// Size returns the size of the drawing.
func (d *drawing) Size() (width, height vg.Length) {
	side := func(panels int) vg.Length {
		return vg.Length(vg.Length(panels)*(panelSize+panelGap)) - panelGap + 2*margin
	}
	return side(d.columns), side(len(d.plots))
}

// Draw draws the figure.
func (d *drawing) Draw(c vg.Canvas) {
	width, height := d.Size()
	tiles := draw.Tiles{
		Cols: d.columns, Rows: len(d.plots),
		PadTop: margin, PadBottom: margin, PadLeft: margin, PadRight: margin, PadX: panelGap, PadY: panelGap,
	}
	for i, row := range plot.Align(d.plots, tiles, draw.NewCanvas(c, width, height)) {
		for k, tile := range row {
			if p := d.plots[i][k]; p != nil {
				p.Draw(tile)
			}
		}
	}
}

// newPlot returns an empty plot with a title of the given words, and labels, all fitted
// to a panel.
func newPlot(title []string, xLabel, yLabel string) (*plot.Plot, error) {
	for _, s := range append(title, xLabel, yLabel) {
		if !printable(s) {
			return nil, fmt.Errorf("text %.60q: want printable characters", s)
		}
	}
	p := plot.New()
	set := func(s *text.Style, size vg.Length, weight xfont.Weight) {
		s.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Weight: weight, Size: size}
		s.Color = ink
	}
	set(&p.Title.TextStyle, titleSize, xfont.WeightBold)
	p.Title.Padding = 3
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		set(&a.Label.TextStyle, textSize, xfont.WeightNormal)
		set(&a.Tick.Label, tickSize, xfont.WeightNormal)
		a.Label.Padding = 2
		a.Padding = 3
		a.Tick.Length = 3
		a.Width, a.Tick.Width = thinWidth, thinWidth
		a.Color, a.Tick.Color = ink, ink
	}
	set(&p.Legend.TextStyle, tickSize, xfont.WeightNormal)
	p.Legend.ThumbnailWidth = 14
	p.Legend.Padding = 1
	p.Title.Text = wrap(&p.Title.TextStyle, title)
	p.X.Label.Text, p.Y.Label.Text = xLabel, yLabel
	fit(&p.Title.TextStyle, p.Title.Text, panelSize)
	fit(&p.X.Label.TextStyle, xLabel, panelSize-axisSpace)
	fit(&p.Y.Label.TextStyle, yLabel, panelSize-axisSpace-p.Title.TextStyle.Height(p.Title.Text))
	return p, nil
}

// fit reduces the font size until a text fits.
func fit(s *text.Style, label string, room vg.Length) {
	s.Font.Size *= min(1, room/max(1, s.Width(label)))
}

// wrap breaks words into lines of the width of a panel, where possible.
func wrap(s *text.Style, words []string) string {
	var lines []string
	for _, word := range words {
		last := len(lines) - 1
		if last >= 0 && s.Width(lines[last]+" "+word) <= panelSize {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return strings.Join(lines, "\n")
}

func (s Scatter) plot() (*plot.Plot, error) {
	rho, err := Spearman(s.X, s.Y)
	if err != nil {
		return nil, err
	}
	line, err := Fit(s.X, s.Y)
	if err != nil {
		return nil, err
	}
	title := strings.Fields(s.Title)
	if len(title) > 0 {
		title[len(title)-1] += ","
	}
	title = append(title, "ρ = "+strings.Replace(strconv.FormatFloat(rho, 'f', 2, 64), "-", "−", 1))
	p, err := newPlot(title, s.XLabel, s.YLabel)
	if err != nil {
		return nil, err
	}
	points := &scatter{at: make(plotter.XYs, len(s.X))}
	for i := range s.X {
		points.at[i] = plotter.XY{X: s.X[i], Y: s.Y[i]}
	}
	p.Add(points)
	p.Add(regression(line))
	return p, nil
}

// regression draws a line within the range of the points.
type regression Line

// Plot draws the line.
func (r regression) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	at := func(v float64) vg.Point { return vg.Point{X: x(v), Y: y(r.Intercept + float64(r.Slope*v))} }
	style := draw.LineStyle{Color: picture.Vermilion, Width: lineWidth}
	c.StrokeLines(style, c.ClipLinesXY([]vg.Point{at(p.X.Min), at(p.X.Max)})...)
}

// scatter draws translucent points, smaller if there are many, so that their density shows.
type scatter struct{ at plotter.XYs }

// Plot draws the points.
func (s *scatter) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	paint := picture.Blue
	paint.A = 0x70
	c.SetColor(paint)
	radius := vg.Length(max(smallPoint, min(pointSize, pointSize*math.Pow(100/float64(len(s.at)), 0.25))))
	for _, at := range s.at {
		var path vg.Path
		picture.Disc(&path, vg.Point{X: x(at.X), Y: y(at.Y)}, radius)
		c.Fill(path)
	}
}

// DataRange returns the range of the axes.
func (s *scatter) DataRange() (xmin, xmax, ymin, ymax float64) { return plotter.XYRange(s.at) }

func (s Searches) plot() (*plot.Plot, error) {
	if len(s.Tasks) > len(paints) {
		return nil, fmt.Errorf("%d tasks: want at most %d, the number of colours", len(s.Tasks), len(paints))
	}
	p, err := newPlot(strings.Fields(s.Title), "architectures sampled", s.YLabel)
	if err != nil {
		return nil, err
	}
	oracle, err := RandomSearch(s.Supervised, s.Supervised, s.Most)
	if err != nil {
		return nil, err
	}
	var bands, lines []plot.Plotter
	add := func(name string, mean []float64, style draw.LineStyle) {
		line := &plotter.Line{XYs: along(mean), LineStyle: style}
		lines = append(lines, line)
		p.Legend.Add(name, line)
	}
	add("oracle", oracle.Mean, draw.LineStyle{Color: ink, Width: lineWidth, Dashes: []vg.Length{4, 2}})
	for i, task := range s.Tasks {
		if err := checkName(task.Name); err != nil {
			return nil, err
		}
		curve, err := RandomSearch(task.Values, s.Supervised, s.Most)
		if err != nil {
			return nil, fmt.Errorf("task %s: %w", task.Name, err)
		}
		back := along(curve.Low)
		slices.Reverse(back)
		edge := append(along(curve.High), back...)
		shade := paints[i]
		shade.A = 0x28
		bands = append(bands, &plotter.Polygon{XYs: []plotter.XYs{edge}, Color: shade})
		add(task.Name, curve.Mean, draw.LineStyle{Color: paints[i], Width: lineWidth})
	}
	random := make([]float64, s.Most)
	for i := range random {
		random[i] = oracle.Mean[0]
	}
	add("random choice", random, draw.LineStyle{Color: grey, Width: lineWidth, Dashes: []vg.Length{1, 2}})
	for _, task := range s.Tasks {
		fit(&p.Legend.TextStyle, task.Name, panelSize-2*axisSpace)
	}
	p.Add(bands...)
	p.Add(ground{&p.Legend})
	p.Add(lines...)
	// A logarithmic scale of the plot would reserve space for the axis label in a wrong
	// place.
	p.X.Tick.Marker = decades{}
	p.X.Min, p.X.Max = 0, math.Log10(float64(max(2, s.Most)))
	return p, nil
}

// ground lightens the bands behind a legend.
type ground struct{ legend *plot.Legend }

// Plot draws it.
func (g ground) Plot(c draw.Canvas, _ *plot.Plot) {
	box := g.legend.Rectangle(c)
	width := box.Max.X - box.Min.X // width of the legend
	path := vg.Rectangle{Min: vg.Point{X: c.Max.X - width, Y: c.Min.Y}, Max: vg.Point{X: c.Max.X, Y: box.Max.Y}}.Path()
	c.SetColor(color.NRGBA{0xff, 0xff, 0xff, 0xc0})
	c.Fill(path)
}

// decades are the ticks of an axis of logarithms to the base 10.
type decades struct{}

// Ticks returns the ticks.
func (decades) Ticks(_, last float64) []plot.Tick {
	var ticks []plot.Tick
	most := math.Pow(10, last)
	for decade := 1.0; decade <= most; decade *= 10 {
		ticks = append(ticks, plot.Tick{Value: math.Log10(decade), Label: strconv.FormatFloat(decade, 'f', 0, 64)})
		for k := 2.0; k < 10 && k*decade <= most; k++ {
			ticks = append(ticks, plot.Tick{Value: math.Log10(k * decade)})
		}
	}
	return ticks
}

// along returns the points of a curve over the logarithms of n = 1, 2, ….
func along(curve []float64) plotter.XYs {
	points := make(plotter.XYs, len(curve))
	for i, y := range curve {
		points[i] = plotter.XY{X: math.Log10(float64(i + 1)), Y: y}
	}
	return points
}
