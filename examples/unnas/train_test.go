package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/preset"
	"unnas/pretext"
	"unnas/segmentation"
)

// shortly are flags for a training that takes a second.
func shortly(dir string, more ...string) []string {
	return append([]string{"train", "-cell", "darts_v2", "-epochs", "2", "-width", "2", "-cells", "3", "-batch", "4", "-size", "32", "-workers", "1", "-out", dir}, more...)
}

// TestTrain trains on class folders, stops, and resumes with equal weights.
func TestTrain(t *testing.T) {
	data, tmp := classFolders(t), t.TempDir()
	whole, parts := filepath.Join(tmp, "whole"), filepath.Join(tmp, "parts")
	out := prints(t, shortly(whole, "-data", data)...)
	for _, want := range []string{
		filepath.Join(data, "train") + " has folders of classes", "classification: 12 + 4 images, 2 epochs of 3 steps, batch 4\n",
		"\nlast, epoch 2: top1 ", "\nbest, epoch ", "See " + whole + ": the model as model.safetensors, that of the best epoch as best.safetensors",
	} {
		assert.Contains(t, out, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := &stopper{text: "epoch 1/2 ", stop: cancel}
	require.ErrorIs(t, run(ctx, shortly(parts, "-data", data), stopped), context.Canceled)
	assert.Contains(t, stopped.out.String(), "add -resume\n")
	prints(t, shortly(parts, "-data", data, "-resume")...)
	for _, name := range []string{"model.safetensors", "best.safetensors", "genotype.json"} {
		want, err := os.ReadFile(filepath.Join(whole, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(parts, name))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got), name)
	}
	assert.Contains(t, prints(t, shortly(filepath.Join(tmp, "val"), "-data", filepath.Join(data, "train"), "-val", filepath.Join(data, "val"), "-epochs", "1")...), "classification: 12 + 4 images")
	assert.Contains(t, prints(t, shortly(filepath.Join(tmp, "part"), "-data", data, "-subset", "50%", "-epochs", "1")...), "classification: 6 + 2 images")
	assert.Contains(t, prints(t, shortly(filepath.Join(tmp, "few"), "-data", data, "-subset", "8", "-epochs", "1")...), "classification: 8 + 4 images", "all of a smaller one")
}

// TestTrainLosesItsDirectory names no files that could not be written.
func TestTrainLosesItsDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	out := &stopper{text: "epoch 1/1", stop: func() { _ = os.RemoveAll(dir) }}
	err := run(t.Context(), shortly(dir, "-subset", "8", "-epochs", "1"), out)
	require.ErrorContains(t, err, "no folder "+dir)
	assert.Contains(t, out.out.String(), "The network has ")
	assert.NotContains(t, out.out.String(), "model.safetensors")
}

// TestTrainHoldsOut validates on a part of the images of a folder without a split for it.
func TestTrainHoldsOut(t *testing.T) {
	data := photos(t)
	out := prints(t, shortly(filepath.Join(t.TempDir(), "run"), "-data", data, "-task", "rot", "-epochs", "1")...)
	assert.Contains(t, out, data+" has no images of validation: 1 of its 8, drawn by -seed, are held out")
	assert.Contains(t, out, "rotation: 7 + 1 image,")

	c, err := commandOf("train").parse([]string{"-data", data, "-seed", "3"}, &bytes.Buffer{})
	require.NoError(t, err)
	src, err := c.open(t.Context(), kindOf(folder), nil, nil)
	require.NoError(t, err)
	seen := map[string]int{}
	for range 2 { // the same part each time
		train, val, err := c.holdOut(src)
		require.NoError(t, err)
		for name, part := range map[string]darts.Source{"train": train, "val": val} {
			for i := range part.Len() {
				img, err := part.Load(t.Context(), i)
				require.NoError(t, err)
				seen[name+string(img.Pix)]++
			}
		}
	}
	assert.Len(t, seen, 8, "each image is in one part")
}

