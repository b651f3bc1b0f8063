package dataset_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts"
	"unnas/darts/dataset"
)

// TestFingerprints opens data sets that are alike, at another place, and others.
func TestFingerprints(t *testing.T) {
	touch := func(root string, names ...string) string {
		for _, name := range names {
			path := filepath.Join(root, filepath.FromSlash(name))
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte("not an image, and never opened"), 0o644))
		}
		return root
	}
	cifar := func(labels ...byte) string {
		var records []byte
		for _, l := range labels {
			records = append(append(records, l), make([]byte, 3072)...)
		}
		root := t.TempDir()
		for i := range 5 {
			require.NoError(t, os.WriteFile(filepath.Join(root, fmt.Sprintf("data_batch_%d.bin", i+1)), records, 0o644))
		}
		return root
	}
	city := func(names ...string) string {
		root := t.TempDir()
		for _, n := range names {
			touch(root, "leftImg8bit/train/a/"+n+"_leftImg8bit.png")
		}
		return root
	}
	for name, sources := range map[string][]func() (darts.Source, error){ // the first two are alike
		"folder": {
			func() (darts.Source, error) {
				return dataset.OpenFolder(t.Context(), touch(t.TempDir(), "a/1.png", "b/2.png"), dataset.All, dataset.Options{})
			},
			func() (darts.Source, error) {
				return dataset.OpenFolder(t.Context(), touch(t.TempDir(), "b/2.png", "a/1.png"), dataset.All, dataset.Options{})
			},
			func() (darts.Source, error) {
				return dataset.OpenFolder(t.Context(), touch(t.TempDir(), "a/1.png", "b/3.png"), dataset.All, dataset.Options{})
			},
			func() (darts.Source, error) {
				return dataset.OpenFolder(t.Context(), touch(t.TempDir(), "a/1.png", "c/2.png"), dataset.All, dataset.Options{})
			},
			func() (darts.Source, error) {
				return dataset.OpenFolder(t.Context(), touch(t.TempDir(), "1.png", "2.png"), dataset.All, dataset.Options{})
			},
		},
		"CIFAR-10": {
			func() (darts.Source, error) {
				return dataset.OpenCIFAR10(t.Context(), cifar(1, 2, 3), dataset.Train, dataset.Options{})
			},
			func() (darts.Source, error) {
				return dataset.OpenCIFAR10(t.Context(), cifar(1, 2, 3), dataset.Train, dataset.Options{})
			},
			func() (darts.Source, error) {
				return dataset.OpenCIFAR10(t.Context(), cifar(1, 3, 2), dataset.Train, dataset.Options{})
			},
		},
		"ImageNet-22K": {
			func() (darts.Source, error) {
				return dataset.OpenImageNet22K(t.Context(), touch(t.TempDir(), "n01440764/n01440764_1.JPEG", "n01440765/n01440765_2.JPEG"), dataset.Options{})
			},
			func() (darts.Source, error) {
				return dataset.OpenImageNet22K(t.Context(), touch(t.TempDir(), "n01440764/n01440764_1.JPEG", "n01440765/n01440765_2.JPEG"), dataset.Options{})
			},
			func() (darts.Source, error) {
				return dataset.OpenImageNet22K(t.Context(), touch(t.TempDir(), "n01440764/n01440764_1.JPEG", "n01440765/n01440765_3.JPEG"), dataset.Options{})
			},
			func() (darts.Source, error) {
				return dataset.OpenImageNet22K(t.Context(), touch(t.TempDir(), "n01440764/n01440764_1.JPEG", "n01440765/n01440765_2.JPEG"), dataset.Options{Seed: 1})
			},
		},
		"Cityscapes": {
			func() (darts.Source, error) {
				return dataset.OpenCityscapes(t.Context(), city("a_1_1", "a_1_2"), dataset.Train, dataset.Options{NoMasks: true})
			},
			func() (darts.Source, error) {
				return dataset.OpenCityscapes(t.Context(), city("a_1_2", "a_1_1"), dataset.Train, dataset.Options{NoMasks: true})
			},
			func() (darts.Source, error) {
				return dataset.OpenCityscapes(t.Context(), city("a_1_1", "a_1_3"), dataset.Train, dataset.Options{NoMasks: true})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var all []string
			for _, open := range sources {
				src, err := open()
				require.NoError(t, err)
				all = append(all, src.(interface{ Fingerprint() string }).Fingerprint())
			}
			assert.Equal(t, all[0], all[1])
			seen := map[string]bool{}
			for _, f := range all[1:] {
				assert.False(t, seen[f], "%v", all)
				seen[f] = true
			}
		})
	}
}
