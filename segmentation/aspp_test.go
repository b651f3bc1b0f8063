package segmentation_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/ops"
	"unnas/segmentation"
)

func TestASPPShapesAndNames(t *testing.T) {
	for name, test := range map[string]struct {
		head   segmentation.ASPP
		params int
	}{
		// Five 1×1 convolutions and one 3×3 for each rate, with normalisations.
		"search": {segmentation.ASPP{Channels: 4, Rates: []int{6}, Classes: 5},
			(10*4 + 8) + (90*4 + 8) + (10*4 + 8) + (3*4*4 + 8) + (4*5 + 5)},
		"evaluation": {segmentation.ASPP{Channels: 4, Rates: []int{6, 12, 18}, Classes: 5},
			(10*4 + 8) + 3*(90*4+8) + (10*4 + 8) + (5*4*4 + 8) + (4*5 + 5)},
	} {
		t.Run(name, func(t *testing.T) {
			g := gorgonia.NewGraph()
			s := ops.NewScope(g, ops.NewParams())
			x, err := ops.Images(g, "x", 2, 7, 9, 10)
			require.NoError(t, err)
			y, err := test.head.Build(s.Sub("head"), x)
			require.NoError(t, err)
			assert.Equal(t, []int{2, 7, 9, 5}, []int(y.Shape()), "logits have the resolution of the map")
			assert.Equal(t, test.params, s.Params().Count())
			assert.NotNil(t, s.Params().Find("head.aspp5.0.weight"))
			assert.NotNil(t, s.Params().Find("head.classifier.3.bias"))
			assert.Equal(t, len(test.head.Rates) == 3, s.Params().Find("head.aspp4.0.weight") != nil)
		})
	}
}

// The image branch sees the whole map: a change of one corner reaches all pixels.
func TestASPPBranchesReachFar(t *testing.T) {
	g := gorgonia.NewGraph()
	s := ops.NewScope(g, ops.NewParams())
	x, err := ops.Images(g, "x", 1, 3, 5, 2)
	require.NoError(t, err)
	y, err := segmentation.ASPP{Channels: 16, Rates: []int{2}, Classes: 2}.Build(s, x)
	require.NoError(t, err)
	require.NoError(t, s.Params().Init(3))
	m, err := ops.NewVM(g, y)
	require.NoError(t, err)
	m.SetTraining(false) // a batch of one image has no statistics of its image branch
	run := func(corner float32) []float32 {
		data := make([]float32, 30)
		data[0] = corner
		require.NoError(t, ops.Bind(x, data))
		require.NoError(t, m.RunAll())
		return append([]float32(nil), y.Value().Data().([]float32)...)
	}
	before, after := run(0), run(5)
	assert.NotEqual(t, before[len(before)-2:], after[len(after)-2:])
}

func TestASPPBadSettings(t *testing.T) {
	g := gorgonia.NewGraph()
	x, err := ops.Images(g, "x", 1, 4, 5, 2)
	require.NoError(t, err)
	for name, head := range map[string]segmentation.ASPP{
		"no channels": {Channels: 0, Rates: []int{6}, Classes: 3},
		"one class":   {Channels: 4, Rates: []int{6}, Classes: 1},
		"no rates":    {Channels: 4, Classes: 3},
		"four rates":  {Channels: 4, Rates: []int{1, 2, 3, 4}, Classes: 3},
		"rate zero":   {Channels: 4, Rates: []int{0}, Classes: 3},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := head.Build(ops.NewScope(g, ops.NewParams()), x)
			require.ErrorContains(t, err, "segmentation: ")
		})
	}
	flat, err := ops.GlobalAvgPool(x)
	require.NoError(t, err)
	_, err = segmentation.SearchASPP(3).Build(ops.NewScope(g, ops.NewParams()), flat)
	require.ErrorContains(t, err, "feature map")
}

// A network for images of 65×97 pixels: its last map has a sixteenth of the
// resolution, and the head gives one logit for each class there.
func ExampleASPP() {
	genotype, _ := cell.GenotypeByName("unnas_cityscapes_rot")
	body := cell.Backbone{Stem: cell.ImageNetStem, Width: 8, Cells: 6, Reductions: cell.Reductions(6, 1)}
	g := gorgonia.NewGraph()
	s := ops.NewScope(g, ops.NewParams())
	x, _ := ops.Images(g, "images", 1, 65, 97, 3)
	net, err := body.Network(s, x, genotype, ops.All())
	if err != nil {
		fmt.Println(err)
		return
	}
	logits, err := segmentation.EvalASPP(19).Build(s.Sub("head"), net.Out)
	fmt.Println(logits.Shape(), err)
	full, err := ops.Upsample(logits, 65, 97)
	fmt.Println(full.Shape(), err)
	// Output:
	// (1, 5, 7, 19) <nil>
	// (1, 65, 97, 19) <nil>
}
