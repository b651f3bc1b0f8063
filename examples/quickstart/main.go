// Quickstart searches a cell without labels, in less than a minute: it learns
// which way up small drawn scenes are and, doing so, which operations serve.
// With -data it does the same on images of one's own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/term"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/pretext"
)

const usage = `Quickstart searches a cell for image recognition, without labels, and shows it.

  go run ./examples/quickstart
        built-in scenes, rotation task, less than a minute on two cores
  go run ./examples/quickstart -data cifar-10-batches-bin -epochs 10 -width 16 -cells 8
        CIFAR-10
  go run ./examples/quickstart -data photos -task classification
        JPEG and PNG files, one folder for each class

Ctrl-C stops it after the step it is at. The same command goes on from there with
-out, the folder of the run, and -resume.

Flags:
`

// options are what the flags say.
type options struct {
	data, task, out             string
	epochs, width, cells, batch int
	workers                     int
	seed                        uint64
	resume                      bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.Is(err, context.Canceled):
		os.Exit(130) // as shells report an interrupted program
	default:
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func parse(args []string, help io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	f.SetOutput(io.Discard) // an error is reported once, without the whole help
	f.Usage = func() {}
	f.StringVar(&o.data, "data", "", "`folder` with CIFAR-10 or with images, one folder for each class; empty: built-in scenes")
	f.StringVar(&o.task, "task", "rotation", "what the network learns: `rotation` needs no labels, classification does")
	f.IntVar(&o.epochs, "epochs", 3, "passes over one half of the images")
	f.IntVar(&o.width, "width", 8, "channels of the first cell")
	f.IntVar(&o.cells, "cells", 5, "cells of the network")
	f.IntVar(&o.batch, "batch", 8, "images in a step; rotation makes four inputs of each")
	f.Uint64Var(&o.seed, "seed", 1, "of everything random; equal seeds give equal results")
	f.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "goroutines that load images; the result does not depend on it")
	f.StringVar(&o.out, "out", "", "`folder` for the results; empty: a new one in runs")
	f.BoolVar(&o.resume, "resume", false, "go on with the run in the folder of -out, which began with the same flags")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		f.SetOutput(help)
		fmt.Fprint(help, usage)
		f.PrintDefaults()
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w; see -help", err)
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; see -help", f.Arg(0))
	}
	if o.resume && o.out == "" {
		return o, errors.New("-resume needs -out with the folder of the run to go on with, such as -out runs/quickstart-1")
	}
	return o, nil
}

func run(ctx context.Context, args []string, out, help io.Writer) error {
	o, err := parse(args, help)
	if err != nil {
		return err
	}
	src, view, stem, err := open(o.data)
	if err != nil {
		return err
	}
	task, err := choose(o.task, view, src)
	if err != nil {
		return err
	}
	c := darts.DARTS()
	c.Space = cell.DARTS(stem, o.width, o.cells)
	c.Epochs, c.Batch, c.Seed, c.Workers = o.epochs, o.batch, o.seed, o.workers
	// A short search takes larger steps of the alphas than the published one.
	c.ArchLR = 1e-2
	if err := c.Validate(); err != nil {
		return err
	}
	folder, err := openFolder(o.out, o.resume)
	if err != nil {
		return err
	}
	printer := darts.NewPrinter(out, false)
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		printer = darts.NewPrinter(out, true)
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil {
			printer.Columns = columns
		}
	}
	c.Folder, c.Recorder = folder, printer
	result, err := darts.Search(ctx, src, task, c)
	err = errors.Join(err, printer.Close())
	if result == nil || result.Steps == 0 { // nothing to keep
		return errors.Join(err, folder.Discard())
	}
	err = errors.Join(err, folder.Close())
	if saved := folder.Save(result); saved != nil {
		return errors.Join(err, saved)
	}
	if e := show(out, result, c, task, folder.Dir(), err != nil); e != nil {
		return errors.Join(err, e)
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintf(out, "A checkpoint is there too. To go on, repeat the command and add -out %s -resume\n", folder.Dir())
	}
	return err
}

// open returns the images, how a network sees them, and the stem for their size.
func open(dir string) (darts.Source, pretext.View, cell.Stem, error) {
	if dir == "" {
		const size = 32
		src, err := dataset.NewScenes(512, size, size, 1)
		return src, pretext.Scenes(size), cell.CIFARStem, err
	}
	if isCIFAR(dir) {
		src, err := dataset.OpenCIFAR10(dir, true)
		return src, pretext.CIFAR10(), cell.CIFARStem, err
	}
	// The layout of ImageNet has the images for training in a folder of their own.
	if train := filepath.Join(dir, "train"); exists(train) {
		dir = train
	}
	src, err := dataset.OpenFolder(dir)
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

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// choose returns the task of a name.
func choose(name string, view pretext.View, src darts.Source) (pretext.Task, error) {
	switch name {
	case "rotation":
		return pretext.Rotation{View: view}, nil
	case "classification":
		labelled, ok := src.(interface{ Classes() []string })
		if !ok || len(labelled.Classes()) < 2 {
			return nil, errors.New("classification needs images of two classes or more, a folder for each; use -task rotation, which needs no labels")
		}
		return pretext.Classification{View: view, Classes: len(labelled.Classes())}, nil
	}
	return nil, fmt.Errorf("unknown task %q; use -task rotation or -task classification", name)
}

// openFolder opens the folder of the results: that of the run to go on with, the
// one asked for, or a new one.
func openFolder(dir string, resume bool) (*darts.Folder, error) {
	if resume {
		return darts.OpenFolder(dir)
	}
	if dir != "" {
		return darts.NewFolder(dir)
	}
	for i := 1; ; i++ {
		dir := filepath.Join("runs", fmt.Sprintf("quickstart-%d", i))
		if !exists(dir) {
			return darts.NewFolder(dir)
		}
	}
}

// show prints the size of what was found and where it is.
func show(out io.Writer, r *darts.Result, c darts.Config, task pretext.Task, dir string, stopped bool) error {
	size, err := darts.Measure(cell.Derived{Body: c.Space.Body, Genotype: r.Genotype, Ops: c.Space.Ops}, task)
	if err != nil {
		return err
	}
	if stopped { // else the printer has shown the cells
		fmt.Fprintf(out, "stopped after %d steps, found so far:\n%v\n", r.Steps, r.Genotype)
	}
	_, err = fmt.Fprintf(out, "\nA network of %d such cells with width %d has %d parameters and takes %.1f M multiply-adds an image.\nSee %s: the cells as genotype.json, normal.svg and reduce.svg, the run as config.json and metrics.jsonl.\n",
		c.Space.Body.Cells, c.Space.Body.Width, size.Params, float64(size.MACs)/1e6, dir)
	return err
}
