package dataset_test

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

	"unnas/darts/dataset"
	"unnas/internal/rng"
	"unnas/pretext"
)

func pngFile(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	return b.Bytes()
}

// photo returns the pixels of an image as a file.
func photo(t testing.TB, img *pretext.Image) []byte {
	m := image.NewRGBA(image.Rect(0, 0, img.Width, img.Height))
	for p := range img.Width * img.Height {
		m.Set(p%img.Width, p/img.Width, color.RGBA{img.Pix[3*p], img.Pix[3*p+1], img.Pix[3*p+2], 255})
	}
	return pngFile(t, m)
}

// labelled returns a file of labels.
func labelled(t testing.TB, width, height int, label func(p int) uint8) []byte {
	m := image.NewGray(image.Rect(0, 0, width, height))
	for p := range m.Pix {
		m.Pix[p] = label(p)
	}
	return pngFile(t, m)
}

// evaluated are the ids of the 19 classes that are evaluated.
var evaluated = []uint8{7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33}

// drawn are images of noisy ramps, with masks of stripes.
type drawn []*pretext.Image

func draw(n, width, height int) drawn {
	const seed = 3
	var d drawn
	for i := range n {
		r := rng.New(seed, "drawn", 0, i)
		img := &pretext.Image{Width: width, Height: height, Label: i, Pix: make([]uint8, 3*width*height), Mask: make([]uint8, width*height)}
		for p := range img.Mask {
			img.Mask[p] = uint8((p%width + i) * 19 / (width + n))
			for c := range 3 {
				img.Pix[3*p+c] = uint8(p%width*128/width + p/width*(c+1)*16/height + rng.IntN(r, 16))
			}
		}
		d = append(d, img)
	}
	return d
}

func (d drawn) Len() int { return len(d) }

func (d drawn) Load(_ context.Context, i int) (*pretext.Image, error) {
	img := *d[i]
	return &img, nil
}

// city writes images as a Cityscapes tree: two cities, labels as train ids in one
// and as ids in the other.
func city(t testing.TB, root string, d drawn) {
	for i := range d.Len() {
		img := load(t, d, i)
		name := fmt.Sprintf("ulm_000000_%06d", i)
		if i%2 == 1 {
			name = fmt.Sprintf("aachen_000000_%06d", i)
		}
		at := func(part, ending string) string {
			return filepath.Join(root, part, "train", name[:len(name)-len("_000000_000000")], name+ending)
		}
		write(t, at("leftImg8bit", "_leftImg8bit.png"), photo(t, img))
		write(t, at("gtFine", "_gtFine_color.png"), nil)
		if i%2 == 1 {
			write(t, at("gtFine", "_gtFine_labelIds.png"), labelled(t, img.Width, img.Height, func(p int) uint8 { return evaluated[img.Mask[p]] }))
			continue
		}
		write(t, at("gtFine", "_gtFine_labelIds.png"), []byte("not read"))
		write(t, at("gtFine", "_gtFine_labelTrainIds.png"), labelled(t, img.Width, img.Height, func(p int) uint8 { return img.Mask[p] }))
	}
}

func TestCityscapes(t *testing.T) {
	root := filepath.Join(t.TempDir(), "odd [name]*")
	images := draw(5, 32, 20)
	city(t, root, images)
	write(t, filepath.Join(root, "leftImg8bit", "train", "ulm", "notes.txt"), nil)
	write(t, filepath.Join(root, "leftImg8bit", "train", "ulm", "other.png"), nil)

	d, err := dataset.OpenCityscapes(t.Context(), root, dataset.Train, dataset.Options{})
	require.NoError(t, err)
	require.Equal(t, 5, d.Len())
	require.Len(t, d.Classes(), 19)
	assert.Equal(t, "road", d.Classes()[0])
	assert.Equal(t, "bicycle", d.Classes()[18])
	for i, scene := range []int{1, 3, 0, 2, 4} { // aachen, then ulm
		want := load(t, images, scene)
		want.Label = -1
		require.Equal(t, want, load(t, d, i), "image %d", i)
	}
	testLoadErrors(t, d, 5)
	_, err = dataset.OpenCityscapes(t.Context(), root, dataset.Val, dataset.Options{})
	require.ErrorContains(t, err, "no folder "+filepath.Join("leftImg8bit", "val"))
}

