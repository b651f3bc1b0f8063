package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/dataset/scenes"
	"unnas/darts/preset"
	"unnas/examples/unnas/internal/session"
	"unnas/pretext"
)

// A labelled source is a data set with classes.
type labelled interface {
	darts.Source
	Classes() []string
}

// How many built-in scenes there are, unless -subset asks for others.
const (
	trainScenes = 512
	valScenes   = 128
)

// open opens the images to learn from for a task.
func (c *call) open(ctx context.Context, k kind, task pretext.Task, decoder *pretext.Decoder) (labelled, error) {
	if k.name == builtIn {
		n, err := session.SubsetSize(c.subset, trainScenes)
		if err != nil {
			return nil, err
		}
		return c.scenes(task, n, 1)
	}
	split := dataset.Train
	if k.name == folder {
		split = dataset.All
		switch has, err := dataset.HasSplit(c.data, dataset.Train); {
		case err != nil:
			return nil, err
		case has:
			split = dataset.Train
			if _, packed, _ := dataset.PackedName(c.data); !packed { // of which kind says what it is
				fmt.Fprintf(c.notes, "%s has folders of classes: its images are used\n", filepath.Join(c.data, "train"))
			}
		}
	}
	return c.openSplit(ctx, k, c.data, split, task, decoder)
}

// openVal opens the images of validation for a task.
func (c *call) openVal(ctx context.Context, k kind, task pretext.Task, decoder *pretext.Decoder) (labelled, error) {
	dir, split := c.data, k.val
	if c.val != "" {
		dir = c.val
	}
	switch k.name {
	case builtIn:
		n, err := session.SubsetSize(c.subset, valScenes)
		if err != nil {
			return nil, err
		}
		return c.scenes(task, min(n, valScenes), 2)
	case preset.ImageNet22K:
		if c.val == "" {
			return nil, usagef("%s has no images of validation; give -val with a folder of class folders", k.title)
		}
		k, split = kindOf(folder), dataset.All
	case folder:
		var err error
		if split, err = valSplit(dir); err != nil {
			return nil, err
		}
	}
	return c.openSplit(ctx, k, dir, split, task, decoder)
}

// heldOut is the share of the images of a folder without images of validation, one in
// this many, that a training validates on.
const heldOut = 10

// splits returns the images to train on and to validate on: of a folder without images
// of validation, a random part of its images.
func (c *call) splits(ctx context.Context, k kind, src labelled, task pretext.Task, decoder *pretext.Decoder) (train, val darts.Source, err error) {
	if k.name == folder && c.val == "" {
		split, err := valSplit(c.data)
		if err != nil {
			return nil, nil, err
		}
		if split == dataset.All {
			return c.holdOut(src)
		}
	}
	val, err = c.openVal(ctx, k, task, decoder)
	return src, val, err
}

// holdOut parts images at random.
func (c *call) holdOut(src labelled) (train, val darts.Source, err error) {
	n := src.Len()
	if n < 2 {
		return nil, nil, usagef("%s has one image; give two or more, one of them for validation", c.data)
	}
	order := rand.New(rand.NewPCG(c.Seed, 0)).Perm(n)
	held := max(n/heldOut, 1)
	slices.Sort(order[:held])
	slices.Sort(order[held:])
	fmt.Fprintf(c.notes, "%s has no images of validation: %d of its %d, drawn by -seed, are held out; -val names others\n", c.data, held, n)
	return dataset.Subset(src, order[held:]), dataset.Subset(src, order[:held]), nil
}

// valSplit returns the split of a folder with images of validation, or that of all.
func valSplit(dir string) (dataset.Split, error) {
	for _, split := range []dataset.Split{dataset.Val, dataset.Test} {
		if has, err := dataset.HasSplit(dir, split); err != nil || has {
			return split, err
		}
	}
	return dataset.All, nil
}

