package draw

import (
	"fmt"
	"image/color"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"

	"unnas/cell"
	"unnas/internal/picture"
)

// Sizes in a chart, in points.
const (
	chartText   = 7.0
	chartIndex  = 5.0
	chartPad    = 2.5 // beside the text of a label
	chartOp     = 11.0
	chartOpGap  = 4.0  // above, between and below labels
	chartTap    = 5.0  // between a column and the labels in it
	chartNode   = 11.0 // width of a node
	chartHigh   = 9.0  // height of a node
	chartEnd    = 20.0 // width of an input or the output
	chartGap    = 4.0
	chartTrunk  = 5.0 // between the two lines into a node
	chartHead   = 3.2
	chartCorner = 2.0
	chartThin   = 0.6
	chartBold   = 1.8
	chartPlain  = 1.0
)

// A plan lays out charts for comparison: cells with equal numbers of nodes. Every node
// has a horizontal line that carries its output to the right; the lines lie below each
// other in node order. Every intermediate node has a column with its operations, each
// below the line of its input, followed by the node at the start of its own line. The
// place of an operation thus depends only on the ends of its edge, and node lines cross
// nothing but connections down to later nodes.
//
// Lengths are in points from the lower left corner.
type plan struct {
	like          cell.Genotype // one of the cells, for how edges enter nodes
	opWidth       float64
	nodes         int       // with the inputs
	lines         []float64 // height of the line of each node
	width, height float64
}

func newPlan(opWidth float64, like cell.Genotype, cells ...[]cell.Edge) *plan {
	p := &plan{like: like, opWidth: opWidth, nodes: like.Inputs() + like.Nodes()}
	labels := make([]int, p.nodes) // number of labels stacked below each line
	for _, edges := range cells {
		for i, e := range edges {
			labels[e.From] = max(labels[e.From], p.repeated(edges, i)+1)
		}
	}
	y := -chartOp / 2
	for n := range p.nodes {
		p.lines = append(p.lines, y)
		y -= chartOpGap + float64(float64(max(labels[n], 1))*(chartOp+chartOpGap))
	}
	p.height = chartOp/2 - p.lines[p.nodes-1]
	for n := range p.lines {
		p.lines[n] += p.height
	}
	p.width = p.column(p.nodes) + chartGap + chartEnd
	return p
}

// repeated returns how many edges before edge i connect the same nodes.
func (p *plan) repeated(edges []cell.Edge, i int) int {
	n := 0
	first, _ := p.like.Siblings(i)
	for k := first; k < i; k++ {
		if edges[k].From == edges[i].From {
			n++
		}
	}
	return n
}

// column returns the left side of the column of an intermediate node, or, after the
// last, that of the output.
func (p *plan) column(n int) float64 {
	return chartEnd + chartGap + float64(float64(n-p.like.Inputs())*(chartTap+p.opWidth+2*chartGap+chartNode))
}

// opBox returns the box of the label of edge i.
func (p *plan) opBox(edges []cell.Edge, i int) vg.Rectangle {
	left := p.column(p.like.Target(i)) + chartTap
	below := chartOpGap + chartOp/2 + float64(float64(p.repeated(edges, i))*(chartOp+chartOpGap))
	return rectangle(left, left+p.opWidth, p.lines[edges[i].From]-below, chartOp)
}

// nodeBox returns the box of node n, or, after the last, that of the output.
func (p *plan) nodeBox(n int) vg.Rectangle {
	switch {
	case n < p.like.Inputs():
		return rectangle(0, chartEnd, p.lines[n], chartOp)
	case n < p.nodes:
		left := p.column(n) + chartTap + p.opWidth + chartGap
		return rectangle(left, left+chartNode, p.lines[n], chartHigh)
	}
	top, bottom := p.lines[p.like.Inputs()], p.lines[p.nodes-1]
	return rectangle(p.width-chartEnd, p.width, (top+bottom)/2, top-bottom+chartOp)
}

// tap returns the path from the line of the input of edge i to its label.
func (p *plan) tap(edges []cell.Edge, i int) []vg.Point {
	box := p.opBox(edges, i)
	x, y := vg.Length(p.column(p.like.Target(i))), (box.Min.Y+box.Max.Y)/2
	return []vg.Point{{X: x, Y: vg.Length(p.lines[edges[i].From])}, {X: x, Y: y}, {X: box.Min.X, Y: y}}
}

// trunk returns the path from the label of edge i to its node. Upper paths keep to the
// right of lower ones, so that they do not cross.
func (p *plan) trunk(edges []cell.Edge, i int) []vg.Point {
	box, node := p.opBox(edges, i), p.nodeBox(p.like.Target(i))
	first, end := p.like.Siblings(i)
	lower := 0
	for k := first; k < end; k++ {
		if p.opBox(edges, k).Min.Y < box.Min.Y {
			lower++
		}
	}
	last := float64(end - first - 1)
	apart := min(chartTrunk, (chartNode-2)/max(1, last))
	x := vg.Length(float64((node.Min.X+node.Max.X)/2) + float64((float64(lower)-float64(last/2))*apart))
	y := (box.Min.Y + box.Max.Y) / 2
	return []vg.Point{{X: box.Max.X, Y: y}, {X: x, Y: y}, {X: x, Y: node.Max.Y}}
}

