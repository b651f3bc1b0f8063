package ir_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/ir"
)

var (
	x       = ir.Shape{2, 7, 5, 6}
	scalar  = ir.Shape{}
	uneven  = ir.Window{Rows: 3, Columns: 2, StrideRows: 2, StrideColumns: 1, PadRows: 1, DilationRows: 1, DilationColumns: 2}
	strided = ir.Square(3, 2, 1, 1)
)

// TestInfer infers shapes of unequal dimensions.
func TestInfer(t *testing.T) {
	for _, c := range []struct {
		op   ir.Op
		in   []ir.Shape
		want []ir.Shape
	}{
		{ir.Conv{Out: 9, Window: uneven}, []ir.Shape{x, {3, 2, 6, 9}}, []ir.Shape{{2, 4, 3, 9}, {3, 9}}},
		{ir.ConvGrad{Of: ir.Conv{Out: 9, Window: uneven}}, []ir.Shape{{2, 4, 3, 9}, x, {3, 2, 6, 9}}, []ir.Shape{x, {3, 2, 6, 9}, {9}}},
		{ir.SeparableConv{Windows: []ir.Window{strided, ir.Square(5, 2, 2, 1)}}, []ir.Shape{x, {3, 3, 1, 6}, {1, 1, 6, 4}, {5, 5, 1, 6}, {1, 1, 6, 8}}, []ir.Shape{{2, 4, 3, 4}, {3, 4}, {2, 4, 3, 8}, {3, 8}}},
		{ir.SeparableConvGrad{Windows: []ir.Window{strided, ir.Square(5, 2, 2, 1)}}, []ir.Shape{x, {2, 4, 3, 4}, {3, 3, 1, 6}, {1, 1, 6, 4}, {2, 4, 3, 8}, {5, 5, 1, 6}, {1, 1, 6, 8}}, []ir.Shape{x, {2, 6}, {3, 3, 1, 6}, {1, 1, 6, 4}, {5, 5, 1, 6}, {1, 1, 6, 8}}},
		{ir.FactorizedReduce{Out: 10}, []ir.Shape{x, {1, 1, 6, 5}, {1, 1, 6, 5}}, []ir.Shape{{2, 4, 3, 10}, {3, 10}}},
		{ir.FactorizedReduceGrad{Out: 10}, []ir.Shape{{2, 4, 3, 10}, x, {1, 1, 6, 5}, {1, 1, 6, 5}}, []ir.Shape{x, {1, 1, 6, 5}, {1, 1, 6, 5}}},
		{ir.Linear{}, []ir.Shape{{9, 4}, {12, 5}, {5}}, []ir.Shape{{3, 5}}},
		{ir.LinearGrad{}, []ir.Shape{{3, 5}, {9, 4}, {12, 5}}, []ir.Shape{{9, 4}, {12, 5}, {5}}},
		{ir.Upsample{Height: 9, Width: 4}, []ir.Shape{x}, []ir.Shape{{2, 9, 4, 6}}},
		{ir.UpsampleGrad{X: x}, []ir.Shape{{2, 9, 4, 6}}, []ir.Shape{x}},
		{ir.ReLU{}, []ir.Shape{x}, []ir.Shape{x}},
		{ir.ReLUGrad{}, []ir.Shape{x, x}, []ir.Shape{x}},
		{ir.Zeros{Shape: ir.Shape{3, 2}}, []ir.Shape{x}, []ir.Shape{{3, 2}}},
		{ir.Sum{}, []ir.Shape{x, x, x}, []ir.Shape{x}},
		{ir.Concat{}, []ir.Shape{x, {2, 7, 5, 3}, {2, 7, 5, 1}}, []ir.Shape{{2, 7, 5, 10}}},
		{ir.Channels{From: 1, Count: 4}, []ir.Shape{x}, []ir.Shape{{2, 7, 5, 4}}},
		{ir.ChannelsGrad{From: 1, Channels: 9}, []ir.Shape{x}, []ir.Shape{{2, 7, 5, 9}}},
		{ir.ScaleImages{}, []ir.Shape{x, {2}}, []ir.Shape{x}},
		{ir.Dropout{}, []ir.Shape{x, {1}, {2}}, []ir.Shape{x}},
		{ir.AddScaled{}, []ir.Shape{scalar, scalar}, []ir.Shape{scalar}},
		{ir.Scale{}, []ir.Shape{scalar}, []ir.Shape{scalar}},
		{ir.Interleave{}, []ir.Shape{{2, 7, 5, 3}, x}, []ir.Shape{x}},
		{ir.Deinterleave{Size: 3}, []ir.Shape{x}, []ir.Shape{{2, 7, 5, 3}, x}},
		{ir.Moments{}, []ir.Shape{x}, []ir.Shape{{3, 6}}},
		{ir.BatchStatistics{}, []ir.Shape{{3, 6}, {6}, {6}}, []ir.Shape{{3, 6}, {6}, {6}}},
		{ir.RunningStatistics{}, []ir.Shape{{6}, {6}}, []ir.Shape{{3, 6}}},
		{ir.BatchNorm{}, []ir.Shape{x, {3, 6}}, []ir.Shape{x, {3, 6}}},
		{ir.NormSums{}, []ir.Shape{x, x, {3, 6}}, []ir.Shape{{2, 6}}},
		{ir.BatchNormGrad{Affine: true, Batch: true}, []ir.Shape{x, x, {3, 6}, {2, 6}, {6}}, []ir.Shape{x, {3, 6}, {6}, {6}}},
		{ir.Pool{Window: strided, Max: true}, []ir.Shape{x}, []ir.Shape{{2, 4, 3, 6}, {3, 6}}},
		{ir.MaxPoolGrad{Window: strided}, []ir.Shape{{2, 4, 3, 6}, x}, []ir.Shape{x}},
		{ir.AvgPoolGrad{Window: strided, X: x}, []ir.Shape{{2, 4, 3, 6}}, []ir.Shape{x}},
		{ir.GlobalAvgPool{}, []ir.Shape{x}, []ir.Shape{{2, 6}}},
		{ir.GlobalAvgPool{Map: true}, []ir.Shape{x}, []ir.Shape{{2, 1, 1, 6}}},
		{ir.GlobalAvgPoolGrad{X: x}, []ir.Shape{{2, 6}}, []ir.Shape{x}},
		{ir.Mix{Index: []int{4, 0}}, []ir.Shape{{5}, x, x}, []ir.Shape{x}},
		{ir.MixGrad{Index: []int{4, 0}}, []ir.Shape{x, {5}, x, x}, []ir.Shape{x, x, {5}, {2, 6}, {2, 6}, {2, 6}}},
		{ir.Softmax{}, []ir.Shape{{3, 4}}, []ir.Shape{{3, 4}}},
		{ir.SoftmaxGrad{}, []ir.Shape{{3, 4}, {3, 4}}, []ir.Shape{{3, 4}}},
		{ir.GumbelSoftmax{}, []ir.Shape{{3, 4}, {3, 4}, {1}}, []ir.Shape{{3, 4}}},
		{ir.GumbelSoftmaxGrad{}, []ir.Shape{{3, 4}, {3, 4}, {3, 4}, {3, 4}, {1}}, []ir.Shape{{3, 4}}},
		{ir.Dirichlet{}, []ir.Shape{{3, 4}, {3, 4}}, []ir.Shape{{3, 4}, {3, 4}}},
		{ir.DirichletGrad{}, []ir.Shape{{3, 4}, {3, 4}, {3, 4}}, []ir.Shape{{3, 4}}},
		{ir.NormaliseEdges{Into: []int{2, 3}}, []ir.Shape{{5, 4}, {5}}, []ir.Shape{{5, 5}, {5}}},
		{ir.NormaliseEdgesGrad{Into: []int{2, 3}}, []ir.Shape{{5, 5}, {5, 4}, {5}, {5, 5}}, []ir.Shape{{5, 4}, {5}}},
		{ir.CrossEntropy{Ignore: -1}, []ir.Shape{{3, 4}, {3}}, []ir.Shape{{}, {}, {}}},
		{ir.CrossEntropy{Ignore: -1, Pixels: true}, []ir.Shape{x, {2, 9, 8}}, []ir.Shape{{}, {}, {}}},
		{ir.CrossEntropy{Ignore: -1, Pixels: true}, []ir.Shape{x, {2, 4096, 2049}}, []ir.Shape{{}, {2}, {2}}},
		{ir.CrossEntropyGrad{}, []ir.Shape{scalar, {3, 4}, {3}}, []ir.Shape{{3, 4}}},
		{ir.Norm{}, []ir.Shape{{7}}, []ir.Shape{{3}}},
		{ir.ClipFactor{}, []ir.Shape{{7}}, []ir.Shape{{1}}},
		{ir.SGD{}, []ir.Shape{{7}, {7}, {7}, {1}}, []ir.Shape{{7}, {7}}},
		{ir.SGD{}, []ir.Shape{{7}, {7}, {7}, {1}, {1}}, []ir.Shape{{7}, {7}}},
		{ir.Adam{}, []ir.Shape{{7}, {7}, {7}, {7}, {2}}, []ir.Shape{{7}, {7}, {7}}},
		{ir.Average{}, []ir.Shape{{7}, {7}}, []ir.Shape{{7}}},
		{ir.Axpy{}, []ir.Shape{{7}, {7}, {1}}, []ir.Shape{{7}}},
		{ir.NormaliseCrops{}, []ir.Shape{{2, 7, 5, 3}, {2, 11}}, []ir.Shape{{2, 7, 5, 3}}},
		{ir.QuarterTurns{}, []ir.Shape{{2, 5, 5, 3}}, []ir.Shape{{8, 5, 5, 3}}},
		{ir.Tiles{Count: 4, Height: 3, Width: 2}, []ir.Shape{x, {2, 9}}, []ir.Shape{{8, 3, 2, 6}}},
		{ir.Lab{Rows: []ir.BinRow{{Count: 1}}}, []ir.Shape{{2, 7, 5, 3}, {2, 10}, {2}}, []ir.Shape{{2, 7, 5, 1}, {2, 7, 5}}},
	} {
		t.Run(c.op.String(), func(t *testing.T) {
			got, err := c.op.Infer(c.in)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

// TestInferRefuses names what does not fit, and what is wanted.
func TestInferRefuses(t *testing.T) {
	const wantMap = "; want a feature map [N, H, W, C]"
	for _, c := range []struct {
		op   ir.Op
		in   []ir.Shape
		want string
	}{
		{ir.Conv{Out: 9, Window: uneven}, []ir.Shape{{7, 5, 6}, {3, 2, 6, 9}}, "the input has shape (7, 5, 6)" + wantMap},
		{ir.Conv{Out: 9, Window: ir.Square(10, 1, 1, 1)}, []ir.Shape{x, {10, 10, 6, 9}}, "a map of 7×5 pixels is smaller than the window 10×10 pad=1; use larger images or fewer strides"},
		{ir.SeparableConv{Windows: []ir.Window{strided}}, []ir.Shape{{2, 6}, {3, 3, 1, 6}, {1, 1, 6, 4}}, "the input has shape (2, 6)" + wantMap},
		{ir.SeparableConv{Windows: []ir.Window{strided, ir.Square(3, 0, 1, 1)}}, []ir.Shape{x, {3, 3, 1, 6}, {1, 1, 6, 4}, {3, 3, 1, 6}, {1, 1, 6, 4}}, "window 3×3 stride=0 pad=1: sizes, strides and dilations must be positive, paddings not negative"},
		{ir.FactorizedReduce{Out: 10}, []ir.Shape{{2, 6}, {1, 1, 6, 5}, {1, 1, 6, 5}}, "the input has shape (2, 6)" + wantMap},
		{ir.Upsample{Height: 9, Width: 4}, []ir.Shape{{2, 6}}, "the input has shape (2, 6)" + wantMap},
		{ir.Upsample{Height: 9}, []ir.Shape{x}, "height and width must be positive"},
		{ir.Upsample{Height: -1, Width: 4}, []ir.Shape{x}, "height and width must be positive"},
		{ir.Sum{}, []ir.Shape{x, x, {2, 7, 6, 5}}, "shapes (2, 7, 5, 6) and (2, 7, 6, 5); want equal shapes"},
		{ir.Concat{}, []ir.Shape{{6}, {5}}, "shape (6) has no channels to concatenate; want at least [N, C]"},
		{ir.Concat{}, []ir.Shape{x, {2, 5, 7, 6}}, "shapes (2, 7, 5, 6) and (2, 5, 7, 6) differ in more than their channels"},
		{ir.Concat{}, []ir.Shape{x, {2, 6}}, "shapes (2, 7, 5, 6) and (2, 6) differ in more than their channels"},
		{ir.ScaleImages{}, []ir.Shape{x, {7}}, "a map of shape (2, 7, 5, 6) and factors of (7); want [N, H, W, C] and [N]"},
		{ir.ScaleImages{}, []ir.Shape{{2, 6}, {2}}, "a map of shape (2, 6) and factors of (2); want [N, H, W, C] and [N]"},
		{ir.ScaleImages{}, []ir.Shape{x, {2, 1}}, "a map of shape (2, 7, 5, 6) and factors of (2, 1); want [N, H, W, C] and [N]"},
		{ir.Dropout{}, []ir.Shape{{2, 6}, {1}, {2}}, "the input has shape (2, 6)" + wantMap},
		{ir.Dropout{}, []ir.Shape{x, {2}, {2}}, "a rate of shape (2) and a key of (2); want vectors of one and of two numbers"},
		{ir.Dropout{}, []ir.Shape{x, {1}, {1}}, "a rate of shape (1) and a key of (1); want vectors of one and of two numbers"},
		{ir.AddScaled{}, []ir.Shape{scalar, {1}}, "shapes () and (1); want two scalars"},
		{ir.AddScaled{}, []ir.Shape{{2}, scalar}, "shapes (2) and (); want two scalars"},
		{ir.Interleave{}, []ir.Shape{{2, 7, 5, 4}, x}, "those of the second a multiple of the first"},
		{ir.Interleave{}, []ir.Shape{{2, 5, 7, 3}, x}, "shapes (2, 5, 7, 3) and (2, 7, 5, 6); want equal shapes except for the channels"},
		{ir.Interleave{}, []ir.Shape{{2, 3}, x}, "want equal shapes except for the channels"},
		{ir.Interleave{}, []ir.Shape{{2, 7, 5, 3}, {2, 6}}, "the input has shape (2, 6)" + wantMap},
		{ir.Pool{Window: strided}, []ir.Shape{{2, 6}}, "the input has shape (2, 6)" + wantMap},
		{ir.Pool{Window: ir.Square(3, 1, 2, 1), Max: true}, []ir.Shape{x}, "padding 2 is more than half of the window 3"},
		{ir.Pool{Window: ir.Square(9, 1, 0, 1)}, []ir.Shape{x}, "a map of 7×5 pixels is smaller than the window 9×9"},
		{ir.GlobalAvgPool{}, []ir.Shape{{2, 6}}, "the input has shape (2, 6)" + wantMap},
		{ir.GlobalAvgPool{Map: true}, []ir.Shape{{2, 6}}, "the input has shape (2, 6)" + wantMap},
		{ir.Softmax{}, []ir.Shape{{4}}, "the input has shape (4); want [rows, choices]"},
		{ir.GumbelSoftmax{}, []ir.Shape{{3, 4}, {4, 3}, {1}}, "inputs of shape (3, 4) and noise of (4, 3); want [rows, choices] for both"},
		{ir.GumbelSoftmax{}, []ir.Shape{{3, 4}, {3, 4}, {2}}, "a temperature of shape (2); want a vector of one number"},
		{ir.Dirichlet{}, []ir.Shape{{3}, {3}}, "inputs of shape (3) and noise of (3); want [rows, choices] for both"},
		{ir.NormaliseEdges{Into: []int{5}}, []ir.Shape{{5, 4}, {4}}, "weights of shape (5, 4) and betas of (4); want [edges, candidates] and [edges]"},
		{ir.NormaliseEdges{Into: []int{5}}, []ir.Shape{{5}, {5}}, "weights of shape (5) and betas of (5); want [edges, candidates] and [edges]"},
		{ir.NormaliseEdges{Into: []int{5, 0}}, []ir.Shape{{5, 4}, {5}}, "nodes with [5 0] edges; want at least one each"},
		{ir.NormaliseEdges{Into: []int{2, 2}}, []ir.Shape{{5, 4}, {5}}, "nodes with [2 2] edges, but weights for 5 edges"},
		{ir.CrossEntropy{Ignore: -1}, []ir.Shape{{3, 4}, {4}}, "logits of shape (3, 4) and labels of shape (4); want [N, K] and [N]"},
		{ir.CrossEntropy{Ignore: -1}, []ir.Shape{x, {2}}, "logits of shape (2, 7, 5, 6) and labels of shape (2); want [N, K] and [N]"},
		{ir.CrossEntropy{Ignore: -1, Pixels: true}, []ir.Shape{x, {3, 9, 8}}, "logits of shape (2, 7, 5, 6) and labels of shape (3, 9, 8); want [N, h, w, K] and [N, H, W]"},
		{ir.CrossEntropy{Ignore: -1, Pixels: true}, []ir.Shape{{2, 6}, {2}}, "logits of shape (2, 6) and labels of shape (2); want [N, h, w, K] and [N, H, W]"},
		{ir.CrossEntropy{Ignore: 3}, []ir.Shape{{3, 4}, {3}}, "IgnoreIndex 3 is one of 4 classes; use another label, or NoIgnoreIndex"},
		{ir.CrossEntropy{Ignore: -1, Smoothing: 0.125}, []ir.Shape{{3, 1}, {3}}, "label smoothing 0.125 with 1 class; want 0"},
		{ir.SquaredError{}, []ir.Shape{{3, 4}, {4, 3}}, "predictions of shape (3, 4) and targets of shape (4, 3); want equal shapes [N, ...]"},
		{ir.SquaredError{}, []ir.Shape{scalar, scalar}, "predictions of shape () and targets of shape (); want equal shapes [N, ...]"},
		{ir.Contrast{}, []ir.Shape{{6, 4}, {6}}, "embeddings of shape (6, 4) and labels of shape (6); want [2N, D] and [N]"},
		{ir.Norm{}, []ir.Shape{{2, 3}}, "shapes (2, 3) and (2, 3); want vectors of the same length"},
		{ir.ClipFactor{}, []ir.Shape{scalar}, "shapes () and (); want vectors of the same length"},
		{ir.SGD{}, []ir.Shape{{7}, {8}, {7}, {1}}, "shapes (7) and (8); want vectors of the same length"},
		{ir.SGD{}, []ir.Shape{{7}, {7}, {8}, {1}}, "shapes (7) and (8); want vectors of the same length"},
		{ir.SGD{}, []ir.Shape{{7}, {7}, {7}, {2}}, "a rate or a factor of shape (2); want one number"},
		{ir.SGD{}, []ir.Shape{{7}, {7}, {7}, {1}, {7}}, "a rate or a factor of shape (7); want one number"},
		{ir.Adam{}, []ir.Shape{{7}, {7}, {7}, {8}, {2}}, "shapes (7) and (8); want vectors of the same length"},
		{ir.Adam{}, []ir.Shape{{7}, {7}, {7}, {7}, {1}}, "corrections of shape (1); want two numbers"},
		{ir.Average{}, []ir.Shape{{7}, {8}}, "shapes (7) and (8); want vectors of the same length"},
		{ir.Axpy{}, []ir.Shape{{7}, {7}, {7}}, "a factor of shape (7); want one number"},
		{ir.Axpy{}, []ir.Shape{{7}, {8}, {1}}, "shapes (7) and (8); want vectors of the same length"},
		{ir.NormaliseCrops{}, []ir.Shape{x, {2, 10}}, "crops of shape (2, 7, 5, 6) and numbers of (2, 10); want [N, H, W, 3] and [N, 10] or more"},
		{ir.NormaliseCrops{}, []ir.Shape{{2, 7, 5, 3}, {2, 9}}, "and numbers of (2, 9); want"},
		{ir.QuarterTurns{}, []ir.Shape{x}, "images of shape (2, 7, 5, 6); want squares"},
		{ir.QuarterTurns{}, []ir.Shape{{2, 6}}, "the input has shape (2, 6)" + wantMap},
		{ir.Tiles{Count: 4, Height: 8, Width: 2}, []ir.Shape{x, {2, 8}}, "images of shape (2, 7, 5, 6); want tiles that lie within them"},
		{ir.Tiles{Count: 4, Height: 3, Width: 2}, []ir.Shape{x, {2, 7}}, "numbers of shape (2, 7) for images of (2, 7, 5, 6); want [2, 8] or more"},
		{ir.Lab{}, []ir.Shape{{2, 7, 5, 3}, {3, 10}, {2}}, "numbers of (3, 10)"},
		{ir.Lab{}, []ir.Shape{{2, 7, 5, 3}, {2, 10}, {3}}, "labels of shape (3) for crops of (2, 7, 5, 3); want one for each"},
	} {
		t.Run(c.op.String(), func(t *testing.T) {
			_, err := c.op.Infer(c.in)
			assert.ErrorContains(t, err, c.want)
		})
	}
	_, err := ir.CrossEntropy{Ignore: 4}.Infer([]ir.Shape{{3, 4}, {3}})
	assert.NoError(t, err, "a label that is no class")
}

// TestGradients holds which inputs have gradients, of which shape.
func TestGradients(t *testing.T) {
	weights := []ir.Shape{{3, 3, 1, 6}, {1, 1, 6, 4}}
	for _, c := range []struct {
		op   ir.Differentiable
		in   []ir.Shape
		none []int // inputs without a gradient
	}{
		{ir.Conv{Out: 9, Window: uneven, Bias: true}, []ir.Shape{x, {3, 2, 6, 9}, {9}}, nil},
		{ir.Conv{Out: 9, Window: uneven}, []ir.Shape{x, {3, 2, 6, 9}}, nil},
		{ir.SeparableConv{Windows: []ir.Window{strided}}, []ir.Shape{x, weights[0], weights[1]}, nil},
		{ir.FactorizedReduce{Out: 10}, []ir.Shape{x, {1, 1, 6, 5}, {1, 1, 6, 5}}, nil},
		{ir.Linear{}, []ir.Shape{{9, 4}, {12, 5}, {5}}, nil},
		{ir.Upsample{Height: 9, Width: 4}, []ir.Shape{x}, nil},
		{ir.ReLU{}, []ir.Shape{x}, nil},
		{ir.Zeros{Shape: ir.Shape{3, 2}}, []ir.Shape{x}, nil},
		{ir.Sum{}, []ir.Shape{x, x, x}, nil},
		{ir.Concat{}, []ir.Shape{x, {2, 7, 5, 3}, {2, 7, 5, 1}}, nil},
		{ir.Channels{From: 1, Count: 4}, []ir.Shape{x}, nil},
		{ir.ScaleImages{}, []ir.Shape{x, {2}}, []int{1}},
		{ir.Dropout{}, []ir.Shape{x, {1}, {2}}, []int{1, 2}},
		{ir.AddScaled{Weight: 0.5}, []ir.Shape{scalar, scalar}, nil},
		{ir.Interleave{}, []ir.Shape{{2, 7, 5, 3}, x}, nil},
		{ir.BatchNorm{}, []ir.Shape{x, {3, 6}}, []int{1}},
		{ir.BatchNorm{Affine: true}, []ir.Shape{x, {3, 6}, {6}, {6}}, []int{1}},
		{ir.Pool{Window: strided, Max: true}, []ir.Shape{x}, nil},
		{ir.Pool{Window: strided}, []ir.Shape{x}, nil},
		{ir.GlobalAvgPool{}, []ir.Shape{x}, nil},
		{ir.Mix{Index: []int{4, 0}}, []ir.Shape{{5}, x, x}, nil},
		{ir.Softmax{}, []ir.Shape{{3, 4}}, nil},
		{ir.GumbelSoftmax{}, []ir.Shape{{3, 4}, {3, 4}, {1}}, []int{1, 2}},
		{ir.Dirichlet{}, []ir.Shape{{3, 4}, {3, 4}}, []int{1}},
		{ir.NormaliseEdges{Into: []int{2, 3}}, []ir.Shape{{5, 4}, {5}}, nil},
		{ir.CrossEntropy{Ignore: -1}, []ir.Shape{{3, 4}, {3}}, []int{1}},
		{ir.CrossEntropy{Ignore: -1, Pixels: true}, []ir.Shape{x, {2, 9, 8}}, []int{1}},
		{ir.SquaredError{}, []ir.Shape{x, x}, nil},
		{ir.Contrast{Temperature: 0.5}, []ir.Shape{{6, 4}, {3}}, []int{1}},
	} {
		t.Run(c.op.String(), func(t *testing.T) {
			want := make([]bool, len(c.in))
			for i := range want {
				want[i] = true
			}
			for _, i := range c.none {
				want[i] = false
			}
			assert.Equal(t, want, c.op.NeedsGrad(len(c.in)))
			var b ir.Builder
			var in []*ir.Value
			for _, s := range c.in {
				in = append(in, external("", ir.Float32, s...))
			}
			out := b.Apply(c.op, in...)
			gy := external("gy", ir.Float32, out[0].Shape...)
			grads := c.op.Gradient(&b, in, out, gy)
			require.Len(t, grads, len(in))
			for i, g := range grads {
				if !want[i] {
					assert.Nil(t, g, "gradient %d", i)
				} else if assert.NotNil(t, g, "gradient %d", i) {
					assert.Equal(t, c.in[i], g.Shape, "gradient %d", i)
				}
			}
		})
	}
}

// TestEvaluation holds what takes the place of operators in evaluation.
func TestEvaluation(t *testing.T) {
	for _, c := range []struct {
		op     ir.Evaluable
		want   ir.Op
		inputs []int
	}{
		{ir.Dropout{Layer: 3}, ir.Sum{}, []int{0}},
		{ir.BatchStatistics{Epsilon: 0.5, Momentum: 0.1, Count: 8}, ir.RunningStatistics{Epsilon: 0.5}, []int{1, 2}},
		{ir.BatchNormGrad{Batch: true}, ir.BatchNormGrad{}, []int{0, 1, 2}},
		{ir.BatchNormGrad{Affine: true, Batch: true}, ir.BatchNormGrad{Affine: true}, []int{0, 1, 2, 3, 4}},
	} {
		op, inputs := c.op.Evaluation()
		assert.Equal(t, c.want, op)
		assert.Equal(t, c.inputs, inputs, "%v", c.op)
	}
}

// TestStates holds which inputs the outputs of operators take the place of.
func TestStates(t *testing.T) {
	for _, c := range []struct {
		op   ir.Stateful
		want map[int]int
	}{
		{ir.BatchStatistics{}, map[int]int{1: 1, 2: 2}},
		{ir.SGD{}, map[int]int{0: 0, 1: 1}},
		{ir.Adam{}, map[int]int{0: 0, 1: 1, 2: 2}},
		{ir.Average{}, map[int]int{0: 0}},
		{ir.Axpy{}, map[int]int{0: 0}},
	} {
		assert.Equal(t, c.want, c.op.States(), "%v", c.op)
	}
}

// TestCorrections holds that the first steps of Adam are as long as later ones: with a
// constant gradient, m is (1 - β1ᵗ)·g and v is (1 - β2ᵗ)·g².
func TestCorrections(t *testing.T) {
	for _, c := range []struct {
		step         int
		rate, spread float32
	}{{1, 0.5, 2}, {2, 0.25 / 0.75, 1.5118579}, {1000, 0.25, 1}} {
		rate, spread := ir.Adam{Beta1: 0.5, Beta2: 0.75}.Corrections(c.step, 0.25)
		assert.InEpsilon(t, c.rate, rate, 1e-6, "step %d", c.step)
		assert.InEpsilon(t, c.spread, spread, 1e-6, "step %d", c.step)
	}
}

// TestCost counts the work of operators on maps of unequal dimensions.
func TestCost(t *testing.T) {
	for _, c := range []struct {
		op   ir.Measured
		in   []ir.Shape
		want ir.Cost
	}{
		{ir.Conv{Out: 9, Window: uneven}, []ir.Shape{x, {3, 2, 6, 9}}, ir.Cost{ConvMACs: 2 * 4 * 3 * 9 * 6 * 3 * 2}},
		{ir.Conv{Out: 9, Window: uneven, Bias: true}, []ir.Shape{x, {3, 2, 6, 9}, {9}}, ir.Cost{ConvMACs: 2 * 4 * 3 * 9 * 6 * 3 * 2, BiasedOutputs: 2 * 4 * 3 * 9}},
		{ir.Conv{Out: 9, Window: uneven}, []ir.Shape{{2, 6}, {3, 2, 6, 9}}, ir.Cost{}},
		{ir.SeparableConv{Windows: []ir.Window{strided, ir.Square(5, 2, 2, 1)}}, []ir.Shape{x, {3, 3, 1, 6}, {1, 1, 6, 4}, {5, 5, 1, 6}, {1, 1, 6, 8}}, ir.Cost{ConvMACs: 2 * 4 * 3 * 6 * (9 + 4 + 25 + 8)}},
		{ir.FactorizedReduce{Out: 10}, []ir.Shape{x, {1, 1, 6, 5}, {1, 1, 6, 5}}, ir.Cost{ConvMACs: 2 * 4 * 3 * 6 * 10}},
		{ir.Linear{}, []ir.Shape{{9, 4}, {12, 5}, {5}}, ir.Cost{LinearMACs: 9 * 4 * 5}},
		{ir.BatchNorm{}, []ir.Shape{x, {3, 6}}, ir.Cost{NormElements: 2 * 7 * 5 * 6}},
		{ir.Pool{Window: strided}, []ir.Shape{x}, ir.Cost{AveragedOutputs: 2 * 4 * 3 * 6}},
		{ir.Pool{Window: strided, Max: true}, []ir.Shape{x}, ir.Cost{}},
		{ir.GlobalAvgPool{}, []ir.Shape{x}, ir.Cost{GlobalOperations: 2 * (7*5 + 1) * 6}},
	} {
		assert.Equal(t, c.want, c.op.Cost(c.in), "%v", c.op)
	}
	sum := ir.Cost{ConvMACs: 1, LinearMACs: 2, BiasedOutputs: 3, NormElements: 4, AveragedOutputs: 5, GlobalOperations: 6}
	sum.Add(ir.Cost{ConvMACs: 10, LinearMACs: 20, BiasedOutputs: 30, NormElements: 40, AveragedOutputs: 50, GlobalOperations: 60})
	assert.Equal(t, ir.Cost{ConvMACs: 11, LinearMACs: 22, BiasedOutputs: 33, NormElements: 44, AveragedOutputs: 55, GlobalOperations: 66}, sum)
}
