package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/darts/dataset/scenes"
)

// prints runs the program and returns what it prints.
func prints(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args, &out), "%v", args)
	return out.String()
}

// fails runs the program and returns its error.
func fails(t *testing.T, args ...string) error {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), args, &out)
	require.Error(t, err, "%v", args)
	return err
}

// stopper ends a run as soon as it has printed a text.
type stopper struct {
	out  strings.Builder
	text string
	stop func()
}

func (s *stopper) Write(p []byte) (int, error) {
	n, err := s.out.Write(p)
	if strings.Contains(s.out.String(), s.text) {
		s.stop()
	}
	return n, err
}

// write writes a file below a folder.
func write(t *testing.T, path string, text []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, text, 0o644))
}

// photo returns a picture that differs from others, as PNG.
func photo(t *testing.T, i int) []byte {
	img := image.NewGray(image.Rect(0, 0, 40, 30))
	for p := range img.Pix {
		img.Pix[p] = uint8(p * (i + 3))
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	return b.Bytes()
}

// photos makes a folder of a few images.
func photos(t *testing.T) string {
	dir := t.TempDir()
	for i := range 8 {
		write(t, filepath.Join(dir, string(rune('a'+i))+".png"), photo(t, i))
	}
	return dir
}

// classFolders makes a folder of class folders for training and validation.
func classFolders(t *testing.T) string {
	dir := t.TempDir()
	for i := range 12 {
		for split, n := range map[string]int{"train": 12, "val": 4} {
			if i < n {
				write(t, filepath.Join(dir, split, []string{"cat", "dog"}[i%2], fmt.Sprintf("%d.png", i)), photo(t, i))
			}
		}
	}
	return dir
}

// imageNet makes a small ImageNet-1K of two images of each class in each split.
func imageNet(t *testing.T, classes int) string {
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
			write(t, filepath.Join(root, split, class, fmt.Sprintf("%s_%d.JPEG", class, i)), b.Bytes())
		}
	}
	return root
}

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
				write(t, filepath.Join(root, name), b.Bytes())
			}
		}
	}
	return root
}
