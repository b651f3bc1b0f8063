package ir

import (
	"fmt"
	"math"
	"slices"
)

// A Shape is the size of a value in each dimension; a scalar has none.
type Shape []int

// Size returns the number of elements.
func (s Shape) Size() int {
	size := 1
	for _, d := range s {
		size *= d
	}
	return size
}

// Equal reports whether both shapes have the same dimensions.
func (s Shape) Equal(o Shape) bool { return slices.Equal(s, o) }

// Channels returns the last dimension.
func (s Shape) Channels() int { return s[len(s)-1] }

// WithChannels returns the shape with another last dimension.
func (s Shape) WithChannels(c int) Shape {
	s = slices.Clone(s)
	s[len(s)-1] = c
	return s
}

// NHWC reads the shape as that of a feature map: the last dimension is the channels, the
// first the images; those between are rows and columns.
func (s Shape) NHWC() (n, h, w, c int) {
	n, h, w, c = 1, 1, 1, 1
	last := len(s) - 1
	if last >= 0 {
		c = s[last]
	}
	if last >= 1 {
		n = s[0]
	}
	if last >= 2 {
		w = s[last-1]
	}
	for i := 1; i < last-1; i++ {
		h *= s[i]
	}
	return n, h, w, c
}

// maxElements bounds the elements of a value: four tebibytes of float32, or what an int
// counts.
const maxElements = min(1<<40, math.MaxInt)

// Check returns an error for a shape without elements or with too many.
func (s Shape) Check() error {
	total := 1
	for _, d := range s {
		if d <= 0 {
			return fmt.Errorf("shape %v; every dimension must be positive", s)
		}
		if total > maxElements/d {
			return fmt.Errorf("shape %v has more than %d elements; make it smaller", s, maxElements)
		}
		total *= d
	}
	return nil
}

// String formats the shape as "(2, 3)".
func (s Shape) String() string {
	text := "("
	for i, d := range s {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprint(d)
	}
	return text + ")"
}

// FeatureMap returns the parts of a shape that must be that of a feature map.
func (s Shape) FeatureMap() (n, h, w, c int, err error) {
	if len(s) != 4 {
		return 0, 0, 0, 0, fmt.Errorf("the input has shape %v; want a feature map [N, H, W, C]", s)
	}
	return s[0], s[1], s[2], s[3], nil
}

// A Type is the type of the elements of a value.
type Type string

// The types that operators of this package read and make. Foreign operators may use
// others among themselves.
const (
	Float32  Type = "float32"
	Int32    Type = "int32"
	Uint8    Type = "uint8"    // of inputs that are crops of images
	BFloat16 Type = "bfloat16" // of ToBFloat16 and FromBFloat16 alone
)

// Source is where the memory of a value comes from.
type Source uint8

// The sources of values.
const (
	Computed Source = iota // made by a step, in memory of the executor
	External               // an input or a state, in memory of the caller
	Foreign                // made by an operator of another library, in memory of its own, perhaps shared with its inputs
)

// A Value is an input of a program or an output of a step.
type Value struct {
	Name   string // of an input or a state
	Shape  Shape
	Type   Type
	Source Source
	// Deferred describes how readers form the value, if it is not stored.
	Deferred *Deferred
}

// Floats returns the memory that a stored value takes, in float32.
func (v *Value) Floats() int {
	n := v.Shape.Size()
	if v.Type == BFloat16 {
		n = (n + 1) / 2
	}
	return n
}

// A Deferred value is a map that is not stored. Its readers form it, channel by
// channel, as they read it:
//
//	A·P + B·Q + D + E
//
// The coefficients A, B (with a Q), D (if Shift) and E (if Compensated) are rows of
// Coef, from row Row on. E is what rounding took from D.
type Deferred struct {
	P, Q, Coef         *Value // Q is nil if there is none
	Row                int
	Shift, Compensated bool
}

// Form returns what a reader must be able to form.
func (d *Deferred) Form() Form {
	if d.Q != nil || d.Shift {
		return Affine
	}
	return Scaled
}

// Form is a kind of maps that a reader can form. Each includes those before it.
type Form uint8

// The forms of maps.
const (
	Stored Form = iota // plain data
	Scaled             // data with one factor per channel
	Affine             // any Deferred
)

// A Step is the application of an operator.
type Step struct {
	Op   Op
	Name string // of the operator in its network, for messages
	In   []*Value
	Out  []*Value // nil where an output is not needed
	// Late steps make values again that were dropped to save memory: they run as late as
	// they can, all others as early.
	Late bool
}

