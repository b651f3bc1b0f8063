package ir

import (
	"fmt"
	"slices"
	"strings"
)

// Conv is a full convolution, of the positive part of its input if ReLU. If BFloat16, it
// rounds the operands of its products to bfloat16 on a CPU. Inputs: x, weight [rows,
// columns, C, Out], bias [Out] if Bias. Outputs: y, the moments of y (see Moments).
type Conv struct {
	Out                  int
	Window               Window
	ReLU, Bias, BFloat16 bool
}

func (o Conv) String() string {
	return fmt.Sprintf("Conv{%d %v%s%s%s}", o.Out, o.Window, flag(o.ReLU, " relu"), flag(o.Bias, " bias"), flag(o.BFloat16, " bfloat16"))
}

// listed returns windows in text.
func listed(windows []Window) string {
	texts := make([]string, len(windows))
	for i, w := range windows {
		texts[i] = w.String()
	}
	return strings.Join(texts, ", ")
}

// flag returns the text if on.
func flag(on bool, text string) string {
	if on {
		return text
	}
	return ""
}

// Infer returns the shapes of y and its moments.
func (o Conv) Infer(in []Shape) ([]Shape, error) {
	n, h, w, _, err := in[0].FeatureMap()
	if err != nil {
		return nil, err
	}
	oh, ow, err := o.Window.Out(h, w)
	if err != nil {
		return nil, err
	}
	return []Shape{{n, oh, ow, o.Out}, {3, o.Out}}, nil
}

// NeedsGrad returns true for every input.
func (o Conv) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies ConvGrad.
func (o Conv) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	return b.Apply(ConvGrad{o}, gy, in[0], in[1])[:len(in)]
}

// Cost counts the multiply-adds and the outputs with a bias.
func (o Conv) Cost(in []Shape) Cost {
	out, err := o.Infer(in)
	if err != nil {
		return Cost{}
	}
	pixels := int64(out[0].Size() / o.Out)
	c := Cost{ConvMACs: pixels * int64(o.Out) * int64(in[0].Channels()) * int64(o.Window.Rows*o.Window.Columns)}
	if o.Bias {
		c.BiasedOutputs = pixels * int64(o.Out)
	}
	return c
}

// ConvGrad is the gradient of Conv. Inputs: gy, x, weight. Outputs: the gradients of x,
// weight, bias.
type ConvGrad struct{ Of Conv }

func (o ConvGrad) String() string { return "Grad" + o.Of.String() }

// Infer returns the shapes of x, weight and bias.
func (o ConvGrad) Infer(in []Shape) ([]Shape, error) {
	return []Shape{in[1], in[2], {o.Of.Out}}, nil
}

// SeparableConv is one or more depthwise-separable convolutions of the positive part of
// one map: for each window a depthwise convolution, then a pointwise one. If BFloat16, the
// latter rounds the operands of its products to bfloat16 on a CPU. Inputs: x; for each
// window the depthwise weight [rows, columns, 1, C] and the pointwise weight [1, 1, C,
// Out]. Outputs: for each window y and its moments (see Moments).
type SeparableConv struct {
	Windows  []Window
	BFloat16 bool
}

func (o SeparableConv) String() string {
	return "SeparableConv{" + listed(o.Windows) + flag(o.BFloat16, " bfloat16") + "}"
}

// Infer returns the shapes of each y and its moments.
func (o SeparableConv) Infer(in []Shape) ([]Shape, error) {
	n, h, w, _, err := in[0].FeatureMap()
	if err != nil {
		return nil, err
	}
	var shapes []Shape
	for i, win := range o.Windows {
		oh, ow, err := win.Out(h, w)
		if err == nil {
			err = win.square()
		}
		if err != nil {
			return nil, err
		}
		out := in[2+2*i][3]
		shapes = append(shapes, Shape{n, oh, ow, out}, Shape{3, out})
	}
	return shapes, nil
}

// NeedsGrad returns true for every input.
func (o SeparableConv) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies SeparableConvGrad.
func (o SeparableConv) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	g := b.Apply(SeparableConvGrad(o), in[0], gy, in[1], in[2])
	return []*Value{g[0], g[2], g[3]}
}

// Cost counts the multiply-adds.
func (o SeparableConv) Cost(in []Shape) Cost {
	out, err := o.Infer(in)
	if err != nil {
		return Cost{}
	}
	var c Cost
	for i, w := range o.Windows {
		y := out[2*i]
		c.ConvMACs += int64(y.Size()/y.Channels()) * int64(in[0].Channels()) * int64(w.Rows*w.Columns+y.Channels())
	}
	return c
}

// SeparableConvGrad is the gradient of SeparableConv. Inputs: x; for each window gy and
// the two weights. Outputs: the gradient of x, the sums [2, C] of it and of it times x;
// for each window the gradients of the weights.
type SeparableConvGrad SeparableConv

