package cell_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/internal/graph"
	"unnas/internal/ir"
	"unnas/ops"
)

func TestSupernet(t *testing.T) {
	space := cell.DARTS(cell.CIFARStem, 2, 3)
	n := newNet(t)
	super, err := space.Supernet(n.Scope, n.images(1, 8, 6, 3))
	require.NoError(t, err)
	assert.Equal(t, tensor.Shape{14, 8}, super.Normal.Shape)
	assert.Equal(t, "alphas_normal", super.Normal.Name)
	assert.Equal(t, "alphas_reduce", super.Reduce.Name)
	assert.True(t, super.Normal.Alpha && super.Reduce.Alpha)
	normal, reduce := super.Alphas()
	assert.Nil(t, normal)
	assert.Nil(t, reduce)
	_, err = super.Genotype()
	assert.ErrorContains(t, err, "call Params.Init")

	require.NoError(t, n.Params().Init(1))
	normal, reduce = super.Alphas()
	require.Len(t, normal, 14)
	require.Len(t, reduce[13], 8)
	var squares float64
	for i := range normal {
		for j := range normal[i] {
			squares += normal[i][j]*normal[i][j] + reduce[i][j]*reduce[i][j]
		}
	}
	assert.InDelta(t, 1e-3, math.Sqrt(squares/224), 2e-4)
	assert.NotEqual(t, normal, reduce)
	normal[0][0] = 99
	again, _ := super.Alphas()
	assert.NotEqual(t, 99.0, again[0][0], "they are copies")

	// Element [2, 5] of the alpha of reduction cells makes edge 0→3 of these
	// cells a separable convolution of 5×5 pixels.
	n.Params().Data(super.Reduce)[2*8+5] = 5
	g, err := super.Genotype()
	require.NoError(t, err)
	assert.Equal(t, cell.Edge{Op: "sep_conv_5x5", From: 0}, g.Reduce[2])
	assert.Equal(t, []int{2, 3, 4, 5}, g.NormalConcat)
	assert.Equal(t, []int{2, 3, 4, 5}, g.ReduceConcat)
	require.NoError(t, g.Validate(space.Ops.Has))
	_, reduce = super.Alphas()
	same, err := space.Derive(again, reduce, nil, nil)
	require.NoError(t, err)
	assert.Equal(t, g, same)
	_, err = space.Derive(again[:13], reduce, nil, nil)
	assert.ErrorContains(t, err, "normal cell: ")
	_, err = space.Derive(again, reduce[:13], nil, nil)
	assert.ErrorContains(t, err, "reduction cell: ")
}

// TestSupernetWithoutOneKindOfCells has alphas that nothing depends on.
func TestSupernetWithoutOneKindOfCells(t *testing.T) {
	for name, reductions := range map[string][]int{"alphas_reduce": nil, "alphas_normal": {0, 1}} {
		space := cell.Space{Ops: ops.DARTS(), Nodes: 2, Backbone: cell.Backbone{Stem: cell.CIFARStem, Width: 2, Cells: 2, Reductions: reductions}}
		n := newNet(t)
		x := n.images(2, 8, 6, 3)
		super, err := space.Supernet(n.Scope, x)
		require.NoError(t, err)
		step := n.training(x, super.Out)
		first := step()
		assert.Less(t, step(), first)
		for _, p := range n.Learnables() {
			assert.Equal(t, n.Owner(p).Name == name, p.Deriv() == nil, n.Owner(p).Name)
		}
	}
}

// TestSupernetWith weighs with the alphas themselves.
func TestSupernetWith(t *testing.T) {
	space := cell.Space{Ops: ops.Set{ops.None(), ops.Skip()}, Nodes: 1, Backbone: cell.Backbone{Stem: cell.CIFARStem, Width: 4, Cells: 1}}
	n := newNet(t)
	x := n.images(2, 5, 4, 3)
	var names []string
	super, err := space.SupernetWith(n.Scope, x, func(alphas *gorgonia.Node) (*gorgonia.Node, error) {
		names = append(names, alphas.Name())
		return alphas, nil
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"alphas_normal", "alphas_reduce"}, names)
	n.training(x, super.Out) // binds images
	m, err := ops.NewVM(n.Graph(), super.Out)
	require.NoError(t, err)
	run := func(a, b float32) []float32 {
		copy(n.Params().Data(super.Normal), []float32{9, a, 9, b})
		require.NoError(t, m.RunAll())
		return slices.Clone(super.Out.Value().Data().([]float32))
	}
	left, right, both := run(1, 0), run(0, 1), run(2, -3)
	for i := range both {
		require.InDelta(t, 2*left[i]-3*right[i], both[i], 1e-5)
	}

	for want, weigh := range map[string]cell.MixWeights{
		"cell: MixWeights is nil; want a function such as ops.Softmax":    nil,
		"cell: weights of alphas_normal: the node is nil; want the shape": func(*gorgonia.Node) (*gorgonia.Node, error) { return nil, nil },
		"cell: weights of alphas_normal: the node is of shape (":          func(*gorgonia.Node) (*gorgonia.Node, error) { return x, nil },
	} {
		_, err := space.SupernetWith(newNet(t).Scope, x, weigh)
		assert.ErrorContains(t, err, want)
	}
	_, err = space.SupernetWith(newNet(t).Scope, x, func(*gorgonia.Node) (*gorgonia.Node, error) { return nil, assert.AnError })
	assert.ErrorIs(t, err, assert.AnError)
	assert.ErrorContains(t, err, "cell: weights of alphas_normal: ")
}

