// Package graph turns kernels into operations of a Gorgonia graph.
//
// A Gorgonia operation has one result. A kernel with several (an output, its
// batch statistics, a gradient per input) becomes one tuple node, typed as a
// flat vector, and one getter node per output that somebody uses. Only output 0
// is differentiable; its getter hands its gradient to the tuple node, so a
// kernel sees exactly one gradient, however often its output is used.
//
// On Gorgonia's own machines the value of a tuple is one flat tensor and
// getters are views of it. Package vm gives every output memory of its own,
// leaves out those that nobody uses, and keeps pending the maps that all
// readers can form while they read (see Form).
package graph
