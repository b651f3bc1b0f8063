package dataset_test

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
	"unnas/pretext"
)

// white decodes all JPEG files as white.
func white() *pretext.Decoder {
	return pretext.NewDecoder("white", func(pix, _ []byte, _, _, _ int) bool {
		copy(pix, bytes.Repeat([]byte{255}, len(pix)))
		return true
	})
}

// TestDecoder decodes the JPEG files of a data set with the decoder of its options,
// and names that if there are such files.
func TestDecoder(t *testing.T) {
	root := t.TempDir()
	tree(t, root, map[string][]byte{
		"drawings/a/1.png":                      picture(t, 1, "png"),
		"drawings/a/2.PNG":                      picture(t, 1, "png"),
		"photos/1.jpg":                          picture(t, 1, "jpeg"),
		"both/a/1.JPEG":                         picture(t, 1, "jpeg"),
		"both/b/1.png":                          picture(t, 1, "png"),
		"train/" + tench + "/a.JPEG":            picture(t, 1, "jpeg"),
		"leftImg8bit/train/u/a_leftImg8bit.png": picture(t, 1, "png"),
		"test_batch.bin":                        cifarImage(1, 2),
	})
	for name, c := range map[string]struct {
		open  func(o dataset.Options) (pretext.Source, error)
		jpeg  bool
		files bool // whether images are decoded at all
	}{
		"folder of PNG": {func(o dataset.Options) (pretext.Source, error) {
			return dataset.OpenFolder(t.Context(), filepath.Join(root, "drawings"), dataset.All, o)
		}, false, true},
		"folder of JPEG": {func(o dataset.Options) (pretext.Source, error) {
			return dataset.OpenFolder(t.Context(), filepath.Join(root, "photos"), dataset.All, o)
		}, true, true},
		"folder of both": {func(o dataset.Options) (pretext.Source, error) {
			return dataset.OpenFolder(t.Context(), filepath.Join(root, "both"), dataset.All, o)
		}, true, true},
		"ImageNet-1K": {func(o dataset.Options) (pretext.Source, error) {
			return dataset.OpenImageNet1K(t.Context(), root, dataset.Train, o)
		}, true, true},
		"ImageNet-22K": {func(o dataset.Options) (pretext.Source, error) {
			return dataset.OpenImageNet22K(t.Context(), filepath.Join(root, "train"), o)
		}, true, true},
		"Cityscapes": {func(o dataset.Options) (pretext.Source, error) {
			o.NoMasks = true
			return dataset.OpenCityscapes(t.Context(), root, dataset.Train, o)
		}, false, true},
		"CIFAR-10": {func(o dataset.Options) (pretext.Source, error) {
			return dataset.OpenCIFAR10(t.Context(), root, dataset.Test, o)
		}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			src, err := c.open(dataset.Options{Decoder: white()})
			require.NoError(t, err)
			inGo, err := c.open(dataset.Options{})
			require.NoError(t, err)
			decoders := []string{"", ""}
			if c.jpeg {
				decoders = []string{white().String(), (*pretext.Decoder)(nil).String()}
				assert.Equal(t, uint8(255), load(t, src, 0).Pix[0])
			}
			assert.NotEqual(t, uint8(255), load(t, inGo, 0).Pix[0])
			assert.Equal(t, decoders, []string{dataset.Wrapper{Source: src}.Decoder(), dataset.Wrapper{Source: inGo}.Decoder()})
			assert.Equal(t, c.files, dataset.Wrapper{Source: src}.DecodesImages())
		})
	}
}

