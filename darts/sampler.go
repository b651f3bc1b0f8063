package darts

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/rng"
	"unnas/ops"
)

// The temperature of GDAS falls from hottest to coldest.
const (
	hottest = 10.0
	coldest = 0.1
)

// sampler draws the weights of mixed operations for a pass, as GDAS and DrNAS do.
// What it draws depends on alphas and inputs of the graph alone, so the graph
// stays pure.
type sampler struct {
	noise       [][]float32 // of each alpha
	temperature []float32   // of GDAS, one element; nil for DrNAS
}

// newSampler returns the sampler of an algorithm, nil if it draws nothing.
func newSampler(a Algorithm) *sampler {
	switch a {
	case GDAS:
		return &sampler{temperature: make([]float32, 1)}
	case DrNAS:
		return &sampler{}
	}
	return nil
}

// weigh is a cell.MixWeights.
func (s *sampler) weigh(alphas *gorgonia.Node) (*gorgonia.Node, error) {
	input := func(name string, values []float32, shape ...int) (*gorgonia.Node, error) {
		n := gorgonia.NewTensor(alphas.Graph(), tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(alphas.Name()+" "+name))
		return n, ops.Bind(n, values)
	}
	s.noise = append(s.noise, make([]float32, alphas.Shape().TotalSize()))
	noise, err := input("noise", s.noise[len(s.noise)-1], alphas.Shape()...)
	if err != nil {
		return nil, err
	}
	if s.temperature == nil {
		return ops.Dirichlet(alphas, noise)
	}
	temperature, err := input("temperature", s.temperature, 1)
	if err != nil {
		return nil, err
	}
	return ops.GumbelSoftmax(alphas, noise, temperature)
}

// draw sets the inputs for the next pass.
func (s *sampler) draw(c SearchConfig, purpose string, epoch, step int) {
	kind, draw := "dirichlet ", rng.Normal
	if s.temperature != nil {
		kind, draw = "gumbel ", rng.Gumbel
		s.temperature[0] = hottest
		if c.Epochs > 1 {
			s.temperature[0] += float32((coldest - hottest) * float64(epoch) / float64(c.Epochs-1))
		}
	}
	r := rng.New(c.Seed, kind+purpose, epoch, step)
	for _, noise := range s.noise {
		for i := range noise {
			noise[i] = float32(draw(r))
		}
	}
}

// rest sets the inputs of DrNAS to the medians of the Gamma numbers that weights
// are shares of.
func (s *sampler) rest() {
	for _, noise := range s.noise {
		clear(noise)
	}
}
