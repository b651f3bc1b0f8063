package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
)

// ReLUConvBN returns ReLU, 1×1 convolution to out channels, batch normalisation: the
// layer that adapts the inputs of a cell.
func (s *Scope) ReLUConvBN(x *gorgonia.Node, out int, affine bool) (*gorgonia.Node, error) {
	s = s.Sub("op")
	y, err := s.Sub("1").Conv(x, ConvConfig{Out: out, Window: Square(1, 1, 0, 1), ReLU: true})
	if err != nil {
		return nil, err
	}
	return s.Sub("2").BatchNorm(y, affine)
}

// ConvBNReLU returns convolution to out channels, batch normalisation, ReLU. conv and
// norm name the convolution and the normalisation within the scope.
func (s *Scope) ConvBNReLU(x *gorgonia.Node, out int, w Window, conv, norm string) (*gorgonia.Node, error) {
	y, err := s.Sub(conv).Conv(x, ConvConfig{Out: out, Window: w})
	if err != nil {
		return nil, err
	}
	if y, err = s.Sub(norm).BatchNorm(y, true); err != nil {
		return nil, err
	}
	return ReLU(y)
}

// CIFARStem returns the first layers for images of about 32×32 pixels: a 3×3
// convolution to out channels and batch normalisation.
func (s *Scope) CIFARStem(x *gorgonia.Node, out int) (*gorgonia.Node, error) {
	s = s.Sub("stem")
	y, err := s.Sub("0").Conv(x, ConvConfig{Out: out, Window: Square(3, 1, 1, 1)})
	if err != nil {
		return nil, err
	}
	return s.Sub("1").BatchNorm(y, true)
}

// ImageNetStem returns the first layers for images of about 224×224 pixels: three 3×3
// convolutions of stride 2, each with batch normalisation, and ReLUs between. s0 has a
// quarter of the resolution and s1 an eighth; both have out channels, an even number.
func (s *Scope) ImageNetStem(x *gorgonia.Node, out int) (s0, s1 *gorgonia.Node, err error) {
	if out%2 != 0 {
		return nil, nil, fmt.Errorf("ops: an ImageNet stem of width %d; want an even width, since its first layer has half of it", out)
	}
	layer := func(part, conv, norm string, x *gorgonia.Node, out int, relu bool) (*gorgonia.Node, error) {
		s := s.Sub(part)
		y, err := s.Sub(conv).Conv(x, ConvConfig{Out: out, Window: Square(3, 2, 1, 1), ReLU: relu})
		if err != nil {
			return nil, err
		}
		return s.Sub(norm).BatchNorm(y, true)
	}
	h, err := layer("stem0", "0", "1", x, out/2, false)
	if err != nil {
		return nil, nil, err
	}
	if s0, err = layer("stem0", "3", "4", h, out, true); err != nil {
		return nil, nil, err
	}
	s1, err = layer("stem1", "1", "2", s0, out, true)
	return s0, s1, err
}

// ResidualReduce halves the resolution of x [N, H, W, C] and returns out channels: the
// block between the stages of NAS-Bench-201 (Dong and Yang, 2020, arXiv 2001.00326), two
// times ReLU, 3×3 convolution, batch normalisation, the first of stride 2, and beside them
// 2×2 average pooling with a 1×1 convolution: [N, H/2, W/2, out]. H and W must be even.
func (s *Scope) ResidualReduce(x *gorgonia.Node, out int) (*gorgonia.Node, error) {
	_, h, w, _, err := featureMap(x)
	if err != nil {
		return nil, fmt.Errorf("ops: %sconv_a: %w", s.prefix, err)
	}
	if h%2 != 0 || w%2 != 0 {
		return nil, fmt.Errorf("ops: %sconv_a: a residual reduction of %d×%d pixels; want even sizes", s.prefix, h, w)
	}
	y, err := NorConv(3).Build(s.Sub("conv_a"), x, OpConfig{Stride: 2, Affine: true, Out: out})
	if err != nil {
		return nil, err
	}
	if y, err = NorConv(3).Build(s.Sub("conv_b"), y, OpConfig{Stride: 1, Affine: true}); err != nil {
		return nil, err
	}
	shortcut, err := AvgPool2D(x, 2, 2, 0)
	if err != nil {
		return nil, err
	}
	if shortcut, err = s.Sub("downsample.1").Conv(shortcut, ConvConfig{Out: out, Window: Square(1, 1, 0, 1)}); err != nil {
		return nil, err
	}
	return Sum(shortcut, y)
}

// TransNASStem returns the first layers of TransNAS-Bench-101 (Duan et al., 2021, arXiv
// 2105.11871): two 3×3 convolutions of stride 2 with batch normalisation and a ReLU
// between: a quarter of the resolution and out channels, an even number.
func (s *Scope) TransNASStem(x *gorgonia.Node, out int) (*gorgonia.Node, error) {
	if out%2 != 0 {
		return nil, fmt.Errorf("ops: a TransNAS stem of width %d; want an even width, since its first layer has half of it", out)
	}
	s = s.Sub("stem")
	y, err := s.Sub("0").Conv(x, ConvConfig{Out: out / 2, Window: Square(3, 2, 1, 1)})
	if err != nil {
		return nil, err
	}
	if y, err = s.Sub("1").BatchNorm(y, true); err != nil {
		return nil, err
	}
	return NorConv(3).Build(s.Sub("2"), y, OpConfig{Stride: 2, Affine: true, Out: out})
}