// scenes returns built-in scenes of the size of a task's views.
func (c *call) scenes(task pretext.Task, n int, seed uint64) (labelled, error) {
	side := kindOf(builtIn).size
	if c.size > 0 {
		side = c.size
	}
	src, err := scenes.New(n, side, side, seed)
	if err != nil {
		return nil, fmt.Errorf("-size %d: %w", side, err)
	}
	return src, nil
}

// openSplit opens a split of a data set with files, or of a packed one. Without a task
// images have all that there is.
func (c *call) openSplit(ctx context.Context, k kind, dir string, split dataset.Split, task pretext.Task, decoder *pretext.Decoder) (labelled, error) {
	withoutMasks := task != nil && task.Name() != preset.Segmentation
	switch _, packed, err := dataset.PackedName(dir); {
	case err != nil:
		return nil, err
	case packed && (c.list != "" || c.index != ""):
		return nil, usagef("-list and -index are of the files of ImageNet-22K, and %s is packed; leave them out, or give them to unnas pack", dir)
	case packed:
		return dataset.OpenPacked(ctx, dir, split, dataset.Options{NoMasks: withoutMasks})
	}
	o := dataset.Options{Decoder: decoder}
	switch k.name {
	case preset.CIFAR10:
		return dataset.OpenCIFAR10(ctx, dir, split, o)
	case preset.ImageNet1K:
		return session.List(c.notes, o, func(o dataset.Options) (labelled, error) {
			return dataset.OpenImageNet1K(ctx, dir, split, o)
		})
	case preset.ImageNet22K:
		o.List, o.Index, o.Seed = c.list, c.index, c.Seed
		var src *dataset.ImageNet22K
		err := darts.First(c.Runtime.Communicator, func() (err error) {
			src, err = openImageNet22K(ctx, dir, o, c.notes)
			return err
		})
		return src, err
	case preset.Cityscapes:
		o.NoMasks = withoutMasks || task == nil && !session.Exists(filepath.Join(dir, "gtFine"))
		return dataset.OpenCityscapes(ctx, dir, split, o)
	}
	return session.List(c.notes, o, func(o dataset.Options) (labelled, error) {
		return dataset.OpenFolder(ctx, dir, split, o)
	})
}

// openImageNet22K opens ImageNet-22K. It prints the progress of listing the images,
// which takes minutes the first time.
func openImageNet22K(ctx context.Context, dir string, o dataset.Options, out io.Writer) (*dataset.ImageNet22K, error) {
	listed := false
	src, err := session.List(out, o, func(o dataset.Options) (*dataset.ImageNet22K, error) {
		progress := o.Progress
		o.Progress = func(done, total int64) {
			listed = true
			progress(done, total)
		}
		return dataset.OpenImageNet22K(ctx, dir, o)
	})
	if err != nil {
		return nil, err
	}
	if listed {
		fmt.Fprintf(out, "listed %d classes, %d images\n", len(src.Classes()), src.Len())
	}
	if why := src.RebuildReason(); why != nil {
		fmt.Fprintln(out, "the images were listed:", why)
	}
	return src, nil
}

// noteUnreadable prints how many images could not be read, if there are any.
func noteUnreadable(src darts.Source, out io.Writer) {
	if n, first := (dataset.Wrapper{Source: src}).Unreadable(); n > 0 {
		fmt.Fprintf(out, "unreadable images, replaced by others: %d, the first %s\n", n, first[0])
	}
}

// sample returns the random subset of the images that -subset asks for.
func (c *call) sample(src darts.Source) (darts.Source, error) {
	return session.Subset(src, c.subset, c.Seed)
}

// sampleVal is sample for the images of validation: all, if there are no more.
func (c *call) sampleVal(src darts.Source) (darts.Source, error) {
	if n, err := session.SubsetSize(c.subset, src.Len()); err != nil || n >= src.Len() {
		return src, err
	}
	return c.sample(src)
}
