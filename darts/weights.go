package darts

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/darts/record"
	"unnas/ops"
)

// softmaxOf returns the softmax of a row of α, divided by a temperature.
func softmaxOf(alphas []float32, temperature float64) []float64 {
	row := make([]float64, len(alphas))
	for k, a := range alphas {
		row[k] = float64(a) / temperature
	}
	return record.Weights([][]float64{row})[0]
}

// throughSoftmax adds to grads the gradient of x by way of p = softmax(x), times a factor,
// for a gradient of p.
func throughSoftmax(grads, p []float64, gp []float32, factor float64) {
	mean := 0.0
	for k, w := range p {
		mean += float64(w * float64(gp[k]))
	}
	for k, w := range p {
		grads[k] += float64(factor * float64(w*(float64(gp[k])-mean)))
	}
}

// rowKernel computes operation weights from an α, row by row. It is the part of an
// ops.Kernel that all samplers have in common.
type rowKernel interface {
	Name() string
	// forward fills the weights of a row; others are the same rows of the other inputs, or
	// the whole of those with another shape.
	forward(weights, alphas []float32, others [][]float32)
	// backward fills the gradient of the row.
	backward(grads, gy, weights, alphas []float32, others [][]float32)
}

// byRow makes an ops.Kernel of a rowKernel. The gradient passes to α alone.
type byRow struct{ rowKernel }

func (byRow) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	if len(in[0]) != 2 {
		return nil, fmt.Errorf("α has the shape %v, want [edges, candidates]", in[0])
	}
	return in[:1], nil
}

func (k byRow) Forward(_ *ops.Run, out, in []ops.Array) error {
	eachRow(in, func(row func(ops.Array) []float32, others [][]float32) {
		k.forward(row(out[0]), row(in[0]), others)
	})
	return nil
}

func (k byRow) Backward(_ *ops.Run, grads []ops.Array, gy ops.Array, in, out []ops.Array) error {
	for _, g := range grads[1:] {
		clear(g.Data)
	}
	if grads[0].Data == nil {
		return nil
	}
	eachRow(in, func(row func(ops.Array) []float32, others [][]float32) {
		k.backward(row(grads[0]), row(gy), row(out[0]), row(in[0]), others)
	})
	return nil
}

// eachRow calls f for each row of the first of the inputs.
func eachRow(in []ops.Array, f func(row func(ops.Array) []float32, others [][]float32)) {
	edges, n := in[0].Shape[0], in[0].Shape[1]
	others := make([][]float32, len(in)-1)
	for e := range edges {
		row := func(a ops.Array) []float32 { return a.Data[e*n : (e+1)*n] }
		for i, x := range in[1:] {
			if others[i] = x.Data; x.Shape.Eq(in[0].Shape) {
				others[i] = row(x)
			}
		}
		f(row, others)
	}
}

// applyRows adds the kernel to the graph of an α.
func applyRows(k rowKernel, alphas *gorgonia.Node, others ...*gorgonia.Node) (*gorgonia.Node, error) {
	out, err := ops.Apply(byRow{k}, append([]*gorgonia.Node{alphas}, others...)...)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// positive returns an error unless a hyperparameter is a positive number.
func positive(name string, value float64) error {
	if value > 0 && value <= math.MaxFloat32 {
		return nil
	}
	return fmt.Errorf("%s is %s, must be above 0", name, plain(value))
}

// notNegative returns an error unless a hyperparameter is a number of 0 or more.
func notNegative(name string, value float64) error {
	if value >= 0 && value <= math.MaxFloat32 {
		return nil
	}
	return fmt.Errorf("%s is %s, must be 0 or more", name, plain(value))
}

// eachEdge calls f with the rows of all α and of their gradients.
func eachEdge(s *Step, f func(alphas, grads []float32)) {
	for _, t := range s.Tables() {
		for e, row := range t.Values {
			f(row, t.Grads[e])
		}
	}
}

// edges returns the number of rows of all α.
func edges(s *Step) (n int) {
	for _, t := range s.Tables() {
		n += len(t.Values)
	}
	return n
}

// rising rises linearly with the epochs, from 0 in the first to just below 1.
func rising(s *Step, c SearchConfig) float64 { return float64(s.Epoch) / float64(c.Epochs) }
