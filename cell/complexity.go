package cell

import (
	"gorgonia.org/gorgonia"

	"unnas/internal/graph"
	"unnas/ops"
)

// Complexity is the size of a network and the work of one pass over one image,
// counted as the published tables do.
type Complexity struct {
	// Params is the number of trainable values, alphas and unused layers left out.
	Params int
	// MACs are the multiply-adds of convolutions and linear layers. Biases,
	// normalisations and poolings do not count.
	MACs int64
	// THOP is what the profiler of the authors' release (thop of May 2020)
	// prints: MACs, one for each output of a biased convolution, two for each
	// input of a batch normalisation, one for each output of an average pooling,
	// and (H·W+1)·C for each global pooling.
	THOP int64
}

// Measure counts the network that ends in the node out, for the batch that its
// graph is built for; a batch of one image gives the usual numbers. It looks at
// shapes only, so the parameters need no values.
func Measure(s *ops.Scope, out *gorgonia.Node) Complexity {
	var c Complexity
	var cost graph.Cost
	seen := map[*gorgonia.Node]bool{}
	stack := []*gorgonia.Node{out}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[n] {
			continue
		}
		seen[n] = true
		if p := s.Owner(n); p != nil && !p.Alpha {
			c.Params += p.Shape.TotalSize()
		}
		k, in, ok := graph.Inputs(n)
		if m, measured := k.(graph.Measured); ok && measured {
			cost.Add(m.Cost(in))
		}
		stack = append(stack, graph.Children(n)...)
	}
	c.MACs = cost.ConvMACs + cost.LinearMACs
	c.THOP = c.MACs + cost.BiasedOutputs + 2*cost.NormElements + cost.AveragedOutputs + cost.GlobalOperations
	return c
}
