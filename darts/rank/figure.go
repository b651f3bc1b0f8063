package rank

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
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

// A Figure is rows of panels, all of one size: tasks beside each other and data
// sets below each other, for instance. A row may be shorter than others. Three
// panels beside each other fill the width of a text of 6½ inches; their smallest
// letters have 7 points there.
//
// The same figure always gives the same bytes. Writing fails if the figure has no
// panel, if a panel cannot be computed, if a title or label has characters that
// cannot be printed, or if the writer does.
type Figure [][]Panel

// A Panel is a [Scatter] or [Searches].
type Panel interface {
	// plot returns the plot of the panel.
	plot() (*plot.Plot, error)
}

// A Scatter is a panel with a point for each architecture, the regression line
// ([Fit]) and Spearman's ρ, as in Figures 2 and 3 of Liu et al. (2020).
type Scatter struct {
	Title          string    // stands above
	XLabel, YLabel string    // of the axes, such as "jigsaw (%)"
	X, Y           []float64 // pretext and supervised accuracy of each architecture
}

// Searches is a panel with the curve of a [RandomSearch] with each task, next to
// those of the oracle, which knows the supervised accuracy, and of a choice at
// random. The axis of n is logarithmic. The bands hold 68 % of the searches.
type Searches struct {
	Title      string // stands above
	YLabel     string // of the axis, such as "accuracy on ImageNet (%)"
	Supervised []float64
	Tasks      []Column // name and accuracies of each pretext task, six at most
	Most       int      // the largest n
}

// WriteSVG writes the figure as an SVG image whose text can be selected and
// searched.
func (f Figure) WriteSVG(w io.Writer) error { return f.write(w, picture.SVG) }

// WritePNG writes the figure as a PNG image with 200 pixels per inch on a white
// ground. It also fails if the image would have more than 2²⁵ pixels, those of
// about 150 panels.
func (f Figure) WritePNG(w io.Writer) error { return f.write(w, picture.PNG) }

// WritePDF writes the figure as a PDF document of one page, which has the size of
// the figure.
func (f Figure) WritePDF(w io.Writer) error { return f.write(w, picture.PDF) }

// Save writes the figure to a file, in the format that the extension of its path
// says: .svg, .png or .pdf. A file that is there is replaced, or left as it is if
// writing fails.
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

// A drawing is the plots of a figure, nil where a row is shorter.
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
		return nil, errors.New("it has no panels")
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
		return vg.Length(panels)*(panelSize+panelGap) - panelGap + 2*margin
	}
	return side(d.columns), side(len(d.plots))
}

// Draw draws it.
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

// newPlot returns an empty plot.
func newPlot(title, xLabel, yLabel string) (*plot.Plot, error) {
	for _, s := range []string{title, xLabel, yLabel} {
		if !printable(s) {
			return nil, fmt.Errorf("text %.60q: want characters that can be printed", s)
		}
	}
	p := plot.New()
	set := func(s *text.Style, size vg.Length, weight xfont.Weight) {
		s.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Weight: weight, Size: size}
		s.Color = ink
	}
	set(&p.Title.TextStyle, titleSize, xfont.WeightBold)
	p.Title.Text = title
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
	p.X.Label.Text, p.Y.Label.Text = xLabel, yLabel
	return p, nil
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
	title := "ρ = " + strings.Replace(strconv.FormatFloat(rho, 'f', 2, 64), "-", "−", 1)
	if s.Title != "" {
		title = s.Title + ", " + title
	}
	p, err := newPlot(title, s.XLabel, s.YLabel)
	if err != nil {
		return nil, err
	}
	points := &scatter{at: make(plotter.XYs, len(s.X))}
	for i := range s.X {
		points.at[i] = plotter.XY{X: s.X[i], Y: s.Y[i]}
	}
	p.Add(points)
	left, right := p.X.Min, p.X.Max
	regression := &plotter.Line{
		XYs:       plotter.XYs{{X: left, Y: line.Intercept + float64(line.Slope*left)}, {X: right, Y: line.Intercept + float64(line.Slope*right)}},
		LineStyle: draw.LineStyle{Color: picture.Vermilion, Width: lineWidth},
	}
	p.Add(regression)
	return p, nil
}

// scatter draws points that shine through each other, smaller ones if there are
// many, so that their density shows.
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
		return nil, fmt.Errorf("%d tasks: want at most %d, whose colours differ", len(s.Tasks), len(paints))
	}
	p, err := newPlot(s.Title, "architectures sampled", s.YLabel)
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
		edge := along(curve.High)
		for n := s.Most; n > 0; n-- {
			edge = append(edge, plotter.XY{X: float64(n), Y: curve.Low[n-1]})
		}
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
	p.Add(bands...)
	p.Add(lines...)
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = plot.LogTicks{Prec: -1}
	p.X.Min, p.X.Max = 1, float64(max(2, s.Most))
	return p, nil
}

// along returns the points of a curve over n = 1, 2, ….
func along(curve []float64) plotter.XYs {
	points := make(plotter.XYs, len(curve))
	for i, y := range curve {
		points[i] = plotter.XY{X: float64(i + 1), Y: y}
	}
	return points
}
