package ops

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Op is a candidate operation of a search space: C channels in, C channels out.
//
// Users add their own: Build may use any Gorgonia nodes, operations of this
// package, and kernels of one's own (Apply). Package optest checks that an Op
// keeps what the rest of the library relies on.
type Op interface {
	// Name is the published name, such as "sep_conv_3x3".
	Name() string
	// Build adds the operation to the graph of x [N, H, W, C], with parameters
	// in s, and returns its output [N, ⌈H/stride⌉, ⌈W/stride⌉, C].
	Build(s *Scope, x *gorgonia.Node, c Conn) (*gorgonia.Node, error)
}

// Conn is how a candidate is connected.
type Conn struct {
	Stride int  // 1, or 2 in a reduction cell on the edges from the inputs of the cell
	Affine bool // batch normalisations have scale and shift: false while searching
}

// Unnormalised is an Op whose output is not normalised. A mixed op appends a
// batch normalisation to it, so that its scale does not favour it (Liu et al.,
// 2019, arXiv 1806.09055, do so for the poolings).
type Unnormalised interface {
	Op
	Unnormalised()
}

// Set is a list of candidates: the columns of an alpha.
type Set []Op

// Names returns the names of the candidates in order.
func (s Set) Names() []string {
	names := make([]string, len(s))
	for i, o := range s {
		names[i] = o.Name()
	}
	return names
}

// Find returns the candidate of a name.
func (s Set) Find(name string) (Op, error) {
	for _, o := range s {
		if o.Name() == name {
			return o, nil
		}
	}
	return nil, fmt.Errorf("ops: unknown operation %q; the set has %v", name, s.Names())
}

// Has reports whether the set has a candidate of that name.
func (s Set) Has(name string) bool {
	return slices.ContainsFunc(s, func(o Op) bool { return o.Name() == name })
}

// DARTS returns the eight candidates of the DARTS space in published order (Liu
// et al., 2019, arXiv 1806.09055).
func DARTS() Set {
	return Set{None(), MaxPool(3), AvgPool(3), Skip(), SepConv(3), SepConv(5), DilConv(3), DilConv(5)}
}

// Published returns all operations that published cells use: those of DARTS,
// NASNet, ENAS, AmoebaNet, PNAS and NAO.
func Published() Set {
	return Set{
		None(),
		AvgPool(2), AvgPool(3), AvgPool(5),
		MaxPool(2), MaxPool(3), MaxPool(5), MaxPool(7),
		Skip(),
		PlainConv(1), PlainConv(3),
		SepConv(3), SepConv(5), SepConv(7),
		DilConv(3), DilConv(5),
		DilSepConv(3),
		ConvPair(3), ConvPair(7),
	}
}

// square names an operation by its kernel size.
func square(name string, k int) string { return fmt.Sprintf("%s_%dx%d", name, k, k) }

// None returns the operation that gives zeros.
func None() Op { return none{} }

type none struct{}

func (none) Name() string { return "none" }

func (none) Build(_ *Scope, x *gorgonia.Node, c Conn) (*gorgonia.Node, error) {
	return Zeros(x, c.Stride)
}

// Skip returns the identity; at stride 2 it is a factorised reduction.
func Skip() Op { return skip{} }

type skip struct{}

func (skip) Name() string { return "skip_connect" }

func (skip) Build(s *Scope, x *gorgonia.Node, c Conn) (*gorgonia.Node, error) {
	if c.Stride == 1 {
		return x, nil
	}
	_, _, _, ch, err := featureMap(x.Shape())
	if err != nil {
		return nil, fmt.Errorf("ops: skip_connect: %w", err)
	}
	return s.FactorizedReduce(x, ch, c.Affine)
}

// MaxPool returns max pooling of k×k pixels, padded by ⌊k/2⌋ but not for k = 2.
func MaxPool(k int) Op { return poolOp{k, true} }

// AvgPool returns average pooling of k×k pixels, padded by ⌊k/2⌋ but not for
// k = 2; padding does not count.
func AvgPool(k int) Op { return poolOp{k, false} }

type poolOp struct {
	k   int
	max bool
}

func (o poolOp) Name() string {
	if o.max {
		return square("max_pool", o.k)
	}
	return square("avg_pool", o.k)
}

func (o poolOp) Build(_ *Scope, x *gorgonia.Node, c Conn) (*gorgonia.Node, error) {
	pad := o.k / 2
	if o.k == 2 {
		pad = 0
	}
	if o.max {
		return MaxPool2D(x, o.k, c.Stride, pad)
	}
	return AvgPool2D(x, o.k, c.Stride, pad)
}

// Unnormalised says that a mixed op normalises the output.
func (o poolOp) Unnormalised() {}

// SepConv returns the separable convolution of DARTS (Liu et al., 2019, arXiv
// 1806.09055): ReLU, depthwise k×k, pointwise, batch norm, applied twice; only
// the first half strides.
func SepConv(k int) Op { return separable{square("sep_conv", k), k, 1, true} }

