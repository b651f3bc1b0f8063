package ops

import (
	"fmt"
	"hash/fnv"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/ir"
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
	out, err := outputs(ir.Dropout{Layer: h.Sum64()}, x, rate, key)
	if err != nil {
		return nil, err
	}
	return out(0), nil
}
