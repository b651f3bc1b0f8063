package dataset

import (
	"fmt"
	"slices"
	"strings"

	"unnas/pretext"
)

// Split names a part of a data set. Data sets refuse splits that they lack.
type Split string

// The splits.
const (
	All   Split = ""      // a folder without splits
	Train Split = "train" // images for training
	Val   Split = "val"   // images for validation
	Test  Split = "test"  // images for testing
)

// Options configures the opening of a data set. The zero value is valid. An option that
// does not apply to a data set is an error.
type Options struct {
	// Progress, unless nil, is called while a data set is opened, which takes minutes
	// with many files or slow disks, with the number of class folders, or files of
	// CIFAR-10, done and in total.
	Progress func(done, total int64)
	// Decoder decodes JPEG files; nil is image/jpeg. Package turbojpeg has a faster one.
	Decoder *pretext.Decoder

	// IgnoreOrientation keeps the images of a Folder as stored, without applying the Exif
	// orientation of JPEG files.
	IgnoreOrientation bool
	// NoMasks omits the masks of Cityscapes, for tasks without them. The folder gtFine
	// is not needed.
	NoMasks bool

	// Index is the index file with the names of all images of ImageNet-22K. Empty is
	// .imagenet22k-index in the data folder; if that cannot be written, a file in the
	// user's cache directory (os.UserCacheDir) whose name depends on the path of the
	// data.
	Index string
	// List is a file with the image names of a subset of ImageNet-22K, one per line,
	// such as n01440764_10026.JPEG, with or without extension and folder. There is then
	// no index. Empty means all images.
	List string
	// Seed draws the images of ImageNet-22K that replace those that cannot be decoded.
	Seed uint64
}

// check returns an error if an option does not apply. Progress and Decoder apply to all
// data sets.
func (o Options) check(set string, takes ...string) error {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"IgnoreOrientation", o.IgnoreOrientation},
		{"NoMasks", o.NoMasks},
		{"Index", o.Index != ""},
		{"List", o.List != ""},
		{"Seed", o.Seed != 0},
	} {
		if f.set && !slices.Contains(takes, f.name) {
			return fmt.Errorf("dataset: option %[2]s does not apply to %[1]s; omit it", set, f.name)
		}
	}
	return nil
}

// progress reports done of total parts.
func (o Options) progress(done, total int) {
	if o.Progress != nil {
		o.Progress(int64(done), int64(total))
	}
}

// lacks returns an error unless the data set has the split.
func lacks(set string, split Split, has ...Split) error {
	if slices.Contains(has, split) {
		return nil
	}
	names := make([]string, len(has))
	for i, s := range has {
		names[i] = string(s)
	}
	return fmt.Errorf("dataset: %s has no split %q; want %s", set, split, strings.Join(names, " or "))
}
