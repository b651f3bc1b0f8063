package dataset_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
)

// Three WordNet ids in order.
const (
	tench    = "n01440764"
	goldfish = "n01443537"
	shark    = "n01484850"
)

// tree writes files below dir; names are slashed.
func tree(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		write(t, filepath.Join(dir, filepath.FromSlash(name)), content)
	}
}

func TestImageNet1K(t *testing.T) {
	root := filepath.Join(t.TempDir(), "odd [name]*")
	tree(t, root, map[string][]byte{
		"train/" + goldfish + "/" + goldfish + "_2.JPEG":            picture(t, 20, "jpeg"),
		"train/" + goldfish + "/" + goldfish + "_10.JPEG":           picture(t, 10, "jpeg"),
		"train/" + tench + "/" + tench + "_7.JPEG":                  picture(t, 30, "jpeg"),
		"train/" + tench + ".tar":                                   nil, // unpacked already
		"train/lost+found/x.txt":                                    nil,
		"val/" + tench + "/ILSVRC2012_val_00000293.JPEG":            picture(t, 40, "jpeg"),
		"val/" + goldfish + "/ILSVRC2012_val_00000236.JPEG":         picture(t, 50, "jpeg"),
		"val/" + goldfish + "/ILSVRC2012_val_00000237.JPEG.partial": nil,
		"synset_words.txt":                                          nil,
	})
	for _, c := range []struct {
		split  dataset.Split
		labels []int
		greys  []uint8
	}{{dataset.Train, []int{0, 1, 1}, []uint8{30, 10, 20}}, {dataset.Val, []int{0, 1}, []uint8{40, 50}}} {
		d, err := dataset.OpenImageNet1K(t.Context(), root, c.split, dataset.Options{})
		require.NoError(t, err)
		assert.Equal(t, []string{tench, goldfish}, d.Classes())
		require.Equal(t, len(c.labels), d.Len())
		for i, label := range c.labels {
			img := load(t, d, i)
			assert.Equal(t, label, img.Label)
			assert.InDelta(t, c.greys[i], img.Pix[0], 1)
		}
		testLoadErrors(t, d, len(c.labels))
	}

	require.NoError(t, os.RemoveAll(filepath.Join(root, "val")))
	d, err := dataset.OpenImageNet1K(t.Context(), root, dataset.Train, dataset.Options{})
	require.NoError(t, err, "one split will do")
	assert.Equal(t, 3, d.Len())
}

func TestImageNet1KErrors(t *testing.T) {
	good := picture(t, 1, "jpeg")
	for _, c := range []struct {
		name  string
		split dataset.Split
		files map[string][]byte
		want  []string
	}{
		{"empty", dataset.Train, nil, []string{"no folder train in", "unpack ILSVRC2012_img_train.tar there", "found in", ": nothing"}},
		{"other split", dataset.Val, map[string][]byte{"train/" + tench + "/1.JPEG": good}, []string{"no folder val in", "unpack ILSVRC2012_img_val.tar there", ": train" + string(filepath.Separator)}},
		{"one level down", dataset.Train, map[string][]byte{tench + "/1.JPEG": good}, []string{"has class folders itself; use its parent folder, with class folders in train"}},
		{"above", dataset.Train, map[string][]byte{"ILSVRC/Data/CLS-LOC/train/" + tench + "/1.JPEG": good}, []string{"no folder train in", "; use ", filepath.Join("ILSVRC", "Data", "CLS-LOC")}},
		{"no classes", dataset.Train, map[string][]byte{"train/cat/1.JPEG": good}, []string{"no class folder such as n01440764 in", ": cat"}},
		{"flat val", dataset.Val, map[string][]byte{"val/ILSVRC2012_val_00000002.JPEG": good, "val/ILSVRC2012_val_00000001.JPEG": good},
			[]string{"are not sorted into class folders: ILSVRC2012_val_00000001.JPEG, ILSVRC2012_val_00000002.JPEG; move each into the folder of its class"}},
		{"half sorted", dataset.Val, map[string][]byte{"val/ILSVRC2012_val_00000002.JPEG": good, "val/" + tench + "/1.JPEG": good}, []string{"are not sorted into class folders: ILSVRC2012_val_00000002.JPEG;"}},
		{"packed", dataset.Train, map[string][]byte{"train/" + tench + ".tar": nil, "train/" + goldfish + ".tar": nil, "train/" + shark + "/1.JPEG": good},
			[]string{"are not unpacked: " + tench + ".tar, " + goldfish + ".tar"}},
		{"fewer in val", dataset.Train, map[string][]byte{"train/" + tench + "/1.JPEG": good, "train/" + shark + "/1.JPEG": good, "val/" + tench + "/1.JPEG": good},
			[]string{"val lacks class folders that train has: " + shark + "; unpack the rest of val"}},
		{"fewer in train", dataset.Train, map[string][]byte{"train/" + tench + "/1.JPEG": good, "val/" + tench + "/1.JPEG": good, "val/" + goldfish + "/1.JPEG": good},
			[]string{"train lacks class folders that val has: " + goldfish}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			tree(t, root, c.files)
			d, err := dataset.OpenImageNet1K(t.Context(), root, c.split, dataset.Options{})
			require.Nil(t, d)
			for _, want := range append(c.want, "dataset: ImageNet-1K: ", "want\n  "+filepath.Join(root, "train", "n01440764", "n01440764_10026.JPEG"), "\nfound in "+root) {
				require.ErrorContains(t, err, want)
			}
		})
	}
	t.Run("absent", func(t *testing.T) {
		_, err := dataset.OpenImageNet1K(t.Context(), filepath.Join(t.TempDir(), "absent"), dataset.Train, dataset.Options{})
		require.ErrorIs(t, err, os.ErrNotExist)
		require.ErrorContains(t, err, ": no such folder")
	})
	t.Run("empty class", func(t *testing.T) {
		root := t.TempDir()
		tree(t, root, map[string][]byte{"train/" + tench + "/1.JPEG": good, "train/" + shark + "/1.txt": nil})
		_, err := dataset.OpenImageNet1K(t.Context(), root, dataset.Train, dataset.Options{})
		require.ErrorContains(t, err, "dataset: ImageNet-1K: no images in class folder "+filepath.Join(root, "train", shark)+"; unpack train again")
	})
}

func TestRealImageNet1K(t *testing.T) {
	dir := sharedData(t, "imagenet_mini")
	d, err := dataset.OpenImageNet1K(t.Context(), dir, dataset.Train, dataset.Options{})
	require.NoError(t, err)
	assert.Len(t, d.Classes(), 20)
	assert.Equal(t, 80, d.Len())
}
