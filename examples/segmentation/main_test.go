package main

import (
	"bytes"
	"context"
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
	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/dataset/scenes"
	"unnas/darts/preset"
)

// city makes a Cityscapes of a few small scenes.
func city(t *testing.T) string {
	root := t.TempDir()
	for split, n := range map[string]int{"train": 6, "val": 3} {
		images, err := scenes.New(n, 64, 48, uint64(n))
		require.NoError(t, err)
		for i := range n {
			img, err := images.Load(t.Context(), i)
			require.NoError(t, err)
			size := image.Rect(0, 0, img.Width, img.Height)
			photo, mask := image.NewRGBA(size), &image.Gray{Pix: img.Mask, Stride: img.Width, Rect: size}
			for p := range img.Mask {
				photo.SetRGBA(p%img.Width, p/img.Width, color.RGBA{img.Pix[3*p], img.Pix[3*p+1], img.Pix[3*p+2], 255})
			}
			for name, picture := range map[string]image.Image{
				filepath.Join("leftImg8bit", split, "ulm", fmt.Sprintf("ulm_%06d_000000_leftImg8bit.png", i)):     photo,
				filepath.Join("gtFine", split, "ulm", fmt.Sprintf("ulm_%06d_000000_gtFine_labelTrainIds.png", i)): mask,
			} {
				var b bytes.Buffer
				require.NoError(t, png.Encode(&b, picture))
				require.NoError(t, os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(root, name), b.Bytes(), 0o644))
			}
		}
	}
	return root
}

// small are flags for a training that takes a second.
func small(more ...string) []string {
	return append([]string{"-epochs", "2", "-batch", "3", "-width", "2", "-cells", "3", "-channels", "4"}, more...)
}

// TestRunOnScenes learns from built-in scenes.
func TestRunOnScenes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), small("-scenes", "6", "-size", "32", "-out", dir), &out, &out))
	assert.Contains(t, out.String(), "segmentation: 6 + 100 images, 2 epochs of 2 steps, batch 3")
	assert.FileExists(t, filepath.Join(dir, "7.png"))
	assert.NotContains(t, out.String(), "JPEG")
}

func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	root := city(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	require.ErrorIs(t, run(ctx, small("-data", root, "-size", "33", "-stride", "8", "-out", dir), &out, &out), context.Canceled)
	assert.NoDirExists(t, dir)
	for _, args := range [][]string{{"-out", dir}, {"-out", dir, "-resume"}} {
		out.Reset()
		require.NoError(t, run(t.Context(), small(append(args, "-data", root, "-size", "33", "-stride", "8")...), &out, &out))
		assert.Contains(t, out.String(), "segmentation: 6 + 3 images, 2 epochs of 2 steps, batch 3")
		assert.Regexp(t, `best, epoch [12]: miou \d+\.[1-9]%, accuracy `, out.String())
	}
	for i := range 3 {
		f, err := os.Open(filepath.Join(dir, fmt.Sprintf("%d.png", i)))
		require.NoError(t, err)
		picture, err := png.Decode(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		assert.Equal(t, image.Pt(3*64, 48), picture.Bounds().Size())
	}
	assert.FileExists(t, filepath.Join(dir, "weights.safetensors"))
}

// TestPublished holds the command that the usage gives against what was published.
func TestPublished(t *testing.T) {
	s := settings{data: "cityscapes", genotype: "unnas_cityscapes_rot", epochs: 2700, batch: 64, size: 769, stride: 16, width: 78, cells: 12, channels: 256, rate: 0.1}
	assert.Contains(t, usage, "-data cityscapes -epochs 2700 -batch 64 -size 769 -stride 16 -width 78 -cells 12 -channels 256\n")
	n, err := s.network(1024)
	require.NoError(t, err)
	c, err := s.config(n)
	require.NoError(t, err)
	task, want, err := preset.Training("cityscapes", s.genotype)
	require.NoError(t, err)
	assert.Equal(t, want, c)
	assert.Equal(t, task, n.Task)

	s.stride = 8
	n, err = s.network(1024)
	require.NoError(t, err)
	assert.Equal(t, []int{12, 24, 36}, n.Task.ASPP.Rates)
	assert.Equal(t, 8, n.OutputStride())

	scenes := settings{genotype: s.genotype, epochs: 12, batch: 8, size: 128, stride: 4, width: 12, cells: 5, channels: 48, rate: 0.1}
	n, err = scenes.network(128)
	require.NoError(t, err)
	c, err = scenes.config(n)
	require.NoError(t, err)
	want = darts.TrainDARTS(n.Architecture.(cell.Derived).Genotype)
	want.Network, want.Epochs, want.Batch = n.Architecture, 12, 8
	want.LR.Base, want.LR.PerStep, want.WeightDecay, want.Auxiliary, want.DropPath = 0.1, true, 1e-4, 0, 0
	assert.Equal(t, want, c)
}

// TestScenes opens what needs no files, and no decoder of any.
func TestScenes(t *testing.T) {
	train, held, err := settings{scenes: 8, size: 32}.open(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []int{8, 100}, []int{train.Len(), held.Len()})
	assert.Empty(t, dataset.Wrapper{Source: train}.Decoder())
	one, err := train.Load(t.Context(), 7)
	require.NoError(t, err)
	other, err := held.Load(t.Context(), 7)
	require.NoError(t, err)
	assert.NotEqual(t, one.Pix, other.Pix)
}

func TestRunRefuses(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-genotype", "darts_v3"}, "-genotype darts_v3: "},
		{[]string{"-stride", "5"}, "-stride is 5; give 16, 8 or 4"},
		{[]string{"-cells", "2"}, "-cells is 2; give 3 or more"},
		{[]string{"-scenes", "-5"}, "-scenes is -5; give 1 or more"},
		{[]string{"-data", "nowhere"}, "nowhere"},
		{[]string{"-batch", "1"}, "-batch is 1; give 2 or more"},
	} {
		dir := filepath.Join(t.TempDir(), "run")
		var out bytes.Buffer
		require.ErrorContains(t, run(t.Context(), append(test.args, "-out", dir), &out, &out), test.want)
		assert.NoDirExists(t, dir)
	}
}
