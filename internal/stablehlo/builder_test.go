package stablehlo

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// body returns the operations of a function that returns a value.
func body(b *Builder, v ...Value) string {
	lines := strings.Split(b.Text("m", nil, nil, v...), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "    ")
	}
	return strings.Join(lines[2:len(lines)-4], "\n")
}

// TestText writes a module: attributes, a donated argument, and what its results need.
func TestText(t *testing.T) {
	b := New()
	w, g := b.Arg(F32, 2, 3), b.Arg(F32, 2, 3)
	n := b.Arg(I32)
	b.Exp(g)                       // not needed
	half := b.Fill(F32, 0.5, 2, 3) // one constant
	again := b.Fill(F32, 0.5, 2, 3)
	assert.Equal(t, half, again)
	w = b.Sub(w, b.Mul(g, half))
	got := b.Text("step", []string{"mhlo.num_replicas = 2 : i32"}, map[int]int{0: 1}, n, w)
	assert.Equal(t, `module @step attributes {mhlo.num_replicas = 2 : i32} {
  func.func public @main(%0: tensor<2x3xf32> {tf.aliasing_output = 1 : i32}, %1: tensor<2x3xf32>, %2: tensor<i32>) -> (tensor<i32>, tensor<2x3xf32>) {
    %3 = stablehlo.constant dense<5.0e-01> : tensor<2x3xf32>
    %4 = stablehlo.multiply %1, %3 : tensor<2x3xf32>
    %5 = stablehlo.subtract %0, %4 : tensor<2x3xf32>
    return %2, %5 : tensor<i32>, tensor<2x3xf32>
  }
}
`, got)
}

