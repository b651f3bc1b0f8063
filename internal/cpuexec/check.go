package cpuexec

import (
	"fmt"
	"math"

	"unnas/internal/ir"
)

// Check returns a function that returns an error for values of inputs that an operator
// refuses, nil for an operator that takes all. Inputs without memory are not looked at.
func Check(op ir.Op) func(in []Array) error {
	switch op := op.(type) {
	case ir.CrossEntropy:
		return func(in []Array) error { return checkLabels(in[1].I, in[0].Shape.Channels(), op.Ignore) }
	case ir.CrossEntropyGrad:
		return func(in []Array) error { return checkLabels(in[2].I, in[1].Shape.Channels(), op.Of.Ignore) }
	case ir.Dropout:
		return func(in []Array) error { return checkRate(in[1].F) }
	case ir.GumbelSoftmax:
		return func(in []Array) error { return checkTemperature(in[2].F) }
	case ir.Dirichlet:
		return func(in []Array) error { return checkConcentrations(in[0].F) }
	}
	return nil
}

// checkLabels finds labels out of range.
func checkLabels(labels []int32, classes int, ignore int32) error {
	for i, l := range labels {
		if l != ignore && (l < 0 || int(l) >= classes) {
			return fmt.Errorf("label %d at position %d is not one of %d classes; check the labels or the number of classes", l, i, classes)
		}
	}
	return nil
}

func checkRate(rate []float32) error {
	for _, r := range rate {
		if !(r >= 0 && r < 1) {
			return fmt.Errorf("the dropout rate is %v; want 0 to below 1", r)
		}
	}
	return nil
}

func checkTemperature(temperature []float32) error {
	for _, t := range temperature {
		if !(t > 0 && t <= math.MaxFloat32) { // or NaN
			return fmt.Errorf("ops: GumbelSoftmax: the temperature is %v; want a positive finite number, since the gradient divides by it", t)
		}
	}
	return nil
}

func checkConcentrations(x []float32) error {
	for i, v := range x {
		if !(v >= -50 && v <= 1000) { // or NaN
			return fmt.Errorf("ops: Dirichlet: input %d is %v, want -50 to 1000; lower the learning rate of the architecture parameters", i, v)
		}
	}
	return nil
}
