// Package optest checks operations of one's own: that they keep what the rest of
// the library relies on.
//
// Run checks a candidate operation (ops.Op), RunKernel a kernel (ops.Kernel), and
// RunGraph any function that adds nodes to a graph, such as a layer or a head:
//
//	func TestSwish(t *testing.T) {
//		optest.Run(t, swish{})
//	}
//
//	func TestSwishKernel(t *testing.T) {
//		optest.RunKernel(t, swishKernel{}, ops.Array{Shape: tensor.Shape{2, 5, 4, 3}})
//	}
//
// All of them check that
//
//   - the gradients with respect to all inputs and parameters agree with finite
//     differences of the output, in training and in evaluation;
//   - outputs and gradients are finite, and are the same bits in every run,
//     whatever ran before, on 1, 2 and 3 cores, and whether all gradients are
//     computed or one alone;
//   - inputs and parameters are not written to;
//   - running statistics change in training, and only there, and evaluation uses
//     them;
//   - the same graph can be built again over the same parameters;
//   - Gorgonia's own machine, gorgonia.TapeMachine, gives the same results.
//
// Run also checks the name of the operation, the shape of its output at both
// strides for even, odd and unequal heights and widths, dilated too if it is
// ops.Dilatable, and that two instances in one network do not disturb each other.
//
// # Finite differences
//
// For each input and parameter θ the derivative of L = Σ r·y, with the output y
// and fixed random r, is taken along random directions d: (L(θ+hd) - L(θ-hd))/2h
// must be the product of d and the gradient. L is added up in float64, but y is
// of type float32, so a small h multiplies its rounding errors, and a large h
// brings in the curvature of L and the kinks of ReLU and of max pooling. No h
// suits all operations, so a few are tried and the best counts. This is repeated
// with other random inputs and directions, and the median counts: by chance, a
// kink is close or an error does not show, but not in most trials. Errors are
// measured by the norm of the gradient, which is the standard deviation of its
// product with d. Operations of package ops come out below 0.001, the more
// curved the larger; a gradient that is wrong in one element of ten thousand, by
// the size of an element, is off by 0.01. The default tolerance of 0.002 lies
// between.
package optest
