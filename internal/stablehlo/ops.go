package stablehlo

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Fill returns a value of equal elements of a floating-point type.
func (b *Builder) Fill(t Type, f float64, shape ...int) Value {
	var text string
	switch {
	case math.IsInf(f, 0) || math.IsNaN(f):
		if t != F32 {
			panicf("constant %v of type %s", f, t)
		}
		text = fmt.Sprintf("0x%08X", math.Float32bits(float32(f)))
	case t == F64:
		text = decimal(f, 64)
	default:
		text = decimal(f, 32)
	}
	return b.constant(t, text, shape)
}

// decimal returns the shortest decimal number that rounds to f, with a point.
func decimal(f float64, bits int) string {
	text := strconv.FormatFloat(f, 'e', -1, bits)
	if !strings.Contains(text, ".") {
		text = strings.Replace(text, "e", ".0e", 1)
	}
	return text
}

// Int returns a value of equal elements of an integer type.
func (b *Builder) Int(t Type, n uint64, shape ...int) Value {
	text := strconv.FormatUint(n, 10)
	if t == I32 {
		text = strconv.Itoa(int(int32(n)))
	}
	return b.constant(t, text, shape)
}

// Floats returns a value of given elements.
func (b *Builder) Floats(f []float32, shape ...int) Value {
	if len(f) != size(shape) {
		panicf("constant of %d elements, of shape %v", len(f), shape)
	}
	bytes := make([]byte, 0, 4*len(f))
	for _, v := range f {
		bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(v))
	}
	return b.constant(F32, `"0x`+strings.ToUpper(hex.EncodeToString(bytes))+`"`, shape)
}

func (b *Builder) constant(t Type, text string, shape []int) Value {
	return b.op(t, shape, "stablehlo.constant dense<%s> : ", text)
}

// Iota returns the indices of elements along an axis.
func (b *Builder) Iota(t Type, axis int, shape ...int) Value {
	return b.op(t, shape, "stablehlo.iota dim = %s : ", strconv.Itoa(axis))
}

func (b *Builder) unary(name string, x Value) Value {
	return b.op(x.Type, x.Shape, "stablehlo."+name+" %v : ", x)
}

func (b *Builder) binary(name string, x, y Value) Value {
	if x.Type != y.Type || !slices.Equal(x.Shape, y.Shape) {
		panicf("%s of %s and %s", name, x.typ(), y.typ())
	}
	return b.op(x.Type, x.Shape, "stablehlo."+name+" %v, %v : ", x, y)
}

// Negate returns -x.
func (b *Builder) Negate(x Value) Value { return b.unary("negate", x) }

// Abs returns the absolute values of x.
func (b *Builder) Abs(x Value) Value { return b.unary("abs", x) }

// Exp returns e to the power of x.
func (b *Builder) Exp(x Value) Value { return b.unary("exponential", x) }

// Log returns the natural logarithms of x.
func (b *Builder) Log(x Value) Value { return b.unary("log", x) }

// Sqrt returns the square roots of x.
func (b *Builder) Sqrt(x Value) Value { return b.unary("sqrt", x) }

// Cbrt returns the cube roots of x.
func (b *Builder) Cbrt(x Value) Value { return b.unary("cbrt", x) }

// Ceil returns the least whole numbers that are not below x.
func (b *Builder) Ceil(x Value) Value { return b.unary("ceil", x) }

// Add returns x + y.
func (b *Builder) Add(x, y Value) Value { return b.binary("add", x, y) }

// Sub returns x - y.
func (b *Builder) Sub(x, y Value) Value { return b.binary("subtract", x, y) }

// Mul returns x·y.
func (b *Builder) Mul(x, y Value) Value { return b.binary("multiply", x, y) }

// Div returns x/y, rounded towards zero for integers.
func (b *Builder) Div(x, y Value) Value { return b.binary("divide", x, y) }

// Rem returns the remainder of x/y.
func (b *Builder) Rem(x, y Value) Value { return b.binary("remainder", x, y) }

// Power returns x to the power of y.
func (b *Builder) Power(x, y Value) Value { return b.binary("power", x, y) }

// Max returns the larger of x and y.
func (b *Builder) Max(x, y Value) Value { return b.binary("maximum", x, y) }

// Min returns the smaller of x and y.
func (b *Builder) Min(x, y Value) Value { return b.binary("minimum", x, y) }