// TestTrainKinds trains on the other kinds of data sets.
func TestTrainKinds(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"scenes":       {[]string{"-subset", "8"}, "classification: 8 + 8 images"},
		"scenes, seg":  {[]string{"-subset", "8", "-task", "seg"}, "segmentation: 8 + 8 images"},
		"scenes, mse":  {[]string{"-subset", "8", "-task", "reconstruction"}, "\nbest, epoch 1: mse "},
		"cities":       {[]string{"-data", city(t), "-preset", "small", "-size", "33", "-batch", "3"}, "segmentation: 6 + 3 images"},
		"imagenet":     {[]string{"-data", imageNet(t, 2), "-preset", "small", "-size", "64"}, "classification: 4 + 4 images"},
		"CIFAR-10":     {[]string{"-data", images(t, 8)}, "classification: 8 + 4 images"},
		"ranking":      {[]string{"-data", images(t, 8), "-preset", "ranking", "-task", "rot"}, "rotation: 8 + 4 images"},
		"darts preset": {[]string{"-data", images(t, 8), "-preset", "darts", "-task", "jig"}, "jigsaw: 8 + 4 images"},
	} {
		t.Run(name, func(t *testing.T) {
			out := prints(t, shortly(filepath.Join(t.TempDir(), "run"), append(test.args, "-epochs", "1")...)...)
			assert.Contains(t, out, test.want)
			if name == "scenes, mse" {
				assert.NotRegexp(t, `mse [\d.]+%`, out[strings.Index(out, "\nbest"):])
			}
		})
	}
}

// TestTrainPublished trains the published network, but for its width, on inputs of the
// published size.
func TestTrainPublished(t *testing.T) {
	root, dir := imageNet(t, 3), filepath.Join(t.TempDir(), "run")
	args := []string{"train", "-data", root, "-cell", "unnas_imagenet_rot", "-width", "4", "-epochs", "1", "-batch", "4", "-micro-batch", "2", "-out", dir}
	out := prints(t, args...)
	for _, want := range []string{
		"batch 4, that of the preset 1024: the learning rate changes in proportion, to 0.001953\n", "3 classes, published 1000\n",
		"classification: 6 + 6 images, 1 epoch of 1 step, batch 4\n", "2 images at once\n", "\nlast, epoch 1: top1 ",
	} {
		assert.Contains(t, out, want)
	}
	require.NoError(t, os.RemoveAll(filepath.Join(root, "val", "n00000001")))
	err := fails(t, append(args, "-out", dir+"2")...)
	assert.ErrorContains(t, err, "val lacks class folders that train has: n00000001")
	assert.NoDirExists(t, dir+"2")
}

// planTraining parses flags of a training and returns its hyperparameters on a kind of
// data sets.
func planTraining(t *testing.T, kind string, args ...string) (pretext.Task, darts.TrainConfig, error) {
	t.Helper()
	c, err := commandOf("train").parse(args, &bytes.Buffer{})
	require.NoError(t, err)
	g, err := c.readCellFlag()
	require.NoError(t, err)
	return c.trainPlan(kindOf(kind), g, nil)
}

func TestTrainPlan(t *testing.T) {
	for _, kind := range []string{preset.ImageNet1K, preset.Cityscapes} {
		task, got, err := planTraining(t, kind, "-cell", "unnas_imagenet_rot")
		require.NoError(t, err)
		g, _ := cell.GenotypeByName("unnas_imagenet_rot")
		wantTask, want, err := preset.Training(kind, g)
		require.NoError(t, err)
		assert.Equal(t, want, got, "as published unless flags change it")
		assert.Equal(t, wantTask, task)
	}

	_, got, err := planTraining(t, preset.ImageNet1K, strings.Fields("-cell pnas -width 20 -epochs 7 -batch 96 -micro-batch 48 -evaluate-every 3")...)
	require.NoError(t, err)
	pnas, _ := cell.GenotypeByName("pnas")
	_, want, err := preset.Training(preset.ImageNet1K, pnas)
	require.NoError(t, err)
	n := want.Network.(cell.Network)
	n.Backbone.Width = 20
	want.Network, want.Epochs, want.EvaluateEvery = n, 7, 3
	want.Batch, want.MicroBatch, want.LR.Base = 96, 48, 0.5*96/1024
	assert.Equal(t, want, got, "cells that were not trained have the hyperparameters of darts_v2")

	_, got, err = planTraining(t, preset.CIFAR10, "-cell", "darts_v2", "-preset", "darts")
	require.NoError(t, err)
	g, _ := cell.GenotypeByName("darts_v2")
	assert.Equal(t, darts.Training(g), got)

	task, _, err := planTraining(t, builtIn, "-cell", "darts_v2", "-task", "seg")
	require.NoError(t, err)
	assert.Equal(t, []int{2, 4, 8}, task.(segmentation.Task).ASPP.Rates, "small images have small maps")
}

