package dataset_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
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

	d, err := dataset.OpenFolder(dir, nil)
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
	d, err := dataset.OpenFolder(dir, nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"cat"}, d.Classes())
	assert.Equal(t, 0, load(t, d, 0).Label)
}

// TestFolderTellsOfListing after each class, and ends when told to.
func TestFolderTellsOfListing(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ant/1.png", "ant/2.png", "bee/1.png", "cat/1.png"} {
		write(t, filepath.Join(dir, name), picture(t, 1, "png"))
	}
	var told [][3]int
	full := errors.New("enough")
	_, err := dataset.OpenFolder(dir, func(done, classes, images int) error {
		told = append(told, [3]int{done, classes, images})
		if done == 2 {
			return full
		}
		return nil
	})
	require.ErrorIs(t, err, full)
	assert.ErrorContains(t, err, "dataset: listing "+dir)
	assert.Equal(t, [][3]int{{1, 3, 2}, {2, 3, 3}}, told)
}

func TestFolderUnlabelled(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "2.png"), picture(t, 2, "png"))
	write(t, filepath.Join(dir, "10.png"), picture(t, 10, "png"))
	d, err := dataset.OpenFolder(dir, nil)
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
	d, err := dataset.OpenFolder(dir, nil)
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
		{"both", map[string][]byte{"a.png": good, "cat/1.png": good}, []string{"holds both images (a.png) and folders (cat)"}},
		{"empty class", map[string][]byte{"cat/1.png": good, "dog/a.txt": nil}, []string{"no images in class folder", "dog; remove it"}},
		{"one level up", map[string][]byte{"train/cat/1.png": good, "val/cat/1.png": good}, []string{"no images in class folder", "open the folder above the classes, such as train"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range c.files {
				write(t, filepath.Join(dir, name), content)
			}
			d, err := dataset.OpenFolder(dir, nil)
			require.Nil(t, d)
			for _, want := range append(c.want, "dataset: ", dir) {
				require.ErrorContains(t, err, want)
			}
		})
	}
	_, err := dataset.OpenFolder(filepath.Join(t.TempDir(), "absent"), nil)
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
		{"empty.jpg", "not a JPEG or PNG image", func(path string) { write(t, path, nil) }},
		{"folder.png", "is not a plain file", func(path string) { require.NoError(t, os.Symlink(dir, path)) }},
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
			d, err := dataset.OpenFolder(root, nil)
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
	d, err := dataset.OpenFolder(dir, nil)
	require.NoError(t, err)
	assert.Equal(t, []uint8{1, 2, 3, 4, 5, 6}, load(t, d, 0).Pix)
}