// And returns the bits that x and y have in common.
func (b *Builder) And(x, y Value) Value { return b.binary("and", x, y) }

// Or returns the bits that x or y have.
func (b *Builder) Or(x, y Value) Value { return b.binary("or", x, y) }

// Xor returns the bits that either x or y has.
func (b *Builder) Xor(x, y Value) Value { return b.binary("xor", x, y) }

// ShiftLeft returns x·2^y.
func (b *Builder) ShiftLeft(x, y Value) Value { return b.binary("shift_left", x, y) }

// ShiftRight returns x/2^y for unsigned integers.
func (b *Builder) ShiftRight(x, y Value) Value { return b.binary("shift_right_logical", x, y) }

// Compare returns where x is EQ, NE, LT, LE, GT or GE to y.
func (b *Builder) Compare(how string, x, y Value) Value {
	if x.Type != y.Type || !slices.Equal(x.Shape, y.Shape) {
		panicf("compare of %s and %s", x.typ(), y.typ())
	}
	return b.op(I1, x.Shape, "stablehlo.compare %s, %v, %v, %s : (%s, %s) -> ", how, x, y, x.Type.kind(), x.typ(), y.typ())
}

// Select returns x where a condition holds, y elsewhere.
func (b *Builder) Select(where, x, y Value) Value {
	if where.Type != I1 || x.Type != y.Type || !slices.Equal(x.Shape, y.Shape) || !slices.Equal(x.Shape, where.Shape) {
		panicf("select by %s of %s and %s", where.typ(), x.typ(), y.typ())
	}
	return b.op(x.Type, x.Shape, "stablehlo.select %v, %v, %v : %s, ", where, x, y, where.typ())
}

// Convert returns x with elements of another type.
func (b *Builder) Convert(x Value, t Type) Value {
	if x.Type == t {
		return x
	}
	return b.op(t, x.Shape, "stablehlo.convert %v : (%s) -> ", x, x.typ())
}

// Bitcast returns the bits of x as elements of another type of the same size.
func (b *Builder) Bitcast(x Value, t Type) Value {
	return b.op(t, x.Shape, "stablehlo.bitcast_convert %v : (%s) -> ", x, x.typ())
}

// Broadcast repeats x to a shape; axis i of x becomes axis dims[i].
func (b *Builder) Broadcast(x Value, shape []int, dims ...int) Value {
	if len(dims) != len(x.Shape) {
		panicf("broadcast of %s to %v along %v", x.typ(), shape, dims)
	}
	for i, d := range dims {
		if d < 0 || d >= len(shape) || x.Shape[i] != shape[d] && x.Shape[i] != 1 || i > 0 && d <= dims[i-1] {
			panicf("broadcast of %s to %v along %v", x.typ(), shape, dims)
		}
	}
	return b.op(x.Type, shape, "stablehlo.broadcast_in_dim %v, dims = %s : (%s) -> ", x, list(dims), x.typ())
}

// Reshape returns the elements of x in another shape.
func (b *Builder) Reshape(x Value, shape ...int) Value {
	if x.Size() != size(shape) {
		panicf("reshape of %s to %v", x.typ(), shape)
	}
	if slices.Equal(x.Shape, shape) {
		return x
	}
	return b.op(x.Type, shape, "stablehlo.reshape %v : (%s) -> ", x, x.typ())
}

// Transpose returns x with axis order[i] as its axis i.
func (b *Builder) Transpose(x Value, order ...int) Value {
	shape := make([]int, len(order))
	for i, a := range order {
		shape[i] = x.Shape[a]
	}
	return b.op(x.Type, shape, "stablehlo.transpose %v, dims = %s : (%s) -> ", x, list(order), x.typ())
}

// Reverse reverses x along axes.
func (b *Builder) Reverse(x Value, axes ...int) Value {
	return b.op(x.Type, x.Shape, "stablehlo.reverse %v, dims = %s : ", x, list(axes))
}

