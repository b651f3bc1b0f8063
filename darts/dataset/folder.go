package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"unnas/pretext"
)

// maxFile limits the size of one image file.
const maxFile = 256 << 20

// wanted returns the layout of a folder for errors.
func wanted(dir string) string {
	return fmt.Sprintf(`want either class folders or images:
  %[1]s/cat/1.jpg      or  %[1]s/1.jpg
  %[1]s/dog/2.png          %[1]s/2.png`, dir)
}

// Folder is a data set of JPEG and PNG files. It keeps their names; images are decoded
// on Load.
type Folder struct {
	dir     string
	classes []string
	files   []imageFile
	decoder *pretext.Decoder
	upright bool // apply the Exif orientation
}

// imageFile is an image of a Folder.
type imageFile struct {
	class int // index of its folder, -1 if images are in dir itself
	name  string
}

// OpenFolder lists the images of dir, files with the extension .jpg, .jpeg or .png in
// upper or lower case. Every folder in dir is a class, as in ImageNet's train and val;
// classes and images are ordered by name. Images in dir itself have no label. Other
// files, hidden ones, and deeper folders are ignored. A validation folder that lacks a
// class has other labels; darts.Train matches classes by name.
//
// Split All opens dir itself; Train, Val and Test open the folder of that name in dir,
// which must have class folders; see [HasSplit]. The Exif orientation is applied unless
// Options.IgnoreOrientation is set.
//
// It returns an error once ctx is done, if the folder cannot be read, if it has no
// images or both images and class folders, or if a class folder has no images.
func OpenFolder(ctx context.Context, dir string, split Split, o Options) (*Folder, error) {
	if err := o.check("a folder", "IgnoreOrientation"); err != nil {
		return nil, err
	}
	if split != All {
		switch has, err := HasSplit(dir, split); {
		case err != nil:
			return nil, err
		case !has:
			return nil, fmt.Errorf("dataset: %s has no split %q: want class folders in %s, or split All", dir, split, filepath.Join(dir, string(split)))
		}
		dir = filepath.Join(dir, string(split))
	}
	classes, images, err := list(dir)
	switch {
	case err != nil:
		return nil, fmt.Errorf("dataset: %w; %s", err, wanted(dir))
	case len(classes) == 0 && len(images) == 0:
		return nil, fmt.Errorf("dataset: no images in %s; %s", dir, wanted(dir))
	case len(classes) > 0 && len(images) > 0:
		return nil, fmt.Errorf("dataset: %s has both images (%s) and folders (%s); %s", dir, images[0], classes[0], wanted(dir))
	}
	d := &Folder{dir: dir, classes: classes, decoder: o.Decoder, upright: !o.IgnoreOrientation}
	for _, name := range images {
		d.files = append(d.files, imageFile{class: -1, name: name})
	}
	if err := d.listClasses(ctx, "remove it, or open a split, such as Train, if the folder of that name has the classes; "+wanted(dir), o); err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return d, nil
}

// HasSplit reports whether dir has a split Train, Val or Test: a folder of that name
// with folders of images. A folder of that name with images is a class if dir has other
// classes too. A packed data set (see [Pack]) has the splits that were packed.
//
// It returns an error in ambiguous cases: the folder has images and there are no other
// classes, or it has folders of images and there are other classes.
func HasSplit(dir string, split Split) (bool, error) {
	if err := lacks("a folder", split, Train, Val, Test); err != nil {
		return false, err
	}
	if splits := packedSplits(dir); len(splits) > 0 {
		return slices.Contains(splits, split), nil
	}
	folders, _, err := list(dir)
	if err != nil {
		return false, fmt.Errorf("dataset: %w; %s", err, wanted(dir))
	}
	if !slices.Contains(folders, string(split)) {
		return false, nil
	}
	path := filepath.Join(dir, string(split))
	inner, images, err := list(path)
	if err != nil {
		return false, fmt.Errorf("dataset: %w", err)
	}
	class, err := classBeside(dir, folders)
	if err != nil {
		return false, fmt.Errorf("dataset: %w", err)
	}
	switch isSplit := len(images) == 0 && len(inner) > 0; {
	case isSplit && class != "":
		return false, fmt.Errorf("dataset: %s has folders, like a split, and %s has images, like a class; separate splits and classes, or open %s itself", path, filepath.Join(dir, class), path)
	case !isSplit && len(images) > 0 && class == "":
		return false, fmt.Errorf("dataset: %s has images: either a class named %s or a split without classes; open %s for its images, or %s with split All for classes", path, split, path, dir)
	default:
		return isSplit, nil
	}
}