// onePair writes a validation image of 7 by 3 pixels and a file of labels.
func onePair(t testing.TB, root, ending string, labels []byte) string {
	write(t, filepath.Join(root, "leftImg8bit", "val", "ulm", "a_leftImg8bit.png"), pngFile(t, image.NewRGBA(image.Rect(0, 0, 7, 3))))
	path := filepath.Join(root, "gtFine", "val", "ulm", "a_gtFine_"+ending+".png")
	write(t, path, labels)
	return path
}

// TestCityscapesIDs reads a file that holds all 256 values once.
// TestCityscapesImages opens a tree without labels, and one whose labels cannot be
// read.
func TestCityscapesImages(t *testing.T) {
	root := t.TempDir()
	images := draw(3, 32, 20)
	city(t, root, images)
	labels := filepath.Join(root, "gtFine")
	_, err := dataset.OpenCityscapes(t.Context(), root, dataset.Train, dataset.Options{})
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(labels))
	write(t, labels, []byte("no folder"))
	_, err = dataset.OpenCityscapes(t.Context(), root, dataset.Train, dataset.Options{})
	require.ErrorContains(t, err, "gtFine")
	d, err := dataset.OpenCityscapes(t.Context(), root, dataset.Train, dataset.Options{NoMasks: true})
	require.NoError(t, err)
	require.Equal(t, 3, d.Len())
	img := load(t, d, 0)
	assert.Equal(t, load(t, images, 1).Pix, img.Pix, "aachen comes before ulm")
	assert.Nil(t, img.Mask)
	assert.Equal(t, -1, img.Label)
	_, err = dataset.OpenCityscapes(t.Context(), labels, dataset.Train, dataset.Options{NoMasks: true})
	require.ErrorContains(t, err, "leftImg8bit")
	assert.NotContains(t, err.Error(), "labelTrainIds")
}

func TestCityscapesIDs(t *testing.T) {
	root := t.TempDir()
	onePair(t, root, "labelIds", labelled(t, 64, 4, func(p int) uint8 { return uint8(p) }))
	write(t, filepath.Join(root, "leftImg8bit", "val", "ulm", "a_leftImg8bit.png"), pngFile(t, image.NewRGBA(image.Rect(0, 0, 64, 4))))
	d, err := dataset.OpenCityscapes(t.Context(), root, dataset.Val, dataset.Options{})
	require.NoError(t, err)
	want := bytes.Repeat([]byte{255}, 256)
	for class, id := range evaluated {
		want[id] = uint8(class)
	}
	assert.Equal(t, want, load(t, d, 0).Mask)
}