// Slice returns every stride-th element of each axis, from its start to before its end.
func (b *Builder) Slice(x Value, from, to, stride []int) Value {
	var parts []string
	var shape []int
	for i, d := range x.Shape {
		if from[i] < 0 || from[i] >= to[i] || to[i] > d || stride[i] < 1 {
			panicf("slice of %s from %v to %v by %v", x.typ(), from, to, stride)
		}
		parts = append(parts, fmt.Sprintf("%d:%d:%d", from[i], to[i], stride[i]))
		shape = append(shape, (to[i]-from[i]+stride[i]-1)/stride[i])
	}
	if slices.Equal(shape, x.Shape) {
		return x
	}
	return b.op(x.Type, shape, "stablehlo.slice %v [%s] : (%s) -> ", x, strings.Join(parts, ", "), x.typ())
}

// Range returns the elements of one axis from start to before end.
func (b *Builder) Range(x Value, axis, from, to int) Value {
	start, stride := make([]int, len(x.Shape)), slices.Repeat([]int{1}, len(x.Shape))
	end := slices.Clone(x.Shape)
	start[axis], end[axis] = from, to
	return b.Slice(x, start, end, stride)
}

// Pad adds elements with the value with, a number, at the low and the high end of each axis,
// and inside between each two. Negative numbers at the ends take elements away.
func (b *Builder) Pad(x Value, with float64, low, high, inside []int) Value {
	shape := make([]int, len(x.Shape))
	same := true
	for i, d := range x.Shape {
		shape[i] = low[i] + high[i] + d + (d-1)*inside[i]
		if shape[i] < 1 || inside[i] < 0 {
			panicf("pad of %s by %v, %v and %v", x.typ(), low, high, inside)
		}
		same = same && low[i] == 0 && high[i] == 0 && inside[i] == 0
	}
	if same {
		return x
	}
	z := b.Fill(x.Type, with)
	return b.op(x.Type, shape, "stablehlo.pad %v, %v, low = %s, high = %s, interior = %s : (%s, %s) -> ", x, z, list(low), list(high), list(inside), x.typ(), z.typ())
}

// Concat joins values along an axis.
func (b *Builder) Concat(axis int, in ...Value) Value {
	if len(in) == 1 {
		return in[0]
	}
	shape := slices.Clone(in[0].Shape)
	shape[axis] = 0
	for _, v := range in {
		shape[axis] += v.Shape[axis]
		rest := slices.Clone(v.Shape)
		rest[axis] = shape[axis]
		if v.Type != in[0].Type || !slices.Equal(rest, shape) {
			panicf("concatenate of %s and %s", in[0].typ(), v.typ())
		}
	}
	return b.op(in[0].Type, shape, "stablehlo.concatenate %v, dim = %s : (%s) -> ", in, strconv.Itoa(axis), typesOf(in))
}

// Gather returns the elements of a vector at the places that another has.
func (b *Builder) Gather(x, places Value) Value {
	if len(x.Shape) != 1 || len(places.Shape) != 1 || places.Type != I32 {
		panicf("gather of %s at %s", x.typ(), places.typ())
	}
	return b.op(x.Type, places.Shape, `"stablehlo.gather"(%v, %v) <{dimension_numbers = #stablehlo.gather<collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, indices_are_sorted = false, slice_sizes = array<i64: 1>}> : (%s, %s) -> `,
		x, places, x.typ(), places.typ())
}

// Windows returns windows of size [h, w] of maps [N, H, W, C]: [K, h, w, C]. A row of
// corners [K, 3] has the number of a map, the top row and the left column, which XLA moves
// inwards until the window is within the map.
func (b *Builder) Windows(x, corners Value, h, w int) Value {
	if len(x.Shape) != 4 || len(corners.Shape) != 2 || corners.Shape[1] != 3 || corners.Type != I32 || h > x.Shape[1] || w > x.Shape[2] {
		panicf("windows of %d by %d of %s at %s", h, w, x.typ(), corners.typ())
	}
	k, c := corners.Shape[0], x.Shape[3]
	return b.op(x.Type, []int{k, h, w, c}, `"stablehlo.gather"(%v, %v) <{dimension_numbers = #stablehlo.gather<offset_dims = [1, 2, 3], collapsed_slice_dims = [0], start_index_map = [0, 1, 2], index_vector_dim = 1>, indices_are_sorted = false, slice_sizes = array<i64: 1, %s, %s>}> : (%s, %s) -> `,
		x, corners, pair([2]int{h, w}), strconv.Itoa(c), x.typ(), corners.typ())
}

