// Rankings says how well tasks without labels rank architectures (Liu et al., 2020,
// arXiv 2003.12056, section 4): it trains sampled cells on all tasks and prints the
// rank correlation of the first with the others. The first command takes years on two
// cores, the second hours. Several programs and machines may share the folder -out.
//
//	go run ./examples/rankings -data cifar-10-batches-bin -samples 500
//	go run ./examples/rankings -data cifar-10-batches-bin -samples 24 -epochs 2 -width 4
package main

import (
	"context"
	"errors"
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
)

var (
	data    = flag.String("data", "cifar-10-batches-bin", "`folder` of CIFAR-10")
	samples = flag.Int("samples", 24, "`number` of architectures")
	tasks   = flag.String("tasks", "classification,rotation,colorization,jigsaw", "`tasks`, the reference first")
	epochs  = flag.Int("epochs", 100, "passes over the images")
	width   = flag.Int("width", 16, "channels of the first cell")
	out     = flag.String("out", "runs/rankings", "`folder` of the results")
)

// job is a training; the score of its architecture is that of the best epoch.
type job struct {
	Task          string
	Genotype      cell.Genotype
	Epochs, Width int
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if err := rankings(ctx, strings.Split(*tasks, ",")); err != nil {
		log.Fatal(err)
	}
}

func rankings(ctx context.Context, tasks []string) error {
	src, noTrain := dataset.OpenCIFAR10(ctx, *data, dataset.Train, dataset.Options{})
	val, noTest := dataset.OpenCIFAR10(ctx, *data, dataset.Test, dataset.Options{})
	sampler, noSampler := cell.DARTSArchSampler()
	archs, noSamples := sampler.Sample(*samples, 1)
	if err := errors.Join(noTrain, noTest, noSampler, noSamples); err != nil {
		return err
	}
	var jobs []job
	for _, task := range tasks {
		for _, arch := range archs {
			jobs = append(jobs, job{task, arch.Genotype, *epochs, *width})
		}
	}
	report := func(e sweep.Event) { fmt.Println("training", e.Job.Name, "of", len(jobs), e.Kind, e.Elapsed) }
	scores, err := sweep.Map(ctx, *out, jobs, sweep.Options{Report: report}, func(ctx context.Context, j job, dir string) (float64, error) {
		task, c, err := preset.Ranking(preset.CIFAR10, j.Task, j.Genotype)
		if err != nil {
			return 0, err
		}
		network := c.Network.(cell.Network)
		network.Backbone.Width = j.Width
		c.Network, c.Epochs = network, j.Epochs
		run, err := darts.OpenRunDir(dir)
		if err != nil {
			return 0, err
		}
		defer run.Close()
		r, err := darts.Train(ctx, src, val, task, c, darts.Runtime{Dir: run})
		if err != nil {
			return 0, err
		}
		return r.Best.ValScore, nil
	})
	if err != nil {
		return err
	}
	n := len(archs)
	for i, task := range tasks[1:] {
		rho, err := rank.Spearman(scores[(i+1)*n:][:n], scores[:n])
		if err != nil {
			return err
		}
		fmt.Printf("%-15s Spearman's rho with %s: %.3f\n", task, tasks[0], rho)
	}
	return nil
}
