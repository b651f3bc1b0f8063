package cpuexec_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/kernel"
)

// operators lists every operator of package ir, those with attributes that change what a
// kernel does several times.
func operators() []operator {
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
	return []operator{
		{with: []int{1}, op: conv, name: "Conv{4 3×2 stride=2,1 pad=1,0 dilation=1,1 relu bias}", in: []ir.Shape{x, {3, 2, 3, 4}, {4}}},
		{with: []int{1}, op: plainConv, name: "Conv{5 3×3 pad=1}", in: []ir.Shape{x, {3, 3, 3, 5}}},
		{op: ir.ConvGrad{Of: conv}, name: "GradConv{4 3×2 stride=2,1 pad=1,0 dilation=1,1 relu bias}", in: []ir.Shape{{2, 3, 3, 4}, x, {3, 2, 3, 4}}},
		{op: ir.ConvGrad{Of: plainConv}, name: "GradConv{5 3×3 pad=1}", in: []ir.Shape{{2, 5, 4, 5}, x, {3, 3, 3, 5}}},
		{with: []int{1}, op: ir.SeparableConv{Windows: []ir.Window{strided}}, name: "SeparableConv{3×3 stride=2 pad=1}", in: []ir.Shape{x, weights[0], weights[1]}},
		{with: []int{1, 3}, op: ir.SeparableConv{Windows: []ir.Window{small, large}}, name: "SeparableConv{3×3 pad=1, 5×5 pad=4 dilation=2}", in: append([]ir.Shape{x}, weights...)},
		{with: []int{1}, op: ir.SeparableConvGrad{Windows: []ir.Window{small, large}}, name: "GradSeparableConv{3×3 pad=1, 5×5 pad=4 dilation=2}", in: []ir.Shape{x, {2, 5, 4, 4}, weights[0], weights[1], {2, 5, 4, 2}, weights[2], weights[3]}},
		{with: []int{1}, op: ir.FactorizedReduce{Out: 6}, name: "FactorizedReduce{6}", in: []ir.Shape{x, {1, 1, 3, 3}, {1, 1, 3, 3}}},
		{op: ir.FactorizedReduceGrad{Out: 6}, name: "GradFactorizedReduce{6}", in: []ir.Shape{{2, 3, 2, 6}, x, {1, 1, 3, 3}, {1, 1, 3, 3}}},
		{op: ir.Linear{}, name: "Linear", in: []ir.Shape{{4, 3}, {6, 5}, {5}}},
		{op: ir.LinearGrad{}, name: "GradLinear", in: []ir.Shape{{2, 5}, {4, 3}, {6, 5}}},
		{op: ir.Upsample{Height: 7, Width: 9}, name: "Upsample{7×9}", in: []ir.Shape{x}},
		{op: ir.UpsampleGrad{X: x}, name: "GradUpsample{(2, 5, 4, 3)}", in: []ir.Shape{{2, 7, 9, 3}}},
		{op: ir.Moments{}, name: "Moments", in: []ir.Shape{x}},
		{op: ir.BatchStatistics{Epsilon: 1e-5, Momentum: 0.1, Count: 40}, name: "BatchStatistics{ε=1e-05 momentum=0.1 n=40}", in: []ir.Shape{statistics, c, c}, positive: true},
		{op: ir.RunningStatistics{Epsilon: 1e-5}, name: "RunningStatistics{ε=1e-05}", in: []ir.Shape{c, c}, positive: true},
		{op: ir.BatchNorm{}, name: "BatchNorm", in: []ir.Shape{x, statistics}},
		{op: ir.BatchNorm{Affine: true}, name: "BatchNorm{affine}", in: []ir.Shape{x, statistics, c, c}},
		{op: ir.NormSums{}, name: "NormSums", in: []ir.Shape{x, x, statistics}},
		{op: ir.BatchNormGrad{}, name: "GradBatchNorm{}", in: []ir.Shape{x, x, statistics}, outputs: 2},
		{op: ir.BatchNormGrad{Batch: true}, name: "GradBatchNorm{batch}", in: []ir.Shape{x, x, statistics, {2, 3}}, outputs: 2},
		{op: ir.BatchNormGrad{Affine: true}, name: "GradBatchNorm{affine}", in: []ir.Shape{x, x, statistics, {2, 3}, c}},
		{op: ir.BatchNormGrad{Affine: true, Batch: true}, name: "GradBatchNorm{batch affine}", in: []ir.Shape{x, x, statistics, {2, 3}, c}},
		{with: []int{1}, op: ir.Pool{Window: small, Max: true}, name: "MaxPool{3×3 pad=1}", in: []ir.Shape{x}},
		{with: []int{1}, op: ir.Pool{Window: strided}, name: "AvgPool{3×3 stride=2 pad=1}", in: []ir.Shape{x}},
		{op: ir.MaxPoolGrad{Window: small}, name: "GradMaxPool{3×3 pad=1}", in: []ir.Shape{x, x}},
		{op: ir.AvgPoolGrad{Window: strided, X: x}, name: "GradAvgPool{3×3 stride=2 pad=1 (2, 5, 4, 3)}", in: []ir.Shape{{2, 3, 2, 3}}},
		{op: ir.GlobalAvgPool{}, name: "GlobalAvgPool", in: []ir.Shape{x}},
		{op: ir.GlobalAvgPool{Map: true}, name: "GlobalAvgPool{map}", in: []ir.Shape{x}},
		{op: ir.GlobalAvgPoolGrad{X: x}, name: "GradGlobalAvgPool{(2, 5, 4, 3)}", in: []ir.Shape{{2, 3}}},
		{op: ir.ReLU{}, name: "ReLU", in: []ir.Shape{x}},
		{op: ir.ReLUGrad{}, name: "GradReLU", in: []ir.Shape{x, x}},
		{op: ir.Zeros{Shape: wide}, name: "Zeros{(2, 5, 4, 6)}", in: []ir.Shape{x}},
		{op: ir.Sum{}, name: "Sum", in: []ir.Shape{x, x, x}},
		{op: ir.Concat{}, name: "Concat", in: []ir.Shape{x, wide, x}},
		{op: ir.Channels{From: 1, Count: 2}, name: "Channels{1:3}", in: []ir.Shape{x}},
		{op: ir.ChannelsGrad{From: 1, Channels: 5}, name: "GradChannels{1: of 5}", in: []ir.Shape{x}},
		{op: ir.ScaleImages{}, name: "ScaleImages", in: []ir.Shape{x, {2}}},
		{op: ir.Dropout{Layer: 0xab12}, name: "Dropout{ab12}", in: []ir.Shape{x, {1}, {2}}, integers: 2, fixed: map[int]float32{1: 0.375}},
		{op: ir.AddScaled{Weight: 0.375}, name: "AddScaled{0.375}", in: []ir.Shape{scalar, scalar}},
		{op: ir.Scale{Weight: 0.375}, name: "Scale{0.375}", in: []ir.Shape{scalar}},
		{op: ir.Interleave{}, name: "Interleave", in: []ir.Shape{x, wide}},
		{op: ir.Deinterleave{Size: 3}, name: "Deinterleave{3}", in: []ir.Shape{wide}},
		{op: ir.Mix{Index: []int{4, 1, 4}}, name: "Mix[4 1 4]", in: []ir.Shape{{5}, x, x, x}},
		{op: ir.MixGrad{Index: []int{4, 1, 4}}, name: "GradMix[4 1 4]", in: []ir.Shape{x, {5}, x, x, x}},
		{op: ir.Softmax{}, name: "Softmax", in: []ir.Shape{{3, 4}}},
		{op: ir.SoftmaxGrad{}, name: "GradSoftmax", in: []ir.Shape{{3, 4}, {3, 4}}},
		{op: ir.GumbelSoftmax{}, name: "GumbelSoftmax", in: []ir.Shape{{3, 4}, {3, 4}, {1}}, positive: true},
		{op: ir.GumbelSoftmaxGrad{}, name: "GradGumbelSoftmax", in: []ir.Shape{{3, 4}, {3, 4}, {3, 4}, {3, 4}, {1}}, positive: true},
		{with: []int{1}, op: ir.Dirichlet{}, name: "Dirichlet", in: []ir.Shape{{3, 4}, {3, 4}}},
		{op: ir.DirichletGrad{}, name: "GradDirichlet", in: []ir.Shape{{3, 4}, {3, 4}, {3, 4}}},
		{with: []int{1}, op: ir.NormaliseEdges{Into: []int{2, 3}}, name: "NormaliseEdges[2 3]", in: []ir.Shape{{5, 4}, {5}}},
		{op: ir.NormaliseEdgesGrad{Into: []int{2, 3}}, name: "GradNormaliseEdges[2 3]", in: []ir.Shape{{5, 5}, {5, 4}, {5}, {5, 5}}},
		{op: ir.Excite{}, name: "Excite", in: []ir.Shape{x, {2, 1, 1, 3}}},
		{op: ir.ExciteGrad{}, name: "GradExcite", in: []ir.Shape{x, x, {2, 1, 1, 3}}},
		{op: ir.Norm{}, name: "Norm", in: []ir.Shape{{19}}},
		{op: ir.ClipFactor{Limit: 0.5}, name: "ClipFactor{0.5}", in: []ir.Shape{{19}}},
		{op: ir.SGD{Momentum: 0.875, Decay: 0.25}, name: "SGD{momentum=0.875 decay=0.25}", in: []ir.Shape{{19}, {19}, {19}, {1}}, together: true},
		{op: ir.SGD{Momentum: 0.875, Nesterov: true}, name: "SGD{momentum=0.875 decay=0 nesterov}", in: []ir.Shape{{19}, {19}, {19}, {1}, {1}}, together: true},
		{op: ir.Adam{Beta1: 0.5, Beta2: 0.75, Epsilon: 1e-8, Decay: 0.25}, name: "Adam{β1=0.5 β2=0.75 ε=1e-08 decay=0.25}", in: []ir.Shape{{19}, {19}, {19}, {19}, {2}}, positive: true, together: true},
		{op: ir.Average{Decay: 0.875}, name: "Average{0.875}", in: []ir.Shape{{19}, {19}}},
		{op: ir.Axpy{}, name: "Axpy", in: []ir.Shape{{19}, {19}, {1}}},
		{op: ir.ToBFloat16{}, name: "ToBFloat16", in: []ir.Shape{x}, narrow: true},
		{op: ir.FromBFloat16{}, name: "FromBFloat16", in: []ir.Shape{x}, narrow: true},
		{op: loss, name: "CrossEntropy{ignore=-7 smoothing=0.125}", in: []ir.Shape{{3, 5}, {3}}, integers: 1},
		{op: pixels, name: "CrossEntropy{ignore=-1 smoothing=0 pixels}", in: []ir.Shape{{2, 3, 2, 5}, {2, 6, 4}}, integers: 1},
		{op: ir.CrossEntropyGrad{Of: loss}, name: "GradCrossEntropy{ignore=-7 smoothing=0.125}", in: []ir.Shape{scalar, {3, 5}, {3}}, integers: 2},
		{op: ir.CrossEntropyGrad{Of: pixels}, name: "GradCrossEntropy{ignore=-1 smoothing=0 pixels}", in: []ir.Shape{scalar, {2, 3, 2, 5}, {2, 6, 4}}, integers: 2},
	}
}

