package ops

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/rng"
)

// Noise returns the operation that ignores its input and returns numbers of the standard
// normal distribution: a candidate that carries no information (S4 of Zela et al., 2020,
// arXiv 1909.09656). A search draws them anew for every pass, elsewhere they are always the
// same. It runs on the CPU alone.
func Noise() Op { return noise{} }

type noise struct{}

func (noise) Name() string { return "noise" }

func (noise) Dilates() bool { return true }

func (o noise) Build(s *Scope, x *gorgonia.Node, c OpConfig) (*gorgonia.Node, error) {
	if _, err := enter(o, 1, x, c); err != nil {
		return nil, err
	}
	key := newInput(x.Graph(), tensor.Int32, s.prefix+"key", tensor.Shape{2})
	if err := Bind(key, make([]int32, 2)); err != nil {
		return nil, err
	}
	return s.Noise(x, c.Stride, key)
}

// Noise returns numbers of the standard normal distribution of the shape of x [N, H, W, C],
// with its resolution divided by stride, rounded up. key, a vector of two int32 numbers,
// chooses them, together with the name of the scope: bind it, and change its memory between
// runs. Nothing has a gradient.
func (s *Scope) Noise(x *gorgonia.Node, stride int, key *gorgonia.Node) (*gorgonia.Node, error) {
	n, h, w, c, err := featureMap(x)
	if err != nil {
		return nil, fmt.Errorf("ops: noise: %w", err)
	}
	if stride <= 0 {
		return nil, fmt.Errorf("ops: noise of stride %d; want 1 or more", stride)
	}
	out, err := Apply(gaussian{s.prefix, [4]int{n, (h + stride - 1) / stride, (w + stride - 1) / stride, c}}, key)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// gaussian is the kernel of Noise.
type gaussian struct {
	layer string
	shape [4]int
}

func (k gaussian) Name() string { return fmt.Sprintf("noise %s%v", k.layer, k.shape) }

func (k gaussian) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	if len(in) != 1 || !in[0].Eq(tensor.Shape{2}) {
		return nil, errors.New("the key is not a vector of two")
	}
	return []tensor.Shape{k.shape[:]}, nil
}

// Forward draws the numbers of each image from a stream of its own.
func (k gaussian) Forward(r *Run, out, in []Array) error {
	key := uint64(uint32(in[0].Labels[1]))<<32 | uint64(uint32(in[0].Labels[0]))
	size := len(out[0].Data) / k.shape[0]
	r.Parallel(k.shape[0], func(i int) {
		random := rng.New(key, "noise "+k.layer, 0, i)
		for j := range size {
			out[0].Data[i*size+j] = float32(rng.Normal(random))
		}
	})
	return nil
}
