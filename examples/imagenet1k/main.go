// Imagenet1k runs the searches that were published for ImageNet-1K (Liu et al.,
// 2020, arXiv 2003.12056): with its labels, or with a task that needs none.
package main

import (
	"context"
	"io"

	"unnas/darts/dataset"
	"unnas/examples/internal/program"
)

const usage = `Imagenet1k searches a cell on ImageNet-1K as published: 2 epochs over half of the
training images, the alphas learning in the second. -data is the folder that
holds train; fewer classes and images than the published ones will do.

  go run ./examples/imagenet1k -data imagenet -task rotation
        the published search without labels; more than a week on two cores
  go run ./examples/imagenet1k -data imagenet -task jig -subset 1% -batch 8
        a taste of it, in less memory
  go run ./examples/imagenet1k -data imagenet -task cls -out runs/cls -resume
        the search with labels goes on in runs/cls
`

func main() { program.Main("imagenet1k", run) }

func run(ctx context.Context, args []string, out, help io.Writer) error {
	p := program.NewPublished("imagenet1k", "classification", usage)
	if err := p.Parse(args, help); err != nil {
		return err
	}
	return search(ctx, p, out)
}

// search opens the data set and searches on it.
func search(ctx context.Context, p *program.Published, out io.Writer) error {
	src, err := dataset.OpenImageNet1K(p.Data, true)
	if err != nil {
		return err
	}
	return p.Search(ctx, src, out)
}
