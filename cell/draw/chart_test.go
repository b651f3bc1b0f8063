package draw

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/recorder"

	"unnas/cell"
	"unnas/internal/rng"
)

// Three nodes: the first takes input 0 twice, the last nodes 2 and 3.
var small = []cell.Edge{{Op: "a", From: 0}, {Op: "b", From: 0}, {Op: "c", From: 1}, {Op: "d", From: 2}, {Op: "e", From: 3}, {Op: "f", From: 2}}

// The inputs of a cell of DARTS, and the edges into each of its nodes.
const (
	inputs       = 2
	edgesPerNode = 2
)

// of returns a genotype with a cell of two inputs.
func of(edges []cell.Edge) cell.Genotype {
	return cell.Genotype{Normal: edges, NormalConcat: []int{inputs}}
}

func TestPlan(t *testing.T) {
	p := newPlan(30, of(small), small)
	// Below the line of input 0 are two labels of 11 points with 4 between, and one
	// below each other line; the first lies 5.5 below the top, the last 5.5 above the
	// bottom.
	assert.Equal(t, []float64{5.5 + 19*3 + 34, 5.5 + 19*3, 5.5 + 19*2, 5.5 + 19, 5.5}, p.lines)
	assert.Equal(t, 5.5+19*3+34+5.5, p.height)
	// Inputs of 20 points, then columns of 5 + 30 + 4 + 11 + 4.
	assert.Equal(t, []float64{24, 78, 132}, []float64{p.column(2), p.column(3), p.column(4)})
	assert.Equal(t, 24.0+3*54+4+20, p.width)
	box := func(x0, y0, x1, y1 vg.Length) vg.Rectangle {
		return vg.Rectangle{Min: vg.Point{X: x0, Y: y0}, Max: vg.Point{X: x1, Y: y1}}
	}
	assert.Equal(t, box(29, 81.5, 59, 92.5), p.opBox(small, 0))
	assert.Equal(t, box(29, 66.5, 59, 77.5), p.opBox(small, 1), "below the other one")
	assert.Equal(t, box(83, 47.5, 113, 58.5), p.opBox(small, 2))
	assert.Equal(t, box(63, 39, 74, 48), p.nodeBox(2))
	assert.Equal(t, box(190, 0, 210, 49), p.nodeBox(5), "the output, beside all nodes")
	assert.Equal(t, []vg.Point{{X: 24, Y: 96.5}, {X: 24, Y: 72}, {X: 29, Y: 72}}, p.tap(small, 1))
	assert.Equal(t, []vg.Point{{X: 59, Y: 87}, {X: 71, Y: 87}, {X: 71, Y: 48}}, p.trunk(small, 0))
	assert.Equal(t, []vg.Point{{X: 59, Y: 72}, {X: 66, Y: 72}, {X: 66, Y: 48}}, p.trunk(small, 1), "left of that from above")
	for n, want := range []float64{24, 78, 190, 132, 190} {
		x, used := p.end(small, []int{2, 4}, n)
		assert.True(t, used)
		assert.Equal(t, want, x, "line of node %d", n)
	}
	_, used := p.end(small, []int{2}, 4)
	assert.False(t, used)
}

func TestPlanOfSeveralCells(t *testing.T) {
	other := slices.Clone(small)
	other[1].From = 1
	assert.Equal(t, newPlan(30, of(small), small), newPlan(30, of(small), other, small), "room for the cell that needs more")
	assert.Less(t, newPlan(30, of(other), other).height, newPlan(30, of(small), small).height)
}

// TestChartsOverlapNothing checks that no two boxes meet, that no way meets a box
// but at its ends, and that no two coloured ways meet.
func TestChartsOverlapNothing(t *testing.T) {
	for name, p := range published() {
		checkChart(t, name+", normal", p.Normal, p.NormalConcat)
		checkChart(t, name+", reduction", p.Reduce, p.ReduceConcat)
	}
	const seed = 11
	for i := range 100 {
		edges, concat := randomCell(rng.New(seed, "chart", 0, i), 1+i%9)
		checkChart(t, fmt.Sprintf("seed %d, index %d", seed, i), edges, concat)
	}
}

