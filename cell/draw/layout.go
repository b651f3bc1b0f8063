package draw

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"

	"unnas/cell"
)

// Sizes in a picture, in points.
const (
	opHeight  = 13.0 // a label
	opGap     = 4.0  // between the two labels of a node
	arrow     = 12.0 // from a label to its node
	nodeWidth = 20.0
	endWidth  = 30.0 // an input or the output
	endHeight = 20.0
	laneGap   = 8.0 // between two lines that pass a column
	boxGap    = 12.0
	minGap    = 22.0 // between columns
	maxGap    = 64.0
	gapSlope  = 0.3 // gap width per height climbed by its curves
)

// A layout places the parts of a drawing of a cell in columns from left to right. A
// node stands in the column after the last of its inputs, behind the labels of its edges. A line that spans several columns has a lane in each of them. Lines thus meet
// nothing but other lines, and those only between columns.
//
// Lengths are in points from the lower left corner. Columns are ordered from top
// to bottom.
type layout struct {
	width, height float64
	opWidth       float64
	inputs        int
	columns       []column
	nodes         []*item // by number; the output of the cell last
	lines         []line  // the edges in their order, then the concatenated nodes
}

type column struct {
	left, right float64
	items       []*item
}

// An item is a node with its labels, or the lane of a line in a column.
type item struct {
	column  int
	order   int // in the column
	height  float64
	y       float64 // of the centre
	in, out []*link
}

func (it *item) isLane() bool { return it.height == 0 }

// A line leads from one node to another. It has a link into every column after that of
// its start, up to that of its end.
type line []*link

type link struct {
	from, to *item
	port     float64 // height of its end above the centre of to
}

func newLayout(g cell.Genotype, edges []cell.Edge, concat []int, opWidth float64) *layout {
	l := &layout{opWidth: opWidth, inputs: g.Inputs()}
	for range l.inputs {
		l.nodes = append(l.nodes, l.add(0, endHeight))
	}
	for first := 0; first < len(edges); {
		last := 0
		_, end := g.Siblings(first)
		for _, e := range edges[first:end] {
			last = max(last, l.nodes[e.From].column)
		}
		l.nodes = append(l.nodes, l.add(last+1, float64(float64(end-first)*(opHeight+opGap))-opGap))
		first = end
	}
	output := l.add(len(l.columns), endHeight)
	for i, e := range edges {
		l.connect(l.nodes[e.From], l.nodes[g.Target(i)])
	}
	for _, node := range concat {
		l.connect(l.nodes[node], output)
	}
	l.nodes = append(l.nodes, output)

	l.arrange()
	l.assignPorts()
	l.assignHeights()
	l.assignWidths()
	return l
}

// add puts a new item at the bottom of a column.
func (l *layout) add(col int, height float64) *item {
	if col == len(l.columns) {
		l.columns = append(l.columns, column{})
	}
	c := &l.columns[col]
	it := &item{column: col, order: len(c.items), height: height}
	c.items = append(c.items, it)
	return it
}

func (l *layout) connect(from, to *item) {
	var ln line
	for from != to {
		next := to
		if from.column+1 < to.column {
			next = l.add(from.column+1, 0)
		}
		k := &link{from: from, to: next}
		from.out = append(from.out, k)
		next.in = append(next.in, k)
		ln = append(ln, k)
		from = next
	}
	l.lines = append(l.lines, ln)
}

// arrange orders the items of each column so that few lines cross. It alternates in
// both directions between sorting each column by the mean position of its neighbours
// (Sugiyama, Tagawa and Toda, 1981) and swapping neighbours in a column while that
// helps. The inputs keep their order.
func (l *layout) arrange() {
	fewest := l.crossings()
	best := l.order()
	for range 8 {
		for c := 1; c < len(l.columns); c++ {
			l.sort(c, func(it *item) float64 {
				return mean(it.in, func(k *link) float64 { return float64(k.from.order) }, 0)
			})
		}
		for c := len(l.columns) - 1; c > 0; c-- {
			l.sort(c, func(it *item) float64 {
				return mean(it.out, func(k *link) float64 { return float64(k.to.order) }, float64(it.order))
			})
		}
		l.swap()
		if n := l.crossings(); n < fewest {
			fewest, best = n, l.order()
		}
	}
	for c, items := range best {
		l.setOrder(c, items)
	}
}

