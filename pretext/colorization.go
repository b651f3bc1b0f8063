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
	levels := t.Transform
	levels.Mean, levels.Std = [3]float64{}, [3]float64{1. / 255, 1. / 255, 1. / 255}
	pix := make([]float32, 3*len(x))
	if err := levels.render(pix, nil, img, train, r, float32(math.NaN())); err != nil {
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

func average(v [3]float64) float64 { return (v[0] + v[1] + v[2]) / 3 }

// level rounds a value to an 8-bit sRGB level; jitter can exceed the range.
func level(v float32) uint8 { return uint8(min(max(v+0.5, 0), 255)) }

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