// TestOptions refuses the splits that a data set lacks, naming those that it has, the
// options of others, and a context that has ended.
func TestOptions(t *testing.T) {
	root := t.TempDir()
	tree(t, root, map[string][]byte{
		"train/" + tench + "/a.JPEG":            picture(t, 1, "jpeg"),
		"leftImg8bit/train/u/a_leftImg8bit.png": picture(t, 1, "png"),
		"gtFine/train/u/a_gtFine_labelIds.png":  picture(t, 1, "png"),
		"test_batch.bin":                        cifarImage(1, 2),
	})
	require.NoError(t, dataset.Pack(t.Context(), newAlbum(2), filepath.Join(root, "packed", "train"), three))
	ended, end := context.WithCancel(t.Context())
	end()
	for name, c := range map[string]struct {
		open  func(ctx context.Context, split dataset.Split, o dataset.Options) error
		good  dataset.Split
		lacks map[dataset.Split]string
		bad   map[string]dataset.Options
	}{
		"CIFAR-10": {
			func(ctx context.Context, split dataset.Split, o dataset.Options) error {
				_, err := dataset.OpenCIFAR10(ctx, root, split, o)
				return err
			}, dataset.Test,
			map[dataset.Split]string{dataset.Val: `CIFAR-10 has no split "val"; want train or test`, dataset.All: `CIFAR-10 has no split ""`},
			map[string]dataset.Options{"IgnoreOrientation": {IgnoreOrientation: true}, "NoMasks": {NoMasks: true}},
		},
		"ImageNet-1K": {
			func(ctx context.Context, split dataset.Split, o dataset.Options) error {
				_, err := dataset.OpenImageNet1K(ctx, root, split, o)
				return err
			}, dataset.Train,
			map[dataset.Split]string{dataset.Test: `ImageNet-1K has no split "test"; want train or val`},
			map[string]dataset.Options{"List": {List: "x"}, "Index": {Index: "x"}, "Seed": {Seed: 1}},
		},
		"ImageNet-22K": {
			func(ctx context.Context, _ dataset.Split, o dataset.Options) error {
				_, err := dataset.OpenImageNet22K(ctx, filepath.Join(root, "train"), o)
				return err
			}, dataset.All, nil,
			map[string]dataset.Options{"IgnoreOrientation": {IgnoreOrientation: true}},
		},
		"Cityscapes": {
			func(ctx context.Context, split dataset.Split, o dataset.Options) error {
				_, err := dataset.OpenCityscapes(ctx, root, split, o)
				return err
			}, dataset.Train,
			map[dataset.Split]string{dataset.Test: `Cityscapes has no split "test"; want train or val`},
			map[string]dataset.Options{"IgnoreOrientation": {IgnoreOrientation: true}},
		},
		"a folder": {
			func(ctx context.Context, split dataset.Split, o dataset.Options) error {
				_, err := dataset.OpenFolder(ctx, filepath.Join(root, "train"), split, o)
				return err
			}, dataset.All,
			map[dataset.Split]string{dataset.Val: `train has no split "val"`},
			map[string]dataset.Options{"NoMasks": {NoMasks: true}, "Seed": {Seed: 2}},
		},
		"a packed data set": {
			func(ctx context.Context, split dataset.Split, o dataset.Options) error {
				_, err := dataset.OpenPacked(ctx, filepath.Join(root, "packed"), split, o)
				return err
			}, dataset.Train,
			map[dataset.Split]string{dataset.Val: `it has split "train"`, dataset.All: `it has split "train"`},
			map[string]dataset.Options{"IgnoreOrientation": {IgnoreOrientation: true}, "Seed": {Seed: 2}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			require.NoError(t, c.open(t.Context(), c.good, dataset.Options{Progress: func(done, total int64) {
				calls++
				assert.LessOrEqual(t, done, total)
			}}))
			assert.Positive(t, calls)
			assert.ErrorIs(t, c.open(ended, c.good, dataset.Options{}), context.Canceled)
			for split, want := range c.lacks {
				assert.ErrorContains(t, c.open(t.Context(), split, dataset.Options{}), want)
			}
			for option, o := range c.bad {
				assert.EqualError(t, c.open(t.Context(), c.good, o), "dataset: option "+option+" does not apply to "+name+"; omit it")
			}
		})
	}
}
