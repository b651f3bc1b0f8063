package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/sweep"
	"unnas/examples/internal/program"
	"unnas/pretext"
)

// cifar writes a data set of stripes whose width tells the class: 8 images in each
// file for training, and 6 for evaluation.
func cifar(t *testing.T) string {
	dir := t.TempDir()
	file := func(name string, n int) {
		var b bytes.Buffer
		for i := range n {
			b.WriteByte(byte(i % 4))
			for p := range 3072 {
				b.WriteByte(byte(p%32/(i%4+1)%2*200 + i))
			}
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644))
	}
	for i := range 5 {
		file(fmt.Sprintf("data_batch_%d.bin", i+1), 8)
	}
	file("test_batch.bin", 6)
	return dir
}

// TestRankings does a small experiment: in two parts, with one result lost, and
// again when there is nothing left to do.
func TestRankings(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	args := []string{"-data", cifar(t), "-out", dir, "-samples", "3", "-tasks", "cls, jig", "-seeds", "1", "-width", "2", "-cells", "3", "-epochs", "1", "-batch", "8", "-subset", "16"}
	call := func(more ...string) string {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), append(args[:len(args):len(args)], more...), &out, &out))
		return out.String()
	}
	first := call("-shard", "1/2")
	assert.Contains(t, first, "6 trainings in "+dir+", part 1/2")
	assert.Contains(t, first, "1 of 3 architectures are trained on all tasks with all seeds")
	assert.Contains(t, first, "undefined: rank: Spearman's ρ of 1 points")
	whole := call("-shard", "2/2")
	assert.Contains(t, whole, "\n6 of 6 done")
	assert.Contains(t, whole, "3 of 3 architectures")
	table, err := os.ReadFile(filepath.Join(dir, "table.csv"))
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(table), "arch,classification,jigsaw,params,macs\ndarts-000,"), "%s", table)
	assert.FileExists(t, filepath.Join(dir, "table.md"))

	lost := filepath.Join(dir, "results", "darts-001-jigsaw-1.json")
	text, err := os.ReadFile(lost)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(lost, text[:20], 0o644))
	assert.Contains(t, call(), "darts-001-jigsaw-1.json is damaged")
	again, err := os.ReadFile(filepath.Join(dir, "table.csv"))
	require.NoError(t, err)
	assert.Equal(t, string(table), string(again), "equal seeds, equal results")

	assert.True(t, strings.HasPrefix(call("-quiet"), "\n3 of 3 architectures"), "the result alone")

	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-analyse", "-out", dir}, &out, &out))
	assert.Contains(t, out.String(), "3 of 3 architectures")
	err = run(t.Context(), append(args[:len(args):len(args)], "-epochs", "2"), &out, &out)
	require.ErrorContains(t, err, "has another sweep: the settings are")
	assert.ErrorContains(t, err, `"epochs": 1`)

	ctx, cancel := context.WithCancel(t.Context())
	stopped := &interrupted{after: "trainings in", cancel: cancel}
	require.ErrorIs(t, run(ctx, args, stopped, stopped), context.Canceled)
	assert.Contains(t, stopped.String(), "the same command goes on from here")
}

// interrupted is output that ends a context once a text was written.
type interrupted struct {
	bytes.Buffer
	after  string
	cancel func()
}

func (w *interrupted) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.after) {
		w.cancel()
	}
	return w.Buffer.Write(p)
}

// TestNASBench trains a cell of each tenth of a table.
func TestNASBench(t *testing.T) {
	var table bytes.Buffer
	table.WriteString("hash,matrix_7x7_rowmajor,ops,val_accuracy_108ep\n")
	cells, err := cell.SampleNASBench(10, 1)
	require.NoError(t, err)
	for i, c := range cells {
		hash, err := c.Hash()
		require.NoError(t, err)
		matrix := strings.Trim(strings.ReplaceAll(fmt.Sprint(c.Matrix), " ", ""), "[]")
		fmt.Fprintf(&table, "%s,%s,%s,%d\n", hash, strings.ReplaceAll(matrix, "][", ""), strings.Join(c.Ops, "|"), 80+i)
	}
	path := filepath.Join(t.TempDir(), "table.csv")
	require.NoError(t, os.WriteFile(path, table.Bytes(), 0o644))
	dir := filepath.Join(t.TempDir(), "out")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-data", cifar(t), "-out", dir, "-space", "nasbench", "-table", path, "-samples", "10", "-tasks", "cls,rot", "-seeds", "1", "-width", "8", "-epochs", "1", "-batch", "8", "-subset", "8"}, &out, &out))
	assert.Contains(t, out.String(), "10 of 10 architectures")
	assert.Contains(t, out.String(), "\nrotation  ")
	for _, name := range []string{"scatter.svg", "scatter.png", "search.svg", "search.png"} {
		assert.FileExists(t, filepath.Join(dir, name))
	}
}

