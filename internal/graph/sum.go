package graph

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/kernel"
)

// Sum is the kernel that adds so many maps of equal shape, from left to right.
// Grad adds up gradients with it, and package vm makes one of several additions of
// Gorgonia's in a row.
type Sum int

// Key tells how many maps it adds.
func (s Sum) Key() string { return fmt.Sprintf("sum of %d", int(s)) }

// Shapes returns the shape of the first input.
func (Sum) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[:1], nil }

// Reads says that all inputs may be pending.
func (Sum) Reads(int) Pending { return Affine }

// Scratch returns the memory that Run needs.
func (Sum) Scratch(in []tensor.Shape) (perWorker, shared int) {
	n, h, w, c := NHWC(in[0])
	return kernel.ElementwiseScratch(n, h, w, c, len(in))
}

// Run adds the inputs.
func (Sum) Run(c *Context, out, in []Value) error {
	kernel.Combine(c.Team, c.Maps(in), nil, out[0].F)
	return nil
}

// Wrt says that all inputs have a gradient.
func (Sum) Wrt(inputs int) []bool { return All(inputs) }

// Gradient returns gy for every input.
func (Sum) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	out := make(gorgonia.Nodes, len(in))
	for i := range out {
		out[i] = gy
	}
	return out, nil
}

// Lower returns the sum.
func (Sum) Lower(l *Lowering) (string, error) {
	var inputs []string
	for i := range l.Shapes {
		inputs = append(inputs, l.Input(i))
	}
	return l.Node("Sum", inputs), nil
}