// TestOperations compares the text and the shape of operations.
func TestOperations(t *testing.T) {
	for _, c := range []struct {
		name  string
		apply func(b *Builder, x, y Value) Value // of tensor<2x3xf32> and tensor<3x4xf32>
		shape []int
		want  string // the last line
	}{
		{"compare", func(b *Builder, x, _ Value) Value { return b.Compare("GT", x, b.Abs(x)) }, []int{2, 3}, "%3 = stablehlo.compare GT, %0, %2, FLOAT : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xi1>"},
		{"unsigned", func(b *Builder, x, _ Value) Value { u := b.Bitcast(x, UI32); return b.Compare("LT", u, u) }, []int{2, 3}, "%3 = stablehlo.compare LT, %2, %2, UNSIGNED : (tensor<2x3xui32>, tensor<2x3xui32>) -> tensor<2x3xi1>"},
		{"convert", func(b *Builder, x, _ Value) Value { return b.Convert(b.Convert(x, F32), BF16) }, []int{2, 3}, "%2 = stablehlo.convert %0 : (tensor<2x3xf32>) -> tensor<2x3xbf16>"},
		{"broadcast", func(b *Builder, x, _ Value) Value { return b.Broadcast(x, []int{2, 5, 3}, 0, 2) }, []int{2, 5, 3}, "%2 = stablehlo.broadcast_in_dim %0, dims = [0, 2] : (tensor<2x3xf32>) -> tensor<2x5x3xf32>"},
		{"transpose", func(b *Builder, x, _ Value) Value { return b.Transpose(x, 1, 0) }, []int{3, 2}, "%2 = stablehlo.transpose %0, dims = [1, 0] : (tensor<2x3xf32>) -> tensor<3x2xf32>"},
		{"reverse", func(b *Builder, x, _ Value) Value { return b.Reverse(x, 1) }, []int{2, 3}, "%2 = stablehlo.reverse %0, dims = [1] : tensor<2x3xf32>"},
		{"slice", func(b *Builder, _, y Value) Value { return b.Slice(y, []int{1, 0}, []int{3, 4}, []int{1, 3}) }, []int{2, 2}, "%2 = stablehlo.slice %1 [1:3:1, 0:4:3] : (tensor<3x4xf32>) -> tensor<2x2xf32>"},
		{"range", func(b *Builder, _, y Value) Value { return b.Range(y, 1, 1, 3) }, []int{3, 2}, "%2 = stablehlo.slice %1 [0:3:1, 1:3:1] : (tensor<3x4xf32>) -> tensor<3x2xf32>"},
		{"pad", func(b *Builder, x, _ Value) Value {
			return b.Pad(x, math.Inf(-1), []int{1, -1}, []int{0, 2}, []int{0, 1})
		}, []int{3, 6}, "%3 = stablehlo.pad %0, %2, low = [1, -1], high = [0, 2], interior = [0, 1] : (tensor<2x3xf32>, tensor<f32>) -> tensor<3x6xf32>"},
		{"concatenate", func(b *Builder, x, y Value) Value { return b.Concat(0, b.Range(y, 1, 0, 3), x) }, []int{5, 3}, "%3 = stablehlo.concatenate %2, %0, dim = 0 : (tensor<3x3xf32>, tensor<2x3xf32>) -> tensor<5x3xf32>"},
		{"gather", func(b *Builder, x, _ Value) Value { return b.Gather(b.Reshape(x, 6), b.Int(I32, 2, 4)) }, []int{4}, `%4 = "stablehlo.gather"(%2, %3) <{dimension_numbers = #stablehlo.gather<collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, indices_are_sorted = false, slice_sizes = array<i64: 1>}> : (tensor<6xf32>, tensor<4xi32>) -> tensor<4xf32>`},
		{"windows", func(b *Builder, x, _ Value) Value {
			return b.Windows(b.Reshape(x, 1, 3, 2, 1), b.Int(I32, 0, 4, 3), 2, 1)
		}, []int{4, 2, 1, 1}, `%4 = "stablehlo.gather"(%2, %3) <{dimension_numbers = #stablehlo.gather<offset_dims = [1, 2, 3], collapsed_slice_dims = [0], start_index_map = [0, 1, 2], index_vector_dim = 1>, indices_are_sorted = false, slice_sizes = array<i64: 1, 2, 1, 1>}> : (tensor<1x3x2x1xf32>, tensor<4x3xi32>) -> tensor<4x2x1x1xf32>`},
		{"bytes", func(b *Builder, x, _ Value) Value { return b.Convert(b.Arg(UI8, 2), I32) }, []int{2}, "%3 = stablehlo.convert %2 : (tensor<2xui8>) -> tensor<2xi32>"},
		{"all gather", func(b *Builder, x, _ Value) Value { return b.AllGather(b.Reshape(x, 6), 3) }, []int{18}, `%3 = "stablehlo.all_gather"(%2) <{all_gather_dim = 0 : i64, replica_groups = dense<[[0, 1, 2]]> : tensor<1x3xi64>}> : (tensor<6xf32>) -> tensor<18xf32>`},
		{"all to all", func(b *Builder, x, _ Value) Value { return b.AllToAll(x) }, []int{2, 3}, `%2 = "stablehlo.all_to_all"(%0) <{concat_dimension = 0 : i64, replica_groups = dense<[[0, 1]]> : tensor<1x2xi64>, split_count = 2 : i64, split_dimension = 0 : i64}> : (tensor<2x3xf32>) -> tensor<2x3xf32>`},
		{"reduce", func(b *Builder, x, _ Value) Value { return b.Reduce(Largest, x, 0) }, []int{3}, "%3 = stablehlo.reduce(%0 init: %2) applies stablehlo.maximum across dimensions = [0] : (tensor<2x3xf32>, tensor<f32>) -> tensor<3xf32>"},
		{"product", func(b *Builder, x, y Value) Value { return b.Dot(x, y, 1, 0) }, []int{2, 4}, "%2 = stablehlo.dot_general %0, %1, contracting_dims = [1] x [0], precision = [HIGHEST, HIGHEST] : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>"},
		{"products", func(b *Builder, x, y Value) Value {
			return b.DotBatch(b.Reshape(x, 1, 2, 3), b.Reshape(y, 3, 2, 2), 1, 1, 2, 0)
		}, []int{2, 1, 2}, "%4 = stablehlo.dot_general %2, %3, batching_dims = [1] x [1], contracting_dims = [2] x [0], precision = [HIGHEST, HIGHEST] : (tensor<1x2x3xf32>, tensor<3x2x2xf32>) -> tensor<2x1x2xf32>"},
		{"sums", func(b *Builder, x, _ Value) Value { _, y := b.Sums(x, b.Exp(x), 0); return y }, []int{3}, `}) : (tensor<2x3xf32>, tensor<2x3xf32>, tensor<f32>, tensor<f32>) -> (tensor<3xf32>, tensor<3xf32>)`},
		{"first largest", func(b *Builder, x, _ Value) Value { return b.FirstLargest(x) }, []int{2}, `}) : (tensor<2x3xf32>, tensor<2x3xi32>, tensor<f32>, tensor<i32>) -> (tensor<2xf32>, tensor<2xi32>)`},
		{"convolution", func(b *Builder, x, y Value) Value {
			win := Window{Stride: [2]int{2, 1}, Low: [2]int{0, 1}, High: [2]int{1, 1}, Dilation: [2]int{1, 2}}
			return b.Conv(b.Reshape(x, 1, 3, 2, 1), b.Reshape(y, 3, 2, 1, 2), win, 1)
		}, []int{1, 1, 2, 2}, "%4 = stablehlo.convolution(%2, %3) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [2, 1], pad = [[0, 1], [1, 1]], lhs_dilate = [1, 1], rhs_dilate = [1, 2]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64, precision_config = [#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]} : (tensor<1x3x2x1xf32>, tensor<3x2x1x2xf32>) -> tensor<1x1x2x2xf32>"},
		{"numbers", func(b *Builder, _, _ Value) Value { return b.Floats([]float32{1, -2}, 2) }, []int{2}, `%2 = stablehlo.constant dense<"0x0000803F000000C0"> : tensor<2xf32>`},
		{"negative", func(b *Builder, _, _ Value) Value { return b.Int(I32, math.MaxUint64, 2) }, []int{2}, "%2 = stablehlo.constant dense<-1> : tensor<2xi32>"},
		{"wide", func(b *Builder, _, _ Value) Value { return b.Int(UI64, math.MaxUint64) }, nil, "%2 = stablehlo.constant dense<18446744073709551615> : tensor<ui64>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := New()
			v := c.apply(b, b.Arg(F32, 2, 3), b.Arg(F32, 3, 4))
			assert.Equal(t, c.shape, v.Shape)
			lines := strings.Split(body(b, v), "\n")
			assert.Equal(t, c.want, lines[len(lines)-1])
		})
	}
}