func (l *layout) order() [][]*item {
	order := make([][]*item, len(l.columns))
	for c := range order {
		order[c] = slices.Clone(l.columns[c].items)
	}
	return order
}

func (l *layout) setOrder(c int, items []*item) {
	l.columns[c].items = items
	for i, it := range items {
		it.order = i
	}
}

// sort orders column c by ascending place.
func (l *layout) sort(c int, place func(*item) float64) {
	items := slices.Clone(l.columns[c].items)
	slices.SortStableFunc(items, func(a, b *item) int { return cmp.Compare(place(a), place(b)) })
	l.setOrder(c, items)
}

// swap exchanges neighbours in a column while that reduces crossings.
func (l *layout) swap() {
	for swapped := true; swapped; {
		swapped = false
		for c := 1; c < len(l.columns); c++ {
			items := l.columns[c].items
			for i := 1; i < len(items); i++ {
				if a, b := items[i-1], items[i]; crossingsAt(b, a) < crossingsAt(a, b) {
					items[i-1], items[i] = b, a
					a.order, b.order = i, i-1
					swapped = true
				}
			}
		}
	}
}

// crossings counts the crossings of lines between columns.
func (l *layout) crossings() int {
	n := 0
	for _, c := range l.columns {
		for i, a := range c.items {
			for _, b := range c.items[i+1:] {
				n += crossed(a.in, b.in, func(k *link) int { return k.from.order })
			}
		}
	}
	return n
}

// crossingsAt counts the crossings of the lines at a and b if a lies above b in the
// same column.
func crossingsAt(a, b *item) int {
	return crossed(a.in, b.in, func(k *link) int { return k.from.order }) +
		crossed(a.out, b.out, func(k *link) int { return k.to.order })
}

// crossed counts the pairs of an upper and a lower link whose other ends are in the
// opposite order.
func crossed(upper, lower []*link, order func(*link) int) int {
	n := 0
	for _, u := range upper {
		for _, v := range lower {
			if order(u) > order(v) {
				n++
			}
		}
	}
	return n
}

// assignPorts orders the ends of the lines into a node by their starts, so that they do
// not cross.
func (l *layout) assignPorts() {
	for _, node := range l.nodes[l.inputs : len(l.nodes)-1] {
		in := slices.Clone(node.in)
		slices.SortStableFunc(in, func(a, b *link) int { return cmp.Compare(a.from.order, b.from.order) })
		for i, k := range in {
			k.port = (float64(float64(len(in)-1)/2) - float64(i)) * (opHeight + opGap)
		}
	}
}

// assignHeights moves the items up and down, in their order, until the lines are nearly
// straight.
func (l *layout) assignHeights() {
	for range 64 {
		for _, c := range l.columns {
			settle(c.items)
		}
		for _, c := range slices.Backward(l.columns) {
			settle(c.items)
		}
	}
	// Slight bends remain, because each link of a line has taken a part of its climb.
	for _, ln := range l.lines {
		for _, k := range ln[:len(ln)-1] {
			l.straighten(k.to, k.from.y)
		}
		for _, k := range slices.Backward(ln[1:]) {
			l.straighten(k.from, k.to.y+k.port)
		}
	}
	top, bottom := math.Inf(-1), math.Inf(1)
	for _, c := range l.columns {
		first, last := c.items[0], c.items[len(c.items)-1]
		top = max(top, first.y+float64(first.height/2))
		bottom = min(bottom, last.y-float64(last.height/2))
	}
	for _, c := range l.columns {
		for _, it := range c.items {
			it.y -= bottom
		}
	}
	l.height = top - bottom
}

// settle minimises the weighted sum of the squared heights that the links of a column
// climb, while the items keep their order and their distances. It merges items that
// push each other into blocks (pool adjacent violators).
func settle(items []*item) {
	type block struct {
		sum    float64 // weighted sum of the heights of the column's top item that its items prefer
		weight float64
		items  int
	}
	var blocks []block
	offset := make([]float64, len(items)) // below the top item
	for i, it := range items {
		if i > 0 {
			offset[i] = offset[i-1] + distance(items[i-1], it)
		}
		const inertia = 1e-3 // for an unused input
		b := block{inertia * (it.y + offset[i]), inertia, 1}
		for _, k := range it.in {
			b.sum += float64(k.weight() * (k.from.y - k.port + offset[i]))
			b.weight += k.weight()
		}
		for _, k := range it.out {
			b.sum += float64(k.weight() * (k.to.y + k.port + offset[i]))
			b.weight += k.weight()
		}
		for len(blocks) > 0 {
			above := blocks[len(blocks)-1]
			if above.sum/above.weight >= b.sum/b.weight {
				break
			}
			b = block{above.sum + b.sum, above.weight + b.weight, above.items + b.items}
			blocks = blocks[:len(blocks)-1]
		}
		blocks = append(blocks, b)
	}
	i := 0
	for _, b := range blocks {
		for range b.items {
			items[i].y = b.sum/b.weight - offset[i]
			i++
		}
	}
}

