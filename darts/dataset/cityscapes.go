package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"unnas/pretext"
)

// Suffixes of the file names of Cityscapes.
const (
	cityImage    = "_leftImg8bit.png"
	cityTrainIDs = "_gtFine_labelTrainIds.png"
	cityIDs      = "_gtFine_labelIds.png"
)

const ignored = 255 // marks pixels without a class in a mask

// Cityscapes is the data set of urban street scenes of Cordts et al. (2016, arXiv
// 1604.01685) with its fine annotations: images of 2048×1024 pixels, whose pixels
// belong to one of 19 evaluation classes or to none.
type Cityscapes struct {
	root, split string
	masks       bool // images have masks
	files       []cityFile
}

// cityFile is an image and its labels.
type cityFile struct {
	city, name string // name is the common part of the image and label files
	trainIDs   bool   // labels are train ids instead of ids
}

// OpenCityscapes lists the images of a split below root, and their labels:
//
//	root/leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png
//	root/gtFine/train/aachen/aachen_000000_000019_gtFine_labelTrainIds.png
//
// Without a file of train ids it uses the file of ids, labelIds instead of
// labelTrainIds, whose 19 evaluation classes become 0 to 18 and all others 255. Images
// are ordered by city and name; other files are ignored. Images without labels are an
// error that names the first ones. A wrong layout is an error with the remedy, the
// wanted layout, and the one found.
//
// Splits are Train and Val. With the option NoMasks images have no masks.
func OpenCityscapes(ctx context.Context, root string, split Split, o Options) (*Cityscapes, error) {
	if err := errors.Join(lacks("Cityscapes", split, Train, Val), o.check("Cityscapes", "NoMasks")); err != nil {
		return nil, err
	}
	d := &Cityscapes{root: root, split: string(split), masks: !o.NoMasks}
	parts := []string{"leftImg8bit"}
	want := []string{filepath.Join(root, "leftImg8bit", d.split, "aachen", "aachen_000000_000019"+cityImage)}
	if d.masks {
		parts = append(parts, "gtFine")
		want = append(want, filepath.Join(root, "gtFine", d.split, "aachen", "aachen_000000_000019"+cityTrainIDs)+" (or labelIds)")
	}
	fail := func(in string, err error) (*Cityscapes, error) { return nil, misplaced("Cityscapes", err, want, in) }
	for _, part := range parts {
		if !isDir(filepath.Join(root, part, d.split)) {
			return fail(root, fmt.Errorf("no folder %s in %s; unpack %s_trainvaltest.zip there", filepath.Join(part, d.split), root, part))
		}
	}
	dir := filepath.Join(root, "leftImg8bit", d.split)
	cities, _, err := list(dir)
	if err != nil {
		return nil, fmt.Errorf("dataset: Cityscapes: %w", err)
	}
	var unlabelled []string
	for i, city := range cities {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("dataset: Cityscapes: listing %s: %w", dir, err)
		}
		missing, err := d.listCity(city)
		if err != nil {
			return nil, fmt.Errorf("dataset: Cityscapes: %w", err)
		}
		unlabelled = append(unlabelled, missing...)
		o.progress(i+1, len(cities))
	}
	switch {
	case unlabelled != nil:
		return fail(filepath.Join(root, "gtFine", d.split), fmt.Errorf("%d of %d images have no labels in gtFine: %s; unpack gtFine_trainvaltest.zip again, or remove these images",
			len(unlabelled), len(d.files)+len(unlabelled), some(unlabelled)))
	case d.files == nil:
		return fail(dir, fmt.Errorf("no images *%s in city folders of %s; unpack leftImg8bit_trainvaltest.zip again", cityImage, dir))
	}
	return d, nil
}

