package main

import (
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts"
)

// trained trains a network on class folders and returns the data and the run directory.
func trained(t *testing.T) (data, run string) {
	data, run = classFolders(t), filepath.Join(t.TempDir(), "run")
	prints(t, shortly(run, "-data", data, "-epochs", "1", "-size", "32", "-quiet")...)
	return data, run
}

// TestUse evaluates, predicts, exports, measures and fine-tunes what was trained.
func TestUse(t *testing.T) {
	data, dir := trained(t)
	best := filepath.Join(dir, "best.safetensors")

	t.Run("evaluate", func(t *testing.T) {
		out := prints(t, "evaluate", dir, "-data", data)
		assert.Regexp(t, `(?m)^images +4\ntop1 +\d+\.\d\d%\n`, out)
		assert.Regexp(t, `(?m)^  cat +\d`, out)
		assert.Contains(t, prints(t, "evaluate", best, "-val", filepath.Join(data, "train"), "-quiet"), "images  12\n", "a folder without splits is taken as a whole")
		var got evaluation
		require.NoError(t, json.Unmarshal([]byte(prints(t, "evaluate", dir, "-data", data, "-subset", "2", "-json")), &got))
		assert.Equal(t, 2, got.Images)
		assert.Equal(t, "top1", got.Score)
		assert.Len(t, got.Classes, 2)
		assert.Equal(t, "dog", got.Classes[1].Name)
		require.NotNil(t, got.Loss)
	})

	t.Run("predict", func(t *testing.T) {
		file := filepath.Join(data, "val", "dog", "1.png")
		out := prints(t, "predict", dir, file, filepath.Join(data, "val", "cat"))
		assert.Equal(t, 3, strings.Count(out, "\n"), "an image, and the two of a folder")
		assert.Regexp(t, `1\.png: (cat|dog) \d+\.\d%, (cat|dog) \d+\.\d%\n`, out)
		var got prediction
		require.NoError(t, json.Unmarshal([]byte(prints(t, "predict", best, file, "-top", "1", "-json")), &got))
		assert.Equal(t, file, got.Image)
		require.Len(t, got.Classes, 1)
		assert.GreaterOrEqual(t, got.Classes[0].Probability, 0.5)
	})

	t.Run("export", func(t *testing.T) {
		tmp := t.TempDir()
		onnx := filepath.Join(tmp, "m.onnx")
		assert.Equal(t, "See "+onnx+"\n", prints(t, "export", dir, onnx))
		text, err := os.ReadFile(onnx)
		require.NoError(t, err)
		assert.Contains(t, string(text), `["cat","dog"]`)

		weights := filepath.Join(tmp, "m.safetensors")
		prints(t, "export", best, weights)
		m, err := darts.LoadModel(weights)
		require.NoError(t, err)
		assert.Equal(t, []string{"cat", "dog"}, m.Classes)

		want, _ := cell.GenotypeByName("darts_v2")
		for _, ending := range []string{".py", ".json"} {
			path := filepath.Join(tmp, "cells"+ending)
			prints(t, "export", dir, path)
			got, err := readCells(path)
			require.NoError(t, err)
			assert.Equal(t, want, got, ending)
		}
	})

	t.Run("measure", func(t *testing.T) {
		out := prints(t, "measure", dir)
		assert.Regexp(t, `^training, classification\n  parameters +\d+\n  multiply-adds .*\n  memory .* MiB, batch 4\n  step .* images/s\n$`, out)
		var got measurement
		require.NoError(t, json.Unmarshal([]byte(prints(t, "measure", best, "-batch", "2", "-micro-batch", "1", "-json")), &got))
		assert.Equal(t, []int{2, 1}, []int{got.Batch, got.MicroBatch})
		assert.Positive(t, got.Step)
	})

	t.Run("fine-tune", func(t *testing.T) {
		tuned := filepath.Join(t.TempDir(), "run")
		out := prints(t, "train", "-init", dir, "-freeze", "stem,cells.0", "-task", "rot", "-data", data, "-size", "32", "-epochs", "1", "-batch", "4", "-out", tuned)
		assert.Contains(t, out, "warning: the network starts with the weights of "+dir)
		before, err := darts.LoadModel(dir)
		require.NoError(t, err)
		after, err := darts.LoadModel(tuned)
		require.NoError(t, err)
		assert.Equal(t, before.Architecture, after.Architecture)
		of := func(m *darts.Model, prefix string) (values [][]float32) {
			for _, q := range m.Params.List() {
				if strings.HasPrefix(q.Name, prefix) {
					values = append(values, m.Params.Data(q))
				}
			}
			require.NotEmpty(t, values, prefix)
			return values
		}
		assert.Equal(t, of(before, "stem"), of(after, "stem"))
		assert.NotEqual(t, of(before, "cells.1"), of(after, "cells.1"))
	})

	t.Run("bad input", func(t *testing.T) {
		damaged := filepath.Join(t.TempDir(), "damaged.safetensors")
		whole, err := os.ReadFile(best)
		require.NoError(t, err)
		write(t, damaged, whole[:len(whole)/2])
		assert.NotContains(t, fails(t, "train", "-init", damaged).Error(), "-cell", "which would not help")
		for name, test := range map[string]struct {
			args []string
			want string
		}{
			"no model":            {[]string{"evaluate"}, "evaluate: an argument is missing, want unnas evaluate MODEL"},
			"two models":          {[]string{"evaluate", dir, dir}, "unexpected argument"},
			"nowhere":             {[]string{"evaluate", "nowhere"}, "nowhere: no such file"},
			"images elsewhere":    {[]string{"evaluate", dir, "-data", "nowhere"}, "-data: open nowhere"},
			"no image":            {[]string{"predict", dir}, "want unnas predict MODEL IMAGE..."},
			"missing image":       {[]string{"predict", dir, "x.jpg"}, "x.jpg: no such file or directory; give image files"},
			"empty folder":        {[]string{"predict", dir, t.TempDir()}, "has no images"},
			"no picture":          {[]string{"predict", dir, "main.go"}, "main.go: "},
			"no file":             {[]string{"export", dir}, "want unnas export MODEL FILE"},
			"no folder":           {[]string{"export", dir, "nodir/m.onnx"}, "nodir/m.onnx: no folder nodir; make it"},
			"no folder for cells": {[]string{"export", dir, "nodir/m.py"}, "nodir/m.py: no folder nodir; make it"},
			"other format":        {[]string{"export", dir, "m.pb"}, "m.pb is no format; give a file that ends in .onnx"},
			"width of weights":    {[]string{"train", "-init", dir, "-width", "8"}, "-width does not go with -init without -cell"},
			"no weights":          {[]string{"train", "-init", "nowhere"}, "-init nowhere: there is no such file or run directory"},
			"weights of a search": {[]string{"search", "-init", "nowhere"}, "-init nowhere: there is no such"},
			"no network":          {[]string{"train", "-init", "main.go"}, "-init main.go has no network to train"},
			"damaged network":     {[]string{"train", "-init", damaged}, "has no network to train: darts: model "},
			"training":            {[]string{"search", "-init", dir}, "has no supernet.safetensors; give the run directory of a search"},
			"model nowhere":       {[]string{"predict", "nowhere", filepath.Join(data, "val", "dog", "1.png")}, "nowhere: no such file or directory; give the run directory of a training, or a file of its weights"},
			"images of others":    {[]string{"evaluate", dir}, dir + " on built-in scenes: "},
			"freeze nothing":      {[]string{"train", "-init", dir, "-freeze", "head", "-data", data, "-size", "32", "-batch", "4", "-out", filepath.Join(t.TempDir(), "run")}, `Freeze has "head"`},
			"size of a model":     {[]string{"evaluate", dir, "-size", "8"}, `unknown flag "-size"`},
			"no steps":            {[]string{"evaluate", dir, "-recompute"}, `unknown flag "-recompute"`},
			"width of a model":    {[]string{"measure", dir, "-width", "8"}, "-width does not go with a model"},
		} {
			t.Run(name, func(t *testing.T) { assert.ErrorContains(t, fails(t, test.args...), test.want) })
		}
	})
}

