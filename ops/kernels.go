package ops

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// Helpers of the kernels.

// apply adds a kernel of maps to the graph and returns the node of its first output.
func apply(k graph.Kernel, in ...*gorgonia.Node) (*gorgonia.Node, error) {
	for i, n := range in {
		if err := needFloats(n); err != nil {
			return nil, fmt.Errorf("ops: %s: input %d: %w", k.Key(), i, err)
		}
	}
	out, err := outputs(k, in...)
	if err != nil {
		return nil, err
	}
	return out(0), nil
}

// outputs adds a kernel to the graph and returns the nodes of its outputs.
func outputs(k graph.Kernel, in ...*gorgonia.Node) (func(i int) *gorgonia.Node, error) {
	out, err := graph.Apply(k, in...)
	if err != nil {
		return nil, fmt.Errorf("ops: %w", err)
	}
	return out, nil
}

// gradients adds a gradient kernel and returns the nodes of its first n outputs.
func gradients(k graph.Kernel, n int, in ...*gorgonia.Node) (gorgonia.Nodes, error) {
	out, err := graph.Apply(k, in...)
	if err != nil {
		return nil, err
	}
	nodes := make(gorgonia.Nodes, n)
	for i := range nodes {
		nodes[i] = out(i)
	}
	return nodes, nil
}

var errNilNode = errors.New("the input is a nil node; check the error of the call that returned it")

// needFloats returns an error if a node is nil or not of type float32.
func needFloats(x *gorgonia.Node) error {
	if x == nil {
		return errNilNode
	}
	if d := x.Dtype(); d != tensor.Float32 {
		return fmt.Errorf("%s is of type %v; convert it to float32", x.Name(), d)
	}
	return nil
}

// featureMap returns the shape of a node that must be a feature map.
func featureMap(x *gorgonia.Node) (n, h, w, c int, err error) {
	if err := needFloats(x); err != nil {
		return 0, 0, 0, 0, err
	}
	return mapShape(x.Shape())
}

// mapShape returns the parts of the shape of a feature map.
func mapShape(s tensor.Shape) (n, h, w, c int, err error) {
	if s.Dims() != 4 {
		return 0, 0, 0, 0, fmt.Errorf("the input has shape %v; want a feature map [N, H, W, C]", s)
	}
	return s[0], s[1], s[2], s[3], nil
}

// lastDimension returns the number of channels of a node of any number of dimensions.
func lastDimension(x *gorgonia.Node) (int, error) {
	if err := needFloats(x); err != nil {
		return 0, err
	}
	s := x.Shape()
	if s.Dims() < 2 {
		return 0, fmt.Errorf("the input has shape %v; want at least [N, C]", s)
	}
	return s[s.Dims()-1], nil
}

// alike returns an error unless there are nodes, all of one shape.
func alike(xs []*gorgonia.Node) error {
	if len(xs) == 0 {
		return errors.New("no maps; want at least one")
	}
	for _, x := range xs {
		if err := needFloats(x); err != nil {
			return err
		}
		if !x.Shape().Eq(xs[0].Shape()) {
			return fmt.Errorf("shapes %v and %v; want equal shapes", xs[0].Shape(), x.Shape())
		}
	}
	return nil
}

// onlyInput lets a kernel form the given input and no other.
func onlyInput(which, i int) graph.Pending {
	if i == which {
		return graph.Affine
	}
	return graph.None
}

// firstTwo lets a kernel form its first two inputs, as gradient kernels do with
// the gradient and the map.
func firstTwo(i int) graph.Pending {
	if i < 2 {
		return graph.Affine
	}
	return graph.None
}

// elementwise is the scratch memory of a kernel that reads maps like in
// channel by channel, count of them.
func elementwise(in tensor.Shape, count int) (perWorker, shared int) {
	n, h, w, c := graph.NHWC(in)
	return kernel.ElementwiseScratch(n, h, w, c, count)
}

// moments returns the memory for the moments of a kernel's output: nil if they are not
// needed or the run does not train.
func moments(c *graph.Context, out *graph.Value) []float32 {
	if c.Training {
		return out.F
	}
	return nil
}
