package pretext

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"unnas/internal/rng"
)

// Crop names a cropping rule of a Transform.
type Crop string

// The cropping rules. In training the crop is drawn at random; in evaluation it is fixed.
// Resizing is bilinear between pixel centres, without antialiasing.
//
// Differs: all offsets of a random crop are equally likely. The authors' release never draws
// the last one, for any crop; under CropResized, where a window of 255 pixels lies in 256,
// only the first one remains.
const (
	// CropRandomResized crops 8 to 100 % of the area with an aspect ratio that differs from
	// the output's by at most 4/3, and resizes it (Szegedy et al., 2015, arXiv 1409.4842).
	// In evaluation it resizes the image to cover 256/224 of the output's sides and crops
	// the centre.
	CropRandomResized Crop = "random_resized_crop"
	// CropPadded resizes the image to the output, pads it with 4 pixels of zeros (the mean
	// colour) and crops at any of the 81 offsets. In evaluation the resized image is not
	// padded.
	CropPadded Crop = "padded_crop"
	// CropResized resizes the image to cover 256/255 of the output's sides, rounded to whole
	// pixels, and crops at random. In evaluation it crops the centre.
	CropResized Crop = "resized_crop"
	// CropMultiscale resizes the image to cover the output enlarged to a shorter side of
	// Transform.Short·2^u pixels, u uniform in -1 to 1, or the output itself if that is
	// larger, and crops at random. For a square output that is the shorter side of the
	// image. In evaluation u is 0 and the centre is cropped. Differs: the shorter side is
	// rounded; the authors' release truncates it, which is one pixel less in half of the
	// crops.
	CropMultiscale Crop = "multiscale_crop"
	// CropWhole resizes the image to a shorter side of Transform.Short pixels, or not at all
	// if that is 0, and pads it with zeros (the mean colour) to the right and below, in
	// training too. An image larger than the output is an error. Segmentation networks are
	// evaluated with it: Cityscapes images of 2048×1024 pixels in 2049×1025.
	CropWhole Crop = "whole"
	// CropNone resizes the whole image to the output.
	CropNone Crop = "none"
)

// padding is the border of CropPadded in pixels.
const padding = 4

// maxColour limits Mean, Std and Jitter, so that inputs are finite.
const maxColour = 1e6

// Transform turns an image into one network input. It is plain data. The zero value is
// invalid: start from [CIFAR10Transform], [ImageNetTransform] or [ScenesTransform].
type Transform struct {
	Height int        `json:"height"` // of the network input, in pixels
	Width  int        `json:"width"`  // of the network input, in pixels
	Mean   [3]float64 `json:"mean"`   // of red, green and blue, with full intensity 1
	Std    [3]float64 `json:"std"`    // of red, green and blue, with full intensity 1
	Crop   Crop       `json:"crop"`   // cropping rule
	Short  int        `json:"short"`  // shorter side for CropMultiscale and CropWhole, in pixels
	Flip   bool       `json:"flip"`   // random horizontal flip in training
	// Jitter is the standard deviation of the colour jitter in training; 0 turns it off.
	// Before normalisation, with full intensity 1, all pixels move along each principal
	// component of the colours of ImageNet by a normal number of this deviation times the
	// component's eigenvalue (Krizhevsky et al., 2012).
	Jitter float64 `json:"jitter"`
}

// CIFAR10Transform returns the transform of 32×32 pixels for training on CIFAR-10: 4 pixels
// of padding, random crop and flip (He et al., 2016, arXiv 1512.03385), and the mean and
// standard deviation of the training images.
func CIFAR10Transform() Transform {
	return Transform{
		Height: 32, Width: 32,
		Mean: [3]float64{125.3 / 255, 123.0 / 255, 113.9 / 255},
		Std:  [3]float64{63.0 / 255, 62.1 / 255, 66.7 / 255},
		Crop: CropPadded, Flip: true,
	}
}

// ImageNetTransform returns the transform of size×size pixels for training on ImageNet,
// usually 224: random resized crop, flip, and colour jitter of deviation 0.1.
func ImageNetTransform(size int) Transform {
	return Transform{
		Height: size, Width: size,
		Mean: [3]float64{0.485, 0.456, 0.406},
		Std:  [3]float64{0.229, 0.224, 0.225},
		Crop: CropRandomResized, Flip: true, Jitter: 0.1,
	}
}

