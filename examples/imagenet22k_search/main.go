// Imagenet22k_search searches a cell on ImageNet-22K with the published
// hyperparameters (Liu et al., 2020, arXiv 2003.12056): 1 epoch over half of the
// images. Batches are those of one of the authors' four GPUs; -batch with four times
// as many images has those of all.
//
//	go run ./examples/imagenet22k_search -data imagenet22k -task rotation
//
// Two weeks on two cores and more. The 14 million names are listed once, which takes
// minutes, and kept. A taste of it, in less memory:
//
//	go run ./examples/imagenet22k_search -data imagenet22k -task jigsaw -subset 10000 -batch 8
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/mpi"
	"unnas/darts/preset"
	"unnas/darts/record"
	"unnas/pretext"
)

var (
	data   = flag.String("data", "imagenet22k", "`folder` of the class folders")
	name   = flag.String("task", "rotation", "`task`: classification, rotation, colorization or jigsaw")
	batch  = flag.Int("batch", 0, "images in a step; learning rates change in proportion (default as published)")
	micro  = flag.Int("micro-batch", 0, "images of a batch that go through the network at once; ranks share them")
	subset = flag.Int("subset", 0, "`number` of images to draw and use (default all)")
	out    = flag.String("out", "runs/imagenet22k_search", "run `directory`")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	run := func(comm *mpi.Comm) error { return search(ctx, comm) }
	if err := mpi.Run(run); errors.Is(err, context.Canceled) {
		log.Fatal("stopped; the same command resumes")
	} else if err != nil {
		log.Fatal(err)
	}
}

func search(ctx context.Context, comm *mpi.Comm) error {
	task, c, err := preset.Search(preset.ImageNet22K, *name)
	if err != nil {
		return err
	}
	if *batch != 0 {
		c = c.WithBatch(*batch)
	}
	c.MicroBatch = *micro
	var src darts.Source
	err = darts.First(comm, func() (err error) { // rank 0 lists the images for the others
		src, err = open(ctx)
		return err
	})
	if err != nil {
		return err
	}
	task = pretext.WithClasses(task, len(dataset.Wrapper{Source: src}.Classes()))
	rt := darts.Runtime{Communicator: comm, Recorder: record.NewPrinter(os.Stdout)}
	if comm.Rank() == 0 { // which keeps the run
		if rt.Dir, err = darts.OpenRunDir(*out); err != nil {
			return err
		}
	}
	_, err = darts.Search(ctx, src, task, c, rt)
	return errors.Join(err, rt.Dir.Close())
}

// open returns the images, or as many as -subset says.
func open(ctx context.Context) (darts.Source, error) {
	src, err := dataset.OpenImageNet22K(ctx, *data, dataset.Options{Progress: func(done, total int64) {
		fmt.Fprintf(os.Stderr, "listed %d of %d classes\r", done, total)
	}})
	if err != nil || *subset == 0 {
		return src, err
	}
	return dataset.RandomSubset(src, *subset, 1)
}