// AllGather joins the vectors of the replicas of the program, in their order.
func (b *Builder) AllGather(x Value, replicas int) Value {
	if len(x.Shape) != 1 {
		panicf("all_gather of %s", x.typ())
	}
	return b.op(x.Type, []int{replicas * x.Shape[0]}, `"stablehlo.all_gather"(%v) <{all_gather_dim = 0 : i64, replica_groups = dense<%s> : tensor<1x%sxi64>}> : (%s) -> `,
		x, group(replicas), strconv.Itoa(replicas), x.typ())
}

// AllToAll sends row i of a matrix with a row for each replica to replica i. Row i of the
// result comes from replica i.
func (b *Builder) AllToAll(x Value) Value {
	if len(x.Shape) != 2 {
		panicf("all_to_all of %s", x.typ())
	}
	n := strconv.Itoa(x.Shape[0])
	return b.op(x.Type, x.Shape, `"stablehlo.all_to_all"(%v) <{concat_dimension = 0 : i64, replica_groups = dense<%s> : tensor<1x%sxi64>, split_count = %s : i64, split_dimension = 0 : i64}> : (%s) -> `,
		x, group(x.Shape[0]), n, n, x.typ())
}

// group is the group of all replicas.
func group(replicas int) string {
	numbers := make([]int, replicas)
	for i := range numbers {
		numbers[i] = i
	}
	return "[" + list(numbers) + "]"
}

// A Reduction is an associative operation.
type Reduction string

// The reductions.
const (
	Sum     Reduction = "add"
	Largest Reduction = "maximum"
)

// start returns what a reduction begins with.
func (b *Builder) start(r Reduction, t Type) Value {
	switch {
	case r == Sum && t.kind() == "FLOAT":
		return b.Fill(t, 0)
	case r == Sum:
		return b.Int(t, 0)
	case t == F32 && r == Largest:
		return b.Fill(t, math.Inf(-1))
	case t == F64 && r == Largest:
		return b.Fill(t, -math.MaxFloat64)
	}
	panic(fmt.Errorf("stablehlo: reduction by %s of %s", r, t))
}

// Reduce reduces x along axes, which its result does not have.
func (b *Builder) Reduce(r Reduction, x Value, axes ...int) Value {
	var shape []int
	for i, d := range x.Shape {
		if !slices.Contains(axes, i) {
			shape = append(shape, d)
		}
	}
	z := b.start(r, x.Type)
	return b.op(x.Type, shape, "stablehlo.reduce(%v init: %v) applies stablehlo.%s across dimensions = %s : (%s, %s) -> ", x, z, string(r), list(axes), x.typ(), z.typ())
}

// Sums adds up x and y along axes, in one operation.
func (b *Builder) Sums(x, y Value, axes ...int) (sumX, sumY Value) {
	if x.Type != y.Type || !slices.Equal(x.Shape, y.Shape) {
		panicf("sums of %s and %s", x.typ(), y.typ())
	}
	like := b.Reduce(Sum, x, axes...) // not needed by itself
	z, scalar := b.start(Sum, x.Type), Value{Type: x.Type}.typ()
	results := []Value{b.value(x.Type, like.Shape), b.value(x.Type, like.Shape)}
	b.add(results, `"stablehlo.reduce"(%v, %v, %v, %v) <{dimensions = array<i64: %s>}> ({
    ^bb0(%%a: %s, %%b: %s, %%c: %s, %%d: %s):
      %%e = stablehlo.add %%a, %%c : %s
      %%f = stablehlo.add %%b, %%d : %s
      stablehlo.return %%e, %%f : %s, %s
    }) : (%s, %s, %s, %s) -> (%s, %s)`, []any{x, y, z, z, strings.Trim(list(axes), "[]"),
		scalar, scalar, scalar, scalar, scalar, scalar, scalar, scalar,
		x.typ(), y.typ(), scalar, scalar, like.typ(), like.typ()})
	return results[0], results[1]
}

