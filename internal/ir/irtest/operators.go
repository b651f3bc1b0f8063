package irtest

import (
	"math/rand/v2"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
)

// Operators lists every operator of package ir, those with attributes that change what a
// kernel does several times.
func Operators() []Operator {
	x := ir.Shape{2, 5, 4, 3}
	wide := ir.Shape{2, 5, 4, 6}
	small, large, strided := ir.Square(3, 1, 1, 1), ir.Square(5, 1, 4, 2), ir.Square(3, 2, 1, 1)
	window := ir.Window{Rows: 3, Columns: 2, StrideRows: 2, StrideColumns: 1, PadRows: 1, PadColumns: 0, DilationRows: 1, DilationColumns: 1}
	conv := ir.Conv{Out: 4, Window: window, ReLU: true, Bias: true}
	plainConv := ir.Conv{Out: 5, Window: small}
	weights := []ir.Shape{{3, 3, 1, 3}, {1, 1, 3, 4}, {5, 5, 1, 3}, {1, 1, 3, 2}}
	statistics, c := ir.Shape{3, 3}, ir.Shape{3}
	loss, pixels := ir.CrossEntropy{Ignore: -7, Smoothing: 0.125}, ir.CrossEntropy{Ignore: -1, Pixels: true}
	scalar := ir.Shape{}
	return []Operator{
		{With: []int{1}, Op: conv, Name: "Conv{4 3×2 stride=2,1 pad=1,0 dilation=1,1 relu bias}", In: []ir.Shape{x, {3, 2, 3, 4}, {4}}},
		{With: []int{1}, Op: plainConv, Name: "Conv{5 3×3 pad=1}", In: []ir.Shape{x, {3, 3, 3, 5}}},
		{Op: ir.ConvGrad{Of: conv}, Name: "GradConv{4 3×2 stride=2,1 pad=1,0 dilation=1,1 relu bias}", In: []ir.Shape{{2, 3, 3, 4}, x, {3, 2, 3, 4}}},
		{Op: ir.ConvGrad{Of: plainConv}, Name: "GradConv{5 3×3 pad=1}", In: []ir.Shape{{2, 5, 4, 5}, x, {3, 3, 3, 5}}},
		{With: []int{1}, Op: ir.SeparableConv{Windows: []ir.Window{strided}}, Name: "SeparableConv{3×3 stride=2 pad=1}", In: []ir.Shape{x, weights[0], weights[1]}},
		{With: []int{1, 3}, Op: ir.SeparableConv{Windows: []ir.Window{small, large}}, Name: "SeparableConv{3×3 pad=1, 5×5 pad=4 dilation=2}", In: append([]ir.Shape{x}, weights...)},
		{With: []int{1}, Op: ir.SeparableConvGrad{Windows: []ir.Window{small, large}}, Name: "GradSeparableConv{3×3 pad=1, 5×5 pad=4 dilation=2}", In: []ir.Shape{x, {2, 5, 4, 4}, weights[0], weights[1], {2, 5, 4, 2}, weights[2], weights[3]}},
		{With: []int{1}, Op: ir.FactorizedReduce{Out: 6}, Name: "FactorizedReduce{6}", In: []ir.Shape{x, {1, 1, 3, 3}, {1, 1, 3, 3}}},
		{Op: ir.FactorizedReduceGrad{Out: 6}, Name: "GradFactorizedReduce{6}", In: []ir.Shape{{2, 3, 2, 6}, x, {1, 1, 3, 3}, {1, 1, 3, 3}}},
		{Op: ir.Linear{}, Name: "Linear", In: []ir.Shape{{4, 3}, {6, 5}, {5}}},
		{Op: ir.LinearGrad{}, Name: "GradLinear", In: []ir.Shape{{2, 5}, {4, 3}, {6, 5}}},
		{Op: ir.Upsample{Height: 7, Width: 9}, Name: "Upsample{7×9}", In: []ir.Shape{x}},
		{Op: ir.UpsampleGrad{X: x}, Name: "GradUpsample{(2, 5, 4, 3)}", In: []ir.Shape{{2, 7, 9, 3}}},
		{Op: ir.Moments{}, Name: "Moments", In: []ir.Shape{x}},
		{Op: ir.BatchStatistics{Epsilon: 1e-5, Momentum: 0.1, Count: 40}, Name: "BatchStatistics{ε=1e-05 momentum=0.1 n=40}", In: []ir.Shape{statistics, c, c}, Positive: true},
		{Op: ir.RunningStatistics{Epsilon: 1e-5}, Name: "RunningStatistics{ε=1e-05}", In: []ir.Shape{c, c}, Positive: true},
		{Op: ir.BatchNorm{}, Name: "BatchNorm", In: []ir.Shape{x, statistics}},
		{Op: ir.BatchNorm{Affine: true}, Name: "BatchNorm{affine}", In: []ir.Shape{x, statistics, c, c}},
		{Op: ir.NormSums{}, Name: "NormSums", In: []ir.Shape{x, x, statistics}},
		{Op: ir.BatchNormGrad{}, Name: "GradBatchNorm{}", In: []ir.Shape{x, x, statistics}, Outputs: 2},
		{Op: ir.BatchNormGrad{Batch: true}, Name: "GradBatchNorm{batch}", In: []ir.Shape{x, x, statistics, {2, 3}}, Outputs: 2},
		{Op: ir.BatchNormGrad{Affine: true}, Name: "GradBatchNorm{affine}", In: []ir.Shape{x, x, statistics, {2, 3}, c}},
		{Op: ir.BatchNormGrad{Affine: true, Batch: true}, Name: "GradBatchNorm{batch affine}", In: []ir.Shape{x, x, statistics, {2, 3}, c}},
		{With: []int{1}, Op: ir.Pool{Window: small, Max: true}, Name: "MaxPool{3×3 pad=1}", In: []ir.Shape{x}},
		{With: []int{1}, Op: ir.Pool{Window: strided}, Name: "AvgPool{3×3 stride=2 pad=1}", In: []ir.Shape{x}},
		{Op: ir.MaxPoolGrad{Window: small}, Name: "GradMaxPool{3×3 pad=1}", In: []ir.Shape{x, x}},
		{Op: ir.AvgPoolGrad{Window: strided, X: x}, Name: "GradAvgPool{3×3 stride=2 pad=1 (2, 5, 4, 3)}", In: []ir.Shape{{2, 3, 2, 3}}},
		{Op: ir.GlobalAvgPool{}, Name: "GlobalAvgPool", In: []ir.Shape{x}},
		{Op: ir.GlobalAvgPool{Map: true}, Name: "GlobalAvgPool{map}", In: []ir.Shape{x}},
		{Op: ir.GlobalAvgPoolGrad{X: x}, Name: "GradGlobalAvgPool{(2, 5, 4, 3)}", In: []ir.Shape{{2, 3}}},
		{Op: ir.ReLU{}, Name: "ReLU", In: []ir.Shape{x}},
		{Op: ir.ReLUGrad{}, Name: "GradReLU", In: []ir.Shape{x, x}},
		{Op: ir.Zeros{Shape: wide}, Name: "Zeros{(2, 5, 4, 6)}", In: []ir.Shape{x}},
		{Op: ir.Sum{}, Name: "Sum", In: []ir.Shape{x, x, x}},
		{Op: ir.Concat{}, Name: "Concat", In: []ir.Shape{x, wide, x}},
		{Op: ir.Channels{From: 1, Count: 2}, Name: "Channels{1:3}", In: []ir.Shape{x}},
		{Op: ir.ChannelsGrad{From: 1, Channels: 5}, Name: "GradChannels{1: of 5}", In: []ir.Shape{x}},
		{Op: ir.ScaleImages{}, Name: "ScaleImages", In: []ir.Shape{x, {2}}},
		{Op: ir.Dropout{Layer: 0xab12}, Name: "Dropout{ab12}", In: []ir.Shape{x, {1}, {2}}, Integers: 2, Fixed: map[int]float32{1: 0.375}},
		{Op: ir.AddScaled{Weight: 0.375}, Name: "AddScaled{0.375}", In: []ir.Shape{scalar, scalar}},
		{Op: ir.Scale{Weight: 0.375}, Name: "Scale{0.375}", In: []ir.Shape{scalar}},
		{Op: ir.Interleave{}, Name: "Interleave", In: []ir.Shape{x, wide}},
		{Op: ir.Deinterleave{Size: 3}, Name: "Deinterleave{3}", In: []ir.Shape{wide}},
		{Op: ir.Mix{Index: []int{4, 1, 4}}, Name: "Mix[4 1 4]", In: []ir.Shape{{5}, x, x, x}},
		{Op: ir.MixGrad{Index: []int{4, 1, 4}}, Name: "GradMix[4 1 4]", In: []ir.Shape{x, {5}, x, x, x}},
		{Op: ir.Softmax{}, Name: "Softmax", In: []ir.Shape{{3, 4}}},
		{Op: ir.SoftmaxGrad{}, Name: "GradSoftmax", In: []ir.Shape{{3, 4}, {3, 4}}},
		{Op: ir.GumbelSoftmax{}, Name: "GumbelSoftmax", In: []ir.Shape{{3, 4}, {3, 4}, {1}}, Positive: true},
		{Op: ir.GumbelSoftmaxGrad{}, Name: "GradGumbelSoftmax", In: []ir.Shape{{3, 4}, {3, 4}, {3, 4}, {3, 4}, {1}}, Positive: true},
		{With: []int{1}, Op: ir.Dirichlet{}, Name: "Dirichlet", In: []ir.Shape{{3, 4}, {3, 4}}},
		{Op: ir.DirichletGrad{}, Name: "GradDirichlet", In: []ir.Shape{{3, 4}, {3, 4}, {3, 4}}},
		{With: []int{1}, Op: ir.NormaliseEdges{Into: []int{2, 3}}, Name: "NormaliseEdges[2 3]", In: []ir.Shape{{5, 4}, {5}}},
		{Op: ir.NormaliseEdgesGrad{Into: []int{2, 3}}, Name: "GradNormaliseEdges[2 3]", In: []ir.Shape{{5, 5}, {5, 4}, {5}, {5, 5}}},
		{Op: ir.Excite{}, Name: "Excite", In: []ir.Shape{x, {2, 1, 1, 3}}},
		{Op: ir.ExciteGrad{}, Name: "GradExcite", In: []ir.Shape{x, x, {2, 1, 1, 3}}},
		{Op: ir.Norm{}, Name: "Norm", In: []ir.Shape{{19}}},
		{Op: ir.ClipFactor{Limit: 0.5}, Name: "ClipFactor{0.5}", In: []ir.Shape{{19}}},
		{Op: ir.SGD{Momentum: 0.875, Decay: 0.25}, Name: "SGD{momentum=0.875 decay=0.25}", In: []ir.Shape{{19}, {19}, {19}, {1}}, Together: true},
		{Op: ir.SGD{Momentum: 0.875, Nesterov: true}, Name: "SGD{momentum=0.875 decay=0 nesterov}", In: []ir.Shape{{19}, {19}, {19}, {1}, {1}}, Together: true},
		{Op: ir.Adam{Beta1: 0.5, Beta2: 0.75, Epsilon: 1e-8, Decay: 0.25}, Name: "Adam{β1=0.5 β2=0.75 ε=1e-08 decay=0.25}", In: []ir.Shape{{19}, {19}, {19}, {19}, {2}}, Positive: true, Together: true},
		{Op: ir.Average{Decay: 0.875}, Name: "Average{0.875}", In: []ir.Shape{{19}, {19}}},
		{Op: ir.Axpy{}, Name: "Axpy", In: []ir.Shape{{19}, {19}, {1}}},
		{Op: ir.ToBFloat16{}, Name: "ToBFloat16", In: []ir.Shape{x}, Narrow: true},
		{Op: ir.FromBFloat16{}, Name: "FromBFloat16", In: []ir.Shape{x}, Narrow: true},
		{Op: loss, Name: "CrossEntropy{ignore=-7 smoothing=0.125}", In: []ir.Shape{{3, 5}, {3}}, Integers: 1},
		{Op: pixels, Name: "CrossEntropy{ignore=-1 smoothing=0 pixels}", In: []ir.Shape{{2, 3, 2, 5}, {2, 6, 4}}, Integers: 1},
		{Op: ir.CrossEntropyGrad{Of: loss}, Name: "GradCrossEntropy{ignore=-7 smoothing=0.125}", In: []ir.Shape{scalar, {3, 5}, {3}}, Integers: 2},
		{Op: ir.CrossEntropyGrad{Of: pixels}, Name: "GradCrossEntropy{ignore=-1 smoothing=0 pixels}", In: []ir.Shape{scalar, {2, 3, 2, 5}, {2, 6, 4}}, Integers: 2},
		{Op: ir.SquaredError{Ignore: 0.5}, Name: "SquaredError{ignore=0.5}", In: []ir.Shape{x, x}, Together: true},
		{Op: ir.SquaredErrorGrad{Ignore: 0.5}, Name: "GradSquaredError{ignore=0.5}", In: []ir.Shape{scalar, x, x, scalar}},
		{Op: ir.Contrast{Temperature: 0.5, Ignore: 3}, Name: "Contrast{temperature=0.5 ignore=3}", In: []ir.Shape{{12, 5}, {6}}, Integers: 1, Together: true},
		{Op: ir.ContrastGrad{Temperature: 0.5, Ignore: 3}, Name: "GradContrast{temperature=0.5 ignore=3}", In: []ir.Shape{scalar, {6}, scalar, {12, 5}, {12}, {12, 12}}, Integers: 1, Positive: true},
	}
}

// An Operator is an operator with shapes of its inputs, and its name.
type Operator struct {
	Op       ir.Op
	Name     string
	In       []ir.Shape
	Integers int             // the number of the input of int32; 0 for none
	Positive bool            // inputs are positive
	Fixed    map[int]float32 // values of inputs
	Outputs  int             // that it has; 0 for all that Infer returns
	// With has the outputs that are needed only if the one before is: moments come with their
	// map.
	With     []int
	Together bool // all outputs are needed
	Narrow   bool // reads or makes bfloat16, as no array shows
}

// Data returns random values for the inputs.
func (o Operator) Data(seed uint64) []cpuexec.Array {
	r := rand.New(rand.NewPCG(seed, 3))
	in := make([]cpuexec.Array, len(o.In))
	for i, s := range o.In {
		in[i].Shape = s
		if i > 0 && i == o.Integers {
			for range s.Size() {
				in[i].I = append(in[i].I, r.Int32N(5))
			}
			continue
		}
		for range s.Size() {
			v := float32(r.NormFloat64())
			if o.Positive {
				v = 0.25 + float32(r.Float64())
			}
			if f, ok := o.Fixed[i]; ok {
				v = f
			}
			in[i].F = append(in[i].F, v)
		}
	}
	return in
}
