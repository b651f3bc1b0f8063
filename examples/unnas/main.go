// Unnas runs the searches and trainings that the configuration files of the authors'
// release of Are Labels Necessary for Neural Architecture Search? describe (Liu et
// al., 2020, arXiv 2003.12056): YAML, with KEY VALUE pairs behind that change it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/record"
	"unnas/examples/internal/program"
	"unnas/pretext"
)

const usage = `Unnas searches a cell or trains a network with a configuration file of the authors'
release, as it is.

  go run ./examples/unnas -cfg imagenet/rot.yaml -data imagenet
        the search of the paper, rotation task on ImageNet-1K
  go run ./examples/unnas -cfg cityscapes/seg.yaml -data cityscapes OUT_DIR runs/seg RNG_SEED 2
        another seed, in a folder; the same command goes on with a run that was stopped
  go run ./examples/unnas -cfg cls/imagenet_rot.yaml -data imagenet TRAIN.BATCH_SIZE 64 OPTIM.BASE_LR 0.03125
        the training of a network of cells that were found, in less memory
  go run ./examples/unnas -cfg imagenet/rot.yaml -data cifar-10-batches-bin \
      TRAIN.DATASET cifar10 TRAIN.IM_SIZE 32 TRAIN.BATCH_SIZE 8 NAS.WIDTH 4 NAS.DEPTH 3 OPTIM.MAX_EPOCH 1 OPTIM.ARCH_EPOCH 0.0
        the same on CIFAR-10, made small

Flags come first, then pairs of KEY VALUE, which change what the file says. The
README beside this program lists all keys. Ctrl-C stops it after the step it is at.

Flags:
`

func main() { program.Main("unnas", run) }

func run(ctx context.Context, args []string, out, help io.Writer) error {
	f := flag.NewFlagSet("unnas", flag.ContinueOnError)
	var o program.Options
	program.AddJPEG(f, &o.JPEG)
	program.AddQuiet(f, &o.Quiet)
	f.StringVar(&o.HTTP, "http", "", program.HTTPUsage)
	path := f.String("cfg", "", "`file` with the configuration; must be given")
	data := f.String("data", "", "`folder` with the images of TRAIN.DATASET; must be given")
	index := f.String("index", "", program.IndexUsage)
	if err := program.Parse(f, usage, args, help); err != nil {
		return err
	}
	if *path == "" {
		return errors.New("-cfg is missing: give the file of the configuration, such as -cfg imagenet/rot.yaml; see -help")
	}
	c, err := read(*path, f.Args())
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("-cfg: %w", err)
	}
	if err != nil {
		return err
	}
	c.index = *index
	if err := c.check(); err != nil {
		return err
	}
	session := program.Session{
		Name: "unnas", Options: c.options(o),
		Begin: func(f *darts.RunDir) error { return f.WriteFile(configFile, c.dump) },
		Again: func(dir string) string { return "OUT_DIR " + dir },
	}
	if c.searches() {
		return c.runSearch(ctx, session, *data, out)
	}
	return c.runTraining(ctx, session, *data, out)
}

func (c *config) runSearch(ctx context.Context, session program.Session, data string, out io.Writer) error {
	settings, err := c.search()
	if err != nil {
		return err
	}
	c.tell(session.Talk(out))
	decoder, err := session.Decoder()
	if err != nil {
		return err
	}
	src, err := c.open(ctx, data, dataset.Train, decoder, session.Talk(out))
	if err != nil {
		return err
	}
	err = program.Search{Session: session, Source: src, Task: c.task(), Config: settings}.Run(ctx, out)
	if d, ok := src.(*dataset.ImageNet22K); ok {
		err = errors.Join(err, program.TellUnreadable(d, out))
	}
	return err
}

func (c *config) runTraining(ctx context.Context, session program.Session, data string, out io.Writer) error {
	settings, err := c.training()
	if err != nil {
		return err
	}
	c.tell(session.Talk(out))
	decoder, err := session.Decoder()
	if err != nil {
		return err
	}
	src, err := c.open(ctx, data, dataset.Train, decoder, session.Talk(out))
	if err != nil {
		return err
	}
	held, err := c.open(ctx, data, dataset.Val, decoder, session.Talk(out))
	if err != nil {
		return err
	}
	return program.Training{Session: session, Source: src, Held: held, Task: c.task(), Config: settings}.Run(ctx, out)
}

// options returns the options of flags with those of keys.
func (c *config) options(o program.Options) program.Options {
	o.Seed, o.Runtime.Workers = uint64(c.RNGSeed), max(c.DataLoader.NumWorkers, 1)
	if c.OutDir != hereOutDir && c.OutDir != defaultOutDir {
		o.Out = c.OutDir
		o.Resume = c.Train.AutoResume && program.Exists(filepath.Join(c.OutDir, record.File))
	}
	return o
}

// tell says what of the settings has no effect.
func (c *config) tell(out io.Writer) {
	if names := c.idle(); len(names) > 0 {
		fmt.Fprintf(out, "without effect here: %s\n", strings.Join(names, ", "))
	}
	if c.NumGPUs > 1 && c.searches() {
		fmt.Fprintf(out, "NUM_GPUS %d: one network sees all %d images of a step, and normalises them together\n", c.NumGPUs, c.Train.BatchSize)
	}
}

// open opens a split of TRAIN.DATASET in a folder, Train or Val, and says what takes
// long. CIFAR-10 has images for testing in place of those for validation.
func (c *config) open(ctx context.Context, dir string, split dataset.Split, decoder *pretext.Decoder, out io.Writer) (program.Labelled, error) {
	if dir == "" {
		return nil, c.fault("TRAIN.DATASET", "is %s; say where it lies with -data FOLDER before the first KEY", c.Train.Dataset)
	}
	var src program.Labelled
	var err error
	o := dataset.Options{Decoder: decoder}
	switch c.Train.Dataset {
	case cifar10:
		if split == dataset.Val {
			split = dataset.Test
		}
		src, err = dataset.OpenCIFAR10(ctx, dir, split, o)
	case imagenet:
		src, err = program.List(out, o, func(o dataset.Options) (program.Labelled, error) {
			return dataset.OpenImageNet1K(ctx, dir, split, o)
		})
	case imagenet22k:
		o.Index, o.Seed = c.index, uint64(c.RNGSeed)
		src, err = program.OpenImageNet22K(ctx, dir, o, out)
	case cityscapes:
		o.NoMasks = c.Task != taskSeg
		src, err = dataset.OpenCityscapes(ctx, dir, split, o)
	}
	if err != nil {
		return nil, err
	}
	if n := len(src.Classes()); (c.Task == taskCls || c.Task == taskSeg) && n > c.Model.NumClasses {
		return nil, c.fault("MODEL.NUM_CLASSES", "is %d, but %s has %d classes", c.Model.NumClasses, dir, n)
	}
	return src, nil
}