// ScenesTransform returns a transform of size×size pixels for the drawn scenes of package
// scenes: padding, random crop and flip, and the mean and standard deviation of the scenes.
func ScenesTransform(size int) Transform {
	return Transform{
		Height: size, Width: size,
		Mean: [3]float64{0.53, 0.50, 0.47},
		Std:  [3]float64{0.23, 0.23, 0.24},
		Crop: CropPadded, Flip: true,
	}
}

// CityscapesTransform returns the transform of size×size pixels for training on Cityscapes:
// multiscale with a shorter side of short pixels, random crop, flip, and the colours of
// [ImageNetTransform]. Searches use 321 and 512, the training of derived networks 769 and
// 1024.
func CityscapesTransform(size, short int) Transform {
	v := ImageNetTransform(size)
	v.Crop, v.Short = CropMultiscale, short
	return v
}

// Validate returns an error that names the first field out of range.
func (v Transform) Validate() error {
	if v.Height <= 0 || v.Width <= 0 || v.Width > maxPixels/v.Height {
		return fmt.Errorf("pretext: Transform.Height, Transform.Width = %d, %d, want 1 or more and at most %d pixels in all", v.Height, v.Width, maxPixels)
	}
	for c := range 3 {
		if !(math.Abs(v.Mean[c]) <= maxColour) {
			return fmt.Errorf("pretext: Transform.Mean[%d] = %g, want a number from -%g to %g", c, v.Mean[c], maxColour, maxColour)
		}
		if !(v.Std[c] >= 1/maxColour && v.Std[c] <= maxColour) {
			return fmt.Errorf("pretext: Transform.Std[%d] = %g, want a number from %g to %g", c, v.Std[c], 1/maxColour, maxColour)
		}
	}
	switch v.Crop {
	case CropRandomResized, CropPadded, CropResized, CropNone:
	case CropMultiscale:
		short := min(v.Height, v.Width)
		if most := maxPixels / 2 / max(v.Height, v.Width) * short; v.Short <= 0 || v.Short > most {
			return fmt.Errorf("pretext: Transform.Short = %d, want 1 to %d for %d by %d pixels of crop %q", v.Short, most, v.Width, v.Height, v.Crop)
		}
	case CropWhole:
		if v.Short < 0 || v.Short > maxPixels {
			return fmt.Errorf("pretext: Transform.Short = %d, want 0 to %d for crop %q", v.Short, maxPixels, v.Crop)
		}
	default:
		return fmt.Errorf("pretext: Transform.Crop = %q, want %q, %q, %q, %q, %q or %q", v.Crop, CropRandomResized, CropPadded, CropResized, CropMultiscale, CropWhole, CropNone)
	}
	if !(v.Jitter >= 0 && v.Jitter <= maxColour) {
		return fmt.Errorf("pretext: Transform.Jitter = %g, want a number from 0 to %g", v.Jitter, maxColour)
	}
	return nil
}

// Apply writes the transformed img to dst, [Height, Width, 3]: cropped, resized, flipped
// and normalised in one pass. In training r draws the crop, then the flip, then the jitter;
// in evaluation nothing is drawn and r may be nil. It returns an error if the transform or
// the image is invalid or dst has another size.
func (v Transform) Apply(dst []float32, img *Image, train bool, r *rand.Rand) error {
	return v.render(dst, nil, img, train, r, 0)
}

// ApplyMask is Apply that also writes the transformed mask to labels, [Height, Width]: the
// class of the nearest pixel of the image, or IgnoreIndex for ignored pixels and padding.
// An image without a mask is an error.
func (v Transform) ApplyMask(dst []float32, labels []int32, img *Image, train bool, r *rand.Rand) error {
	if err := v.checkMask(labels, img); err != nil {
		return err
	}
	return v.render(dst, labels, img, train, r, 0)
}

// checkMask returns an error if an image has no mask or there is no memory for it.
func (v Transform) checkMask(labels []int32, img *Image) error {
	if want := v.Height * v.Width; len(labels) != want {
		return fmt.Errorf("pretext: mask of %d by %d pixels into %d labels, want %d", v.Width, v.Height, len(labels), want)
	}
	if img != nil && img.Mask == nil {
		return errors.New("pretext: the image has no mask; use a data set with masks, or another task")
	}
	return nil
}

