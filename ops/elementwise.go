package ops

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"

	"unnas/internal/graph"
	"unnas/internal/ir"
)

// ReLU returns the positive part of x. Convolutions after a ReLU can apply it themselves
// (ConvConfig.ReLU), without memory for its result.
func ReLU(x *gorgonia.Node) (*gorgonia.Node, error) { return apply(ir.ReLU{}, x) }

// Zeros returns zeros of the shape of x with its resolution divided by stride, rounded
// up: the operation "none". Its gradient is zero.
func Zeros(x *gorgonia.Node, stride int) (*gorgonia.Node, error) {
	_, _, _, c, err := featureMap(x)
	if err != nil {
		return nil, fmt.Errorf("ops: zeros: %w", err)
	}
	return zeros(x, stride, c)
}

// zeros is Zeros of c channels.
func zeros(x *gorgonia.Node, stride, c int) (*gorgonia.Node, error) {
	if stride <= 0 {
		return nil, fmt.Errorf("ops: zeros of stride %d; want 1 or more", stride)
	}
	n, h, w, _, err := featureMap(x)
	if err != nil {
		return nil, fmt.Errorf("ops: zeros: %w", err)
	}
	return apply(ir.Zeros{Shape: ir.Shape{n, (h + stride - 1) / stride, (w + stride - 1) / stride, c}}, x)
}

// isZeros reports whether a node is always zero.
func isZeros(n *gorgonia.Node) bool {
	op, _ := graph.Of(n)
	_, ok := op.(ir.Zeros)
	return ok
}

// Sum returns the sum of maps of equal shape. Maps that are always zero cost nothing.
func Sum(xs ...*gorgonia.Node) (*gorgonia.Node, error) {
	if err := alike(xs); err != nil {
		return nil, fmt.Errorf("ops: sum: %w", err)
	}
	var terms gorgonia.Nodes
	for _, x := range xs {
		if !isZeros(x) {
			terms = append(terms, x)
		}
	}
	switch len(terms) {
	case 0:
		return xs[0], nil
	case 1:
		return terms[0], nil
	}
	return apply(ir.Sum{}, terms...)
}

// Concat joins maps [N, H, W, Ci] along their channels: [N, H, W, ΣCi].
func Concat(xs ...*gorgonia.Node) (*gorgonia.Node, error) {
	if len(xs) == 0 {
		return nil, errors.New("ops: a concatenation of no maps; want at least one")
	}
	if len(xs) == 1 && xs[0] != nil {
		return xs[0], nil
	}
	return apply(ir.Concat{}, xs...)
}

// Channels returns the channels [from, from+c) of x [..., C].
func Channels(x *gorgonia.Node, from, c int) (*gorgonia.Node, error) {
	have, err := lastDimension(x)
	if err != nil {
		return nil, fmt.Errorf("ops: channels [%d, %d): %w", from, from+c, err)
	}
	if from < 0 || c <= 0 || c > have-from {
		return nil, fmt.Errorf("ops: channels [%d, %d) of a map with %d channels", from, from+c, have)
	}
	if c == have {
		return x, nil
	}
	return apply(ir.Channels{From: from, Count: c}, x)
}
