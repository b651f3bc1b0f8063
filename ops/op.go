package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"unnas/internal/ir"
)

// Op is a candidate operation of a search space: C channels in, C channels out, or
// OpConfig.Out.
//
// Implementations may use any Gorgonia nodes, operations of this package, and kernels
// (Apply). Package optest tests that an Op meets the requirements of the library.
type Op interface {
	// Name returns the published name, such as "sep_conv_3x3": letters, digits, '_', '-' and
	// '.'.
	Name() string
	// Build adds the operation to the graph of x [N, H, W, C], with parameters in s,
	// and returns its output [N, ⌈H/stride⌉, ⌈W/stride⌉, C].
	Build(s *Scope, x *gorgonia.Node, c OpConfig) (*gorgonia.Node, error)
}

// OpConfig configures a candidate operation on an edge.
type OpConfig struct {
	Stride int  // 1, or 2 in a reduction cell on the edges from the inputs of the cell
	Affine bool // batch normalisations have scale and shift; false in a search
	// Out is the number of channels of the output, in a reduction cell that doubles them on
	// the edges from its input (Duan et al., 2021, arXiv 2105.11871). 0 means those of the
	// input. An Op that cannot change them returns an error.
	Out int
	// Dilation multiplies the dilation of the operation: 2 in cells after a stride that was
	// converted to 1 (Chen et al., 2017, arXiv 1706.05587). 0 means 1.
	Dilation int
}

// Dilatable is an Op that may support OpConfig.Dilation.
type Dilatable interface {
	Op
	// Dilates reports whether it does. Dilated cells refuse an Op that does not.
	Dilates() bool
}

// dilation returns the product of own and the configured dilation.
func (c OpConfig) dilation(own int) int { return own * max(1, c.Dilation) }

// Unnormalised is an Op whose output may lack normalisation.
type Unnormalised interface {
	Op
	// NeedsBatchNorm reports whether a mixed operation appends a batch normalisation,
	// so that the scale of the output does not favour it (Liu et al., 2019, arXiv
	// 1806.09055, do so for poolings).
	NeedsBatchNorm() bool
}

// enter validates the arguments of Build and returns the number of channels. k is the
// size of the window, odd so that padding by ⌊k/2⌋ keeps the resolution, or 1 without
// window.
func enter(o Op, k int, x *gorgonia.Node, c OpConfig) (channels int, err error) {
	if k <= 0 || k%2 == 0 || k > ir.MaxWindow {
		return 0, fmt.Errorf("ops: %s: a window of %d pixels; want an odd size below %d", o.Name(), k, ir.MaxWindow)
	}
	if c.Stride != 1 && c.Stride != 2 {
		return 0, fmt.Errorf("ops: %s: stride %d; want 1 or 2", o.Name(), c.Stride)
	}
	if c.Dilation < 0 || c.Dilation > ir.MaxWindow {
		return 0, fmt.Errorf("ops: %s: dilation %d; want 0 to %d", o.Name(), c.Dilation, ir.MaxWindow)
	}
	_, _, _, channels, err = featureMap(x)
	if err != nil {
		return 0, fmt.Errorf("ops: %s: %w", o.Name(), err)
	}
	if c.Out == 0 || c.Out == channels {
		return channels, nil
	}
	if w, ok := o.(widening); !ok || !w.widens() || c.Out < 0 {
		return 0, fmt.Errorf("ops: %s: %d channels in and %d out; want as many, or a space of operations that change them", o.Name(), channels, c.Out)
	}
	return c.Out, nil
}

// widening is an Op that supports OpConfig.Out.
type widening interface{ widens() bool }

// square names an operation by its kernel size.
func square(name string, k int) string { return fmt.Sprintf("%s_%dx%d", name, k, k) }

// None returns the operation whose output is zero.
func None() Op { return none{} }

type none struct{}

func (none) Name() string { return "none" }

func (none) Dilates() bool { return true }

func (o none) Build(_ *Scope, x *gorgonia.Node, c OpConfig) (*gorgonia.Node, error) {
	channels, err := enter(o, 1, x, c)
	if err != nil {
		return nil, err
	}
	return zeros(x, c.Stride, channels)
}

func (none) widens() bool { return true }

// Skip returns the skip connection: the identity, or a factorised reduction at stride 2,
// which needs an even number of channels.
func Skip() Op { return skip{} }

type skip struct{}

func (skip) Name() string { return "skip_connect" }

func (skip) Dilates() bool { return true }

func (o skip) Build(s *Scope, x *gorgonia.Node, c OpConfig) (*gorgonia.Node, error) {
	channels, err := enter(o, 1, x, c)
	if err != nil {
		return nil, err
	}
	if c.Stride == 1 {
		if have := x.Shape()[3]; channels != have {
			return nil, fmt.Errorf("ops: %s: %d channels in and %d out at stride 1; want as many", o.Name(), have, channels)
		}
		return x, nil
	}
	return s.FactorizedReduce(x, channels, c.Affine)
}

func (skip) widens() bool { return true }

// MaxPool returns max pooling of k×k pixels, padded by ⌊k/2⌋, or not at all for k = 2.
// Without padding the output has the resolution of an Op only at stride 2 and for even
// heights and widths.
func MaxPool(k int) Op { return pooling{k, true} }

// AvgPool returns average pooling of k×k pixels, padded like MaxPool; the mean excludes
// padding.
func AvgPool(k int) Op { return pooling{k, false} }

