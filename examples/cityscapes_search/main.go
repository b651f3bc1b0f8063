// Cityscapes_search searches a cell on the street scenes of Cityscapes with the
// published hyperparameters (Liu et al., 2020, arXiv 2003.12056): 400 epochs over half
// of the training images. Only the task segmentation needs gtFine.
//
//	go run ./examples/cityscapes_search -data cityscapes -task rotation
//
// Weeks on two cores. A taste of it, in less memory, takes hours:
//
//	go run ./examples/cityscapes_search -data cityscapes -task segmentation -epochs 4 -batch 2
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
)

var (
	data   = flag.String("data", "cityscapes", "`folder` that holds leftImg8bit and gtFine")
	name   = flag.String("task", "rotation", "`task`: segmentation, rotation, colorization or jigsaw")
	epochs = flag.Int("epochs", 0, "passes over half of the images; the alphas wait for the published share (default as published)")
	batch  = flag.Int("batch", 0, "images in a step; learning rates change in proportion (default as published)")
	micro  = flag.Int("micro-batch", 0, "images of a batch that go through the network at once; ranks share them")
	out    = flag.String("out", "runs/cityscapes_search", "run `directory`")
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
	task, c, err := preset.Search(preset.Cityscapes, *name)
	if err != nil {
		return err
	}
	if *epochs != 0 {
		c.ArchStartEpoch = c.ArchStartEpoch * *epochs / c.Epochs
		c.Epochs = *epochs
	}
	if *batch != 0 {
		c = c.WithBatch(*batch)
	}
	c.MicroBatch = *micro
	o := dataset.Options{NoMasks: task.Name() != preset.Segmentation}
	src, err := dataset.OpenCityscapes(ctx, *data, dataset.Train, o)
	if err != nil {
		return err
	}
	rt := darts.Runtime{Communicator: comm, Recorder: record.NewPrinter(os.Stdout)}
	if comm.Rank() == 0 { // which keeps the run
		if rt.Dir, err = darts.OpenRunDir(*out); err != nil {
			return err
		}
	}
	_, err = darts.Search(ctx, src, task, c, rt)
	if err == nil {
		fmt.Println("train these cells: go run ./examples/cityscapes_train -genotype", *out)
	}
	return errors.Join(err, rt.Dir.Close())
}