func TestCityscapesLoadErrors(t *testing.T) {
	fill := func(v uint8) []byte {
		return labelled(t, 7, 3, func(p int) uint8 {
			if p == 9 {
				return v
			}
			return 255
		})
	}
	for _, c := range []struct {
		name, ending string
		labels       []byte
		want         string
	}{
		{"size", "labelTrainIds", labelled(t, 3, 7, func(int) uint8 { return 0 }), "has 3 by 7 pixels, its image 7 by 3"},
		{"width", "labelTrainIds", labelled(t, 8, 3, func(int) uint8 { return 0 }), "has 8 by 3 pixels, its image 7 by 3"},
		{"size of ids", "labelIds", labelled(t, 7, 2, func(int) uint8 { return 0 }), "has 7 by 2 pixels, its image 7 by 3"},
		{"ids as train ids", "labelTrainIds", fill(33), "pixel (2, 1) has value 33, want a train id of 0 to 18 or 255"},
		{"19", "labelTrainIds", fill(19), "has value 19"},
		{"254", "labelTrainIds", fill(254), "has value 254"},
		{"colours", "labelIds", pngFile(t, image.NewRGBA(image.Rect(0, 0, 7, 3))), "is not a grayscale PNG image of 8 bits"},
		{"16 bits", "labelIds", pngFile(t, image.NewGray16(image.Rect(0, 0, 7, 3))), "is not a grayscale PNG image of 8 bits"},
		{"palette", "labelIds", pngFile(t, image.NewPaletted(image.Rect(0, 0, 7, 3), color.Palette{color.Black, color.White})), "is not a grayscale PNG image of 8 bits"},
		{"JPEG", "labelIds", picture(t, 1, "jpeg"), "is not a grayscale PNG image of 8 bits"},
		{"cut", "labelIds", fill(1)[:40], "unexpected EOF"},
		{"short", "labelIds", fill(1)[:20], "unexpected EOF"},
		{"empty", "labelIds", nil, "the file is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			path := onePair(t, root, c.ending, c.labels)
			d, err := dataset.OpenCityscapes(t.Context(), root, dataset.Val, dataset.Options{})
			require.NoError(t, err)
			img, err := d.Load(t.Context(), 0)
			require.Nil(t, img)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "dataset: "+path)
		})
	}
	t.Run("gone", func(t *testing.T) {
		root := t.TempDir()
		path := onePair(t, root, "labelIds", fill(1))
		d, err := dataset.OpenCityscapes(t.Context(), root, dataset.Val, dataset.Options{})
		require.NoError(t, err)
		require.NoError(t, os.Remove(path))
		_, err = d.Load(t.Context(), 0)
		require.ErrorIs(t, err, os.ErrNotExist)
	})
	t.Run("image", func(t *testing.T) {
		root := t.TempDir()
		onePair(t, root, "labelIds", fill(1))
		path := filepath.Join(root, "leftImg8bit", "val", "ulm", "a_leftImg8bit.png")
		write(t, path, []byte("<html>"))
		d, err := dataset.OpenCityscapes(t.Context(), root, dataset.Val, dataset.Options{})
		require.NoError(t, err)
		_, err = d.Load(t.Context(), 0)
		require.ErrorContains(t, err, path+": pretext: not a JPEG or PNG image")
	})
}

func TestCityscapesErrors(t *testing.T) {
	images, labels := "leftImg8bit/train/ulm/", "gtFine/train/ulm/"
	for _, c := range []struct {
		name  string
		files map[string][]byte
		want  []string
	}{
		{"empty", nil, []string{"no folder " + filepath.Join("leftImg8bit", "train"), "unpack leftImg8bit_trainvaltest.zip there", ": nothing"}},
		{"no labels", map[string][]byte{images + "a_leftImg8bit.png": nil}, []string{"no folder " + filepath.Join("gtFine", "train"), "unpack gtFine_trainvaltest.zip there", ": leftImg8bit"}},
		{"above", map[string][]byte{"cityscapes/" + images + "a_leftImg8bit.png": nil}, []string{"no folder leftImg8bit", ": cityscapes"}},
		{"no cities", map[string][]byte{"leftImg8bit/train/a_leftImg8bit.png": nil, labels + "a_gtFine_labelIds.png": nil}, []string{"no images *_leftImg8bit.png in city folders of", ": a_leftImg8bit.png"}},
		{"some labels", map[string][]byte{
			images + "a_leftImg8bit.png": nil, images + "b_leftImg8bit.png": nil, "leftImg8bit/train/aachen/c_leftImg8bit.png": nil,
			labels + "a_gtFine_labelIds.png": nil, labels + "b_gtFine_color.png": nil,
		}, []string{"2 of 3 images have no labels in gtFine: " + filepath.Join("aachen", "c_leftImg8bit.png") + ", " + filepath.Join("ulm", "b_leftImg8bit.png") + "; unpack gtFine_trainvaltest.zip again", ": ulm"}},
		{"many", map[string][]byte{
			images + "1_leftImg8bit.png": nil, images + "2_leftImg8bit.png": nil, images + "3_leftImg8bit.png": nil, images + "4_leftImg8bit.png": nil,
			images + "5_leftImg8bit.png": nil, images + "6_leftImg8bit.png": nil, labels + "x.png": nil,
		}, []string{"6 of 6 images have no labels", filepath.Join("ulm", "5_leftImg8bit.png") + ", ... (6 in all)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			tree(t, root, c.files)
			d, err := dataset.OpenCityscapes(t.Context(), root, dataset.Train, dataset.Options{})
			require.Nil(t, d)
			for _, want := range append(c.want, "dataset: Cityscapes: ", "want\n  "+filepath.Join(root, "leftImg8bit", "train", "aachen", "aachen_000000_000019_leftImg8bit.png"), "\nfound in "+root) {
				require.ErrorContains(t, err, want)
			}
		})
	}
}
