package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/preset"
	"unnas/darts/record"
)

// brief are flags for a search that takes a second.
func brief(dir string, more ...string) []string {
	return append([]string{"search", "-epochs", "1", "-width", "2", "-cells", "3", "-batch", "2", "-size", "32", "-workers", "1", "-out", dir}, more...)
}

func TestSearchKeepsWhatItFinds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	data := photos(t)
	args := brief(dir, "-data", data)
	out := prints(t, args...)
	for _, want := range []string{data + " is taken for a folder of images", "epoch 1/1", "normal: ", "See " + dir, "unnas train -cell " + dir} {
		assert.Contains(t, out, want)
	}
	size, _, found := strings.Cut(out[strings.Index(out, "To train a network of these cells, of ")+len("To train a network of these cells, of "):], " parameters")
	require.True(t, found, out)
	trained := prints(t, "train", "-cell", dir, "-subset", "16", "-epochs", "1", "-out", filepath.Join(t.TempDir(), "trained"), "-quiet")
	assert.Contains(t, trained, "The network has "+size+" parameters ", "the network of the command that is printed")
	assert.NotContains(t, out, "\r", "plain lines where the output is no terminal")
	text, err := os.ReadFile(filepath.Join(dir, "genotype.json"))
	require.NoError(t, err)
	var g cell.Genotype
	require.NoError(t, json.Unmarshal(text, &g))
	require.NoError(t, g.Validate(nil))
	for _, name := range []string{"normal.svg", "reduce.svg", "config.json", "metrics.jsonl", "supernet.safetensors", "report.html"} {
		assert.FileExists(t, filepath.Join(dir, name))
	}
	events, err := filepath.Glob(filepath.Join(dir, "tensorboard", "events.out.tfevents.*"))
	require.NoError(t, err)
	assert.Len(t, events, 1)
	assert.ErrorContains(t, fails(t, args...), "holds a run already; give -resume")
}

// TestSearchTasks begins a search with each task, on scenes and on photographs.
func TestSearchTasks(t *testing.T) {
	data := photos(t)
	for _, task := range taskNames() {
		for kind, args := range map[string][]string{"scenes": nil, "photos": {"-data", data}} {
			if kind == "photos" && (task == preset.Classification || task == preset.Segmentation) {
				continue
			}
			t.Run(task+" "+kind, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				out := &stopper{text: task + ": ", stop: cancel}
				err := run(ctx, brief(filepath.Join(t.TempDir(), "run"), append(args, "-task", task)...), out)
				require.ErrorIs(t, err, context.Canceled)
			})
		}
	}
}

func TestSearchResumes(t *testing.T) {
	images, tmp := photos(t), t.TempDir()
	whole, parts := filepath.Join(tmp, "whole"), filepath.Join(tmp, "parts")
	args := func(dir string, more ...string) []string {
		return append(brief(dir, "-data", images, "-epochs", "3"), more...)
	}
	prints(t, args(whole)...)
	ctx, cancel := context.WithCancel(t.Context())
	first := &stopper{text: "epoch 1/3", stop: cancel}
	require.ErrorIs(t, run(ctx, args(parts), first), context.Canceled)
	assert.Contains(t, first.out.String(), "stopped after 2 steps")
	assert.NotContains(t, first.out.String(), "unnas train", "which is for the end of the search")
	assert.Contains(t, first.out.String(), "repeat the command and add -resume\n")

	require.ErrorContains(t, fails(t, args(parts, "-resume", "-seed", "5")...), "config.seed: 1 → 5")
	assert.NotContains(t, prints(t, args(parts, "-resume")...), "epoch 1/3")
	for _, name := range []string{"genotype.json", "config.json", "metrics.jsonl", "normal.svg", "supernet.safetensors"} {
		want, err := os.ReadFile(filepath.Join(whole, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(parts, name))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), name)
	}
}

// TestSearchQuiet prints the cells, their size and where they are.
func TestSearchQuiet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	out := prints(t, brief(dir, "-data", photos(t), "-quiet")...)
	assert.True(t, strings.HasPrefix(out, "normal: "), out)
	assert.Contains(t, out, "\nSee "+dir)
	for _, not := range []string{"epoch ", "taken for", "preset", "done"} {
		assert.NotContains(t, out, not)
	}
}

