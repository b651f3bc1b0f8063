package dataset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"unnas/pretext"
)

// maxFile bounds the size of one image file.
const maxFile = 256 << 20

// wanted is what errors show of the layout of a folder.
func wanted(dir string) string {
	return fmt.Sprintf(`want either class folders or images:
  %[1]s/cat/1.jpg      or  %[1]s/1.jpg
  %[1]s/dog/2.png          %[1]s/2.png`, dir)
}

// Folder is a data set of JPEG and PNG files. It holds their names; images are
// decoded when they are loaded.
type Folder struct {
	dir     string
	classes []string
	files   []imageFile
}

// imageFile is an image of a Folder.
type imageFile struct {
	class int // index of the folder that holds it, -1 if images lie in dir itself
	name  string
}

// Listing is told how far the listing of the images of a data set is, which takes
// minutes on slow disks: after each class how many are done, of how many, and how
// many images they have. An error ends it, such as that of a context.
type Listing func(done, classes, images int) error

// OpenFolder lists the images of dir, files that end in .jpg, .jpeg or .png,
// upper or lower case. Every folder in dir is a class, as in ImageNet's train
// and val; classes and images are in the order of their names. If images lie in
// dir itself, they have no label. Other files, hidden ones, and what lies
// deeper are left out. Told may be nil. A folder for validation that lacks a class has
// other labels; see darts.Train, which goes by the names.
//
// It returns an error if told does, if dir cannot be read, if it holds no image or both
// images and class folders, or if a class folder holds no image.
func OpenFolder(dir string, told Listing) (*Folder, error) {
	classes, images, err := list(dir)
	switch {
	case err != nil:
		return nil, fmt.Errorf("dataset: %w; %s", err, wanted(dir))
	case len(classes) == 0 && len(images) == 0:
		return nil, fmt.Errorf("dataset: no images in %s; %s", dir, wanted(dir))
	case len(classes) > 0 && len(images) > 0:
		return nil, fmt.Errorf("dataset: %s holds both images (%s) and folders (%s); %s", dir, images[0], classes[0], wanted(dir))
	}
	d := &Folder{dir: dir, classes: classes}
	for _, name := range images {
		d.files = append(d.files, imageFile{class: -1, name: name})
	}
	if err := d.listClasses("remove it, or open the folder above the classes, such as train; "+wanted(dir), told); err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return d, nil
}

// listClasses lists the images of the class folders. The remedy is for a folder
// without any.
func (d *Folder) listClasses(remedy string, told Listing) error {
	for i, class := range d.classes {
		images, err := listClass(filepath.Join(d.dir, class), remedy)
		if err != nil {
			return err
		}
		for _, name := range images {
			d.files = append(d.files, imageFile{class: i, name: name})
		}
		if told == nil {
			continue
		}
		if err := told(i+1, len(d.classes), len(d.files)); err != nil {
			return fmt.Errorf("listing %s: %w", d.dir, err)
		}
	}
	return nil
}

// listClass returns the sorted names of the images in a class folder, and an
// error that ends with the remedy if there are none.
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

// list returns the sorted names of the folders and of the images in dir that
// are not hidden.
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

// isFolder returns whether an entry of dir is a folder, or a link to one.
func isFolder(dir string, e os.DirEntry) bool {
	return e.IsDir() || e.Type()&os.ModeSymlink != 0 && isDir(filepath.Join(dir, e.Name()))
}

// isImage returns whether a file of this name is taken for an image.
func isImage(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext == ".jpg" || ext == ".jpeg" || ext == ".png"
}

// isDir returns whether path is a folder, or a link to one.
func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Len returns the number of images.
func (d *Folder) Len() int { return len(d.files) }

// Classes returns the names of the class folders in order. A data set of
// unlabelled images has none.
func (d *Folder) Classes() []string { return slices.Clone(d.classes) }

// DecodesJPEG reports whether there are JPEG files, as their endings say.
func (d *Folder) DecodesJPEG() bool {
	return slices.ContainsFunc(d.files, func(f imageFile) bool { return strings.ToLower(filepath.Ext(f.name)) != ".png" })
}

// DecodesImages says yes.
func (d *Folder) DecodesImages() bool { return true }

// Load decodes image i, 0 to Len-1. Its label is the index of its class, or -1.
// An image that cannot be read is an error that names the file; whether to skip
// it is for the caller to decide. So is a file of more than 256 MiB.
func (d *Folder) Load(ctx context.Context, i int) (*pretext.Image, error) {
	if err := checkLoad(ctx, i, d.Len()); err != nil {
		return nil, err
	}
	file := d.files[i]
	path := filepath.Join(d.dir, file.name)
	if file.class >= 0 {
		path = filepath.Join(d.dir, d.classes[file.class], file.name)
	}
	img, err := decodeFile(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	img.Label = file.class
	return img, nil
}

// decodeFile decodes an image of at most maxFile bytes. It has no label.
func decodeFile(ctx context.Context, path string) (*pretext.Image, error) {
	f, err := openImage(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	img, err := pretext.Decode(ctx, f)
	if err != nil {
		return nil, unusable(path, err)
	}
	return img, nil
}

// unusable returns the error of Decode about a file.
func unusable(path string, err error) error {
	if errors.Is(err, pretext.ErrInvalidImage) {
		return fmt.Errorf("%s: %w; remove or replace the file", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// openImage opens a plain file of at most maxFile bytes.
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

// fileSize returns the size of a file. What is not a plain file, such as a
// folder or a pipe, is an error: reading it could fail or wait for ever.
func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is not a plain file", path)
	}
	return info.Size(), nil
}

// checkLoad returns an error if the context is done or image i is not one of n.
func checkLoad(ctx context.Context, i, n int) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("dataset: loading image %d: %w", i, err)
	}
	if i < 0 || i >= n {
		return fmt.Errorf("dataset: image %d, want 0 to %d", i, n-1)
	}
	return nil
}