// TestPredictSegmentation draws the classes of pixels.
func TestPredictSegmentation(t *testing.T) {
	dir, tmp := filepath.Join(t.TempDir(), "run"), t.TempDir()
	prints(t, shortly(dir, "-task", "seg", "-subset", "8", "-epochs", "1", "-quiet")...)
	file := filepath.Join(tmp, "a.png")
	write(t, file, photo(t, 1))
	out := prints(t, "predict", dir, file, "-out", filepath.Join(tmp, "drawn"))
	assert.Equal(t, file+": "+filepath.Join(tmp, "drawn", "a.png")+"\n", out)
	f, err := os.Open(filepath.Join(tmp, "drawn", "a.png"))
	require.NoError(t, err)
	defer f.Close()
	picture, err := png.Decode(f)
	require.NoError(t, err)
	assert.Equal(t, image.Pt(2*40, 30), picture.Bounds().Size())
	assert.Regexp(t, `(?m)^images +4\nmiou `, prints(t, "evaluate", dir, "-subset", "4"))
	assert.ErrorContains(t, fails(t, "evaluate", dir, "-data", photos(t)), "-task segmentation needs images with a mask")
}

// TestSearchInit starts a search with the supernet of another.
func TestSearchInit(t *testing.T) {
	data, tmp := photos(t), t.TempDir()
	first, second := filepath.Join(tmp, "first"), filepath.Join(tmp, "second")
	prints(t, brief(first, "-data", data)...)
	prints(t, brief(second, "-data", data, "-init", first, "-task", "contrastive")...)
	text, err := os.ReadFile(filepath.Join(second, "config.json"))
	require.NoError(t, err)
	var got darts.SearchConfig
	require.NoError(t, json.Unmarshal(text, &got))
	assert.Equal(t, first, got.Init)
	assert.ErrorContains(t, fails(t, "train", "-init", first), "-init "+first+" is a search; give the run directory of a training, or train the cells of the search by -cell "+first)
	assert.Regexp(t, `\nsearch, rotation\n  parameters .*\n.*\n  memory .* MiB, batch 4, 2 at once\n`, prints(t, "measure", first, "-width", "2", "-cells", "3", "-batch", "4", "-micro-batch", "2"))
}

