package segmentation

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// ASPP configures an atrous spatial pyramid pooling head (Chen et al., 2017, arXiv
// 1706.05587).
type ASPP struct {
	Channels int   `json:"channels"` // of every branch
	Rates    []int `json:"rates"`    // dilations of the 3×3 branches, one to three
	Classes  int   `json:"classes"`
}

// SearchASPP returns the head of the search phase: 64 channels and rate 6.
func SearchASPP(classes int) ASPP { return ASPP{Channels: 64, Rates: []int{6}, Classes: classes} }

// EvalASPP returns the head of the evaluation phase: 256 channels and rates 6,
// 12 and 18.
func EvalASPP(classes int) ASPP {
	return ASPP{Channels: 256, Rates: []int{6, 12, 18}, Classes: classes}
}

// The limits of a head. No feature map is as wide as the largest rate.
const (
	maxChannels = 1 << 14
	maxRate     = 1 << 13
)

// Validate reports the first invalid field.
func (a ASPP) Validate() error {
	if a.Channels < 1 || a.Channels > maxChannels {
		return fmt.Errorf("segmentation: ASPP of %d channels, not in 1..%d", a.Channels, maxChannels)
	}
	if a.Classes < 2 || a.Classes > ignored {
		return fmt.Errorf("segmentation: ASPP for %d classes, not in 2..%d, the classes of a mask", a.Classes, ignored)
	}
	if len(a.Rates) < 1 || len(a.Rates) > 3 {
		return fmt.Errorf("segmentation: ASPP rates %v; want one to three", a.Rates)
	}
	for _, r := range a.Rates {
		if r < 1 || r > maxRate {
			return fmt.Errorf("segmentation: ASPP rates %v; want 1 to %d", a.Rates, maxRate)
		}
	}
	return nil
}

// Build adds the head to the feature map x [N, h, w, C] and returns its logits
// [N, h, w, Classes] at the resolution of the map. The branches are a 1×1 convolution, a 3×3
// convolution per rate, and the global mean with a 1×1 convolution, each followed by batch
// normalisation and ReLU. Their concatenation goes through a 1×1 convolution with batch
// normalisation and ReLU, and a 1×1 convolution with bias.
func (a ASPP) Build(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
	if err := a.Validate(); err != nil {
		return nil, err
	}
	if x == nil {
		return nil, errors.New("segmentation: ASPP on a nil node; check the error of the call that returned it")
	}
	shape := x.Shape()
	if shape.Dims() != 4 {
		return nil, fmt.Errorf("segmentation: ASPP on shape %v; want a feature map [N, H, W, C]", shape)
	}
	point := ops.Square(1, 1, 0, 1)
	y, err := s.Sub("aspp1").ConvBNReLU(x, a.Channels, point, "0", "1")
	if err != nil {
		return nil, fmt.Errorf("segmentation: 1×1 branch: %w", err)
	}
	branches := []*gorgonia.Node{y}
	for i, rate := range a.Rates {
		w := ops.Square(3, 1, rate, rate)
		if y, err = s.Sub(fmt.Sprintf("aspp%d", i+2)).ConvBNReLU(x, a.Channels, w, "0", "1"); err != nil {
			return nil, fmt.Errorf("segmentation: branch of rate %d: %w", rate, err)
		}
		branches = append(branches, y)
	}
	if y, err = ops.GlobalAvgMap(x); err == nil {
		y, err = s.Sub("aspp5").ConvBNReLU(y, a.Channels, point, "0", "1")
	}
	if err == nil {
		y, err = ops.Upsample(y, shape[1], shape[2])
	}
	if err != nil {
		return nil, fmt.Errorf("segmentation: image branch: %w", err)
	}
	if y, err = ops.Concat(append(branches, y)...); err != nil {
		return nil, fmt.Errorf("segmentation: %w", err)
	}
	s = s.Sub("classifier")
	if y, err = s.ConvBNReLU(y, a.Channels, point, "0", "1"); err != nil {
		return nil, fmt.Errorf("segmentation: classifier: %w", err)
	}
	y, err = s.Sub("3").Conv(y, ops.ConvConfig{Out: a.Classes, Window: point, Bias: true})
	if err != nil {
		return nil, fmt.Errorf("segmentation: classifier: %w", err)
	}
	return y, nil
}
