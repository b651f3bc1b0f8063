package program

import (
	"context"
	"fmt"
	"io"

	"unnas/darts/dataset"
)

// IndexUsage says what the flag -index of ImageNet-22K does.
const IndexUsage = "`file` that keeps the names of all images of ImageNet-22K (default .imagenet22k-index beside them, or a file in the user's cache folder where that cannot be written)"

// OpenImageNet22K opens ImageNet-22K. It prints the progress of listing the images,
// which takes minutes the first time.
func OpenImageNet22K(ctx context.Context, dir string, o dataset.Options, out io.Writer) (*dataset.ImageNet22K, error) {
	listed := false
	src, err := List(out, o, func(o dataset.Options) (*dataset.ImageNet22K, error) {
		tell := o.Progress
		o.Progress = func(done, total int64) {
			listed = true
			tell(done, total)
		}
		return dataset.OpenImageNet22K(ctx, dir, o)
	})
	if err != nil {
		return nil, err
	}
	if listed {
		fmt.Fprintf(out, "listed %d classes, %d images\n", len(src.Classes()), src.Len())
	}
	if why := src.Rebuilt(); why != nil {
		fmt.Fprintln(out, "the images were listed:", why)
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
