package segmentation

import (
	"errors"
	"fmt"
	"math"
)

// ignored marks an ignored pixel in masks.
const ignored = 255

// ConfusionMatrix counts pairs of true and predicted classes over all pixels of a set of
// images. The metrics derived from it are those of the whole set, not means over images.
type ConfusionMatrix struct {
	classes int
	counts  []uint64 // [truth, predicted]
	total   uint64
}

// NewConfusionMatrix returns an empty ConfusionMatrix of 1 to 255 classes.
func NewConfusionMatrix(classes int) (*ConfusionMatrix, error) {
	if classes < 1 || classes > ignored {
		return nil, fmt.Errorf("segmentation: ConfusionMatrix of %d classes, want 1 to %d", classes, ignored)
	}
	return &ConfusionMatrix{classes: classes, counts: make([]uint64, classes*classes)}, nil
}

// Add counts the pixels of an image, given as masks of equal length. Pixels of true class
// 255 are ignored. Any other class out of range is an error, and nothing is counted.
func (c *ConfusionMatrix) Add(truth, predicted []uint8) error {
	if len(truth) != len(predicted) {
		return fmt.Errorf("segmentation: %d pixels and %d predictions, want equal numbers", len(truth), len(predicted))
	}
	for i, class := range truth {
		switch {
		case class == ignored:
		case int(class) >= c.classes:
			return fmt.Errorf("segmentation: pixel %d has class %d, want 0 to %d, or 255 for ignored pixels", i, class, c.classes-1)
		case int(predicted[i]) >= c.classes:
			return fmt.Errorf("segmentation: class %d predicted for pixel %d, want 0 to %d", predicted[i], i, c.classes-1)
		}
	}
	if c.total > math.MaxUint64-uint64(len(truth)) {
		return errFull
	}
	for i, class := range truth {
		if class != ignored {
			c.counts[int(class)*c.classes+int(predicted[i])]++
			c.total++
		}
	}
	return nil
}

var errFull = fmt.Errorf("segmentation: more than %d pixels", uint64(math.MaxUint64))

// Merge adds the counts of another ConfusionMatrix with the same classes.
func (c *ConfusionMatrix) Merge(o *ConfusionMatrix) error {
	if o == nil {
		return errors.New("segmentation: the ConfusionMatrix to merge is nil")
	}
	if c.classes != o.classes {
		return fmt.Errorf("segmentation: cannot merge ConfusionMatrix of %d and of %d classes", c.classes, o.classes)
	}
	if c.total > math.MaxUint64-o.total {
		return errFull
	}
	for i, n := range o.counts {
		c.counts[i] += n
	}
	c.total += o.total
	return nil
}

// Classes returns the number of classes.
func (c *ConfusionMatrix) Classes() int { return c.classes }

// Count returns the number of pixels with a true and a predicted class, both below Classes.
func (c *ConfusionMatrix) Count(truth, predicted int) uint64 {
	return c.counts[truth*c.classes+predicted]
}

// Pixels returns the number of pixels counted.
func (c *ConfusionMatrix) Pixels() uint64 { return c.total }

// IoU returns the intersection over union of each class, 0 to 1: the number of pixels
// for which both truth and prediction are the class, divided by the number for which at
// least one is. It is NaN for a class that occurs in neither.
func (c *ConfusionMatrix) IoU() []float64 {
	iou := make([]float64, c.classes)
	for k := range iou {
		var union uint64
		for j := range c.classes {
			union += c.Count(k, j)
			if j != k {
				union += c.Count(j, k)
			}
		}
		iou[k] = float64(c.Count(k, k)) / float64(union)
	}
	return iou
}

// MeanIoU returns the mean of the intersections over union, and the classes without one,
// which the mean excludes. It is NaN if there are no others.
func (c *ConfusionMatrix) MeanIoU() (mean float64, absent []int) {
	var sum float64
	for k, v := range c.IoU() {
		if math.IsNaN(v) {
			absent = append(absent, k)
		} else {
			sum += v
		}
	}
	return sum / float64(c.classes-len(absent)), absent
}

// Accuracy returns the pixel accuracy, 0 to 1; NaN without pixels.
func (c *ConfusionMatrix) Accuracy() float64 {
	var right uint64
	for k := range c.classes {
		right += c.Count(k, k)
	}
	return float64(right) / float64(c.total)
}