// A State is a value that outlives a run. The run reads In and makes Out, which takes
// its place.
type State struct{ In, Out *Value }

// A Program is a computation.
type Program struct {
	Inputs  []*Value // states included
	States  []State
	Steps   []*Step
	Results []*Value
	// Batch lists the inputs that hold a batch of images. A device takes each of them as it
	// lies in memory.
	Batch []*Value
	// Exact lists the results that no pass may change by rounding, all but gradients;
	// states are exact in any case.
	Exact []*Value
}

// An Op is an operator with its attributes.
type Op interface {
	// String returns the name of the operator with its attributes.
	String() string
	// Infer returns the shapes of the outputs, or an error that names the input that does
	// not fit and what is wanted.
	Infer(in []Shape) ([]Shape, error)
}

// Typed is an operator with outputs that are not float32.
type Typed interface {
	Op
	// Types returns the types of the outputs.
	Types() []Type
}

// TypeOf returns the type of an output of an operator.
func TypeOf(op Op, output int) Type {
	if t, ok := op.(Typed); ok {
		return t.Types()[output]
	}
	return Float32
}

// Differentiable is an operator with a gradient of its first output.
type Differentiable interface {
	Op
	// NeedsGrad reports for each input whether it has a gradient.
	NeedsGrad(inputs int) []bool
	// Gradient adds steps that compute the gradients of the inputs from gy, that of
	// the first output, and returns them, nil where NeedsGrad is false.
	Gradient(b *Builder, in, out []*Value, gy *Value) []*Value
}

// Evaluable is an operator that another one replaces in evaluation.
type Evaluable interface {
	Op
	// Evaluation returns the operator and the numbers of the inputs that it reads; nil for
	// all.
	Evaluation() (op Op, inputs []int)
}

// Stateful is an operator that makes new values of states.
type Stateful interface {
	Op
	// States returns the number of an input for the number of the output that takes its
	// place.
	States() map[int]int
}

// Measured is an operator with a share in the complexity of a network.
type Measured interface {
	Op
	Cost(in []Shape) Cost
}

// Cost is the work of an operator, in the terms in which published tables count it.
type Cost struct {
	ConvMACs, LinearMACs int64 // multiply-adds of convolutions and linear layers
	BiasedOutputs        int64 // outputs of convolutions with a bias
	NormElements         int64 // inputs of batch normalisations
	AveragedOutputs      int64 // outputs of average poolings
	GlobalOperations     int64 // (H·W + 1)·C of each global pooling
}

// Add adds the work of another operator.
func (c *Cost) Add(d Cost) {
	c.ConvMACs += d.ConvMACs
	c.LinearMACs += d.LinearMACs
	c.BiasedOutputs += d.BiasedOutputs
	c.NormElements += d.NormElements
	c.AveragedOutputs += d.AveragedOutputs
	c.GlobalOperations += d.GlobalOperations
}

// A Builder collects steps.
type Builder struct{ Steps []*Step }

// Apply adds a step and returns its outputs. It panics if the inputs do not fit the
// operator: that is a bug of the caller, which chose both.
func (b *Builder) Apply(op Op, in ...*Value) []*Value {
	s, err := NewStep(op, in...)
	if err != nil {
		panic(fmt.Errorf("ir: %w", err))
	}
	b.Steps = append(b.Steps, s)
	return s.Out
}

// NewStep returns the step that applies an operator to values.
func NewStep(op Op, in ...*Value) (*Step, error) {
	shapes, err := op.Infer(Shapes(in))
	if err != nil {
		return nil, fmt.Errorf("%v: %w", op, err)
	}
	s := &Step{Op: op, In: in}
	for i, shape := range shapes {
		s.Out = append(s.Out, &Value{Shape: shape, Type: TypeOf(op, i)})
	}
	return s, nil
}

// Shapes returns the shapes of values.
func Shapes(values []*Value) []Shape {
	shapes := make([]Shape, len(values))
	for i, v := range values {
		shapes[i] = v.Shape
	}
	return shapes
}

// all is the NeedsGrad of an operator whose inputs all have gradients.
func all(inputs int) []bool { return slices.Repeat([]bool{true}, inputs) }

// only is the NeedsGrad of an operator of which only input 0 has a gradient.
func only(inputs int) []bool {
	needs := make([]bool, inputs)
	needs[0] = true
	return needs
}
