package darts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image/gif"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/record"
	"unnas/ops"
	"unnas/pretext"
)

func TestClippingScalesTheGradient(t *testing.T) {
	p := &toy{w: []float32{-100}, a: []float32{100}, gw: make([]float32, 1), ga: make([]float32, 1)}
	c := DARTS()
	c.Momentum, c.WeightDecay, c.GradClip = 0, 0, 5
	rule := newRule(t, c, p)
	require.NoError(t, rule.weights(rule.at(0, 0, 1)))
	assert.InDelta(t, -95, p.w[0], 1e-4, "a gradient of -400 is clipped to -5")
	c.GradClip = 0
	rule = newRule(t, c, p)
	p.w[0] = -100
	require.NoError(t, rule.weights(rule.at(0, 0, 1)))
	assert.InDelta(t, 300, p.w[0], 1e-3, "no clipping")
}

// stripes is a source of small images whose class shows in their stripes.
type stripes struct {
	n    int
	fail int // the image that cannot be loaded; -1: none
}

func (s stripes) Len() int { return s.n }

func (s stripes) Load(_ context.Context, i int) (*pretext.Image, error) {
	if i == s.fail {
		return nil, errors.New("stripes: this image is broken")
	}
	const h, w = 10, 8
	img := &pretext.Image{Width: w, Height: h, Pix: make([]uint8, 3*h*w), Label: i % 3}
	r := rand.New(rand.NewPCG(uint64(i), 0))
	for p := range img.Pix {
		x, y := p/3%w, p/3/w
		v := 40 * [3]int{x, y, x + y}[img.Label] % 160
		img.Pix[p] = uint8(v + int(r.Uint64()%32))
	}
	return img, nil
}

func smallTask() pretext.Task {
	view := pretext.Transform{Height: 10, Width: 8, Mean: [3]float64{0.4, 0.4, 0.4}, Std: [3]float64{0.3, 0.3, 0.3}, Crop: pretext.CropPadded, Flip: true}
	return pretext.Classification{Transform: view, Classes: 3}
}

func smallConfig() SearchConfig {
	c := DARTS()
	c.Space = cell.DARTS(cell.CIFARStem, 4, 3)
	c.Epochs, c.Batch, c.Seed = 2, 6, 7
	c.ArchLR = 0.01
	return c
}

// learning is a search of small operations with layers enough to learn.
func learning() SearchConfig {
	c := smallConfig()
	c.Space.Ops = ops.Set{ops.None(), ops.MaxPool(3), ops.Skip(), ops.DilConv(3)}
	return c
}

func TestSearchLearns(t *testing.T) {
	c := learning()
	var rt Runtime
	c.Epochs = 6
	var epochs []record.Epoch
	rt.Recorder = record.Func(func(e record.Event) error {
		if e, ok := e.(record.Epoch); ok {
			epochs = append(epochs, e)
		}
		return nil
	})
	r, err := Search(t.Context(), stripes{n: 72, fail: -1}, smallTask(), c, rt)
	require.NoError(t, err)
	require.Len(t, epochs, 6)
	assert.Less(t, epochs[5].TrainLoss, 0.7*epochs[0].TrainLoss)
	assert.Greater(t, epochs[5].ValScore, 0.6)
	assert.Less(t, epochs[5].Entropy, epochs[0].Entropy, "alphas decide for something")
	assert.Equal(t, 6, r.Epochs)
	assert.Equal(t, 36, r.Steps)
	require.NoError(t, r.Genotype.Validate(c.Space.Ops.Has))
}

func TestSearchSeedsDiffer(t *testing.T) {
	c := resumable()
	c.Epochs, c.ArchStartEpoch = 1, 0
	a, err := Search(t.Context(), resumableSource, smallTask(), c, Runtime{})
	require.NoError(t, err)
	c.Seed++
	b, err := Search(t.Context(), resumableSource, smallTask(), c, Runtime{})
	require.NoError(t, err)
	assert.NotEqual(t, a.Normal, b.Normal)
}

func TestArchStartEpochPostponesAlphas(t *testing.T) {
	c := smallConfig()
	var rt Runtime
	var entropies, held []float64
	var warnings []record.Warning
	c.ArchStartEpoch = 1
	rt.Recorder = record.Func(func(e record.Event) error {
		if e, ok := e.(record.Epoch); ok {
			entropies, held = append(entropies, e.Entropy), append(held, e.ValLoss)
		}
		if w, ok := e.(record.Warning); ok {
			warnings = append(warnings, w)
		}
		return nil
	})
	first, err := Search(t.Context(), stripes{n: 40, fail: -1}, smallTask(), func() SearchConfig { c := c; c.Epochs, c.ArchStartEpoch = 1, 1; return c }(), rt)
	require.NoError(t, err)
	untouched := first.Normal
	assert.True(t, math.IsNaN(held[0]), "no validation loss while the alphas rest")
	require.Len(t, warnings, 1)
	assert.Contains(t, warnings[0].Text, "never learn")
	entropies, held, warnings = nil, nil, nil
	r, err := Search(t.Context(), stripes{n: 40, fail: -1}, smallTask(), c, rt)
	require.NoError(t, err)
	assert.NotEqual(t, untouched, r.Normal)
	assert.Empty(t, warnings)
	assert.True(t, math.IsNaN(held[0]))
	assert.False(t, math.IsNaN(held[1]))
}

func TestSearchStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := smallConfig()
	var rt Runtime
	c.Epochs = 1000
	steps := 0
	rt.Recorder = record.Func(func(e record.Event) error {
		if _, ok := e.(record.Step); ok {
			if steps++; steps == 5 {
				cancel()
			}
		}
		return nil
	})
	r, err := Search(ctx, stripes{n: 40, fail: -1}, smallTask(), c, rt)
	require.ErrorIs(t, err, context.Canceled)
	require.NotNil(t, r, "what was found so far is kept")
	assert.Equal(t, 5, r.Steps)
	require.NoError(t, r.Genotype.Validate(nil))
}

func TestSearchDiverges(t *testing.T) {
	c := smallConfig()
	c.LR = Schedule{Kind: Constant, Base: 1e30}
	c.GradClip = 0
	r, err := Search(t.Context(), stripes{n: 40, fail: -1}, smallTask(), c, Runtime{})
	require.ErrorIs(t, err, ErrDiverged)
	assert.ErrorContains(t, err, "step")
	require.NotNil(t, r)
	for _, row := range r.Normal {
		for _, v := range row {
			require.False(t, math.IsNaN(v), "the last good alphas are kept")
		}
	}
}

func TestSearchBadInput(t *testing.T) {
	ok := stripes{n: 40, fail: -1}
	for name, test := range map[string]struct {
		src    Source
		change func(*SearchConfig)
		rt     Runtime
		task   pretext.Task
		want   string
	}{
		"broken image":      {src: stripes{n: 40, fail: 3}, want: "image 3"},
		"no images":         {src: stripes{n: 0, fail: -1}, want: "0 images"},
		"batch too large":   {src: ok, change: func(c *SearchConfig) { c.Batch = 21 }, want: "lower Batch"},
		"no epochs":         {src: ok, change: func(c *SearchConfig) { c.Epochs = 0 }, want: "Epochs is 0"},
		"negative rate":     {src: ok, change: func(c *SearchConfig) { c.LR.Base = -1 }, want: "-1"},
		"portion of all":    {src: ok, change: func(c *SearchConfig) { c.TrainFraction = 1 }, want: "TrainFraction"},
		"late alphas":       {src: ok, change: func(c *SearchConfig) { c.ArchStartEpoch = 3 }, want: "ArchStartEpoch"},
		"NaN":               {src: ok, change: func(c *SearchConfig) { c.GradClip = math.NaN() }, want: "GradClip"},
		"odd micro-batch":   {src: ok, change: func(c *SearchConfig) { c.MicroBatch = 4 }, want: "MicroBatch is 4, must divide Batch, which is 6"},
		"large micro-batch": {src: ok, change: func(c *SearchConfig) { c.MicroBatch = 12 }, want: "MicroBatch is 12, must be from 0 to 6"},
		"negative memory":   {src: ok, rt: Runtime{Memory: -1}, want: "Memory is -1"},
		"negative workers":  {src: ok, rt: Runtime{Workers: -1}, want: "Workers is -1, must be from 0, for all cores"},
		"odd width":         {src: ok, change: func(c *SearchConfig) { c.Space.Backbone.Width = 3; c.Space.Backbone.Stem = cell.ImageNetStem }, want: "even"},
		"small images":      {src: ok, change: func(c *SearchConfig) { c.Space.Backbone.Cells = 0 }, want: "Cells"},
		"too many classes":  {src: ok, task: pretext.Classification{Transform: pretext.CIFAR10Transform(), Classes: 2}, want: "class 2"},
		"one class":         {src: ok, task: pretext.Classification{Transform: pretext.CIFAR10Transform(), Classes: 1}, want: "Classes"},
		"dropped":           {src: ok, change: func(c *SearchConfig) { c.SkipDropout = 1 }, want: "SkipDropout is 1, must be below 1"},
		"dropped twice":     {src: ok, change: func(c *SearchConfig) { c.SkipDropout = -0.5 }, want: "SkipDropout is -0.5"},
		"parts":             {src: ok, change: func(c *SearchConfig) { c.Space.PartialChannels = 3 }, want: "PartialChannels is 3 and Width 4"},
	} {
		t.Run(name, func(t *testing.T) {
			c := smallConfig()
			if test.change != nil {
				test.change(&c)
			}
			task := test.task
			if task == nil {
				task = smallTask()
			}
			_, err := Search(t.Context(), test.src, task, c, test.rt)
			require.ErrorContains(t, err, test.want)
			assert.True(t, strings.HasPrefix(err.Error(), "darts: "), err)
		})
	}
}