// DilConv returns the dilated convolution of DARTS: ReLU, depthwise k×k of
// dilation 2, pointwise, batch norm.
func DilConv(k int) Op { return separable{square("dil_conv", k), k, 2, false} }

// DilSepConv returns a separable convolution (see SepConv) of dilation 2 in both
// halves.
func DilSepConv(k int) Op { return separable{square("dil_sep_conv", k), k, 2, true} }

// separable is one or two depthwise-separable stages, each normalised.
type separable struct {
	name        string
	k, dilation int
	twice       bool
}

func (o separable) Name() string { return o.name }

func (o separable) Build(s *Scope, x *gorgonia.Node, c Conn) (*gorgonia.Node, error) {
	pad := o.dilation * (o.k / 2)
	s = s.Sub("op")
	// The numbers are the places of the layers in the published sequence.
	y, err := s.depthwiseSeparable(x, Square(o.k, c.Stride, pad, o.dilation), 1)
	if err != nil {
		return nil, err
	}
	if y, err = s.Sub("3").BatchNorm(y, c.Affine); err != nil || !o.twice {
		return y, err
	}
	if y, err = s.depthwiseSeparable(y, Square(o.k, 1, pad, o.dilation), 5); err != nil {
		return nil, err
	}
	return s.Sub("7").BatchNorm(y, c.Affine)
}

// PlainConv returns ReLU, full k×k convolution, batch norm.
func PlainConv(k int) Op { return plain{k} }

type plain struct{ k int }

func (o plain) Name() string { return square("conv", o.k) }

func (o plain) Build(s *Scope, x *gorgonia.Node, c Conn) (*gorgonia.Node, error) {
	ch, err := lastDimension(x.Shape())
	if err != nil {
		return nil, err
	}
	y, err := s.Sub("1").Conv(x, ConvConfig{Out: ch, Window: Square(o.k, c.Stride, o.k/2, 1), ReLU: true})
	if err != nil {
		return nil, err
	}
	return s.Sub("2").BatchNorm(y, c.Affine)
}

// ConvPair returns ReLU, a 1×k convolution, a k×1 convolution, batch norm; the
// first strides along rows of pixels, the second along columns.
func ConvPair(k int) Op { return pair{k} }

type pair struct{ k int }

func (o pair) Name() string { return fmt.Sprintf("conv_%dx1_1x%d", o.k, o.k) }

func (o pair) Build(s *Scope, x *gorgonia.Node, c Conn) (*gorgonia.Node, error) {
	ch, err := lastDimension(x.Shape())
	if err != nil {
		return nil, err
	}
	along := Window{1, o.k, 1, c.Stride, 0, o.k / 2, 1, 1}
	y, err := s.Sub("1").Conv(x, ConvConfig{Out: ch, Window: along, ReLU: true})
	if err != nil {
		return nil, err
	}
	down := Window{o.k, 1, c.Stride, 1, o.k / 2, 0, 1, 1}
	if y, err = s.Sub("2").Conv(y, ConvConfig{Out: ch, Window: down}); err != nil {
		return nil, err
	}
	return s.Sub("3").BatchNorm(y, c.Affine)
}

func lastDimension(s tensor.Shape) (int, error) {
	_, _, _, c, err := featureMap(s)
	if err != nil {
		return 0, fmt.Errorf("ops: %w", err)
	}
	return c, nil
}

// ReLUConvBN returns ReLU, k×k convolution to out channels, batch norm: the
// layer that adapts the inputs of a cell (k = 1).
func (s *Scope) ReLUConvBN(x *gorgonia.Node, out, k int, affine bool) (*gorgonia.Node, error) {
	s = s.Sub("op")
	y, err := s.Sub("1").Conv(x, ConvConfig{Out: out, Window: Square(k, 1, k/2, 1), ReLU: true})
	if err != nil {
		return nil, err
	}
	return s.Sub("2").BatchNorm(y, affine)
}

// ConvBNReLU returns k×k convolution to out channels, batch norm, ReLU, with
// the convolution and the normalisation at the given places of the scope.
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
// convolution to out channels and batch norm.
func (s *Scope) CIFARStem(x *gorgonia.Node, out int) (*gorgonia.Node, error) {
	s = s.Sub("stem")
	y, err := s.Sub("0").Conv(x, ConvConfig{Out: out, Window: Square(3, 1, 1, 1)})
	if err != nil {
		return nil, err
	}
	return s.Sub("1").BatchNorm(y, true)
}

// ImageNetStem returns the first layers for images of about 224×224 pixels:
// three 3×3 convolutions of stride 2, each normalised, ReLUs between. s0 has a
// quarter of the resolution, s1 an eighth, both out channels, an even number.
func (s *Scope) ImageNetStem(x *gorgonia.Node, out int) (s0, s1 *gorgonia.Node, err error) {
	if out%2 != 0 {
		return nil, nil, fmt.Errorf("ops: an ImageNet stem of width %d, whose first layer has half of it; choose an even width", out)
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
