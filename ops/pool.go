package ops

import (
	"gorgonia.org/gorgonia"

	"unnas/internal/ir"
)

// MaxPool2D returns the maximum of each k×k window of x [N, H, W, C], without padding. The
// gradient goes to the first maximum of a window.
func MaxPool2D(x *gorgonia.Node, k, stride, pad int) (*gorgonia.Node, error) {
	return apply(ir.Pool{Window: ir.Square(k, stride, pad, 1), Max: true}, x)
}

// AvgPool2D returns the mean of each k×k window of x [N, H, W, C], without padding.
func AvgPool2D(x *gorgonia.Node, k, stride, pad int) (*gorgonia.Node, error) {
	return apply(ir.Pool{Window: ir.Square(k, stride, pad, 1)}, x)
}

// GlobalAvgPool returns the mean over all pixels of x [N, H, W, C]: [N, C].
func GlobalAvgPool(x *gorgonia.Node) (*gorgonia.Node, error) { return apply(ir.GlobalAvgPool{}, x) }

// GlobalAvgMap returns the mean over all pixels of x [N, H, W, C] as a map of one pixel:
// [N, 1, 1, C].
func GlobalAvgMap(x *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(ir.GlobalAvgPool{Map: true}, x)
}
