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

func TestWithStride(t *testing.T) {
	whole := cell.DARTS(cell.ImageNetStem, 8, 12).Backbone
	for _, c := range []struct {
		stride                int
		reading               segmentation.StrideMode
		reductions, unstrided []int
		dilated               []int
	}{
		{32, segmentation.RemoveReduction, []int{4, 8}, nil, nil},
		{16, segmentation.RemoveReduction, []int{4}, nil, nil},
		{8, segmentation.RemoveReduction, []int{}, nil, []int{5, 6, 7, 8, 9, 10, 11}},
		{32, segmentation.KeepReduction, []int{4, 8}, nil, nil},
		{16, segmentation.KeepReduction, []int{4, 8}, []int{8}, nil},
		{8, segmentation.KeepReduction, []int{4, 8}, []int{4, 8}, []int{5, 6, 7, 8, 9, 10, 11}},
	} {
		t.Run(fmt.Sprintf("%d %s", c.stride, c.reading), func(t *testing.T) {
			b, err := segmentation.WithStride(whole, c.stride, c.reading)
			require.NoError(t, err)
			assert.Equal(t, c.reductions, b.Reductions)
			assert.Equal(t, c.unstrided, b.StrideOne)
			assert.Equal(t, c.dilated, b.Dilated)
			assert.Equal(t, c.stride, b.OutputStride())
			again, err := segmentation.WithStride(b, c.stride, c.reading)
			require.NoError(t, err)
			assert.Equal(t, b, again)
		})
	}
	assert.Equal(t, cell.DARTS(cell.ImageNetStem, 8, 12).Backbone, whole, "the body given stays as it is")
	asRelease, err := segmentation.WithStride(whole, 16, segmentation.RemoveReduction)
	require.NoError(t, err)
	assert.Equal(t, cell.Reductions(12, 1), asRelease.Reductions)
	mixed, err := segmentation.WithStride(cell.Backbone{Stem: cell.CIFARStem, Width: 4, Cells: 9, Reductions: []int{1, 3, 5}, StrideOne: []int{3}}, 2, segmentation.KeepReduction)
	require.NoError(t, err)
	assert.Equal(t, []int{3, 5}, mixed.StrideOne)
}

func TestWithStrideErrors(t *testing.T) {
	body := cell.DARTS(cell.ImageNetStem, 8, 12).Backbone
	_, err := segmentation.WithStride(body, 64, segmentation.RemoveReduction)
	require.EqualError(t, err, "segmentation: output stride 64, want one of [32 16 8] for this backbone")
	three := body
	three.Reductions = []int{2, 4, 8}
	_, err = segmentation.WithStride(three, 8, segmentation.RemoveReduction)
	require.EqualError(t, err, "segmentation: output stride 8, want one of [64 32 16] for this backbone")
	_, err = segmentation.WithStride(body, 16, "literal")
	require.EqualError(t, err, `segmentation: StrideMode "literal", want "normal" or "reduction"`)
	body.StrideOne = []int{5}
	_, err = segmentation.WithStride(body, 16, segmentation.RemoveReduction)
	require.ErrorContains(t, err, "segmentation: cell: StrideOne is [5]; want some of Reductions, [4 8], in ascending order")
}

// Both readings of output stride 16, and 8 in the first. In the second reading the
// last cells have twice the channels.
func ExampleWithStride() {
	genotype, _ := cell.GenotypeByName("unnas_cityscapes_rot")
	body := cell.DARTS(cell.ImageNetStem, 8, 6).Backbone
	for _, c := range []struct {
		stride  int
		reading segmentation.StrideMode
	}{{16, segmentation.RemoveReduction}, {16, segmentation.KeepReduction}, {8, segmentation.RemoveReduction}} {
		b, err := segmentation.WithStride(body, c.stride, c.reading)
		if err != nil {
			fmt.Println(err)
			return
		}
		g := gorgonia.NewGraph()
		x, _ := ops.Images(g, "images", 1, 65, 97, 3)
		net, err := b.Network(ops.NewScope(g, ops.NewParams()), x, genotype, ops.All())
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(c.reading, c.stride, net.Out.Shape(), b.Dilated)
	}
	// Output:
	// normal 16 (1, 5, 7, 64) []
	// reduction 16 (1, 5, 7, 128) []
	// normal 8 (1, 9, 13, 32) [3 4 5]
}
