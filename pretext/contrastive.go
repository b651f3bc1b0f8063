package pretext

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"unnas/internal/rng"
	"unnas/ops"
)

// Contrastive is the task to recognise an image in another view of it among those of
// other images (SimCLR; Chen et al., 2020, arXiv 2002.05709). One image gives two
// inputs: its training view, drawn twice, each with colours of its own. The head
// projects them to vectors, and the loss compares those of all images in a batch
// (ops.Contrast). Start from [ContrastiveCIFAR10] or [ContrastiveImageNet], or fill all
// fields.
//
// The views are drawn in evaluation as well, since the task compares what was drawn.
// Images that go through the network at once are compared, so a batch needs two or
// more; with gradient accumulation (MicroBatch of package darts) those of a
// micro-batch are, so both loss and score depend on its size.
//
// Differs: without the blur of the paper.
type Contrastive struct {
	View View // drawn as in training
	// Strength is that of the colour distortion, 0 to 2: in 8 of 10 views brightness,
	// contrast and saturation change by up to 80 % times Strength, and the hue by up to a
	// fifth of the circle times Strength, in random order.
	Strength    float64
	GrayShare   float64 // share of views that lose their colours, 0 to 1
	Projection  int     // length of the vectors that are compared
	Temperature float64 // of the softmax of similarities (ops.ContrastConfig)
}

// ContrastiveCIFAR10 returns the published form for CIFAR-10 (appendix B.9 of the
// paper): any part of the image, resized to 32 by 32 pixels, mirrored or not, and
// colours distorted by half.
func ContrastiveCIFAR10() Contrastive {
	v := CIFAR10()
	v.Crop = CropArea
	return Contrastive{View: v, Strength: 0.5, GrayShare: 0.2, Projection: 128, Temperature: 0.5}
}

// ContrastiveImageNet returns the published form for ImageNet, at 224 pixels.
func ContrastiveImageNet() Contrastive {
	v := ImageNet(224)
	v.Jitter = 0
	return Contrastive{View: v, Strength: 1, GrayShare: 0.2, Projection: 128, Temperature: 0.1}
}

// maxProjection is more than any network compares.
const maxProjection = 1 << 16

// Name returns "contrastive".
func (Contrastive) Name() string { return "contrastive" }

// SelfSupervised says that images are compared with themselves.
func (Contrastive) SelfSupervised() bool { return true }

// Validate returns an error that names the first setting out of its range.
func (t Contrastive) Validate() error {
	if err := t.View.Validate(); err != nil {
		return err
	}
	if !(t.Strength >= 0 && t.Strength <= 2) {
		return fmt.Errorf("pretext: Contrastive.Strength = %g, want 0 to 2", t.Strength)
	}
	if !(t.GrayShare >= 0 && t.GrayShare <= 1) {
		return fmt.Errorf("pretext: Contrastive.GrayShare = %g, want 0 to 1", t.GrayShare)
	}
	if t.Projection < 1 || t.Projection > maxProjection {
		return fmt.Errorf("pretext: Contrastive.Projection = %d, want 1 to %d", t.Projection, maxProjection)
	}
	if !(t.Temperature >= 1e-3 && t.Temperature <= 1e3) {
		return fmt.Errorf("pretext: Contrastive.Temperature = %g, want 0.001 to 1000", t.Temperature)
	}
	return nil
}

// Spec returns the sizes of a sample: 2 inputs, and one label, which is no class.
func (t Contrastive) Spec() Spec {
	return Spec{Height: t.View.Height, Width: t.View.Width, Channels: 3, Inputs: 2, LabelShape: []int{1}}
}

// Sample writes two views of img to dst.Inputs, [2, Height, Width, 3], and 0 to
// dst.Labels, [1], which says that the image takes part. For each view, in evaluation
// too, r draws the crop, the flip, whether and how colours are distorted, and whether
// they are lost.
func (t Contrastive) Sample(dst Sample, img *Image, _ bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.Spec().Check(dst); err != nil {
		return err
	}
	if r == nil {
		return errors.New("pretext: contrastive: no random stream; it draws the views, in evaluation too")
	}
	plain := t.View // with full intensity at 1
	plain.Mean, plain.Std = [3]float64{}, [3]float64{1, 1, 1}
	size := len(dst.Inputs) / 2
	for k := range 2 {
		pix := dst.Inputs[k*size:][:size]
		if err := plain.render(pix, nil, img, true, r, float32(math.NaN())); err != nil {
			return err
		}
		t.distort(pix, r)
		for i, v := range pix {
			if c := i % 3; v != v { // padding
				pix[i] = 0
			} else {
				pix[i] = float32((float64(v) - t.View.Mean[c]) / t.View.Std[c])
			}
		}
	}
	dst.Labels[0] = 0
	return nil
}