// render writes the transformed image, with the value border in the padding, and, unless
// labels is empty, the transformed mask.
func (v Transform) render(dst []float32, labels []int32, img *Image, train bool, r *rand.Rand, border float32) error {
	p, err := v.place(img, train, r)
	if err != nil {
		return err
	}
	if want := 3 * v.Height * v.Width; len(dst) != want {
		return fmt.Errorf("pretext: transform to %d by %d pixels into %d floats, want %d", v.Width, v.Height, len(dst), want)
	}
	gain, bias := p.gain, p.bias
	p.mask(labels, img)
	var room [512]tap // wider outputs allocate
	taps := p.cols.taps(room[:0], v.Width, p.flip)
	for i := range v.Height {
		line := dst[3*v.Width*i:][:3*v.Width]
		y0, y1, wy, ok := p.rows.at(i)
		if !ok {
			fill(line, border)
			continue
		}
		upper := img.Pix[3*img.Width*y0:][:3*img.Width]
		lower := img.Pix[3*img.Width*y1:][:3*img.Width]
		for j, t := range taps {
			out := (*[3]float32)(line[3*j:])
			if !t.ok {
				fill(out[:], border)
				continue
			}
			a, b := (*[3]uint8)(upper[3*t.first:]), (*[3]uint8)(upper[3*t.second:])
			c, d := (*[3]uint8)(lower[3*t.first:]), (*[3]uint8)(lower[3*t.second:])
			for k := range out {
				top := mix(float32(a[k]), float32(b[k]), t.weight)
				low := mix(float32(c[k]), float32(d[k]), t.weight)
				out[k] = float32(mix(top, low, wy)*gain[k]) + bias[k]
			}
		}
	}
	return nil
}

// A placement says which part of an image a transform takes, and its colours.
type placement struct {
	height, width int // of the output
	rows, cols    axis
	flip          bool
	gain, bias    [3]float32 // of bytes
}

// place draws the placement of an image.
func (v Transform) place(img *Image, train bool, r *rand.Rand) (p placement, err error) {
	if err := v.Validate(); err != nil {
		return p, err
	}
	if err := img.check(); err != nil {
		return p, err
	}
	if train && r == nil && (v.Flip || v.Jitter > 0 || v.Crop != CropNone && v.Crop != CropWhole) {
		return p, errors.New("pretext: no random stream; in training it draws the augmentation")
	}
	p.height, p.width = v.Height, v.Width
	p.rows, p.cols = v.frame(img, train, r)
	if v.Crop == CropWhole && (p.rows.size > v.Height || p.cols.size > v.Width) {
		return p, fmt.Errorf("pretext: image of %d by %d pixels is larger than the transform's %d by %d; choose a larger transform, or another crop than %q", p.cols.size, p.rows.size, v.Width, v.Height, v.Crop)
	}
	p.flip = train && v.Flip && rng.Bool(r, 0.5)
	p.gain, p.bias = v.colours(train, r)
	return p, nil
}

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

// mask writes the transformed mask, unless there are no labels.
func (p *placement) mask(labels []int32, img *Image) {
	width := p.width
	for i := range len(labels) / width {
		y, ok := p.rows.nearest(i)
		for j := range width {
			label := &labels[i*width+j]
			if p.flip {
				label = &labels[i*width+width-1-j]
			}
			x, inside := p.cols.nearest(j)
			*label = IgnoreIndex
			if ok && inside && img.Mask[y*img.Width+x] != ignored {
				*label = int32(img.Mask[y*img.Width+x])
			}
		}
	}
}

// mix interpolates between a and b; t runs from 0 to 1.
func mix(a, b, t float32) float32 { return a + float32(t*(b-a)) }

// colours returns the map from a byte to a normalised channel, byte·gain + bias. The bias
// includes the jitter.
func (v Transform) colours(train bool, r *rand.Rand) (gain, bias [3]float32) {
	var shift [3]float64
	if train && v.Jitter > 0 {
		for k, value := range [3]float64{0.2175, 0.0188, 0.0045} {
			step := v.Jitter * rng.Normal(r) * value
			for c := range shift {
				shift[c] += float64(step * components[c][k])
			}
		}
	}
	for c := range shift {
		gain[c] = float32(1 / (255 * v.Std[c]))
		bias[c] = float32((shift[c] - v.Mean[c]) / v.Std[c])
	}
	return gain, bias
}

// components holds the principal components of ImageNet's colours, one per column, for red,
// green and blue.
var components = [3][3]float64{
	{-0.5675, 0.7192, 0.4009},
	{-0.5808, -0.0045, -0.8140},
	{-0.5836, -0.6948, 0.4203},
}

// An axis maps output pixels to image pixels along one side. length image pixels from start
// on are resized to size pixels; the output starts at pixel offset of those, and pixels
// outside are padding.
type axis struct {
	start, length int
	offset, size  int
}

