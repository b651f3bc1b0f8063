package ops_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// TestCropNodes builds what makes inputs of crops, which the CPU then refuses.
func TestCropNodes(t *testing.T) {
	g := gorgonia.NewGraph()
	crops, err := ops.Crops(g, "crops", 2, 6, 6)
	require.NoError(t, err)
	numbers, err := ops.Values(g, "numbers", 2, 14)
	require.NoError(t, err)
	labels, err := ops.Labels(g, "labels", 2)
	require.NoError(t, err)
	x, err := ops.NormaliseCrops(crops, numbers)
	require.NoError(t, err)
	assert.Equal(t, tensor.Shape{2, 6, 6, 3}, x.Shape())
	assert.Equal(t, tensor.Float32, x.Dtype())
	turns, err := ops.QuarterTurns(x)
	require.NoError(t, err)
	assert.Equal(t, tensor.Shape{8, 6, 6, 3}, turns.Shape())
	tiles, err := ops.Tiles(x, numbers, 2, 3, 5)
	require.NoError(t, err)
	assert.Equal(t, tensor.Shape{4, 3, 5, 3}, tiles.Shape())
	lightness, bins, err := ops.Lab(crops, numbers, labels, ops.LabConfig{Std: 1, Step: 10, Rows: []ops.BinRow{{Count: 3}}})
	require.NoError(t, err)
	assert.Equal(t, tensor.Shape{2, 6, 6, 1}, lightness.Shape())
	assert.Equal(t, tensor.Shape{2, 6, 6}, bins.Shape())
	assert.Equal(t, tensor.Int32, bins.Dtype())

	require.NoError(t, ops.Bind(crops, make([]uint8, 2*6*6*3)))
	assert.ErrorContains(t, ops.Bind(crops, make([]uint8, 7)), "7 values for shape (2, 6, 6, 3), want 216")
	assert.Error(t, ops.Bind(crops, make([]float32, 2*6*6*3)))
	_, err = ops.NewVM(g, turns)
	assert.ErrorContains(t, err, "makes inputs of crops, which devices do; on the CPU, Sample of the task makes them")
}

func TestCropsRefuse(t *testing.T) {
	g := gorgonia.NewGraph()
	crops, err := ops.Crops(g, "crops", 2, 6, 5)
	require.NoError(t, err)
	floats, err := ops.Images(g, "floats", 2, 6, 5, 3)
	require.NoError(t, err)
	numbers, err := ops.Values(g, "numbers", 2, 14)
	require.NoError(t, err)
	few, err := ops.Values(g, "few", 2, 9)
	require.NoError(t, err)
	labels, err := ops.Labels(g, "labels", 2)
	require.NoError(t, err)
	one := func(_ *gorgonia.Node, err error) error { return err }
	lab := func(crops, numbers, labels *gorgonia.Node, c ops.LabConfig) error {
		_, _, err := ops.Lab(crops, numbers, labels, c)
		return err
	}
	rows := []ops.BinRow{{Count: 3}}
	for want, err := range map[string]error{
		`crops "c": shape (2, 0, 3, 3)`:                     one(ops.Crops(g, "c", 2, 0, 3)),
		`already has a node named "crops"`:                  one(ops.Crops(g, "crops", 2, 2, 3)),
		"crops: the input is a nil node":                    one(ops.NormaliseCrops(nil, numbers)),
		"crops floats of type float32; want bytes":          one(ops.NormaliseCrops(floats, numbers)),
		"numbers of crops: labels is of type int32":         one(ops.NormaliseCrops(crops, labels)),
		"numbers of (2, 9); want":                           one(ops.NormaliseCrops(crops, few)),
		"want squares":                                      one(ops.QuarterTurns(floats)),
		"crops is of type uint8; convert it to float32":     one(ops.QuarterTurns(crops)),
		"Tiles{1 of 7×2}: images of shape (2, 6, 5, 3)":     one(ops.Tiles(floats, numbers, 1, 7, 2)),
		"Tiles{0 of 2×2}":                                   one(ops.Tiles(floats, numbers, 0, 2, 2)),
		"Tiles{5 of 2×2}: numbers of shape (2, 9)":          one(ops.Tiles(floats, few, 5, 2, 2)),
		"labels numbers of type float32":                    lab(crops, numbers, numbers, ops.LabConfig{Std: 1, Step: 1, Rows: rows}),
		"Std = 0 and Step = 1":                              lab(crops, numbers, labels, ops.LabConfig{Step: 1, Rows: rows}),
		"Std = 1 and Step = 0":                              lab(crops, numbers, labels, ops.LabConfig{Std: 1, Rows: rows}),
		"there are no bins":                                 lab(crops, numbers, labels, ops.LabConfig{Std: 1, Step: 1}),
		"Rows[1].Count = 0":                                 lab(crops, numbers, labels, ops.LabConfig{Std: 1, Step: 1, Rows: append(rows, ops.BinRow{})}),
		"crops floats of type float32; want bytes, as ops.": lab(floats, numbers, labels, ops.LabConfig{Std: 1, Step: 1, Rows: rows}),
	} {
		assert.ErrorContains(t, err, want)
	}
}
