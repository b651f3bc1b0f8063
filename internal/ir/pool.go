package ir

import (
	"fmt"
	"slices"
)

// Pool is the maximum or the mean of each window, without its padding. Outputs: y, its
// moments (see Moments). The gradient of a maximum goes to the first largest input.
type Pool struct {
	Window Window
	Max    bool
}

func (o Pool) String() string {
	if o.Max {
		return fmt.Sprintf("MaxPool{%v}", o.Window)
	}
	return fmt.Sprintf("AvgPool{%v}", o.Window)
}

// Infer returns the shapes of y and its moments.
func (o Pool) Infer(in []Shape) ([]Shape, error) {
	n, h, w, c, err := in[0].FeatureMap()
	if err != nil {
		return nil, err
	}
	oh, ow, err := o.Window.Out(h, w)
	if err != nil {
		return nil, err
	}
	if err := o.Window.square(); err != nil {
		return nil, err
	}
	if size := o.Window.DilationRows*(o.Window.Rows-1) + 1; 2*o.Window.PadRows > size {
		return nil, fmt.Errorf("padding %d is more than half of the window %d", o.Window.PadRows, size)
	}
	return []Shape{{n, oh, ow, c}, {3, c}}, nil
}

// NeedsGrad returns true.
func (o Pool) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies MaxPoolGrad or AvgPoolGrad.
func (o Pool) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	if o.Max {
		return b.Apply(MaxPoolGrad{o.Window}, gy, in[0])
	}
	return b.Apply(AvgPoolGrad{o.Window, in[0].Shape}, gy)
}

// Cost counts the outputs of an average pooling.
func (o Pool) Cost(in []Shape) Cost {
	out, err := o.Infer(in)
	if err != nil || o.Max {
		return Cost{}
	}
	return Cost{AveragedOutputs: int64(out[0].Size())}
}

// MaxPoolGrad is the gradient of a maximum. Inputs: gy, x.
type MaxPoolGrad struct{ Window Window }

func (o MaxPoolGrad) String() string { return fmt.Sprintf("GradMaxPool{%v}", o.Window) }

// Infer returns the shape of x.
func (o MaxPoolGrad) Infer(in []Shape) ([]Shape, error) { return in[1:], nil }

// AvgPoolGrad is the gradient of a mean for a map of shape X. Input: gy.
type AvgPoolGrad struct {
	Window Window
	X      Shape
}

func (o AvgPoolGrad) String() string { return fmt.Sprintf("GradAvgPool{%v %v}", o.Window, o.X) }

// Infer returns the shape of x.
func (o AvgPoolGrad) Infer([]Shape) ([]Shape, error) { return []Shape{slices.Clone(o.X)}, nil }

// GlobalAvgPool is the mean over all pixels: [N, C], or [N, 1, 1, C] if Map.
type GlobalAvgPool struct{ Map bool }

func (o GlobalAvgPool) String() string { return "GlobalAvgPool" + flag(o.Map, "{map}") }

// Infer returns the shape of the means.
func (o GlobalAvgPool) Infer(in []Shape) ([]Shape, error) {
	n, _, _, c, err := in[0].FeatureMap()
	if o.Map {
		return []Shape{{n, 1, 1, c}}, err
	}
	return []Shape{{n, c}}, err
}

// NeedsGrad returns true.
func (o GlobalAvgPool) NeedsGrad(inputs int) []bool { return all(inputs) }

// Gradient applies GlobalAvgPoolGrad.
func (o GlobalAvgPool) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	return b.Apply(GlobalAvgPoolGrad{in[0].Shape}, gy)
}

// Cost counts (H·W + 1)·C for each image.
func (o GlobalAvgPool) Cost(in []Shape) Cost {
	n, h, w, c := in[0].NHWC()
	return Cost{GlobalOperations: int64(n) * int64(h*w+1) * int64(c)}
}

// GlobalAvgPoolGrad is the gradient of GlobalAvgPool for a map of shape X. Input: gy.
type GlobalAvgPoolGrad struct{ X Shape }

func (o GlobalAvgPoolGrad) String() string { return fmt.Sprintf("GradGlobalAvgPool{%v}", o.X) }

// Infer returns the shape of x.
func (o GlobalAvgPoolGrad) Infer([]Shape) ([]Shape, error) { return []Shape{slices.Clone(o.X)}, nil }
