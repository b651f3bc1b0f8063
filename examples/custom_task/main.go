// Custom_task searches cells by a pretext task of your own, which needs no labels. A
// minute on two cores. Check a task by a test with unnas/pretext/pretexttest.
//
//	go run ./examples/custom_task
package main

import (
	"context"
	"flag"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"

	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset/scenes"
	"unnas/darts/record"
	"unnas/ops"
	"unnas/pretext"
)

// UpsideDown is the task to tell an image from its reflection in water: of an image it
// makes two inputs. The embedded Transform has the method Validate.
type UpsideDown struct{ pretext.Transform }

// Name is what records call the task.
func (UpsideDown) Name() string { return "upside_down" }

// Spec says that each of the two inputs has a label, of two classes.
func (t UpsideDown) Spec() pretext.Spec {
	return pretext.Spec{Height: t.Height, Width: t.Width, Channels: 3, Inputs: 2, LabelShape: []int{2}, Classes: 2}
}

// Sample writes the inputs of an image, [2, Height, Width, 3], and their labels.
func (t UpsideDown) Sample(dst pretext.Sample, img *pretext.Image, train bool, r *rand.Rand) error {
	if err := t.Spec().Check(dst); err != nil {
		return err
	}
	if err := t.Apply(dst.Inputs[:len(dst.Inputs)/2], img, train, r); err != nil {
		return err
	}
	row, half := 3*t.Width, len(dst.Inputs)/2
	for y := range t.Height {
		copy(dst.Inputs[half+y*row:half+(y+1)*row], dst.Inputs[half-(y+1)*row:half-y*row])
	}
	dst.Labels[0], dst.Labels[1] = 0, 1
	return nil
}

// Head adds global average pooling and a linear layer, for each input.
func (UpsideDown) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	return pretext.PooledHead(s, features, 1, 2)
}

// Loss adds the cross-entropy of logits and labels.
func (UpsideDown) Loss(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
	return ops.CrossEntropy(logits, targets.Labels, ops.LossConfig{IgnoreIndex: pretext.IgnoreIndex})
}

var images = flag.Int("images", 256, "built-in scenes to search on")

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	src, err := scenes.New(*images, 32, 32, 1)
	if err != nil {
		log.Fatal(err)
	}
	c := darts.DARTS()
	c.Space = cell.DARTS(cell.CIFARStem, 8, 5)
	c.Space.Nodes, c.Epochs, c.Batch, c.ArchLR = 2, 2, 8, 0.1
	_, err = darts.Search(ctx, src, UpsideDown{pretext.ScenesTransform(32)}, c, darts.Runtime{Recorder: record.NewPrinter(os.Stdout)})
	if err != nil {
		log.Fatal(err)
	}
}
