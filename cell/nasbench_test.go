package cell_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"unnas/cell"
)

const (
	conv3 = "conv3x3-bn-relu"
	conv1 = "conv1x1-bn-relu"
	pool3 = "maxpool3x3"
)

// nasCell returns a cell with edges given as pairs of vertices.
func nasCell(operations []string, edges ...[2]int) cell.NASBenchCell {
	c := cell.NASBenchCell{Ops: append(append([]string{"input"}, operations...), "output")}
	for range c.Ops {
		c.Matrix = append(c.Matrix, make([]int, len(c.Ops)))
	}
	for _, e := range edges {
		c.Matrix[e[0]][e[1]] = 1
	}
	return c
}

// weights returns the shapes of the convolutions of a network, without its stem.
func weights(t *testing.T, width int, c cell.NASBenchCell) map[string][]int {
	t.Helper()
	n := newNet(t)
	y, err := cell.NASBenchBackbone{Stem: cell.CIFARStem, Width: width, Stacks: 1, Modules: 1}.Network(n.Scope, n.images(1, 6, 5, 3), c)
	require.NoError(t, err)
	require.Equal(t, tensor.Shape{1, 6, 5, width}, y.Shape())
	shapes := map[string][]int{}
	for name, shape := range n.shapes() {
		if len(shape) == 4 && name != "stem.conv3x3.conv_bn_relu.0.weight" {
			shapes[name] = shape
		}
	}
	return shapes
}

func TestNASBenchChannels(t *testing.T) {
	cases := []struct {
		name string
		cell cell.NASBenchCell
		want map[string][]int
	}{
		{"input to output alone", nasCell(nil, [2]int{0, 1}), map[string][]int{
			"layers.0.input_op.1.conv1x1.conv_bn_relu.0.weight": {8, 8, 1, 1},
		}},
		{"a chain", nasCell([]string{conv3, conv1}, [2]int{0, 1}, [2]int{1, 2}, [2]int{2, 3}), map[string][]int{
			"layers.0.input_op.1.conv1x1.conv_bn_relu.0.weight":  {8, 8, 1, 1},
			"layers.0.vertex_op.1.conv3x3.conv_bn_relu.0.weight": {8, 8, 3, 3},
			"layers.0.vertex_op.2.conv1x1.conv_bn_relu.0.weight": {8, 8, 1, 1},
		}},
		{"three that share 8 channels as 3, 3, 2, and the input to the output", nasCell([]string{conv3, pool3, conv1},
			[2]int{0, 1}, [2]int{0, 2}, [2]int{0, 3}, [2]int{1, 4}, [2]int{2, 4}, [2]int{3, 4}, [2]int{0, 4}), map[string][]int{
			"layers.0.input_op.1.conv1x1.conv_bn_relu.0.weight":  {3, 8, 1, 1},
			"layers.0.input_op.2.conv1x1.conv_bn_relu.0.weight":  {3, 8, 1, 1},
			"layers.0.input_op.3.conv1x1.conv_bn_relu.0.weight":  {2, 8, 1, 1},
			"layers.0.input_op.4.conv1x1.conv_bn_relu.0.weight":  {8, 8, 1, 1},
			"layers.0.vertex_op.1.conv3x3.conv_bn_relu.0.weight": {3, 3, 3, 3},
			"layers.0.vertex_op.3.conv1x1.conv_bn_relu.0.weight": {2, 2, 1, 1},
		}},
		{"an interior edge is truncated", nasCell([]string{conv3, conv1, conv3},
			[2]int{0, 1}, [2]int{1, 2}, [2]int{1, 3}, [2]int{1, 4}, [2]int{2, 4}, [2]int{3, 4}), map[string][]int{
			"layers.0.input_op.1.conv1x1.conv_bn_relu.0.weight":  {3, 8, 1, 1},
			"layers.0.vertex_op.1.conv3x3.conv_bn_relu.0.weight": {3, 3, 3, 3},
			"layers.0.vertex_op.2.conv1x1.conv_bn_relu.0.weight": {3, 3, 1, 1},
			"layers.0.vertex_op.3.conv3x3.conv_bn_relu.0.weight": {2, 2, 3, 3},
		}},
		{"vertices off every path are left out", nasCell([]string{conv3, conv1, pool3},
			[2]int{0, 1}, [2]int{0, 2}, [2]int{2, 4}, [2]int{3, 4}), map[string][]int{
			"layers.0.input_op.1.conv1x1.conv_bn_relu.0.weight":  {8, 8, 1, 1},
			"layers.0.vertex_op.1.conv1x1.conv_bn_relu.0.weight": {8, 8, 1, 1},
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before := len(c.cell.Ops)
			assert.Equal(t, c.want, weights(t, 8, c.cell))
			assert.Len(t, c.cell.Ops, before, "the cell itself is not pruned")
		})
	}
}