func TestDraw(t *testing.T) {
	tmp := t.TempDir()
	run := filepath.Join(tmp, "run")
	prints(t, brief(run, "-data", photos(t), "-epochs", "2")...)
	for name, args := range map[string][]string{
		"pair.svg": {"darts_v2"}, "pair.png": {run}, "sheet.pdf": {"darts_v2", "pnas", run},
		"cell.dot": {run, "-part", "normal"}, "cell.svg": {"darts_v2", "-part", "reduce"}, "search.gif": {run},
	} {
		path := filepath.Join(tmp, name)
		assert.Equal(t, "See "+path+"\n", prints(t, append([]string{"draw"}, append(args, path)...)...))
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Positive(t, info.Size())
	}
	for want, args := range map[string][]string{
		"an argument is missing":        {"darts_v2"},
		"cells.jpg is no picture; give": {"darts_v2", "cells.jpg"},
		"no such file":                  {"darts_v9", "x.svg"},
		"2 cells are given, and":        {"darts_v2", "pnas", "x.svg", "-part", "normal"},
		".dot has one cell":             {"darts_v2", filepath.Join(tmp, "x.dot")},
		".gif draws the epochs of":      {"darts_v2", filepath.Join(tmp, "x.gif")},
		`-part is "upper"; give one of`: {"darts_v2", "x.svg", "-part", "upper"},
	} {
		assert.ErrorContains(t, fails(t, append([]string{"draw"}, args...)...), want)
	}
}