// at returns the two image pixels around pixel i of the output, and the weight of the
// second. It returns false if i lies in the padding.
func (a axis) at(i int) (first, second int, weight float32, ok bool) {
	i += a.offset
	if i < 0 || i >= a.size {
		return 0, 0, 0, false
	}
	s := float64((float64(i)+0.5)*(float64(a.length)/float64(a.size))) - 0.5
	s = min(max(s, 0), float64(a.length-1))
	first = int(s)
	return a.start + first, a.start + min(first+1, a.length-1), float32(s - float64(first)), true
}

// A tap is a result of at.
type tap struct {
	first, second int32
	weight        float32
	ok            bool
}

// taps appends the taps of the first n output pixels, in reverse if flip is set. They are
// the same for all rows.
func (a axis) taps(to []tap, n int, flip bool) []tap {
	for i := range n {
		first, second, weight, ok := a.at(i)
		to = append(to, tap{int32(first), int32(second), weight, ok})
	}
	if flip {
		slices.Reverse(to)
	}
	return to
}

// nearest returns the image pixel nearest to pixel i of the output, and false if i lies in
// the padding.
func (a axis) nearest(i int) (int, bool) {
	first, second, weight, ok := a.at(i)
	if weight < 0.5 {
		return first, ok
	}
	return second, ok
}

// frame chooses the crop.
func (v Transform) frame(img *Image, train bool, r *rand.Rand) (rows, cols axis) {
	place := centre
	if train {
		place = func(slack int) int { return rng.IntN(r, slack+1) }
	}
	switch v.Crop {
	case CropRandomResized:
		if train {
			return v.area(img, r)
		}
		return v.cover(img, 256./224, centre)
	case CropResized:
		return v.cover(img, 256./255, place)
	case CropMultiscale:
		short := float64(v.Short)
		if train {
			short *= math.Exp2(rng.Uniform(r, -1, 1))
		}
		return v.cover(img, max(1, short/float64(min(v.Height, v.Width))), place)
	case CropWhole:
		height, width := v.WholeSize(img.Height, img.Width)
		return axis{length: img.Height, size: height}, axis{length: img.Width, size: width}
	}
	rows = axis{length: img.Height, size: v.Height}
	cols = axis{length: img.Width, size: v.Width}
	if v.Crop == CropPadded && train {
		rows.offset = rng.IntN(r, 2*padding+1) - padding
		cols.offset = rng.IntN(r, 2*padding+1) - padding
	}
	return rows, cols
}

// WholeSize returns the size to which [CropWhole] resizes an image of the given size.
func (v Transform) WholeSize(height, width int) (h, w int) {
	if v.Short == 0 {
		return height, width
	}
	factor := float64(v.Short) / float64(min(height, width))
	return int(math.Round(factor * float64(height))), int(math.Round(factor * float64(width)))
}

// area draws a random resized crop. If ten tries do not fit, as for very long images, it
// crops the centre.
func (v Transform) area(img *Image, r *rand.Rand) (rows, cols axis) {
	for range 10 {
		area := rng.Uniform(r, 0.08, 1) * float64(img.Width) * float64(img.Height)
		aspect := rng.Uniform(r, 3./4, 4./3)
		if rng.Bool(r, 0.5) {
			aspect = 1 / aspect
		}
		aspect *= float64(v.Width) / float64(v.Height)
		w := max(int(math.Round(math.Sqrt(area*aspect))), 1)
		h := max(int(math.Round(math.Sqrt(area/aspect))), 1)
		if w <= img.Width && h <= img.Height {
			rows = axis{start: rng.IntN(r, img.Height-h+1), length: h, size: v.Height}
			cols = axis{start: rng.IntN(r, img.Width-w+1), length: w, size: v.Width}
			return rows, cols
		}
	}
	return v.cover(img, 1, centre)
}

// cover resizes the image, keeping its aspect ratio, to cover the output enlarged by
// factor. place chooses the offset from the number of spare pixels.
func (v Transform) cover(img *Image, factor float64, place func(slack int) int) (rows, cols axis) {
	height := int(math.Round(factor * float64(v.Height)))
	width := int(math.Round(factor * float64(v.Width)))
	rows = axis{length: img.Height, size: height}
	cols = axis{length: img.Width, size: width}
	if height*img.Width > width*img.Height { // the image is wider than the output
		cols.size = height * img.Width / img.Height
	} else {
		rows.size = width * img.Height / img.Width
	}
	rows.offset = place(rows.size - v.Height)
	cols.offset = place(cols.size - v.Width)
	return rows, cols
}

// centre centres the output; an odd pixel goes first.
func centre(slack int) int { return (slack + 1) / 2 }
