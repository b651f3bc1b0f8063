package darts

import (
	"gorgonia.org/gorgonia"

	"unnas/internal/rng"
	"unnas/ops"
)

// DrNAS draws the weights of each edge anew for every pass, from the Dirichlet
// distribution with concentrations elu(α) + 1 (Chen et al., 2021, arXiv
// 2006.10355). The gradient of the alphas, to first order, is the pathwise one.
// All cells of a kind draw alike. The paper's regulariser, which keeps
// concentrations near 1, is ArchWeightDecay, as in the authors' code: by default it
// decays alphas by 1e-3, towards 0, where concentrations are 1. As there, cells
// are derived from the softmax of the alphas, which orders the operations of an
// edge as the mean weights do. StopEigenvalue measures with the medians of the Gamma
// numbers that weights are shares of.
//
// Differs: the authors search with a part of the channels (Space.PartialChannels) and
// remove operations in stages (Stages); and their cells may have edges without an operation.
type DrNAS struct{}

// Name returns "drnas".
func (DrNAS) Name() string { return "drnas" }

// Validate returns nil.
func (DrNAS) Validate(SearchConfig) error { return nil }

// Rules returns a sampler.
func (DrNAS) Rules(SearchConfig) Rules {
	s := sampler{kind: "dirichlet", number: rng.Normal}
	return Rules{
		Weigh: func(alphas *gorgonia.Node) (*gorgonia.Node, error) {
			noise, err := s.noiseOf(alphas)
			if err != nil {
				return nil, err
			}
			return ops.Dirichlet(alphas, noise)
		},
		Draw: s.draw,
		Rest: func() { s.fill(0) },
	}
}
