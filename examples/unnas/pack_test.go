package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
)

// TestPack packs each kind of data sets, which is then recognised by what it was.
func TestPack(t *testing.T) {
	for name, c := range map[string]struct {
		dir    string
		splits map[dataset.Split]int // with their images
		kind   string
		args   []string
	}{
		"CIFAR-10":              {images(t, 8), map[dataset.Split]int{dataset.Train: 8, dataset.Test: 4}, "cifar10", nil},
		"ImageNet-1K":           {imageNet(t, 2), map[dataset.Split]int{dataset.Train: 4, dataset.Val: 4}, "imagenet1k", []string{"-size", "50"}},
		"ImageNet-22K":          {filepath.Join(imageNet(t, 2), "train"), map[dataset.Split]int{dataset.All: 4}, "imagenet22k", []string{"-dataset", "imagenet22k", "-index", filepath.Join(t.TempDir(), "index")}},
		"Cityscapes":            {city(t), map[dataset.Split]int{dataset.Train: 6, dataset.Val: 3}, "cityscapes", nil},
		"class folders":         {classFolders(t), map[dataset.Split]int{dataset.Train: 12, dataset.Val: 4}, "folder", []string{"-size", "0"}},
		"photos":                {photos(t), map[dataset.Split]int{dataset.All: 8}, "folder", []string{"-jpeg", "go"}},
		"a part of the photos":  {photos(t), map[dataset.Split]int{dataset.All: 2}, "folder", []string{"-subset", "2"}},
		"one that is packed":    {packed(t, classFolders(t)), map[dataset.Split]int{dataset.Train: 12, dataset.Val: 4}, "folder", []string{"-size", "20"}},
		"parts of both splits":  {classFolders(t), map[dataset.Split]int{dataset.Train: 6, dataset.Val: 2}, "folder", []string{"-subset", "50%"}},
		"fewer for training":    {classFolders(t), map[dataset.Split]int{dataset.Train: 6, dataset.Val: 4}, "folder", []string{"-subset", "6"}},
		"Cityscapes, shrunk":    {city(t), map[dataset.Split]int{dataset.Train: 6, dataset.Val: 3}, "cityscapes", []string{"-size", "33"}},
		"without masks":         {withoutMasks(t), map[dataset.Split]int{dataset.Train: 6, dataset.Val: 3}, "cityscapes", nil},
		"a folder of one split": {filepath.Join(classFolders(t), "val"), map[dataset.Split]int{dataset.All: 4}, "folder", nil},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "packed")
			args := append([]string{"pack", "-data", c.dir, "-out", out}, c.args...)
			text := prints(t, args...)
			assert.Contains(t, text, out+" holds ")
			for split, n := range c.splits {
				d, err := dataset.OpenPacked(t.Context(), out, split, dataset.Options{})
				require.NoError(t, err)
				assert.Equal(t, n, d.Len())
				how := "packed, shorter side 256"
				if i := slices.Index(c.args, "-size"); i >= 0 && c.args[i+1] != "0" {
					how = "packed, shorter side " + c.args[i+1]
				} else if i >= 0 || c.kind == "cityscapes" {
					how = "packed, original size"
				}
				assert.True(t, strings.HasPrefix(d.Decoder(), how), d.Decoder())
				img, err := d.Load(t.Context(), 0)
				require.NoError(t, err)
				assert.Equal(t, name == "Cityscapes" || name == "Cityscapes, shrunk", img.Mask != nil)
			}
			got, err := recognise(out)
			require.NoError(t, err)
			assert.Equal(t, c.kind, got)
			assert.Regexp(t, `^`+out+` holds .* in \d\.\d MB; give it as -data\n$`, prints(t, append(args, "-quiet")...), "again")
		})
	}
}

// packed packs a data set in its size.
func packed(t *testing.T, data string) string {
	out := filepath.Join(t.TempDir(), "packed")
	prints(t, "pack", "-data", data, "-out", out, "-size", "0", "-quiet")
	return out
}

// withoutMasks makes a Cityscapes of images alone.
func withoutMasks(t *testing.T) string {
	dir := city(t)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "gtFine")))
	return dir
}

