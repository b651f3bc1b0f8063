package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"image"
	"image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/dataset"
)

// small are flags for a search that takes a second.
func small(dir string, more ...string) []string {
	return append([]string{"-epochs", "1", "-width", "2", "-cells", "3", "-batch", "2", "-out", dir}, more...)
}

// photos makes a folder of a few images.
func photos(t *testing.T) string {
	dir := t.TempDir()
	for i := range 8 {
		img := image.NewGray(image.Rect(0, 0, 40, 30))
		for p := range img.Pix {
			img.Pix[p] = uint8(p * (i + 3))
		}
		var b bytes.Buffer
		require.NoError(t, png.Encode(&b, img))
		require.NoError(t, os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".png"), b.Bytes(), 0o644))
	}
	return dir
}

func TestRunKeepsWhatItFinds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	var out, help bytes.Buffer
	args := small(dir, "-data", photos(t))
	require.NoError(t, run(t.Context(), args, &out, &help))
	assert.Contains(t, out.String(), "epoch 1/1")
	assert.Contains(t, out.String(), "normal: ")
	assert.Contains(t, out.String(), dir)
	assert.NotContains(t, out.String(), "\r", "plain lines where the output is no terminal")
	assert.Empty(t, help.String())
	b, err := os.ReadFile(filepath.Join(dir, "genotype.json"))
	require.NoError(t, err)
	var g cell.Genotype
	require.NoError(t, json.Unmarshal(b, &g))
	require.NoError(t, g.Validate(nil))
	for _, name := range []string{"normal.svg", "reduce.svg", "config.json", "metrics.jsonl", "weights.safetensors", "report.html"} {
		assert.FileExists(t, filepath.Join(dir, name))
	}
	events, err := filepath.Glob(filepath.Join(dir, "tensorboard", "events.out.tfevents.*"))
	require.NoError(t, err)
	assert.Len(t, events, 1)
	assert.ErrorContains(t, run(t.Context(), args, &out, &help), "already")
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

// TestRunTasks begins a search with each task, on scenes or on photographs.
func TestRunTasks(t *testing.T) {
	for task, args := range map[string][]string{
		"jigsaw":         {"-data", photos(t)},
		"colorization":   {"-data", photos(t)},
		"classification": nil,
		"segmentation":   nil,
	} {
		t.Run(task, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			out := &stopper{text: task + ": ", stop: cancel}
			err := run(ctx, small(filepath.Join(t.TempDir(), "run"), append(args, "-task", task)...), out, out)
			require.ErrorIs(t, err, context.Canceled)
		})
	}
}

func TestRunGoesOn(t *testing.T) {
	images, tmp := photos(t), t.TempDir()
	whole, parts := filepath.Join(tmp, "whole"), filepath.Join(tmp, "parts")
	args := func(dir string, more ...string) []string {
		return append(small(dir, "-data", images, "-epochs", "3"), more...)
	}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args(whole), &out, &out))

	ctx, cancel := context.WithCancel(t.Context())
	first := &stopper{text: "epoch 1/3", stop: cancel}
	require.ErrorIs(t, run(ctx, args(parts), first, &out), context.Canceled)
	assert.Contains(t, first.out.String(), "stopped after 2 steps")
	assert.Contains(t, first.out.String(), "add -out "+parts+" -resume")

	require.ErrorContains(t, run(t.Context(), args(parts, "-resume", "-seed", "5"), &out, &out), "config.seed: 1 → 5")
	out.Reset()
	require.NoError(t, run(t.Context(), args(parts, "-resume"), &out, &out))
	assert.NotContains(t, out.String(), "epoch 1/3")
	for _, name := range []string{"genotype.json", "config.json", "metrics.jsonl", "normal.svg", "weights.safetensors"} {
		want, err := os.ReadFile(filepath.Join(whole, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(parts, name))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), name)
	}
}

// visitor opens the page that a run announces once its first epoch has been
// printed.
type visitor struct {
	out  strings.Builder
	page string
	err  error
}

func (v *visitor) Write(p []byte) (int, error) {
	n, err := v.out.Write(p)
	_, url, found := strings.Cut(v.out.String(), "the page of the run: ")
	if !found || v.page != "" || !strings.Contains(url, "epoch 1/1") {
		return n, err
	}
	url, _, _ = strings.Cut(url, "\n")
	answer, e := http.Get(url)
	if v.err = e; e != nil {
		return n, err
	}
	text, e := io.ReadAll(answer.Body)
	v.page, v.err = string(text), errors.Join(e, answer.Body.Close())
	return n, err
}

func TestRunServesItsPage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shown")
	var v visitor
	require.NoError(t, run(t.Context(), small(dir, "-data", photos(t), "-http", ":0"), &v, &v))
	require.NoError(t, v.err)
	assert.Contains(t, v.page, "<h1>shown</h1>")
	assert.Contains(t, v.page, "<h2>Samples</h2>")
	assert.NotContains(t, v.page, filepath.Dir(dir), "where the run is kept")
	kept, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	assert.Contains(t, string(kept), "complete after 1 of 1 epochs")
}

