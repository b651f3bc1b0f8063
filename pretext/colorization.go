package pretext

import (
	"fmt"
	"image/color"
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// Colorization is the task to tell the colour of each pixel from how light the
// pixels are (Zhang et al., 2016, arXiv 1603.08511). One image gives one input of
// one channel, the lightness of CIELAB, and a label for each pixel: which of 313
// bins is nearest to it in the plane of a and b. The bins are multiples of 10,
// numbered by a, then b.
//
// The labels are those of the view, after crop, flip and jitter, whose values are
// rounded to whole levels first. Differs: the authors' release cuts off their
// fractions. The lightness, with white at 1, is normalised with the means of
// View.Mean and View.Std. The padding of CropPad has no colour: its label is
// Ignore.
//
// Liu et al. (2020, arXiv 2003.12056) flip images of CIFAR-10 and no more, and do
// not jitter those of ImageNet: set Crop to CropNone in the view of [CIFAR10], and
// Jitter to 0 in that of [ImageNet].
type Colorization struct {
	View View
}

// tints is the number of bins of gamut.
const tints = 313

// Name returns "colorization".
func (Colorization) Name() string { return "colorization" }

// SelfSupervised says that labels come from the image alone.
func (Colorization) SelfSupervised() bool { return true }

// Validate returns an error if the view is not valid.
func (t Colorization) Validate() error { return t.View.Validate() }

// Spec returns the sizes of a sample: 1 input of 1 channel, labels of shape
// [Height, Width], 313 classes.
func (t Colorization) Spec() Spec {
	return Spec{
		Height: t.View.Height, Width: t.View.Width, Channels: 1,
		Inputs: 1, LabelShape: []int{t.View.Height, t.View.Width}, Classes: tints,
	}
}

// ClassColor returns the colour of a bin at a lightness of 70 of 100, to show labels
// with, or black for what is no bin. What a screen cannot show is cut off.
func (Colorization) ClassColor(class int32) color.NRGBA {
	bins := gamut().bins
	if class < 0 || int(class) >= len(bins) {
		return color.NRGBA{A: 255}
	}
	return rgb(70, bins[class])
}

// Sample writes the lightness of the view of img to dst.Inputs, [1, Height, Width,
// 1], and the bins of its pixels to dst.Labels, [Height, Width]. Nothing is drawn in evaluation,
// where r may be nil.
func (t Colorization) Sample(dst Sample, img *Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.Spec().Check(dst); err != nil {
		return err
	}
	x, y := dst.Inputs, dst.Labels
	levels := t.View
	levels.Mean, levels.Std = [3]float64{}, [3]float64{1. / 255, 1. / 255, 1. / 255}
	pix := make([]float32, 3*len(x))
	if err := levels.render(pix, nil, img, train, r, float32(math.NaN())); err != nil {
		return err
	}
	bins, mean, std := gamut(), average(t.View.Mean), average(t.View.Std)
	for i := range x {
		p := pix[3*i:][:3]
		if p[0] != p[0] { // padding
			x[i], y[i] = 0, Ignore
			continue
		}
		lightness, hue := lab(level(p[0]), level(p[1]), level(p[2]))
		x[i] = float32((lightness/100 - mean) / std)
		y[i] = bins.nearest(hue)
	}
	return nil
}

func average(v [3]float64) float64 { return (v[0] + v[1] + v[2]) / 3 }

// level rounds a value to a level of sRGB; the jitter can lead out of their range.
func level(v float32) uint8 { return uint8(min(max(v+0.5, 0), 255)) }

// Head returns logits [N, h, w, 313] by a 1×1 convolution with bias.
func (Colorization) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	return PixelHead(s, features, tints)
}

// Loss returns the cross-entropy of the labels and of the logits, enlarged to them.
func (Colorization) Loss(logits *gorgonia.Node, targets Targets) (ops.Loss, error) {
	l, err := ops.PixelCrossEntropy(logits, targets.Labels, ops.LossConfig{Ignore: Ignore})
	if err != nil {
		return ops.Loss{}, fmt.Errorf("pretext: %w", err)
	}
	return l, nil
}
