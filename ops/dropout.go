package ops

import (
	"fmt"
	"hash/fnv"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// Dropout sets elements of x [N, H, W, C] to zero with probability p, at least 0 and
// below 1, and multiplies the others by 1/(1-p), each time it runs in training
// (Srivastava et al., 2014, Journal of Machine Learning Research 15, scaled as in
// PyTorch). rate holds p, a vector of one float; key, a vector of two int32 numbers,
// chooses the dropped elements, together with the name of the scope. Each layer needs
// its own scope, or two layers would drop the same elements. Bind both, and change
// their memory between runs. Neither has a gradient.
func (s *Scope) Dropout(x, rate, key *gorgonia.Node) (*gorgonia.Node, error) {
	if err := s.take("dropout", s.prefix+"dropout"); err != nil {
		return nil, err
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.prefix)) // a hash never fails
	for i, n := range []*gorgonia.Node{x, rate} {
		if err := needFloats(n); err != nil {
			return nil, fmt.Errorf("ops: dropout: input %d: %w", i, err)
		}
	}
	if key == nil || key.Dtype() != tensor.Int32 {
		return nil, fmt.Errorf("ops: dropout: the key is not a node of type int32, as Labels makes")
	}
	out, err := outputs(dropout{h.Sum64()}, x, rate, key)
	if err != nil {
		return nil, err
	}
	return out(0), nil
}

// dropout drops elements. Inputs: x, rate, key.
type dropout struct{ layer uint64 }

func (k dropout) Key() string { return fmt.Sprintf("dropout %x", k.layer) }

func (dropout) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	if _, _, _, _, err := mapShape(in[0]); err != nil {
		return nil, err
	}
	if !in[1].Eq(tensor.Shape{1}) || !in[2].Eq(tensor.Shape{2}) {
		return nil, fmt.Errorf("a rate of shape %v and a key of %v; want vectors of one and of two numbers", in[1], in[2])
	}
	return in[:1], nil
}

func (dropout) Reads(i int) graph.Pending { return onlyInput(0, i) }

func (dropout) Scratch(in []tensor.Shape) (int, int) { return elementwise(in[0], 1) }

func (k dropout) Run(c *graph.Context, out, in []graph.Value) error {
	var rate float32
	if c.Training {
		rate = in[1].F[0]
	}
	if !(rate >= 0 && rate < 1) {
		return fmt.Errorf("the dropout rate is %v; want 0 to below 1", rate)
	}
	key := uint64(uint32(in[2].I[0]))<<32 | uint64(uint32(in[2].I[1]))
	kernel.Dropout(c.Team, in[0].Map(), key^k.layer, rate, out[0].F)
	return nil
}

func (dropout) Repeatable(i int) bool { return i == 0 }

func (dropout) Wrt(int) []bool { return []bool{true, false, false} }

// Gradient drops the same elements of gy.
func (k dropout) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := gradients(k, 1, gy, in[1], in[2])
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{g[0], nil, nil}, nil
}
