package ir_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/ir"
)

// external returns an input of a program.
func external(name string, t ir.Type, shape ...int) *ir.Value {
	return &ir.Value{Name: name, Shape: shape, Type: t, Source: ir.External}
}

// TestProgramString shows a program with every kind of line: a normalised convolution that
// its reader normalises, pooled, with a state.
func TestProgramString(t *testing.T) {
	var b ir.Builder
	x, w := external("image", ir.Float32, 2, 8, 6, 3), external("stem.weight", ir.Float32, 3, 3, 3, 4)
	mean, variance := external("stem.mean", ir.Float32, 4), external("stem.var", ir.Float32, 4)
	labels := external("labels", ir.Int32, 2)
	conv := b.Apply(ir.Conv{Out: 4, Window: ir.Square(3, 2, 1, 1)}, x, w)
	statistics := b.Apply(ir.BatchStatistics{Epsilon: 0.001, Momentum: 0.1, Count: 24}, conv[1], mean, variance)
	norm := b.Apply(ir.BatchNorm{}, conv[0], statistics[0])
	norm[0].Deferred = &ir.Deferred{P: conv[0], Coef: norm[1], Shift: true, Compensated: true}
	pool := b.Apply(ir.Pool{Window: ir.Square(3, 1, 1, 1), Max: true}, norm[0])
	b.Steps[len(b.Steps)-1].Out[1] = nil
	both := b.Apply(ir.MixGrad{Index: []int{1}}, pool[0], mean, norm[0])
	both[0].Deferred = &ir.Deferred{P: norm[0], Q: pool[0], Coef: both[2], Row: 2}
	last := &b.Steps[len(b.Steps)-1].Out
	(*last)[1], (*last)[3] = nil, nil
	loss := b.Apply(ir.CrossEntropy{Ignore: -1}, b.Apply(ir.GlobalAvgPool{}, both[0])[0], labels)
	p := &ir.Program{
		Inputs:  []*ir.Value{x, w, labels, mean, variance},
		States:  []ir.State{{In: mean, Out: statistics[1]}, {In: variance, Out: statistics[2]}},
		Steps:   b.Steps,
		Results: []*ir.Value{loss[0], w, loss[2]},
	}
	assert.Equal(t, `%0 float32[2 8 6 3] = input "image"
%1 float32[3 3 3 4] = input "stem.weight"
%2 int32[2] = input "labels"
%3 float32[4] = input "stem.mean"
%4 float32[4] = input "stem.var"
%5 float32[2 4 3 4], %6 float32[3 4] = Conv{4 3×3 stride=2 pad=1}(%0, %1)
%7 float32[3 4], %8 float32[4], %9 float32[4] = BatchStatistics{ε=0.001 momentum=0.1 n=24}(%6, %3, %4)
_, %10 float32[3 4] = BatchNorm(%5, %7)
    %11 float32[2 4 3 4] = deferred %10[0]·%5 + %10[1] + %10[2]
%12 float32[2 4 3 4], _ = MaxPool{3×3 pad=1}(%11)
_, _, %13 float32[1 4], _ = GradMix[1](%12, %3, %11)
    %14 float32[2 4 3 4] = deferred %13[2]·%11 + %13[3]·%12
%15 float32[2 4] = GlobalAvgPool(%14)
%16 float32[], %17 float32[], %18 float32[] = CrossEntropy{ignore=-1 smoothing=0}(%15, %2)
state %3 = %8
state %4 = %9
return %16, %1, %18
`, p.String())
	assert.Equal(t, "return \n", (&ir.Program{}).String())
}

// TestProgramStringOfCopies shows deferred values that no step makes: over copies of their
// maps.
func TestProgramStringOfCopies(t *testing.T) {
	var b ir.Builder
	x, y := external("x", ir.Float32, 2, 3), external("y", ir.Float32, 2, 3)
	coefficients := b.Apply(ir.Moments{}, x)[0]
	inner := &ir.Value{Shape: x.Shape, Type: ir.Float32, Deferred: &ir.Deferred{P: y, Coef: coefficients}}
	outer := &ir.Value{Shape: x.Shape, Type: ir.Float32, Deferred: &ir.Deferred{P: inner, Coef: coefficients, Row: 1, Shift: true}}
	sum := b.Apply(ir.Sum{}, outer, inner, outer)[0]
	p := &ir.Program{Inputs: []*ir.Value{x, y}, Steps: b.Steps, Results: []*ir.Value{sum}}
	assert.Equal(t, `%0 float32[2 3] = input "x"
%1 float32[2 3] = input "y"
%2 float32[3 3] = Moments(%0)
    %3 float32[2 3] = deferred %2[0]·%1
    %4 float32[2 3] = deferred %2[1]·%3 + %2[2]
%5 float32[2 3] = Sum(%4, %3, %4)
return %5
`, p.String())
}

// TestNewStep returns outputs of the shapes that the operator infers, or its error.
func TestNewStep(t *testing.T) {
	x := external("x", ir.Float32, 2, 5, 4, 3)
	s, err := ir.NewStep(ir.Pool{Window: ir.Square(2, 2, 0, 1)}, x)
	require.NoError(t, err)
	assert.Equal(t, ir.Pool{Window: ir.Square(2, 2, 0, 1)}, s.Op)
	assert.Equal(t, []*ir.Value{x}, s.In)
	assert.Equal(t, []ir.Shape{{2, 2, 2, 3}, {3, 3}}, ir.Shapes(s.Out))
	for _, v := range s.Out {
		assert.Equal(t, ir.Value{Shape: v.Shape, Type: ir.Float32}, *v)
	}
	_, err = ir.NewStep(ir.Sum{}, x, external("y", ir.Float32, 2, 5, 4))
	assert.EqualError(t, err, "Sum: shapes (2, 5, 4, 3) and (2, 5, 4); want equal shapes")
	var b ir.Builder
	assert.PanicsWithError(t, "ir: Softmax: the input has shape (2, 5, 4, 3); want [rows, choices]", func() { b.Apply(ir.Softmax{}, x) })
	assert.Empty(t, b.Steps)
}

// TestForm shows what the reader of a deferred map must be able to form.
func TestForm(t *testing.T) {
	v := &ir.Value{}
	assert.Equal(t, ir.Scaled, (&ir.Deferred{P: v}).Form())
	assert.Equal(t, ir.Affine, (&ir.Deferred{P: v, Shift: true}).Form())
	assert.Equal(t, ir.Affine, (&ir.Deferred{P: v, Q: v}).Form())
	assert.Less(t, ir.Stored, ir.Scaled)
	assert.Less(t, ir.Scaled, ir.Affine)
}