type pooling struct {
	k   int
	max bool
}

func (o pooling) Name() string {
	if o.max {
		return square("max_pool", o.k)
	}
	return square("avg_pool", o.k)
}

func (o pooling) Build(s *Scope, x *gorgonia.Node, c OpConfig) (*gorgonia.Node, error) {
	odd, dilation := o.k, c.dilation(1)
	pad := dilation * (o.k / 2)
	if o.k == 2 {
		odd, pad = 1, 0
	}
	if _, err := enter(o, odd, x, c); err != nil {
		return nil, err
	}
	if o.k == 2 && dilation > 1 {
		return nil, fmt.Errorf("ops: %s: dilation %d; a window of 2×2 pixels has no centre; want an odd size", o.Name(), dilation)
	}
	return s.once(ir.Pool{Window: ir.Square(o.k, c.Stride, pad, dilation), Max: o.max}, x)
}

func (pooling) Dilates() bool { return true }

// NeedsBatchNorm returns true.
func (o pooling) NeedsBatchNorm() bool { return true }

// SepConv returns the separable convolution of DARTS (Liu et al., 2019, arXiv
// 1806.09055): ReLU, depthwise k×k, pointwise, batch normalisation, applied twice; only
// the first has the stride.
func SepConv(k int) Op { return separable{square("sep_conv", k), k, 1, true} }

// DilConv returns the dilated convolution of DARTS: ReLU, depthwise k×k of dilation 2,
// pointwise, batch normalisation.
func DilConv(k int) Op { return separable{square("dil_conv", k), k, 2, false} }

// DilSepConv returns a separable convolution (see SepConv) of dilation 2 in both halves.
func DilSepConv(k int) Op { return separable{square("dil_sep_conv", k), k, 2, true} }

// separable is one or two depthwise-separable blocks, each with batch normalisation.
type separable struct {
	name        string
	k, dilation int
	twice       bool
}

func (o separable) Name() string { return o.name }

func (separable) Dilates() bool { return true }

func (o separable) Build(s *Scope, x *gorgonia.Node, c OpConfig) (*gorgonia.Node, error) {
	if _, err := enter(o, o.k, x, c); err != nil {
		return nil, err
	}
	dilation := c.dilation(o.dilation)
	pad := dilation * (o.k / 2)
	s = s.Sub("op")
	// The numbers are the indices of the layers in the published sequence.
	y, err := s.depthwiseSeparable(x, Square(o.k, c.Stride, pad, dilation), 1)
	if err != nil {
		return nil, err
	}
	if y, err = s.Sub("3").BatchNorm(y, c.Affine); err != nil || !o.twice {
		return y, err
	}
	if y, err = s.depthwiseSeparable(y, Square(o.k, 1, pad, dilation), 5); err != nil {
		return nil, err
	}
	return s.Sub("7").BatchNorm(y, c.Affine)
}

// ReLUConv returns ReLU, full k×k convolution, batch normalisation.
func ReLUConv(k int) Op { return plain{k: k} }

// NorConv returns the same under the names of NAS-Bench-201 (Dong and Yang, 2020, arXiv
// 2001.00326), nor_conv_3x3 for example.
func NorConv(k int) Op { return plain{k, true} }

type plain struct {
	k      int
	nested bool // its layers are parts of "op"
}

func (o plain) Name() string {
	if o.nested {
		return square("nor_conv", o.k)
	}
	return square("conv", o.k)
}

func (plain) Dilates() bool { return true }

func (plain) widens() bool { return true }

func (o plain) Build(s *Scope, x *gorgonia.Node, c OpConfig) (*gorgonia.Node, error) {
	channels, err := enter(o, o.k, x, c)
	if err != nil {
		return nil, err
	}
	if o.nested {
		s = s.Sub("op")
	}
	d := c.dilation(1)
	y, err := s.Sub("1").Conv(x, ConvConfig{Out: channels, Window: Square(o.k, c.Stride, d*(o.k/2), d), ReLU: true})
	if err != nil {
		return nil, err
	}
	return s.Sub("2").BatchNorm(y, c.Affine)
}

// FactorizedConv returns ReLU, a 1×k convolution, a k×1 convolution, batch
// normalisation; the first has the stride along rows of pixels, the second along
// columns.
func FactorizedConv(k int) Op { return pair{k} }

type pair struct{ k int }

func (o pair) Name() string { return fmt.Sprintf("conv_%dx1_1x%d", o.k, o.k) }

func (pair) Dilates() bool { return true }

func (o pair) Build(s *Scope, x *gorgonia.Node, c OpConfig) (*gorgonia.Node, error) {
	channels, err := enter(o, o.k, x, c)
	if err != nil {
		return nil, err
	}
	d := c.dilation(1)
	along, down := Square(1, 1, 0, d), Square(1, 1, 0, d)
	along.Columns, along.StrideColumns, along.PadColumns = o.k, c.Stride, d*(o.k/2)
	down.Rows, down.StrideRows, down.PadRows = o.k, c.Stride, d*(o.k/2)
	y, err := s.Sub("1").Conv(x, ConvConfig{Out: channels, Window: along, ReLU: true})
	if err != nil {
		return nil, err
	}
	if y, err = s.Sub("2").Conv(y, ConvConfig{Out: channels, Window: down}); err != nil {
		return nil, err
	}
	return s.Sub("3").BatchNorm(y, c.Affine)
}
