package examples_test

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/darts/dataset/scenes"
	"unnas/pretext"
)

// cifar writes a CIFAR-10 of stripes whose width tells the class.
func cifar(t *testing.T) string {
	dir := t.TempDir()
	file := func(name string, n int) {
		var b bytes.Buffer
		for i := range n {
			b.WriteByte(byte(i % 4))
			for p := range 3072 {
				b.WriteByte(byte(p%32/(i%4+1)%2*200 + i))
			}
		}
		put(t, filepath.Join(dir, name), b.Bytes())
	}
	for i := range 5 {
		file(fmt.Sprintf("data_batch_%d.bin", i+1), 7)
	}
	file("test_batch.bin", 6)
	return dir
}

// imagenet writes an ImageNet-1K of two classes of two images each, for training and for
// validation.
func imagenet(t *testing.T) string {
	root := t.TempDir()
	for i := range 4 {
		photo := encoded(t, drawn(t, 4, 90, 70, i))
		class := fmt.Sprintf("n%08d", i/2)
		for _, split := range []string{"train", "val"} {
			put(t, filepath.Join(root, split, class, fmt.Sprintf("%s_%d.JPEG", class, i)), photo)
		}
	}
	return root
}

// photos writes photographs in a folder for each class, two of each class for
// validation and sixteen to train on.
func photos(t *testing.T) string {
	root := t.TempDir()
	for i := range 36 {
		split := "train"
		if i >= 32 {
			split = "val"
		}
		put(t, filepath.Join(root, split, []string{"bus", "car"}[i%2], fmt.Sprintf("%d.jpg", i)), encoded(t, drawn(t, 36, 80, 64, i)))
	}
	return root
}

// cityscapes writes a Cityscapes of four small scenes, for training and for validation.
func cityscapes(t *testing.T) string {
	root := t.TempDir()
	for i := range 4 {
		scene := drawn(t, 4, 256, 128, i)
		mask := &image.Gray{Pix: scene.Mask, Stride: scene.Width, Rect: scene.Bounds()}
		for part, m := range map[string]image.Image{"leftImg8bit/%s/ulm/ulm_%06d_000000_leftImg8bit.png": scene, "gtFine/%s/ulm/ulm_%06d_000000_gtFine_labelTrainIds.png": mask} {
			var b bytes.Buffer
			require.NoError(t, png.Encode(&b, m))
			for _, split := range []string{"train", "val"} {
				put(t, filepath.Join(root, fmt.Sprintf(part, split, i)), b.Bytes())
			}
		}
	}
	return root
}

// drawn returns a scene of n.
func drawn(t *testing.T, n, width, height, i int) *pretext.Image {
	t.Helper()
	set, err := scenes.New(n, width, height, 1)
	require.NoError(t, err)
	scene, err := set.Load(t.Context(), i)
	require.NoError(t, err)
	return scene
}

func encoded(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, m, nil))
	return b.Bytes()
}

func put(t *testing.T, path string, content []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, content, 0o644))
}