// operator is an operator with shapes of its inputs, and its name.
type operator struct {
	op       ir.Op
	name     string
	in       []ir.Shape
	integers int             // the number of the input of int32; 0 for none
	positive bool            // inputs are positive
	fixed    map[int]float32 // values of inputs
	outputs  int             // that it has; 0 for all that Infer returns
	// with has the outputs that are needed only if the one before is: moments come with their
	// map.
	with     []int
	together bool // all outputs are needed
	narrow   bool // reads or makes bfloat16, see TestBFloat16
}

// data returns random values for the inputs.
func (o operator) data(seed uint64) []cpuexec.Array {
	r := rand.New(rand.NewPCG(seed, 3))
	in := make([]cpuexec.Array, len(o.in))
	for i, s := range o.in {
		in[i].Shape = s
		if i > 0 && i == o.integers {
			for range s.Size() {
				in[i].I = append(in[i].I, r.Int32N(5))
			}
			continue
		}
		for range s.Size() {
			v := float32(r.NormFloat64())
			if o.positive {
				v = 0.25 + float32(r.Float64())
			}
			if f, ok := o.fixed[i]; ok {
				v = f
			}
			in[i].F = append(in[i].F, v)
		}
	}
	return in
}

// memory returns outputs full of NaN.
func (o operator) memory(t *testing.T) []cpuexec.Array {
	shapes, err := o.op.Infer(o.in)
	require.NoError(t, err)
	if o.outputs > 0 {
		// The others are never read.
		for len(shapes) > o.outputs {
			shapes = shapes[:len(shapes)-1]
		}
	}
	out := make([]cpuexec.Array, len(shapes), 8)
	for i, s := range shapes {
		out[i] = cpuexec.Array{Shape: s, F: make([]float32, s.Size())}
		cpuexec.Poison(out[i].F)
	}
	return out
}