// classBeside returns the first folder in dir with images that is not named like a
// split, or "".
func classBeside(dir string, folders []string) (string, error) {
	for _, name := range folders {
		if slices.Contains([]Split{Train, Val, Test}, Split(name)) {
			continue
		}
		_, images, err := list(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		if len(images) > 0 {
			return name, nil
		}
	}
	return "", nil
}

// listClasses lists the images of the class folders. remedy is for a folder without images.
func (d *Folder) listClasses(ctx context.Context, remedy string, o Options) error {
	for i, class := range d.classes {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing %s: %w", d.dir, err)
		}
		images, err := listClass(filepath.Join(d.dir, class), remedy)
		if err != nil {
			return err
		}
		for _, name := range images {
			d.files = append(d.files, imageFile{class: i, name: name})
		}
		o.progress(i+1, len(d.classes))
	}
	return nil
}

// listClass returns the sorted names of the images in a class folder, and an error with
// the remedy if there are none.
func listClass(path, remedy string) ([]string, error) {
	_, images, err := list(path)
	if err != nil {
		return nil, err
	}
	if len(images) == 0 {
		return nil, fmt.Errorf("no images in class folder %s; %s", path, remedy)
	}
	return images, nil
}

// list returns the sorted names of the folders and images in dir, without hidden ones.
func list(dir string) (folders, images []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		switch {
		case isFolder(dir, e):
			folders = append(folders, name)
		case isImage(name):
			images = append(images, name)
		}
	}
	slices.Sort(folders)
	slices.Sort(images)
	return folders, images, nil
}

// isFolder reports whether an entry of dir is a folder, or a link to one.
func isFolder(dir string, e os.DirEntry) bool {
	return e.IsDir() || e.Type()&os.ModeSymlink != 0 && isDir(filepath.Join(dir, e.Name()))
}

// isImage reports whether a file has the extension of an image.
func isImage(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext == ".jpg" || ext == ".jpeg" || ext == ".png"
}

// isDir reports whether path is a folder, or a link to one.
func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Len returns the number of images.
func (d *Folder) Len() int { return len(d.files) }

// Classes returns the names of the class folders in order, none for unlabelled images.
func (d *Folder) Classes() []string { return slices.Clone(d.classes) }

// Decoder returns the name of the decoder of JPEG files, empty if no file has such an
// extension.
func (d *Folder) Decoder() string {
	if slices.ContainsFunc(d.files, func(f imageFile) bool { return strings.ToLower(filepath.Ext(f.name)) != ".png" }) {
		return d.decoder.String()
	}
	return ""
}

// DecodesImages returns true.
func (d *Folder) DecodesImages() bool { return true }

// Load decodes image i, 0 to Len-1. Its label is the index of its class, or -1. An
// image that cannot be read, or of more than 256 MiB, is an error that names the file;
// the caller decides whether to skip it.
func (d *Folder) Load(ctx context.Context, i int) (*pretext.Image, error) {
	if err := checkLoad(ctx, i, d.Len()); err != nil {
		return nil, err
	}
	file := d.files[i]
	path := filepath.Join(d.dir, file.name)
	if file.class >= 0 {
		path = filepath.Join(d.dir, d.classes[file.class], file.name)
	}
	decode := d.decoder.Decode
	if d.upright {
		decode = d.decoder.DecodeUpright
	}
	img, err := decodeFile(ctx, path, decode)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	img.Label = file.class
	return img, nil
}

// decodeFile decodes an unlabelled image of at most maxFile bytes.
func decodeFile(ctx context.Context, path string, decode func(context.Context, io.Reader) (*pretext.Image, error)) (*pretext.Image, error) {
	f, err := openImage(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	img, err := decode(ctx, f)
	if err != nil {
		return nil, unusable(path, err)
	}
	return img, nil
}

// unusable adds the file and a remedy to an error of Decode.
func unusable(path string, err error) error {
	if errors.Is(err, pretext.ErrInvalidImage) {
		return fmt.Errorf("%s: %w; remove or replace the file", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// openImage opens a regular file of at most maxFile bytes.
func openImage(path string) (*os.File, error) {
	size, err := fileSize(path)
	if err != nil {
		return nil, err
	}
	if size > maxFile {
		return nil, fmt.Errorf("%w: %s has %d bytes, want at most %d; shrink or remove it", pretext.ErrInvalidImage, path, size, maxFile)
	}
	return os.Open(path)
}

// fileSize returns the size of a file. A folder, pipe or other special file is an
// error: reading it could fail or block.
func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is not a regular file", path)
	}
	return info.Size(), nil
}

// checkLoad returns an error if ctx is done or image i is out of range.
func checkLoad(ctx context.Context, i, n int) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("dataset: loading image %d: %w", i, err)
	}
	if i < 0 || i >= n {
		return fmt.Errorf("dataset: image %d, want 0 to %d", i, n-1)
	}
	return nil
}
