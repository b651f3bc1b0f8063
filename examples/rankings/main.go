// Rankings says how well tasks without labels rank architectures (Liu et al., 2020,
// arXiv 2003.12056, section 4): the first command takes years on two cores, the second
// an afternoon. Several programs and machines may share the folder -out.
//
//	go run ./examples/rankings -data cifar-10-batches-bin -samples 500
//	go run ./examples/rankings -data cifar-10-batches-bin -epochs 4 -cells 5 -subset 1000
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"os/signal"
	"strings"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/preset"
	"unnas/darts/rank"
	"unnas/darts/sweep"
	"unnas/ops"
)

var (
	data    = flag.String("data", "cifar-10-batches-bin", "`folder` of CIFAR-10")
	samples = flag.Int("samples", 24, "`number` of architectures")
	tasks   = flag.String("tasks", "classification,rotation,colorization,jigsaw", "`tasks`; the others are compared with the first")
	epochs  = flag.Int("epochs", 100, "passes over the images")
	cells   = flag.Int("cells", 20, "cells of a network")
	subset  = flag.Int("subset", 50000, "`number` of images to draw and use, to train on and to test on")
	out     = flag.String("out", "runs/rankings", "`folder` of the results")
)

type training struct {
	Task   string
	Config darts.TrainConfig
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	src, val := open(ctx, dataset.Train), open(ctx, dataset.Test)
	archs := must(must(cell.DARTSArchSampler()).Sample(*samples, 1))
	names, jobs := strings.Split(*tasks, ","), []training{}
	for _, name := range names {
		for _, arch := range archs {
			_, c, err := preset.Ranking(preset.CIFAR10, name, arch.Genotype)
			c.Network = cell.Network{Backbone: cell.DARTS(cell.CIFARStem, 16, *cells).Backbone, Genotype: arch.Genotype, Ops: ops.All()}
			c.Epochs = *epochs
			jobs = append(jobs, must(training{name, c}, err))
		}
	}
	o := sweep.Options{Report: func(e sweep.Event) { fmt.Println("training", e.Job.Name, "of", len(jobs), e.Kind, e.Elapsed) }}
	scores := must(sweep.Map(ctx, *out, jobs, o, func(ctx context.Context, j training, dir string) (float64, error) {
		task, noTask := preset.Task(preset.CIFAR10, j.Task)
		run, noDir := darts.OpenRunDir(dir)
		if err := cmp.Or(noTask, noDir); err != nil {
			return 0, err
		}
		defer run.Close()
		r, err := darts.Train(ctx, src, val, task, j.Config, darts.Runtime{Dir: run})
		if err != nil {
			return 0, err
		}
		return r.Best.ValScore, nil // that of the best epoch
	}))
	for i, n := 1, len(archs); i < len(names); i++ {
		rho, err := rank.Spearman(scores[i*n:(i+1)*n], scores[:n])
		if err != nil { // all scores are equal, for example
			rho = math.NaN()
		}
		fmt.Printf("Spearman's rho of %s and %s: %.3f\n", names[0], names[i], rho)
	}
}

// open returns the images of a split, or as many as -subset says.
func open(ctx context.Context, split dataset.Split) darts.Source {
	src := must(dataset.OpenCIFAR10(ctx, *data, split, dataset.Options{}))
	return must(dataset.RandomSubset(src, min(*subset, src.Len()), 1))
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
