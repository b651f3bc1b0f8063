// Quickstart searches a cell without labels, by the rotation task, and draws it: on
// built-in scenes, on CIFAR-10, or on photographs of your own.
//
//	go run ./examples/quickstart
//	go run ./examples/quickstart -data cifar-10-batches-bin
//	go run ./examples/quickstart -data photos -out runs/photos
//
// The first takes about a minute on two cores, CIFAR-10 about an hour.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/dataset/scenes"
	"unnas/darts/record"
	"unnas/darts/report"
	"unnas/ops"
	"unnas/pretext"
)

var (
	data   = flag.String("data", "", "`folder` of CIFAR-10, or of JPEG and PNG files; empty: built-in scenes")
	epochs = flag.Int("epochs", 4, "passes over one half of the images")
	out    = flag.String("out", "runs/quickstart", "run `directory`")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if err := search(ctx); errors.Is(err, context.Canceled) {
		log.Fatal("stopped; the same command resumes")
	} else if err != nil {
		log.Fatal(err)
	}
}

func search(ctx context.Context) error {
	src, transform, stem, err := open(ctx, *data)
	if err != nil {
		return err
	}
	c := darts.DARTS()
	c.Space = cell.DARTS(stem, 8, 5) // 8 channels, 5 cells
	c.Space.Ops = ops.Set{ops.None(), ops.Skip(), ops.MaxPool(3), ops.SepConv(3), ops.DilConv(3)}
	c.Space.Nodes, c.Epochs, c.Batch = 2, *epochs, 16
	c.LR.Base, c.ArchLR = 0.01, 0.05 // a short search takes large steps of the alphas
	dir, err := darts.OpenRunDir(*out)
	if err != nil {
		return err
	}
	page := report.New(*out)
	rt := darts.Runtime{Dir: dir, Recorder: record.Optional(record.NewPrinter(os.Stdout), page)}
	if _, err = darts.Search(ctx, src, pretext.Rotation{Transform: transform}, c, rt); err == nil {
		fmt.Println("see cells.svg and report.html in", *out)
	}
	return errors.Join(err, page.Close(), dir.Close())
}

// open returns images, how the network sees them, and a stem for their size.
func open(ctx context.Context, folder string) (darts.Source, pretext.Transform, cell.Stem, error) {
	if folder == "" {
		src, err := scenes.New(512, 32, 32, 1)
		return src, pretext.ScenesTransform(32), cell.CIFARStem, err
	}
	src, err := dataset.OpenTrain(ctx, folder, dataset.Options{})
	if _, ok := src.(*dataset.CIFAR10); ok {
		return src, pretext.CIFAR10Transform(), cell.CIFARStem, err
	}
	return src, pretext.ImageNetTransform(64), cell.ImageNetStem, err
}
