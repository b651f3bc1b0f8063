package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unnas/internal/format"
)

// chart is a figure with curves over the epochs of a run. Its curves stretch to the
// page, its text does not.
type chart struct {
	Title, Note string
	Curves      []curve
	X, Y        []tick
}

// curve is one series of a chart.
type curve struct {
	Name, Last  string // the last value
	Hue         int    // index of its colour on the page
	Lines, Dots string // paths over the width and height of a chart
	Faint       string // path of the steps
}

// tick is a mark of an axis.
type tick struct {
	At   float64 // percent, from the left or from the top
	Text string
}

// Down returns the position of a mark of the vertical axis.
func (t tick) Down() float64 { return chartHeight * t.At / 100 }

// The coordinates of curves.
const (
	chartWidth  = 1000
	chartHeight = 300
)

// series is the data of a curve: points per epoch, and per step.
type series struct {
	name          string
	epochs, steps []point
}

// point is a value at a number of epochs.
type point struct{ x, y float64 }

// newChart returns the chart of the series with values, and whether there are any. It
// spans 0 to end epochs. text formats a value.
func newChart(title, note string, end float64, text func(float64) string, all ...series) (chart, bool) {
	c := chart{Title: title, Note: note}
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range all {
		for _, points := range [][]point{s.epochs, s.steps} {
			for _, p := range points {
				if format.Finite(p.y) {
					low, high = min(low, p.y), max(high, p.y)
				}
			}
		}
	}
	if low > high {
		return c, false
	}
	ys := marks(low, high)
	low, high = ys[0], ys[len(ys)-1]
	for _, y := range ys {
		c.Y = append(c.Y, tick{100 * (high - y) / (high - low), text(y)})
	}
	for _, x := range marks(0, end) {
		if x <= end && x == math.Trunc(x) {
			c.X = append(c.X, tick{100 * x / end, strconv.Itoa(int(x))})
		}
	}
	place := func(p point) string {
		return fmt.Sprintf("%.1f %.1f", chartWidth*p.x/end, chartHeight*(high-p.y)/(high-low))
	}
	epochal := slices.ContainsFunc(all, func(s series) bool { return len(s.epochs) > 0 }) // otherwise there are only steps
	for i, s := range all {
		v := curve{Name: s.name, Hue: i}
		v.Lines, v.Faint = lines(s.epochs, place), lines(s.steps, place)
		if !epochal && len(s.epochs) == 0 {
			v.Lines, v.Faint = v.Faint, ""
		}
		var dots strings.Builder
		for _, p := range s.epochs {
			if format.Finite(p.y) && len(s.epochs) <= mostDots {
				fmt.Fprintf(&dots, "M%sh0", place(p))
			}
		}
		v.Dots = dots.String()
		for _, points := range [][]point{s.steps, s.epochs} { // prefer the epoch
			if n := len(points); n > 0 && format.Finite(points[n-1].y) {
				v.Last = text(points[n-1].y)
			}
		}
		if v.Lines != "" || v.Faint != "" {
			c.Curves = append(c.Curves, v)
		}
	}
	return c, true
}

// mostDots is the largest number of epochs drawn as dots.
const mostDots = 60

// lines returns the path of points, with gaps at unknown values.
func lines(points []point, place func(point) string) string {
	var b strings.Builder
	pen := byte('M')
	for _, p := range points {
		if !format.Finite(p.y) {
			pen = 'M'
			continue
		}
		b.WriteByte(pen)
		b.WriteString(place(p))
		pen = 'L'
	}
	return b.String()
}

// marks returns 3 to 7 round numbers, the first at or below low and the last at or
// above high.
func marks(low, high float64) []float64 {
	if high-low < 1e-9*max(1, math.Abs(high)) {
		low, high = low-float64(0.1*max(1e-3, math.Abs(low))), high+float64(0.1*max(1e-3, math.Abs(high)))
	}
	size := math.Pow(10, math.Floor(math.Log10((high-low)/4)))
	for _, factor := range []float64{1, 2, 5, 10} {
		if step := factor * size; (high-low)/step <= 5 {
			size = step
			break
		}
	}
	first, last := math.Floor(low/size+1e-9), math.Ceil(high/size-1e-9)
	all := make([]float64, 0, 8)
	for i := first; i <= last; i++ {
		all = append(all, i*size)
	}
	return all
}

// Formats of values.

func plain(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }

func percent(x float64) string { return strconv.FormatFloat(100*x, 'g', 3, 64) + "%" }
