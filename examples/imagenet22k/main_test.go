package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/dataset"
	"unnas/examples/internal/program"
)

// images makes a small ImageNet-22K of n images, two a class, with a list of three
// quarters of them.
func images(t *testing.T, n int) (root, list string) {
	root, list = t.TempDir(), filepath.Join(t.TempDir(), "names.txt")
	var names []byte
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 70, 90))
		for y := range 90 {
			for x := range 70 {
				img.Set(x, y, color.RGBA{uint8(y * (i + 2)), uint8(x * 3), uint8(x + y), 255})
			}
		}
		var b bytes.Buffer
		require.NoError(t, jpeg.Encode(&b, img, nil))
		class := fmt.Sprintf("n%08d", i/2)
		name := fmt.Sprintf("%s_%d.JPEG", class, i)
		require.NoError(t, os.MkdirAll(filepath.Join(root, class), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, class, name), b.Bytes(), 0o644))
		if i%4 > 0 {
			names = append(names, name+"\n"...)
		}
	}
	require.NoError(t, os.WriteFile(list, names, 0o644))
	return root, list
}

// TestPublished begins and ends all searches with inputs of the published sizes, in
// a narrow network.
func TestPublished(t *testing.T) {
	root, list := images(t, 8)
	for name, task := range map[string]string{"cls": "classification", "rot": "rotation", "col": "colorization", "jig": "jigsaw"} {
		t.Run(task, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			p := program.NewPublished("imagenet22k", "classification", usage)
			require.NoError(t, p.Parse([]string{"-data", root, "-task", name, "-batch", "2", "-out", dir}, nil))
			p.Config.Space = cell.DARTS(cell.ImageNetStem, 2, 3)
			var out bytes.Buffer
			require.NoError(t, search(t.Context(), p, dataset.Options{List: list}, &out))
			assert.Contains(t, out.String(), task+": 3 + 3 images, 1 epoch of 1 step, batch 2")
			assert.Equal(t, name == "cls", bytes.Contains(out.Bytes(), []byte("4 classes, published 21841\n")))
			assert.FileExists(t, filepath.Join(dir, "genotype.json"))
		})
	}
}

// TestRun runs a step of the whole network on all images, one of which is damaged.
func TestRun(t *testing.T) {
	root, _ := images(t, 3)
	damaged := filepath.Join(root, "n00000000", "n00000000_1.JPEG")
	require.NoError(t, os.WriteFile(damaged, []byte("no image"), 0o644))
	index := filepath.Join(t.TempDir(), "names")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-data", root, "-index", index, "-task", "col", "-batch", "1", "-out", filepath.Join(t.TempDir(), "run")}, &out, &out))
	assert.Contains(t, out.String(), "listed 2 classes, 3 images\n")
	assert.Contains(t, out.String(), "colorization: 1 + 2 images, 1 epoch of 1 step, batch 1\n")
	assert.Contains(t, out.String(), "\nA network of 8 such cells with width 16 has ")
	assert.FileExists(t, index)
	assert.Contains(t, out.String(), "\nwarning: images that cannot be decoded were replaced by others: 1 so far, such as "+damaged)
	assert.Contains(t, out.String(), "unreadable images, replaced by others: 1, the first "+damaged)
}

func TestRunElsewhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	var out bytes.Buffer
	err := run(t.Context(), []string{"-data", t.TempDir(), "-out", dir}, &out, &out)
	assert.ErrorContains(t, err, "n01440764/n01440764_10026.JPEG")
	root, list := images(t, 8)
	err = run(t.Context(), []string{"-data", root, "-list", list + "x", "-out", dir}, &out, &out)
	assert.ErrorContains(t, err, list+"x")
	assert.NoDirExists(t, dir)
}