// TestSearchJSON prints the events of the run and nothing else.
func TestSearchJSON(t *testing.T) {
	out := prints(t, brief(filepath.Join(t.TempDir(), "run"), "-data", photos(t), "-json")...)
	var kinds []string
	for e, err := range record.Read(strings.NewReader(out)) {
		require.NoError(t, err)
		switch e.(type) {
		case record.Start:
			kinds = append(kinds, "start")
		case record.Done:
			kinds = append(kinds, "done")
		}
	}
	assert.Equal(t, []string{"start", "done"}, kinds)
	for line := range strings.Lines(out) {
		assert.True(t, json.Valid([]byte(line)), line)
	}
}

// TestSearchJSONQuiet prints the last event alone.
func TestSearchJSONQuiet(t *testing.T) {
	out := prints(t, brief(filepath.Join(t.TempDir(), "run"), "-data", photos(t), "-json", "-quiet")...)
	assert.Regexp(t, `^{"event":"done",.*}\n$`, out)
}

// TestSearchHint says how to resume a run in a new directory.
func TestSearchHint(t *testing.T) {
	data := photos(t)
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	out := &stopper{text: "epoch 1/3", stop: cancel}
	require.ErrorIs(t, run(ctx, brief("", "-data", data, "-epochs", "3"), out), context.Canceled)
	assert.Contains(t, out.out.String(), "add -out "+filepath.Join("runs", "search-1")+" -resume\n")
}

// visitor opens the page that a run announces once its first epoch has been printed.
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
	v.page, v.err = get(url)
	return n, err
}

// get returns a page.
func get(url string) (string, error) {
	answer, err := http.Get(url)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(answer.Body)
	return string(text), errors.Join(err, answer.Body.Close())
}

func TestSearchServesItsPage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shown")
	var v visitor
	require.NoError(t, run(t.Context(), brief(dir, "-data", photos(t), "-http", ":0"), &v))
	require.NoError(t, v.err)
	assert.Contains(t, v.page, "<h1>shown</h1>")
	assert.Contains(t, v.page, "<h2>Samples</h2>")
	assert.NotContains(t, v.page, filepath.Dir(dir), "where the run is kept")
}

func TestSearchCancelledBeforeItsFirstStep(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(t.TempDir(), "run")
	require.ErrorIs(t, run(ctx, brief(dir), io.Discard), context.Canceled)
	assert.NoDirExists(t, dir, "there is nothing to keep")
}