// TestPackErrors refuses what cannot be packed, and folders of something else.
func TestPackErrors(t *testing.T) {
	data := classFolders(t)
	full := t.TempDir()
	write(t, filepath.Join(full, "notes.txt"), nil)
	out := filepath.Join(t.TempDir(), "out")
	for want, args := range map[string][]string{
		"-data is missing":                                 {"-out", out},
		"-out is missing":                                  {"-data", data},
		"lie in one another":                               {"-data", data, "-out", filepath.Join(data, "packed")},
		"-size is -1; give 1 or more":                      {"-data", data, "-out", out, "-size", "-1"},
		"-subset 100: dataset: random subset of 100 of 12": {"-data", data, "-out", out, "-subset", "100"},
		"-list is of ImageNet-22K":                         {"-data", data, "-out", out, "-list", "x"},
		"holds notes.txt, which does not belong":           {"-data", data, "-out", full},
		"holds another packed data set":                    {"-data", data, "-out", packed(t, data), "-size", "20"},
		"holds val, which does not belong":                 {"-data", images(t, 8), "-out", packed(t, data)},
		"holds train, which does not belong":               {"-data", photos(t), "-out", packed(t, data)},
		"-list and -index are of the files":                {"-data", packed(t, data), "-out", out, "-dataset", "imagenet22k", "-list", "x"},
		"no packed data set in":                            {"-data", packed(t, data), "-out", out, "-dataset", "cifar10"},
		"which has no files, and -data is":                 {"-data", data, "-out", out, "-dataset", "scenes"},
		"no such file or directory":                        {"-data", data + "x", "-out", out, "-dataset", "imagenet1k"},
	} {
		assert.ErrorContains(t, fails(t, append([]string{"pack"}, args...)...), want)
		assert.NoDirExists(t, out)
	}
	assert.ErrorContains(t, fails(t, "search", "-size", "0"), "-size is 0; give 1 or more")

	damaged := packed(t, data)
	write(t, filepath.Join(damaged, "train", "packed.json"), []byte("{"))
	assert.ErrorContains(t, fails(t, "search", "-data", damaged), "pack the data set anew")
}

// TestPackStops stops packing and resumes it.
func TestPackStops(t *testing.T) {
	data, out := classFolders(t), filepath.Join(t.TempDir(), "out")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	text := &stopper{text: "train: 12 images", stop: cancel}
	require.ErrorIs(t, run(ctx, []string{"pack", "-data", data, "-out", out}, text), context.Canceled)
	assert.Contains(t, text.out.String(), "stopped; the same command resumes it\n")
	prints(t, "pack", "-data", data, "-out", out)
	d, err := dataset.OpenPacked(t.Context(), out, dataset.Val, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, 4, d.Len())
}

// TestPackedRuns gives equal results with files without loss and the same packed, and
// the record says which they were.
func TestPackedRuns(t *testing.T) {
	data := classFolders(t)
	of := map[string]string{"files": data, "packed": packed(t, data)}
	results, started := map[string][]string{}, map[string]string{}
	for name, data := range of {
		search, train := filepath.Join(t.TempDir(), "search"), filepath.Join(t.TempDir(), "train")
		prints(t, brief(search, "-data", data, "-quiet")...)
		prints(t, shortly(train, "-data", data, "-quiet")...)
		for _, file := range []string{
			filepath.Join(search, "genotype.json"), filepath.Join(search, "supernet.safetensors"),
			filepath.Join(train, "model.safetensors"), filepath.Join(train, "best.safetensors"),
		} {
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			results[name] = append(results[name], string(b))
		}
		results[name] = append(results[name], prints(t, "evaluate", train, "-data", data, "-quiet"))
		lines, err := os.ReadFile(filepath.Join(search, "metrics.jsonl"))
		require.NoError(t, err)
		var start struct{ Decoder string }
		first, _, _ := bytes.Cut(lines, []byte("\n"))
		require.NoError(t, json.Unmarshal(first, &start))
		started[name] = start.Decoder
		if name == "packed" {
			assert.Contains(t, prints(t, brief(filepath.Join(t.TempDir(), "again"), "-data", data)...), "images are packed, original size\n")
		}
	}
	assert.True(t, assert.ObjectsAreEqual(results["files"], results["packed"]), "the results are equal to the bit")
	assert.Equal(t, map[string]string{"files": "", "packed": "packed, original size"}, started)
}

// TestPackedElsewhere gives equal results in rankings and with -cfg.
func TestPackedElsewhere(t *testing.T) {
	data := cifar(t)
	var rankings, searches []string
	for _, data := range []string{data, packed(t, data)} {
		dir := t.TempDir()
		prints(t, "rank", "-data", data, "-out", filepath.Join(dir, "rank"), "-samples", "1", "-tasks", "cls", "-seeds", "1", "-width", "2", "-cells", "3", "-epochs", "1", "-batch", "8", "-subset", "16")
		table, err := os.ReadFile(filepath.Join(dir, "rank", "table.csv"))
		require.NoError(t, err)
		rankings = append(rankings, string(table))

		args := configured(t, filepath.Join(dir, "search"))
		args[slices.Index(args, "-data")+1] = data
		prints(t, args...)
		supernet, err := os.ReadFile(filepath.Join(dir, "search", "supernet.safetensors"))
		require.NoError(t, err)
		searches = append(searches, string(supernet))
	}
	assert.Equal(t, rankings[0], rankings[1])
	assert.True(t, searches[0] == searches[1], "the supernets are equal to the bit")
}

// TestPackedResumes resumes on packed images of JPEG files, whose decoder is not needed.
func TestPackedResumes(t *testing.T) {
	data, dir := packed(t, imageNet(t, 4)), filepath.Join(t.TempDir(), "run")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	args := brief(dir, "-data", data, "-preset", "small", "-epochs", "2", "-jpeg", "go")
	first := &stopper{text: "epoch 1/2", stop: cancel}
	require.ErrorIs(t, run(ctx, args, first), context.Canceled)
	assert.Contains(t, first.out.String(), "images are packed, original size, ")
	prints(t, append(args, "-resume")...)
}
