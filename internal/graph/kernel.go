package graph

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/kernel"
)

// Kernel computes the outputs of one operation from its inputs.
type Kernel interface {
	// Key names the kernel and all its settings, for messages and hashes.
	Key() string
	// Shapes returns the shapes of all outputs, or an error that names the
	// input that does not fit and the remedy.
	Shapes(in []tensor.Shape) ([]tensor.Shape, error)
	// Run computes the outputs. An output without memory is not wanted. Every
	// other output is overwritten as a whole.
	Run(c *Context, out, in []Value) error
}

// Differentiable is a kernel whose output 0 has a gradient.
type Differentiable interface {
	Kernel
	// Wrt tells for each input whether it gets a gradient.
	Wrt(inputs int) []bool
	// Gradient returns the gradients of the inputs, nil where Wrt is false.
	// out returns the node of an output, gy is the gradient of output 0.
	Gradient(in gorgonia.Nodes, out func(i int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error)
}

// All says that every input gets a gradient.
func All(inputs int) []bool {
	wrt := make([]bool, inputs)
	for i := range wrt {
		wrt[i] = true
	}
	return wrt
}

// Pending says which unformed maps a kernel can read.
type Pending int

// The kinds of maps, each including those before it: plain data; data with one
// factor per channel; any kernel.Map.
const (
	None Pending = iota
	Scaled
	Affine
)

// Reader is a kernel that can form maps while it reads them.
type Reader interface {
	// Reads says what input i may be. Other kernels read plain data.
	Reads(i int) Pending
}

// Form describes an output as A·P + B·Q + D, for readers that form it
// themselves. P may itself be pending if it has factors only, which the kernel
// then puts into A; Q is plain data.
type Form struct {
	P, Q int // numbers of the inputs; Q is -1 if there is none
	// Coef is the output with the coefficients [rows, C] and Row the first of
	// its rows: A, then B if there is a Q, then D if Shift, then E if Rest.
	Coef, Row   int
	Shift, Rest bool
}

// Former is a kernel with outputs that need not be formed.
type Former interface {
	// Form describes output i; it reports false if the output is always data.
	Form(i int) (Form, bool)
}

// Fusible is a kernel that does better as one with others that have the same
// input 0.
type Fusible interface {
	Kernel
	// Fuse returns one kernel for this and another, nil if they do not fit. Its
	// inputs are input 0, then the other inputs of this, then those of the other;
	// its outputs the shared ones, then the other outputs of both.
	Fuse(with Kernel) Kernel
	// Shared is the number of first outputs that become one for both. If there
	// are any, output 0 is the gradient of input 0, and that of a fused kernel
	// the sum of those of both.
	Shared() int
}

// Scratcher is a kernel that needs memory while it runs, in floats: so many
// for each worker, and so many in common.
type Scratcher interface {
	Scratch(in []tensor.Shape) (perWorker, shared int)
}

// Complete is a kernel that computes all its outputs, wanted or not.
type Complete interface {
	Kernel
	Complete()
}

// Repeatable is a kernel that may run twice in a run, the second time for some of
// its outputs alone, with the same result: it keeps nothing, and what it draws
// follows from its inputs.
type Repeatable interface {
	Kernel
	// Repeatable tells if a second run may make output i: the maps, not the
	// moments that were taken of them.
	Repeatable(i int) bool
}

// Measured is a kernel that knows its share of a network's complexity.
type Measured interface {
	Cost(in []tensor.Shape) Cost
}

// Cost is the work of an operation, in the terms in which published tables
// count it.
type Cost struct {
	ConvMACs, LinearMACs int64 // multiply-adds of convolutions and linear layers
	BiasedOutputs        int64 // outputs of convolutions with a bias
	NormElements         int64 // inputs of batch normalisations
	AveragedOutputs      int64 // outputs of average poolings
	GlobalOperations     int64 // (H·W + 1)·C of each global pooling
}

// Add adds the work of another operation.
func (c *Cost) Add(d Cost) {
	c.ConvMACs += d.ConvMACs
	c.LinearMACs += d.LinearMACs
	c.BiasedOutputs += d.BiasedOutputs
	c.NormElements += d.NormElements
	c.AveragedOutputs += d.AveragedOutputs
	c.GlobalOperations += d.GlobalOperations
}

// Context is the run that a kernel takes part in.
type Context struct {
	Team *kernel.Team
	// Training selects batch statistics, and UpdateStats lets batch
	// normalisations keep their running averages.
	Training, UpdateStats bool

	maps    []kernel.Map
	sums    []float64
	floats  []float32
	numbers []int
	stages  []kernel.Stage
}

// Stages returns n stages of undefined content, in memory that the next call uses
// again.
func (c *Context) Stages(n int) []kernel.Stage { return room(&c.stages, n) }

// Numbers returns n whole numbers of undefined content, in memory that the next
// call uses again.
func (c *Context) Numbers(n int) []int { return room(&c.numbers, n) }

// Floats returns n floats of undefined content, in memory that the next call
// uses again.
func (c *Context) Floats(n int) []float32 { return room(&c.floats, n) }

// Sums returns n float64 of undefined content, in memory that the next call
// uses again.
func (c *Context) Sums(n int) []float64 { return room(&c.sums, n) }

// Maps returns the values as feature maps, in memory that the next call uses
// again.
func (c *Context) Maps(values []Value) []kernel.Map {
	maps := room(&c.maps, len(values))
	for i := range values {
		maps[i] = values[i].Map()
	}
	return maps
}

// room returns n elements of undefined content in mem, which grows if need be.
func room[T any](mem *[]T, n int) []T {
	if cap(*mem) < n {
		*mem = make([]T, n)
	}
	return (*mem)[:n]
}

// Value is what a kernel reads or writes: floats, whole numbers (labels), or a
// pending map.
type Value struct {
	Shape tensor.Shape
	F     []float32
	I     []int32
	// Lazy is the map to form if the value is pending; F is nil then.
	Lazy *kernel.Map
}

// Wanted reports whether an output has memory.
func (v *Value) Wanted() bool { return v.F != nil }

// Map returns the value as a feature map. A shape of fewer than four
// dimensions becomes one of N rows of C channels.
func (v *Value) Map() kernel.Map {
	if v.Lazy != nil {
		return *v.Lazy
	}
	n, h, w, c := NHWC(v.Shape)
	return kernel.Plain(n, h, w, c, v.F)
}

// NHWC reads a shape as that of a feature map: the last dimension is the
// channels, the first the images, what lies between rows and columns.
func NHWC(s tensor.Shape) (n, h, w, c int) {
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