func TestSearchBadInput(t *testing.T) {
	tmp := t.TempDir()
	oneClass := filepath.Join(tmp, "one")
	write(t, filepath.Join(oneClass, "cat", "1.png"), []byte("x"))
	cut := filepath.Join(tmp, "cut")
	for _, n := range "12345" {
		write(t, filepath.Join(cut, "data_batch_"+string(n)+".bin"), make([]byte, 5000))
	}
	twoClasses := filepath.Join(tmp, "two")
	for _, split := range []string{"train", "val"} {
		write(t, filepath.Join(twoClasses, split, "1.png"), nil)
	}
	for name, test := range map[string]struct {
		args  []string
		want  []string
		usage bool
	}{
		"missing folder":    {[]string{"-data", filepath.Join(tmp, "nowhere")}, []string{"-data: ", "nowhere"}, false},
		"truncated CIFAR":   {[]string{"-data", cut}, []string{"data_batch_1.bin", "5000", "3073"}, false},
		"one class":         {[]string{"-data", oneClass, "-task", "cls"}, []string{"two classes", "has 1", "rotation"}, true},
		"class or split":    {[]string{"-data", twoClasses}, []string{"either a class named train or a split without classes"}, false},
		"no masks":          {[]string{"-data", oneClass, "-task", "seg"}, []string{"mask", "Cityscapes"}, true},
		"no classes":        {[]string{"-dataset", "cityscapes", "-data", tmp, "-task", "cls"}, []string{"classes", "segmentation"}, true},
		"unknown task":      {[]string{"-task", "rotatoin"}, []string{`-task: unknown task "rotatoin"; the nearest is rotation`}, true},
		"no epochs":         {[]string{"-epochs", "0"}, []string{"-epochs is 0; give 1 or more"}, true},
		"negative width":    {[]string{"-width", "-4"}, []string{"-width is -4; give 1 or more"}, true},
		"two cells":         {[]string{"-cells", "2"}, []string{"2 of 2 cells", "3 cells"}, true},
		"negative rate":     {[]string{"-lr", "-1"}, []string{"-lr is -1; give a rate above 0"}, true},
		"no rate":           {[]string{"-arch-lr", "NaN"}, []string{"-arch-lr is NaN"}, true},
		"too much memory":   {[]string{"-width", "16384", "-batch", "256"}, []string{"GiB", "lower"}, false},
		"batch beyond data": {[]string{"-batch", "300"}, []string{"300", "256", "lower"}, false},
		"no number":         {[]string{"-seed", "x"}, []string{`search: invalid value "x" for flag -seed: give a number; see unnas help search`}, true},
		"no share":          {[]string{"-subset", "101%"}, []string{`-subset is "101%"`, "10%"}, true},
		"no part":           {[]string{"-subset", "0"}, []string{`-subset is "0"`}, true},
		"no memory":         {[]string{"-memory", "0"}, []string{"-memory", "give more than 0"}, true},
		"negative workers":  {[]string{"-workers", "-1"}, []string{"-workers is -1; give 0"}, true},
		"no amount":         {[]string{"-memory", "much"}, []string{"-memory", "much"}, true},
		"no algorithm":      {[]string{"-algorithm", "third-order"}, []string{"third-order", "second-order", "gdas"}, true},
		"no decoder":        {[]string{"-jpeg", "fast"}, []string{"-jpeg", "give auto, go or turbo"}, true},
		"no data set":       {[]string{"-dataset", "mnist"}, []string{`-dataset is "mnist"; give one of scenes, cifar10`}, true},
		"data set nowhere":  {[]string{"-dataset", "cifar10"}, []string{"-data is missing: give the folder of CIFAR-10"}, true},
		"scenes somewhere":  {[]string{"-dataset", "scenes", "-data", tmp}, []string{"-dataset is scenes, which has no files"}, true},
		"names of a folder": {[]string{"-data", oneClass, "-list", "l"}, []string{"-list is of ImageNet-22K"}, true},
		"no preset":         {[]string{"-preset", "mine"}, []string{`-preset is "mine"; give one of published, darts`}, true},
		"no published one":  {[]string{"-preset", "published"}, []string{"no published search", "or give -preset darts"}, true},
		"of trainings":      {[]string{"-preset", "ranking"}, []string{"-preset ranking is of trainings"}, true},
		"odd size":          {[]string{"-size", "9", "-task", "jig"}, []string{"-size 9 with -task jigsaw"}, true},
		"resume what":       {[]string{"-out", "", "-resume"}, []string{"-resume needs -out"}, true},
		"resume nothing":    {[]string{"-resume"}, []string{"holds no run to resume"}, false},
		"no address":        {[]string{"-http", "6060"}, []string{"-http 6060", "want a port such as :6060"}, false},
		"stray argument":    {[]string{"photos"}, []string{`search: unexpected argument "photos"; see unnas help search`}, true},
		"unknown flag":      {[]string{"-epoch", "3"}, []string{`search: unknown flag "-epoch"; the nearest is -epochs`}, true},
		"flag of others":    {[]string{"-evaluate-every", "3"}, []string{`unknown flag "-evaluate-every"`}, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			err := fails(t, brief(dir, test.args...)...)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NoDirExists(t, dir, "a refused run leaves nothing")
			assert.Equal(t, test.usage, errors.As(err, new(usageError)), "%v", err)
		})
	}
}

// plan parses flags of a search and returns its hyperparameters on a kind of data sets.
func plan(t *testing.T, kind string, args ...string) (string, darts.SearchConfig, string) {
	t.Helper()
	var out bytes.Buffer
	c, err := commandOf("search").parse(args, &out)
	require.NoError(t, err)
	task, config, err := c.searchPlan(kindOf(kind))
	require.NoError(t, err)
	return task.Name(), config, out.String()
}