// weight returns how much the straightness of the link matters. A bend in the middle of
// a line is uglier than one at its ends.
func (k *link) weight() float64 {
	switch {
	case k.from.isLane() && k.to.isLane():
		return 8
	case k.from.isLane() || k.to.isLane():
		return 2
	}
	return 1
}

// straighten moves a lane to y if its neighbours leave room.
func (l *layout) straighten(lane *item, y float64) {
	items := l.columns[lane.column].items
	if i := lane.order - 1; i >= 0 && y > items[i].y-distance(items[i], lane) {
		return
	}
	if i := lane.order + 1; i < len(items) && y < items[i].y+distance(lane, items[i]) {
		return
	}
	lane.y = y
}

// distance returns the smallest distance between the centres of two neighbours in a
// column.
func distance(a, b *item) float64 {
	gap := boxGap
	if a.isLane() && b.isLane() {
		gap = laneGap
	}
	return float64((a.height+b.height)/2) + gap
}

// mean returns the mean of f over the links, or otherwise if there are none.
func mean(links []*link, f func(*link) float64, otherwise float64) float64 {
	if len(links) == 0 {
		return otherwise
	}
	sum := 0.0
	for _, k := range links {
		sum += f(k)
	}
	return sum / float64(len(links))
}

// assignWidths sets the columns side by side. The more the curves between two columns
// climb, the wider the gap.
func (l *layout) assignWidths() {
	for i := range l.columns {
		c := &l.columns[i]
		climb := 0.0
		for _, it := range c.items {
			for _, k := range it.in {
				climb = max(climb, math.Abs(k.to.y+k.port-k.from.y))
			}
		}
		width := endWidth
		if i > 0 {
			c.left = l.columns[i-1].right + min(minGap+float64(gapSlope*climb), maxGap)
			if i < len(l.columns)-1 {
				width = l.opWidth + arrow + nodeWidth
			}
		}
		c.right = c.left + width
		l.width = c.right
	}
}

// nodeBox returns the box of node n.
func (l *layout) nodeBox(n int) vg.Rectangle {
	it := l.nodes[n]
	c := l.columns[it.column]
	if n < l.inputs || n == len(l.nodes)-1 {
		return rectangle(c.left, c.right, it.y, it.height)
	}
	return rectangle(c.right-nodeWidth, c.right, it.y, it.height)
}

// opBox returns the box of the label of edge i.
func (l *layout) opBox(i int) vg.Rectangle {
	k := l.lines[i][len(l.lines[i])-1]
	left := l.columns[k.to.column].left
	return rectangle(left, left+l.opWidth, k.to.y+k.port, opHeight)
}

func rectangle(left, right, y, height float64) vg.Rectangle {
	return vg.Rectangle{Min: point(left, float64(y)-float64(height/2)), Max: point(right, float64(y)+float64(height/2))}
}

func point(x, y float64) vg.Point { return vg.Point{X: vg.Length(x), Y: vg.Length(y)} }

// path returns the path of line i to the box of its last node, behind the label of an
// edge.
func (l *layout) path(i int) vg.Path {
	var path vg.Path
	for n, k := range l.lines[i] {
		left, right := l.columns[k.from.column].right, l.columns[k.to.column].left
		from, to := k.from.y, k.to.y+k.port
		if n == 0 {
			path.Move(point(left, from))
		} else {
			path.Line(point(left, from))
		}
		path.CubeTo(point((left+right)/2, from), point((left+right)/2, to), point(right, to))
		if !k.to.isLane() && k.to.column < len(l.columns)-1 {
			path.Line(point(l.columns[k.to.column].right-nodeWidth, to))
		}
	}
	return path
}
