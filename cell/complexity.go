package cell

import (
	"unnas/internal/graph"
	"unnas/internal/ir"
	"unnas/ops"
)

// Complexity is the size of a network and its cost for one image, counted as in the
// published tables.
type Complexity struct {
	// Params is the number of trainable values without architecture parameters.
	Params int `json:"params"`
	// MACs are the multiply-adds of convolutions and linear layers. Biases,
	// normalisations and poolings do not count.
	MACs int64 `json:"macs"`
	// THOP is what the profiler of the authors' release (thop of May 2020)
	// prints: MACs, one for each output of a biased convolution, two for each
	// input of a batch normalisation, one for each output of an average pooling,
	// and (H·W+1)·C for each global pooling.
	THOP int64 `json:"thop"`
}

// Measure counts the network of a scope for the batch size of its graph; published
// numbers are for one image. It reads shapes only, so the parameters need no
// values.
//
// Like the published tables it counts everything built in the graph, including
// layers whose only consumers are "none" operations. The tables exclude the
// auxiliary head; leave it out of the measured graph.
func Measure(s *ops.Scope) Complexity {
	var c Complexity
	for _, n := range s.Learnables() {
		if q := s.Owner(n); !q.Alpha {
			c.Params += q.Shape.TotalSize()
		}
	}
	var cost ir.Cost
	for _, n := range s.Graph().AllNodes() {
		op, in, _ := graph.Inputs(n)
		if m, ok := op.(ir.Measured); ok {
			for range s.Layers(n) {
				cost.Add(m.Cost(in))
			}
		}
	}
	c.MACs = cost.ConvMACs + cost.LinearMACs
	c.THOP = c.MACs + cost.BiasedOutputs + 2*cost.NormElements + cost.AveragedOutputs + cost.GlobalOperations
	return c
}
