package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
)

// cifar writes a data set of stripes whose width gives the class: 8 images in each
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

// TestRank does a small experiment: in two parts, with one result lost, and
// again when there is nothing left to do.
func TestRank(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	args := []string{"rank", "-data", cifar(t), "-out", dir, "-samples", "3", "-tasks", "cls, jig", "-seeds", "1", "-width", "2", "-cells", "3", "-epochs", "1", "-batch", "8", "-subset", "16"}
	call := func(more ...string) string {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), append(args[:len(args):len(args)], more...), &out))
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
	require.NoError(t, run(t.Context(), []string{"rank", "-analyse", "-out", dir}, &out))
	assert.Contains(t, out.String(), "3 of 3 architectures")
	err = run(t.Context(), append(args[:len(args):len(args)], "-epochs", "2"), &out)
	require.ErrorContains(t, err, "has another sweep: the settings are")
	assert.ErrorContains(t, err, `"epochs": 1`)

	ctx, cancel := context.WithCancel(t.Context())
	stopped := &interrupted{after: "trainings in", cancel: cancel}
	require.ErrorIs(t, run(ctx, args, stopped), context.Canceled)
	assert.Contains(t, stopped.String(), "the same command resumes here")
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

// TestRankNASBench trains a cell of each tenth of a table.
func TestRankNASBench(t *testing.T) {
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
	require.NoError(t, run(t.Context(), []string{"rank", "-data", cifar(t), "-out", dir, "-space", "nasbench", "-table", path, "-samples", "10", "-tasks", "cls,rot", "-seeds", "1", "-width", "8", "-epochs", "1", "-batch", "8", "-subset", "8"}, &out))
	assert.Contains(t, out.String(), "10 of 10 architectures")
	assert.Contains(t, out.String(), "\nrotation  ")
	for _, name := range []string{"scatter.svg", "scatter.png", "search.svg", "search.png"} {
		assert.FileExists(t, filepath.Join(dir, name))
	}
}

// TestRankBenchmarks trains cells of known accuracy, of each tenth of a table, and compares
// with that.
func TestRankBenchmarks(t *testing.T) {
	predicted := filepath.Join(t.TempDir(), "predicted.csv")
	var rows strings.Builder
	rows.WriteString("normal,reduce,surrogate\n")
	for i := range 10 {
		cells := fmt.Sprintf("skip_connect:0 sep_conv_%dx%d:1 max_pool_3x3:%d dil_conv_3x3:2", 3+2*(i/3%2), 3+2*(i/3%2), i%3)
		if i > 5 {
			cells = strings.Replace(cells, "dil_conv_3x3:2", "skip_connect:"+strconv.Itoa(i/9), 1)
		}
		fmt.Fprintf(&rows, "%s,%s,%d\n", cells, cells, 90+i)
	}
	require.NoError(t, os.WriteFile(predicted, []byte(rows.String()), 0o644))
	for space, c := range map[string]struct{ table, metric string }{
		"nasbench201": {truth(t), "cifar10_test"}, "nasbench301": {predicted, "surrogate"},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), []string{
			"rank", "-data", cifar(t), "-out", dir, "-space", space, "-table", c.table, "-samples", "10", "-tasks", "rot", "-seeds", "1",
			"-width", "4", "-cells", "1", "-epochs", "1", "-batch", "4", "-subset", "8",
		}, &out))
		assert.Contains(t, out.String(), "10 of 10 architectures")
		assert.Contains(t, out.String(), "\nranking by "+c.metric)
		assert.Regexp(t, `\nrotation +(-?[0-9.]+|undefined)`, out.String())
		table, err := os.ReadFile(filepath.Join(dir, "table.csv"))
		require.NoError(t, err)
		assert.Contains(t, string(table), ","+c.metric+"\n")
	}
}

func TestRankTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accuracies.csv")
	require.NoError(t, os.WriteFile(path, []byte("arch,object,jigsaw,flat\na,1,2,5\nb,2,3,5\nc,3,1,5\nd,4,4,5\n"), 0o644))
	dir := filepath.Join(t.TempDir(), "out")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"rank", "-csv", path, "-supervised", "object", "-out", dir}, &out))
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
	require.NoError(t, run(t.Context(), []string{"rank", "-csv", path, "-id", "arch", "-supervised", "object", "-out", dir}, &out))
	assert.Contains(t, out.String(), "columns without numbers are left out: by\n")
	assert.Regexp(t, `jigsaw +0\.400000 .* 0\.333333\n`, out.String())

	err := run(t.Context(), []string{"rank", "-csv", path, "-supervised", "colour", "-out", dir}, &out)
	assert.ErrorContains(t, err, "-supervised: ")
	require.NoError(t, os.WriteFile(path, []byte("arch,object\na,1\na,2\n"), 0o644))
	err = run(t.Context(), []string{"rank", "-csv", path, "-supervised", "object", "-out", dir}, &out)
	assert.ErrorContains(t, err, `"a"`)
}

func TestRankBadFlags(t *testing.T) {
	data := cifar(t)
	for want, args := range map[string][]string{
		"-data is missing": {},
		`-space is "cells"; give one of darts, nasbench, nasbench201`: {"-data", data, "-space", "cells"},
		"needs -table":                           {"-data", data, "-space", "nasbench"},
		"-space nasbench201 needs -table":        {"-data", data, "-space", "nasbench201"},
		"leave out -cells":                       {"-data", data, "-space", "transnas101", "-table", "t.csv", "-samples", "10", "-cells", "3"},
		"a multiple of ten":                      {"-data", data, "-space", "nasbench", "-table", "t.csv", "-samples", "12"},
		"-samples is 0; give 1 or more":          {"-data", data, "-samples", "0"},
		"-epochs is -1; give 1 or more":          {"-data", data, "-epochs", "-1"},
		"-tasks has rotation twice":              {"-data", data, "-tasks", "rot,rotation"},
		`unknown task "colour"`:                  {"-data", data, "-samples", "1", "-tasks", "colour"},
		"such as 3/8":                            {"-data", data, "-shard", "9/8"},
		`unexpected argument "more"`:             {"-data", data, "more"},
		`-dataset is "mnist"; give one of`:       {"-data", data, "-samples", "1", "-dataset", "mnist"},
		"40 training images are fewer than a ba": {"-data", data, "-samples", "1"},
		"-subset 41":                             {"-data", data, "-samples", "1", "-subset", "41"},
		"no sweep in folder":                     {"-analyse", "-out", data},
	} {
		var out bytes.Buffer
		dir := filepath.Join(t.TempDir(), "out")
		err := run(t.Context(), append([]string{"rank", "-out", dir}, args...), &out)
		assert.ErrorContains(t, err, want)
		assert.NoDirExists(t, dir, "nothing is begun")
	}
}

// TestRankDefaults has as many seeds as published.
func TestRankDefaults(t *testing.T) {
	for _, test := range []struct {
		args []string
		want int
	}{
		{[]string{"-data", cifar(t)}, 3},
		{[]string{"-data", "d", "-dataset", "imagenet1k"}, 1},
		{[]string{"-data", cifar(t), "-seeds", "2"}, 2},
	} {
		c, err := commandOf("rank").parse(test.args, &bytes.Buffer{})
		require.NoError(t, err)
		o, err := c.ranking()
		require.NoError(t, err)
		assert.Equal(t, test.want, o.Seeds)
		assert.Equal(t, []string{"classification", "rotation", "colorization", "jigsaw"}, o.Tasks)
		assert.Equal(t, []int{500, 3}, []int{o.Samples, o.Attempts})
	}
}
