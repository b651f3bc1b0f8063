package main

import (
	"fmt"
	"slices"
	"strings"

	"unnas/darts/preset"
	"unnas/pretext"
	"unnas/segmentation"
)

// The tasks that are not of package preset.
const (
	relativePatch  = "relative_patch"
	reconstruction = "reconstruction"
	contrastive    = "contrastive"
)

// taskNames are the names of the tasks; the paper's abbreviations serve too.
func taskNames() []string {
	return []string{preset.Rotation, preset.Jigsaw, preset.Colorization, relativePatch, reconstruction, contrastive, preset.Classification, preset.Segmentation}
}

// taskName returns the name of a task in full.
func taskName(name string) (string, error) {
	full := preset.TaskName(strings.ReplaceAll(name, "-", "_"))
	if !slices.Contains(taskNames(), full) {
		return "", fmt.Errorf("-task: %w", unknown("task", name, taskNames()))
	}
	return full, nil
}

// smallSide is the side of views in pixels below which tasks have the form for CIFAR-10.
const smallSide = 128

// taskOf returns a task for a kind of data sets, in its published form if there is one
// and no size is given.
func taskOf(k kind, name string, size int) (pretext.Task, error) {
	if err := k.takes(name); err != nil {
		return nil, err
	}
	if size == 0 {
		if t, err := preset.Task(k.name, name); err == nil {
			return t, nil
		}
		switch size = k.size; {
		case (name == preset.Jigsaw || name == relativePatch) && size == 224:
			size = 255 // which a grid of three divides
		case name == reconstruction:
			size -= size % 16 // which blocks divide
		}
	}
	t, err := transformOf(k, name, size)
	if err != nil {
		return nil, err
	}
	task := build(name, t, min(t.Height, t.Width))
	if err := task.Validate(); err != nil {
		return nil, usagef("-size %d with -task %s: %w", size, name, err)
	}
	return task, nil
}

// takes returns an error if a kind of data sets lacks the labels of a task.
func (k kind) takes(task string) error {
	switch {
	case task == preset.Segmentation && k.name != builtIn && k.name != preset.Cityscapes:
		return usagef("-task segmentation needs images with a mask each, which %s lacks; give a data set in the layout of Cityscapes, or the built-in scenes", k.title)
	case task == preset.Classification && k.name == preset.Cityscapes:
		return usagef("-task classification needs classes, which Cityscapes lacks; give -task segmentation or one without labels")
	}
	return nil
}

// transformOf returns the transform of a task on a kind of data sets.
func transformOf(k kind, name string, size int) (pretext.Transform, error) {
	form := name
	if name == relativePatch {
		form = preset.Jigsaw // which cuts the view, too
	}
	var t pretext.Transform
	switch k.name {
	case builtIn:
		t = pretext.ScenesTransform(size)
	case folder:
		t = pretext.ImageNetTransform(size)
	default:
		const shorterSide = 512
		var err error
		if t, err = preset.Transform(k.name, form, size, shorterSide); err != nil {
			return t, err
		}
	}
	switch name {
	case preset.Jigsaw, preset.Colorization, relativePatch:
		if t.Crop == pretext.CropPadded { // what is padded has no colour and makes tiles of nothing
			t.Crop = pretext.CropNone
		}
	case contrastive:
		if t.Crop == pretext.CropPadded {
			t.Crop = pretext.CropRandomResized
		}
	}
	if name == preset.Colorization || name == reconstruction || name == contrastive {
		t.Jitter = 0
	}
	return t, nil
}

// build returns a task with views of a side. Classes are those of labels that are not
// known yet.
func build(name string, t pretext.Transform, side int) pretext.Task {
	switch name {
	case preset.Rotation:
		return pretext.Rotation{Transform: t}
	case preset.Jigsaw:
		j := pretext.JigsawImageNet()
		if side < smallSide {
			j = pretext.JigsawCIFAR10()
		}
		j.Transform = t
		return j
	case preset.Colorization:
		return pretext.Colorization{Transform: t}
	case relativePatch:
		p := pretext.RelativePatchImageNet()
		p.Patch, p.Gap, p.Jitter = side*p.Patch/255, side*p.Gap/255, side*p.Jitter/255
		if side < smallSide {
			p = pretext.RelativePatchCIFAR10()
			p.Patch, p.Gap, p.Jitter = side*p.Patch/32, side*p.Gap/32, side*p.Jitter/32
		}
		p.Transform = t
		return p
	case reconstruction:
		r := pretext.ReconstructionImageNet()
		if side < smallSide {
			r = pretext.ReconstructionCIFAR10()
		}
		r.Transform = t
		return r
	case contrastive:
		c := pretext.ContrastiveImageNet()
		if side < smallSide {
			c = pretext.ContrastiveCIFAR10()
		}
		c.Transform = t
		return c
	case preset.Segmentation:
		a := segmentation.SearchASPP(cityscapesClasses)
		if side < smallSide {
			a.Rates = []int{2}
		}
		return segmentation.Task{Transform: t, ASPP: a}
	}
	return pretext.Classification{Transform: t, Classes: 2}
}

// cityscapesClasses is the number of classes of masks.
const cityscapesClasses = 19

// withClasses returns the task for as many classes as the images have.
func (c *call) withClasses(task pretext.Task, k kind, classes int) (pretext.Task, error) {
	t, ok := task.(pretext.Classification)
	if !ok || t.Classes == classes {
		return task, nil
	}
	if classes < 2 {
		return nil, usagef("-task classification needs images of two classes or more, a folder for each, and %s has %d; or give a -task without labels, such as rotation", c.data, classes)
	}
	if k.name != folder && k.name != builtIn {
		fmt.Fprintf(c.notes, "%d classes, published %d\n", classes, t.Classes)
	}
	t.Classes = classes
	return t, nil
}

// splitTasks returns the full names of a list of -tasks.
func splitTasks(list string) ([]string, error) {
	var all []string
	for name := range strings.SplitSeq(list, ",") {
		full, err := taskName(strings.TrimSpace(name))
		if err != nil {
			return nil, usagef("-tasks: %w", err)
		}
		all = append(all, full)
	}
	return all, nil
}