// end returns where the line of node n ends, or false if nothing reads the node.
func (p *plan) end(edges []cell.Edge, concat []int, n int) (x float64, used bool) {
	if slices.Contains(concat, n) {
		return p.width - chartEnd, true
	}
	for i, e := range slices.Backward(edges) {
		if e.From == n {
			return p.column(p.like.Target(i)), true
		}
	}
	return 0, false
}

// A chart is a cell with the plan that lays it out.
type chart struct {
	*plan
	name   string
	edges  []cell.Edge
	concat []int
	fresh  []bool // edges drawn bold; nil for none
}

func (ch chart) draw(c vg.Canvas, f faces) {
	c.SetColor(ink)
	c.FillString(f.plain, vg.Point{Y: chartOp/2 - vg.Length(0.34*chartText)}, ch.name)
	for n := range ch.nodes {
		x, used := ch.end(ch.edges, ch.concat, n)
		if !used {
			continue
		}
		from, to := ch.nodeBox(n).Max.X, vg.Length(x)
		y := vg.Length(ch.lines[n])
		if slices.Contains(ch.concat, n) {
			drawArrow(c, vg.Path{{Type: vg.MoveComp, Pos: vg.Point{X: from, Y: y}}, {Type: vg.LineComp, Pos: vg.Point{X: to, Y: y}}}, grey, chartThin)
		} else {
			drawWay(c, []vg.Point{{X: from, Y: y}, {X: to, Y: y}}, grey, chartThin)
		}
	}
	for i, e := range ch.edges {
		paint, width := colour(e.Op), vg.Length(chartPlain)
		if ch.fresh != nil && ch.fresh[i] {
			width = chartBold
		}
		tap := ch.tap(ch.edges, i)
		drawWay(c, tap, grey, chartThin)
		var dot vg.Path
		picture.Disc(&dot, tap[0], 1.2)
		c.Fill(dot)
		trunk := ch.trunk(ch.edges, i)
		tip := trunk[2]
		trunk[2].Y += chartHead / 2
		drawWay(c, trunk, paint, width)
		var head vg.Path
		head.Move(tip)
		head.Line(vg.Point{X: tip.X - chartHead/2, Y: tip.Y + chartHead})
		head.Line(vg.Point{X: tip.X + chartHead/2, Y: tip.Y + chartHead})
		head.Close()
		c.Fill(head)
		box := ch.opBox(ch.edges, i)
		drawBox(c, box, tint(paint), paint, width)
		f.drawText(c, box, short(e.Op), "")
	}
	for n := range ch.nodes + 1 {
		fill, text, index := color.Color(pale), "c", "k"
		switch {
		case n < ch.like.Inputs():
			index = fmt.Sprintf("k−%d", ch.like.Inputs()-n)
		case n < ch.nodes:
			fill, text, index = paper, strconv.Itoa(n-ch.like.Inputs()), ""
		}
		drawBox(c, ch.nodeBox(n), fill, ink, chartThin)
		f.drawText(c, ch.nodeBox(n), text, index)
	}
}

// drawWay draws a polyline with rounded corners.
func drawWay(c vg.Canvas, points []vg.Point, paint color.Color, width vg.Length) {
	var path vg.Path
	path.Move(points[0])
	for i := 1; i < len(points)-1; i++ {
		path.Line(toward(points[i], points[i-1]))
		path.QuadTo(points[i], toward(points[i], points[i+1]))
	}
	path.Line(points[len(points)-1])
	c.SetColor(paint)
	c.SetLineWidth(width)
	c.Stroke(path)
}

// toward returns where a rounded corner begins on the horizontal or vertical line from
// corner to b.
func toward(corner, b vg.Point) vg.Point {
	near := func(from, to vg.Length) vg.Length { return from + min(max(to-from, -chartCorner), chartCorner) }
	return vg.Point{X: near(corner.X, b.X), Y: near(corner.Y, b.Y)}
}

// families are the families of operations with short names.
var families = []struct{ name, short, long string }{
	{"sep_conv", "sep", "separable convolution"},
	{"dil_conv", "dil", "dilated separable convolution"},
	{"dil_sep_conv", "dil", "dilated separable convolution"},
	{"conv", "conv", "convolution"},
	{"nor_conv", "conv", "convolution"},
	{"max_pool", "max", "maximum pool"},
	{"avg_pool", "avg", "average pool"},
	{"skip_connect", "skip", "skip connection"},
}

// short returns the label of an operation: sep 3×3 for sep_conv_3x3. An unknown
// operation keeps its name.
func short(op string) string {
	name, sizes := family(op)
	for _, f := range families {
		if f.name == name {
			return strings.TrimSpace(f.short + " " + strings.NewReplacer("x", "×", "_", " ").Replace(sizes))
		}
	}
	return op
}
