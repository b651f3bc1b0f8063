package ops

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// ReLU returns the positive part of x. Convolutions after a ReLU can apply it themselves
// (ConvConfig.ReLU), without memory for its result.
func ReLU(x *gorgonia.Node) (*gorgonia.Node, error) { return apply(relu{}, x) }

type relu struct{}

func (relu) Key() string { return "ReLU" }

func (relu) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in, nil }

func (relu) Reads(int) graph.Pending { return graph.Affine }

func (relu) Scratch(in []tensor.Shape) (int, int) { return elementwise(in[0], 1) }

func (relu) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.Apply(c.Team, in[0].Map(), true, out[0].F)
	return nil
}

func (relu) Wrt(inputs int) []bool { return graph.All(inputs) }

func (relu) Gradient(_ gorgonia.Nodes, out func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gradients(reluGrad{}, 1, gy, out(0))
}

// reluGrad is the gradient of relu. Inputs: gy, y.
type reluGrad struct{}

func (reluGrad) Key() string { return "gradient of ReLU" }

func (reluGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[1:], nil }

func (reluGrad) Reads(i int) graph.Pending { return onlyInput(0, i) }

func (reluGrad) Scratch(in []tensor.Shape) (int, int) { return elementwise(in[0], 1) }

func (reluGrad) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.ReLUBackward(c.Team, in[0].Map(), in[1].F, out[0].F)
	return nil
}

// Zeros returns zeros of the shape of x with its resolution divided by stride, rounded
// up: the operation "none". Its gradient is zero.
func Zeros(x *gorgonia.Node, stride int) (*gorgonia.Node, error) {
	if stride <= 0 {
		return nil, fmt.Errorf("ops: zeros of stride %d; want 1 or more", stride)
	}
	n, h, w, c, err := featureMap(x)
	if err != nil {
		return nil, fmt.Errorf("ops: zeros: %w", err)
	}
	return apply(zeros{tensor.Shape{n, (h + stride - 1) / stride, (w + stride - 1) / stride, c}}, x)
}

// zeros fills a shape; its input only links it to the graph.
type zeros struct{ shape tensor.Shape }

func (k zeros) Key() string { return "zeros" }

func (k zeros) Shapes([]tensor.Shape) ([]tensor.Shape, error) { return []tensor.Shape{k.shape}, nil }

func (k zeros) Run(_ *graph.Context, out, _ []graph.Value) error {
	clear(out[0].F)
	return nil
}

func (k zeros) Wrt(inputs int) []bool { return graph.All(inputs) }

func (k zeros) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gradients(zeros{in[0].Shape()}, 1, gy)
}

// isZeros reports whether a node is always zero.
func isZeros(n *gorgonia.Node) bool {
	k, _ := graph.Of(n)
	_, ok := k.(zeros)
	return ok
}

// Sum returns the sum of maps of equal shape. Maps that are always zero cost nothing.
func Sum(xs ...*gorgonia.Node) (*gorgonia.Node, error) {
	if err := alike(xs); err != nil {
		return nil, fmt.Errorf("ops: sum: %w", err)
	}
	var terms gorgonia.Nodes
	for _, x := range xs {
		if !isZeros(x) {
			terms = append(terms, x)
		}
	}
	switch len(terms) {
	case 0:
		return xs[0], nil
	case 1:
		return terms[0], nil
	}
	return apply(graph.Sum(len(terms)), terms...)
}

// Concat joins maps [N, H, W, Ci] along their channels: [N, H, W, ΣCi].
func Concat(xs ...*gorgonia.Node) (*gorgonia.Node, error) {
	if len(xs) == 0 {
		return nil, errors.New("ops: a concatenation of no maps; want at least one")
	}
	if len(xs) == 1 && xs[0] != nil {
		return xs[0], nil
	}
	return apply(concat{}, xs...)
}

type concat struct{}

func (concat) Key() string { return "concatenation" }

func (concat) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	out := in[0].Clone()
	last := out.Dims() - 1
	if last < 1 {
		return nil, fmt.Errorf("shape %v has no channels to concatenate; want at least [N, C]", out)
	}
	out[last] = 0
	for _, s := range in {
		if s.Dims() != last+1 || !s[:last].Eq(in[0][:last]) {
			return nil, fmt.Errorf("shapes %v and %v differ in more than their channels", in[0], s)
		}
		out[last] += s[last]
	}
	return []tensor.Shape{out}, nil
}

func (concat) Reads(int) graph.Pending { return graph.Affine }

func (concat) Scratch(in []tensor.Shape) (perWorker, shared int) {
	for _, s := range in {
		p, sh := elementwise(s, 1)
		perWorker, shared = max(perWorker, p), max(shared, sh)
	}
	return perWorker, shared
}

func (concat) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.Concat(c.Team, c.Maps(in), out[0].F)
	return nil
}

func (concat) Repeatable(i int) bool { return i == 0 }

func (concat) Wrt(inputs int) []bool { return graph.All(inputs) }

func (concat) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	out := make(gorgonia.Nodes, len(in))
	from := 0
	for i, x := range in {
		s := x.Shape()
		c := s[s.Dims()-1]
		g, err := gradients(channels{from, c}, 1, gy)
		if err != nil {
			return nil, err
		}
		out[i] = g[0]
		from += c
	}
	return out, nil
}

// Channels returns the channels [from, from+c) of x [..., C].
func Channels(x *gorgonia.Node, from, c int) (*gorgonia.Node, error) {
	have, err := lastDimension(x)
	if err != nil {
		return nil, fmt.Errorf("ops: channels [%d, %d): %w", from, from+c, err)
	}
	if from < 0 || c <= 0 || c > have-from {
		return nil, fmt.Errorf("ops: channels [%d, %d) of a map with %d channels", from, from+c, have)
	}
	if c == have {
		return x, nil
	}
	return apply(channels{from, c}, x)
}

type channels struct{ from, c int }

func (k channels) Key() string { return fmt.Sprintf("channels %d to %d", k.from, k.from+k.c-1) }

func (k channels) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	out := in[0].Clone()
	out[out.Dims()-1] = k.c
	return []tensor.Shape{out}, nil
}

func (k channels) Reads(int) graph.Pending { return graph.Affine }

func (k channels) Scratch(in []tensor.Shape) (int, int) { return elementwise(in[0], 1) }

func (k channels) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.Slice(c.Team, in[0].Map(), k.from, k.c, out[0].F)
	return nil
}

func (channels) Repeatable(i int) bool { return i == 0 }

func (k channels) Wrt(inputs int) []bool { return graph.All(inputs) }

func (k channels) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gradients(channelsGrad{k.from, in[0].Shape()}, 1, gy)
}

// channelsGrad is the gradient of channels for a map of shape x.
type channelsGrad struct {
	from int
	x    tensor.Shape
}

func (k channelsGrad) Key() string { return fmt.Sprintf("gradient of channels from %d", k.from) }

func (k channelsGrad) Shapes([]tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{k.x}, nil
}

func (k channelsGrad) Reads(int) graph.Pending { return graph.Affine }

func (k channelsGrad) Scratch(in []tensor.Shape) (int, int) { return elementwise(in[0], 1) }

func (k channelsGrad) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.Unslice(c.Team, in[0].Map(), k.from, k.x[k.x.Dims()-1], out[0].F)
	return nil
}
