package ir

import (
	"fmt"
	"slices"
)

// ReLU is the positive part.
type ReLU struct{}

func (ReLU) String() string { return "ReLU" }

// Infer returns the shape of x.
func (ReLU) Infer(in []Shape) ([]Shape, error) { return in, nil }

// NeedsGrad returns true.
func (ReLU) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies ReLUGrad.
func (ReLU) Gradient(b *Builder, _, out []*Value, gy *Value) []*Value {
	return b.Apply(ReLUGrad{}, gy, out[0])
}

// ReLUGrad is the gradient of ReLU. Inputs: gy, y.
type ReLUGrad struct{}

func (ReLUGrad) String() string { return "GradReLU" }

// Infer returns the shape of y.
func (ReLUGrad) Infer(in []Shape) ([]Shape, error) { return in[1:], nil }

// Zeros are zeros of a shape. The input only links them to the graph; its gradient is
// zero.
type Zeros struct{ Shape Shape }

func (o Zeros) String() string { return fmt.Sprintf("Zeros{%v}", o.Shape) }

// Infer returns the shape.
func (o Zeros) Infer([]Shape) ([]Shape, error) { return []Shape{slices.Clone(o.Shape)}, nil }

// NeedsGrad returns true.
func (o Zeros) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient returns zeros.
func (o Zeros) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	return b.Apply(Zeros{in[0].Shape}, gy)
}

// Sum is the sum of its inputs, added from left to right.
type Sum struct{}

func (Sum) String() string { return "Sum" }

// Infer returns the shape of the inputs, which must be equal.
func (Sum) Infer(in []Shape) ([]Shape, error) {
	for _, s := range in {
		if !s.Equal(in[0]) {
			return nil, fmt.Errorf("shapes %v and %v; want equal shapes", in[0], s)
		}
	}
	return in[:1], nil
}

// NeedsGrad returns true for every input.
func (Sum) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient returns gy for every input.
func (Sum) Gradient(_ *Builder, in, _ []*Value, gy *Value) []*Value {
	return slices.Repeat([]*Value{gy}, len(in))
}

// Concat joins its inputs along their channels.
type Concat struct{}

func (Concat) String() string { return "Concat" }

// Infer returns the shape with all channels.
func (Concat) Infer(in []Shape) ([]Shape, error) {
	last, channels := len(in[0])-1, 0
	if last < 1 {
		return nil, fmt.Errorf("shape %v has no channels to concatenate; want at least [N, C]", in[0])
	}
	for _, s := range in {
		if len(s) != last+1 || !s[:last].Equal(in[0][:last]) {
			return nil, fmt.Errorf("shapes %v and %v differ in more than their channels", in[0], s)
		}
		channels += s[last]
	}
	return []Shape{in[0].WithChannels(channels)}, nil
}

// NeedsGrad returns true for every input.
func (Concat) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies Channels for each input.
func (Concat) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	grads, from := make([]*Value, len(in)), 0
	for i, x := range in {
		c := x.Shape.Channels()
		grads[i] = b.Apply(Channels{from, c}, gy)[0]
		from += c
	}
	return grads
}

// Channels selects the channels [From, From+Count).
type Channels struct{ From, Count int }

func (o Channels) String() string { return fmt.Sprintf("Channels{%d:%d}", o.From, o.From+o.Count) }

// Infer returns the shape with Count channels.
func (o Channels) Infer(in []Shape) ([]Shape, error) {
	return []Shape{in[0].WithChannels(o.Count)}, nil
}

// NeedsGrad returns true.
func (o Channels) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies ChannelsGrad.
func (o Channels) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	return b.Apply(ChannelsGrad{o.From, in[0].Shape.Channels()}, gy)
}

// ChannelsGrad is the gradient of Channels: gy as the channels from From on, among
// Channels of which the others are zero.
type ChannelsGrad struct{ From, Channels int }

func (o ChannelsGrad) String() string {
	return fmt.Sprintf("GradChannels{%d: of %d}", o.From, o.Channels)
}

// Infer returns the shape with all channels.
func (o ChannelsGrad) Infer(in []Shape) ([]Shape, error) {
	return []Shape{in[0].WithChannels(o.Channels)}, nil
}

// ScaleImages multiplies each image of x [N, H, W, C] by its factor; an image with
// factor zero becomes zeros. Inputs: x, factors [N].
type ScaleImages struct{}

func (ScaleImages) String() string { return "ScaleImages" }

