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

// short has the names of the tasks in the tables of the paper.
var short = map[string]string{"cls": Classification, "seg": Segmentation, "rot": Rotation, "col": Colorization, "jig": Jigsaw}

// TaskName returns the name of a task that may be abbreviated as in the tables of
// the paper: rotation for rot. It returns other names as they are.
func TaskName(name string) string {
	if long, ok := short[name]; ok {
		return long
	}
	return name
}

// A dataset is what the tasks of a data set share.
type dataset struct {
	name          string
	labelled      string // the task that needs the labels
	classes, size int    // of the labels, and of images in pixels
}

var datasets = []dataset{
	{CIFAR10, Classification, 10, 32},
	{ImageNet1K, Classification, 1000, 224},
	{ImageNet22K, Classification, 21841, 224},
	{Cityscapes, Segmentation, 19, 321},
}

// shorterSide is the shorter side of the images of Cityscapes in a search.
const shorterSide = 512

// Transform returns the transform that a task has of the images of a data set, in
// its published form but for the size: size by size pixels, of images of Cityscapes
// scaled to a shorter side of about shorter pixels; the others do not need it.
//
// Colours are not jittered where they are the target. Tiles and colours are taken from
// the whole of the images of CIFAR-10, since padding has neither, and a jigsaw of
// ImageNet from a window at a random place.
func Transform(data, task string, size, shorter int) (pretext.View, error) {
	var t pretext.View
	task = TaskName(task)
	switch data {
	case CIFAR10:
		if t = pretext.CIFAR10(); task == Colorization || task == Jigsaw {
			t.Crop = pretext.CropNone
		}
	case ImageNet1K, ImageNet22K:
		if t = pretext.ImageNet(size); task == Jigsaw {
			t.Crop = pretext.CropScale
		}
	case Cityscapes:
		t = pretext.Cityscapes(size, shorter)
	default:
		return t, unknown(data)
	}
	if t.Height, t.Width = size, size; task == Colorization {
		t.Jitter = 0
	}
	return t, nil
}

// Task returns a task in its published form for a data set, as searches have it. An
// unknown name is an error that lists those that there are.
func Task(data, task string) (pretext.Task, error) {
	i := slices.IndexFunc(datasets, func(d dataset) bool { return d.name == data })
	if i < 0 {
		return nil, unknown(data)
	}
	d, name := datasets[i], TaskName(task)
	size := d.size
	if name == Jigsaw && d.size == 224 {
		size = 255 // which its cells divide
	}
	t, err := Transform(data, name, size, shorterSide)
	if err != nil {
		return nil, err
	}
	switch {
	case name == Rotation:
		return pretext.Rotation{View: t}, nil
	case name == Colorization:
		return pretext.Colorization{View: t}, nil
	case name == Jigsaw && data == CIFAR10:
		return pretext.Jigsaw{View: t, Grid: 2, Permutations: 24, GrayShare: 0.3}, nil
	case name == Jigsaw:
		return pretext.Jigsaw{View: t, Grid: 3, Permutations: 1000, GrayShare: 0.3}, nil
	case name == d.labelled && name == Classification:
		return pretext.Classification{View: t, Classes: d.classes}, nil
	case name == d.labelled:
		return segmentation.Task{View: t, ASPP: segmentation.SearchASPP(d.classes)}, nil
	}
	return nil, fmt.Errorf("preset: there is no task %q for %s, want one of %s", task, data, strings.Join([]string{d.labelled, Rotation, Colorization, Jigsaw}, ", "))
}

// unknown returns the error of a data set without tasks.
func unknown(data string) error {
	names := make([]string, len(datasets))
	for i, d := range datasets {
		names[i] = d.name
	}
	return fmt.Errorf("preset: unknown data set %q, want one of %s", data, strings.Join(names, ", "))
}

// taskOf returns a task that must be there.
func taskOf(data, task string) pretext.Task {
	t, err := Task(data, task)
	if err != nil {
		panic(err) // a row of a table here names another
	}
	return t
}
