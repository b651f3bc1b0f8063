// Rankings says how well tasks without labels rank architectures (Liu et al., 2020,
// arXiv 2003.12056, section 4): the first command takes years on two cores, the second
// a day. Several programs and machines may share the folder -out.
//
//	go run ./examples/rankings -data cifar-10-batches-bin -samples 500
//	go run ./examples/rankings -data cifar-10-batches-bin -samples 24 -epochs 4 -width 4 -cells 5
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
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
	width   = flag.Int("width", 16, "channels of the first cell")
	cells   = flag.Int("cells", 20, "cells of a network")
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
	src, noTrain := dataset.OpenCIFAR10(ctx, *data, dataset.Train, dataset.Options{})
	val, noTest := dataset.OpenCIFAR10(ctx, *data, dataset.Test, dataset.Options{})
	sampler, noSampler := cell.DARTSArchSampler()
	archs, noSamples := sampler.Sample(*samples, 1)
	check(cmp.Or(noTrain, noTest, noSampler, noSamples))
	var jobs []training
	names := strings.Split(*tasks, ",")
	for _, name := range names {
		for _, arch := range archs {
			_, c, err := preset.Ranking(preset.CIFAR10, name, arch.Genotype)
			check(err)
			c.Epochs = *epochs
			c.Network = cell.Network{Backbone: cell.DARTS(cell.CIFARStem, *width, *cells).Backbone, Genotype: arch.Genotype, Ops: ops.All()}
			jobs = append(jobs, training{name, c})
		}
	}
	o := sweep.Options{Report: func(e sweep.Event) { fmt.Println("training", e.Job.Name, "of", len(jobs), e.Kind, e.Elapsed) }}
	scores, err := sweep.Map(ctx, *out, jobs, o, func(ctx context.Context, j training, dir string) (float64, error) {
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
	})
	check(err)
	for i, n := 1, len(archs); i < len(names); i++ {
		rho, err := rank.Spearman(scores[i*n:(i+1)*n], scores[:n])
		check(err)
		fmt.Printf("Spearman's rho of %s and %s: %.3f\n", names[0], names[i], rho)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
