// Imagenet1k_train trains a network of 14 cells to classify ImageNet-1K with the
// published hyperparameters (Liu et al., 2020, arXiv 2003.12056): 250 epochs, five
// months on two cores. The second command takes hours, with the cells of a search.
//
//	go run ./examples/imagenet1k_train -data imagenet -genotype unnas_imagenet_rot
//	go run ./examples/imagenet1k_train -data imagenet -genotype runs/imagenet1k_search \
//	    -subset 12800 -epochs 5 -batch 64
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
	"unnas/pretext"
)

var (
	data   = flag.String("data", "imagenet", "`folder` that holds train and val")
	cells  = flag.String("genotype", "unnas_imagenet_rot", "`cells`: a published name, a file, or the run directory of a search")
	epochs = flag.Int("epochs", 250, "passes over the images")
	batch  = flag.Int("batch", 1024, "images in a step; the learning rate changes in proportion")
	subset = flag.Int("subset", 0, "`number` of images to draw and use, where there are more (default all)")
	out    = flag.String("out", "runs/imagenet1k_train", "run `directory`")
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
	task, c, err := preset.Training(preset.ImageNet1K, genotype)
	if err != nil {
		return err
	}
	c = c.WithBatch(*batch)
	c.Epochs, c.MicroBatch = *epochs, min(c.MicroBatch, *batch)
	src, err := open(ctx, dataset.Train)
	if err != nil {
		return err
	}
	val, err := open(ctx, dataset.Val)
	if err != nil {
		return err
	}
	rt := darts.Runtime{Communicator: comm, Recorder: record.NewPrinter(os.Stdout)}
	if comm.Rank() == 0 { // which keeps the run
		if rt.Dir, err = darts.OpenRunDir(*out); err != nil {
			return err
		}
	}
	task = pretext.WithClasses(task, len(dataset.Wrapper{Source: src}.Classes()))
	_, err = darts.Train(ctx, src, val, task, c, rt)
	return errors.Join(err, rt.Dir.Close())
}

// open returns the images of a split, or as many as -subset says.
func open(ctx context.Context, split dataset.Split) (darts.Source, error) {
	src, err := dataset.OpenImageNet1K(ctx, *data, split, dataset.Options{})
	if err != nil || *subset == 0 {
		return src, err
	}
	return dataset.RandomSubset(src, min(*subset, src.Len()), 1)
}
