package ops

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/onnxpb"
)

// What the kernels of networks become in a model of ONNX.

// The axes of a map in a model.
const (
	channelAxis = 1
	rowAxis     = 2
	columnAxis  = 3
)

// lastAxis returns the axis in a model of the channels of a value.
func lastAxis(s tensor.Shape) int {
	if s.Dims() == 4 {
		return channelAxis
	}
	return s.Dims() - 1
}

// attributes describes the window as convolutions and poolings of ONNX do.
func (w Window) attributes() []onnxpb.Attribute {
	a := []onnxpb.Attribute{
		onnxpb.Ints("kernel_shape", w.Rows, w.Columns),
		onnxpb.Ints("strides", w.StrideRows, w.StrideColumns),
		onnxpb.Ints("pads", w.PadRows, w.PadColumns, w.PadRows, w.PadColumns),
	}
	if w.dilated() {
		a = append(a, onnxpb.Ints("dilations", w.DilationRows, w.DilationColumns))
	}
	return a
}

func (w Window) dilated() bool { return w.DilationRows > 1 || w.DilationColumns > 1 }

func rectified(l *graph.Lowering, x string) string { return l.Node("Relu", []string{x}) }

// Lower returns the convolution.
func (k conv) Lower(l *graph.Lowering) (string, error) {
	inputs := []string{l.Input(0), l.Weight(1)}
	if k.ReLU {
		inputs[0] = rectified(l, inputs[0])
	}
	if k.Bias {
		inputs = append(inputs, l.Weight(2))
	}
	return l.Node("Conv", inputs, k.Window.attributes()...), nil
}

// Lower returns the stage; in a graph there is one, until a plan joins several.
func (k stages) Lower(l *graph.Lowering) (string, error) {
	x := rectified(l, l.Input(0))
	group := onnxpb.Int("group", l.Shapes[0][3])
	x = l.Node("Conv", []string{x, l.Weight(1)}, append(k[0].attributes(), group)...)
	return l.Node("Conv", []string{x, l.Weight(2)}, Square(1, 1, 0, 1).attributes()...), nil
}

// Lower returns the reduction. An odd map gets a row or column of zeros behind it,
// so that it can be shifted.
func (k reduce) Lower(l *graph.Lowering) (string, error) {
	x := rectified(l, l.Input(0))
	_, h, w, _ := graph.NHWC(l.Shapes[0])
	shifted := x
	if h%2+w%2 > 0 {
		shifted = l.Node("Pad", []string{x, l.Numbers(0, 0, 0, 0, 0, 0, h%2, w%2)})
	}
	shifted = l.Node("Slice", []string{shifted, l.Numbers(1, 1), l.Numbers(h+h%2, w+w%2), l.Numbers(rowAxis, columnAxis)})
	window := Square(1, 2, 0, 1).attributes()
	return l.Node("Concat", []string{
		l.Node("Conv", []string{x, l.Weight(1)}, window...),
		l.Node("Conv", []string{shifted, l.Weight(2)}, window...),
	}, onnxpb.Int("axis", channelAxis)), nil
}

// Lower returns the normalisation by the running statistics.
func (k norm) Lower(l *graph.Lowering) (string, error) {
	if d := l.Shapes[0].Dims(); d != 2 && d != 4 {
		return "", fmt.Errorf("a normalised value of shape %v; a map [N, H, W, C] or rows [N, C] are needed", l.Shapes[0])
	}
	statistic := func(suffix string, values []float32) string {
		return l.Parameter(k.stats.Name+suffix, []int{k.stats.channels}, func() ([]float32, error) { return values, nil })
	}
	inputs := []string{l.Input(0)}
	if k.affine {
		inputs = append(inputs, l.Weight(2), l.Weight(3))
	} else {
		for _, v := range []float32{1, 0} {
			inputs = append(inputs, l.Floats([]int{k.stats.channels}, slices.Repeat([]float32{v}, k.stats.channels)))
		}
	}
	inputs = append(inputs, statistic(meanSuffix, k.stats.Mean), statistic(varSuffix, k.stats.Var))
	return l.Node("BatchNormalization", inputs, onnxpb.Float("epsilon", k.settings.Epsilon)), nil
}

