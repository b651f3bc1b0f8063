package dataset_test

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
	"unnas/pretext"
)

// picture returns an image file of one grey, 3 by 2 pixels.
func picture(t testing.TB, grey uint8, ext string) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 3, 2))
	for i := range m.Pix {
		m.Pix[i] = grey
	}
	var b bytes.Buffer
	if ext == "png" {
		require.NoError(t, png.Encode(&b, m))
	} else {
		require.NoError(t, jpeg.Encode(&b, m, &jpeg.Options{Quality: 100}))
	}
	return b.Bytes()
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "odd [name]*")
	write(t, filepath.Join(dir, "dog", "b.JPEG"), picture(t, 20, "jpeg"))
	write(t, filepath.Join(dir, "dog", "a.png"), picture(t, 10, "png"))
	write(t, filepath.Join(dir, "cat", "z.Jpg"), picture(t, 30, "jpeg"))
	write(t, filepath.Join(dir, "cat", ".hidden.png"), picture(t, 40, "png"))
	write(t, filepath.Join(dir, "cat", "notes.txt"), []byte("not an image"))
	write(t, filepath.Join(dir, "cat", "deeper", "x.png"), picture(t, 50, "png"))
	write(t, filepath.Join(dir, ".git", "x.png"), picture(t, 60, "png"))
	write(t, filepath.Join(dir, "README.md"), []byte("text"))

	d, err := dataset.OpenFolder(t.Context(), dir, dataset.All, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"cat", "dog"}, d.Classes())
	assert.Equal(t, 3, d.Len())
	for i, want := range []struct {
		label int
		grey  uint8
	}{{0, 30}, {1, 10}, {1, 20}} {
		img := load(t, d, i)
		assert.Equal(t, [2]int{3, 2}, [2]int{img.Width, img.Height})
		assert.Equal(t, want.label, img.Label)
		assert.InDelta(t, want.grey, img.Pix[0], 1)
	}
	testLoadErrors(t, d, 3)
	d.Classes()[0] = "changed"
	assert.Equal(t, "cat", d.Classes()[0])
}

func TestFolderOfOneClass(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "cat", "1.png"), picture(t, 1, "png"))
	d, err := dataset.OpenFolder(t.Context(), dir, dataset.All, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"cat"}, d.Classes())
	assert.Equal(t, 0, load(t, d, 0).Label)
}

// TestFolderProgress reports each class, and ends once the context does.
func TestFolderProgress(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ant/1.png", "ant/2.png", "bee/1.png", "cat/1.png"} {
		write(t, filepath.Join(dir, name), picture(t, 1, "png"))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var calls [][2]int64
	_, err := dataset.OpenFolder(ctx, dir, dataset.All, dataset.Options{Progress: func(done, total int64) {
		calls = append(calls, [2]int64{done, total})
		if done == 2 {
			cancel()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "dataset: listing "+dir)
	assert.Equal(t, [][2]int64{{1, 3}, {2, 3}}, calls)
}

// TestFolderSplits opens the folder of a split where it is one, and not the class that
// is called like it.
func TestFolderSplits(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   []string
		split   dataset.Split
		classes []string // nil for none
		want    string   // error
	}{
		{"classes", []string{"train/cat/1.png", "train/dog/1.png", "val/cat/1.png"}, dataset.Train, []string{"cat", "dog"}, ""},
		{"other split", []string{"train/cat/1.png", "val/dog/1.png"}, dataset.Val, []string{"dog"}, ""},
		{"test", []string{"test/cat/1.png"}, dataset.Test, []string{"cat"}, ""},
		{"files beside", []string{"train/cat/1.png", "notes/a.txt", "cover.png"}, dataset.Train, []string{"cat"}, ""},
		{"lacking", []string{"train/cat/1.png"}, dataset.Val, nil, `has no split "val": want class folders in`},
		{"a class called train", []string{"train/1.png", "bus/1.png", "car/1.png"}, dataset.Train, nil, `has no split "train"`},
		{"all with a class called train", []string{"train/1.png", "bus/1.png"}, dataset.All, []string{"bus", "train"}, ""},
		{"train alone", []string{"train/1.png"}, dataset.Train, nil, "has images: either a class named train or a split without classes; open"},
		{"images in all splits", []string{"train/1.png", "val/1.png"}, dataset.Train, nil, "has images: either a class named train or a split without classes"},
		{"splits beside classes", []string{"train/cat/1.png", "bus/1.png"}, dataset.Train, nil, "separate splits and classes"},
		{"empty", []string{"train/cat.txt"}, dataset.Train, nil, `has no split "train"`},
		{"no such name", []string{"dev/cat/1.png"}, "dev", nil, `dataset: a folder has no split "dev"; want train or val or test`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range c.files {
				write(t, filepath.Join(dir, name), picture(t, 1, "png"))
			}
			d, err := dataset.OpenFolder(t.Context(), dir, c.split, dataset.Options{})
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.classes, d.Classes())
			load(t, d, d.Len()-1)
		})
	}
	_, err := dataset.OpenFolder(t.Context(), filepath.Join(t.TempDir(), "absent"), dataset.Train, dataset.Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestFolderOrientation turns photographs unless an option keeps them as stored, and
// tells the two apart.
func TestFolderOrientation(t *testing.T) {
	dir := t.TempDir()
	file := picture(t, 20, "jpeg")
	// Orientation 6: to be turned by 90°.
	exif := "\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
	file = slices.Concat(file[:2], []byte(exif), file[2:])
	write(t, filepath.Join(dir, "train", tench, "1.JPEG"), file)
	size := func(d pretext.Source) [2]int {
		img := load(t, d, 0)
		return [2]int{img.Width, img.Height}
	}
	upright, err := dataset.OpenFolder(t.Context(), dir, dataset.Train, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, [2]int{2, 3}, size(upright))
	stored, err := dataset.OpenFolder(t.Context(), dir, dataset.Train, dataset.Options{IgnoreOrientation: true})
	require.NoError(t, err)
	assert.Equal(t, [2]int{3, 2}, size(stored))
	assert.NotEqual(t, stored.Fingerprint(), upright.Fingerprint())
	published, err := dataset.OpenImageNet1K(t.Context(), dir, dataset.Train, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, [2]int{3, 2}, size(published))
	assert.Equal(t, [2]int{3, 2}, size(open22K(t, filepath.Join(dir, "train"), dataset.Options{})))
}

func TestFolderUnlabelled(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "2.png"), picture(t, 2, "png"))
	write(t, filepath.Join(dir, "10.png"), picture(t, 10, "png"))
	d, err := dataset.OpenFolder(t.Context(), dir, dataset.All, dataset.Options{})
	require.NoError(t, err)
	assert.Empty(t, d.Classes())
	assert.Equal(t, 2, d.Len())
	img := load(t, d, 0)
	assert.Equal(t, -1, img.Label)
	assert.Equal(t, uint8(10), img.Pix[0], "sorted by name")
}

