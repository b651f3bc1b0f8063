package preset

import (
	"fmt"
	"slices"
	"strings"

	"unnas/pretext"
	"unnas/segmentation"
)

// The data sets.
const (
	CIFAR10     = "cifar10"
	ImageNet1K  = "imagenet1k"
	ImageNet22K = "imagenet22k"
	Cityscapes  = "cityscapes"
)

// The tasks.
const (
	Classification = "classification"
	Segmentation   = "segmentation"
	Rotation       = "rotation"
	Colorization   = "colorization"
	Jigsaw         = "jigsaw"
)

// short maps the names of tasks in the tables of the paper.
var short = map[string]string{"cls": Classification, "seg": Segmentation, "rot": Rotation, "col": Colorization, "jig": Jigsaw}

// TaskName expands the name of a task abbreviated as in the tables of the paper: rot to
// rotation. It returns other names unchanged.
func TaskName(name string) string {
	if long, ok := short[name]; ok {
		return long
	}
	return name
}

// A dataset holds what the tasks of a data set share.
type dataset struct {
	name          string
	labelled      string // the supervised task
	classes, size int    // number of classes; side of the images in pixels
}

var datasets = []dataset{
	{CIFAR10, Classification, 10, 32},
	{ImageNet1K, Classification, 1000, 224},
	{ImageNet22K, Classification, 21841, 224},
	{Cityscapes, Segmentation, 19, 321},
}

// shorterSide is the shorter side of Cityscapes images in a search.
const shorterSide = 512

// Transform returns the published transform of a task for the images of a data set, at
// size×size pixels. Cityscapes images are resized to a shorter side of about shorter
// pixels; other data sets ignore it.
//
// Colour jitter is off for colorization. Colorization and jigsaw use whole CIFAR-10
// images, since padding has no colours or tiles, and a jigsaw of ImageNet a random crop
// of the resized image.
func Transform(data, task string, size, shorter int) (pretext.Transform, error) {
	var t pretext.Transform
	task = TaskName(task)
	switch data {
	case CIFAR10:
		if t = pretext.CIFAR10Transform(); task == Colorization || task == Jigsaw {
			t.Crop = pretext.CropNone
		}
	case ImageNet1K, ImageNet22K:
		if t = pretext.ImageNetTransform(size); task == Jigsaw {
			t.Crop = pretext.CropResized
		}
	case Cityscapes:
		t = pretext.CityscapesTransform(size, shorter)
	default:
		return t, unknown(data)
	}
	if t.Height, t.Width = size, size; task == Colorization {
		t.Jitter = 0
	}
	return t, nil
}

// Task returns the published task for a data set, as in searches. An unknown name is an
// error that lists the known ones.
func Task(data, task string) (pretext.Task, error) {
	i := slices.IndexFunc(datasets, func(d dataset) bool { return d.name == data })
	if i < 0 {
		return nil, unknown(data)
	}
	d, name := datasets[i], TaskName(task)
	size := d.size
	if name == Jigsaw && d.size == 224 {
		size = 255 // a multiple of the grid
	}
	t, err := Transform(data, name, size, shorterSide)
	if err != nil {
		return nil, err
	}
	switch {
	case name == Rotation:
		return pretext.Rotation{Transform: t}, nil
	case name == Colorization:
		return pretext.Colorization{Transform: t}, nil
	case name == Jigsaw && data == CIFAR10:
		return pretext.Jigsaw{Transform: t, Grid: 2, Permutations: 24, GrayscaleProb: 0.3}, nil
	case name == Jigsaw:
		return pretext.Jigsaw{Transform: t, Grid: 3, Permutations: 1000, GrayscaleProb: 0.3}, nil
	case name == d.labelled && name == Classification:
		return pretext.Classification{Transform: t, Classes: d.classes}, nil
	case name == d.labelled:
		return segmentation.Task{Transform: t, ASPP: segmentation.SearchASPP(d.classes)}, nil
	}
	return nil, fmt.Errorf("preset: no task %q for %s, want one of %s", task, data, strings.Join([]string{d.labelled, Rotation, Colorization, Jigsaw}, ", "))
}

// unknown returns the error of an unknown data set.
func unknown(data string) error {
	names := make([]string, len(datasets))
	for i, d := range datasets {
		names[i] = d.name
	}
	return fmt.Errorf("preset: unknown data set %q, want one of %s", data, strings.Join(names, ", "))
}

// taskOf returns a task that must exist.
func taskOf(data, task string) pretext.Task {
	t, err := Task(data, task)
	if err != nil {
		panic(err) // a table row has an invalid name
	}
	return t
}
