package graph

import (
	"gorgonia.org/tensor"

	"unnas/internal/onnxpb"
)

// Lowerable is a kernel whose output 0, in evaluation, the operators of ONNX can
// compute. In a model, values of four dimensions are [N, C, H, W], all others as
// they are in a graph, and no node depends on N.
type Lowerable interface {
	Kernel
	// Lower adds output 0 to the model and returns the name of its value.
	Lower(l *Lowering) (string, error)
}

// Lowering is an operation on its way into a model.
type Lowering struct {
	*onnxpb.Graph
	Shapes []tensor.Shape // of the inputs of the kernel
	// Input adds input i, a map, to the model and returns the name of its value.
	// What the kernel does not ask for is left out.
	Input func(i int) string
	// Weight does so with input i, a parameter, in its published form.
	Weight func(i int) string
}