func checkChart(t *testing.T, name string, edges []cell.Edge, concat []int) {
	t.Helper()
	p := newPlan(30, of(edges), edges)
	var boxes []vg.Rectangle
	for i := range edges {
		boxes = append(boxes, p.opBox(edges, i))
	}
	for n := range p.nodes + 1 {
		boxes = append(boxes, p.nodeBox(n))
	}
	// meet says whether the insides of two rectangles, or lines, have points in common.
	meet := func(a, b vg.Rectangle) bool {
		const e = 1e-6
		return a.Min.X < b.Max.X-e && b.Min.X < a.Max.X-e && a.Min.Y < b.Max.Y-e && b.Min.Y < a.Max.Y-e
	}
	for i, a := range boxes {
		assert.GreaterOrEqual(t, float64(min(a.Min.X, a.Min.Y)), 0.0, name)
		assert.LessOrEqual(t, float64(a.Max.X), p.width, name)
		assert.LessOrEqual(t, float64(a.Max.Y), p.height+1e-9, name)
		for k := range i {
			assert.False(t, meet(a, boxes[k]), "%s: boxes %d and %d overlap", name, k, i)
		}
	}
	// Ways are made of pieces, as thick as they are drawn.
	type piece struct {
		vg.Rectangle
		edge int
	}
	var coloured, all []piece
	pieces := func(points []vg.Point, edge int) (list []piece) {
		for i := 1; i < len(points); i++ {
			a, b := points[i-1], points[i]
			list = append(list, piece{vg.Rectangle{
				Min: vg.Point{X: min(a.X, b.X) - 0.2, Y: min(a.Y, b.Y) - 0.2},
				Max: vg.Point{X: max(a.X, b.X) + 0.2, Y: max(a.Y, b.Y) + 0.2},
			}, edge})
		}
		return list
	}
	shorter := func(points []vg.Point) []vg.Point { // so that it only touches the boxes at its ends
		points = slices.Clone(points)
		last := len(points) - 1
		points[0].X += 0.3
		if points[last].X == points[last-1].X {
			points[last].Y += 0.3
		} else {
			points[last].X -= 0.3
		}
		return points
	}
	for i := range edges {
		coloured = append(coloured, pieces(shorter(p.trunk(edges, i)), i)...)
		all = append(all, pieces(shorter(p.tap(edges, i)), i)...)
	}
	all = append(all, coloured...)
	for n := range p.nodes {
		if x, used := p.end(edges, concat, n); used {
			y := vg.Length(p.lines[n])
			all = append(all, pieces(shorter([]vg.Point{{X: p.nodeBox(n).Max.X, Y: y}, {X: vg.Length(x), Y: y}}), -1)...)
		}
	}
	for _, w := range all {
		for k, b := range boxes {
			assert.False(t, meet(w.Rectangle, b), "%s: a way of edge %d meets box %d", name, w.edge, k)
		}
	}
	for i, a := range coloured {
		for _, b := range coloured[:i] {
			assert.False(t, a.edge != b.edge && meet(a.Rectangle, b.Rectangle), "%s: the ways of edges %d and %d meet", name, a.edge, b.edge)
		}
	}
}

// TestChartsShowTheGenotype reads the edges off what is drawn: from the line that a
// tap begins at, through the label that it leads to, to the node below the way on.
func TestChartsShowTheGenotype(t *testing.T) {
	for name, p := range published() {
		width := labelWidth([]Pair{{Genotype: p}})
		for _, ch := range newBlock(Pair{Genotype: p}, newPlan(width, p, p.Normal), newPlan(width, p, p.Reduce)).cells {
			edges, concat := read(t, ch)
			var want []cell.Edge
			for i, e := range ch.edges {
				want = append(want, cell.Edge{Op: fmt.Sprintf("%s into %d", short(e.Op), p.Target(i)), From: e.From})
			}
			assert.ElementsMatch(t, want, edges, "%s, %s", name, ch.name)
			assert.ElementsMatch(t, ch.concat, concat, "%s, %s", name, ch.name)
		}
	}
}

