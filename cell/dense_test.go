package cell_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/ops"
)

const arch201 = "|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|nor_conv_1x1~0|none~1|nor_conv_3x3~2|"

func TestDenseNotation(t *testing.T) {
	g, err := cell.ParseGenotype(arch201)
	require.NoError(t, err)
	want := []cell.Edge{
		{Op: "nor_conv_3x3", From: 0}, {Op: "skip_connect", From: 0}, {Op: "avg_pool_3x3", From: 1},
		{Op: "nor_conv_1x1", From: 0}, {Op: "none", From: 1}, {Op: "nor_conv_3x3", From: 2},
	}
	assert.Equal(t, cell.Genotype{Normal: want}, g)
	assert.True(t, g.Dense())
	assert.Equal(t, 1, g.Inputs())
	assert.Equal(t, 3, g.Nodes())
	assert.Equal(t, arch201, g.String())
	assert.Equal(t, "'"+arch201+"'", g.Python())

	text, err := json.Marshal(g)
	require.NoError(t, err)
	assert.JSONEq(t, `{"normal": [["nor_conv_3x3",0],["skip_connect",0],["avg_pool_3x3",1],["nor_conv_1x1",0],["none",1],["nor_conv_3x3",2]]}`, string(text))
	for _, notation := range []string{string(text), g.Python(), "BEST = " + g.Python(), " " + arch201 + "\n", strings.ReplaceAll(arch201, "+", "\n+ ")} {
		again, err := cell.ParseGenotype(notation)
		require.NoError(t, err, notation)
		assert.Equal(t, g, again)
	}
}

func TestDenseEdges(t *testing.T) {
	g, err := cell.ParseGenotype(arch201)
	require.NoError(t, err)
	for i, want := range []struct{ target, from, to int }{{1, 0, 1}, {2, 1, 3}, {2, 1, 3}, {3, 3, 6}, {3, 3, 6}, {3, 3, 6}} {
		from, to := g.Siblings(i)
		assert.Equal(t, want, struct{ target, from, to int }{g.Target(i), from, to}, "edge %d", i)
	}
	g, _ = cell.GenotypeByName("darts_v2")
	for i, want := range []struct{ target, from, to int }{{2, 0, 2}, {2, 0, 2}, {3, 2, 4}} {
		from, to := g.Siblings(i)
		assert.Equal(t, want, struct{ target, from, to int }{g.Target(i), from, to}, "edge %d", i)
	}
}

func TestTransNASNotation(t *testing.T) {
	g, err := cell.ParseGenotype("64-41414-3_12_301")
	require.NoError(t, err)
	assert.Equal(t, "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|skip_connect~2|", g.String())
	code, err := g.TransNAS()
	require.NoError(t, err)
	assert.Equal(t, "3_12_301", code)

	g, err = cell.ParseGenotype(arch201)
	require.NoError(t, err)
	_, err = g.TransNAS()
	assert.ErrorContains(t, err, `TransNAS-Bench-101 has no operation "avg_pool_3x3"`)
	g, _ = cell.GenotypeByName("darts_v2")
	_, err = g.TransNAS()
	assert.ErrorContains(t, err, "dense cells of four nodes")
}

func TestDenseNotationErrors(t *testing.T) {
	for notation, want := range map[string]string{
		"|a~0|+|a~0|":                       "node 2: 1 edges: want one from each node before it",
		"|a~0|a~0|":                         "node 1: 2 edges",
		"|a~0|+|a~1|a~0|":                   "node 2: an edge from 1 where that from 0 is due",
		"|a~0|+a~0|a~1|":                    "node 2: \"a~0|a~1|\": want edges between bars",
		"|a0|":                              `edge "a0": want an operation and a node`,
		"|a~x|":                             `edge "a~x"`,
		"|é~0|":                             "operation name",
		`{"normal": [["a", 0], ["b", 0]]}`:  "node 2 lacks some",
		"|" + strings.Repeat("a", 90) + "|": "want an operation and a node",
	} {
		_, err := cell.ParseGenotype(notation)
		assert.ErrorContains(t, err, want, notation)
	}
}