func TestNASBenchNetwork(t *testing.T) {
	c := nasCell([]string{conv3, pool3, conv1}, [2]int{0, 1}, [2]int{1, 2}, [2]int{0, 3}, [2]int{2, 3}, [2]int{3, 4}, [2]int{0, 4})
	for _, b := range []struct {
		stem  cell.Stem
		image []int
		out   tensor.Shape
	}{
		{cell.CIFARStem, []int{3, 13, 17, 3}, tensor.Shape{3, 3, 4, 24}},
		{cell.ImageNetStem, []int{3, 90, 70, 3}, tensor.Shape{3, 3, 2, 24}},
	} {
		n := newNet(t)
		x := n.images(b.image...)
		y, err := cell.NASBenchBackbone{Stem: b.stem, Width: 6, Stacks: 3, Modules: 2}.Network(n.Scope, x, c)
		require.NoError(t, err)
		assert.Equal(t, b.out, y.Shape())
		// Two cells and a pooling for each stack.
		assert.Contains(t, n.shapes(), "layers.7.vertex_op.1.conv3x3.conv_bn_relu.0.weight")
		assert.NotContains(t, n.shapes(), "layers.2.vertex_op.1.conv3x3.conv_bn_relu.0.weight")
		step := n.training(x, y)
		first := step()
		assert.Less(t, step(), first)
	}
}

func TestNASBenchRefuses(t *testing.T) {
	good := nasCell([]string{conv3}, [2]int{0, 1}, [2]int{1, 2})
	change := func(f func(c *cell.NASBenchCell)) cell.NASBenchCell {
		c := nasCell([]string{conv3}, [2]int{0, 1}, [2]int{1, 2})
		f(&c)
		return c
	}
	body := cell.NASBenchBackbone{Stem: cell.CIFARStem, Width: 4, Stacks: 1, Modules: 1}
	cases := []struct {
		name, want string
		body       cell.NASBenchBackbone
		cell       cell.NASBenchCell
	}{
		{"nothing", "0 rows and 0 operations", body, cell.NASBenchCell{}},
		{"one vertex", "1 rows", body, cell.NASBenchCell{Matrix: [][]int{{0}}, Ops: []string{"input"}}},
		{"eight vertices", "8 rows and 8 operations", body, nasCell([]string{conv3, conv3, conv3, conv3, conv3, conv3})},
		{"another number of operations", "3 rows and 4 operations", body, change(func(c *cell.NASBenchCell) { c.Ops = append(c.Ops, "output") })},
		{"a short row", "row 1 has 2 entries, not 3", body, change(func(c *cell.NASBenchCell) { c.Matrix[1] = c.Matrix[1][:2] })},
		{"an edge back", "entry (1, 0) is 1", body, change(func(c *cell.NASBenchCell) { c.Matrix[1][0] = 1 })},
		{"an edge to itself", "entry (1, 1) is 1", body, change(func(c *cell.NASBenchCell) { c.Matrix[1][1] = 1 })},
		{"two edges at once", "entry (0, 1) is 2", body, change(func(c *cell.NASBenchCell) { c.Matrix[0][1] = 2 })},
		{"ten edges", "10 edges on paths from input to output; want at most 9", body, nasCell([]string{conv3, conv3, conv3},
			[2]int{0, 1}, [2]int{0, 2}, [2]int{0, 3}, [2]int{0, 4}, [2]int{1, 2}, [2]int{1, 3}, [2]int{1, 4}, [2]int{2, 3}, [2]int{2, 4}, [2]int{3, 4})},
		{"another input", `operation 0 is "in"`, body, change(func(c *cell.NASBenchCell) { c.Ops[0] = "in" })},
		{"another output", `operation 2 is "conv3x3-bn-relu"; the first must be "input" and the last "output"`, body, change(func(c *cell.NASBenchCell) { c.Ops[2] = conv3 })},
		{"an unknown operation", `operation 1 is "conv5x5", not`, body, change(func(c *cell.NASBenchCell) { c.Ops[1] = "conv5x5" })},
		{"no path", "without a path", body, nasCell([]string{conv3}, [2]int{0, 1})},
		{"no stem", `Stem is ""`, cell.NASBenchBackbone{Width: 4, Stacks: 1, Modules: 1}, good},
		{"no width", "Width is 0, not in 1..4096", cell.NASBenchBackbone{Stem: cell.CIFARStem, Stacks: 1, Modules: 1}, good},
		{"no stacks", "Stacks is 0, not in 1..10", cell.NASBenchBackbone{Stem: cell.CIFARStem, Width: 4, Modules: 1}, good},
		{"no cells", "Modules is 0, not in 1..1024", cell.NASBenchBackbone{Stem: cell.CIFARStem, Width: 4, Stacks: 1}, good},
		{"an image that is too small", "NAS-Bench stack 3: ops: MaxPool", cell.NASBenchBackbone{Stem: cell.CIFARStem, Width: 4, Stacks: 4, Modules: 1}, good},
		{"a stem that has no half", "Width is 1; the ImageNet stem halves it, want 2 or more", cell.NASBenchBackbone{Stem: cell.ImageNetStem, Width: 1, Stacks: 1, Modules: 1}, good},
		{"a vertex without channels", "Width is 1, too few channels for this cell: vertex 2 of the pruned cell has none; want at least 2", cell.NASBenchBackbone{Stem: cell.CIFARStem, Width: 1, Stacks: 1, Modules: 1},
			nasCell([]string{conv3, conv3}, [2]int{0, 1}, [2]int{0, 2}, [2]int{1, 3}, [2]int{2, 3})},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := newNet(t)
			_, err := c.body.Network(n.Scope, n.images(1, 7, 6, 3), c.cell)
			require.ErrorContains(t, err, c.want)
			assert.Regexp(t, "^cell: ", err.Error())
		})
	}
}
