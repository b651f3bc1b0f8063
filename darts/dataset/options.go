package dataset

import (
	"fmt"
	"slices"
	"strings"

	"unnas/pretext"
)

// Split names a part of a data set. Each data set refuses those that it lacks.
type Split string

// The parts that data sets have.
const (
	All   Split = ""      // all of a folder that is not split
	Train Split = "train" // the images to train on
	Val   Split = "val"   // those to validate on
	Test  Split = "test"  // those to test on
)

// Options says how a data set is opened. The zero value is valid. An option that
// does not belong to the data set is an error.
type Options struct {
	// Progress, unless nil, is called while a data set is opened, which takes minutes
	// where there are many files or disks are slow: with the number of class folders,
	// or files of CIFAR-10, that are done, of how many.
	Progress func(done, total int64)
	// Decoder decodes JPEG files. Nil is that of Go; package turbojpeg has another one.
	Decoder *pretext.Decoder

	// IgnoreOrientation keeps the images of a Folder as they are stored, whatever the
	// orientation in the Exif data of a JPEG file is.
	IgnoreOrientation bool
	// NoMasks leaves out the masks of Cityscapes, for tasks that need none. Folder gtFine
	// is neither read nor needed.
	NoMasks bool

	// Index is the file that keeps the names of all images of ImageNet-22K. Empty is
	// .imagenet22k-index in the folder of the data; if no file can be made there, one
	// in the cache folder of the user (os.UserCacheDir), whose name depends on the path
	// of the data.
	Index string
	// List is a file of one image name of ImageNet-22K a line, such as
	// n01440764_10026.JPEG, with or without its ending and the folder before it. Only
	// these images are taken, and there is no index. Empty takes all.
	List string
	// Seed is that of the draw of images of ImageNet-22K in place of those that cannot
	// be decoded.
	Seed uint64
}

// check returns an error if an option is set that belongs to other data sets. Progress
// and Decoder belong to all.
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
			return fmt.Errorf("dataset: %s has no option %s; leave it out", set, f.name)
		}
	}
	return nil
}

// progress reports that some of all parts are done.
func (o Options) progress(done, total int) {
	if o.Progress != nil {
		o.Progress(int64(done), int64(total))
	}
}

// lacks returns the error of a split that is none of those of a data set.
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
