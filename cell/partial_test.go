package cell_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/internal/graph"
	"unnas/internal/ir"
	"unnas/ops"
	"unnas/ops/optest"
)

// batchNorm returns the output of the batch normalisation of a name.
func (n net) batchNorm(name string) *gorgonia.Node {
	for _, node := range n.Graph().AllNodes() {
		op, i := graph.Of(node)
		if _, ok := op.(ir.BatchNorm); !ok || i != 0 {
			continue
		}
		statistics := graph.Children(graph.Operation(node))[1]
		if graph.Children(graph.Operation(statistics))[1].Name() == name+".running_mean" {
			return node
		}
	}
	require.Fail(n.t, "no batch normalisation "+name)
	return nil
}

// TestPartialEdges follows the only node of a cell of four channels, in two groups,
// from the inputs of the cell on, by plain loops. Its edges skip with weights of 0.5
// and -3, and their betas have shares of 1/4 and 3/4.
func TestPartialEdges(t *testing.T) {
	mixes, share := [2]float64{0.5, -3}, [2]float64{0.25, 0.75}
	for name, c := range map[string]struct {
		h, w, stride, window, before int // before: how many pixels before it a window begins
	}{
		"normal":           {5, 4, 1, 1, 0},
		"reduction":        {6, 4, 2, 2, 0},
		"odd reduction":    {5, 4, 2, 3, 1},
		"odder reduction":  {5, 7, 2, 3, 1},
		"narrow reduction": {4, 3, 2, 3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			space := cell.Space{Ops: ops.Set{ops.None(), ops.Skip()}, Nodes: 1, PartialChannels: 2, Backbone: cell.Backbone{Stem: cell.CIFARStem, Width: 4, Cells: 1}}
			if c.stride == 2 {
				space.Backbone.Width, space.Backbone.Reductions = 2, []int{0}
			}
			n := newNet(t)
			x := n.images(2, c.h, c.w, 3)
			super, err := space.SupernetWith(n.Scope, x, func(alphas *gorgonia.Node) (*gorgonia.Node, error) { return alphas, nil })
			require.NoError(t, err)
			n.training(x, super.Out) // binds images
			alphas, betas := super.Normal, super.NormalBetas
			if c.stride == 2 {
				alphas, betas = super.Reduce, super.ReduceBetas
			}
			copy(n.Params().Data(alphas), []float32{9, float32(mixes[0]), 9, float32(mixes[1])})
			copy(n.Params().Data(betas), []float32{1, 1 + float32(math.Log(3))})
			states := [2]*gorgonia.Node{n.batchNorm("cells.0.preprocess0.op.2"), n.batchNorm("cells.0.preprocess1.op.2")}
			mixed := states
			if c.stride == 2 {
				mixed = [2]*gorgonia.Node{n.batchNorm("cells.0._ops.0._ops.1.bn"), n.batchNorm("cells.0._ops.1._ops.1.bn")}
			}
			m, err := ops.NewVM(n.Graph(), super.Out, states[0], states[1], mixed[0], mixed[1])
			require.NoError(t, err)
			require.NoError(t, m.RunAll())

			oh, ow := (c.h+c.stride-1)/c.stride, (c.w+c.stride-1)/c.stride
			require.Equal(t, tensor.Shape{2, oh, ow, 4}, super.Out.Shape())
			got := super.Out.Value().Data().([]float32)
			at := 0
			for image := range 2 {
				for y := range oh {
					for x := range ow {
						for channel := range 4 {
							j, group := channel/2, channel%2
							var want float64
							for e := range 2 {
								if group == 0 { // channels 0 and 1 went through the mixed operation
									v := mixed[e].Value().Data().([]float32)
									channels := mixed[e].Shape()[3]
									want += share[e] * mixes[e] * float64(v[((image*oh+y)*ow+x)*channels+j])
									continue
								}
								v := states[e].Value().Data().([]float32)
								largest := math.Inf(-1)
								for dy := range c.window {
									for dx := range c.window {
										if py, px := y*c.stride+dy-c.before, x*c.stride+dx-c.before; py >= 0 && py < c.h && px >= 0 && px < c.w {
											largest = max(largest, float64(v[((image*c.h+py)*c.w+px)*4+2+j]))
										}
									}
								}
								want += share[e] * largest
							}
							require.InDelta(t, want, got[at], 1e-5, "image %d, pixel (%d, %d), channel %d", image, y, x, channel)
							at++
						}
					}
				}
			}
		})
	}
}

// TestPartialGradients compares all gradients, those of betas among them, with
// differences, and all results with those of Gorgonia's machine.
func TestPartialGradients(t *testing.T) {
	space := cell.Space{
		Ops: ops.Set{ops.None(), ops.AvgPool(3), ops.Skip(), ops.ReLUConv(1)}, Nodes: 2, PartialChannels: 2,
		Backbone: cell.Backbone{Stem: cell.CIFARStem, Width: 4, Cells: 2, Reductions: []int{1}},
	}
	optest.RunGraph(t, func(s *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
		super, err := space.Supernet(s, in[0])
		if err != nil {
			return nil, err
		}
		return super.Out, nil
	}, ops.Array{Shape: tensor.Shape{2, 6, 5, 3}})
}

