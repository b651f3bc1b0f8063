package segmentation

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/ops"
)

// Network is a network that labels pixels: cells, and the head of a task.
type Network struct {
	cell.Derived
	Task Task // whose head it has, and whose colours its images
}

// Validate reports the first setting that no network can have.
func (n Network) Validate() error {
	if err := n.Derived.Validate(); err != nil {
		return fmt.Errorf("segmentation: %w", err)
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
	return n.Task.Head(s.Sub("classifier"), net.Out)
}

// padded returns the smallest side, not below the given one, of an image whose
// corners are pixels of the last map: one more than a multiple of the output
// stride.
func (n Network) padded(side int) int {
	stride := n.Body.OutputStride()
	return (side+stride-2)/stride*stride + 1
}
