package segmentation

import (
	"errors"
	"fmt"
	"reflect"

	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/ops"
)

// Network is a segmentation network: an architecture with the head of a task. As a
// cell.Architecture it is the architecture alone.
type Network struct {
	// Architecture is a cell.Network, or another one with a method OutputStride() int. An
	// output stride s maps images of s·n+1 pixels a side to n+1 pixels.
	cell.Architecture
	Task Task // head and normalisation of the images
}

// maxStride limits the side of the images that a network is tested with.
const maxStride = 1 << 13

// OutputStride returns the ratio of the height of the images to that of the last
// feature map; 0 if the architecture does not report it.
func (n Network) OutputStride() int {
	if a, ok := n.Architecture.(interface{ OutputStride() int }); ok {
		return a.OutputStride()
	}
	return 0
}

// Validate reports the first invalid field.
func (n Network) Validate() error {
	if v := reflect.ValueOf(n.Architecture); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return errors.New("segmentation: Network.Architecture is nil; want for example a cell.Network")
	}
	if err := n.Architecture.Validate(); err != nil {
		return fmt.Errorf("segmentation: %w", err)
	}
	switch stride := n.OutputStride(); {
	case stride == 0:
		return fmt.Errorf("segmentation: an architecture of type %T does not report its output stride; give it a method OutputStride() int, or use a cell.Network", n.Architecture)
	case stride < 1 || stride > maxStride:
		return fmt.Errorf("segmentation: an architecture of type %T has output stride %d, not in 1..%d", n.Architecture, stride, maxStride)
	}
	return n.Task.Validate()
}

// Logits adds the network to the graph of images x [N, H, W, 3] and returns its logits
// [N, h, w, classes] at the resolution of the last feature map. Its parameters have the
// names of the published networks.
func (n Network) Logits(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
	net, err := n.Build(s, x, nil)
	if err != nil {
		return nil, fmt.Errorf("segmentation: %w", err)
	}
	if net == nil || net.Out == nil {
		return nil, fmt.Errorf("segmentation: an architecture of type %T builds no feature map; its Build must set Features.Out", n.Architecture)
	}
	return n.Task.Head(s.Sub("classifier"), net.Out)
}

// padded returns the smallest side, not below the given one, of an image whose corners
// coincide with those of the last feature map: one more than a multiple of the output
// stride.
func (n Network) padded(side int) int {
	stride := n.OutputStride()
	return (side+stride-2)/stride*stride + 1
}
