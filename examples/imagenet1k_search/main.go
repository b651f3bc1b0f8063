// Imagenet1k_search searches a cell on ImageNet-1K with the published
// hyperparameters (Liu et al., 2020, arXiv 2003.12056): 2 epochs over half of the
// training images, the alphas learning in the second. Labels are used by the task
// classification alone.
//
//	go run ./examples/imagenet1k_search -data imagenet -task rotation
//
// Two days on two cores and more. A taste of it, in less memory, takes an hour:
//
//	go run ./examples/imagenet1k_search -data imagenet -task jigsaw -subset 12800 -batch 8
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
	data   = flag.String("data", "imagenet", "`folder` that holds train and val")
	name   = flag.String("task", "rotation", "`task`: classification, rotation, colorization or jigsaw")
	batch  = flag.Int("batch", 0, "images in a step; learning rates change in proportion (default as published)")
	micro  = flag.Int("micro-batch", 0, "images of a batch that go through the network at once; ranks share them")
	subset = flag.Int("subset", 0, "`number` of images to draw and use (default all)")
	out    = flag.String("out", "runs/imagenet1k_search", "run `directory`")
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
	task, c, err := preset.Search(preset.ImageNet1K, *name)
	if err != nil {
		return err
	}
	if *batch != 0 {
		c = c.WithBatch(*batch)
	}
	c.MicroBatch = *micro
	src, err := open(ctx)
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
	if err == nil {
		fmt.Println("train these cells: go run ./examples/imagenet1k_train -genotype", *out)
	}
	return errors.Join(err, rt.Dir.Close())
}

// open returns the images to train on, or as many as -subset says.
func open(ctx context.Context) (darts.Source, error) {
	src, err := dataset.OpenImageNet1K(ctx, *data, dataset.Train, dataset.Options{})
	if err != nil || *subset == 0 {
		return src, err
	}
	return dataset.RandomSubset(src, *subset, 1)
}
