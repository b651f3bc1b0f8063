package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"unnas/cell"
	"unnas/darts/dataset"
	"unnas/darts/preset"
	"unnas/examples/unnas/internal/session"
)

// A kind is a kind of data sets.
type kind struct {
	name, title string
	labelled    string // the task of its labels; empty: none
	size        int    // side of a view in pixels, unless published
	stem        cell.Stem
	val         dataset.Split // its images of validation
}

// The names of kinds that are not of package preset.
const (
	builtIn      = "scenes"
	builtInTitle = "built-in scenes"
	folder       = "folder"
)

var kinds = []kind{
	{builtIn, builtInTitle, preset.Classification, 32, cell.CIFARStem, dataset.Val},
	{preset.CIFAR10, "CIFAR-10", preset.Classification, 32, cell.CIFARStem, dataset.Test},
	{preset.ImageNet1K, "ImageNet-1K", preset.Classification, 224, cell.ImageNetStem, dataset.Val},
	{preset.ImageNet22K, "ImageNet-22K", preset.Classification, 224, cell.ImageNetStem, dataset.All},
	{preset.Cityscapes, "Cityscapes", preset.Segmentation, 321, cell.ImageNetStem, dataset.Val},
	{folder, "a folder of images", preset.Classification, 64, cell.ImageNetStem, dataset.Val},
}

func kindNames() (names []string) {
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

func kindOf(name string) kind {
	return kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })]
}

// kind returns the kind of the data set that the flags name: that of -dataset, or the
// one that is recognised by the files in -data.
func (c *call) kind() (kind, error) {
	k := kindOf(builtIn)
	switch {
	case c.dataset == builtIn && c.data != "":
		return k, usagef("-dataset is %s, which has no files, and -data is %s; leave one out", builtIn, c.data)
	case c.dataset != "":
		k = kindOf(c.dataset)
		if k.name != builtIn && c.data == "" {
			return k, usagef("-data is missing: give the folder of %s, such as -data %s; see unnas help data", k.title, k.name)
		}
	case c.data != "":
		name, err := recognise(c.data)
		if err != nil {
			return k, err
		}
		k = kindOf(name)
		fmt.Fprintf(c.notes, "%s is taken for %s; -dataset says otherwise\n", c.data, k.title)
	}
	for _, name := range []string{"index", "list"} {
		if c.given[name] && k.name != preset.ImageNet22K {
			return k, usagef("-%s is of ImageNet-22K, and %s is %s; leave it out, or give -dataset %s", name, c.data, k.title, preset.ImageNet22K)
		}
	}
	return k, nil
}

// wordNet is the name of a class folder of ImageNet.
var wordNet = regexp.MustCompile(`^n\d{8}$`)

// imageNet1K is the number of classes of ImageNet-1K. A folder of more class folders is
// ImageNet-22K.
const imageNet1K = 1000

// recognise returns the kind of the data set in a folder: of one that was packed, that
// which it was packed from.
func recognise(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("-data: %w; give a folder with a data set, or leave -data out for the built-in scenes", err)
	}
	name, packed, err := dataset.PackedName(dir)
	classes, all := wordNetFolders(entries)
	switch {
	case err != nil:
		return "", fmt.Errorf("-data: %w", err)
	case packed && slices.Contains(kindNames(), name) && name != builtIn:
		return name, nil
	case packed:
		return folder, nil
	case isCIFAR(dir):
		return preset.CIFAR10, nil
	case session.Exists(filepath.Join(dir, "leftImg8bit")):
		return preset.Cityscapes, nil
	case all && classes > imageNet1K || session.Exists(filepath.Join(dir, ".imagenet22k-index")):
		return preset.ImageNet22K, nil
	}
	if entries, err = os.ReadDir(filepath.Join(dir, "train")); err == nil {
		if _, all := wordNetFolders(entries); all {
			return preset.ImageNet1K, nil
		}
	}
	return folder, nil
}

// wordNetFolders returns how many folders are named as the classes of ImageNet, and
// whether all are, one at least.
func wordNetFolders(entries []os.DirEntry) (classes int, all bool) {
	all = true
	for _, e := range entries {
		switch {
		case !e.IsDir() || strings.HasPrefix(e.Name(), "."):
		case wordNet.MatchString(e.Name()):
			classes++
		default:
			all = false
		}
	}
	return classes, all && classes > 0
}

func isCIFAR(dir string) bool {
	for _, pattern := range []string{"data_batch_*", "cifar-10-batches-*/data_batch_*"} {
		if found, err := filepath.Glob(filepath.Join(dir, pattern)); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

// checkOut refuses a directory for the files of a run that lies in a folder of images,
// where it would become a class, or that such a folder lies in.
func (c *call) checkOut(out string) error {
	for _, images := range []struct{ flag, dir string }{{"data", c.data}, {"val", c.val}} {
		if images.dir == "" {
			continue
		}
		for _, pair := range [][2]string{{out, images.dir}, {images.dir, out}} {
			inside, err := within(pair[0], pair[1])
			if err != nil {
				return err
			}
			if inside {
				return usagef("the directory of the run, %s, and the images of -%s %s lie in one another; give an -out elsewhere", out, images.flag, images.dir)
			}
		}
	}
	return nil
}

// within reports whether a path is a folder or lies in it, symbolic links followed.
func within(path, dir string) (bool, error) {
	folder, err := os.Stat(dir)
	if err != nil { // without it nothing lies in it
		return false, nil
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return false, err
	}
	for {
		if info, err := os.Stat(path); err == nil {
			if os.SameFile(info, folder) {
				return true, nil
			}
			if path, err = filepath.EvalSymlinks(path); err != nil {
				return false, err
			}
		}
		up := filepath.Dir(path)
		if up == path {
			return false, nil
		}
		path = up
	}
}