func TestEntropy(t *testing.T) {
	assert.InDelta(t, 1, cell.Entropy([][]float64{{2, 2, 2}, {0, 0, 0}}), 1e-12)
	assert.InDelta(t, 0.5, cell.Entropy([][]float64{{0, 0, 0}, {1000, 0, 0}}), 1e-12)
	p := 1 / (1 + math.E)
	assert.InDelta(t, -(p*math.Log(p)+(1-p)*math.Log(1-p))/math.Log(2), cell.Entropy([][]float64{{0, 1}}), 1e-12)
	assert.Zero(t, cell.Entropy(nil))
	assert.Zero(t, cell.Entropy([][]float64{{}, {3}}))
}

func TestKendallTau(t *testing.T) {
	for name, test := range map[string]struct {
		a, b [][]float64
		want float64
	}{
		"same order":            {[][]float64{{3, 1, 2}}, [][]float64{{9, -5, 0}}, 1},
		"opposite":              {[][]float64{{3, 1, 2}}, [][]float64{{-3, -1, -2}}, -1},
		"one swap of six":       {[][]float64{{1, 2, 3, 4}}, [][]float64{{1, 2, 4, 3}}, 4. / 6},
		"one moves by three":    {[][]float64{{1, 2, 3, 4}}, [][]float64{{4, 1, 2, 3}}, 0},
		"mean over edges":       {[][]float64{{1, 2}, {1, 2, 3}}, [][]float64{{2, 1}, {5, 6, 7}}, 0},
		"a tie in one":          {[][]float64{{1, 2, 3}}, [][]float64{{1, 2, 2}}, 2. / 3},
		"ties in both":          {[][]float64{{1, 1, 3}}, [][]float64{{1, 1, 2}}, 2. / 3},
		"decided":               {[][]float64{{7}, {}}, [][]float64{{-1}, {}}, 1},
		"nothing":               {nil, nil, math.NaN()},
		"nothing before":        {nil, [][]float64{{1, 2}}, math.NaN()},
		"different candidates":  {[][]float64{{1, 2}}, [][]float64{{1, 2, 3}}, math.NaN()},
		"more edges than there": {[][]float64{{1, 2}, {1, 2}}, [][]float64{{1, 2}}, math.NaN()},
	} {
		t.Run(name, func(t *testing.T) {
			for _, got := range []float64{cell.KendallTau(test.a, test.b), cell.KendallTau(test.b, test.a)} {
				if math.IsNaN(test.want) {
					assert.True(t, math.IsNaN(got), got)
				} else {
					assert.InDelta(t, test.want, got, 1e-12)
				}
			}
		})
	}
}

func TestShare(t *testing.T) {
	space := cell.DARTS(cell.CIFARStem, 2, 3)
	alpha := [][]float64{make([]float64, 8), make([]float64, 8)}
	assert.InDelta(t, 0.125, space.OpWeight(alpha, nil, "skip_connect"), 1e-12)
	alpha[1][3] = 1000
	assert.InDelta(t, 0.5625, space.OpWeight(alpha, nil, "skip_connect"), 1e-12)
	assert.Zero(t, space.OpWeight(alpha, nil, "swish"))
	assert.Zero(t, space.OpWeight(nil, nil, "skip_connect"))
	assert.Zero(t, space.OpWeight([][]float64{{1, 2}}, nil, "skip_connect"))
}

// TestMixedOpIsWeighted moves all weight of an alpha to one operation, which
// leaves the network of this operation alone.
func TestMixedOpIsWeighted(t *testing.T) {
	space := cell.Space{Ops: ops.Set{ops.None(), ops.Skip(), ops.DilConv(3)}, Nodes: 2, Backbone: cell.Backbone{Stem: cell.CIFARStem, Width: 4, Cells: 1}}
	n := newNet(t)
	x := n.images(2, 5, 4, 3)
	super, err := space.Supernet(n.Scope, x)
	require.NoError(t, err)
	n.training(x, super.Out) // binds images
	for i := range n.Params().Alphas() {
		n.Params().Alphas()[i] = []float32{-200, 200, -200}[i%3]
	}
	// Node 2 is s0 + s1 and node 3 is s0 + s1 + node 2, so twice as much.
	m, err := ops.NewVM(n.Graph(), super.Out)
	require.NoError(t, err)
	require.NoError(t, m.RunAll())
	out := super.Out.Value().Data().([]float32)
	require.Len(t, out, 2*5*4*8)
	for i := 0; i < len(out); i += 8 {
		for c := range 4 {
			require.InDelta(t, 2*out[i+c], out[i+4+c], 1e-5)
		}
	}
}

// TestPoolingsOfAStateAreBuiltOnce counts the operations of a supernet and the
// layers that they stand for.
func TestPoolingsOfAStateAreBuiltOnce(t *testing.T) {
	n := newNet(t)
	_, err := cell.DARTS(cell.CIFARStem, 4, 1).Supernet(n.Scope, n.images(2, 8, 6, 3))
	require.NoError(t, err)
	operations, layers := 0, 0
	for _, node := range n.Graph().AllNodes() {
		op, _, _ := graph.Inputs(node)
		if pool, ok := op.(ir.Pool); ok && !pool.Max {
			operations++
			layers += n.Layers(node)
		}
	}
	assert.Equal(t, 5, operations, "one for each state that an edge leaves")
	assert.Equal(t, 14, layers, "one for each edge")
}