func TestCSV(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accuracies.csv")
	require.NoError(t, os.WriteFile(path, []byte("arch,object,jigsaw,flat\na,1,2,5\nb,2,3,5\nc,3,1,5\nd,4,4,5\n"), 0o644))
	dir := filepath.Join(t.TempDir(), "out")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-csv", path, "-supervised", "object", "-out", dir}, &out, &out))
	// Ranks 2, 3, 1, 4 against 1, 2, 3, 4: ρ = 1 - 6·(1+1+4)/60; 2 of 6 pairs are
	// the other way.
	assert.Contains(t, out.String(), "4 architectures")
	assert.Regexp(t, `jigsaw +0\.400000 .* 0\.333333\n`, out.String())
	assert.Regexp(t, `flat +undefined: `, out.String())
	lines := strings.Split(out.String(), "\n")
	at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "ranking by object") })
	require.GreaterOrEqual(t, at, 0)
	heading, row := []rune(lines[at]), []rune(lines[at+1])
	assert.Len(t, row, len(heading), "columns end below their headings")
	assert.Equal(t, "jigsaw", strings.TrimSpace(string(row[:len("ranking by object")])))
	assert.FileExists(t, filepath.Join(dir, "search.svg"))

	// As pandas writes it, with a column of text.
	require.NoError(t, os.WriteFile(path, []byte(",arch,object,jigsaw,by\n0,a,1,2,me\n1,b,2,3,you\n2,c,3,1,me\n3,d,4,4,\n"), 0o644))
	out.Reset()
	require.NoError(t, run(t.Context(), []string{"-csv", path, "-id", "arch", "-supervised", "object", "-out", dir}, &out, &out))
	assert.Contains(t, out.String(), "columns without numbers are left out: by\n")
	assert.Regexp(t, `jigsaw +0\.400000 .* 0\.333333\n`, out.String())

	err := run(t.Context(), []string{"-csv", path, "-supervised", "colour", "-out", dir}, &out, &out)
	assert.ErrorContains(t, err, "-supervised: ")
	require.NoError(t, os.WriteFile(path, []byte("arch,object\na,1\na,2\n"), 0o644))
	err = run(t.Context(), []string{"-csv", path, "-supervised", "object", "-out", dir}, &out, &out)
	assert.ErrorContains(t, err, `"a"`)
}

// TestDecoder keeps the JPEG decoder of an experiment, which all of its trainings
// need. One without JPEG files has none.
func TestDecoder(t *testing.T) {
	inGo := (*pretext.Decoder)(nil).String()
	begun := func(recorded string) string {
		dir := filepath.Join(t.TempDir(), "out")
		text, err := json.Marshal(settings{Decoder: recorded})
		require.NoError(t, err)
		_, err = sweep.Open(dir, sweep.Manifest{Settings: text, Jobs: []sweep.Job{{Name: "a", Spec: json.RawMessage("1")}}})
		require.NoError(t, err)
		return dir
	}
	tr := &trainer{options: options{out: begun(inGo)}}
	d, err := tr.decoder()
	require.NoError(t, err)
	assert.Equal(t, inGo, d.String())
	tr.options.out = begun("image/jpeg go1.1")
	_, err = tr.decoder()
	require.ErrorContains(t, err, "the run began with image/jpeg go1.1")

	o := options{out: t.TempDir(), data: cifar(t), jpeg: program.GoJPEG}
	o.Dataset = "cifar10"
	tr, err = newTrainer(t.Context(), o, io.Discard)
	require.NoError(t, err)
	assert.Empty(t, tr.Decoder)
	data := t.TempDir()
	for _, split := range []string{"train", "val"} {
		dir := filepath.Join(data, split, "n01440764")
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "1.JPEG"), nil, 0o644))
	}
	o.data, o.Dataset = data, "imagenet1k"
	tr, err = newTrainer(t.Context(), o, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, inGo, tr.Decoder)
}

func TestBadFlags(t *testing.T) {
	data := cifar(t)
	for want, args := range map[string][]string{
		"-data is missing":                       {},
		`-space is "cells"`:                      {"-data", data, "-space", "cells"},
		"needs -table":                           {"-data", data, "-space", "nasbench"},
		"a multiple of ten":                      {"-data", data, "-space", "nasbench", "-table", "t.csv", "-samples", "12"},
		"must be 1 or more":                      {"-data", data, "-samples", "0"},
		"must not be negative":                   {"-data", data, "-epochs", "-1"},
		"-tasks has rotation twice":              {"-data", data, "-tasks", "rot,rotation"},
		`no task "colour" for cifar10`:           {"-data", data, "-samples", "1", "-tasks", "colour"},
		"such as 3/8":                            {"-data", data, "-shard", "9/8"},
		`unexpected argument "more"`:             {"-data", data, "more"},
		`-dataset is "mnist"`:                    {"-data", data, "-samples", "1", "-dataset", "mnist"},
		"40 training images are fewer than a ba": {"-data", data, "-samples", "1"},
		"-subset 41":                             {"-data", data, "-samples", "1", "-subset", "41"},
		"no sweep in folder":                     {"-analyse", "-out", data},
	} {
		var out bytes.Buffer
		dir := filepath.Join(t.TempDir(), "out")
		err := run(t.Context(), append([]string{"-out", dir}, args...), &out, &out)
		assert.ErrorContains(t, err, want)
		assert.NoDirExists(t, dir, "nothing is begun")
	}
	var help bytes.Buffer
	require.Error(t, run(t.Context(), []string{"-help"}, &help, &help))
	assert.Contains(t, help.String(), "go run ./examples/rankings -data")
}