// FirstLargest returns the column of the first largest element of each row of a matrix; that
// of NaN alone is beyond the last. It looks at each element once: XLA may compute an operand
// of two operations twice, with other rounding.
func (b *Builder) FirstLargest(x Value) Value {
	if x.Type != F32 || len(x.Shape) != 2 {
		panicf("first largest of %s", x.typ())
	}
	column := b.Iota(I32, 1, x.Shape...)
	least, beyond := b.start(Largest, F32), b.Int(I32, uint64(x.Shape[1]))
	largest, first := b.value(F32, x.Shape[:1]), b.value(I32, x.Shape[:1])
	b.add([]Value{largest, first}, `"stablehlo.reduce"(%v, %v, %v, %v) <{dimensions = array<i64: 1>}> ({
    ^bb0(%%a: tensor<f32>, %%i: tensor<i32>, %%b: tensor<f32>, %%j: tensor<i32>):
      %%larger = stablehlo.compare GT, %%b, %%a, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
      %%equal = stablehlo.compare EQ, %%b, %%a, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
      %%before = stablehlo.compare LT, %%j, %%i, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
      %%first = stablehlo.and %%equal, %%before : tensor<i1>
      %%take = stablehlo.or %%larger, %%first : tensor<i1>
      %%c = stablehlo.select %%take, %%b, %%a : tensor<i1>, tensor<f32>
      %%k = stablehlo.select %%take, %%j, %%i : tensor<i1>, tensor<i32>
      stablehlo.return %%c, %%k : tensor<f32>, tensor<i32>
    }) : (%s, %s, tensor<f32>, tensor<i32>) -> (%s, %s)`, []any{x, column, least, beyond,
		x.typ(), column.typ(), largest.typ(), first.typ()})
	return first
}

// ReduceWindow reduces each window of a map [N, H, W, C]. What pads it does not count.
func (b *Builder) ReduceWindow(r Reduction, x Value, w Window) Value {
	oh, ow := w.out(x.Shape)
	z, scalar := b.start(r, x.Type), Value{Type: x.Type}.typ()
	format := `"stablehlo.reduce_window"(%v, %v) <{padding = dense<%s> : tensor<4x2xi64>, window_dilations = array<i64: 1, %s, 1>, window_dimensions = array<i64: 1, %s, 1>, window_strides = array<i64: 1, %s, 1>}> ({
    ^bb0(%%a: %s, %%b: %s):
      %%c = stablehlo.%s %%a, %%b : %s
      stablehlo.return %%c : %s
    }) : (%s, %s) -> `
	padding := fmt.Sprintf("[[0, 0], [%d, %d], [%d, %d], [0, 0]]", w.Low[0], w.High[0], w.Low[1], w.High[1])
	return b.op(x.Type, []int{x.Shape[0], oh, ow, x.Shape[3]}, format, x, z, padding, pair(w.Dilation), pair(w.Size), pair(w.Stride),
		scalar, scalar, string(r), scalar, scalar, x.typ(), z.typ())
}

// A Window is the geometry of a convolution, for rows and columns.
type Window struct {
	Size, Stride, Low, High, Dilation [2]int
	Inside                            [2]int // zeros between pixels of the map, plus one
}

// out returns the size of the output for a map [N, H, W, C].
func (w Window) out(shape []int) (h, wd int) {
	var out [2]int
	for i := range out {
		n := shape[1+i]
		if w.Inside[i] > 1 {
			n = (n-1)*w.Inside[i] + 1
		}
		n += w.Low[i] + w.High[i] - w.Dilation[i]*(w.Size[i]-1) - 1
		if n < 0 {
			panicf("window %v on a map %v", w, shape)
		}
		out[i] = n/w.Stride[i] + 1
	}
	return out[0], out[1]
}

// Conv is a convolution of a map x [N, H, W, C] with weights w [rows, columns, C/groups,
// Out].
func (b *Builder) Conv(x, w Value, win Window, groups int) Value {
	if x.Shape[3] != w.Shape[2]*groups || w.Shape[3]%groups != 0 {
		panicf("convolution of %s and %s in %d groups", x.typ(), w.typ(), groups)
	}
	win.Size = [2]int(w.Shape[:2])
	oh, ow := win.out(x.Shape)
	return b.convolution(x, w, "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]", []int{x.Shape[0], oh, ow, w.Shape[3]}, win, groups, 1)
}

// ConvWeights sums, for each pixel of the window, products of the pixels of x [N, H, W, C]
// and those of g [N, OH, OW, Out] at that distance: the gradient of weights [rows, columns,
// C/groups, Out]. The roles of stride and dilation are exchanged: win.Dilation is the
// stride of the convolution, and win.Stride its dilation.
func (b *Builder) ConvWeights(x, g Value, win Window, groups int) Value {
	win.Size = [2]int(g.Shape[1:3])
	rows, columns := win.out(x.Shape)
	return b.convolution(x, g, "[f, 0, 1, b]x[i, 0, 1, o]->[0, 1, b, f]", []int{rows, columns, x.Shape[3] / groups, g.Shape[3]}, win, 1, groups)
}

