package darts

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"math"
	"slices"

	"unnas/pretext"
	"unnas/segmentation"
)

// Prediction is a class and its probability, the softmax of the logits.
type Prediction struct {
	Class       int
	Name        string // of the class; "" if the model has no names
	Probability float64
}

// Predict returns the classes of each image, the most probable first; of equally
// probable ones the first. The task must have one label for each image, as
// classification has; Logits serves others, and Segment those that label pixels. An
// image that is nil or not valid is an error, as are logits that are not finite.
func (m *Model) Predict(ctx context.Context, images ...image.Image) ([][]Prediction, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	switch spec := m.Task.Spec(); {
	case spec.Classes == 0:
		return nil, fmt.Errorf("darts: task %s predicts no classes; take its Logits or Features", m.Task.Name())
	case spec.LabelLen() != 1:
		return nil, fmt.Errorf("darts: task %s has labels of shape %v for an image, not one; take its Logits, or Segment", m.Task.Name(), spec.LabelShape)
	}
	logits, err := m.Logits(ctx, images...)
	if err != nil {
		return nil, err
	}
	all := make([][]Prediction, len(logits))
	for i, row := range logits {
		all[i] = ranked(row)
		for k, p := range all[i] {
			if p.Class < len(m.Classes) {
				all[i][k].Name = m.Classes[p.Class]
			}
		}
	}
	return all, nil
}

// Logits returns the output of the head of the task for each image, one row for each
// label of the image, one after the other. Each image is under the evaluation transform
// of the task. Labels and masks are not needed, unless the task makes its inputs of
// them; what a task draws is the same for each image.
func (m *Model) Logits(ctx context.Context, images ...image.Image) ([][]float32, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	if m.network == nil {
		device, err := m.device()
		if err != nil {
			return nil, err
		}
		p, err := newPredictor(m.Architecture, m.Task, m.Params, device)
		if err != nil {
			return nil, err
		}
		m.network = p
	}
	converted, err := convert(images)
	if err != nil {
		return nil, err
	}
	return m.network.logits(ctx, converted)
}

// convert returns images as tasks take them.
func convert(images []image.Image) ([]*pretext.Image, error) {
	all := make([]*pretext.Image, len(images))
	for i, img := range images {
		if p, ok := img.(*pretext.Image); img == nil || ok && p == nil {
			return nil, fmt.Errorf("darts: image %d is nil", i)
		}
		all[i] = pretext.FromImage(img)
	}
	return all, nil
}

// Segment returns the class of each pixel of an image, row by row, which it sees whole
// and in its own size. The task must be a segmentation.Task; segmentation.Predictor has
// more ways to look at an image.
func (m *Model) Segment(ctx context.Context, img image.Image) ([]uint8, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	converted, err := convert([]image.Image{img})
	if err != nil {
		return nil, err
	}
	if m.pixels == nil {
		task, ok := m.Task.(segmentation.Task)
		if p, pointer := m.Task.(*segmentation.Task); pointer {
			task, ok = *p, true
		}
		if !ok {
			return nil, fmt.Errorf("darts: task %s does not label pixels of whole images; use Predict or Logits", m.Task.Name())
		}
		p, err := segmentation.NewPredictor(segmentation.Network{Architecture: m.Architecture, Task: task}, m.Params, segmentation.PredictorConfig{Device: m.Device})
		if err != nil {
			return nil, err
		}
		m.pixels = p
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return m.pixels.Predict(converted[0])
}

// ranked returns the classes of a row of logits by their probability.
func ranked(logits []float32) []Prediction {
	top, sum := float64(slices.Max(logits)), 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - top)
	}
	classes := make([]Prediction, len(logits))
	for k, v := range logits {
		classes[k] = Prediction{Class: k, Probability: math.Exp(float64(v)-top) / sum}
	}
	slices.SortStableFunc(classes, func(a, b Prediction) int { return cmp.Compare(logits[b.Class], logits[a.Class]) })
	return classes
}