func TestRecorderErrorStopsTheRun(t *testing.T) {
	c := smallConfig()
	var rt Runtime
	full := errors.New("no space left")
	rt.Recorder = record.Func(func(e record.Event) error {
		if _, ok := e.(record.Step); ok {
			return full
		}
		return nil
	})
	r, err := Search(t.Context(), stripes{n: 40, fail: -1}, smallTask(), c, rt)
	require.ErrorIs(t, err, full)
	require.NotNil(t, r, "what was found is not lost with the disk that is full")
	assert.Equal(t, 1, r.Steps)
}

func TestPCDARTSRates(t *testing.T) {
	assert.Equal(t, Schedule{Kind: Cosine, Base: 0.1}, PCDARTS().LR, "it falls to zero")
	assert.Equal(t, 0.001, DARTS().LR.Min)
}

func TestConfigRoundTrip(t *testing.T) {
	for _, c := range []SearchConfig{DARTS(), PCDARTS()} {
		require.NoError(t, c.Validate())
		b, err := json.Marshal(c)
		require.NoError(t, err)
		var back SearchConfig
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		require.NoError(t, d.Decode(&back))
		assert.Equal(t, c, back)
	}
}

func TestFolderDiscard(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	f, err := OpenRunDir(dir)
	require.NoError(t, err)
	require.NoError(t, f.record(record.Start{Config: smallConfig()}))
	require.FileExists(t, filepath.Join(dir, "config.json"))
	require.NoError(t, f.Discard())
	assert.NoDirExists(t, dir)

	f, err = OpenRunDir(dir)
	require.NoError(t, err, "the folder can be used again")
	kept := filepath.Join(dir, "notes.txt")
	require.NoError(t, os.WriteFile(kept, nil, 0o644))
	require.NoError(t, f.Discard())
	assert.FileExists(t, kept, "what others wrote stays")
	assert.NoFileExists(t, filepath.Join(dir, "metrics.jsonl"))
}

func TestFolderWriteFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	f, err := OpenRunDir(dir)
	require.NoError(t, err)
	hello := func(w io.Writer) error { _, err := io.WriteString(w, "hello"); return err }
	require.NoError(t, f.WriteFile("own.txt", hello))
	text, err := os.ReadFile(filepath.Join(dir, "own.txt"))
	require.NoError(t, err)
	assert.Equal(t, "hello", string(text))
	broken := errors.New("broken")
	require.ErrorIs(t, f.WriteFile("own.txt", func(io.Writer) error { return broken }), broken)
	assert.FileExists(t, filepath.Join(dir, "own.txt"), "the old one stays")
	require.NoError(t, f.Discard())
	assert.NoDirExists(t, dir)
}

func TestFolderEvolution(t *testing.T) {
	g, _ := cell.GenotypeByName("darts_v2")
	p := ops.NewParams()
	require.NoError(t, p.Init(0))
	save := func(epochs int) (*RunDir, error) {
		f, err := OpenRunDir(filepath.Join(t.TempDir(), "run"))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, f.Close()) })
		require.NoError(t, f.record(record.Start{Config: smallConfig()}))
		for i := range epochs {
			require.NoError(t, f.record(record.Step{Epoch: i + 1, TrainLoss: math.NaN()}))
			require.NoError(t, f.record(record.Epoch{Epoch: i + 1, Genotype: g.String(), Normal: [][]float64{{0.5}}}))
		}
		require.NoError(t, f.record(record.Done{Genotype: g.String()}))
		return f, f.saveSearch(&SearchResult{Genotype: g, Params: p})
	}
	gifOf := func(f *RunDir) string { return filepath.Join(f.Path(), "evolution.gif") }

	f, err := save(1)
	require.NoError(t, err)
	assert.NoFileExists(t, gifOf(f), "nothing moves")
	assert.FileExists(t, filepath.Join(f.Path(), "cells.svg"))

	f, err = save(3)
	require.NoError(t, err)
	file, err := os.Open(gifOf(f))
	require.NoError(t, err)
	defer file.Close()
	movie, err := gif.DecodeAll(file)
	require.NoError(t, err)
	assert.Len(t, movie.Image, 3)

	f, err = save(101)
	require.NoError(t, err)
	e, err := f.evolution()
	require.NoError(t, err)
	require.Len(t, e, 34, "every third epoch")
	assert.Equal(t, []string{"epoch 2", "epoch 5", "epoch 101"}, []string{e[0].Title, e[1].Title, e[33].Title}, "the last one above all")
	assert.Equal(t, g, e[33].Genotype)

	require.NoError(t, f.record(record.Epoch{Epoch: 102, Genotype: "none"}))
	assert.ErrorContains(t, f.saveSearch(&SearchResult{Genotype: g, Params: p}), "metrics.jsonl: epoch 102: cell: ")
	require.NoError(t, os.WriteFile(filepath.Join(f.Path(), "metrics.jsonl"), []byte("{}\nnonsense\n"), 0o644))
	assert.ErrorContains(t, f.saveSearch(&SearchResult{Genotype: g, Params: p}), f.Path()+": metrics.jsonl: record: line 2: invalid character")
}

func TestRunDirInFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	_, err := OpenRunDir(filepath.Join(file, "run"))
	require.ErrorContains(t, err, "darts: run directory: ")
	require.ErrorContains(t, err, "choose one that can be written")
}