func TestBetas(t *testing.T) {
	space := cell.DARTS(cell.CIFARStem, 4, 3)
	space.PartialChannels = 1
	n := newNet(t)
	super, err := space.Supernet(n.Scope, n.images(1, 8, 6, 3))
	require.NoError(t, err)
	assert.Nil(t, super.NormalBetas)
	require.NoError(t, n.Params().Init(1))
	normal, reduce := super.Betas()
	assert.Nil(t, normal)
	assert.Nil(t, reduce)

	space.PartialChannels = 4
	n = newNet(t)
	super, err = space.Supernet(n.Scope, n.images(1, 8, 6, 3))
	require.NoError(t, err)
	assert.Equal(t, "betas_normal", super.NormalBetas.Name)
	assert.Equal(t, "betas_reduce", super.ReduceBetas.Name)
	assert.Equal(t, tensor.Shape{14}, super.NormalBetas.Shape)
	assert.True(t, super.NormalBetas.Alpha && super.ReduceBetas.Alpha)
	normal, _ = super.Betas()
	assert.Nil(t, normal, "before Init")
	require.NoError(t, n.Params().Init(1))
	normal, reduce = super.Betas()
	require.Len(t, normal, 14)
	require.Len(t, reduce, 14)
	assert.NotEqual(t, normal, reduce)
	var squares float64
	for i := range normal {
		squares += normal[i]*normal[i] + reduce[i]*reduce[i]
	}
	assert.InDelta(t, 1e-3, math.Sqrt(squares/28), 3e-4)

	// A large beta of edge 2→5 of reduction cells brings it in.
	n.Params().Data(super.ReduceBetas)[9+2] = 5
	g, err := super.Genotype()
	require.NoError(t, err)
	assert.Equal(t, 2, g.Reduce[6].From)
}

// TestDeriveWithBetas weighs the edges 0→2, 1→2, 0→3, 1→3 and 2→3, whose strongest
// operations have the probabilities 3/6, 4/7, 2/5, 7/10 and 5/8.
func TestDeriveWithBetas(t *testing.T) {
	space := cell.Space{Ops: ops.Set{ops.None(), ops.AvgPool(3), ops.Skip(), ops.SepConv(3)}, Nodes: 2}
	ln := math.Log
	alphas := [][]float64{{0, ln(3), 0, 0}, {0, 0, 0, ln(4)}, {0, ln(2), 0, 0}, {0, 0, 0, ln(7)}, {0, 0, ln(5), 0}}
	edge := func(op string, from int) cell.Edge { return cell.Edge{Op: op, From: from} }
	pool, skip, conv := "avg_pool_3x3", "skip_connect", "sep_conv_3x3"
	plain := []cell.Edge{edge(conv, 1), edge(pool, 0), edge(conv, 1), edge(skip, 2)}
	for name, c := range map[string]struct {
		betas []float64
		want  []cell.Edge
	}{
		"no betas":    {nil, plain},
		"equal betas": {[]float64{-3, -3, 2, 2, 2}, plain},
		// Node 2: 3/6 · 3/5 = 0.3 and 4/7 · 2/5 = 0.23. Node 3: 2/5 · 6/10 = 0.24,
		// 7/10 · 3/10 = 0.21 and 5/8 · 1/10 = 0.06.
		"betas decide":        {[]float64{ln(3), ln(2), ln(6), ln(3), ln(1)}, []cell.Edge{edge(pool, 0), edge(conv, 1), edge(pool, 0), edge(conv, 1)}},
		"large betas":         {[]float64{0, 0, 1e300, 0, 0}, []cell.Edge{edge(conv, 1), edge(pool, 0), edge(pool, 0), edge(conv, 1)}},
		"a constant is added": {[]float64{ln(3) + 9, ln(2) + 9, ln(6) - 4, ln(3) - 4, -4}, []cell.Edge{edge(pool, 0), edge(conv, 1), edge(pool, 0), edge(conv, 1)}},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := space.Derive(alphas, alphas, c.betas, nil)
			require.NoError(t, err)
			assert.Equal(t, c.want, g.Normal)
			assert.Equal(t, plain, g.Reduce)
			g, err = space.Derive(alphas, alphas, nil, c.betas)
			require.NoError(t, err)
			assert.Equal(t, plain, g.Normal)
			assert.Equal(t, c.want, g.Reduce)
		})
	}

	// Of two skip connections, of probabilities 3/6 and 4/7, the betas weaken the
	// second, which is barred.
	one := cell.Space{Ops: space.Ops, Nodes: 1, MaxSkips: 1}
	g, err := one.Derive([][]float64{{0, 0, ln(3), 0}, {0, 0, ln(4), 0}}, alphas[:2], []float64{ln(2), 0}, nil)
	require.NoError(t, err)
	assert.Equal(t, []cell.Edge{edge(skip, 0), edge(pool, 1)}, g.Normal)

	_, err = space.Derive(alphas, alphas, make([]float64, 4), nil)
	assert.EqualError(t, err, "normal cell: cell: derive: 4 betas for 5 edges")
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		_, err = space.Derive(alphas, alphas, nil, []float64{0, 0, 0, bad, 0})
		assert.EqualError(t, err, fmt.Sprintf("reduction cell: cell: derive: node 3: beta %v of the edge from 1 is not finite", bad))
	}
}
