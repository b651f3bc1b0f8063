// Cityscapes_train trains a network of 12 cells to segment Cityscapes with the
// published hyperparameters (Liu et al., 2020, arXiv 2003.12056): 2700 epochs, half a
// year on two cores. The second command takes a day, with the cells of a search.
//
//	go run ./examples/cityscapes_train -data cityscapes -genotype unnas_cityscapes_rot
//	go run ./examples/cityscapes_train -data cityscapes -genotype runs/cityscapes_search \
//	    -width 16 -epochs 5 -batch 4
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/mpi"
	"unnas/darts/preset"
	"unnas/darts/record"
)

var (
	data   = flag.String("data", "cityscapes", "`folder` that holds leftImg8bit and gtFine")
	cells  = flag.String("genotype", "unnas_cityscapes_rot", "`cells`: a published name, a file, or the run directory of a search")
	width  = flag.Int("width", 0, "channels of the first cell (default as published)")
	epochs = flag.Int("epochs", 2700, "passes over the images; whole images are evaluated after the last")
	batch  = flag.Int("batch", 64, "images in a step, 2 or more; the learning rate changes in proportion")
	out    = flag.String("out", "runs/cityscapes_train", "run `directory`")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	run := func(comm *mpi.Comm) error { return train(ctx, comm) }
	if err := mpi.Run(run); errors.Is(err, context.Canceled) {
		log.Fatal("stopped; the same command resumes")
	} else if err != nil {
		log.Fatal(err)
	}
}

func train(ctx context.Context, comm *mpi.Comm) error {
	genotype, err := cell.ReadGenotype(*cells)
	if err != nil {
		return err
	}
	task, c, err := preset.Training(preset.Cityscapes, genotype)
	if err != nil {
		return err
	}
	if *width != 0 {
		network := c.Network.(cell.Network)
		network.Backbone.Width = *width
		c.Network = network
	}
	c = c.WithBatch(*batch)
	c.Epochs, c.MicroBatch, c.EvaluateEvery = *epochs, min(c.MicroBatch, *batch), 0
	src, err := dataset.OpenCityscapes(ctx, *data, dataset.Train, dataset.Options{})
	if err != nil {
		return err
	}
	val, err := dataset.OpenCityscapes(ctx, *data, dataset.Val, dataset.Options{})
	if err != nil {
		return err
	}
	rt := darts.Runtime{Communicator: comm, Recorder: record.NewPrinter(os.Stdout)}
	if comm.Rank() == 0 { // which keeps the run
		if rt.Dir, err = darts.OpenRunDir(*out); err != nil {
			return err
		}
	}
	_, err = darts.Train(ctx, src, val, task, c, rt)
	return errors.Join(err, rt.Dir.Close())
}