func TestSearchPlan(t *testing.T) {
	for _, kind := range []string{preset.ImageNet1K, preset.ImageNet22K, preset.Cityscapes} {
		name, got, _ := plan(t, kind)
		_, want, err := preset.Search(kind, "rotation")
		require.NoError(t, err)
		assert.Equal(t, "rotation", name)
		assert.Equal(t, want, got, "as published unless flags change it")
	}

	name, got, out := plan(t, preset.ImageNet1K, "-task", "cls", "-epochs", "5", "-batch", "16", "-algorithm", "second-order", "-partial", "2", "-nodes", "3")
	assert.Equal(t, "classification", name)
	assert.Equal(t, []int{5, 2, 16, 2, 3}, []int{got.Epochs, got.ArchStartEpoch, got.Batch, got.Space.PartialChannels, got.Space.Nodes}, "the alphas sit out half of the epochs")
	assert.Equal(t, []float64{0.025, 0.000075}, []float64{got.LR.Base, got.ArchLR})
	assert.Equal(t, darts.Algorithms{darts.SecondOrder{}}, got.Algorithms)
	assert.Contains(t, out, "batch 16, that of the preset 64: the learning rates change in proportion, of the weights to 0.025, of the architecture parameters to 7.5e-05\n")

	_, got, _ = plan(t, preset.ImageNet1K, "-batch", "16", "-lr", "0.2", "-arch-lr", "0.01", "-micro-batch", "4")
	assert.Equal(t, []float64{0.2, 0.01}, []float64{got.LR.Base, got.ArchLR}, "rates that are given hold")
	assert.Equal(t, 4, got.MicroBatch)

	_, got, out = plan(t, preset.ImageNet1K, "-task", "contrastive")
	_, want, err := preset.Search(preset.ImageNet1K, "rotation")
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Contains(t, out, "no published search with task contrastive: the hyperparameters are those of rotation")

	_, got, _ = plan(t, preset.CIFAR10, "-preset", "darts")
	assert.Equal(t, darts.DARTS(), got)
	_, got, _ = plan(t, preset.CIFAR10, "-preset", "pc-darts")
	assert.Equal(t, darts.PCDARTS(), got)
	_, got, _ = plan(t, folder, "-preset", "darts")
	assert.Equal(t, cell.ImageNetStem, got.Space.Backbone.Stem)
	_, got, _ = plan(t, builtIn)
	assert.Equal(t, []float64{0.01, 0.05}, []float64{got.LR.Base, got.ArchLR}, "a short search decides")
	_, got, _ = plan(t, builtIn, "-task", "seg", "-cells", "6")
	assert.Equal(t, cell.Reductions(6, 1), got.Space.Backbone.Reductions, "segmentation needs a finer map")
}

// TestSearchPublished begins and ends published searches with inputs of their sizes.
func TestSearchPublished(t *testing.T) {
	root := imageNet(t, 3)
	for name, task := range map[string]string{"cls": "classification", "jig": "jigsaw"} {
		t.Run(task, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			out := prints(t, "search", "-data", root, "-task", name, "-batch", "2", "-width", "2", "-cells", "3", "-out", dir)
			assert.Contains(t, out, root+" is taken for ImageNet-1K")
			assert.Contains(t, out, task+": 3 + 3 images, 2 epochs of 1 step, batch 2")
			assert.Equal(t, name == "cls", strings.Contains(out, "3 classes, published 1000\n"))
			assert.FileExists(t, filepath.Join(dir, "genotype.json"))
		})
	}
	assert.ErrorContains(t, fails(t, "search", "-data", imageNet(t, 1), "-task", "cls", "-batch", "1", "-out", filepath.Join(t.TempDir(), "run")), "two classes")
}

// TestSearchImageNet22K lists its images, one of which is damaged.
func TestSearchImageNet22K(t *testing.T) {
	root := filepath.Join(imageNet(t, 2), "train")
	damaged := filepath.Join(root, "n00000000", "n00000000_1.JPEG")
	require.NoError(t, os.WriteFile(damaged, []byte("no image"), 0o644))
	index := filepath.Join(t.TempDir(), "names")
	out := prints(t, "search", "-dataset", "imagenet22k", "-data", root, "-index", index, "-task", "col", "-batch", "1", "-width", "2", "-cells", "3", "-out", filepath.Join(t.TempDir(), "run"))
	assert.Contains(t, out, "listed 2 classes, 4 images\n")
	assert.Contains(t, out, "colorization: 2 + 2 images, 1 epoch of 2 steps, batch 1\n")
	assert.FileExists(t, index)
	assert.Contains(t, out, "unreadable images, replaced by others: 1, the first "+damaged)
}

// TestSearchSubset draws from the images.
func TestSearchSubset(t *testing.T) {
	data := photos(t)
	for subset, want := range map[string]string{"4": "rotation: 2 + 2 images", "50%": "rotation: 2 + 2 images", "": "rotation: 4 + 4 images"} {
		assert.Contains(t, prints(t, brief(filepath.Join(t.TempDir(), "run"), "-data", data, "-subset", subset)...), want)
	}
	assert.ErrorContains(t, fails(t, brief(filepath.Join(t.TempDir(), "run"), "-data", data, "-subset", "9")...), "-subset 9: dataset: random subset of 9 of 8 images")
}