func TestTrainBadInput(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		write(t, path, []byte(text))
		return path
	}
	forward := file("forward.json", `{"normal": [["skip_connect", 0], ["skip_connect", 3]], "normal_concat": [2], "reduce": [["skip_connect", 0], ["skip_connect", 1]], "reduce_concat": [2]}`)
	unknown := file("unknown.json", `{"normal": [["skip_connect", 0], ["warp_3x3", 1]], "normal_concat": [2], "reduce": [["skip_connect", 0], ["skip_connect", 1]], "reduce_concat": [2]}`)
	empty := file("empty.json", "")
	images := photos(t)
	for name, test := range map[string]struct {
		args  string
		want  []string
		usage bool
	}{
		"no cells":             {"", []string{"-cell is missing", "unnas help cells"}, true},
		"unknown cells":        {"-cell darts_v9", []string{"-cell darts_v9", "no such file", "darts_v2, "}, true},
		"folder without cells": {"-cell " + dir, []string{dir, "genotype.json"}, true},
		"empty file":           {"-cell " + empty, []string{empty, "cell: genotype"}, true},
		"forward":              {"-cell " + forward, []string{forward, "cell: ", "node 2", "3"}, true},
		"unknown operation":    {"-cell " + unknown, []string{unknown, "warp_3x3"}, true},
		"odd width":            {"-cell darts_v2 -dataset imagenet1k -data d -width 5", []string{"Width is 5; the stem \"imagenet\" halves it"}, true},
		"odd part":             {"-cell darts_v2 -batch 8 -micro-batch 3", []string{"MicroBatch is 3, must divide Batch, which is 8"}, true},
		"published part":       {"-cell darts_v2 -dataset imagenet1k -data d -batch 1000", []string{"-batch is 1000, of which 128 images, as published", "give a -micro-batch that divides it, 8 for example"}, true},
		"negative evaluations": {"-cell darts_v2 -evaluate-every -1", []string{"EvaluateEvery is -1"}, true},
		"published elsewhere":  {"-cell darts_v2 -preset published", []string{"no published training", "or give -preset darts or small"}, true},
		"published task":       {"-cell darts_v2 -preset published -dataset imagenet1k -data d -task rot", []string{"-preset published has -task classification on ImageNet-1K"}, true},
		"published size":       {"-cell darts_v2 -preset published -dataset imagenet1k -data d -size 64", []string{"-size is 64, and -preset published has its own"}, true},
		"preset of searches":   {"-cell darts_v2 -preset pc-darts", []string{"-preset pc-darts is of searches"}, true},
		"ranking elsewhere":    {"-cell darts_v2 -preset ranking", []string{"-preset ranking: preset: no published ranking"}, true},
		"no labels":            {"-cell darts_v2 -data " + images, []string{"two classes", "has 0", "rotation"}, true},
		"22K":                  {"-cell darts_v2 -dataset imagenet22k -data " + filepath.Join(imageNet(t, 2), "train"), []string{"ImageNet-22K has no images of validation; give -val"}, true},
		"flag of a search":     {"-cell darts_v2 -algorithm gdas", []string{`unknown flag "-algorithm"`}, true},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "run")
			err := fails(t, append([]string{"train", "-out", out}, strings.Fields(test.args)...)...)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NoDirExists(t, out)
			assert.Equal(t, test.usage, errors.As(err, new(usageError)), "%v", err)
		})
	}
}
