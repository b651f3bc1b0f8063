package cell_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"unnas/cell"
	"unnas/ops"
)

func TestDerive(t *testing.T) {
	ops := []string{"none", "pool", "skip", "conv"}
	ln := math.Log
	for name, c := range map[string]struct {
		alpha       [][]float64
		nodes, keep int
		want        []cell.Edge
	}{
		"one node, heaviest first": {
			// Probabilities of the best: 3/6 and 4/7.
			alpha: [][]float64{{0, ln(3), 0, 0}, {0, 0, 0, ln(4)}},
			nodes: 1, keep: 2,
			want: []cell.Edge{{Op: "conv", From: 1}, {Op: "pool", From: 0}},
		},
		"a strong none weakens an edge but is not chosen": {
			// 3/105, 2/5.
			alpha: [][]float64{{ln(100), 0, 0, ln(3)}, {0, 0, ln(2), 0}},
			nodes: 1, keep: 2,
			want: []cell.Edge{{Op: "skip", From: 1}, {Op: "conv", From: 0}},
		},
		"a weight is a probability, not a parameter": {
			// 5/20, 3/6: the first has the larger parameter.
			alpha: [][]float64{{ln(5), ln(5), ln(5), ln(5)}, {0, 0, ln(3), 0}},
			nodes: 1, keep: 1,
			want: []cell.Edge{{Op: "skip", From: 1}},
		},
		"the lightest of three goes": {
			// Node 3: 2/5, 7/10, 5/8.
			alpha: [][]float64{{0, 1, 0, 0}, {0, 0, 0, 0}, {0, ln(2), 0, 0}, {0, 0, 0, ln(7)}, {0, 0, ln(5), 0}},
			nodes: 2, keep: 2,
			want: []cell.Edge{{Op: "pool", From: 0}, {Op: "pool", From: 1}, {Op: "conv", From: 1}, {Op: "skip", From: 2}},
		},
		"ties go to the lower edge and the lower operation": {
			alpha: [][]float64{{0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 1, 1}, {0, 0, 0, 0}, {0, 0, 1, 1}},
			nodes: 2, keep: 2,
			want: []cell.Edge{{Op: "pool", From: 0}, {Op: "pool", From: 1}, {Op: "skip", From: 0}, {Op: "skip", From: 2}},
		},
		"a tie of the same values in another order": {
			alpha: [][]float64{{0.1, 0.7, 0.3, 0.2}, {0.3, 0.2, 0.1, 0.7}},
			nodes: 1, keep: 2,
			want: []cell.Edge{{Op: "pool", From: 0}, {Op: "conv", From: 1}},
		},
		"large parameters do not overflow": {
			alpha: [][]float64{{1e300, 0, 0, 1}, {-2e3, -2e3, -1e3, -2e3}},
			nodes: 1, keep: 2,
			want: []cell.Edge{{Op: "skip", From: 1}, {Op: "conv", From: 0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			edges, err := cell.Derive(c.alpha, ops, c.nodes, c.keep)
			require.NoError(t, err)
			assert.Equal(t, c.want, edges)
		})
	}
}

func TestDeriveProperties(t *testing.T) {
	ops := []string{"pool", "none", "skip", "conv"}
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(1, 5).Draw(t, "nodes")
		keep := rapid.IntRange(1, 2).Draw(t, "keep")
		// Whole numbers stay exact when others are added.
		value := rapid.Map(rapid.IntRange(-4, 4), func(n int) float64 { return float64(n) })
		alpha := make([][]float64, nodes*(nodes+3)/2)
		for i := range alpha {
			alpha[i] = rapid.SliceOfN(value, len(ops), len(ops)).Draw(t, "row "+strconv.Itoa(i))
		}
		edges, err := cell.Derive(alpha, ops, nodes, keep)
		require.NoError(t, err)

		// A brute-force reading of the rule.
		var want []cell.Edge
		row := 0
		for node := 2; node < 2+nodes; node++ {
			best := make([]float64, node)
			op := make([]string, node)
			for from := range best {
				sum := 0.0
				for _, a := range alpha[row] {
					sum += math.Exp(a)
				}
				for k, a := range alpha[row] {
					// Sums in another order differ in the last bits.
					if p := math.Round(1e9*math.Exp(a)/sum) / 1e9; ops[k] != "none" && p > best[from] {
						best[from], op[from] = p, ops[k]
					}
				}
				row++
			}
			for range keep {
				from := slices.Index(best, slices.Max(best))
				want = append(want, cell.Edge{Op: op[from], From: from})
				best[from] = -1
			}
		}
		require.Equal(t, want, edges)

		for i := range alpha {
			c := rapid.IntRange(-1000, 1000).Draw(t, "shift "+strconv.Itoa(i))
			for k := range alpha[i] {
				alpha[i][k] += float64(c)
			}
		}
		shifted, err := cell.Derive(alpha, ops, nodes, keep)
		require.NoError(t, err)
		require.Equal(t, edges, shifted, "a constant added to a row changes nothing")
	})
}

