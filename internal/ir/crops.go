package ir

import (
	"fmt"
	"strings"
)

// The operators of this file make inputs of networks from crops of images. They run on
// devices alone: package cpuexec has no kernels for them, since the data loader makes the
// inputs of networks on the CPU. They have no gradients.

// CropNumbers is the number of floats that describe a crop: the rectangle of the image as
// rows [top, bottom) and columns [left, right), outside of which is padding, then the gains
// and the biases of red, green and blue.
const CropNumbers = 10

// crops returns an error unless there are crops [N, H, W, 3] and least or more numbers for
// each of them.
func crops(x, numbers Shape, least int) error {
	if len(x) != 4 || x[3] != 3 || len(numbers) != 2 || numbers[0] != x[0] || numbers[1] < least {
		return fmt.Errorf("crops of shape %v and numbers of %v; want [N, H, W, 3] and [N, %d] or more", x, numbers, least)
	}
	return nil
}

// NormaliseCrops is byte·gain + bias of each channel of crops [N, H, W, 3], and zeros in their
// padding. Inputs: crops of uint8, numbers [N, CropNumbers or more].
type NormaliseCrops struct{}

func (NormaliseCrops) String() string { return "NormaliseCrops" }

// Infer returns the shape of the crops.
func (NormaliseCrops) Infer(in []Shape) ([]Shape, error) {
	if err := crops(in[0], in[1], CropNumbers); err != nil {
		return nil, err
	}
	return in[:1], nil
}

// QuarterTurns is each of the square images x [N, H, H, C] rotated by 0, 90, 180 and 270
// degrees counter-clockwise: [4N, H, H, C].
type QuarterTurns struct{}

func (QuarterTurns) String() string { return "QuarterTurns" }

// Infer returns the shape of all rotations.
func (QuarterTurns) Infer(in []Shape) ([]Shape, error) {
	n, h, w, c, err := in[0].FeatureMap()
	if err != nil {
		return nil, err
	}
	if h != w {
		return nil, fmt.Errorf("images of shape %v; want squares", in[0])
	}
	return []Shape{{4 * n, h, w, c}}, nil
}

// Tiles cuts tiles out of each image of x [N, H, W, C], and normalises each to mean 0 and
// standard deviation 1 over all of its elements; a tile of equal elements becomes zeros. The
// last 2·Count numbers of an image are the top row and the left column of each of its tiles.
// Inputs: x, numbers [N, 2·Count or more]. Output: [N·Count, Height, Width, C].
type Tiles struct{ Count, Height, Width int }

// LeastDeviation is the standard deviation below which that of a tile counts as this much.
const LeastDeviation = 1e-6

func (o Tiles) String() string { return fmt.Sprintf("Tiles{%d of %d×%d}", o.Count, o.Height, o.Width) }

// Infer returns the shape of the tiles.
func (o Tiles) Infer(in []Shape) ([]Shape, error) {
	n, h, w, c, err := in[0].FeatureMap()
	if err != nil {
		return nil, err
	}
	if o.Count < 1 || o.Height < 1 || o.Width < 1 || o.Height > h || o.Width > w {
		return nil, fmt.Errorf("images of shape %v; want tiles that lie within them", in[0])
	}
	if len(in[1]) != 2 || in[1][0] != n || in[1][1] < 2*o.Count {
		return nil, fmt.Errorf("numbers of shape %v for images of %v; want [%d, %d] or more", in[1], in[0], n, 2*o.Count)
	}
	return []Shape{{n * o.Count, o.Height, o.Width, c}}, nil
}

// A BinRow is Count bins of the ab plane with one value of a, at b = B, B + Step and on.
type BinRow struct {
	A, B  float64
	Count int
}

// Lab converts crops from sRGB to CIELAB, with illuminant D65 and the 2° observer. It gives
// the lightness, from 0 to 1, normalised by Mean and Std, and for each pixel the number of the
// nearest bin, the first of several; bins are numbered row by row. Padding has lightness 0
// after normalisation, and the bin Ignore, as have all pixels of an image whose label is
// Ignore. Inputs: crops of uint8 [N, H, W, 3], numbers [N, CropNumbers or more] of which only
// the rectangle counts, labels [N] of int32. Outputs: lightness [N, H, W, 1], bins [N, H, W]
// of int32.
type Lab struct {
	Mean, Std float64
	Step      float64
	Rows      []BinRow
	Ignore    int32
}

func (o Lab) String() string {
	var rows strings.Builder
	for _, r := range o.Rows {
		fmt.Fprintf(&rows, " %v,%v:%d", r.A, r.B, r.Count)
	}
	return fmt.Sprintf("Lab{mean=%v std=%v ignore=%d step=%v%s}", o.Mean, o.Std, o.Ignore, o.Step, rows.String())
}

// Infer returns the shapes of lightness and bins.
func (o Lab) Infer(in []Shape) ([]Shape, error) {
	if err := crops(in[0], in[1], CropNumbers); err != nil {
		return nil, err
	}
	if !in[2].Equal(in[0][:1]) {
		return nil, fmt.Errorf("labels of shape %v for crops of %v; want one for each", in[2], in[0])
	}
	return []Shape{in[0].WithChannels(1), in[0][:3]}, nil
}

// Types returns float32 and int32.
func (Lab) Types() []Type { return []Type{Float32, Int32} }