// TestFolderLinks checks that linked class folders count, as large data sets are
// often put together so.
func TestFolderLinks(t *testing.T) {
	store, dir := t.TempDir(), t.TempDir()
	write(t, filepath.Join(store, "n01", "1.png"), picture(t, 1, "png"))
	if err := os.Symlink(filepath.Join(store, "n01"), filepath.Join(dir, "cat")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	d, err := dataset.OpenFolder(t.Context(), dir, dataset.All, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"cat"}, d.Classes())
	assert.Equal(t, uint8(1), load(t, d, 0).Pix[0])
}

func TestFolderErrors(t *testing.T) {
	good := picture(t, 1, "png")
	for _, c := range []struct {
		name  string
		files map[string][]byte
		want  []string
	}{
		{"empty", nil, []string{"no images in", "want either class folders or images", "cat/1.jpg", "dog/2.png"}},
		{"no images", map[string][]byte{"a.txt": nil, ".b.png": good}, []string{"no images in"}},
		{"both", map[string][]byte{"a.png": good, "cat/1.png": good}, []string{"has both images (a.png) and folders (cat)"}},
		{"empty class", map[string][]byte{"cat/1.png": good, "dog/a.txt": nil}, []string{"no images in class folder", "dog; remove it"}},
		{"one level up", map[string][]byte{"train/cat/1.png": good, "val/cat/1.png": good}, []string{"no images in class folder", "open a split, such as Train"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range c.files {
				write(t, filepath.Join(dir, name), content)
			}
			d, err := dataset.OpenFolder(t.Context(), dir, dataset.All, dataset.Options{})
			require.Nil(t, d)
			for _, want := range append(c.want, "dataset: ", dir) {
				require.ErrorContains(t, err, want)
			}
		})
	}
	_, err := dataset.OpenFolder(t.Context(), filepath.Join(t.TempDir(), "absent"), dataset.All, dataset.Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestFolderUnreadableImages(t *testing.T) {
	dir := t.TempDir()
	whole := picture(t, 1, "png")
	for _, c := range []struct {
		name, want string
		make       func(path string)
	}{
		{"cut.png", "unexpected EOF", func(path string) { write(t, path, whole[:len(whole)-20]) }},
		{"empty.jpg", "the file is empty", func(path string) { write(t, path, nil) }},
		{"folder.png", "is not a regular file", func(path string) { require.NoError(t, os.Symlink(dir, path)) }},
		{"gone.png", "no such file", func(path string) {}},
		{"huge.jpg", "has 268435457 bytes, want at most 268435456", func(path string) {
			write(t, path, nil)
			require.NoError(t, os.Truncate(path, 256<<20+1))
		}},
		{"text.jpeg", "not a JPEG or PNG image", func(path string) { write(t, path, []byte("<html>not found</html>")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			path := filepath.Join(root, "cat", c.name)
			write(t, path, whole) // listed, and damaged afterwards
			write(t, filepath.Join(root, "cat", "zz.png"), whole)
			d, err := dataset.OpenFolder(t.Context(), root, dataset.All, dataset.Options{})
			require.NoError(t, err)
			require.Equal(t, 2, d.Len())
			require.NoError(t, os.Remove(path))
			c.make(path)
			img, err := d.Load(context.Background(), 0)
			require.Nil(t, img)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, path)
			load(t, d, 1) // others still load
		})
	}
}

// TestFolderColours makes sure that channels keep their order on the way.
func TestFolderColours(t *testing.T) {
	m := image.NewRGBA(image.Rect(0, 0, 2, 1))
	m.Set(0, 0, color.RGBA{R: 1, G: 2, B: 3, A: 255})
	m.Set(1, 0, color.RGBA{R: 4, G: 5, B: 6, A: 255})
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	dir := t.TempDir()
	write(t, filepath.Join(dir, "1.png"), b.Bytes())
	d, err := dataset.OpenFolder(t.Context(), dir, dataset.All, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, []uint8{1, 2, 3, 4, 5, 6}, load(t, d, 0).Pix)
}