// run runs the operator on a pool.
func (o operator) run(t *testing.T, workers int, out, in []cpuexec.Array) {
	t.Helper()
	pool := kernel.NewThreadPool(workers)
	pool.Start()
	defer pool.Stop()
	if o.outputs > 0 {
		out = append(slices.Clone(out), make([]cpuexec.Array, 4-o.outputs)...)
	}
	require.NoError(t, cpuexec.RunOp(o.op, pool, out, in))
}

// TestOperatorsAreComplete holds that the table has every type of package ir that
// implements ir.Op.
func TestOperatorsAreComplete(t *testing.T) {
	paths, err := filepath.Glob("../ir/*.go")
	require.NoError(t, err)
	declared := map[string]bool{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		for _, d := range f.Decls {
			if m, ok := d.(*ast.FuncDecl); ok && m.Recv != nil && m.Name.Name == "Infer" {
				declared[m.Recv.List[0].Type.(*ast.Ident).Name] = true
			}
		}
	}
	listed := map[string]bool{}
	for _, o := range operators() {
		listed[reflect.TypeOf(o.op).Name()] = true
	}
	assert.Equal(t, declared, listed)
	assert.Greater(t, len(declared), 40)
}

// TestOperators runs the kernel of each operator.
func TestOperators(t *testing.T) {
	for _, o := range operators() {
		t.Run(o.name, func(t *testing.T) {
			assert.Equal(t, o.name, o.op.String())
			if k, err := cpuexec.KernelOf(o.op); assert.NoError(t, err) {
				assert.NotNil(t, k)
			}
			if o.narrow {
				return
			}
			in := o.data(1)
			before := fmt.Sprint(in)
			all := o.memory(t)
			o.run(t, 1, all, in)
			assert.Equal(t, before, fmt.Sprint(in), "inputs")
			for i, a := range all {
				for j, v := range a.F {
					require.False(t, math.IsNaN(float64(v)), "element %d of output %d is not written", j, i)
				}
			}
			again := o.memory(t)
			for _, a := range again {
				for i := range a.F {
					a.F[i] = 1000
				}
			}
			o.run(t, 3, again, in)
			assert.Equal(t, all, again, "with other workers and other content before")
		})
	}
}

