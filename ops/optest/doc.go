// Package optest tests implementations of operations.
//
// Run tests a candidate operation (ops.Op), RunKernel a kernel (ops.Kernel), and
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
// All of them test that
//
//   - the gradients with respect to all inputs and parameters agree with finite
//     differences of the output, in training and in evaluation;
//   - outputs and gradients are finite, and have the same bits in every run, whatever ran
//     before, on 1, 2 and 3 cores, and whether all gradients are computed or only one;
//   - inputs and parameters are not modified;
//   - running statistics change only in training, and evaluation uses them;
//   - the same graph can be built again over the same parameters;
//   - Gorgonia's own machine, gorgonia.TapeMachine, gives the same results.
//
// Run also tests the name of the operation, the shape of its output at both strides for
// even, odd and unequal heights and widths, with dilation if it is ops.Dilatable, and
// that two instances in one network are independent.
//
// # Finite differences
//
// For each input and parameter θ the derivative of L = Σ r·y, with the output y and
// fixed random r, is estimated along random directions d: (L(θ+hd) - L(θ-hd))/2h must
// equal the product of d and the gradient. L is summed in float64, but y is of type
// float32: a small h amplifies its rounding errors, and a large h includes the
// curvature of L and the kinks of ReLU and max pooling. No h suits all operations, so
// several are tried and the best counts. This is repeated with other random inputs and
// directions, and the median counts: a trial may be close to a kink or miss an error,
// but most do not. Errors are relative to the norm of the gradient, which is the
// standard deviation of its product with d. Operations of package ops have errors below
// 0.001, larger with more curvature; an error of the size of an element in one of ten
// thousand gradient elements gives 0.01. The default tolerance of 0.002 lies between.
package optest
