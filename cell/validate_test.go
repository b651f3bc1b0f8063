package cell_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/ops"
)

// TestWhatIsValidIsBuilt draws networks and search spaces of all kinds, many of which
// are not valid: those that are can be built.
func TestWhatIsValidIsBuilt(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	some := func(n int) []int { // rising, as a rule
		var all []int
		for i := range n {
			if r.IntN(3) == 0 {
				all = append(all, i)
			}
		}
		if len(all) > 1 && r.IntN(8) == 0 {
			all[0], all[1] = all[1], all[0]
		}
		return all
	}
	stem := func() cell.Stem {
		return []cell.Stem{cell.CIFARStem, cell.ImageNetStem, cell.ImageNetStem, ""}[r.IntN(4)]
	}
	even := func(o ops.Op) bool { return o == ops.AvgPool(2) || o == ops.MaxPool(2) } // for maps of even sides
	all := append(slices.DeleteFunc(ops.Published(), even), signedSquare{}, nil)
	draw := func(n int) ops.Set {
		var set ops.Set
		for range n {
			set = append(set, all[r.IntN(len(all))])
		}
		return set
	}
	body := func() cell.Body {
		b := cell.Body{Stem: stem(), Width: r.IntN(5), Cells: r.IntN(4)}
		b.Reductions = some(b.Cells)
		if r.IntN(2) == 0 {
			b.Unstrided, b.Dilated = some(b.Cells), some(b.Cells)
		}
		return b
	}
	valid := map[string]int{}
	for range 3000 {
		n := newNet(t)
		x := n.images(1, 48, 33, 3)
		switch r.IntN(3) {
		case 0:
			edges := func() (e []cell.Edge) {
				for i := range 4 {
					e = append(e, cell.Edge{Op: ops.Set{all[r.IntN(len(all)-1)]}.Names()[0], From: r.IntN(2 + i/2)})
				}
				return e
			}
			d := cell.Derived{Body: body(), Genotype: cell.Genotype{Normal: edges(), NormalConcat: []int{2, 3}, Reduce: edges(), ReduceConcat: []int{3}}, Ops: slices.Clone(all[:len(all)-r.IntN(2)])}
			if d.Validate() != nil {
				continue
			}
			valid["derived"]++
			_, err := d.Build(n.Scope, x, nil)
			require.NoError(t, err, "%+v", d)
			assert.Equal(t, d.Body.OutputStride(), d.OutputStride())
		case 1:
			sp := cell.Space{Ops: draw(1 + r.IntN(3)), Nodes: r.IntN(3), Partial: r.IntN(3), Body: body()}
			if sp.Validate() != nil {
				continue
			}
			valid["space"]++
			_, err := sp.Supernet(n.Scope, x)
			require.NoError(t, err, "%+v", sp)
		default:
			v := 2 + r.IntN(5)
			b := cell.NASBenchNetwork{Body: cell.NASBenchBody{Stem: stem(), Width: r.IntN(5), Stacks: r.IntN(3), Modules: r.IntN(3)}}
			for i := range v {
				row := make([]int, v)
				for j := i + 1; j < v; j++ {
					row[j] = r.IntN(2)
				}
				b.Cell.Matrix = append(b.Cell.Matrix, row)
				b.Cell.Ops = append(b.Cell.Ops, []string{conv3, conv1, pool3}[r.IntN(3)])
			}
			b.Cell.Ops[0], b.Cell.Ops[v-1] = "input", "output"
			if b.Validate() != nil {
				continue
			}
			valid["NAS-Bench"]++
			_, err := b.Build(n.Scope, x, nil)
			require.NoError(t, err, "%+v", b)
		}
	}
	for _, kind := range []string{"derived", "space", "NAS-Bench"} {
		assert.Greater(t, valid[kind], 2, kind)
	}
}

// TestNASBenchAsJSON holds that names are lower case, as those of all hyperparameters.
func TestNASBenchAsJSON(t *testing.T) {
	n := cell.NASBenchNetwork{Body: cell.NASBenchBody{Stem: cell.CIFARStem, Width: 16, Stacks: 3, Modules: 2}, Cell: nasCell(nil, [2]int{0, 1})}
	text, err := json.Marshal(n)
	require.NoError(t, err)
	assert.Equal(t, `{"body":{"stem":"cifar","width":16,"stacks":3,"modules":2},"cell":{"matrix":[[0,1],[0,0]],"ops":["input","output"]}}`, string(text))
	var back cell.NASBenchNetwork
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, n, back)
}

// TestNilOperations holds that an error names the place of an operation that is nil.
func TestNilOperations(t *testing.T) {
	g, _ := cell.Published("darts_v2")
	d := cell.Derived{Body: cell.DARTS(cell.CIFARStem, 2, 3).Body, Genotype: g, Ops: append(ops.DARTS(), nil)}
	assert.EqualError(t, d.Validate(), "cell: operation 8 of Ops is nil")
	d.Ops = ops.Set{nil}
	assert.False(t, d.Ops.Has("none"))
	n := newNet(t)
	_, err := d.Body.Network(n.Scope, n.images(1, 8, 9, 3), g, d.Ops)
	assert.ErrorContains(t, err, "unknown operation")
}

// TestAbsurdNumbersOfNodes holds that they are refused, and cost no time.
func TestAbsurdNumbersOfNodes(t *testing.T) {
	for _, nodes := range []int{math.MinInt, -1, 0, 65, 1 << 40, math.MaxInt} {
		sp := cell.DARTS(cell.CIFARStem, 4, 3)
		sp.Nodes = nodes
		_ = sp.Edges()
		assert.Error(t, sp.Validate())
		_, err := sp.Derive(nil, nil, nil, nil)
		assert.Error(t, err)
	}
	for nodes, want := range []int{0, 2, 5, 9, 14} {
		assert.Equal(t, want, cell.Space{Nodes: nodes}.Edges())
	}
}
