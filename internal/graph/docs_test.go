package graph_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/internal/graph"
	"unnas/ops"
)

// TestDocs holds that the programs that the documentation shows are those of the network
// that it describes: every line of a block of text stands in the named program, in order.
func TestDocs(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("UNNAS_DUMP", dir)
	_, err := graph.Compile(shown(t))
	require.NoError(t, err)
	page, err := os.ReadFile("../../docs/how-it-works.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```text ([^\n]*)\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	require.Len(t, blocks, 4)
	for _, b := range blocks {
		files, err := filepath.Glob(filepath.Join(dir, "*", b[1]+".txt"))
		require.NoError(t, err)
		require.Len(t, files, 1, b[1])
		program, err := os.ReadFile(files[0])
		require.NoError(t, err)
		assert.Contains(t, string(program), "\n"+b[2], b[1])
	}
}

// shown returns the training program of a network as the documentation describes it.
func shown(t *testing.T) (*gorgonia.ExprGraph, graph.Options) {
	s := ops.NewScope(gorgonia.NewGraph(), ops.NewParams())
	ok := func(n *gorgonia.Node, err error) *gorgonia.Node {
		require.NoError(t, err)
		return n
	}
	x, labels := ok(ops.Images(s.Graph(), "images", 2, 8, 8, 3)), ok(ops.Labels(s.Graph(), "labels", 2))
	h := ok(s.Sub("stem").CIFARStem(x, 4))
	a := ok(ops.DilConv(3).Build(s.Sub("a"), h, ops.OpConfig{Stride: 1}))
	b := ok(ops.DilConv(5).Build(s.Sub("b"), h, ops.OpConfig{Stride: 1}))
	pooled := ok(ops.GlobalAvgPool(ok(ops.Sum(a, b))))
	loss, err := ops.CrossEntropy(ok(s.Sub("fc").Linear(pooled, 1, 2)), labels, ops.LossConfig{IgnoreIndex: ops.NoIgnoreIndex})
	require.NoError(t, err)
	require.NoError(t, ops.Grad(s, loss.Value))
	o := graph.Options{Want: gorgonia.Nodes{loss.Value}}
	for _, n := range s.Learnables() {
		o.Want = append(o.Want, n.Deriv())
	}
	return s.Graph(), o
}
