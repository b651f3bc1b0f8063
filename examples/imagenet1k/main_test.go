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
	"unnas/examples/internal/program"
)

// images makes a small ImageNet: classes of two images each, for training
// and for evaluation.
func images(t *testing.T, classes int) string {
	root := t.TempDir()
	for i := range 2 * classes {
		img := image.NewRGBA(image.Rect(0, 0, 90, 70))
		for y := range 70 {
			for x := range 90 {
				img.Set(x, y, color.RGBA{uint8(x * (i + 2)), uint8(y * 3), uint8(x ^ y), 255})
			}
		}
		var b bytes.Buffer
		require.NoError(t, jpeg.Encode(&b, img, nil))
		class := fmt.Sprintf("n%08d", i/2)
		for _, split := range []string{"train", "val"} {
			path := filepath.Join(root, split, class, fmt.Sprintf("%s_%d.JPEG", class, i))
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
		}
	}
	return root
}

// TestPublished begins and ends all searches with inputs of the published sizes, in
// a narrow network.
func TestPublished(t *testing.T) {
	root := images(t, 3)
	for name, task := range map[string]string{"cls": "classification", "rot": "rotation", "col": "colorization", "jig": "jigsaw"} {
		t.Run(task, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			p := program.NewPipeline("imagenet1k", "classification", usage)
			require.NoError(t, p.Parse([]string{"-data", root, "-task", name, "-batch", "2", "-out", dir}, nil))
			p.Config.Space = cell.DARTS(cell.ImageNetStem, 2, 3)
			var out bytes.Buffer
			require.NoError(t, p.Run(t.Context(), opener(t.Context(), &out), &out))
			assert.Contains(t, out.String(), task+": 3 + 3 images, 2 epochs of 1 step, batch 2")
			assert.Equal(t, name == "cls", bytes.Contains(out.Bytes(), []byte("3 classes, published 1000\n")))
			assert.FileExists(t, filepath.Join(dir, "genotype.json"))
		})
	}
}

// TestRun runs a step of the whole network, and goes on.
func TestRun(t *testing.T) {
	root, dir := images(t, 2), filepath.Join(t.TempDir(), "run")
	args := func(more ...string) []string {
		return append([]string{"-data", root, "-task", "cls", "-batch", "1", "-subset", "50%", "-epochs", "1", "-out", dir}, more...)
	}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args(), &out, &out))
	assert.Contains(t, out.String(), "batch 1, published 64: the learning rates change in proportion, of the weights to 0.001563, of the alphas to 4.687e-06\n")
	assert.Contains(t, out.String(), "classification: 1 + 1 image, 1 epoch of 1 step, batch 1\n")
	assert.Contains(t, out.String(), "\nA network of 8 such cells with width 16 has ")

	err := run(t.Context(), args("-resume", "-algorithm", "gdas"), &out, &out)
	assert.ErrorContains(t, err, `config.algorithm: "first-order" → "gdas"`)
	out.Reset()
	require.NoError(t, run(t.Context(), args("-resume"), &out, &out))
	assert.Contains(t, out.String(), "normal: ")
}

// TestTrain trains the published network, but for its width, on inputs of the
// published size.
func TestTrain(t *testing.T) {
	root, dir := images(t, 3), filepath.Join(t.TempDir(), "run")
	var out bytes.Buffer
	args := []string{"-data", root, "-phase", "train", "-genotype", "unnas_imagenet_rot", "-width", "4", "-train-epochs", "1", "-train-batch", "4", "-micro-batch", "2", "-out", dir}
	require.NoError(t, run(t.Context(), args, &out, &out))
	for _, want := range []string{
		"batch 4, published 1024: the learning rate changes in proportion, to 0.001953\n", "3 classes, published 1000\n",
		"classification: 6 + 6 images, 1 epoch of 1 step, batch 4\n", "2 images at once\n",
		"\nlast, epoch 1: top1 ", "\nbest, epoch 1: top1 ",
	} {
		assert.Contains(t, out.String(), want)
	}
	assert.FileExists(t, filepath.Join(dir, "weights.safetensors"))
	assert.FileExists(t, filepath.Join(dir, "best.safetensors"))

	require.NoError(t, os.RemoveAll(filepath.Join(root, "val", "n00000001")))
	err := run(t.Context(), append(args, "-out", dir+"2"), &out, &out)
	assert.ErrorContains(t, err, "val lacks class folders that train has: n00000001")
	assert.NoDirExists(t, dir+"2")
}

func TestRunElsewhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	var out bytes.Buffer
	err := run(t.Context(), []string{"-data", filepath.Join(images(t, 1), "train"), "-out", dir}, &out, &out)
	assert.ErrorContains(t, err, "train/n01440764/n01440764_10026.JPEG")
	err = run(t.Context(), []string{"-data", images(t, 1), "-task", "cls", "-batch", "1", "-out", dir}, &out, &out)
	assert.ErrorContains(t, err, "Classes = 1")
	assert.NoDirExists(t, dir)
}

// TestReal searches on photographs in the folder that UNNAS_SHARED names, or in
// the one beside the repository.
func TestReal(t *testing.T) {
	shared := os.Getenv("UNNAS_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	root := filepath.Join(shared, "data", "imagenet_mini")
	if !program.Exists(root) {
		t.Skipf("no real data in %s", root)
	}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-data", root, "-task", "col", "-batch", "1", "-subset", "2", "-epochs", "1", "-out", filepath.Join(t.TempDir(), "run")}, &out, &out))
	assert.Contains(t, out.String(), "colorization: 1 + 1 image, 1 epoch of 1 step, batch 1\n")
}