func (b *Builder) convolution(x, w Value, numbers string, out []int, win Window, groups, batchGroups int) Value {
	inside := [2]int{max(1, win.Inside[0]), max(1, win.Inside[1])}
	window := fmt.Sprintf("stride = [%s], pad = [[%d, %d], [%d, %d]], lhs_dilate = [%s], rhs_dilate = [%s]",
		pair(win.Stride), win.Low[0], win.High[0], win.Low[1], win.High[1], pair(inside), pair(win.Dilation))
	return b.op(x.Type, out, "stablehlo.convolution(%v, %v) dim_numbers = "+numbers+", window = {%s} {batch_group_count = %s : i64, feature_group_count = %s : i64, precision_config = [#stablehlo<precision %s>, #stablehlo<precision %s>]} : (%s, %s) -> ",
		x, w, window, strconv.Itoa(batchGroups), strconv.Itoa(groups), b.Precision, b.Precision, x.typ(), w.typ())
}

// Dot sums products of x and y along one axis of each. The result has the other axes of x,
// then those of y.
func (b *Builder) Dot(x, y Value, ofX, ofY int) Value {
	if x.Type != y.Type || x.Shape[ofX] != y.Shape[ofY] {
		panicf("product of %s and %s along %d and %d", x.typ(), y.typ(), ofX, ofY)
	}
	shape := slices.Concat(x.Shape[:ofX], x.Shape[ofX+1:], y.Shape[:ofY], y.Shape[ofY+1:])
	return b.op(x.Type, shape, "stablehlo.dot_general %v, %v, contracting_dims = [%s] x [%s], precision = [%s, %s] : (%s, %s) -> ",
		x, y, strconv.Itoa(ofX), strconv.Itoa(ofY), b.Precision, b.Precision, x.typ(), y.typ())
}

// DotBatch is Dot for each element of an axis of x and of y. The result has that axis, the
// other axes of x, then those of y.
func (b *Builder) DotBatch(x, y Value, batchX, batchY, ofX, ofY int) Value {
	if x.Type != y.Type || x.Shape[ofX] != y.Shape[ofY] || x.Shape[batchX] != y.Shape[batchY] {
		panicf("product of %s and %s along %d and %d, for each of %d and %d", x.typ(), y.typ(), ofX, ofY, batchX, batchY)
	}
	shape := []int{x.Shape[batchX]}
	others := func(v Value, batch, of int) {
		for i, n := range v.Shape {
			if i != batch && i != of {
				shape = append(shape, n)
			}
		}
	}
	others(x, batchX, ofX)
	others(y, batchY, ofY)
	return b.op(x.Type, shape, "stablehlo.dot_general %v, %v, batching_dims = [%s] x [%s], contracting_dims = [%s] x [%s], precision = [%s, %s] : (%s, %s) -> ",
		x, y, strconv.Itoa(batchX), strconv.Itoa(batchY), strconv.Itoa(ofX), strconv.Itoa(ofY), b.Precision, b.Precision, x.typ(), y.typ())
}

// While applies body to values as long as a condition on them holds. Neither sees other
// values.
func (b *Builder) While(start []Value, condition func(*Builder, []Value) Value, body func(*Builder, []Value) []Value) []Value {
	test, do := b.region(start), b.region(start)
	test.results = []Value{condition(test.b, test.b.args)}
	do.results = body(do.b, do.b.args)
	types := typesOf(start)
	if got := typesOf(do.results); got != types {
		panicf("while on %s with a body that returns %s", types, got)
	}
	results := make([]Value, len(start))
	for i, v := range start {
		results[i] = b.value(v.Type, v.Shape)
	}
	b.add(results, "\"stablehlo.while\"(%v) ({\n%v}, {\n%v}) : (%s) -> (%s)", []any{start, test, do, types, types})
	return results
}

func list(v []int) string {
	return "[" + strings.ReplaceAll(strings.Trim(fmt.Sprint(v), "[]"), " ", ", ") + "]"
}

func pair(v [2]int) string { return fmt.Sprintf("%d, %d", v[0], v[1]) }