// TestDenseDerive chooses the strongest operation of every edge, none among them.
func TestDenseDerive(t *testing.T) {
	space := cell.NASBench201(4, 1)
	require.Equal(t, 6, space.Edges())
	alpha := [][]float64{
		{0, 0, 0, 1, 0}, {0, 2, 1, 0, 0}, {0, 0, 0, 0, 3}, {-1, -2, 0, -3, -1}, {5, 0, 4, 4, 4}, {1, 1, 1, 2, 2},
	}
	g, err := space.Derive(alpha, nil, nil, nil)
	require.NoError(t, err)
	assert.Equal(t, arch201, g.String())
	_, err = space.Derive(alpha[:5], nil, nil, nil)
	assert.ErrorContains(t, err, "5 rows of parameters: 3 nodes have 6 edges")
}

// TestReducedSpaces derives from two candidates for each edge, which differ.
func TestReducedSpaces(t *testing.T) {
	space, err := cell.RobustDARTS(1, cell.CIFARStem, 4, 3)
	require.NoError(t, err)
	require.NoError(t, space.Validate())
	assert.Equal(t, []string{"max_pool_3x3", "skip_connect"}, space.Names(false, 5))
	assert.Equal(t, []string{"max_pool_3x3", "sep_conv_3x3"}, space.Names(true, 6))
	first := make([][]float64, 14)
	for i := range first {
		first[i] = []float64{float64(i), 0} // later nodes of an edge are stronger
	}
	g, err := space.Derive(first, first, nil, nil)
	require.NoError(t, err)
	assert.Equal(t, []cell.Edge{{Op: "skip_connect", From: 1}, {Op: "skip_connect", From: 0}}, g.Normal[:2])
	assert.Equal(t, []cell.Edge{{Op: "dil_conv_3x3", From: 4}, {Op: "dil_conv_3x3", From: 3}}, g.Normal[6:])
	assert.Equal(t, []cell.Edge{{Op: "skip_connect", From: 4}, {Op: "skip_connect", From: 3}}, g.Reduce[6:])
	// The first candidate of row 0, of weight ½, is a skip connection in normal cells and a
	// pooling in reduction cells; the second of row 1 is dil_conv_5x5 and dil_conv_3x3.
	assert.InDelta(t, 0.5/4+0.7310586/4, space.OpWeight(first[:2], first[:2], "skip_connect"), 1e-6)
	assert.InDelta(t, 0.5/4+0.2689414/4, space.OpWeight(first[:2], first[:2], "dil_conv_3x3"), 1e-6)

	for number, columns := range map[int]int{2: 2, 3: 3, 4: 2} {
		space, err := cell.RobustDARTS(number, cell.CIFARStem, 4, 3)
		require.NoError(t, err)
		require.NoError(t, space.Validate())
		assert.Len(t, space.Ops, columns)
	}
	_, err = cell.RobustDARTS(5, cell.CIFARStem, 4, 3)
	assert.ErrorContains(t, err, "no space S5; choose S1 to S4")
}

func TestRandomIsOfTheSpace(t *testing.T) {
	s1, err := cell.RobustDARTS(1, cell.CIFARStem, 4, 3)
	require.NoError(t, err)
	for name, space := range map[string]cell.Space{"dense": cell.NASBench201(4, 1), "S1": s1} {
		seen := map[string]bool{}
		for draw := range 50 {
			g := space.Random(7, draw)
			require.NoError(t, g.Validate(space.Ops.Has), name)
			require.Equal(t, g, space.Random(7, draw), "equal draws are equal")
			seen[g.String()] = true
			if name == "S1" {
				for i, e := range g.Normal {
					node := g.Target(i)
					assert.Contains(t, space.Names(false, node*(node-1)/2-1+e.From), e.Op)
				}
			}
		}
		assert.Greater(t, len(seen), 40, name)
	}
}

