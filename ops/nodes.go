package ops

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/ir"
)

// Helpers of the operations.

// apply adds an operator on floats to the graph and returns the node of its first output.
func apply(op ir.Op, in ...*gorgonia.Node) (*gorgonia.Node, error) {
	for i, n := range in {
		if err := needFloats(n); err != nil {
			return nil, fmt.Errorf("ops: %v: input %d: %w", op, i, err)
		}
	}
	out, err := outputs(op, in...)
	if err != nil {
		return nil, err
	}
	return out(0), nil
}

// outputs adds an operator to the graph and returns the nodes of its outputs.
func outputs(op ir.Op, in ...*gorgonia.Node) (func(i int) *gorgonia.Node, error) {
	out, err := graph.Apply(op, in...)
	if err != nil {
		return nil, fmt.Errorf("ops: %w", err)
	}
	return out, nil
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
	return ir.Shape(x.Shape()).FeatureMap()
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
