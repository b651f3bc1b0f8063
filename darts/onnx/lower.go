package onnx

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"unnas/internal/graph"
	"unnas/internal/ir"
	"unnas/internal/onnxpb"
)

// The axes of a feature map in ONNX.
const (
	channelAxis = 1
	rowAxis     = 2
	columnAxis  = 3
)

// lastAxis returns the ONNX axis of the channels of a value.
func lastAxis(s ir.Shape) int {
	if len(s) == 4 {
		return channelAxis
	}
	return len(s) - 1
}

// attributes returns a window as attributes of ONNX convolutions and poolings.
func attributes(w ir.Window) []onnxpb.Attribute {
	a := []onnxpb.Attribute{
		onnxpb.Ints("kernel_shape", w.Rows, w.Columns),
		onnxpb.Ints("strides", w.StrideRows, w.StrideColumns),
		onnxpb.Ints("pads", w.PadRows, w.PadColumns, w.PadRows, w.PadColumns),
	}
	if w.Dilated() {
		a = append(a, onnxpb.Ints("dilations", w.DilationRows, w.DilationColumns))
	}
	return a
}

// lowering is an operator on its way into a model. In a model, values of four dimensions
// are [N, C, H, W], all others as they are in a graph, and no node depends on N.
type lowering struct {
	*onnxpb.Graph
	e      *exporter
	inputs gorgonia.Nodes // of the operator
	shapes []ir.Shape     // of the inputs
}

// input adds input i, a map, to the model and returns the name of its value. What the
// operator does not ask for is left out.
func (l *lowering) input(i int) string { return l.e.value(l.inputs[i]) }

// weight does so with input i, a parameter, in its published form.
func (l *lowering) weight(i int) string { return l.e.weight(l.inputs[i]) }

func (l *lowering) relu(x string) string { return l.Node("Relu", []string{x}) }

// lower adds output 0 of an operator, in evaluation, to the model and returns the name of
// its value.
func (l *lowering) lower(op ir.Op) (string, error) {
	switch op := op.(type) {
	case ir.Conv:
		return l.conv(op), nil
	case ir.SeparableConv:
		return l.separableConv(op.Windows[0]), nil
	case ir.FactorizedReduce:
		return l.factorizedReduce(), nil
	case ir.BatchNorm:
		return l.batchNorm(op)
	case ir.Pool:
		return l.pool(op), nil
	case ir.GlobalAvgPool:
		y := l.Node("GlobalAveragePool", []string{l.input(0)})
		if !op.Map {
			y = l.Node("Flatten", []string{y})
		}
		return y, nil
	case ir.Linear:
		return l.linear(), nil
	case ir.Upsample:
		x := l.input(0)
		return l.Node("Resize", []string{x, "", "", l.sized(x, rowAxis, op.Height, op.Width)},
			onnxpb.String("mode", "linear"), onnxpb.String("coordinate_transformation_mode", "align_corners")), nil
	case ir.Zeros:
		_, h, w, c := op.Shape.NHWC()
		return l.Node("ConstantOfShape", []string{l.sized(l.input(0), channelAxis, c, h, w)}), nil
	case ir.ReLU:
		return l.relu(l.input(0)), nil
	case ir.Sum:
		y := l.input(0)
		for i := 1; i < len(l.inputs); i++ {
			y = l.Node("Add", []string{y, l.input(i)})
		}
		return y, nil
	case ir.Excite:
		return l.Node("Mul", []string{l.input(0), l.Node("Sigmoid", []string{l.input(1)})}), nil
	case ir.Concat:
		var inputs []string
		for i := range l.inputs {
			inputs = append(inputs, l.input(i))
		}
		return l.Node("Concat", inputs, onnxpb.Int("axis", lastAxis(l.shapes[0]))), nil
	case ir.Channels:
		axis := l.Numbers(lastAxis(l.shapes[0]))
		return l.Node("Slice", []string{l.input(0), l.Numbers(op.From), l.Numbers(op.From + op.Count), axis}), nil
	case ir.Dropout: // drops nothing in evaluation
		return l.input(0), nil
	case ir.Softmax:
		return l.Node("Softmax", []string{l.input(0)}, onnxpb.Int("axis", 1)), nil
	}
	return "", errNoCounterpart
}

func (l *lowering) conv(op ir.Conv) string {
	inputs := []string{l.input(0), l.weight(1)}
	if op.ReLU {
		inputs[0] = l.relu(inputs[0])
	}
	if op.Bias {
		inputs = append(inputs, l.weight(2))
	}
	return l.Node("Conv", inputs, attributes(op.Window)...)
}

// separableConv adds a block with one window; in a graph, none has several.
func (l *lowering) separableConv(w ir.Window) string {
	group := onnxpb.Int("group", l.shapes[0].Channels())
	x := l.Node("Conv", []string{l.relu(l.input(0)), l.weight(1)}, append(attributes(w), group)...)
	return l.Node("Conv", []string{x, l.weight(2)}, attributes(ir.Square(1, 1, 0, 1))...)
}

