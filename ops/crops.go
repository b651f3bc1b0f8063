package ops

import (
	"errors"
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/ir"
)

// CropNumbers is the number of floats with which NormaliseCrops normalises a crop: the
// rectangle of the image in it as rows [top, bottom) and columns [left, right), outside of
// which is padding, then the gains and the biases of red, green and blue.
const CropNumbers = ir.CropNumbers

// Crops returns a new input node for crops of images, [n, h, w, 3]: a byte for red, green and
// blue of each pixel. [NormaliseCrops] and [Lab] read it.
func Crops(g *gorgonia.ExprGraph, name string, n, h, w int) (*gorgonia.Node, error) {
	shape := tensor.Shape{n, h, w, 3}
	if err := ir.Shape(shape).Check(); err != nil {
		return nil, fmt.Errorf("ops: crops %q: %w", name, err)
	}
	return uniqueInput(g, tensor.Uint8, name, shape)
}

// needCrops returns an error unless a node is of crops and the other of numbers.
func needCrops(crops, numbers *gorgonia.Node) error {
	if crops == nil {
		return fmt.Errorf("ops: crops: %w", errNilNode)
	}
	if d := crops.Dtype(); d != tensor.Uint8 {
		return fmt.Errorf("ops: crops %s of type %v; want bytes, as ops.Crops makes", crops.Name(), d)
	}
	if err := needFloats(numbers); err != nil {
		return fmt.Errorf("ops: numbers of crops: %w", err)
	}
	return nil
}

// NormaliseCrops returns byte·gain + bias for each channel of crops [N, H, W, 3], and zeros
// in their padding: [N, H, W, 3]. The first [CropNumbers] of the numbers [N, K] of a crop say
// how. It runs on devices alone and has no gradient.
func NormaliseCrops(crops, numbers *gorgonia.Node) (*gorgonia.Node, error) {
	if err := needCrops(crops, numbers); err != nil {
		return nil, err
	}
	out, err := outputs(ir.NormaliseCrops{}, crops, numbers)
	if err != nil {
		return nil, err
	}
	return out(0), nil
}

// QuarterTurns returns each of the square images x [N, H, H, C] rotated by 0, 90, 180 and 270
// degrees counter-clockwise: [4N, H, H, C]. It runs on devices alone and has no gradient.
func QuarterTurns(x *gorgonia.Node) (*gorgonia.Node, error) { return apply(ir.QuarterTurns{}, x) }

// Tiles returns count tiles of height×width pixels of each of the images x [N, H, W, C], each
// normalised to mean 0 and standard deviation 1 over pixels and channels together: [N·count,
// height, width, C]. A tile of a single value becomes zeros. The last 2·count of the numbers
// [N, K] of an image are the top row and the left column of each tile; a tile must lie within
// the image. It runs on devices alone and has no gradient.
func Tiles(x, numbers *gorgonia.Node, count, height, width int) (*gorgonia.Node, error) {
	return apply(ir.Tiles{Count: count, Height: height, Width: width}, x, numbers)
}

// BinRow is Count bins of the ab plane of CIELAB with one value of a: at b = B, B + Step and
// on.
type BinRow struct {
	A, B  float64
	Count int
}

// LabConfig configures Lab.
type LabConfig struct {
	// Mean and Std normalise the lightness, with white at 1.
	Mean, Std float64
	// Rows are the bins, numbered row by row, and Step is their distance along b.
	Rows []BinRow
	Step float64
	// IgnoreIndex is the bin of padding, and of the pixels of images with this label.
	IgnoreIndex int32
}

// Lab converts crops [N, H, W, 3] from sRGB to CIELAB, with illuminant D65 and the 2°
// observer. It returns the normalised lightness [N, H, W, 1], zeros in the padding, and for
// each pixel the number of the bin nearest to its a and b, int32 [N, H, W]: the first of
// several. Of the numbers [N, K] it reads the rectangle (see [CropNumbers]), and the labels
// [N] mark images to be ignored. It runs on devices alone and has no gradient.
func Lab(crops, numbers, labels *gorgonia.Node, c LabConfig) (lightness, bins *gorgonia.Node, err error) {
	if err := needCrops(crops, numbers); err != nil {
		return nil, nil, err
	}
	if err := needLabels(labels); err != nil {
		return nil, nil, err
	}
	if !(c.Std > 0 && c.Step > 0) || math.IsInf(c.Std, 0) || math.IsInf(c.Step, 0) || math.IsNaN(c.Mean) || math.IsInf(c.Mean, 0) {
		return nil, nil, fmt.Errorf("ops: Lab: Mean = %v, Std = %v and Step = %v; want finite numbers, the last two above 0", c.Mean, c.Std, c.Step)
	}
	o := ir.Lab{Mean: c.Mean, Std: c.Std, Step: c.Step, Ignore: c.IgnoreIndex}
	for i, r := range c.Rows {
		if r.Count < 1 {
			return nil, nil, fmt.Errorf("ops: Lab: Rows[%d].Count = %d; want 1 or more", i, r.Count)
		}
		o.Rows = append(o.Rows, ir.BinRow(r))
	}
	if len(o.Rows) == 0 {
		return nil, nil, errors.New("ops: Lab: there are no bins; fill Rows")
	}
	out, err := outputs(o, crops, numbers, labels)
	if err != nil {
		return nil, nil, err
	}
	return out(0), out(1), nil
}
