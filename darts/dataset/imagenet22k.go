package dataset

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"unnas/internal/indexfile"
	"unnas/internal/rng"
	"unnas/internal/text"
	"unnas/pretext"
)

const (
	indexName = ".imagenet22k-index" // index beside the data
	// replacements is the number of images tried instead of an unreadable one.
	replacements = 100
)

// ImageNet22K is the full ImageNet (Deng et al., 2009): 14 million images of 21,841
// classes. It takes less than 10 bytes of memory per image. Images that cannot be
// decoded, which are common in such a collection, are replaced by others.
type ImageNet22K struct {
	root    string
	seed    uint64
	decoder *pretext.Decoder
	classes []string
	ends    []int // number of images up to the end of each class
	names   names // shortened names of the images
	rebuilt error

	lock       sync.Mutex
	unreadable map[int]struct{}
}

// OpenImageNet22K opens ImageNet-22K, one folder per class in root:
//
//	root/n01440764/n01440764_10026.JPEG
//
// Classes are the folders named by WordNet ids, ordered by id, whether or not
// Options.List contains their images; images are ordered by name.
//
// Listing so many files takes minutes, so the names are kept in an index file, written
// atomically. If class folders have been added, removed or changed since, or if the
// index is damaged, it is rebuilt; RebuildReason returns why. With a valid index,
// progress is not reported.
//
// It returns an error if root has no class folders or packed archives, if a class
// folder has no images, if the file Options.Index cannot be written, if a list names an
// image twice or of no class, or once ctx is done.
func OpenImageNet22K(ctx context.Context, root string, o Options) (*ImageNet22K, error) {
	if err := o.check("ImageNet-22K", "Index", "List", "Seed"); err != nil {
		return nil, err
	}
	d := &ImageNet22K{root: root, seed: o.Seed, decoder: o.Decoder, unreadable: map[int]struct{}{}}
	var err error
	if d.classes, err = wordNetFolders(root); err != nil {
		tree := []string{filepath.Join(root, "n01440764", "n01440764_10026.JPEG")}
		return nil, misplaced("ImageNet-22K", err, tree, root)
	}
	progress := func(done int) { o.progress(done, len(d.classes)) }
	switch {
	case o.List != "" && o.Index != "":
		return nil, fmt.Errorf("dataset: ImageNet-22K: both a list %s and an index %s; leave the index empty, a list needs none", o.List, o.Index)
	case o.List != "":
		err = d.readList(ctx, o.List, progress)
	default:
		err = d.openIndex(ctx, o.Index, progress)
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: ImageNet-22K: %w", err)
	}
	return d, nil
}

// openIndex reads the names from an index file, or from the class folders without a
// valid one.
func (d *ImageNet22K) openIndex(ctx context.Context, given string, progress func(done int)) error {
	modified, err := d.modified(ctx)
	if err != nil {
		return err
	}
	x, rebuilt, err := indexfile.Index[*index]{
		Given: given, Beside: filepath.Join(d.root, indexName), Foreign: errNoIndex,
		Read: func(path string) (*index, error) {
			x, err := readIndex(path)
			if err == nil {
				err = x.fits(d.root, d.classes, modified)
			}
			return x, err
		},
		Write: func(path string, x *index) error { return x.write(path) },
		Build: func() (*index, error) {
			if err := d.list(ctx, progress); err != nil {
				return nil, err
			}
			return newIndex(d.classes, modified, d.ends, d.names), nil
		},
	}.Open()
	if err != nil {
		return err
	}
	if rebuilt != nil {
		d.rebuilt = fmt.Errorf("dataset: ImageNet-22K: %w", rebuilt)
	}
	d.ends, d.names = x.ends(), x.names
	return nil
}

// list reads the names from the class folders.
func (d *ImageNet22K) list(ctx context.Context, progress func(done int)) error {
	for i, class := range d.classes {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing class %s: %w", class, err)
		}
		images, err := listClass(filepath.Join(d.root, class), "unpack it again or remove it")
		if err != nil {
			return err
		}
		if err := d.addClass(class, images); err != nil {
			return err
		}
		progress(i + 1)
	}
	return nil
}

// modified returns the modification time of each class folder in Unix nanoseconds.
func (d *ImageNet22K) modified(ctx context.Context) ([]int64, error) {
	times := make([]int64, len(d.classes))
	for i, class := range d.classes {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("checking class %s: %w", class, err)
		}
		info, err := os.Stat(filepath.Join(d.root, class))
		if err != nil {
			return nil, err
		}
		times[i] = info.ModTime().UnixNano()
	}
	return times, nil
}

// addClass appends the sorted images of the next class.
func (d *ImageNet22K) addClass(class string, images []string) error {
	for _, image := range images {
		if strings.ContainsAny(image, forbidden) {
			return fmt.Errorf("the name %q in %s has a line break or a backslash; rename or remove the file", image, filepath.Join(d.root, class))
		}
		d.names.add(shorten(class, image))
	}
	if len(d.names.text) > maxIndex {
		return fmt.Errorf("the names of the images up to %s take more than %d bytes; check that %s is ImageNet-22K", class, maxIndex, d.root)
	}
	d.ends = append(d.ends, d.names.n)
	return nil
}