// TestOperatorsWithoutOutputs runs the kernel of each operator for one output at a time.
func TestOperatorsWithoutOutputs(t *testing.T) {
	for _, o := range operators() {
		t.Run(o.name, func(t *testing.T) {
			if o.narrow || o.together {
				return
			}
			in, all := o.data(2), o.memory(t)
			o.run(t, 2, all, in)
			for i := range all {
				one := o.memory(t)
				for j := range one {
					if j != i && (j != i-1 || !slices.Contains(o.with, i)) {
						one[j].F = nil
					}
				}
				if assert.NotPanics(t, func() { o.run(t, 2, one, in) }, "output %d", i) {
					assert.Equal(t, all[i].F, one[i].F, "output %d", i)
				}
			}
		})
	}
}

// TestOperatorsOfDeferredMaps compares the results for maps that a kernel forms with those
// for stored maps.
func TestOperatorsOfDeferredMaps(t *testing.T) {
	formed := 0
	for _, o := range operators() {
		t.Run(o.name, func(t *testing.T) {
			k, err := cpuexec.KernelOf(o.op)
			require.NoError(t, err)
			reads := k.Traits(o.in).Reads
			for i, most := range reads {
				for form := ir.Scaled; form <= most; form++ {
					formed++
					in := o.data(3)
					s := o.in[i]
					n, h, w, c := s.NHWC()
					m := kernel.Map{N: n, H: h, W: w, C: c, P: in[i].F, A: make([]float32, c)}
					more := o.data(4)[i].F
					if form == ir.Affine {
						m.Q, m.B, m.D = more, make([]float32, c), make([]float32, c)
					}
					for j := range c {
						m.A[j] = 0.5 + float32(j)
						if form == ir.Affine {
							m.B[j], m.D[j] = 0.25*float32(j)-0.5, float32(j)-0.75
						}
					}
					stored := slices.Clone(in)
					stored[i].F = make([]float32, s.Size())
					kernel.Apply(kernel.NewThreadPool(1), m, false, stored[i].F)
					in[i].F, in[i].Map = nil, &m
					got, want := o.memory(t), o.memory(t)
					o.run(t, 2, got, in)
					o.run(t, 2, want, stored)
					for j := range want {
						if defers := k.Traits(o.in).Defers; defers != nil {
							if d, ok := defers(0); ok && d.Coef == j {
								continue // coefficients include the factors of a deferred input
							}
						}
						near(t, want[j].F, got[j].F, 1e-5, fmt.Sprintf("output %d with form %d of input %d", j, form, i))
					}
				}
			}
		})
	}
	assert.Greater(t, formed, 60)
}

// TestBFloat16 rounds numbers to bfloat16, in half of the memory, and back.
func TestBFloat16(t *testing.T) {
	numbers := []float32{0, 1, -1.5, 255, 256, 257, 1 + 1.0/256, 1 + 3.0/256, -3e-30}
	want := []float32{0, 1, -1.5, 255, 256, 256, 1, 1 + 4.0/256, -3e-30}
	shape := ir.Shape{len(numbers)}
	narrow := cpuexec.Array{Shape: shape, F: make([]float32, (len(numbers)+1)/2)}
	wide := cpuexec.Array{Shape: shape, F: make([]float32, len(numbers))}
	pool := kernel.NewThreadPool(1)
	require.NoError(t, cpuexec.RunOp(ir.ToBFloat16{}, pool, []cpuexec.Array{narrow}, []cpuexec.Array{{Shape: shape, F: numbers}}))
	require.NoError(t, cpuexec.RunOp(ir.FromBFloat16{}, pool, []cpuexec.Array{wide}, []cpuexec.Array{narrow}))
	assert.Equal(t, want[:8], wide.F[:8])
	assert.InEpsilon(t, want[8], wide.F[8], 1.0/256)
}
