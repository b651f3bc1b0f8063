// Imagenet1k runs both phases that were published for ImageNet-1K (Liu et al.,
// 2020, arXiv 2003.12056): the search of a cell, with its labels or with a task that
// needs none, and the training of a network of such cells to classify.
package main

import (
	"context"
	"io"

	"unnas/darts/dataset"
	"unnas/examples/internal/program"
	"unnas/pretext"
)

const usage = `Imagenet1k searches a cell on ImageNet-1K as published, 2 epochs over half of the
training images, the alphas learning in the second; and trains a network of 14
cells to classify, 250 epochs over all of them. -data is the folder that holds train
and val; fewer classes and images than the published ones will do.

  go run ./examples/imagenet1k -data imagenet -task rotation
        the published search without labels; two days on two cores and more
  go run ./examples/imagenet1k -data imagenet -task jig -subset 1% -batch 8
        a taste of it, in less memory
  go run ./examples/imagenet1k -data imagenet -phase train -genotype unnas_imagenet_rot
        the published training of cells that the paper found; five months on two cores and more
  go run ./examples/imagenet1k -data imagenet -phase train -genotype runs/imagenet1k-rotation-1 \
      -width 16 -train-epochs 5 -train-batch 64 -micro-batch 16
        a taste of the training of cells of your own
  go run ./examples/imagenet1k -data imagenet -phase all -task cls -out runs/cls -resume
        a search with labels and the training of what it finds go on in runs/cls
`

func main() { program.Main("imagenet1k", run) }

func run(ctx context.Context, args []string, out, help io.Writer) error {
	p := program.NewPipeline("imagenet1k", "classification", usage)
	p.AddJPEG()
	if err := p.Parse(args, help); err != nil {
		return err
	}
	return p.Run(ctx, opener(ctx, p.Talk(out)), out)
}

// opener returns what opens the data set, and tells how far it is.
func opener(ctx context.Context, out io.Writer) program.Open {
	return func(dir string, _ pretext.Task, split dataset.Split, o dataset.Options) (program.Labelled, error) {
		return program.List(out, o, func(o dataset.Options) (program.Labelled, error) {
			return dataset.OpenImageNet1K(ctx, dir, split, o)
		})
	}
}
