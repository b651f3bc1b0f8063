package pretext_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"unnas/pretext"
)

// FuzzSample gives tasks any settings and images: there is an error, or a sample of
// finite numbers and labels below Classes.
func FuzzSample(f *testing.F) {
	crops := []pretext.Crop{pretext.CropArea, pretext.CropPad, pretext.CropScale, pretext.CropMultiscale, pretext.CropWhole, pretext.CropNone, "zoom"}
	f.Add(0, 32, 32, 0, 0, 0.5, 0.25, 0.1, true, true, 2, 0.0, 20, 30, 1)
	f.Add(2, 32, 32, 5, 0, 0.5, 0.25, 0.0, false, true, 2, 0.3, 1, 500, 24)
	f.Add(3, 1, 200, 3, 60, 1e300, 1e-300, 1e300, false, true, 1000, 1.0, 500, 1, 9)
	f.Add(1, 3, 40, 3, math.MaxInt, 0.0, 1.0, 0.0, true, false, -1, math.NaN(), 7, 7, -1)
	f.Add(2, 9, 9, 2, 0, -1e6, 1e-6, 1e6, true, true, 3, 1.0, 33, 3, 1000)
	f.Fuzz(func(t *testing.T, kind, height, width, crop, short int, mean, std, jitter float64, flip, train bool, number int, share float64, imageHeight, imageWidth, label int) {
		v := pretext.View{
			Height: height, Width: width, Mean: [3]float64{mean, 0.5, -mean}, Std: [3]float64{1, std, std},
			Crop: crops[uint(crop)%uint(len(crops))], Short: short, Flip: flip, Jitter: jitter,
		}
		var task pretext.Task
		switch uint(kind) % 7 {
		case 0:
			task = pretext.Classification{View: v, Classes: number, Smoothing: share}
		case 1:
			task = pretext.Rotation{View: v}
		case 2:
			task = pretext.Jigsaw{View: v, Grid: number, Permutations: label, GrayShare: share}
		case 3:
			task = pretext.RelativePatch{View: v, Patch: number, Gap: label, Jitter: short, GrayShare: share}
		case 4:
			task = pretext.Reconstruction{View: v, Block: number, Detail: label, MaskShare: share}
		case 5:
			task = pretext.Contrastive{View: v, Strength: jitter, GrayShare: share, Projection: number, Temperature: 1}
		default:
			task = pretext.Colorization{View: v}
		}
		spec := task.Spec() // of settings that are not valid, too
		if task.Validate() != nil || spec.InputLen() > 1<<16 {
			return
		}
		if imageHeight < 1 || imageWidth < 1 || imageHeight > 1<<16 || imageWidth > 1<<16/imageHeight {
			return
		}
		img := &pretext.Image{Width: imageWidth, Height: imageHeight, Pix: make([]uint8, 3*imageWidth*imageHeight), Label: label}
		for i := range img.Pix {
			img.Pix[i] = uint8(i * i / 7)
		}
		if spec.LabelLen() > 1<<16 || spec.TargetLen() > 1<<16 {
			return
		}
		dst := spec.NewSample()
		if task.Sample(dst, img, train, rand.New(rand.NewPCG(1, uint64(number)))) != nil {
			return
		}
		for _, v := range append(dst.Inputs, dst.Targets...) {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				t.Fatalf("%+v: %v", task, v)
			}
		}
		for _, l := range dst.Labels {
			if l != pretext.Ignore && (l < 0 || int(l) >= max(spec.Classes, 1)) {
				t.Fatalf("%+v: label %d", task, l)
			}
		}
		_ = task.Sample(dst, img, train, nil)
	})
}
