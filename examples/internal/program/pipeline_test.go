package program_test

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
	"unnas/darts/dataset"
	"unnas/darts/dataset/scenes"
	"unnas/darts/preset"
	"unnas/examples/internal/program"
	"unnas/pretext"
)

func pipeline() *program.Pipeline {
	return program.NewPipeline("imagenet1k", "classification", "Searches and trains.\n")
}

func TestPipelineParse(t *testing.T) {
	p := pipeline()
	require.NoError(t, p.Parse([]string{"-data", "d"}, nil))
	assert.Equal(t, "search", p.Phase)

	p = pipeline()
	require.NoError(t, p.Parse([]string{"-data", "d", "-phase", "train", "-genotype", "unnas_imagenet_rot"}, nil))
	task, want, err := preset.Training("imagenet1k", cellsOf("unnas_imagenet_rot"))
	require.NoError(t, err)
	assert.Equal(t, want, p.TrainConfig, "as published unless told otherwise")
	assert.Equal(t, task, p.TrainTask)

	p = pipeline()
	require.NoError(t, p.Parse(strings.Fields("-data d -phase train -genotype pnas -width 20 -train-epochs 7 -train-batch 96 -micro-batch 48 -evaluate-every 3 -memory 2GB -recompute -workers 3"), nil))
	_, want, err = preset.Training("imagenet1k", cellsOf("darts_v2"))
	require.NoError(t, err)
	d := want.Network.(cell.Network)
	d.Genotype, _ = cell.GenotypeByName("pnas")
	d.Backbone.Width = 20
	want.Network, want.Epochs, want.EvaluateEvery = d, 7, 3
	want.Batch, want.MicroBatch, want.LR.Base = 96, 48, 0.5*96/1024
	assert.Equal(t, darts.Runtime{Workers: 3, Memory: 2e9, Recompute: true}, p.Runtime)
	assert.Equal(t, want, p.TrainConfig, "cells that were not trained have the settings of darts_v2")
}

// TestPipelineGenotype trains cells of files, and those that the folder of a search
// holds.
func TestPipelineGenotype(t *testing.T) {
	want, _ := cell.GenotypeByName("unnas_imagenet_jig")
	dir := t.TempDir()
	for name, text := range map[string]string{"text": want.String(), "python": want.Python()} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		p := pipeline()
		require.NoError(t, p.Parse([]string{"-data", "d", "-phase", "train", "-genotype", path}, nil))
		assert.Equal(t, want, p.TrainConfig.Network.(cell.Network).Genotype, name)
		assert.Equal(t, 42, p.TrainConfig.Network.(cell.Network).Backbone.Width, "as published for these cells")
	}
	run := filepath.Join(dir, "run")
	require.NoError(t, os.Mkdir(run, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(run, "genotype.json"), []byte(want.String()), 0o644))
	p := pipeline()
	require.NoError(t, p.Parse([]string{"-data", "d", "-phase", "train", "-genotype", run}, nil))
	assert.Equal(t, want, p.TrainConfig.Network.(cell.Network).Genotype)
}

