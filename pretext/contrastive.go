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

// Contrastive is contrastive learning: recognise an image in another augmentation of it
// among those of other images (SimCLR; Chen et al., 2020, arXiv 2002.05709). One image
// gives two inputs, two draws of its training augmentation, each with its own colour
// distortion. The head projects them to vectors, and the loss compares all vectors of a
// batch (ops.Contrast). Start from [ContrastiveCIFAR10] or [ContrastiveImageNet], or fill
// all fields.
//
// Evaluation draws augmentations as well, since the task compares them. A batch needs two
// or more images. With gradient accumulation (MicroBatch of package darts) the images of
// a micro-batch are compared, so loss and score depend on its size.
//
// Differs: the paper's blur is left out.
type Contrastive struct {
	Transform Transform `json:"transform"` // applied as in training, in evaluation too
	// Strength is the strength of the colour distortion, 0 to 2. With probability 0.8,
	// brightness, contrast and saturation change by up to 80 % times Strength, and the hue
	// by up to a fifth of the circle times Strength, in random order.
	Strength      float64 `json:"strength"`
	GrayscaleProb float64 `json:"grayscale_prob"` // probability of conversion to grayscale, 0 to 1
	Projection    int     `json:"projection"`     // length of the vectors that are compared
	Temperature   float64 `json:"temperature"`    // of the softmax of similarities (ops.ContrastConfig)
}

// ContrastiveCIFAR10 returns the published task for CIFAR-10 (appendix B.9 of the paper):
// random resized crop to 32×32 pixels, flip, and half of the colour distortion.
func ContrastiveCIFAR10() Contrastive {
	v := CIFAR10Transform()
	v.Crop = CropRandomResized
	return Contrastive{Transform: v, Strength: 0.5, GrayscaleProb: 0.2, Projection: 128, Temperature: 0.5}
}

// ContrastiveImageNet returns the published task for ImageNet, at 224×224 pixels.
func ContrastiveImageNet() Contrastive {
	v := ImageNetTransform(224)
	v.Jitter = 0
	return Contrastive{Transform: v, Strength: 1, GrayscaleProb: 0.2, Projection: 128, Temperature: 0.1}
}

// maxProjection is more than any network compares.
const maxProjection = 1 << 16

// Name returns "contrastive".
func (Contrastive) Name() string { return "contrastive" }

// SelfSupervised returns true: images are compared with themselves.
func (Contrastive) SelfSupervised() bool { return true }

// Validate returns an error that names the first field out of range.
func (t Contrastive) Validate() error {
	if err := t.Transform.Validate(); err != nil {
		return err
	}
	if !(t.Strength >= 0 && t.Strength <= 2) {
		return fmt.Errorf("pretext: Contrastive.Strength = %g, want 0 to 2", t.Strength)
	}
	if !(t.GrayscaleProb >= 0 && t.GrayscaleProb <= 1) {
		return fmt.Errorf("pretext: Contrastive.GrayscaleProb = %g, want 0 to 1", t.GrayscaleProb)
	}
	if t.Projection < 1 || t.Projection > maxProjection {
		return fmt.Errorf("pretext: Contrastive.Projection = %d, want 1 to %d", t.Projection, maxProjection)
	}
	if !(t.Temperature >= 1e-3 && t.Temperature <= 1e3) {
		return fmt.Errorf("pretext: Contrastive.Temperature = %g, want 0.001 to 1000", t.Temperature)
	}
	return nil
}

// InputTransform returns the transform of an image whose colours are as they are.
func (t Contrastive) InputTransform() Transform { return t.Transform }

// Spec returns the sizes of a sample: 2 inputs and one label, which is not a class.
func (t Contrastive) Spec() Spec {
	return Spec{Height: t.Transform.Height, Width: t.Transform.Width, Channels: 3, Inputs: 2, LabelShape: []int{1}}
}

// Sample writes two augmentations of img to dst.Inputs, [2, Height, Width, 3], and 0 to
// dst.Labels, [1]: the image counts. For each of the two, in evaluation too, r draws the
// crop, the flip, the colour distortion and the grayscale conversion.
func (t Contrastive) Sample(dst Sample, img *Image, _ bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.Spec().Check(dst); err != nil {
		return err
	}
	if r == nil {
		return errors.New("pretext: contrastive: no random stream; it draws the augmentations, in evaluation too")
	}
	plain := t.Transform // with full intensity 1
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
				pix[i] = float32((float64(v) - t.Transform.Mean[c]) / t.Transform.Std[c])
			}
		}
	}
	dst.Labels[0] = 0
	return nil
}

// distort distorts the colours of an input.
func (t Contrastive) distort(pix []float32, r *rand.Rand) {
	if rng.Bool(r, 0.8) {
		for _, k := range rng.Perm(r, 4) {
			reach := float64(0.8 * t.Strength)
			switch k {
			case 0:
				brighten(pix, rng.Uniform(r, max(0, 1-reach), 1+reach))
			case 1:
				spread(pix, rng.Uniform(r, max(0, 1-reach), 1+reach))
			case 2:
				saturate(pix, rng.Uniform(r, max(0, 1-reach), 1+reach))
			case 3:
				reach = float64(0.2 * t.Strength)
				turnHue(pix, rng.Uniform(r, -reach, reach))
			}
		}
	}
	if rng.Bool(r, t.GrayscaleProb) {
		saturate(pix, 0)
	}
}

// luma returns the brightness of a colour (ITU-R BT.709).
func luma(p []float32) float64 {
	return float64(0.2125*float64(p[0])) + float64(0.7154*float64(p[1])) + float64(0.0721*float64(p[2]))
}

// pull sets a channel to from + factor·(v - from), clamped to 0..1. NaN, which marks
// padding, is kept.
func pull(v *float32, from, factor float64) {
	if *v == *v {
		*v = float32(min(max(from+float64(factor*(float64(*v)-from)), 0), 1))
	}
}

// brighten scales the brightness.
func brighten(pix []float32, factor float64) {
	for i := range pix {
		pull(&pix[i], 0, factor)
	}
}

// spread scales the contrast about the mean brightness.
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

// saturate scales the distance of each colour from its grey.
func saturate(pix []float32, factor float64) {
	for i := 0; i < len(pix); i += 3 {
		grey := luma(pix[i:])
		for c := range 3 {
			pull(&pix[i+c], grey, factor)
		}
	}
}

// turnHue rotates the hues by a fraction of the circle. Value and saturation of HSV stay.
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
			// Distance of the hue from the one at which the channel peaks.
			away := math.Abs(math.Remainder(hue-peak, 6))
			p[c] = float32(low + float64((top-low)*min(max(2-away, 0), 1)))
		}
	}
}

// Head returns vectors [2N, Projection]: global average pooling and two linear layers
// with ReLU between, the first as wide as the feature map.
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

// Loss returns the contrastive loss of the vectors of the images that count.
func (t Contrastive) Loss(vectors *gorgonia.Node, targets Targets) (ops.Loss, error) {
	l, err := ops.Contrast(vectors, targets.Labels, ops.ContrastConfig{Temperature: t.Temperature, IgnoreIndex: IgnoreIndex})
	if err != nil {
		return ops.Loss{}, fmt.Errorf("pretext: %w", err)
	}
	return l, nil
}
