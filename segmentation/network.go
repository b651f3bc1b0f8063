package segmentation

import (
	"errors"
	"fmt"
	"reflect"

	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/ops"
)

// Network is a network that labels pixels: an architecture, and the head of a task.
// It is a cell.Architecture itself, the one without the head.
type Network struct {
	// Architecture is a cell.Network, or another one with a method OutputStride() int.
	// A network of output stride s makes maps of n+1 pixels a side from images of
	// s·n+1.
	cell.Architecture
	Task Task // whose head it has, and whose colours its images
}

// maxStride bounds the side of the images that a network is tried on.
const maxStride = 1 << 13

// OutputStride returns how many pixels of an image, along each side, come to one
// pixel of the last map; 0 if the architecture does not say.
func (n Network) OutputStride() int {
	if a, ok := n.Architecture.(interface{ OutputStride() int }); ok {
		return a.OutputStride()
	}
	return 0
}

// Validate reports the first setting that no network can have.
func (n Network) Validate() error {
	if v := reflect.ValueOf(n.Architecture); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return errors.New("segmentation: the network has no Architecture; give a cell.Network, for example")
	}
	if err := n.Architecture.Validate(); err != nil {
		return fmt.Errorf("segmentation: %w", err)
	}
	switch stride := n.OutputStride(); {
	case stride == 0:
		return fmt.Errorf("segmentation: a network of type %T does not say the stride of its last map; give it a method OutputStride() int, or give a cell.Network", n.Architecture)
	case stride < 1 || stride > maxStride:
		return fmt.Errorf("segmentation: a network of type %T has output stride %d, not in 1..%d", n.Architecture, stride, maxStride)
	}
	return n.Task.Validate()
}

// Logits adds the network to the graph of images x [N, H, W, 3] and returns its
// logits [N, h, w, classes], of the resolution of the last map. Its parameters have
// the names of the networks that were published.
func (n Network) Logits(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
	net, err := n.Build(s, x, nil)
	if err != nil {
		return nil, fmt.Errorf("segmentation: %w", err)
	}
	if net == nil || net.Out == nil {
		return nil, fmt.Errorf("segmentation: a network of type %T builds no map; its Build must set Network.Out", n.Architecture)
	}
	return n.Task.Head(s.Sub("classifier"), net.Out)
}

// padded returns the smallest side, not below the given one, of an image whose
// corners are pixels of the last map: one more than a multiple of the output
// stride.
func (n Network) padded(side int) int {
	stride := n.OutputStride()
	return (side+stride-2)/stride*stride + 1
}
