// Imagenet22k runs the searches that were published for ImageNet-22K (Liu et al.,
// 2020, arXiv 2003.12056): with its labels, or with a task that needs none.
package main

import (
	"context"
	"errors"
	"io"

	"unnas/darts/dataset"
	"unnas/examples/internal/program"
)

const usage = `Imagenet22k searches a cell on ImageNet-22K as published: 1 epoch over half of
the images. -data is the folder of the class folders; fewer of them will do. Their
14 million names are listed once and kept in a file there. Batches are those of one
of the four processors that the authors used: -batch with four times as many images
has the batches and learning rates of all.

  go run ./examples/imagenet22k -data imagenet22k -task rotation
        the published search without labels; two weeks on two cores and more
  go run ./examples/imagenet22k -data imagenet22k -task jig -subset 10000 -batch 8
        a taste of it, in less memory
  go run ./examples/imagenet22k -data imagenet22k -task cls -list names.txt
        the search with labels, on the images that names.txt lists
`

func main() { program.Main("imagenet22k", run) }

func run(ctx context.Context, args []string, out, help io.Writer) error {
	p := program.NewPublished("imagenet22k", "classification", usage)
	p.AddJPEG()
	list := p.String("list", "", "`file` of the images to use, one name a line, such as n01440764_10026.JPEG; empty: all")
	index := p.String("index", "", program.IndexUsage)
	if err := p.Parse(args, help); err != nil {
		return err
	}
	decoder, err := p.Decoder()
	if err != nil {
		return err
	}
	return search(ctx, p, dataset.Options{List: *list, Index: *index, Seed: p.Seed, Decoder: decoder}, out)
}

// search opens the data set, or what is listed of it, and searches on it.
func search(ctx context.Context, p *program.Published, o dataset.Options, out io.Writer) error {
	src, err := program.OpenImageNet22K(ctx, p.Data, o, p.Talk(out))
	if err != nil {
		return err
	}
	return errors.Join(p.Search(ctx, src, out), program.TellUnreadable(src, out))
}