func (o SeparableConvGrad) String() string { return "Grad" + SeparableConv(o).String() }

// Infer returns the shapes of the gradients and sums.
func (o SeparableConvGrad) Infer(in []Shape) ([]Shape, error) {
	shapes := []Shape{in[0], {2, in[0].Channels()}}
	for i := range o.Windows {
		shapes = append(shapes, in[2+3*i], in[3+3*i])
	}
	return shapes, nil
}

// FactorizedReduce halves the resolution of the positive part of its input by two 1×1
// convolutions of stride 2 with half of the channels each, the second on the map without
// its first row and column, padded with zeros at the end. Inputs: x, two weights [1, 1,
// C, Out/2]. Outputs: y [N, ⌈H/2⌉, ⌈W/2⌉, Out], its moments (see Moments).
type FactorizedReduce struct{ Out int }

func (o FactorizedReduce) String() string { return fmt.Sprintf("FactorizedReduce{%d}", o.Out) }

// Infer returns the shapes of y and its moments.
func (o FactorizedReduce) Infer(in []Shape) ([]Shape, error) {
	n, h, w, _, err := in[0].FeatureMap()
	if err != nil {
		return nil, err
	}
	return []Shape{{n, (h + 1) / 2, (w + 1) / 2, o.Out}, {3, o.Out}}, nil
}

// NeedsGrad returns true for every input.
func (o FactorizedReduce) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies FactorizedReduceGrad.
func (o FactorizedReduce) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	return b.Apply(FactorizedReduceGrad(o), append([]*Value{gy}, in...)...)
}

// Cost counts the multiply-adds.
func (o FactorizedReduce) Cost(in []Shape) Cost {
	n, h, w, c := in[0].NHWC()
	return Cost{ConvMACs: int64(n) * int64((h+1)/2) * int64((w+1)/2) * int64(c) * int64(o.Out)}
}

// FactorizedReduceGrad is the gradient of FactorizedReduce. Inputs: gy and the inputs of
// FactorizedReduce. Outputs: the gradients of the latter.
type FactorizedReduceGrad struct{ Out int }

func (o FactorizedReduceGrad) String() string { return fmt.Sprintf("GradFactorizedReduce{%d}", o.Out) }

// Infer returns the shapes of the inputs of FactorizedReduce.
func (o FactorizedReduceGrad) Infer(in []Shape) ([]Shape, error) { return in[1:], nil }

// Linear is x·w + b. The rows of x are joined to those of w, such as the tiles of a
// jigsaw. Inputs: x [N, C], w [in, Out], b [Out].
type Linear struct{}

func (Linear) String() string { return "Linear" }

// Infer returns the shape [N·C/in, Out].
func (Linear) Infer(in []Shape) ([]Shape, error) {
	return []Shape{{in[0].Size() / in[1][0], in[1][1]}}, nil
}

// NeedsGrad returns true for every input.
func (Linear) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies LinearGrad.
func (Linear) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	return b.Apply(LinearGrad{}, gy, in[0], in[1])
}

// Cost counts the multiply-adds.
func (Linear) Cost(in []Shape) Cost { return Cost{LinearMACs: int64(in[0].Size()) * int64(in[1][1])} }

// LinearGrad is the gradient of Linear. Inputs: gy, x, w. Outputs: the gradients of x, w
// and b.
type LinearGrad struct{}

func (LinearGrad) String() string { return "GradLinear" }

// Infer returns the shapes of x, w and b.
func (LinearGrad) Infer(in []Shape) ([]Shape, error) { return []Shape{in[1], in[2], {in[2][1]}}, nil }

// Upsample resizes x [N, h, w, C] bilinearly to [N, Height, Width, C] with aligned
// corners.
type Upsample struct{ Height, Width int }

func (o Upsample) String() string { return fmt.Sprintf("Upsample{%d×%d}", o.Height, o.Width) }

// Infer returns the shape of the resized map.
func (o Upsample) Infer(in []Shape) ([]Shape, error) {
	n, _, _, c, err := in[0].FeatureMap()
	if err != nil {
		return nil, err
	}
	if o.Height <= 0 || o.Width <= 0 {
		return nil, fmt.Errorf("height and width must be positive")
	}
	return []Shape{{n, o.Height, o.Width, c}}, nil
}

// NeedsGrad returns true for every input.
func (o Upsample) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies UpsampleGrad.
func (o Upsample) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	return b.Apply(UpsampleGrad{in[0].Shape}, gy)
}

// UpsampleGrad is the gradient of Upsample for a map of shape X. Input: gy.
type UpsampleGrad struct{ X Shape }

func (o UpsampleGrad) String() string { return fmt.Sprintf("GradUpsample{%v}", o.X) }

// Infer returns the shape of x.
func (o UpsampleGrad) Infer([]Shape) ([]Shape, error) { return []Shape{slices.Clone(o.X)}, nil }
