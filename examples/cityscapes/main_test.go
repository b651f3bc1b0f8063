package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/dataset/scenes"
	"unnas/examples/internal/program"
)

// city makes a small Cityscapes of n built-in scenes, each pixel repeated to make
// images of 256·zoom by 128·zoom, for training and for evaluation.
func city(t *testing.T, n, zoom int) string {
	root := t.TempDir()
	images, err := scenes.New(n, 256, 128, 1)
	require.NoError(t, err)
	for i := range n {
		img, err := images.Load(t.Context(), i)
		require.NoError(t, err)
		size := image.Rect(0, 0, 256*zoom, 128*zoom)
		photo, mask := image.NewRGBA(size), image.NewGray(size)
		for y := range size.Dy() {
			for x := range size.Dx() {
				at := y/zoom*256 + x/zoom
				photo.SetRGBA(x, y, color.RGBA{img.Pix[3*at], img.Pix[3*at+1], img.Pix[3*at+2], 255})
				mask.Pix[y*mask.Stride+x] = img.Mask[at]
			}
		}
		name := fmt.Sprintf("ulm_%06d_000000_", i)
		write := func(part, ending string, m image.Image) {
			var b bytes.Buffer
			require.NoError(t, (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, m))
			for _, split := range []string{"train", "val"} {
				dir := filepath.Join(root, part, split, "ulm")
				require.NoError(t, os.MkdirAll(dir, 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(dir, name+ending+".png"), b.Bytes(), 0o644))
			}
		}
		write("leftImg8bit", "leftImg8bit", photo)
		write("gtFine", "gtFine_labelTrainIds", mask)
	}
	return root
}

// TestPublished begins and ends all searches with inputs of the published sizes, in
// a narrow network.
func TestPublished(t *testing.T) {
	root := city(t, 4, 2)
	for name, task := range map[string]string{"seg": "segmentation", "rot": "rotation", "col": "colorization", "jig": "jigsaw"} {
		t.Run(task, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			p := program.NewPipeline("cityscapes", "segmentation", usage)
			require.NoError(t, p.Parse([]string{"-data", root, "-task", name, "-epochs", "1", "-batch", "2", "-out", dir}, nil))
			body := &p.Config.Space.Body
			body.Width, body.Cells, body.Reductions = 2, 3, cell.Reductions(3, len(body.Reductions))
			var out bytes.Buffer
			require.NoError(t, p.Run(t.Context(), opener(t.Context()), &out))
			assert.Contains(t, out.String(), task+": 2 + 2 images, 1 epoch of 1 step, batch 2")
			assert.FileExists(t, filepath.Join(dir, "genotype.json"))
		})
	}
}

// TestRun runs a step of the whole network on images of the whole size.
func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-data", city(t, 4, 8), "-task", "seg", "-epochs", "1", "-batch", "2", "-out", dir}, &out, &out))
	assert.Contains(t, out.String(), "segmentation: 2 + 2 images, 1 epoch of 1 step, batch 2\n")
	assert.Contains(t, out.String(), "\nA network of 12 such cells with width 16 has ")
}

// TestTrain trains the published network, but for its width, on crops of the
// published size, and evaluates it on whole images.
func TestTrain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	var out bytes.Buffer
	args := []string{"-data", city(t, 4, 2), "-phase", "train", "-genotype", "unnas_cityscapes_seg", "-width", "4", "-train-epochs", "1", "-train-batch", "4", "-micro-batch", "2", "-out", dir}
	require.NoError(t, run(t.Context(), args, &out, &out))
	for _, want := range []string{
		"batch 4, published 64: the learning rate changes in proportion, to 0.00625\n",
		"segmentation: 4 + 4 images, 1 epoch of 1 step, batch 4\n", "2 images at once\n",
		"\nlast, epoch 1: miou ", "%, accuracy ",
	} {
		assert.Contains(t, out.String(), want)
	}
	assert.FileExists(t, filepath.Join(dir, "weights.safetensors"))
}

func TestRunElsewhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	root := city(t, 3, 1)
	var out bytes.Buffer
	err := run(t.Context(), []string{"-data", filepath.Join(root, "leftImg8bit"), "-task", "seg", "-out", dir}, &out, &out)
	assert.ErrorContains(t, err, "gtFine")
	assert.ErrorContains(t, err, "aachen_000000_000019_leftImg8bit.png")
	require.NoError(t, os.Remove(filepath.Join(root, "gtFine", "train", "ulm", "ulm_000001_000000_gtFine_labelTrainIds.png")))
	err = run(t.Context(), []string{"-data", root, "-task", "seg", "-out", dir}, &out, &out)
	assert.ErrorContains(t, err, "ulm_000001_000000")
	// A task without labels needs none of them.
	require.NoError(t, os.RemoveAll(filepath.Join(root, "gtFine")))
	err = run(t.Context(), []string{"-data", root, "-task", "rotation", "-out", dir}, &out, &out)
	assert.ErrorContains(t, err, "3 images make parts of 1 for the weights")
	assert.NoDirExists(t, dir)
}
