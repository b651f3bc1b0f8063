package pretext

import (
	"fmt"
	"image/color"
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// Colorization predicts the colour of each pixel from the lightness of all (Zhang et al.,
// 2016, arXiv 1603.08511). One image gives one input of one channel, the lightness of
// CIELAB, and a label per pixel: the nearest of 313 bins in the ab plane. The bins are
// multiples of 10, numbered by a, then b.
//
// The labels are computed after crop, flip and jitter, from values rounded to integer
// levels. Differs: the authors' release truncates them. The lightness, with white at 1,
// is normalised with the averages of Transform.Mean and Transform.Std. The padding of
// CropPadded has the label IgnoreIndex.
//
// Liu et al. (2020, arXiv 2003.12056) only flip CIFAR-10 images and do not jitter
// ImageNet images: set Crop to CropNone in [CIFAR10Transform] and Jitter to 0 in
// [ImageNetTransform].
type Colorization struct {
	Transform Transform `json:"transform"`
}

// tints is the number of bins of gamut.
const tints = 313

// Name returns "colorization".
func (Colorization) Name() string { return "colorization" }

// SelfSupervised returns true: labels come from the image alone.
func (Colorization) SelfSupervised() bool { return true }

// Validate returns an error if the transform is invalid.
func (t Colorization) Validate() error { return t.Transform.Validate() }

// Spec returns the sizes of a sample: 1 input of 1 channel, labels of shape
// [Height, Width], 313 classes.
func (t Colorization) Spec() Spec {
	return Spec{
		Height: t.Transform.Height, Width: t.Transform.Width, Channels: 1,
		Inputs: 1, LabelShape: []int{t.Transform.Height, t.Transform.Width}, Classes: tints,
	}
}

// ClassColor returns the colour of a bin at lightness 70 of 100, for showing labels, or
// black for an invalid class. Colours outside sRGB are clipped.
func (Colorization) ClassColor(class int32) color.NRGBA {
	bins := gamut().bins
	if class < 0 || int(class) >= len(bins) {
		return color.NRGBA{A: 255}
	}
	return rgb(70, bins[class])
}

// Sample writes the lightness of the transformed img to dst.Inputs, [1, Height, Width,
// 1], and the bins of its pixels to dst.Labels, [Height, Width]. Evaluation draws
// nothing; r may be nil.
func (t Colorization) Sample(dst Sample, img *Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.Spec().Check(dst); err != nil {
		return err
	}
	x, y := dst.Inputs, dst.Labels
	pix := make([]float32, 3*len(x))
	if err := t.levels().render(pix, nil, img, train, r, float32(math.NaN())); err != nil {
		return err
	}
	bins, mean, std := gamut(), average(t.Transform.Mean), average(t.Transform.Std)
	for i := range x {
		p := pix[3*i:][:3]
		if p[0] != p[0] { // padding
			x[i], y[i] = 0, IgnoreIndex
			continue
		}
		lightness, hue := lab(level(p[0]), level(p[1]), level(p[2]))
		x[i] = float32((lightness/100 - mean) / std)
		y[i] = bins.nearest(hue)
	}
	return nil
}

// levels is the transform to sRGB levels.
func (t Colorization) levels() Transform {
	v := t.Transform
	v.Mean, v.Std = [3]float64{}, [3]float64{1. / 255, 1. / 255, 1. / 255}
	return v
}

func average(v [3]float64) float64 { return (v[0] + v[1] + v[2]) / 3 }

// CropSpec returns the sizes of a crop, that of the input, and of a label for each image: the
// device finds the bins.
func (t Colorization) CropSpec() CropSpec {
	c := t.Transform.cropSpec(t.Spec(), 0)
	c.LabelShape = []int{1}
	return c
}

// Crop writes the levels of img from which Sample computes its lightness and its bins, and
// label 0. The device does so in float64: the bins are those of Sample, and the lightness
// differs from that of Sample by the rounding of float32, in resized images too.
func (t Colorization) Crop(dst CropSample, img *Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.CropSpec().Check(dst, t.Spec()); err != nil {
		return err
	}
	p, err := t.levels().place(img, train, r)
	if err != nil {
		return err
	}
	if err := p.describe(dst.Crop, dst.Numbers); err != nil {
		return err
	}
	p.levels(dst.Crop, img)
	dst.Labels[0] = 0
	return nil
}

// Inputs returns the lightness of the crops, and the bins of their pixels as labels.
func (t Colorization) Inputs(crops, numbers *gorgonia.Node, targets Targets) (*gorgonia.Node, Targets, error) {
	c := ops.LabConfig{Mean: average(t.Transform.Mean), Std: average(t.Transform.Std), Step: abDistance, IgnoreIndex: IgnoreIndex}
	for _, bin := range gamut().bins {
		if k := len(c.Rows) - 1; k >= 0 && c.Rows[k].A == bin.a {
			c.Rows[k].Count++
		} else {
			c.Rows = append(c.Rows, ops.BinRow{A: bin.a, B: bin.b, Count: 1})
		}
	}
	var err error
	var images *gorgonia.Node
	if images, targets.Labels, err = ops.Lab(crops, numbers, targets.Labels, c); err != nil {
		return nil, targets, fmt.Errorf("pretext: %w", err)
	}
	return images, targets, nil
}

// Head returns logits [N, h, w, 313] by a 1×1 convolution with bias.
func (Colorization) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	return PixelHead(s, features, tints)
}

// Loss returns the cross-entropy of the labels and the logits, resized to the labels.
func (Colorization) Loss(logits *gorgonia.Node, targets Targets) (ops.Loss, error) {
	l, err := ops.PixelCrossEntropy(logits, targets.Labels, ops.LossConfig{IgnoreIndex: IgnoreIndex})
	if err != nil {
		return ops.Loss{}, fmt.Errorf("pretext: %w", err)
	}
	return l, nil
}
