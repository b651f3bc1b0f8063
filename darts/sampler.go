package darts

import (
	"math/rand/v2"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// sampler draws independent numbers, one for each α, for every pass. What it draws is an
// input of the graph, so the graph stays pure.
type sampler struct {
	kind   string // of the random stream
	number func(*rand.Rand) float64
	noise  [][]float32 // of each α
}

// noiseOf adds the numbers of an α to its graph, in the shape of it.
func (s *sampler) noiseOf(alphas *gorgonia.Node) (*gorgonia.Node, error) {
	noise := make([]float32, alphas.Shape().TotalSize())
	s.noise = append(s.noise, noise)
	return input(alphas, "noise", noise, alphas.Shape()...)
}

func (s *sampler) draw(at Place, purpose string) {
	r := at.Rand(s.kind + " " + purpose)
	for _, noise := range s.noise {
		for i := range noise {
			noise[i] = float32(s.number(r))
		}
	}
}

func (s *sampler) fill(number float32) {
	for _, noise := range s.noise {
		for i := range noise {
			noise[i] = number
		}
	}
}

// input adds an input of a sampler to the graph of an α.
func input(alphas *gorgonia.Node, name string, values []float32, shape ...int) (*gorgonia.Node, error) {
	n := gorgonia.NewTensor(alphas.Graph(), tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(alphas.Name()+" "+name))
	return n, ops.Bind(n, values)
}

// temperature falls linearly with the epochs.
type temperature struct {
	hottest, coldest float64
	epochs           int
}

func (t temperature) at(epoch int) float64 {
	if t.epochs < 2 {
		return t.hottest
	}
	return t.hottest + float64((t.coldest-t.hottest)*float64(epoch)/float64(t.epochs-1))
}
