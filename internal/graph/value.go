package graph

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
)

// ArrayOf returns the view of a Gorgonia value that kernels read, without a copy where
// its memory is in order.
func ArrayOf(v gorgonia.Value) (cpuexec.Array, error) {
	switch x := v.(type) {
	case nil:
		return cpuexec.Array{}, errors.New("there is no value")
	case *gorgonia.F32:
		return cpuexec.Array{F: []float32{float32(*x)}}, nil
	case *tensor.Dense:
		if x.RequiresIterator() {
			x = x.Materialize().(*tensor.Dense)
		}
		if x.DataOrder().IsColMajor() {
			return cpuexec.Array{}, fmt.Errorf("a tensor of shape %v stored by columns; use one stored by rows", x.Shape())
		}
		switch x.Dtype() {
		case tensor.Float32:
			return cpuexec.Array{Shape: ir.Shape(x.Shape()), F: x.Float32s()}, nil
		case tensor.Int32:
			return cpuexec.Array{Shape: ir.Shape(x.Shape()), I: x.Int32s()}, nil
		case tensor.Uint8:
			return cpuexec.Array{Shape: ir.Shape(x.Shape()), Foreign: x.Uint8s()}, nil
		}
		return cpuexec.Array{}, fmt.Errorf("a tensor of type %v; convert it to float32, or to int32 if it holds labels", x.Dtype())
	}
	return cpuexec.Array{}, fmt.Errorf("a %T, neither a float32 scalar nor a dense tensor", v)
}

// checked returns what kernels read of a value that must have a type and a shape.
func checked(v gorgonia.Value, want *ir.Value) (cpuexec.Array, error) {
	a, err := ArrayOf(v)
	if err != nil {
		return a, err
	}
	if ir.Type(v.Dtype().String()) != want.Type || a.Len() != want.Shape.Size() {
		return a, fmt.Errorf("a value of type %v and shape %v, but the graph was built for %v and %v", v.Dtype(), v.Shape(), want.Type, want.Shape)
	}
	return a, nil
}

// slot is memory as kernels see it and as Gorgonia does.
type slot struct {
	mem   []float32
	value gorgonia.Value
}

// newSlot returns memory as a value of a shape.
func newSlot(mem []float32, shape ir.Shape) *slot {
	if len(shape) == 0 {
		return &slot{mem, gorgonia.NewF32(0)}
	}
	return &slot{mem, tensor.New(tensor.WithShape(tensor.Shape(shape).Clone()...), tensor.WithBacking(mem))}
}

// refresh copies a scalar to where Gorgonia sees it: its scalars are a type of their own.
func (s *slot) refresh() {
	if x, ok := s.value.(*gorgonia.F32); ok {
		*x = gorgonia.F32(s.mem[0])
	}
}
