package cell

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// ResNet56 measures ResNet-56 for CIFAR-10 (He et al., 2016, arXiv 1512.03385), with
// projections where the resolution changes. UnNAS samples DARTS networks around its
// size (Liu et al., 2020, arXiv 2003.12056).
func ResNet56() (Complexity, error) {
	c, err := measureClassifier(32, 10, resNet56)
	if err != nil {
		return Complexity{}, fmt.Errorf("cell: ResNet-56: %w", err)
	}
	return c, nil
}

// resNet56 builds three stages of nine blocks on images x [N, H, W, C] in s and
// returns its last feature map.
func resNet56(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
	convNorm := func(name string, x *gorgonia.Node, out, k, stride int) (*gorgonia.Node, error) {
		y, err := s.Sub(name).Conv(x, ops.ConvConfig{Out: out, Window: ops.Square(k, stride, k/2, 1)})
		if err != nil {
			return nil, err
		}
		return s.Sub(name+".norm").BatchNorm(y, true)
	}
	convNormReLU := func(name string, x *gorgonia.Node, out, k, stride int) (*gorgonia.Node, error) {
		y, err := convNorm(name, x, out, k, stride)
		if err != nil {
			return nil, err
		}
		return ops.ReLU(y)
	}
	x, err := convNormReLU("stem", x, 16, 3, 1)
	if err != nil {
		return nil, err
	}
	for stage, width := range []int{16, 32, 64} {
		for block := range 9 {
			name, stride, shortcut := fmt.Sprintf("%d.%d", stage, block), 1, x
			if stage > 0 && block == 0 {
				stride = 2
				if shortcut, err = convNorm(name+".projection", x, width, 1, stride); err != nil {
					return nil, err
				}
			}
			y, err := convNormReLU(name+".a", x, width, 3, stride)
			if err != nil {
				return nil, err
			}
			if y, err = convNorm(name+".b", y, width, 3, 1); err != nil {
				return nil, err
			}
			if y, err = ops.Sum(shortcut, y); err != nil {
				return nil, err
			}
			if x, err = ops.ReLU(y); err != nil {
				return nil, err
			}
		}
	}
	return x, nil
}

// measureClassifier counts a network with a linear classifier on one image of
// size×size pixels.
func measureClassifier(size, classes int, build func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error)) (c Complexity, err error) {
	err = ops.Build(func() error {
		g := gorgonia.NewGraph()
		s := ops.NewScope(g, ops.NewParams())
		x, err := ops.Images(g, "images", 1, size, size, 3)
		if err != nil {
			return err
		}
		if x, err = build(s, x); err != nil {
			return err
		}
		if x, err = ops.GlobalAvgPool(x); err != nil {
			return err
		}
		if _, err = s.Sub("classifier").Linear(x, 1, classes); err != nil {
			return err
		}
		c = Measure(s)
		return nil
	})
	return c, err
}
