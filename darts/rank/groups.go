package rank

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"unnas/internal/picture"
)

// Groups is a panel with the values of several groups beside each other, such as the
// accuracies of the cells that search algorithms find: a point per value, and a bar at the
// mean of each group.
type Groups struct {
	Title  string   // above the panel
	YLabel string   // of the axis
	Groups []Column // name and values of each group, of any number
	Levels []Level  // horizontal lines for comparison
}

// A Level is a value to compare groups with.
type Level struct {
	Name  string
	Value float64
}

func (g Groups) plot() (*plot.Plot, error) {
	if len(g.Groups) == 0 {
		return nil, errors.New("no groups")
	}
	p, err := newPlot(strings.Fields(g.Title), "", g.YLabel)
	if err != nil {
		return nil, err
	}
	dashes := [][]vg.Length{{1, 2}, {4, 2}, {8, 2, 1, 2}}
	low, high := math.Inf(1), math.Inf(-1)
	cover := func(v float64) { low, high = min(low, v), max(high, v) }
	for i, level := range g.Levels {
		if err := checkName(level.Name); err != nil {
			return nil, err
		}
		cover(level.Value)
		line := &plotter.Line{
			XYs:       plotter.XYs{{X: -0.5, Y: level.Value}, {X: float64(len(g.Groups)) - 0.5, Y: level.Value}},
			LineStyle: draw.LineStyle{Color: grey, Width: lineWidth, Dashes: dashes[i%len(dashes)]},
		}
		p.Add(line)
		p.Legend.Add(level.Name, line)
		fit(&p.Legend.TextStyle, level.Name, panelSize-2*axisSpace)
	}
	var names []string
	for _, group := range g.Groups {
		if err := checkName(group.Name); err != nil {
			return nil, err
		}
		names = append(names, group.Name)
		for _, v := range group.Values {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("group %s: value %v; want finite numbers", group.Name, v)
			}
			cover(v)
		}
	}
	if low > high {
		return nil, errors.New("no group has a value")
	}
	p.Add(groups(g.Groups))
	p.NominalX(names...)
	p.X.Tick.Label.Rotation = math.Pi / 5
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XRight, draw.YTop
	p.X.Min, p.X.Max = -0.5, float64(len(g.Groups))-0.5
	room := max(high-low, 1e-9)
	below := float64(0.12*float64(len(g.Levels))) + 0.05 // room for the legend
	p.Y.Min, p.Y.Max = low-float64(below*room), high+float64(0.05*room)
	p.Legend.Top = false
	return p, nil
}

// groups draws the points and the means.
type groups []Column

// Plot draws them.
func (g groups) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	const half = 0.3 // of the width of a group
	for i, group := range g {
		if len(group.Values) == 0 {
			continue
		}
		var mean float64
		for k, v := range group.Values {
			mean += v / float64(len(group.Values))
			at := float64(i)
			if n := len(group.Values); n > 1 {
				at += float64(half * (float64(2*float64(k)/float64(n-1)) - 1))
			}
			paint := picture.Blue
			paint.A = 0xa0
			c.SetColor(paint)
			var path vg.Path
			picture.Disc(&path, vg.Point{X: x(at), Y: y(v)}, pointSize)
			c.Fill(path)
		}
		style := draw.LineStyle{Color: picture.Vermilion, Width: lineWidth}
		c.StrokeLines(style, []vg.Point{{X: x(float64(i) - half), Y: y(mean)}, {X: x(float64(i) + half), Y: y(mean)}})
	}
}
