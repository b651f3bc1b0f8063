// Cityscapes runs both phases that were published for Cityscapes (Liu et al., 2020,
// arXiv 2003.12056): the search of a cell, with its labels or with a task that needs
// none, and the training of a network of such cells to segment.
package main

import (
	"context"
	"io"

	"unnas/darts/dataset"
	"unnas/examples/internal/program"
	"unnas/pretext"
)

const usage = `Cityscapes searches a cell on the street scenes of Cityscapes as published, 400
epochs over half of the training images; and trains a network of 12 cells to
segment, 2700 epochs over all of them. -data is the folder that holds leftImg8bit
and gtFine.

  go run ./examples/cityscapes -data cityscapes -task rotation
        the published search without labels; weeks on two cores
  go run ./examples/cityscapes -data cityscapes -task seg -epochs 4 -batch 2
        a taste of the search with labels, in less memory
  go run ./examples/cityscapes -data cityscapes -phase train -genotype unnas_cityscapes_rot -micro-batch 2
        the published training of cells that the paper found, in less memory; years on two cores
  go run ./examples/cityscapes -data cityscapes -phase train -genotype runs/cityscapes-rotation-1 \
      -width 16 -train-epochs 5 -train-batch 4 -micro-batch 2 -evaluate-every 0
        a taste of the training of cells of your own
  go run ./examples/cityscapes -data cityscapes -phase all -task col -out runs/col -resume
        a search and the training of what it finds go on in runs/col
`

func main() { program.Main("cityscapes", run) }

func run(ctx context.Context, args []string, out, help io.Writer) error {
	p := program.NewPipeline("cityscapes", "segmentation", usage)
	if err := p.Parse(args, help); err != nil {
		return err
	}
	return p.Run(ctx, opener(ctx), out)
}

// opener returns what opens the data set, with masks for the task that needs them.
func opener(ctx context.Context) program.Open {
	return func(dir string, task pretext.Task, split dataset.Split, o dataset.Options) (program.Labelled, error) {
		o.NoMasks = task.Name() != "segmentation"
		return dataset.OpenCityscapes(ctx, dir, split, o)
	}
}