func TestDenseSpaceErrors(t *testing.T) {
	change := func(f func(*cell.Space)) cell.Space {
		space := cell.NASBench201(4, 1)
		f(&space)
		return space
	}
	for want, space := range map[string]cell.Space{
		"MaxSkips is 2, and cells behind Stem \"nasbench201\" keep all edges": change(func(s *cell.Space) { s.MaxSkips = 2 }),
		"StrideOne is [1] and Dilated []":                                     change(func(s *cell.Space) { s.Backbone.StrideOne = []int{1} }),
		"StrideOne is [] and Dilated [0]":                                     change(func(s *cell.Space) { s.Backbone.Dilated = []int{0} }),
		"PartialChannels is 3 and Width 4":                                    change(func(s *cell.Space) { s.PartialChannels = 3 }),
		"Candidates.Normal has 1 edges; want 6":                               change(func(s *cell.Space) { s.Candidates = &cell.Candidates{Normal: [][]string{{"none", "skip_connect"}}} }),
		"Candidates.Reduce is set": change(func(s *cell.Space) {
			s.Candidates = &cell.Candidates{Normal: repeated(6, "none", "skip_connect"), Reduce: repeated(6, "none")}
		}),
		"Candidates.Normal: edge 0 has 1 operations":    change(func(s *cell.Space) { s.Candidates = &cell.Candidates{Normal: repeated(6, "none")} }),
		`edge 0: operation "none"; want different ones`: change(func(s *cell.Space) { s.Candidates = &cell.Candidates{Normal: repeated(6, "none", "none")} }),
		`edge 0: operation "swish"`:                     change(func(s *cell.Space) { s.Candidates = &cell.Candidates{Normal: repeated(6, "none", "swish")} }),
		"PartialChannels is 2, and the reduction cells of Stem \"transnas\" double channels": func() cell.Space {
			space := cell.TransNASBench101(4)
			space.PartialChannels = 2
			return space
		}(),
		"Width is 3; the stem \"transnas\" halves it": cell.TransNASBench101(3),
	} {
		assert.ErrorContains(t, space.Validate(), want)
	}

	dense, err := cell.ParseGenotype(arch201)
	require.NoError(t, err)
	published, _ := cell.GenotypeByName("darts_v2")
	assert.ErrorContains(t, cell.Network{Backbone: cell.DARTS(cell.CIFARStem, 4, 3).Backbone, Genotype: dense, Ops: ops.All()}.Validate(), "a dense cell, and Stem \"cifar\" is of cells with two inputs")
	assert.ErrorContains(t, cell.Network{Backbone: cell.NASBench201(4, 1).Backbone, Genotype: published, Ops: ops.All()}.Validate(), "cells with two inputs, and Stem \"nasbench201\" is of dense cells")
	assert.ErrorContains(t, cell.ArchSampler{Space: cell.NASBench201(4, 1)}.Validate(), "use Space.Random")
}

func repeated(n int, names ...string) [][]string {
	all := make([][]string, n)
	for i := range all {
		all[i] = names
	}
	return all
}

// TestDenseSizes compares networks with published sizes: those of NAS-Bench-201 for
// CIFAR-10, as its API reports them.
func TestDenseSizes(t *testing.T) {
	for arch, want := range map[string]cell.Complexity{
		"|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|": {Params: 1_531_546, MACs: 220_119_680},
		"|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|": {Params: 1_073_466, MACs: 153_272_960},
		"|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|": {Params: 73_306, MACs: 7_783_040},
	} {
		g, err := cell.ParseGenotype(arch)
		require.NoError(t, err)
		n := newNet(t)
		s, x := n.Scope, n.images(1, 32, 32, 3)
		net, err := cell.NASBench201(16, 5).Backbone.Network(s, x, g, ops.NASBench201())
		require.NoError(t, err)
		assert.Nil(t, net.AuxFeatures)
		y, err := ops.GlobalAvgPool(net.Out)
		require.NoError(t, err)
		_, err = s.Sub("classifier").Linear(y, 1, 10)
		require.NoError(t, err)
		got := cell.Measure(s)
		assert.Equal(t, want, cell.Complexity{Params: got.Params, MACs: got.MACs}, arch)
	}
}

// TestDensePartialChannels builds a supernet of NAS-Bench-201 with partial channels, whose
// only α has a β.
func TestDensePartialChannels(t *testing.T) {
	space := cell.NASBench201(4, 1)
	space.PartialChannels = 2
	n := newNet(t)
	s := n.Scope
	net, err := space.Supernet(s, n.images(2, 8, 8, 3))
	require.NoError(t, err)
	assert.Nil(t, net.Reduce)
	assert.Nil(t, net.ReduceBetas)
	assert.EqualValues(t, []int{6}, net.NormalBetas.Shape)
	assert.EqualValues(t, []int{6, 5}, net.Normal.Shape)
	assert.EqualValues(t, []int{2, 2, 2, 16}, net.Out.Shape())
	require.NoError(t, s.Params().Init(1))
	g, err := net.Genotype()
	require.NoError(t, err)
	assert.True(t, g.Dense())
	normal, reduce := net.Alphas()
	assert.Len(t, normal, 6)
	assert.Nil(t, reduce)
}
