package dataset

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"unnas/pretext"
)

// errNoCIFAR is the error of a folder without any file of CIFAR-10.
var errNoCIFAR = errors.New("it is not there")

// OpenTrain opens the images to train on in a folder, by what it holds: those of a
// [Packed] data set, of [CIFAR10] where its files lie, and else of a [Folder], in split
// Train if it has that (see [HasSplit]), or all. Errors are those of the functions that
// open these. The Decoder has no part in a packed data set.
func OpenTrain(ctx context.Context, dir string, o Options) (pretext.Source, error) {
	if splits := packedSplits(dir); len(splits) > 0 {
		split := All
		if slices.Contains(splits, Train) {
			split = Train
		}
		return source(OpenPacked(ctx, dir, split, o))
	}
	if _, err := findCIFAR(dir, Train); !errors.Is(err, errNoCIFAR) && !errors.Is(err, fs.ErrNotExist) {
		return source(OpenCIFAR10(ctx, dir, Train, o))
	}
	split := All
	switch has, err := HasSplit(dir, Train); {
	case err != nil:
		return nil, err
	case has:
		split = Train
	}
	return source(OpenFolder(ctx, dir, split, o))
}

// source returns a source without a value where there is an error.
func source[S pretext.Source](s S, err error) (pretext.Source, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
