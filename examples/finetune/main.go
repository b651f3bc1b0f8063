// Finetune trains a network on all photographs without their labels, by the rotation
// task, and fine-tunes it on 200 labelled ones: a folder for each class in photos/train,
// and in photos/val, which it is evaluated on. Built-in scenes take some minutes.
//
//	go run ./examples/finetune
//	go run ./examples/finetune -data photos -genotype runs/photos -out runs/finetune-photos
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/dataset/scenes"
	"unnas/darts/record"
	"unnas/ops"
	"unnas/pretext"
)

var (
	data     = flag.String("data", "", "`folder` that holds train and val; empty: built-in scenes")
	cells    = flag.String("genotype", "darts_v2", "`cells`: a published name, a file, or the run directory of a search")
	width    = flag.Int("width", 8, "channels of the first cell")
	epochs   = flag.Int("epochs", 10, "passes over the images in each of both runs")
	labelled = flag.Int("labelled", 200, "`number` of labelled images")
	out      = flag.String("out", "runs/finetune", "`directory` of both runs")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	var src, val darts.Source
	var noTrain, noVal error
	transform, stem := pretext.ImageNetTransform(64), cell.ImageNetStem
	if *data != "" {
		src, noTrain = dataset.OpenFolder(ctx, *data, dataset.Train, dataset.Options{})
		val, noVal = dataset.OpenFolder(ctx, *data, dataset.Val, dataset.Options{})
	} else {
		transform, stem = pretext.ScenesTransform(32), cell.CIFARStem
		src, noTrain = scenes.New(2000, 32, 32, 1)
		val, noVal = scenes.New(400, 32, 32, 2)
	}
	genotype, noCells := cell.ReadGenotype(*cells)
	check(cmp.Or(noTrain, noVal, noCells))
	few, err := dataset.RandomSubset(src, *labelled, 1)
	check(err)
	c := darts.Training(genotype)
	c.Network = cell.Network{Backbone: cell.DARTS(stem, *width, 5).Backbone, Genotype: genotype, Ops: ops.All()}
	c.Epochs, c.Batch, c.Auxiliary, c.DropPath = *epochs, 16, 0, 0
	pretrained := filepath.Join(*out, "rotation")
	train(ctx, src, val, pretext.Rotation{Transform: transform}, c, pretrained)
	c.Init = pretrained // but for the head
	classes := len(dataset.Wrapper{Source: src}.Classes())
	r := train(ctx, few, val, pretext.Classification{Transform: transform, Classes: classes}, c, filepath.Join(*out, "labelled"))
	fmt.Printf("accuracy in validation: %.1f%%\n", 100*r.Last.ValScore)
}

// train trains in a run directory, or resumes the run in it.
func train(ctx context.Context, src, val darts.Source, task pretext.Task, c darts.TrainConfig, path string) *darts.TrainResult {
	dir, err := darts.OpenRunDir(path)
	check(err)
	r, err := darts.Train(ctx, src, val, task, c, darts.Runtime{Dir: dir, Recorder: record.NewPrinter(os.Stdout)})
	check(cmp.Or(err, dir.Close()))
	return r
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