func TestPipelineBadFlags(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	forward := write("forward.json", `{"normal": [["skip_connect", 0], ["skip_connect", 3]], "normal_concat": [2], "reduce": [["skip_connect", 0], ["skip_connect", 1]], "reduce_concat": [2]}`)
	unknown := write("unknown.json", `{"normal": [["skip_connect", 0], ["warp_3x3", 1]], "normal_concat": [2], "reduce": [["skip_connect", 0], ["skip_connect", 1]], "reduce_concat": [2]}`)
	empty := write("empty.json", "")
	for name, test := range map[string]struct {
		args string
		want []string
	}{
		"unknown phase":         {"-phase eval", []string{`-phase is "eval"`, "search, train or all"}},
		"no cells":              {"-phase train", []string{"-genotype is missing", "unnas_imagenet_rot", "-help"}},
		"cells of all phases":   {"-phase all -genotype darts_v2", []string{"-genotype", "-phase all trains those that it finds"}},
		"flag of the training":  {"-width 16", []string{"-width is a flag of phase train, and -phase is search"}},
		"flag of the search":    {"-phase train -genotype darts_v2 -task cls", []string{"-task is a flag of phase search, and -phase is train"}},
		"unknown cells":         {"-phase train -genotype darts_v9", []string{"-genotype darts_v9", "no such file", "darts_v2, "}},
		"folder without cells":  {"-phase train -genotype " + dir, []string{dir, "genotype.json"}},
		"empty file":            {"-phase train -genotype " + empty, []string{empty, "cell: genotype"}},
		"forward":               {"-phase train -genotype " + forward, []string{forward, "cell: ", "node 2", "3"}},
		"unknown operation":     {"-phase train -genotype " + unknown, []string{unknown, "warp_3x3"}},
		"odd width":             {"-phase train -genotype darts_v2 -width 5", []string{"Width is 5; the ImageNet stem halves it"}},
		"no width":              {"-phase all -width 0", []string{"Width is 0"}},
		"no epochs":             {"-phase all -train-epochs 0", []string{"Epochs is 0"}},
		"no batch":              {"-phase all -train-batch 0", []string{"-train-batch is 0"}},
		"odd part":              {"-phase all -train-batch 8 -micro-batch 3", []string{"MicroBatch is 3, must divide Batch, which is 8"}},
		"published part":        {"-phase all -train-batch 1000", []string{"-train-batch is 1000, of which 128 images, as published", "give a -micro-batch that divides it, 8 for example"}},
		"negative evaluations":  {"-phase all -evaluate-every -1", []string{"EvaluateEvery is -1"}},
		"of the flags of both":  {"-phase train -genotype darts_v2 -subset 0", []string{`-subset is "0"`}},
		"resumption of nothing": {"-phase all -resume", []string{"-resume needs -out"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := pipeline().Parse(append([]string{"-data", "d"}, strings.Fields(test.args)...), nil)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

// openScenes opens built-in scenes.
func openScenes(_ string, _ pretext.Task, split dataset.Split, _ dataset.Options) (program.Labelled, error) {
	if split == dataset.Train {
		return scenes.New(12, 64, 64, 1)
	}
	return scenes.New(6, 64, 64, 2)
}

// narrow returns a pipeline of networks and images that take a second.
func narrow(t *testing.T, args ...string) *program.Pipeline {
	p := pipeline()
	require.NoError(t, p.Parse(append([]string{"-data", "d", "-train-epochs", "2", "-train-batch", "4", "-micro-batch", "2", "-width", "4", "-workers", "1"}, args...), nil))
	view := pretext.ImageNetTransform(64)
	p.Task = pretext.Rotation{Transform: view}
	p.TrainTask = pretext.Classification{Transform: view, Classes: 1000, Smoothing: 0.1}
	p.Config.Space = cell.DARTS(cell.ImageNetStem, 2, 3)
	d := p.TrainConfig.Network.(cell.Network)
	d.Backbone.Cells, d.Backbone.Reductions, d.Backbone.Stem = 3, []int{1, 2}, cell.CIFARStem
	p.TrainConfig.Network, p.TrainConfig.Auxiliary = d, 0
	return p
}

// stopAt ends a run as soon as it has printed a text.
type stopAt struct {
	out  strings.Builder
	text string
	stop context.CancelFunc
}

func (s *stopAt) Write(p []byte) (int, error) {
	n, err := s.out.Write(p)
	if strings.Contains(s.out.String(), s.text) {
		s.stop()
	}
	return n, err
}

// TestPipelineAll stops both phases in their middle, and demands of the run that goes
// on the weights of one that was never stopped.
func TestPipelineAll(t *testing.T) {
	flags := func(dir string, more ...string) []string {
		return append([]string{"-phase", "all", "-epochs", "2", "-batch", "2", "-out", dir}, more...)
	}
	whole, dir := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	var out bytes.Buffer
	require.NoError(t, narrow(t, flags(whole)...).Run(t.Context(), openScenes, &out))
	for _, want := range []string{
		"rotation: 6 + 6 images, 2 epochs of 3 steps, batch 2\n",
		"batch 4, published 1024: the learning rate changes in proportion, to 0.001953\n",
		"classification: 12 + 6 images, 2 epochs of 3 steps, batch 4\n", "2 images at once\n",
		"\nlast, epoch 2: top1 ", "\nbest, epoch ", "See " + filepath.Join(whole, "train") + ": the network as weights.safetensors",
	} {
		assert.Contains(t, out.String(), want)
	}

	for _, part := range []struct {
		stop    string
		more    []string
		trained bool
	}{
		{"2 epochs of 3 steps, batch 2\n", nil, false}, // before the first step
		{"epoch 1/2 ", nil, false},
		{"classification: 12 + 6 images", []string{"-resume"}, false}, // before the first step
		{"val loss 2.", []string{"-resume"}, true},                    // after the first epoch of the training
	} {
		ctx, cancel := context.WithCancel(t.Context())
		stopped := &stopAt{text: part.stop, stop: cancel}
		err := narrow(t, flags(dir, part.more...)...).Run(ctx, openScenes, stopped)
		cancel()
		require.ErrorIs(t, err, context.Canceled, stopped.out.String())
		assert.Equal(t, part.trained, program.Exists(filepath.Join(dir, "train")))
		if part.trained || part.stop == "epoch 1/2 " {
			assert.Contains(t, stopped.out.String(), "repeat the command and add -out "+dir+" -resume\n")
		}
	}
	out.Reset()
	require.NoError(t, narrow(t, flags(dir, "-resume")...).Run(t.Context(), openScenes, &out))
	for _, name := range []string{"search/genotype.json", "search/weights.safetensors", "train/genotype.json", "train/weights.safetensors"} {
		want, err := os.ReadFile(filepath.Join(whole, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, got), name)
	}
	out.Reset()
	require.NoError(t, narrow(t, flags(dir, "-resume")...).Run(t.Context(), openScenes, &out))
	assert.NotContains(t, out.String(), "rotation", "the search has ended")
	assert.Contains(t, out.String(), "last, epoch 2: top1 ")
	assert.Contains(t, out.String(), "best, epoch ")

	err := narrow(t, flags(dir)...).Run(t.Context(), openScenes, &out)
	assert.ErrorContains(t, err, "holds a run already")
	err = narrow(t, flags(filepath.Join(dir, "other"), "-resume")...).Run(t.Context(), openScenes, &out)
	assert.ErrorContains(t, err, "holds no run")
}

// TestPipelineTrainErrors names what cannot be trained, and leaves no folder.
func TestPipelineTrainErrors(t *testing.T) {
	for name, test := range map[string]struct {
		change func(p *program.Pipeline)
		open   program.Open
		want   string
	}{
		"images smaller than the stride": {func(p *program.Pipeline) {
			p.TrainTask = pretext.Classification{Transform: pretext.ImageNetTransform(8), Classes: 6}
			_, c, _ := preset.Training("imagenet1k", cellsOf("darts_v2"))
			c.Batch, c.MicroBatch = 4, 2
			p.TrainConfig = c
		}, openScenes, "auxiliary head"},
		"labels outside the classes": {nil, func(_ string, _ pretext.Task, split dataset.Split, _ dataset.Options) (program.Labelled, error) {
			src, err := openScenes("", nil, split, dataset.Options{})
			return fewer{src}, err
		}, "want 0 to 1"},
		"nothing to evaluate on": {nil, func(_ string, _ pretext.Task, split dataset.Split, _ dataset.Options) (program.Labelled, error) {
			if split == dataset.Train {
				return openScenes("", nil, split, dataset.Options{})
			}
			return nil, errors.New("no val")
		}, "no val"},
		"more than there are": {func(p *program.Pipeline) { p.TrainConfig.Batch, p.TrainConfig.MicroBatch = 64, 0 }, openScenes, "12 images are fewer than a batch of 64"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			p := narrow(t, "-phase", "train", "-genotype", "darts_v2", "-out", dir)
			if test.change != nil {
				test.change(p)
			}
			var out bytes.Buffer
			assert.ErrorContains(t, p.Run(t.Context(), test.open, &out), test.want)
			assert.NoDirExists(t, dir)
		})
	}
}

// TestPipelineAllErrors refuses to search for what cannot be trained, and leaves no
// folder of a search that cannot begin.
func TestPipelineAllErrors(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	var out bytes.Buffer
	err := narrow(t, "-phase", "all", "-out", dir).Run(t.Context(), func(_ string, task pretext.Task, split dataset.Split, o dataset.Options) (program.Labelled, error) {
		if task.Name() == "classification" && split != dataset.Train {
			return nil, errors.New("no val")
		}
		return openScenes("", task, split, o)
	}, &out)
	require.EqualError(t, err, "no val")
	assert.NoDirExists(t, dir)
	err = narrow(t, "-phase", "all", "-batch", "64", "-out", dir).Run(t.Context(), openScenes, &out)
	require.ErrorContains(t, err, "a batch of 64")
	assert.NoDirExists(t, dir)
}

// fewer is a data set that says it has two classes.
type fewer struct{ program.Labelled }

func (fewer) Classes() []string { return []string{"a", "b"} }

// TestPipelineSubset draws from both data sets, and takes all of a smaller one.
func TestPipelineSubset(t *testing.T) {
	for subset, want := range map[string]string{
		"50%": "classification: 6 + 3 images",
		"8":   "classification: 8 + 6 images",
		"4":   "classification: 4 + 4 images",
	} {
		p := narrow(t, "-phase", "train", "-genotype", "darts_v2", "-subset", subset, "-train-epochs", "1", "-out", filepath.Join(t.TempDir(), "run"))
		var out bytes.Buffer
		require.NoError(t, p.Run(t.Context(), openScenes, &out))
		assert.Contains(t, out.String(), want)
	}
}

// cellsOf returns the cells of a published name.
func cellsOf(name string) cell.Genotype {
	g, _ := cell.GenotypeByName(name)
	return g
}
