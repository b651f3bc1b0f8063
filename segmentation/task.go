package segmentation

import (
	"context"
	"fmt"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/ops"
	"unnas/pretext"
)

// Task is semantic segmentation, the supervised task of predicting the class of every pixel
// (pretext.Task). One image gives one input and a label map. The backbone of its network
// should come from [WithStride].
type Task struct {
	Transform pretext.Transform `json:"transform"` // of the image and its mask
	ASPP      ASPP              `json:"aspp"`      // the head, with the number of classes
}

// Cityscapes returns the published task of the search phase: 321×321 pixels, the 19
// evaluation classes of Cityscapes (Cordts et al., 2016, arXiv 1604.01685), and the
// head of [SearchASPP].
func Cityscapes() Task {
	return Task{Transform: pretext.CityscapesTransform(321, 512), ASPP: SearchASPP(19)}
}

// Name returns "segmentation".
func (Task) Name() string { return "segmentation" }

// Validate returns an error if the transform or the head is invalid.
func (t Task) Validate() error {
	if err := t.Transform.Validate(); err != nil {
		return err
	}
	return t.ASPP.Validate()
}

// InputTransform returns the transform that makes the inputs of images.
func (t Task) InputTransform() pretext.Transform { return t.Transform }

// Spec returns the sizes of a sample: 1 input, labels of shape [Height, Width].
func (t Task) Spec() pretext.Spec {
	return pretext.Spec{
		Height: t.Transform.Height, Width: t.Transform.Width, Channels: 3,
		Inputs: 1, LabelShape: []int{t.Transform.Height, t.Transform.Width}, Classes: t.ASPP.Classes,
	}
}

// Sample writes the transformed img to dst.Inputs, [1, Height, Width, 3], and the
// transformed mask to dst.Labels, [Height, Width]: the class of the nearest pixel, or
// pretext.IgnoreIndex. An image without a mask, or with a class out of range, is an
// error. Evaluation draws nothing; r may be nil.
func (t Task) Sample(dst pretext.Sample, img *pretext.Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.Spec().Check(dst); err != nil {
		return fmt.Errorf("segmentation: %w", err)
	}
	if err := t.Transform.ApplyMask(dst.Inputs, dst.Labels, img, train, r); err != nil {
		return fmt.Errorf("segmentation: %w", err)
	}
	return t.checkClasses(dst.Labels)
}

// CropSpec returns the sizes of a crop, that of the input.
func (t Task) CropSpec() pretext.CropSpec {
	return pretext.CropSpec{Height: t.Transform.Height, Width: t.Transform.Width, Numbers: ops.CropNumbers, LabelShape: t.Spec().LabelShape}
}

// Crop writes the crop of img, and the transformed mask as Sample does.
func (t Task) Crop(dst pretext.CropSample, img *pretext.Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.CropSpec().Check(dst, t.Spec()); err != nil {
		return fmt.Errorf("segmentation: %w", err)
	}
	if err := t.Transform.ApplyMaskBytes(dst.Crop, dst.Numbers, dst.Labels, img, train, r); err != nil {
		return fmt.Errorf("segmentation: %w", err)
	}
	return t.checkClasses(dst.Labels)
}

// Inputs returns the crops, normalised.
func (Task) Inputs(crops, numbers *gorgonia.Node, targets pretext.Targets) (*gorgonia.Node, pretext.Targets, error) {
	x, err := ops.NormaliseCrops(crops, numbers)
	if err != nil {
		return nil, targets, fmt.Errorf("segmentation: %w", err)
	}
	return x, targets, nil
}

// checkClasses returns an error if a label is out of range.
func (t Task) checkClasses(labels []int32) error {
	for i, label := range labels {
		if int(label) >= t.ASPP.Classes {
			return fmt.Errorf("segmentation: class %d in row %d, column %d of the transformed mask, want 0 to %d, or 255 for ignored pixels", label, i/t.Transform.Width, i%t.Transform.Width, t.ASPP.Classes-1)
		}
	}
	return nil
}

// Head returns logits [N, h, w, Classes] at the resolution of the feature map, by ASPP.
func (t Task) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	return t.ASPP.Build(s.Sub("classifier"), features)
}

// Loss returns the cross-entropy of the labels and the logits, resized bilinearly with
// aligned corners to the labels, over the pixels that are not ignored.
func (Task) Loss(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
	l, err := ops.PixelCrossEntropy(logits, targets.Labels, ops.LossConfig{IgnoreIndex: pretext.IgnoreIndex})
	if err != nil {
		return ops.Loss{}, fmt.Errorf("segmentation: %w", err)
	}
	return l, nil
}

// Metric returns "miou", the mean intersection over union; higher is better.
func (Task) Metric() (name string, lowerIsBetter bool) { return "miou", false }

// Evaluate returns a function that evaluates the network on whole images with a
// Predictor and returns the counts of a ConfusionMatrix, and the memory for images of the
// size of the first one. The network runs on the device; see PredictorConfig. The
// architecture must report its output stride; see Network.
func (t Task) Evaluate(ctx context.Context, a cell.Architecture, p *ops.Params, val pretext.Source, device string) (evaluate func(ctx context.Context, images []int) ([]float64, error), bytes int64, err error) {
	predictor, err := NewPredictor(Network{a, t}, p, PredictorConfig{Device: device})
	if err != nil {
		return nil, 0, err
	}
	first, err := load(ctx, val, 0)
	if err != nil {
		return nil, 0, err
	}
	if bytes, err = predictor.Bytes(first.Height, first.Width); err != nil {
		return nil, 0, err
	}
	return func(ctx context.Context, images []int) ([]float64, error) {
		c, err := predictor.evaluate(ctx, val, images)
		if err != nil {
			return nil, err
		}
		counts := make([]float64, len(c.counts))
		for i, n := range c.counts {
			counts[i] = float64(n)
		}
		return counts, nil
	}, bytes, nil
}

// Scores returns the scores of the counts of Evaluate: the mean intersection over union
// ("miou"), the pixel accuracy ("accuracy"), and the intersection over union of each class
// ("iou_0", …), which is NaN, and excluded from the mean, for a class in neither truth nor
// prediction.
func (t Task) Scores(counts []float64) map[string]float64 {
	c := &ConfusionMatrix{classes: t.ASPP.Classes}
	for _, n := range counts {
		c.counts = append(c.counts, uint64(n))
		c.total += uint64(n)
	}
	mean, _ := c.MeanIoU()
	scores := map[string]float64{"miou": mean, "accuracy": c.Accuracy()}
	for class, iou := range c.IoU() {
		scores[fmt.Sprintf("iou_%d", class)] = iou
	}
	return scores
}