// Infer returns the shape of x.
func (ScaleImages) Infer(in []Shape) ([]Shape, error) {
	if len(in[0]) != 4 || len(in[1]) != 1 || in[1][0] != in[0][0] {
		return nil, fmt.Errorf("a map of shape %v and factors of %v; want [N, H, W, C] and [N]", in[0], in[1])
	}
	return in[:1], nil
}

// NeedsGrad returns true for x.
func (ScaleImages) NeedsGrad(inputs int) []bool { return only(inputs) }

// Gradient scales gy.
func (o ScaleImages) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	return []*Value{b.Apply(o, gy, in[1])[0], nil}
}

// Dropout sets elements of x [N, H, W, C] to zero and multiplies the others by 1/(1-p)
// (Srivastava et al., 2014, Journal of Machine Learning Research 15). Layer and key
// choose the elements. Inputs: x, the probability p [1], the key [2] of int32.
type Dropout struct{ Layer uint64 }

func (o Dropout) String() string { return fmt.Sprintf("Dropout{%x}", o.Layer) }

// Infer returns the shape of x.
func (o Dropout) Infer(in []Shape) ([]Shape, error) {
	if _, _, _, _, err := in[0].FeatureMap(); err != nil {
		return nil, err
	}
	if !in[1].Equal(Shape{1}) || !in[2].Equal(Shape{2}) {
		return nil, fmt.Errorf("a rate of shape %v and a key of %v; want vectors of one and of two numbers", in[1], in[2])
	}
	return in[:1], nil
}

// NeedsGrad returns true for x.
func (o Dropout) NeedsGrad(inputs int) []bool { return only(inputs) }

// Gradient drops the same elements of gy.
func (o Dropout) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	return []*Value{b.Apply(o, gy, in[1], in[2])[0], nil, nil}
}

// Evaluation drops nothing.
func (o Dropout) Evaluation() (Op, []int) { return Sum{}, []int{0} }

// AddScaled is a + Weight·b for two scalars.
type AddScaled struct{ Weight float64 }

func (o AddScaled) String() string { return fmt.Sprintf("AddScaled{%v}", o.Weight) }

// Infer returns the shape of a scalar.
func (o AddScaled) Infer(in []Shape) ([]Shape, error) {
	if len(in[0]) != 0 || len(in[1]) != 0 {
		return nil, fmt.Errorf("shapes %v and %v; want two scalars", in[0], in[1])
	}
	return []Shape{{}}, nil
}

// NeedsGrad returns true for both.
func (o AddScaled) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient scales gy for b.
func (o AddScaled) Gradient(b *Builder, _, _ []*Value, gy *Value) []*Value {
	return []*Value{gy, b.Apply(Scale(o), gy)[0]}
}

// Scale multiplies a scalar by Weight.
type Scale struct{ Weight float64 }

func (o Scale) String() string { return fmt.Sprintf("Scale{%v}", o.Weight) }

// Infer returns the shape of the input.
func (o Scale) Infer(in []Shape) ([]Shape, error) { return in, nil }

// Interleave joins a map whose first C/K channels were processed separately with the
// others, and shuffles the channels in K groups (Xu et al., 2020, arXiv 1907.05737, after
// Zhang et al., 2018, arXiv 1707.01083): channel j·K+g of the result is channel j of group
// g, where group 0 is the first input, and group g the channels g·C/K to (g+1)·C/K-1 of
// the second. Inputs: first [N, H, W, C/K], rest [N, H, W, C].
type Interleave struct{}

func (Interleave) String() string { return "Interleave" }

// Infer returns the shape of rest.
func (Interleave) Infer(in []Shape) ([]Shape, error) {
	n, h, w, c, err := in[1].FeatureMap()
	if err != nil {
		return nil, err
	}
	if len(in[0]) != 4 || !in[0][:3].Equal(Shape{n, h, w}) || c%in[0][3] != 0 {
		return nil, fmt.Errorf("shapes %v and %v; want equal shapes except for the channels, those of the second a multiple of the first", in[0], in[1])
	}
	return in[1:], nil
}

// NeedsGrad returns true for both.
func (Interleave) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies Deinterleave.
func (Interleave) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	return b.Apply(Deinterleave{in[0].Shape[3]}, gy)
}

// Deinterleave is the gradient of Interleave with Size channels in its first map. Input:
// gy. Outputs: the gradients of first and rest.
type Deinterleave struct{ Size int }

func (o Deinterleave) String() string { return fmt.Sprintf("Deinterleave{%d}", o.Size) }

// Infer returns the shapes of first and rest.
func (o Deinterleave) Infer(in []Shape) ([]Shape, error) {
	return []Shape{in[0].WithChannels(o.Size), in[0]}, nil
}