func TestRunCancelledBeforeItsFirstStep(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(t.TempDir(), "run")
	var out bytes.Buffer
	require.ErrorIs(t, run(ctx, small(dir), &out, &out), context.Canceled)
	assert.NoDirExists(t, dir, "there is nothing to keep")
}

func TestRunBadInput(t *testing.T) {
	tmp := t.TempDir()
	oneClass := filepath.Join(tmp, "one")
	require.NoError(t, os.MkdirAll(filepath.Join(oneClass, "cat"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(oneClass, "cat", "1.png"), []byte("x"), 0o644))
	cut := filepath.Join(tmp, "cut")
	require.NoError(t, os.MkdirAll(cut, 0o755))
	for _, n := range "12345" {
		require.NoError(t, os.WriteFile(filepath.Join(cut, "data_batch_"+string(n)+".bin"), make([]byte, 5000), 0o644))
	}
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"missing folder":    {[]string{"-data", filepath.Join(tmp, "nowhere")}, []string{"nowhere", "cat/1.jpg"}},
		"truncated CIFAR":   {[]string{"-data", cut}, []string{"data_batch_1.bin", "5000", "3073"}},
		"one class":         {[]string{"-data", oneClass, "-task", "classification"}, []string{"two classes", "rotation"}},
		"no masks":          {[]string{"-data", oneClass, "-task", "segmentation"}, []string{"mask", "cityscapes"}},
		"unknown task":      {[]string{"-task", "sorting"}, []string{"sorting", "rotation, jigsaw, colorization, classification or segmentation"}},
		"no epochs":         {[]string{"-epochs", "0"}, []string{"Epochs", "0"}},
		"negative width":    {[]string{"-width", "-4"}, []string{"Width", "-4"}},
		"two cells":         {[]string{"-cells", "2"}, []string{"2 of 2 cells", "3 cells"}},
		"too much memory":   {[]string{"-width", "16384", "-batch", "256"}, []string{"GiB", "lower"}},
		"batch beyond data": {[]string{"-batch", "300"}, []string{"300", "256", "lower"}},
		"no number":         {[]string{"-seed", "x"}, []string{"seed", "-help"}},
		"resume what":       {[]string{"-out", "", "-resume"}, []string{"-resume needs -out"}},
		"resume nothing":    {[]string{"-resume"}, []string{"holds no run"}},
		"no address":        {[]string{"-http", "6060"}, []string{"-http 6060", "want a port such as :6060"}},
		"stray argument":    {[]string{"photos"}, []string{"photos", "-help"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			var out, help bytes.Buffer
			err := run(t.Context(), small(dir, test.args...), &out, &help)
			require.Error(t, err)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NoDirExists(t, dir, "a refused run leaves nothing")
			assert.Empty(t, help.String())
		})
	}
}

func TestHelp(t *testing.T) {
	var out, help bytes.Buffer
	require.ErrorIs(t, run(t.Context(), []string{"-help"}, &out, &help), flag.ErrHelp)
	for _, name := range []string{"data", "task", "epochs", "width", "cells", "batch", "seed", "workers", "out", "resume", "http"} {
		assert.Contains(t, help.String(), "  -"+name, name)
	}
	assert.Contains(t, help.String(), "go run ./examples/quickstart -data")
}

// TestOpenTrain takes the folder train for a class, as bus and car are, unless it
// holds folders of classes itself.
func TestOpenTrain(t *testing.T) {
	for name, test := range map[string]struct {
		files []string
		want  []string
		said  bool
	}{
		"a class":      {[]string{"train/1.png", "bus/1.png", "car/1.png"}, []string{"bus", "car", "train"}, false},
		"a split":      {[]string{"train/cat/1.png", "train/dog/1.png", "val/cat/1.png"}, []string{"cat", "dog"}, true},
		"a hidden one": {[]string{"train/.cache/1.png", "train/1.png", "bus/1.png"}, []string{"bus", "train"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range test.files {
				path := filepath.Join(dir, file)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, nil, 0o644))
			}
			var out bytes.Buffer
			src, _, _, err := open(t.Context(), dir, dataset.Options{}, &out)
			require.NoError(t, err)
			assert.Equal(t, test.want, src.Classes())
			assert.Equal(t, test.said, strings.Contains(out.String(), filepath.Join(dir, "train")+" has folders of classes"))
		})
	}
	dir := t.TempDir()
	for _, split := range []string{"train", "val"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, split), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, split, "1.png"), nil, 0o644))
	}
	_, _, _, err := open(t.Context(), dir, dataset.Options{}, io.Discard)
	assert.ErrorContains(t, err, "has images: either a class named train or a split without classes")
}
