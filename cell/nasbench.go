package cell

import (
	"errors"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// NASBenchCell is a cell of NAS-Bench-101 (Ying et al., 2019, arXiv 1902.09635): a
// graph of at most seven vertices and nine edges from an input to an output, not
// counting edges that lie on no path between them.
type NASBenchCell struct {
	// Matrix[i][j] is 1 if an edge leads from vertex i to vertex j > i.
	Matrix [][]int `json:"matrix"`
	// Ops names the operation of each vertex: input first, output last.
	Ops []string `json:"ops"`
}

// The operations of NAS-Bench-101: those of the first and the last vertex, and the
// three that all other vertices choose from.
const (
	NASInput      = "input"
	NASOutput     = "output"
	NASConv3x3    = "conv3x3-bn-relu"
	NASConv1x1    = "conv1x1-bn-relu"
	NASMaxPool3x3 = "maxpool3x3"
)

const (
	nasMaxVertices = 7
	nasMaxEdges    = 9
)

// NASBenchBackbone stacks NAS-Bench-101 cells: Stacks stacks of Modules cells each,
// with 2×2 max pooling and doubled channels between stacks.
type NASBenchBackbone struct {
	Stem    Stem `json:"stem"`
	Width   int  `json:"width"` // channels of the first stack
	Stacks  int  `json:"stacks"`
	Modules int  `json:"modules"` // cells of each stack
}

// Validate reports the first field with which no network can be built.
func (b NASBenchBackbone) Validate() error {
	if b.Stem != CIFARStem && b.Stem != ImageNetStem {
		return fmt.Errorf("cell: Stem is %.60q, not %q or %q", b.Stem, CIFARStem, ImageNetStem)
	}
	if err := within(
		limit{"Width", b.Width, 1 << 12},
		limit{"Stacks", b.Stacks, 10},
		limit{"Modules", b.Modules, 1 << 10},
	); err != nil {
		return err
	}
	if b.Stem == ImageNetStem && b.Width < 2 {
		return fmt.Errorf("cell: Width is %d; the ImageNet stem halves it, want 2 or more", b.Width)
	}
	return nil
}

// fits returns an error if a vertex of a valid cell has no channels in the first
// stack, the narrowest.
func (b NASBenchBackbone) fits(c NASBenchCell) error {
	c = c.prune()
	ch := c.channels(b.Width, b.Width)
	if v := slices.Index(ch, 0); v >= 0 {
		return fmt.Errorf("cell: Width is %d, too few channels for this cell: vertex %d of the pruned cell has none; want at least %d", b.Width, v, c.feeding())
	}
	return nil
}

// Validate reports the first reason why the cell is not one of NAS-Bench-101.
func (c NASBenchCell) Validate() error {
	v := len(c.Matrix)
	if v < 2 || v > nasMaxVertices || len(c.Ops) != v {
		return fmt.Errorf("cell: NAS-Bench cell of %d rows and %d operations; want equal numbers from 2 to %d", v, len(c.Ops), nasMaxVertices)
	}
	for i, row := range c.Matrix {
		if len(row) != v {
			return fmt.Errorf("cell: NAS-Bench row %d has %d entries, not %d", i, len(row), v)
		}
		for j, e := range row {
			if e != 0 && e != 1 || e == 1 && j <= i {
				return fmt.Errorf("cell: NAS-Bench entry (%d, %d) is %d; want 1 for an edge, to a later vertex, and 0 otherwise", i, j, e)
			}
		}
	}
	for i, op := range c.Ops {
		switch {
		case i == 0 && op != NASInput, i == v-1 && op != NASOutput:
			return fmt.Errorf("cell: NAS-Bench operation %d is %q; the first must be %q and the last %q", i, op, NASInput, NASOutput)
		case i > 0 && i < v-1 && op != NASConv3x3 && op != NASConv1x1 && op != NASMaxPool3x3:
			return fmt.Errorf("cell: NAS-Bench operation %d is %q, not %q, %q or %q", i, op, NASConv3x3, NASConv1x1, NASMaxPool3x3)
		}
	}
	pruned := c.prune()
	if len(pruned.Matrix) == 0 {
		return errors.New("cell: NAS-Bench cell without a path from input to output")
	}
	edges := 0
	for _, row := range pruned.Matrix {
		for _, e := range row {
			edges += e
		}
	}
	if edges > nasMaxEdges {
		return fmt.Errorf("cell: NAS-Bench cell of %d edges on paths from input to output; want at most %d", edges, nasMaxEdges)
	}
	return nil
}

// prune returns the cell without the vertices that lie on no path from input to
// output; a cell without vertices if there is no path.
func (c NASBenchCell) prune() NASBenchCell {
	v := len(c.Matrix)
	from, to := make([]bool, v), make([]bool, v)
	from[0], to[v-1] = true, true
	for i := range v {
		for j := i + 1; j < v; j++ {
			from[j] = from[j] || from[i] && c.Matrix[i][j] == 1
		}
	}
	for i := v - 1; i >= 0; i-- {
		for j := i + 1; j < v; j++ {
			to[i] = to[i] || to[j] && c.Matrix[i][j] == 1
		}
	}
	if !from[v-1] {
		return NASBenchCell{}
	}
	var pruned NASBenchCell
	for i, row := range c.Matrix {
		if !from[i] || !to[i] {
			continue
		}
		var kept []int
		for j, e := range row {
			if from[j] && to[j] {
				kept = append(kept, e)
			}
		}
		pruned.Matrix = append(pruned.Matrix, kept)
		pruned.Ops = append(pruned.Ops, c.Ops[i])
	}
	return pruned
}

// feeding returns the number of vertices other than the input that feed the output.
func (c NASBenchCell) feeding() (n int) {
	last := len(c.Matrix) - 1
	for v := 1; v < last; v++ {
		n += c.Matrix[v][last]
	}
	return n
}

// channels returns the channels of each vertex of a pruned cell. The vertices that
// feed the output divide its channels, the first ones taking the remainder; every
// other vertex has as many channels as the widest vertex that it feeds.
func (c NASBenchCell) channels(in, out int) []int {
	last := len(c.Matrix) - 1
	ch := make([]int, last+1)
	ch[0], ch[last] = in, out
	feeding := c.feeding()
	if feeding == 0 {
		return ch
	}
	each, remainder := out/feeding, out%feeding
	for v := 1; v < last; v++ {
		if c.Matrix[v][last] == 1 {
			ch[v] = each
			if remainder > 0 {
				ch[v]++
				remainder--
			}
		}
	}
	for v := last - 1; v > 0; v-- {
		if c.Matrix[v][last] == 1 {
			continue
		}
		for d := v + 1; d < last; d++ {
			if c.Matrix[v][d] == 1 {
				ch[v] = max(ch[v], ch[d])
			}
		}
	}
	return ch
}

// Network builds a network of NAS-Bench-101 cells on images x [N, H, W, C] in s
// and returns its last feature map.
func (b NASBenchBackbone) Network(s *ops.Scope, x *gorgonia.Node, c NASBenchCell) (*gorgonia.Node, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := b.Validate(); err != nil {
		return nil, err
	}
	if err := b.fits(c); err != nil {
		return nil, err
	}
	c = c.prune()
	y, err := b.stem(s.Sub("stem"), x)
	if err != nil {
		return nil, fmt.Errorf("cell: NAS-Bench stem: %w", err)
	}
	width, layer := b.Width, 0
	for stack := range b.Stacks {
		if stack > 0 {
			if y, err = ops.MaxPool2D(y, 2, 2, 0); err != nil {
				return nil, fmt.Errorf("cell: NAS-Bench stack %d: %w", stack, err)
			}
			layer++
			width *= 2
		}
		for range b.Modules {
			if y, err = c.build(s.Sub(fmt.Sprintf("layers.%d", layer)), y, width); err != nil {
				return nil, fmt.Errorf("cell: NAS-Bench layer %d: %w", layer, err)
			}
			layer++
		}
	}
	return y, nil
}

func (b NASBenchBackbone) stem(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
	if b.Stem == CIFARStem {
		return nasConv(s, x, b.Width, 3, 1, "conv3x3")
	}
	var err error
	for i, width := range []int{b.Width / 2, b.Width, b.Width} {
		if x, err = s.Sub(fmt.Sprintf("%d.conv_bn_relu", i)).ConvBNReLU(x, width, ops.Square(3, 2, 1, 1), "0", "1"); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// nasConv is a convolution, batch normalisation and ReLU under its published name.
func nasConv(s *ops.Scope, x *gorgonia.Node, out, k, stride int, name string) (*gorgonia.Node, error) {
	return s.Sub(name).Sub("conv_bn_relu").ConvBNReLU(x, out, ops.Square(k, stride, k/2, 1), "0", "1")
}

// build adds one pruned cell to a network.
func (c NASBenchCell) build(s *ops.Scope, x *gorgonia.Node, out int) (*gorgonia.Node, error) {
	shape := x.Shape()
	ch := c.channels(shape[3], out)
	last := len(c.Matrix) - 1
	project := func(v int) (*gorgonia.Node, error) {
		return nasConv(s.Sub(fmt.Sprintf("input_op.%d", v)), x, ch[v], 1, 1, "conv1x1")
	}
	values := make([]*gorgonia.Node, last)
	var feeding []*gorgonia.Node
	for v := 1; v < last; v++ {
		var terms []*gorgonia.Node
		for u := 1; u < v; u++ {
			if c.Matrix[u][v] == 0 {
				continue
			}
			t, err := ops.Channels(values[u], 0, ch[v])
			if err != nil {
				return nil, err
			}
			terms = append(terms, t)
		}
		if c.Matrix[0][v] == 1 {
			t, err := project(v)
			if err != nil {
				return nil, err
			}
			terms = append(terms, t)
		}
		sum, err := ops.Sum(terms...)
		if err != nil {
			return nil, err
		}
		op := s.Sub(fmt.Sprintf("vertex_op.%d", v))
		switch c.Ops[v] {
		case NASConv3x3:
			values[v], err = nasConv(op, sum, ch[v], 3, 1, "conv3x3")
		case NASConv1x1:
			values[v], err = nasConv(op, sum, ch[v], 1, 1, "conv1x1")
		default:
			values[v], err = ops.MaxPool2D(sum, 3, 1, 1)
		}
		if err != nil {
			return nil, fmt.Errorf("vertex %d, %s: %w", v, c.Ops[v], err)
		}
		if c.Matrix[v][last] == 1 {
			feeding = append(feeding, values[v])
		}
	}
	if len(feeding) == 0 {
		return project(last)
	}
	y, err := ops.Concat(feeding...)
	if err != nil || c.Matrix[0][last] == 0 {
		return y, err
	}
	t, err := project(last)
	if err != nil {
		return nil, err
	}
	return ops.Sum(y, t)
}
