package cell_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"unnas/cell"
)

// TestNASBenchHash has cells with the names that the released table gives them.
func TestNASBenchHash(t *testing.T) {
	for _, c := range []struct {
		name, want, matrix string
		ops                []string
	}{
		{"chain of poolings and convolutions", "043721b9c7fe8c5fad811d47d83132ec", "0000101000010000011100000111000000000000010000000", []string{pool3, pool3, pool3, conv1, conv3}},
		{"the same, in another order", "043721b9c7fe8c5fad811d47d83132ec", "0000111000111000010010000010000000000000000000000", []string{conv1, conv3, pool3, pool3, pool3}},
		{"twelve edges, two vertices on no path", "907802d27f786475545b76371b5b5da9", "0001010001111100010100000100000001000000010000000", []string{conv1, conv1, conv3, pool3, conv1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := nasCell(c.ops)
			for i, b := range c.matrix {
				n.Matrix[i/7][i%7] = int(b - '0')
			}
			got, err := n.Hash()
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
	_, err := nasCell([]string{conv3}, [2]int{0, 1}).Hash()
	assert.ErrorContains(t, err, "without a path")
}

// TestNASBenchHashOfIsomorphicCells moves the vertices of cells about, keeps the
// hash, and changes an operation, which changes it.
func TestNASBenchHashOfIsomorphicCells(t *testing.T) {
	cells, err := cell.SampleNASBench(50, 3)
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(cells).Draw(t, "cell")
		want, err := c.Hash()
		require.NoError(t, err)
		v := len(c.Ops)
		order := rapid.Permutation(seq(v)).Draw(t, "order") // order[i] is the new place of vertex i
		order = topological(c, order)
		moved := nasCell(make([]string, v-2))
		for i := range v {
			moved.Ops[order[i]] = c.Ops[i]
			for j := range v {
				moved.Matrix[order[i]][order[j]] = c.Matrix[i][j]
			}
		}
		got, err := moved.Hash()
		require.NoError(t, err)
		require.Equal(t, want, got)
		if v > 2 {
			i := rapid.IntRange(1, v-2).Draw(t, "vertex")
			other := map[string]string{conv3: conv1, conv1: pool3, pool3: conv3}
			moved.Ops[i] = other[moved.Ops[i]]
			got, err = moved.Hash()
			require.NoError(t, err)
			require.NotEqual(t, want, got)
		}
	})
}

func seq(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// topological returns new places of the vertices of a cell, so that edges lead to
// later ones; of vertices that may come next the one with the least rank does.
func topological(c cell.NASBenchCell, rank []int) []int {
	place := make([]int, len(rank))
	done := make([]bool, len(rank))
	for next := range rank {
		best := -1
		for v := range rank {
			ready := !done[v] && (v < len(rank)-1 || next == len(rank)-1)
			for u := range rank {
				ready = ready && (c.Matrix[u][v] == 0 || done[u])
			}
			if ready && (best < 0 || rank[v] < rank[best]) {
				best = v
			}
		}
		place[best], done[best] = next, true
	}
	return place
}

func TestSampleNASBench(t *testing.T) {
	all, err := cell.SampleNASBench(2000, 1)
	require.NoError(t, err)
	require.Len(t, all, 2000)
	seen, sizes := map[string]bool{}, map[int]int{}
	for _, c := range all {
		h, err := c.Hash()
		require.NoError(t, err)
		require.False(t, seen[h])
		seen[h] = true
		sizes[len(c.Ops)]++
		for v := range c.Ops {
			in, out := 0, 0
			for u := range c.Ops {
				in += c.Matrix[u][v]
				out += c.Matrix[v][u]
			}
			require.True(t, (v == 0) == (in == 0) && (v == len(c.Ops)-1) == (out == 0), "vertex %d of %v is on no path", v, c.Matrix)
		}
	}
	for v := 3; v <= 7; v++ {
		assert.Positive(t, sizes[v], "%d vertices", v)
	}
	fewer, err := cell.SampleNASBench(5, 1)
	require.NoError(t, err)
	assert.Equal(t, all[:5], fewer)
	other, err := cell.SampleNASBench(5, 2)
	require.NoError(t, err)
	assert.NotEqual(t, fewer, other)

	_, err = cell.SampleNASBench(-2, 1)
	assert.ErrorContains(t, err, "cell: -2 samples")
}

func ExampleNASBenchCell_Hash() {
	// Vertices 1 and 2 of one are vertices 2 and 1 of the other.
	one := cell.NASBenchCell{
		Matrix: [][]int{{0, 1, 1, 0}, {0, 0, 0, 1}, {0, 0, 0, 1}, {0, 0, 0, 0}},
		Ops:    []string{"input", "conv3x3-bn-relu", "maxpool3x3", "output"},
	}
	other := cell.NASBenchCell{Matrix: one.Matrix, Ops: []string{"input", "maxpool3x3", "conv3x3-bn-relu", "output"}}
	a, err := one.Hash()
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := other.Hash()
	fmt.Println(a == b, err)
	// Output: true <nil>
}

func ExampleSampleNASBench() {
	cells, err := cell.SampleNASBench(2, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range cells {
		fmt.Println(c.Matrix, c.Ops)
	}
	// Output:
	// [[0 1 1] [0 0 1] [0 0 0]] [input conv1x1-bn-relu output]
	// [[0 1 0] [0 0 1] [0 0 0]] [input conv1x1-bn-relu output]
}
