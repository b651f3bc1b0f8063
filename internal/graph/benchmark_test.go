package graph_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/internal/cpuexec"
	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// trivial does next to nothing.
type trivial struct {
	like
	plain
}

func (trivial) String() string { return "Trivial" }

func (trivial) Run(_ *cpuexec.Context, out, in []cpuexec.Array) error {
	out[0].F[0] = in[0].F[0] + in[1].F[0]
	return nil
}

// trivialGraph has count steps; each reads the last one and one before it.
func trivialGraph(b *testing.B, count int) (*gorgonia.ExprGraph, *gorgonia.Node) {
	g := gorgonia.NewGraph()
	x := input(g, "x", 1)
	let(b, x, []float32{1})
	all := gorgonia.Nodes{x, x}
	for i := range count {
		all = append(all, apply(b, trivial{}, all[len(all)-1], all[len(all)-2-i%50*(len(all)-2)/100]))
	}
	return g, all[len(all)-1]
}

const trivialSteps = 10_000

func BenchmarkCompile(b *testing.B) {
	g, last := trivialGraph(b, trivialSteps)
	for b.Loop() {
		_, err := graph.Compile(g, graph.Options{Want: gorgonia.Nodes{last}})
		require.NoError(b, err)
	}
}

// BenchmarkStep measures what the machine adds to a kernel.
func BenchmarkStep(b *testing.B) {
	g, last := trivialGraph(b, trivialSteps)
	p, err := graph.Compile(g, graph.Options{Want: gorgonia.Nodes{last}})
	require.NoError(b, err)
	m, err := p.Bind(graph.NewArena(p), kernel.NewThreadPool(1))
	require.NoError(b, err)
	for b.Loop() {
		require.NoError(b, m.RunAll())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/trivialSteps, "ns/step")
}