// Lower returns the pooling. ONNX learnt to average under a dilated window later
// than the operators that models are written in: there it is a convolution with
// ones, divided by the number of pixels under the window.
func (k pool) Lower(l *graph.Lowering) (string, error) {
	x := []string{l.Input(0)}
	switch {
	case k.max:
		return l.Node("MaxPool", x, k.w.attributes()...), nil
	case !k.w.dilated():
		return l.Node("AveragePool", x, k.w.attributes()...), nil
	}
	_, h, w, c := graph.NHWC(l.Shapes[0])
	oh, ow := k.w.kernel().Out(h, w)
	ones := l.Floats([]int{c, 1, k.w.Rows, k.w.Columns}, slices.Repeat([]float32{1}, c*k.w.Rows*k.w.Columns))
	var pixels []float32
	for y := range oh {
		rows := inside(y*k.w.StrideRows-k.w.PadRows, k.w.Rows, k.w.DilationRows, h)
		for x := range ow {
			columns := inside(x*k.w.StrideColumns-k.w.PadColumns, k.w.Columns, k.w.DilationColumns, w)
			pixels = append(pixels, float32(rows*columns))
		}
	}
	sum := l.Node("Conv", append(x, ones), append(k.w.attributes(), onnxpb.Int("group", c))...)
	return l.Node("Div", []string{sum, l.Floats([]int{1, 1, oh, ow}, pixels)}), nil
}

// inside returns how many of n places, the first at from and dilation apart, are
// from 0 to size-1.
func inside(from, n, dilation, size int) (count int) {
	for i := range n {
		if at := from + i*dilation; at >= 0 && at < size {
			count++
		}
	}
	return count
}

// Lower returns the mean.
func (k globalPool) Lower(l *graph.Lowering) (string, error) {
	y := l.Node("GlobalAveragePool", []string{l.Input(0)})
	if !k.asMap {
		y = l.Node("Flatten", []string{y})
	}
	return y, nil
}

// Lower returns the layer, behind what joins rows.
func (linear) Lower(l *graph.Lowering) (string, error) {
	x := l.Input(0)
	if in := l.Shapes[1][0]; in != l.Shapes[0][1] {
		x = l.Node("Reshape", []string{x, l.Numbers(-1, in)})
	}
	return l.Node("Gemm", []string{x, l.Weight(1), l.Weight(2)}, onnxpb.Int("transB", 1)), nil
}

// sized returns the shape of x in the model from axis 0 to, not including, axis
// end, followed by the given sizes.
func sized(l *graph.Lowering, x string, end int, sizes ...int) string {
	shape := l.Node("Shape", []string{x}, onnxpb.Int("end", end))
	return l.Node("Concat", []string{shape, l.Numbers(sizes...)}, onnxpb.Int("axis", 0))
}

// Lower returns the enlarged map.
func (k upsample) Lower(l *graph.Lowering) (string, error) {
	x := l.Input(0)
	return l.Node("Resize", []string{x, "", "", sized(l, x, rowAxis, k.h, k.w)},
		onnxpb.String("mode", "linear"), onnxpb.String("coordinate_transformation_mode", "align_corners")), nil
}

// Lower returns zeros.
func (k zeros) Lower(l *graph.Lowering) (string, error) {
	_, h, w, c := graph.NHWC(k.shape)
	return l.Node("ConstantOfShape", []string{sized(l, l.Input(0), channelAxis, c, h, w)}), nil
}

// Lower returns the positive part.
func (relu) Lower(l *graph.Lowering) (string, error) { return rectified(l, l.Input(0)), nil }

// Lower returns the joined maps.
func (concat) Lower(l *graph.Lowering) (string, error) {
	var inputs []string
	for i := range l.Shapes {
		inputs = append(inputs, l.Input(i))
	}
	return l.Node("Concat", inputs, onnxpb.Int("axis", lastAxis(l.Shapes[0]))), nil
}

// Lower returns the channels.
func (k channels) Lower(l *graph.Lowering) (string, error) {
	axis := l.Numbers(lastAxis(l.Shapes[0]))
	return l.Node("Slice", []string{l.Input(0), l.Numbers(k.from), l.Numbers(k.from + k.c), axis}), nil
}

// Lower returns the map: in evaluation nothing is dropped.
func (dropout) Lower(l *graph.Lowering) (string, error) { return l.Input(0), nil }

// Lower returns the probabilities.
func (softmax) Lower(l *graph.Lowering) (string, error) {
	return l.Node("Softmax", []string{l.Input(0)}, onnxpb.Int("axis", 1)), nil
}
