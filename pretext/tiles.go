package pretext

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"unnas/internal/rng"
	"unnas/ops"
)

// tiles says which tiles of one transformed image are the inputs of a task.
type tiles struct {
	transform     Transform
	grayscaleProb float64 // in training
	spec          Spec    // of the task
	// draw draws a label, and the top row and the left column of the tile that is each input.
	draw func(train bool, r *rand.Rand) (label int32, corners [][2]int)
}

// sample writes the normalised tiles of an image, and their label.
func (t tiles) sample(dst Sample, img *Image, train bool, r *rand.Rand) error {
	img, err := t.coloured(img, train, r)
	if err != nil {
		return err
	}
	width := t.transform.Width
	full := make([]float32, 3*t.transform.Height*width)
	if err := t.transform.Apply(full, img, train, r); err != nil {
		return err
	}
	label, corners := t.draw(train, r)
	dst.Labels[0] = label
	row, size := 3*t.spec.Width, 3*t.spec.Height*t.spec.Width
	for k, corner := range corners {
		out := dst.Inputs[k*size:][:size]
		for i := range t.spec.Height {
			copy(out[i*row:][:row], full[3*((corner[0]+i)*width+corner[1]):])
		}
		standardise(out)
	}
	return nil
}

// cropSpec returns the sizes of the crops of which inputs makes the tiles.
func (t tiles) cropSpec() CropSpec { return t.transform.cropSpec(t.spec, 2*t.spec.Inputs) }

// crop writes the transformed image, where its tiles are, and their label.
func (t tiles) crop(dst CropSample, img *Image, train bool, r *rand.Rand) error {
	if err := t.cropSpec().Check(dst, t.spec); err != nil {
		return err
	}
	img, err := t.coloured(img, train, r)
	if err != nil {
		return err
	}
	if err := t.transform.ApplyBytes(dst.Crop, dst.Numbers, img, train, r); err != nil {
		return err
	}
	label, corners := t.draw(train, r)
	dst.Labels[0] = label
	for k, corner := range corners {
		dst.Numbers[ops.CropNumbers+2*k], dst.Numbers[ops.CropNumbers+2*k+1] = float32(corner[0]), float32(corner[1])
	}
	return nil
}

// inputs returns the normalised tiles of crops.
func (t tiles) inputs(crops, numbers *gorgonia.Node) (*gorgonia.Node, error) {
	x, err := ops.NormaliseCrops(crops, numbers)
	if err == nil {
		x, err = ops.Tiles(x, numbers, t.spec.Inputs, t.spec.Height, t.spec.Width)
	}
	if err != nil {
		return nil, fmt.Errorf("pretext: %w", err)
	}
	return x, nil
}

// coloured draws whether an image is converted to grayscale, and does so.
func (t tiles) coloured(img *Image, train bool, r *rand.Rand) (*Image, error) {
	if err := img.check(); err != nil {
		return nil, err
	}
	if train && rng.Bool(r, t.grayscaleProb) {
		return img.gray(), nil
	}
	return img, nil
}

// standardise normalises numbers to mean 0 and standard deviation 1. Equal numbers become
// zeros: their mean is exact, and deviations below a millionth, which are rounding errors,
// count as a millionth.
func standardise(x []float32) {
	n := float64(len(x))
	var sum, squares float64
	for _, v := range x {
		sum += float64(v)
	}
	mean := sum / n
	for _, v := range x {
		d := float64(v) - mean
		squares += float64(d * d)
	}
	scale := 1 / max(math.Sqrt(squares/n), 1e-6)
	for i, v := range x {
		x[i] = float32((float64(v) - mean) * scale)
	}
}

// gray returns a grayscale copy of the image.
func (m *Image) gray() *Image {
	g := *m
	g.Pix = make([]uint8, len(m.Pix))
	for i := 0; i < len(m.Pix); i += 3 {
		p := m.Pix[i:][:3]
		luma := uint8((2125*int(p[0]) + 7154*int(p[1]) + 721*int(p[2]) + 5000) / 10000)
		g.Pix[i], g.Pix[i+1], g.Pix[i+2] = luma, luma, luma
	}
	return &g
}