// readList reads the names from a file, one per line.
func (d *ImageNet22K) readList(ctx context.Context, path string, progress func(done int)) error {
	if _, err := fileSize(path); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	defer f.Close()
	short := make([]names, len(d.classes))
	total := 0
	lines := bufio.NewScanner(text.NewReader(f))
	for n := 1; lines.Scan(); n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return fmt.Errorf("list %s: %w", path, ctx.Err())
		}
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		class, image := splitName(line)
		i, found := slices.BinarySearch(d.classes, class)
		if !found || image == "" {
			return fmt.Errorf("list %s: line %d: %q is not an image in a class folder of %s, want a name such as n01440764_10026.JPEG or n01440764/n01440764_10026.JPEG", path, n, line, d.root)
		}
		s := shorten(class, image)
		if total += len(s) + 1; total > maxIndex {
			return fmt.Errorf("list %s: line %d: the names take more than %d bytes; check that it lists ImageNet-22K", path, n, maxIndex)
		}
		short[i].add(s)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("list %s: %w", path, err)
	}
	if total == 0 {
		return fmt.Errorf("list %s has no images; omit it for all images", path)
	}
	for i, class := range d.classes {
		images := make([]string, short[i].n)
		for k := range images {
			images[k] = lengthen(class, short[i].at(k))
		}
		slices.Sort(images)
		for k, image := range images[min(1, len(images)):] {
			if image == images[k] {
				return fmt.Errorf("list %s names image %s of class %s twice; remove one of the lines", path, image, class)
			}
		}
		if err := d.addClass(class, images); err != nil {
			return err
		}
		short[i] = names{}
		progress(i + 1)
	}
	return nil
}

// splitName returns the class and file name of an image in a list. The class is the
// folder, or else the prefix of the file name.
func splitName(line string) (class, image string) {
	class, image, found := strings.Cut(line, "/")
	if !found {
		image = line
		class, _, _ = strings.Cut(line, "_")
	}
	if strings.ContainsAny(image, forbidden) {
		return "", ""
	}
	if image != "" && !isImage(image) {
		image += ".JPEG"
	}
	return class, image
}

// Len returns the number of images.
func (d *ImageNet22K) Len() int { return d.names.n }

// Classes returns the WordNet ids of the classes in order.
func (d *ImageNet22K) Classes() []string { return slices.Clone(d.classes) }

// RebuildReason returns why an existing index could not be used, such as damage, or why
// a new one could not be written; nil if it was used, if there was none, or with
// Options.List.
func (d *ImageNet22K) RebuildReason() error { return d.rebuilt }

// Decoder returns the name of the decoder of JPEG files.
func (d *ImageNet22K) Decoder() string { return d.decoder.String() }

// DecodesImages returns true.
func (d *ImageNet22K) DecodesImages() bool { return true }

// Load decodes image i, 0 to Len-1. If its file cannot be decoded, it returns another
// image, with its own label: images are drawn until one can be decoded, which depends
// only on the seed and i, so every run sees the same. After 100 of them it returns an
// error. A file that is missing or cannot be read is an error at once: it may be
// available in another run, which would then see another image.
func (d *ImageNet22K) Load(ctx context.Context, i int) (*pretext.Image, error) {
	if err := checkLoad(ctx, i, d.Len()); err != nil {
		return nil, err
	}
	img, unreadable := d.decode(ctx, i)
	if unreadable == nil {
		return img, nil
	}
	if !errors.Is(unreadable, pretext.ErrInvalidImage) {
		return nil, fmt.Errorf("dataset: ImageNet-22K: %w", unreadable)
	}
	r := rng.New(d.seed, "replacement", 0, i)
	for range replacements {
		j := rng.IntN(r, d.Len())
		img, err := d.decode(ctx, j)
		switch {
		case err == nil:
			return img, nil
		case !errors.Is(err, pretext.ErrInvalidImage):
			return nil, fmt.Errorf("dataset: ImageNet-22K: %w", err)
		}
	}
	return nil, fmt.Errorf("dataset: ImageNet-22K: neither image %d nor %d replacements can be decoded; check the files in %s: %w", i, replacements, d.root, unreadable)
}

// decode decodes image i, and records it if that is impossible.
func (d *ImageNet22K) decode(ctx context.Context, i int) (*pretext.Image, error) {
	class := d.class(i)
	img, err := decodeFile(ctx, d.path(i), d.decoder.Decode)
	if err != nil {
		if errors.Is(err, pretext.ErrInvalidImage) {
			d.lock.Lock()
			defer d.lock.Unlock()
			d.unreadable[i] = struct{}{}
		}
		return nil, err
	}
	img.Label = class
	return img, nil
}

// class returns the class of image i.
func (d *ImageNet22K) class(i int) int {
	class, _ := slices.BinarySearch(d.ends, i+1)
	return class
}

// path returns the file of image i.
func (d *ImageNet22K) path(i int) string {
	class := d.classes[d.class(i)]
	return filepath.Join(d.root, class, lengthen(class, d.names.at(i)))
}

// Unreadable returns the number of distinct images that could not be decoded so far,
// and the paths of the first ten in the order of the data set. It is safe for
// concurrent use with Load. A search or a training records a warning if there are any.
func (d *ImageNet22K) Unreadable() (count int, first []string) {
	d.lock.Lock()
	defer d.lock.Unlock()
	var indices []int
	for i := range d.unreadable {
		indices = append(indices, i)
	}
	slices.Sort(indices)
	for _, i := range indices[:min(10, len(indices))] {
		first = append(first, d.path(i))
	}
	return len(indices), first
}