func TestDeriveErrors(t *testing.T) {
	ops := []string{"none", "conv"}
	good := [][]float64{{0, 1}, {0, 2}}
	for name, c := range map[string]struct {
		alpha       [][]float64
		ops         []string
		nodes, keep int
		want        string
	}{
		"keep none":    {good, ops, 1, 0, "cell: derive: 0 edges per node: want 1 or 2"},
		"keep many":    {good, ops, 1, 3, "cell: derive: 3 edges per node: want 1 or 2"},
		"no nodes":     {good, ops, 0, 2, "cell: derive: 0 nodes: want 1 to 64"},
		"many nodes":   {good, ops, 1 << 40, 2, "cell: derive: 1099511627776 nodes: want 1 to 64"},
		"rows":         {good, ops, 2, 2, "cell: derive: 2 rows of parameters: 2 nodes have 5 edges"},
		"columns":      {[][]float64{{0, 1}, {0}}, ops, 1, 2, "cell: derive: edge 1→2: 1 parameters for 2 operations"},
		"not a number": {[][]float64{{0, 1}, {0, math.NaN()}}, ops, 1, 2, "cell: derive: edge 1→2: parameter NaN of conv is not finite"},
		"infinite":     {[][]float64{{math.Inf(-1), 1}, {0, 1}}, ops, 1, 2, "cell: derive: edge 0→2: parameter -Inf of none is not finite"},
		"only none":    {[][]float64{{0}, {0}}, ops[:1], 1, 2, `cell: derive: edge 0→2: no operation but none among ["none"]`},
	} {
		t.Run(name, func(t *testing.T) {
			edges, err := cell.Derive(c.alpha, c.ops, c.nodes, c.keep)
			assert.EqualError(t, err, c.want)
			assert.Nil(t, edges)
		})
	}
}

// TestMaxSkips bars the weakest skip connections of normal cells (edges 0→2, 1→2,
// 0→3, 1→3, 2→3), which may change which edges are kept.
func TestMaxSkips(t *testing.T) {
	space := cell.Space{Ops: ops.Set{ops.None(), ops.Skip(), ops.SepConv(3)}, Nodes: 2}
	// Largest weights: 0.79, 0.67, 0.79, 0.67, 0.50; without skip connections 0.11,
	// 0.24, 0.11, 0.24, 0.50.
	alphas := [][]float64{{0, 2, 0}, {-1, 1, 0}, {0, 2, 0}, {-1, 1, 0}, {0, -1, 0.3}}
	edge := func(op string, from int) cell.Edge { return cell.Edge{Op: op, From: from} }
	skip, conv := "skip_connect", "sep_conv_3x3"
	for limit, want := range [][]cell.Edge{
		0: {edge(skip, 0), edge(skip, 1), edge(skip, 0), edge(skip, 1)},
		1: {edge(skip, 0), edge(conv, 1), edge(conv, 2), edge(conv, 1)},
		2: {edge(skip, 0), edge(conv, 1), edge(skip, 0), edge(conv, 2)},
		3: {edge(skip, 0), edge(skip, 1), edge(skip, 0), edge(conv, 2)},
		4: {edge(skip, 0), edge(skip, 1), edge(skip, 0), edge(skip, 1)},
	} {
		space.MaxSkips = limit
		g, err := space.Derive(alphas, alphas, nil, nil)
		require.NoError(t, err)
		assert.Equal(t, want, g.Normal, "limit %d", limit)
		assert.Equal(t, []cell.Edge{edge(skip, 0), edge(skip, 1), edge(skip, 0), edge(skip, 1)}, g.Reduce, "reduction cells have no limit")
	}

	// Barring 1→3 brings the skip connection of 2→3, which is barred in its turn.
	space.MaxSkips = 1
	alphas = [][]float64{{0, 0, 2}, {0, 0, 2}, {0, 2, 0}, {-1, 1, 0}, {0, 1, 0}}
	g, err := space.Derive(alphas, alphas, nil, nil)
	require.NoError(t, err)
	assert.Equal(t, []cell.Edge{edge(conv, 0), edge(conv, 1), edge(skip, 0), edge(conv, 1)}, g.Normal)

	space = cell.Space{Ops: ops.Set{ops.None(), ops.Skip()}, Nodes: 1, MaxSkips: 1}
	_, err = space.Derive([][]float64{{0, 1}, {0, 2}}, [][]float64{{0, 1}, {0, 2}}, nil, nil)
	assert.ErrorContains(t, err, "normal cell: cell: derive: edge 0→2: no operation")
	assert.ErrorContains(t, err, "at most 1 skip connections")
}

func ExampleDerive() {
	ops := []string{"none", "skip_connect", "sep_conv_3x3"}
	alpha := [][]float64{
		{0.1, 0.2, 0.6}, // 0 → 2
		{0.1, 0.9, 0.3}, // 1 → 2
		{0.1, 0.2, 0.3}, // 0 → 3
		{0.1, 0.2, 0.8}, // 1 → 3
		{0.1, 0.7, 0.2}, // 2 → 3
	}
	edges, err := cell.Derive(alpha, ops, 2, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range edges {
		fmt.Println(e.Op, "from", e.From)
	}
	// Output:
	// skip_connect from 1
	// sep_conv_3x3 from 0
	// sep_conv_3x3 from 1
	// skip_connect from 2
}