// distort changes the colours of a view.
func (t Contrastive) distort(pix []float32, r *rand.Rand) {
	if rng.Bool(r, 0.8) {
		for _, k := range rng.Perm(r, 4) {
			reach := 0.8 * t.Strength
			switch k {
			case 0:
				brighten(pix, rng.Uniform(r, max(0, 1-reach), 1+reach))
			case 1:
				spread(pix, rng.Uniform(r, max(0, 1-reach), 1+reach))
			case 2:
				saturate(pix, rng.Uniform(r, max(0, 1-reach), 1+reach))
			case 3:
				reach = 0.2 * t.Strength
				turnHue(pix, rng.Uniform(r, -reach, reach))
			}
		}
	}
	if rng.Bool(r, t.GrayShare) {
		saturate(pix, 0)
	}
}

// luma returns the brightness of a colour (ITU-R BT.709).
func luma(p []float32) float64 {
	return float64(0.2125*float64(p[0])) + float64(0.7154*float64(p[1])) + float64(0.0721*float64(p[2]))
}

// pull sets a channel to from + factor·(v - from), from 0 to 1. Padding, which is not
// a number, stays so.
func pull(v *float32, from, factor float64) {
	if *v == *v {
		*v = float32(min(max(from+float64(factor*(float64(*v)-from)), 0), 1))
	}
}

// brighten multiplies all channels.
func brighten(pix []float32, factor float64) {
	for i := range pix {
		pull(&pix[i], 0, factor)
	}
}

// spread changes the contrast about the mean brightness.
func spread(pix []float32, factor float64) {
	var sum, n float64
	for i := 0; i < len(pix); i += 3 {
		if pix[i] == pix[i] {
			sum += luma(pix[i:])
			n++
		}
	}
	for i := range pix {
		pull(&pix[i], sum/max(n, 1), factor)
	}
}

// saturate moves each colour away from its grey, or to it.
func saturate(pix []float32, factor float64) {
	for i := 0; i < len(pix); i += 3 {
		grey := luma(pix[i:])
		for c := range 3 {
			pull(&pix[i+c], grey, factor)
		}
	}
}

// turnHue turns the hues by a part of the circle. Value and saturation of HSV stay.
func turnHue(pix []float32, by float64) {
	for i := 0; i < len(pix); i += 3 {
		p := (*[3]float32)(pix[i:])
		r, g, b := float64(p[0]), float64(p[1]), float64(p[2])
		top, low := max(r, g, b), min(r, g, b)
		if !(top > low) { // grey, or padding
			continue
		}
		var hue float64 // in sixths of the circle
		switch span := top - low; top {
		case r:
			hue = (g - b) / span
		case g:
			hue = (b-r)/span + 2
		default:
			hue = (r-g)/span + 4
		}
		hue += float64(6 * by)
		for c, peak := range [3]float64{0, 2, 4} {
			// How far the hue is from that at which the channel is largest.
			away := math.Abs(math.Remainder(hue-peak, 6))
			p[c] = float32(low + float64((top-low)*min(max(2-away, 0), 1)))
		}
	}
}

// Head returns vectors [2N, Projection]: global average pooling of each view, and two
// linear layers with ReLU between, the first as wide as the map.
func (t Contrastive) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	s = s.Sub("projection")
	y, err := ops.GlobalAvgPool(features)
	if err != nil {
		return nil, fmt.Errorf("pretext: %w", err)
	}
	if y, err = s.Sub("0").Linear(y, 1, y.Shape()[1]); err != nil {
		return nil, fmt.Errorf("pretext: %w", err)
	}
	if y, err = ops.ReLU(y); err != nil {
		return nil, fmt.Errorf("pretext: %w", err)
	}
	if y, err = s.Sub("2").Linear(y, 1, t.Projection); err != nil {
		return nil, fmt.Errorf("pretext: %w", err)
	}
	return y, nil
}

// Loss returns the contrastive loss of the vectors of the images that take part.
func (t Contrastive) Loss(vectors *gorgonia.Node, targets Targets) (ops.Loss, error) {
	l, err := ops.Contrast(vectors, targets.Labels, ops.ContrastConfig{Temperature: t.Temperature, Ignore: Ignore})
	if err != nil {
		return ops.Loss{}, fmt.Errorf("pretext: %w", err)
	}
	return l, nil
}