// factorizedReduce adds a reduction. For the shift, a map of odd size is padded by a row or
// column of zeros.
func (l *lowering) factorizedReduce() string {
	x := l.relu(l.input(0))
	_, h, w, _ := l.shapes[0].NHWC()
	shifted := x
	if h%2+w%2 > 0 {
		shifted = l.Node("Pad", []string{x, l.Numbers(0, 0, 0, 0, 0, 0, h%2, w%2)})
	}
	shifted = l.Node("Slice", []string{shifted, l.Numbers(1, 1), l.Numbers(h+h%2, w+w%2), l.Numbers(rowAxis, columnAxis)})
	window := attributes(ir.Square(1, 2, 0, 1))
	return l.Node("Concat", []string{
		l.Node("Conv", []string{x, l.weight(1)}, window...),
		l.Node("Conv", []string{shifted, l.weight(2)}, window...),
	}, onnxpb.Int("axis", channelAxis))
}

// batchNorm adds the normalisation by the running statistics.
func (l *lowering) batchNorm(op ir.BatchNorm) (string, error) {
	if d := len(l.shapes[0]); d != 2 && d != 4 {
		return "", fmt.Errorf("is a batch normalisation of shape %v; want [N, H, W, C] or [N, C]", l.shapes[0])
	}
	of, _ := graph.Of(l.inputs[1])
	statistics, ok := of.(ir.BatchStatistics)
	if !ok {
		return "", fmt.Errorf("is a batch normalisation with the statistics of %v; want those that package ops gives it", of)
	}
	running := graph.Children(graph.Operation(l.inputs[1]))[1:]
	c := l.shapes[0].Channels()
	inputs := []string{l.input(0)}
	if op.Affine {
		inputs = append(inputs, l.weight(2), l.weight(3))
	} else {
		for _, v := range []float32{1, 0} {
			inputs = append(inputs, l.Floats([]int{c}, slices.Repeat([]float32{v}, c)))
		}
	}
	for _, n := range running {
		inputs = append(inputs, l.Parameter(n.Name(), []int{c}, func() ([]float32, error) {
			a, err := graph.ArrayOf(n.Value())
			return a.F, err
		}))
	}
	return l.Node("BatchNormalization", inputs, onnxpb.Float("epsilon", statistics.Epsilon)), nil
}

// pool adds a pooling. ONNX has dilated average pooling only in later operator sets: it
// becomes a convolution with ones, divided by the number of pixels under the window.
func (l *lowering) pool(op ir.Pool) string {
	x, window := []string{l.input(0)}, op.Window
	switch {
	case op.Max:
		return l.Node("MaxPool", x, attributes(window)...)
	case !window.Dilated():
		return l.Node("AveragePool", x, attributes(window)...)
	}
	_, h, w, c := l.shapes[0].NHWC()
	oh, ow, _ := window.Out(h, w) // fits, since the operator was applied
	ones := l.Floats([]int{c, 1, window.Rows, window.Columns}, slices.Repeat([]float32{1}, c*window.Rows*window.Columns))
	var pixels []float32
	for y := range oh {
		rows := inside(y*window.StrideRows-window.PadRows, window.Rows, window.DilationRows, h)
		for x := range ow {
			columns := inside(x*window.StrideColumns-window.PadColumns, window.Columns, window.DilationColumns, w)
			pixels = append(pixels, float32(rows*columns))
		}
	}
	sum := l.Node("Conv", append(x, ones), append(attributes(window), onnxpb.Int("group", c))...)
	return l.Node("Div", []string{sum, l.Floats([]int{1, 1, oh, ow}, pixels)})
}

// inside returns how many of n positions, the first at from and dilation apart, are in
// 0..size-1.
func inside(from, n, dilation, size int) (count int) {
	for i := range n {
		if at := from + i*dilation; at >= 0 && at < size {
			count++
		}
	}
	return count
}

// linear adds a linear layer, after a reshape that joins rows.
func (l *lowering) linear() string {
	x := l.input(0)
	if in := l.shapes[1][0]; in != l.shapes[0][1] {
		x = l.Node("Reshape", []string{x, l.Numbers(-1, in)})
	}
	return l.Node("Gemm", []string{x, l.weight(1), l.weight(2)}, onnxpb.Int("transB", 1))
}

// sized returns the ONNX shape of x up to, not including, axis end, followed by the
// given sizes.
func (l *lowering) sized(x string, end int, sizes ...int) string {
	shape := l.Node("Shape", []string{x}, onnxpb.Int("end", end))
	return l.Node("Concat", []string{shape, l.Numbers(sizes...)}, onnxpb.Int("axis", 0))
}
