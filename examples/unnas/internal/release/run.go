package release

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"unnas/darts/dataset"
	"unnas/darts/record"
	"unnas/pretext"
)

// Seed returns RNG_SEED.
func (c *Config) Seed() uint64 { return uint64(c.RNGSeed) }

// Workers returns how many goroutines load images.
func (c *Config) Workers() int { return max(c.DataLoader.NumWorkers, 1) }

// Dir returns the run directory that OUT_DIR names, empty if it names none, and
// whether the run in it is resumed.
func (c *Config) Dir() (dir string, resume bool) {
	if c.OutDir == hereOutDir || c.OutDir == defaultOutDir {
		return "", false
	}
	_, err := os.Stat(filepath.Join(c.OutDir, record.File))
	return c.OutDir, c.Train.AutoResume && err == nil
}

// Notes prints which of the given keys have no effect.
func (c *Config) Notes(out io.Writer) {
	if names := c.idle(); len(names) > 0 {
		fmt.Fprintf(out, "without effect here: %s\n", strings.Join(names, ", "))
	}
	if c.NumGPUs > 1 && c.Searches() {
		fmt.Fprintf(out, "NUM_GPUS %d: one network sees all %d images of a step, and normalises them together\n", c.NumGPUs, c.Train.BatchSize)
	}
}

// A Source is a data set with classes.
type Source interface {
	pretext.Source
	Classes() []string
}

// Open opens a split, Train or Val, of TRAIN.DATASET in a folder, also of one that was packed. CIFAR-10 has its
// images of testing in place of those of validation. Of the options it sets those that
// keys say.
func (c *Config) Open(ctx context.Context, dir string, split dataset.Split, o dataset.Options) (Source, error) {
	if dir == "" {
		return nil, c.Fault("TRAIN.DATASET", "is %s; say where it lies with -data DIR before the first KEY", c.Train.Dataset)
	}
	if o.Index != "" && c.Train.Dataset != imagenet22k {
		return nil, c.Fault("TRAIN.DATASET", "is %s, and -index is of imagenet22k; leave it out", c.Train.Dataset)
	}
	switch {
	case c.Train.Dataset == cifar10 && split == dataset.Val:
		split = dataset.Test
	case c.Train.Dataset == imagenet22k:
		split = dataset.All
	}
	withoutMasks := c.Task().Name() != "segmentation"
	_, packed, err := dataset.PackedName(dir)
	if err != nil {
		return nil, err
	}
	var src Source
	switch name := c.Train.Dataset; {
	case packed:
		src, err = dataset.OpenPacked(ctx, dir, split, dataset.Options{Progress: o.Progress, Index: o.Index, NoMasks: withoutMasks})
	case name == cifar10:
		src, err = dataset.OpenCIFAR10(ctx, dir, split, o)
	case name == imagenet:
		src, err = dataset.OpenImageNet1K(ctx, dir, split, o)
	case name == imagenet22k:
		o.Seed = c.Seed()
		src, err = dataset.OpenImageNet22K(ctx, dir, o)
	case name == cityscapes:
		o.NoMasks = withoutMasks
		src, err = dataset.OpenCityscapes(ctx, dir, split, o)
	}
	if err != nil {
		return nil, err
	}
	if n := len(src.Classes()); (c.TaskKey == taskCls || c.TaskKey == taskSeg) && n > c.Model.NumClasses {
		return nil, c.Fault("MODEL.NUM_CLASSES", "is %d, but %s has %d classes", c.Model.NumClasses, dir, n)
	}
	return src, nil
}