func read(t *testing.T, ch chart) (edges []cell.Edge, concat []int) {
	t.Helper()
	var rec recorder.Canvas
	ch.draw(&rec, chartFaces())
	var grey, ways []vg.Path
	type text struct {
		at   vg.Point
		text string
	}
	var labels []text
	nodes := map[int]vg.Point{}
	inputs := 0
	var paint color.Color
	for _, action := range rec.Actions {
		switch a := action.(type) {
		case *recorder.SetColor:
			paint = a.Color
		case *recorder.Stroke:
			switch {
			case len(a.Path) > 6: // a box
			case paint == color.Color(lineColour):
				grey = append(grey, a.Path)
			default:
				ways = append(ways, a.Path)
			}
		case *recorder.FillString:
			if n, err := strconv.Atoi(a.String); err == nil {
				nodes[n+2] = a.Point
			} else if strings.HasPrefix(a.String, "k−") {
				nodes[inputs] = a.Point
				inputs++
			} else if a.String != "c" && a.String != "k" && a.String != ch.name {
				labels = append(labels, text{a.Point, a.String})
			}
		}
	}
	near := func(a, b vg.Length, within float64) bool { return math.Abs(float64(a-b)) < within }
	begin := func(p vg.Path) vg.Point { return p[0].Pos }
	end := func(p vg.Path) vg.Point { return p[len(p)-1].Pos }
	source := func(at vg.Point) int { // whose line goes through a point
		for _, line := range grey {
			if begin(line).Y == end(line).Y && begin(line).Y == at.Y && begin(line).X <= at.X && at.X <= end(line).X {
				for n, place := range nodes {
					if near(place.Y+2.4, at.Y, 2) && place.X < begin(line).X {
						return n
					}
				}
			}
		}
		return -1
	}
	for _, l := range labels {
		e := cell.Edge{From: -1}
		for _, tap := range grey {
			if to := end(tap); begin(tap).Y != to.Y && near(to.Y, l.at.Y+2.4, 0.1) && to.X < l.at.X && l.at.X < to.X+vg.Length(ch.opWidth) {
				e.From = source(begin(tap))
			}
		}
		for _, way := range ways {
			if from := begin(way); near(from.Y, l.at.Y+2.4, 0.1) && l.at.X < from.X && from.X-vg.Length(ch.opWidth) < l.at.X {
				for n, place := range nodes {
					if near(place.X+2, end(way).X, 4) && near(place.Y+9, end(way).Y, 2) {
						e.Op = fmt.Sprintf("%s into %d", l.text, n)
					}
				}
			}
		}
		edges = append(edges, e)
	}
	for _, line := range grey {
		if begin(line).Y == end(line).Y && end(line).X > vg.Length(ch.width)-chartEnd-chartHead-2 {
			concat = append(concat, source(begin(line)))
		}
	}
	return edges, concat
}

var lineColour = grey // of what is not coloured

func TestShort(t *testing.T) {
	for op, want := range map[string]string{
		"sep_conv_3x3": "sep 3×3", "dil_sep_conv_5x5": "dil 5×5", "max_pool_3x3": "max 3×3", "skip_connect": "skip",
		"conv_7x1_1x7": "conv 7×1 1×7", "conv_1x1": "conv 1×1", "none": "none", "tanh_conv_1x1": "tanh_conv_1x1", "3x3": "3x3",
	} {
		assert.Equal(t, want, short(op))
	}
}

func TestFresh(t *testing.T) {
	before := []cell.Edge{{Op: "a", From: 0}, {Op: "b", From: 1}, {Op: "a", From: 0}, {Op: "b", From: 2}}
	now := []cell.Edge{{Op: "b", From: 1}, {Op: "a", From: 1}, {Op: "c", From: 0}, {Op: "b", From: 2}}
	assert.Equal(t, []bool{false, true, true, false}, fresh(of(now), before, now), "whatever the order of the edges of a node")
}

// The pairs of an evolution have one plan, and the legend of all of them.
func TestEvolutionKeepsPlaces(t *testing.T) {
	early := cell.Genotype{Normal: small, NormalConcat: []int{2, 3, 4}, Reduce: small, ReduceConcat: []int{4}}
	late := early
	late.Normal = slices.Clone(small)
	late.Normal[0] = cell.Edge{Op: "skip_connect", From: 1}
	blocks, err := Evolution{{"1", early}, {"2", late}}.blocks()
	require.NoError(t, err)
	assert.Same(t, blocks[0].cells[0].plan, blocks[1].cells[0].plan)
	assert.Same(t, blocks[0].cells[1].plan, blocks[1].cells[1].plan)
	assert.Nil(t, blocks[0].cells[0].fresh)
	assert.Equal(t, []bool{true, false, false, false, false, false}, blocks[1].cells[0].fresh)
	assert.NotContains(t, blocks[1].cells[1].fresh, true)
	var legend []string
	for _, line := range layTable([][]block{blocks}, false).legend {
		for _, e := range line {
			legend = append(legend, e.label)
		}
	}
	assert.Equal(t, []string{"skip", "new"}, legend)
}
