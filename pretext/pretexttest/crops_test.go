package pretexttest

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"gorgonia.org/gorgonia"

	"unnas/pretext"
)

// cropping is a good task of which parts are replaced by wrong ones.
type cropping struct {
	pretext.Task
	of     pretext.CropTask
	size   func(c *pretext.CropSpec)
	crop   func(dst pretext.CropSample, img *pretext.Image, r *rand.Rand) error
	inputs func(images *gorgonia.Node, targets pretext.Targets) (*gorgonia.Node, pretext.Targets, error)
}

func (c cropping) CropSpec() pretext.CropSpec {
	size := c.of.CropSpec()
	if c.size != nil {
		c.size(&size)
	}
	return size
}

func (c cropping) Crop(dst pretext.CropSample, img *pretext.Image, train bool, r *rand.Rand) error {
	if err := c.of.Crop(dst, img, train, r); err != nil || c.crop == nil {
		return err
	}
	return c.crop(dst, img, r)
}

func (c cropping) Inputs(crops, numbers *gorgonia.Node, targets pretext.Targets) (*gorgonia.Node, pretext.Targets, error) {
	images, targets, err := c.of.Inputs(crops, numbers, targets)
	if err != nil || c.inputs == nil {
		return images, targets, err
	}
	return c.inputs(images, targets)
}

// TestRunChecksCrops finds what is wrong in tasks that make crops.
func TestRunChecksCrops(t *testing.T) {
	v := good().(pretext.Classification).Transform
	task := pretext.Jigsaw{Transform: v, Grid: 2, Permutations: 24, GrayscaleProb: 0.3}
	task.Transform.Height, task.Transform.Width = 8, 10
	colours := pretext.Colorization{Transform: v}
	assert.Empty(t, check(cropping{Task: task, of: task}, defaults()))
	assert.Empty(t, check(cropping{Task: colours, of: colours}, defaults()))
	calls := 0
	for want, c := range map[string]cropping{
		"the sizes of crops change":               {size: func(c *pretext.CropSpec) { calls++; c.Height += calls }},
		"CropSpec.Height, Width = 8, 0":           {size: func(c *pretext.CropSpec) { c.Width = 0 }},
		"CropSpec.LabelShape = [2]":               {size: func(c *pretext.CropSpec) { c.LabelShape = []int{2} }},
		"draw different numbers":                  {crop: func(_ pretext.CropSample, _ *pretext.Image, r *rand.Rand) error { r.Uint64(); return nil }},
		"number 3 of the crop is NaN":             {crop: func(dst pretext.CropSample, _ *pretext.Image, _ *rand.Rand) error { dst.Numbers[3] = nan; return nil }},
		"the crop and the sample differ: label 0": {crop: func(dst pretext.CropSample, _ *pretext.Image, _ *rand.Rand) error { dst.Labels[0]++; return nil }},
		"two crops of the same stream differ": {crop: func(dst pretext.CropSample, _ *pretext.Image, _ *rand.Rand) error {
			calls++
			dst.Crop[0] = uint8(calls)
			return nil
		}},
		"Crop modifies the image":                      {crop: func(_ pretext.CropSample, img *pretext.Image, _ *rand.Rand) error { img.Pix[0]++; return nil }},
		"the crop: broken":                             {crop: func(pretext.CropSample, *pretext.Image, *rand.Rand) error { return errors.New("broken") }},
		"pretext: Inputs returns no node for 3 images": {inputs: func(_ *gorgonia.Node, t pretext.Targets) (*gorgonia.Node, pretext.Targets, error) { return nil, t, nil }},
		"Inputs returns targets of no node for 3 images, want int32 [3]": {inputs: func(x *gorgonia.Node, _ pretext.Targets) (*gorgonia.Node, pretext.Targets, error) {
			return x, pretext.Targets{}, nil
		}},
		"the inputs of crops: broken": {inputs: func(*gorgonia.Node, pretext.Targets) (*gorgonia.Node, pretext.Targets, error) {
			return nil, pretext.Targets{}, errors.New("broken")
		}},
	} {
		c.Task, c.of = task, task
		assert.ErrorContains(t, errors.Join(check(c, defaults())...), want)
	}
}
