package cell_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/ops"
)

// classify adds a linear classifier.
func classify(t testing.TB, s *ops.Scope, features *gorgonia.Node, classes int) {
	y, err := ops.GlobalAvgPool(features)
	require.NoError(t, err)
	_, err = s.Sub("classifier").Linear(y, 1, classes)
	require.NoError(t, err)
}

// TestMeasure has values that were published or counted in the authors' release.
// Package golden compares with whole tables of them.
func TestMeasure(t *testing.T) {
	v2, _ := cell.GenotypeByName("darts_v2")
	derived := func(g cell.Genotype) func(n net, x *gorgonia.Node, b cell.Backbone) *gorgonia.Node {
		return func(n net, x *gorgonia.Node, b cell.Backbone) *gorgonia.Node {
			y, err := b.Network(n.Scope, x, g, ops.All())
			require.NoError(n.t, err)
			return y.Out
		}
	}
	rotation, _ := cell.GenotypeByName("unnas_imagenet_rot")
	supernet := func(n net, x *gorgonia.Node, b cell.Backbone) *gorgonia.Node {
		y, err := cell.Space{Ops: ops.DARTS(), Nodes: 4, Backbone: b}.Supernet(n.Scope, x)
		require.NoError(n.t, err)
		return y.Out
	}
	cases := []struct {
		name    string
		body    cell.Backbone
		build   func(n net, x *gorgonia.Node, b cell.Backbone) *gorgonia.Node
		size    int
		classes int
		want    cell.Complexity
	}{
		{"DARTS V2 for CIFAR", cell.DARTS(cell.CIFARStem, 36, 20).Backbone, derived(v2), 32, 10, cell.Complexity{Params: 3349342, MACs: 528359040, THOP: 539123904}},
		{"DARTS V2 for ImageNet", cell.DARTS(cell.ImageNetStem, 48, 14).Backbone, derived(v2), 224, 1000, cell.Complexity{Params: 4718752, MACs: 529911552, THOP: 538228992}},
		{"UnNAS, rotation", cell.DARTS(cell.ImageNetStem, 42, 14).Backbone, derived(rotation), 224, 1000, cell.Complexity{Params: 5138083, MACs: 551491584, THOP: 561864576}},
		{"supernet for CIFAR", cell.DARTS(cell.CIFARStem, 16, 8).Backbone, supernet, 32, 10, cell.Complexity{Params: 1930618, MACs: 300255744}},
		{"supernet for ImageNet", cell.DARTS(cell.ImageNetStem, 16, 8).Backbone, supernet, 224, 1000, cell.Complexity{Params: 2185872, MACs: 236045568}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := newNet(t)
			y := c.build(n, n.images(1, c.size, c.size, 3), c.body)
			classify(t, n.Scope, y, c.classes)
			got := cell.Measure(n.Scope)
			if c.want.THOP == 0 {
				got.THOP = 0 // not counted there
			}
			assert.Equal(t, c.want, got)
		})
	}
}

// TestMeasureByHand covers every kind of layer in a network of a few.
func TestMeasureByHand(t *testing.T) {
	for _, batch := range []int64{1, 3} {
		n := newNet(t)
		x := n.images(int(batch), 6, 5, 4)
		_, err := n.Alpha("alphas", []int{2, 3}, ops.Constant(0))
		require.NoError(t, err)
		y, err := n.Sub("conv").Conv(x, ops.ConvConfig{Out: 7, Window: ops.Square(3, 2, 1, 1), Bias: true}) // 3×3 pixels
		require.NoError(t, err)
		y, err = n.Sub("norm").BatchNorm(y, true)
		require.NoError(t, err)
		y, err = ops.AvgPool2D(y, 2, 1, 0) // 2×2 pixels
		require.NoError(t, err)
		y, err = ops.DilConv(3).Build(n.Sub("dil"), y, ops.OpConfig{Stride: 1})
		require.NoError(t, err)
		y, err = n.Sub("reduce").FactorizedReduce(y, 6, false) // one pixel
		require.NoError(t, err)
		_, err = ops.MaxPool2D(y, 1, 1, 0)
		require.NoError(t, err)
		classify(t, n.Scope, y, 5)
		params := 9*4*7 + 7 + 7 + 7 + 9*7 + 7*7 + 7*6 + 6*5 + 5
		macs := batch * (9*9*4*7 + 4*(9*7+7*7) + 7*6 + 6*5)
		thop := macs + batch*(9*7+2*(9*7+4*7+6)+4*7+2*6)
		assert.Equal(t, cell.Complexity{Params: params, MACs: macs, THOP: thop}, cell.Measure(n.Scope))
	}
}

// TestMeasureCountsDeadEnds: published tables count layers without effect, too.
func TestMeasureCountsDeadEnds(t *testing.T) {
	g := cell.Genotype{
		Normal:       []cell.Edge{{Op: "sep_conv_3x3", From: 1}, {Op: "skip_connect", From: 0}, {Op: "none", From: 2}, {Op: "skip_connect", From: 1}},
		NormalConcat: []int{3},
		Reduce:       []cell.Edge{{Op: "none", From: 1}, {Op: "none", From: 0}, {Op: "none", From: 0}, {Op: "none", From: 1}},
		ReduceConcat: []int{2, 3},
	}
	body := cell.Backbone{Stem: cell.CIFARStem, Width: 4, Cells: 1}
	n := newNet(t)
	_, err := body.Network(n.Scope, n.images(1, 6, 5, 3), g, ops.DARTS())
	require.NoError(t, err)
	stem, inputs, convolution := 27*12+24, 2*(12*4+8), 2*(9*4+16+8)
	assert.Equal(t, stem+inputs+convolution, cell.Measure(n.Scope).Params)
	assert.Equal(t, int64(30*(27*12+2*12*4+2*(9*4+16))), cell.Measure(n.Scope).MACs)
}

func ExampleMeasure() {
	var size cell.Complexity
	err := ops.Build(func() error {
		g := gorgonia.NewGraph()
		s := ops.NewScope(g, ops.NewParams())
		x, err := ops.Images(g, "images", 1, 32, 32, 3)
		if err != nil {
			return err
		}
		genotype, _ := cell.GenotypeByName("darts_v2")
		if _, err := cell.DARTS(cell.CIFARStem, 36, 20).Backbone.Network(s, x, genotype, ops.DARTS()); err != nil {
			return err
		}
		size = cell.Measure(s)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d weights, %.0f million multiply-adds without a classifier\n", size.Params, float64(size.MACs)/1e6)
	// Output: 3343572 weights, 528 million multiply-adds without a classifier
}
