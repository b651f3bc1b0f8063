// Quickstart searches a cell without labels, in less than a minute: it learns
// which way up small drawn scenes are and, doing so, which operations serve.
// With -data it does the same on images of one's own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/dataset/scenes"
	"unnas/darts/preset"
	"unnas/examples/internal/program"
	"unnas/pretext"
	"unnas/segmentation"
)

const usage = `Quickstart searches a cell for image recognition, without labels, and shows it.

  go run ./examples/quickstart
        built-in scenes, rotation task, less than a minute on two cores
  go run ./examples/quickstart -data cifar-10-batches-bin -epochs 10 -width 16 -cells 8
        CIFAR-10
  go run ./examples/quickstart -data photos -task classification
        JPEG and PNG files, one folder for each class, in photos or in photos/train
`

func main() { program.Main("quickstart", run) }

func run(ctx context.Context, args []string, out, help io.Writer) error {
	f := program.NewFlags("quickstart", usage)
	f.AddJPEG()
	data := f.String("data", "", "`folder` with CIFAR-10 or with images, one folder for each class; empty: built-in scenes")
	name := f.String("task", "rotation", "`task` that the network learns: rotation, jigsaw or colorization, which need no labels, classification, or segmentation of built-in scenes")
	epochs := f.Int("epochs", 3, "passes over one half of the images")
	width := f.Int("width", 8, "channels of the first cell")
	cells := f.Int("cells", 5, "cells of the network")
	batch := f.Int("batch", 8, "images in a step; rotation and jigsaw make four inputs of each")
	if err := f.Parse(args, help); err != nil {
		return err
	}
	decoder, err := f.Decoder()
	if err != nil {
		return err
	}
	src, view, stem, err := open(ctx, *data, dataset.Options{Decoder: decoder}, f.Talk(out))
	if err != nil {
		return err
	}
	task, err := choose(*name, view, src)
	if err != nil {
		return err
	}
	c := darts.DARTS()
	c.Space = cell.DARTS(stem, *width, *cells)
	if task.Name() == "segmentation" { // needs a finer map
		c.Space.Body.Reductions = cell.Reductions(*cells, 1)
	}
	c.Epochs, c.Batch = *epochs, *batch
	// A short search takes larger steps of the alphas than the published one.
	c.ArchLR = 1e-2
	return program.Search{Session: program.Session{Name: "quickstart", Options: f.Options}, Source: src, Task: task, Config: c}.Run(ctx, out)
}

// open returns the images, how a network sees them, and the stem for their size.
func open(ctx context.Context, dir string, o dataset.Options, out io.Writer) (program.Labelled, pretext.View, cell.Stem, error) {
	if dir == "" {
		const size = 32
		src, err := scenes.New(512, size, size, 1)
		return src, pretext.Scenes(size), cell.CIFARStem, err
	}
	if isCIFAR(dir) {
		src, err := dataset.OpenCIFAR10(ctx, dir, dataset.Train, o)
		return src, pretext.CIFAR10(), cell.CIFARStem, err
	}
	split := dataset.All
	switch has, err := dataset.HasSplit(dir, dataset.Train); {
	case err != nil:
		return nil, pretext.View{}, "", err
	case has:
		split = dataset.Train
		fmt.Fprintf(out, "%s has folders of classes: its images are used, and nothing else of %s\n", filepath.Join(dir, "train"), dir)
	}
	src, err := program.List(out, o, func(o dataset.Options) (program.Labelled, error) {
		return dataset.OpenFolder(ctx, dir, split, o)
	})
	return src, pretext.ImageNet(64), cell.ImageNetStem, err
}

func isCIFAR(dir string) bool {
	for _, pattern := range []string{"data_batch_*", "cifar-10-batches-*/data_batch_*"} {
		if found, err := filepath.Glob(filepath.Join(dir, pattern)); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

// choose returns the task of a name, in a form for small images.
func choose(name string, view pretext.View, src program.Labelled) (pretext.Task, error) {
	// What is padded has no colour, and makes tiles of nothing.
	plain := view
	if plain.Crop == pretext.CropPad {
		plain.Crop = pretext.CropNone
	}
	switch preset.TaskName(name) {
	case "rotation":
		return pretext.Rotation{View: view}, nil
	case "jigsaw":
		task := pretext.JigsawCIFAR10()
		task.View = plain
		return task, nil
	case "colorization":
		plain.Jitter = 0
		return pretext.Colorization{View: plain}, nil
	case "classification":
		if len(src.Classes()) < 2 {
			return nil, errors.New("classification needs images of two classes or more, a folder for each; use -task rotation, jigsaw or colorization, which need no labels")
		}
		return pretext.Classification{View: view, Classes: len(src.Classes())}, nil
	case "segmentation":
		if _, ok := src.(*scenes.Set); !ok {
			return nil, errors.New("segmentation needs images with a mask each, such as the built-in scenes: leave out -data, or see go run ./examples/cityscapes -help")
		}
		return segmentation.Task{View: view, ASPP: segmentation.SearchASPP(19)}, nil
	}
	return nil, fmt.Errorf("unknown task %q; use -task rotation, jigsaw, colorization, classification or segmentation", name)
}
