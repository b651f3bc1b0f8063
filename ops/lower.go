package ops

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/onnxpb"
)

// Lowering of the kernels to ONNX.

// The axes of a feature map in ONNX.
const (
	channelAxis = 1
	rowAxis     = 2
	columnAxis  = 3
)

// lastAxis returns the ONNX axis of the channels of a value.
func lastAxis(s tensor.Shape) int {
	if s.Dims() == 4 {
		return channelAxis
	}
	return s.Dims() - 1
}

// attributes returns the window as attributes of ONNX convolutions and poolings.
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

// Lower returns the convolutions of the only window; a plan fuses several, a graph does not.
func (k stages) Lower(l *graph.Lowering) (string, error) {
	x := rectified(l, l.Input(0))
	group := onnxpb.Int("group", l.Shapes[0][3])
	x = l.Node("Conv", []string{x, l.Weight(1)}, append(k[0].attributes(), group)...)
	return l.Node("Conv", []string{x, l.Weight(2)}, Square(1, 1, 0, 1).attributes()...), nil
}

// Lower returns the reduction. For the shift, a map of odd size is padded by a row or
// column of zeros.
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
		return "", fmt.Errorf("batch normalisation of shape %v; want [N, H, W, C] or [N, C]", l.Shapes[0])
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

// Lower returns the pooling. ONNX has dilated average pooling only in later operator
// sets: it becomes a convolution with ones, divided by the number of pixels under the
// window.
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

// Lower returns the mean.
func (k globalPool) Lower(l *graph.Lowering) (string, error) {
	y := l.Node("GlobalAveragePool", []string{l.Input(0)})
	if !k.asMap {
		y = l.Node("Flatten", []string{y})
	}
	return y, nil
}

// Lower returns the layer, after a reshape that joins rows.
func (linear) Lower(l *graph.Lowering) (string, error) {
	x := l.Input(0)
	if in := l.Shapes[1][0]; in != l.Shapes[0][1] {
		x = l.Node("Reshape", []string{x, l.Numbers(-1, in)})
	}
	return l.Node("Gemm", []string{x, l.Weight(1), l.Weight(2)}, onnxpb.Int("transB", 1)), nil
}

// sized returns the ONNX shape of x up to, not including, axis end, followed by the
// given sizes.
func sized(l *graph.Lowering, x string, end int, sizes ...int) string {
	shape := l.Node("Shape", []string{x}, onnxpb.Int("end", end))
	return l.Node("Concat", []string{shape, l.Numbers(sizes...)}, onnxpb.Int("axis", 0))
}

// Lower returns the resized map.
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

// Lower returns the concatenated maps.
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

// Lower returns the input: nothing is dropped in evaluation.
func (dropout) Lower(l *graph.Lowering) (string, error) { return l.Input(0), nil }

// Lower returns the probabilities.
func (softmax) Lower(l *graph.Lowering) (string, error) {
	return l.Node("Softmax", []string{l.Input(0)}, onnxpb.Int("axis", 1)), nil
}