// TestNothing adds no operation that does nothing.
func TestNothing(t *testing.T) {
	b := New()
	x := b.Arg(F32, 2, 3)
	none := []int{0, 0}
	assert.Equal(t, x, b.Reshape(x, 2, 3))
	assert.Equal(t, x, b.Range(x, 1, 0, 3))
	assert.Equal(t, x, b.Pad(x, 0, none, none, none))
	assert.Equal(t, x, b.Convert(x, F32))
	assert.Equal(t, x, b.Concat(0, x))
}

// TestWhile writes both regions, of what they need alone.
func TestWhile(t *testing.T) {
	b := New()
	x := b.Arg(F32, 2)
	out := b.While([]Value{b.Int(I32, 0), x},
		func(b *Builder, v []Value) Value { return b.Compare("LT", v[0], b.Int(I32, 3)) },
		func(b *Builder, v []Value) []Value {
			b.Negate(v[1])
			return []Value{b.Add(v[0], b.Int(I32, 1)), b.Exp(v[1])}
		})
	assert.Equal(t, `%1 = stablehlo.constant dense<0> : tensor<i32>
%2:2 = "stablehlo.while"(%1, %0) ({
^bb0(%4: tensor<i32>, %5: tensor<2xf32>):
  %6 = stablehlo.constant dense<3> : tensor<i32>
  %7 = stablehlo.compare LT, %4, %6, SIGNED : (tensor<i32>, tensor<i32>) -> tensor<i1>
  stablehlo.return %7 : tensor<i1>
}, {
^bb0(%8: tensor<i32>, %9: tensor<2xf32>):
  %10 = stablehlo.constant dense<1> : tensor<i32>
  %11 = stablehlo.add %8, %10 : tensor<i32>
  %12 = stablehlo.exponential %9 : tensor<2xf32>
  stablehlo.return %11, %12 : tensor<i32>, tensor<2xf32>
}) : (tensor<i32>, tensor<2xf32>) -> (tensor<i32>, tensor<2xf32>)`, body(b, out[1]))
}

