package golden_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
)

// TestSamplerOfDARTS compares sizes, operations and inputs of what the sampler draws
// with the published samples, of which the public table has 50 of 500.
func TestSamplerOfDARTS(t *testing.T) {
	var published struct{ Archs map[string]counted }
	table(t, "darts500_cifar10_cls.public.json", &published)
	require.GreaterOrEqual(t, len(published.Archs), 50)
	s, err := cell.DARTSArchSampler()
	require.NoError(t, err)
	drawn, err := s.Sample(500, 1)
	require.NoError(t, err)

	figures := map[string]func(cell.Genotype, cell.Complexity) float64{
		"parameters":    func(_ cell.Genotype, c cell.Complexity) float64 { return float64(c.Params) },
		"multiply-adds": func(_ cell.Genotype, c cell.Complexity) float64 { return float64(c.MACs) },
		"nodes with one input twice": func(g cell.Genotype, _ cell.Complexity) float64 {
			n := 0.0
			for pair := range slices.Chunk(slices.Concat(g.Normal, g.Reduce), 2) {
				if pair[0].From == pair[1].From {
					n++
				}
			}
			return n
		},
	}
	for _, op := range s.Space.Ops.Names() {
		figures["normal "+op] = func(g cell.Genotype, _ cell.Complexity) float64 { return count(g.Normal, op) }
		figures["reduce "+op] = func(g cell.Genotype, _ cell.Complexity) float64 { return count(g.Reduce, op) }
	}
	for name, figure := range figures {
		var ours, theirs []float64
		for _, a := range drawn {
			ours = append(ours, figure(a.Genotype, a.Size))
		}
		for _, a := range published.Archs {
			theirs = append(theirs, figure(a.Genotype, a.size()))
		}
		// The 99.95 % point of the statistic of Kolmogorov and Smirnov.
		limit := 2.03 * math.Sqrt(1/float64(len(theirs))+1/float64(len(ours)))
		assert.Less(t, distance(ours, theirs), limit, name)
	}
}

func count(edges []cell.Edge, op string) float64 {
	n := 0.0
	for _, e := range edges {
		if e.Op == op {
			n++
		}
	}
	return n
}

// distance is the largest difference between the distribution functions of two
// samples.
func distance(a, b []float64) float64 {
	share := func(values []float64, limit float64) float64 {
		n := 0
		for _, v := range values {
			if v <= limit {
				n++
			}
		}
		return float64(n) / float64(len(values))
	}
	largest := 0.0
	for _, limit := range slices.Concat(a, b) {
		largest = max(largest, share(a, limit)-share(b, limit), share(b, limit)-share(a, limit))
	}
	return largest
}