// listCity appends the images of a city, and returns the names of those without labels.
func (d *Cityscapes) listCity(city string) (unlabelled []string, err error) {
	_, images, err := list(filepath.Join(d.root, "leftImg8bit", d.split, city))
	if err != nil {
		return nil, err
	}
	var labels []string
	if dir := filepath.Join(d.root, "gtFine", d.split, city); d.masks && isDir(dir) {
		if _, labels, err = list(dir); err != nil {
			return nil, err
		}
	}
	for _, image := range images {
		name, ok := strings.CutSuffix(image, cityImage)
		if !ok {
			continue
		}
		_, trainIDs := slices.BinarySearch(labels, name+cityTrainIDs)
		_, ids := slices.BinarySearch(labels, name+cityIDs)
		if d.masks && !trainIDs && !ids {
			unlabelled = append(unlabelled, filepath.Join(city, image))
			continue
		}
		d.files = append(d.files, cityFile{city: city, name: name, trainIDs: trainIDs})
	}
	return unlabelled, nil
}

// Len returns the number of images.
func (d *Cityscapes) Len() int { return len(d.files) }

// Classes returns the names of the 19 classes of mask values in order; whole images
// have no class.
func (d *Cityscapes) Classes() []string {
	return []string{
		"road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
		"sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
	}
}

// DecodesImages returns true.
func (d *Cityscapes) DecodesImages() bool { return true }

// Load decodes image i, 0 to Len-1, and its mask, unless opened with NoMasks. The label
// is -1. A file that cannot be read, and labels of another size or with invalid values,
// are errors that name the file.
func (d *Cityscapes) Load(ctx context.Context, i int) (*pretext.Image, error) {
	if err := checkLoad(ctx, i, d.Len()); err != nil {
		return nil, err
	}
	file := d.files[i]
	img, err := decodeFile(ctx, filepath.Join(d.root, "leftImg8bit", d.split, file.city, file.name+cityImage), pretext.Decode)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	if !d.masks {
		return img, nil
	}
	ending, meaning := cityIDs, trainIDsOfIDs()
	if file.trainIDs {
		ending, meaning = cityTrainIDs, trainIDs()
	}
	path := filepath.Join(d.root, "gtFine", d.split, file.city, file.name+ending)
	labels, err := decodeLabels(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	if labels.Width != img.Width || labels.Height != img.Height {
		return nil, fmt.Errorf("dataset: %s has %d by %d pixels, its image %d by %d; unpack both again", path, labels.Width, labels.Height, img.Width, img.Height)
	}
	img.Mask = make([]uint8, len(labels.Pix)/3)
	for p := range img.Mask {
		v := labels.Pix[3*p]
		m := meaning[v]
		if m == meaningless {
			return nil, fmt.Errorf("dataset: %s: pixel (%d, %d) has value %d, want a train id of 0 to 18 or 255", path, p%img.Width, p/img.Width, v)
		}
		img.Mask[p] = m
	}
	return img, nil
}

// decodeLabels decodes a file of labels, whose samples are the values: it must be a
// grayscale image of 8 bits, since other depths would be scaled.
func decodeLabels(ctx context.Context, path string) (*pretext.Image, error) {
	f, err := openImage(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// Depth and colour type are at fixed offsets of a PNG file.
	const depth, colour = 24, 25
	head := make([]byte, colour+1)
	n, err := io.ReadFull(f, head)
	if err == nil && (!bytes.HasPrefix(head, []byte("\x89PNG")) || head[depth] != 8 || head[colour] != 0) {
		return nil, fmt.Errorf("%s is not a grayscale PNG image of 8 bits; unpack gtFine_trainvaltest.zip again", path)
	}
	// A truncated file is left to the decoder.
	img, err := pretext.Decode(ctx, io.MultiReader(bytes.NewReader(head[:n]), f))
	if err != nil {
		return nil, unusable(path, err)
	}
	return img, nil
}

// meaningless marks invalid values of label files.
const meaningless = 254

// trainIDs returns the class of each value of a file of train ids.
func trainIDs() (t [256]uint8) {
	for v := range t {
		t[v] = meaningless
	}
	for v := range uint8(19) {
		t[v] = v
	}
	t[ignored] = ignored
	return t
}

// trainIDsOfIDs returns the class of each value of a file of ids: the train id of an
// evaluation class, ignored otherwise.
func trainIDsOfIDs() (t [256]uint8) {
	for v := range t {
		t[v] = ignored
	}
	for class, id := range [...]uint8{7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33} {
		t[id] = uint8(class)
	}
	return t
}
