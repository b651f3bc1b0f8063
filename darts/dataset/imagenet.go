package dataset

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// OpenImageNet1K opens a split of ImageNet-1K (Russakovsky et al., 2015, arXiv
// 1409.0575) below root:
//
//	root/train/n01440764/n01440764_10026.JPEG
//	root/val/n01440764/ILSVRC2012_val_00000293.JPEG
//
// Classes are the folders named by WordNet ids, ordered by id; other files and folders
// are ignored. Subsets of the 1000 classes are allowed, but if both train and val
// exist, they must have the same classes: otherwise their labels would differ. Splits
// are Train and Val.
//
// A wrong or incomplete layout is an error with the remedy, the wanted layout, and the
// one found.
func OpenImageNet1K(ctx context.Context, root string, split Split, o Options) (*Folder, error) {
	if err := errors.Join(lacks("ImageNet-1K", split, Train, Val), o.check("ImageNet-1K")); err != nil {
		return nil, err
	}
	other := Val
	if split == Val {
		other = Train
	}
	dir := filepath.Join(root, string(split))
	fail := func(in string, err error) (*Folder, error) {
		return nil, misplaced("ImageNet-1K", err, []string{
			filepath.Join(root, "train", "n01440764", "n01440764_10026.JPEG"),
			filepath.Join(root, "val", "n01440764", "ILSVRC2012_val_00000293.JPEG"),
		}, in)
	}
	if !isDir(dir) {
		return fail(root, noSplit(root, split))
	}
	classes, err := wordNetFolders(dir)
	if err != nil {
		return fail(dir, err)
	}
	if theirs, err := wordNetFolders(filepath.Join(root, string(other))); err == nil {
		if err := sameClasses(split, classes, other, theirs); err != nil {
			return fail(root, err)
		}
	}
	d := &Folder{dir: dir, classes: classes, decoder: o.Decoder}
	if err := d.listClasses(ctx, fmt.Sprintf("unpack %s again", split), o); err != nil {
		return nil, fmt.Errorf("dataset: ImageNet-1K: %w", err)
	}
	return d, nil
}

// noSplit returns why the folder of a split may be missing.
func noSplit(root string, split Split) error {
	if _, err := os.Stat(root); err != nil {
		return err
	}
	below := filepath.Join(root, "ILSVRC", "Data", "CLS-LOC") // layout of the Kaggle challenge
	switch classes, _ := wordNetFolders(root); {
	case len(classes) > 0:
		return fmt.Errorf("%s has class folders itself; use its parent folder, with class folders in %s", root, split)
	case isDir(filepath.Join(below, string(split))):
		return fmt.Errorf("no folder %s in %s; use %s", split, root, below)
	}
	return fmt.Errorf("no folder %s in %s; unpack ILSVRC2012_img_%s.tar there", split, root, split)
}

// sameClasses returns an error that names the first classes that only one of two splits has.
func sameClasses(split Split, classes []string, other Split, theirs []string) error {
	for _, s := range []struct {
		has, lacks Split
		in, from   []string
	}{{split, other, classes, theirs}, {other, split, theirs, classes}} {
		var missing []string
		for _, c := range s.in {
			if _, found := slices.BinarySearch(s.from, c); !found {
				missing = append(missing, c)
			}
		}
		if missing != nil {
			return fmt.Errorf("%s lacks class folders that %s has: %s; unpack the rest of %s", s.lacks, s.has, some(missing), s.lacks)
		}
	}
	return nil
}

// isWordNetID reports whether name is n and eight digits.
func isWordNetID(name string) bool {
	return len(name) == 9 && name[0] == 'n' && strings.Trim(name[1:], "0123456789") == ""
}

// wordNetFolders returns the sorted names of the class folders in dir. It returns an
// error if there are none, if images lie beside them, or if the archive of a class is
// not unpacked.
func wordNetFolders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	var classes, images, packed []string
	for _, e := range entries {
		name := e.Name()
		class, isTar := strings.CutSuffix(name, ".tar")
		switch {
		case isWordNetID(name) && isFolder(dir, e):
			classes = append(classes, name)
		case isTar && isWordNetID(class):
			if _, found := slices.BinarySearch(classes, class); !found { // a folder sorts before its archive
				packed = append(packed, name)
			}
		case isImage(name) && !strings.HasPrefix(name, "."):
			images = append(images, name)
		}
	}
	switch {
	case packed != nil:
		return nil, fmt.Errorf("archives in %s are not unpacked: %s; unpack each into a folder of its name", dir, some(packed))
	case images != nil:
		return nil, fmt.Errorf("images in %s are not sorted into class folders: %s; move each into the folder of its class, for val by the ground truth of the development kit", dir, some(images))
	case classes == nil:
		return nil, fmt.Errorf("no class folder such as n01440764 in %s; unpack the data set there", dir)
	}
	return classes, nil
}

// misplaced returns the error for a wrong layout: the problem, the wanted layout, and
// the contents of dir.
func misplaced(name string, err error, tree []string, dir string) error {
	return fmt.Errorf("dataset: %s: %w; want\n  %s\nfound in %s: %s", name, err, strings.Join(tree, "\n  "), dir, found(dir))
}

// found lists the first entries of dir.
func found(dir string) string {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "no such folder"
	case err != nil:
		return "an unreadable folder"
	case len(entries) == 0:
		return "nothing"
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
		if isFolder(dir, e) {
			names[i] += string(filepath.Separator)
		}
	}
	return some(names)
}

// some joins the first few of many names.
func some(names []string) string {
	const shown = 5
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s, ... (%d in all)", strings.Join(names[:shown], ", "), len(names))
}
