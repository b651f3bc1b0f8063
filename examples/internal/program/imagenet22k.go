package program

import (
	"context"
	"fmt"
	"io"

	"unnas/darts/dataset"
)

// OpenImageNet22K opens ImageNet-22K, or what a list names of it unless that is
// empty, and tells how far the images are listed, which takes minutes the first time.
func OpenImageNet22K(ctx context.Context, dir, list string, seed uint64, out io.Writer) (*dataset.ImageNet22K, error) {
	listed := false
	src, err := List(ctx, out, func(told dataset.Listing) (*dataset.ImageNet22K, error) {
		return dataset.OpenImageNet22K(ctx, dir, dataset.ImageNet22KOptions{
			List: list,
			Seed: seed,
			Progress: func(done, classes, images int) error {
				listed = true
				return told(done, classes, images)
			},
		})
	})
	if err != nil {
		return nil, err
	}
	if listed {
		fmt.Fprintf(out, "listed %d classes, %d images\n", len(src.Classes()), src.Len())
	}
	if why := src.Rebuilt(); why != nil {
		fmt.Fprintln(out, "the images were listed anew:", why)
	}
	return src, nil
}

// TellUnreadable says how many images could not be read, if there are any.
func TellUnreadable(src *dataset.ImageNet22K, out io.Writer) error {
	n, first := src.Unreadable()
	if n == 0 {
		return nil
	}
	_, err := fmt.Fprintf(out, "unreadable images, replaced by others: %d, the first %s\n", n, first[0])
	return err
}
