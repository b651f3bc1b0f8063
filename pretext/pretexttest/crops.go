package pretexttest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"

	"gorgonia.org/gorgonia"

	"unnas/ops"
	"unnas/pretext"
)

// crops checks what a task writes for a device that makes its inputs, if it does. Whether
// the device makes the inputs of Sample is not checked here, since tests may have none.
func (c *checker) crops() {
	task, ok := pretext.AsCropTask(c.task)
	if !ok {
		return
	}
	size := task.CropSpec()
	if other := task.CropSpec(); !reflect.DeepEqual(size, other) {
		c.fault("the sizes of crops change: %+v, then %+v", size, other)
		return
	}
	if err := size.Validate(c.spec); err != nil {
		c.fault("the sizes of crops are %+v: %w", size, err)
		return
	}
	for _, img := range c.images {
		pix := slices.Clone(img.Pix)
		for _, train := range []bool{true, false} {
			where := mode(img, train)
			c.guard(where+": ", func() {
				if err := c.crop(task, img, train); err != nil {
					c.fault("%s: %w", where, err)
				}
			})
		}
		if !slices.Equal(pix, img.Pix) {
			c.fault("Crop modifies the image")
			return
		}
	}
	c.badCrops(task)
	if err := ops.Build(func() error { return c.inputs(task) }); err != nil {
		c.fault("the inputs of crops: %w", err)
	}
}

// crop checks the crop of an image beside its sample.
func (c *checker) crop(task pretext.CropTask, img *pretext.Image, train bool) error {
	size := task.CropSpec()
	take := func(r *rand.Rand, b uint8, x float32, y int32) (pretext.CropSample, error) {
		k := size.NewSample(c.spec)
		fill(k.Crop, b)
		fill(k.Numbers, x)
		fill(k.Labels, y)
		fill(k.Targets, x)
		return k, task.Crop(k, img, train, r)
	}
	ofSample, ofCrop := stream(1), stream(1)
	s := sample{c.spec.NewSample()}
	if err := task.Sample(s.Sample, img, train, ofSample); err != nil {
		return err
	}
	first, err := take(ofCrop, 77, nan, unwritten)
	if err != nil {
		return fmt.Errorf("the crop: %w", err)
	}
	if ofSample.Uint64() != ofCrop.Uint64() {
		return errors.New("Crop and Sample draw different numbers; both must draw the same from r, in the same order")
	}
	for i, v := range first.Numbers {
		if !finite(float64(v)) {
			return fmt.Errorf("number %d of the crop is %v; want finite numbers everywhere", i, v)
		}
	}
	other := sample{pretext.Sample{Labels: first.Labels, Targets: first.Targets}}
	if slices.Equal(size.LabelShape, c.spec.LabelShape) {
		other.Inputs = s.Inputs
		if d := s.differ(other); d != "" {
			return fmt.Errorf("the crop and the sample differ: %s", d)
		}
	}
	second, err := take(stream(1), 0, 7, 0)
	if err != nil {
		return fmt.Errorf("the second crop: %w", err)
	}
	if !reflect.DeepEqual(first, second) {
		return errors.New("two crops of the same stream differ; only r may be random, and all memory must be written")
	}
	return nil
}

// badCrops checks that Crop refuses invalid arguments.
func (c *checker) badCrops(task pretext.CropTask) {
	for name, change := range map[string]func(k *pretext.CropSample){
		"a byte too few":     func(k *pretext.CropSample) { k.Crop = k.Crop[1:] },
		"a byte too many":    func(k *pretext.CropSample) { k.Crop = append(k.Crop, 0) },
		"a number too few":   func(k *pretext.CropSample) { k.Numbers = k.Numbers[1:] },
		"a number too many":  func(k *pretext.CropSample) { k.Numbers = append(k.Numbers, 0) },
		"a label too many":   func(k *pretext.CropSample) { k.Labels = append(k.Labels, 0) },
		"a target too many":  func(k *pretext.CropSample) { k.Targets = append(k.Targets, 0) },
		"no memory whatever": func(k *pretext.CropSample) { *k = pretext.CropSample{} },
	} {
		c.guard(name+": ", func() {
			k := task.CropSpec().NewSample(c.spec)
			change(&k)
			if task.Crop(k, c.images[0], true, stream(1)) == nil {
				c.fault("%s: Crop returns no error", name)
			}
		})
	}
	c.guard("no image: ", func() {
		if task.Crop(task.CropSpec().NewSample(c.spec), nil, true, stream(1)) == nil {
			c.fault("no image: Crop returns no error")
		}
	})
}

// inputs builds the inputs of three images.
func (c *checker) inputs(task pretext.CropTask) error {
	const images = 3
	size, given := task.CropSpec(), c.spec
	given.LabelShape = size.LabelShape
	g := gorgonia.NewGraph()
	crops, err := ops.Crops(g, "crops", images, size.Height, size.Width)
	if err != nil {
		return err
	}
	numbers, err := ops.Values(g, "numbers", images, size.Numbers)
	if err != nil {
		return err
	}
	targets, err := given.NewTargets(g, images)
	if err != nil {
		return err
	}
	x, all, err := task.Inputs(crops, numbers, targets)
	if err != nil {
		return err
	}
	return c.spec.CheckInputs(x, all, images)
}