// TestPanics names operands that do not fit.
func TestPanics(t *testing.T) {
	for _, c := range []struct {
		want  string
		apply func(b *Builder, x, y Value)
	}{
		{"stablehlo: add of tensor<2x3xf32> and tensor<3x4xf32>", func(b *Builder, x, y Value) { b.Add(x, y) }},
		{"stablehlo: multiply of tensor<2x3xf32> and tensor<2x3xbf16>", func(b *Builder, x, _ Value) { b.Mul(x, b.Convert(x, BF16)) }},
		{"stablehlo: compare of tensor<2x3xf32> and tensor<3x4xf32>", func(b *Builder, x, y Value) { b.Compare("EQ", x, y) }},
		{"stablehlo: select by tensor<2x3xf32> of tensor<2x3xf32> and tensor<2x3xf32>", func(b *Builder, x, _ Value) { b.Select(x, x, x) }},
		{"stablehlo: reshape of tensor<2x3xf32> to [5]", func(b *Builder, x, _ Value) { b.Reshape(x, 5) }},
		{"stablehlo: broadcast of tensor<2x3xf32> to [3 2] along [1 0]", func(b *Builder, x, _ Value) { b.Broadcast(x, []int{3, 2}, 1, 0) }},
		{"stablehlo: slice of tensor<2x3xf32> from [0 1] to [2 4] by [1 1]", func(b *Builder, x, _ Value) { b.Range(x, 1, 1, 4) }},
		{"stablehlo: pad of tensor<2x3xf32> by [-2 0], [0 0] and [0 0]", func(b *Builder, x, _ Value) { b.Pad(x, 0, []int{-2, 0}, []int{0, 0}, []int{0, 0}) }},
		{"stablehlo: concatenate of tensor<2x3xf32> and tensor<3x4xf32>", func(b *Builder, x, y Value) { b.Concat(1, x, y) }},
		{"stablehlo: product of tensor<2x3xf32> and tensor<3x4xf32> along 0 and 0", func(b *Builder, x, y Value) { b.Dot(x, y, 0, 0) }},
		{"stablehlo: product of tensor<2x3xf32> and tensor<3x4xf32> along 1 and 0, for each of 0 and 1", func(b *Builder, x, y Value) { b.DotBatch(x, y, 0, 1, 1, 0) }},
		{"stablehlo: sums of tensor<2x3xf32> and tensor<3x4xf32>", func(b *Builder, x, y Value) { b.Sums(x, y, 0) }},
		{"stablehlo: convolution of tensor<1x1x2x3xf32> and tensor<3x2x2x1xf32> in 1 groups", func(b *Builder, x, y Value) {
			b.Conv(b.Reshape(x, 1, 1, 2, 3), b.Reshape(y, 3, 2, 2, 1), Window{}, 1)
		}},
		{"stablehlo: gather of tensor<6xf32> at tensor<6xf32>", func(b *Builder, x, _ Value) { b.Gather(b.Reshape(x, 6), b.Reshape(x, 6)) }},
		{"stablehlo: constant of 1 elements, of shape [2]", func(b *Builder, _, _ Value) { b.Floats([]float32{1}, 2) }},
		{"stablehlo: constant -Inf of type f64", func(b *Builder, _, _ Value) { b.Fill(F64, math.Inf(-1)) }},
		{"stablehlo: reduction by maximum of i32", func(b *Builder, x, _ Value) { b.Reduce(Largest, b.Iota(I32, 0, 2), 0) }},
		{"stablehlo: first largest of tensor<6xf32>", func(b *Builder, x, _ Value) { b.FirstLargest(b.Reshape(x, 6)) }},
		{"stablehlo: an operand of another function", func(b *Builder, x, _ Value) { b.Add(x, New().Arg(F32, 2, 3)) }},
		{"stablehlo: a result of another function", func(b *Builder, _, _ Value) { b.Text("m", nil, nil, New().Arg(F32, 2, 3)) }},
		{"stablehlo: while on tensor<2x3xf32> with a body that returns tensor<2xf32>", func(b *Builder, x, _ Value) {
			b.While([]Value{x}, func(b *Builder, v []Value) Value { return b.Compare("GT", v[0], v[0]) }, func(b *Builder, v []Value) []Value { return []Value{b.Reduce(Sum, v[0], 1)} })
		}},
	} {
		t.Run(c.want, func(t *testing.T) {
			b := New()
			x, y := b.Arg(F32, 2, 3), b.Arg(F32, 3, 4)
			assert.PanicsWithError(t, c.want, func() { c.apply(b, x, y) })
		})
	}
}
