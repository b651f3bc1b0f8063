// Cityscapes runs the searches that were published for Cityscapes (Liu et al.,
// 2020, arXiv 2003.12056): with its labels, or with a task that needs none.
package main

import (
	"context"
	"io"

	"unnas/darts/dataset"
	"unnas/examples/internal/program"
)

const usage = `Cityscapes searches a cell on the street scenes of Cityscapes as published: 400
epochs over half of the training images. -data is the folder that holds
leftImg8bit and, for segmentation alone, gtFine.

  go run ./examples/cityscapes -data cityscapes -task rotation
        the published search without labels; weeks on two cores
  go run ./examples/cityscapes -data cityscapes -task seg -epochs 4 -batch 2
        a taste of the search with labels, in less memory
  go run ./examples/cityscapes -data cityscapes -task col -out runs/col -resume
        the search in runs/col goes on
`

func main() { program.Main("cityscapes", run) }

func run(ctx context.Context, args []string, out, help io.Writer) error {
	p := program.NewPublished("cityscapes", "segmentation", usage)
	if err := p.Parse(args, help); err != nil {
		return err
	}
	return search(ctx, p, out)
}

// search opens the data set and searches on it.
func search(ctx context.Context, p *program.Published, out io.Writer) error {
	open := dataset.OpenCityscapesImages
	if p.Task.Name() == "segmentation" {
		open = dataset.OpenCityscapes
	}
	src, err := open(p.Data, true)
	if err != nil {
		return err
	}
	return p.Search(ctx, src, out)
}
