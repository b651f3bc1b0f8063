package darts

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/darts/dataset"
	"unnas/darts/dataset/scenes"
	"unnas/darts/record"
	_ "unnas/darts/xla"
	"unnas/internal/pjrt"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// plugin returns the path of XLA's plugin for CPUs.
func plugin(t *testing.T) string {
	t.Helper()
	found, looked := pjrt.Find("cpu")
	if len(found) == 0 {
		t.Skipf("no PJRT plugin for CPUs in %s; %s", strings.Join(looked, ", "), pjrt.Install("cpu"))
	}
	if compiled == "" {
		var err error
		compiled, err = os.MkdirTemp("", "unnas-xla")
		require.NoError(t, err)
	}
	t.Setenv("XDG_CACHE_HOME", compiled)
	return found[0].Path
}

// compiled is the directory of compiled programs for all tests of a process; empty without
// any.
var compiled string

// tiny is a search that XLA compiles in seconds.
func tiny(a Algorithm) SearchConfig {
	c := resumable()
	c.Algorithms, c.Epochs, c.ArchStartEpoch = Algorithms{a}, 2, 0
	c.Space.Ops, c.Space.Nodes = ops.Set{ops.None(), ops.MaxPool(3), ops.Skip(), ops.SepConv(3), ops.DilConv(3)}, 1
	c.Space.Backbone.Cells, c.Space.Backbone.Reductions = 2, []int{1}
	return c
}

// losses returns a recorder and the losses of steps that it will have recorded.
func losses() (record.Recorder, *[]float64) {
	all := new([]float64)
	return record.Func(func(e record.Event) error {
		switch e := e.(type) {
		case record.Step:
			*all = append(*all, e.TrainLoss)
			if e.ValLoss == e.ValLoss {
				*all = append(*all, e.ValLoss)
			}
		case record.Epoch:
			if e.ValLoss == e.ValLoss {
				*all = append(*all, e.ValLoss)
			}
		}
		return nil
	}), all
}

// TestSearchOnDevice compares searches on a device and on the CPU.
func TestSearchOnDevice(t *testing.T) {
	device := plugin(t)
	for _, a := range everyAlgorithm() {
		t.Run(a.Name(), func(t *testing.T) {
			if testing.Short() && a != (FirstOrder{}) {
				t.Skip("compiling takes seconds")
			}
			c := tiny(a)
			if a == (GDAS{}) {
				c.SkipDropout, c.Space.PartialChannels, c.MicroBatch = 0.5, 2, 3
			}
			var runs [2][]float64
			var results [2]*SearchResult
			for i, name := range []string{OwnDevice, device} {
				recorder, all := losses()
				var err error
				results[i], err = Search(t.Context(), resumableSource, smallTask(), c, Runtime{Device: name, Recorder: recorder})
				if a == (ReinMax{1}) || a == (FairDARTS{10}) { // have kernels for CPUs
					require.Equal(t, name == device, err != nil)
					continue
				}
				require.NoError(t, err)
				runs[i] = *all
			}
			if results[1] == nil {
				return
			}
			require.Len(t, runs[1], len(runs[0]))
			for i, want := range runs[0] {
				assert.InEpsilon(t, want, runs[1][i], 1e-3, "loss %d", i)
			}
			assert.InDeltaSlice(t, results[0].Params.Alphas(), results[1].Params.Alphas(), 2e-3)
		})
	}
}

// TestTrainOnDevice compares a training, with what its configuration can have.
func TestTrainOnDevice(t *testing.T) {
	device := plugin(t)
	c := smallTraining()
	g, _ := cell.GenotypeByName("darts_v2")
	c.Network = cell.Network{Backbone: cell.Backbone{Stem: cell.CIFARStem, Width: 2, Cells: 2, Reductions: []int{1}}, Genotype: g, Ops: ops.All()}
	c.Epochs, c.DropPath, c.EMADecay, c.PreciseBN, c.EvaluateEvery = 2, 0.3, 0.5, 6, 1
	var runs [2][]float64
	var model *Model
	for i, name := range []string{OwnDevice, device} {
		recorder, all := losses()
		r, err := Train(t.Context(), stripes{n: 12, fail: -1}, stripes{n: 11, fail: -1}, smallTask(), c, Runtime{Device: name, Recorder: recorder})
		require.NoError(t, err)
		runs[i], model = *all, r.Model()
	}
	require.Len(t, runs[1], len(runs[0]))
	for i, want := range runs[0] {
		assert.InEpsilon(t, want, runs[1][i], 1e-3, "loss %d", i)
	}
	var scores [2]*Evaluation
	for i, name := range []string{OwnDevice, device} {
		var err error
		scores[i], err = model.Evaluate(t.Context(), stripes{n: 11, fail: -1}, Runtime{Device: name})
		require.NoError(t, err)
	}
	assert.InEpsilon(t, scores[0].Loss, scores[1].Loss, 1e-5)
	assert.Equal(t, scores[0].Score, scores[1].Score)
}

// tinyNetwork is a network that XLA compiles in a second.
func tinyNetwork() cell.Network {
	edges := []cell.Edge{{Op: "sep_conv_3x3", From: 0}, {Op: "max_pool_3x3", From: 1}}
	g := cell.Genotype{Normal: edges, NormalConcat: []int{2}, Reduce: []cell.Edge{{Op: "skip_connect", From: 0}, {Op: "dil_conv_3x3", From: 1}}, ReduceConcat: []int{2}}
	return cell.Network{Backbone: cell.Backbone{Stem: cell.CIFARStem, Width: 4, Cells: 2, Reductions: []int{1}}, Genotype: g, Ops: ops.All()}
}

// sameNumbers compares numbers of a device with those of the CPU.
func sameNumbers(t *testing.T, want, got []float32, what string) {
	t.Helper()
	require.Len(t, got, len(want), what)
	most, worst := 0.0, 0.0
	for i, v := range want {
		most, worst = max(most, math.Abs(float64(v))), max(worst, math.Abs(float64(v-got[i])))
	}
	assert.Less(t, worst, 1e-4*most, what)
}

// TestTasksOnDevice trains each task on a device and on the CPU, evaluates what was learned,
// and predicts.
func TestTasksOnDevice(t *testing.T) {
	device := plugin(t)
	images, err := scenes.New(19, 16, 16, 1) // the size of the transform, so that crops are exact
	require.NoError(t, err)
	train, val := dataset.Subset(images, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}), dataset.Subset(images, []int{10, 11, 12, 13, 14, 15, 16, 17, 18})
	jigsaw, view := pretext.JigsawCIFAR10(), pretext.ScenesTransform(16)
	jigsaw.Transform.Height, jigsaw.Transform.Width = 16, 16
	for _, task := range append(floatTasks(),
		jigsaw, pretext.Rotation{Transform: view}, pretext.Colorization{Transform: view},
		pretext.Classification{Transform: view, Classes: len(images.Classes())},
		segmentation.Task{Transform: view, ASPP: segmentation.ASPP{Channels: 3, Rates: []int{1, 2}, Classes: 19}},
	) {
		t.Run(task.Name(), func(t *testing.T) {
			c := smallTraining()
			c.Network, c.Epochs, c.Batch, c.EvaluateEvery = tinyNetwork(), 2, 5, 1
			var runs [2][]float64
			var model *Model
			for i, name := range []string{OwnDevice, device} {
				recorder, all := losses()
				r, err := Train(t.Context(), train, val, task, c, Runtime{Device: name, Recorder: recorder})
				require.NoError(t, err)
				runs[i], model = *all, r.Model()
			}
			require.Greater(t, len(runs[0]), 3)
			assert.InEpsilonSlice(t, runs[0], runs[1], 1e-3)

			var scores [2]*Evaluation
			for i, name := range []string{OwnDevice, device} {
				scores[i], err = model.Evaluate(t.Context(), val, Runtime{Device: name})
				require.NoError(t, err)
			}
			if pixels := math.IsNaN(scores[0].Loss); pixels {
				assert.InDelta(t, scores[0].Scores["accuracy"], scores[1].Scores["accuracy"], 2e-3, "few pixels are on the edge")
			} else {
				assert.InEpsilon(t, scores[0].Loss, scores[1].Loss, 1e-5)
				assert.InDelta(t, scores[0].Score, scores[1].Score, 1e-5)
			}

			other := &Model{Architecture: model.Architecture, Task: model.Task, Params: model.Params, Device: device}
			pictures := pictures(noise(3, evaluatedAtATime+1))
			want, err := model.Logits(t.Context(), pictures...)
			require.NoError(t, err)
			got, err := other.Logits(t.Context(), pictures...)
			require.NoError(t, err)
			sameNumbers(t, slices.Concat(want...), slices.Concat(got...), "logits")
			wantFeatures, err := model.Features(t.Context(), pictures[0])
			require.NoError(t, err)
			features, err := other.Features(t.Context(), pictures[0])
			require.NoError(t, err)
			sameNumbers(t, wantFeatures[0].Map, features[0].Map, "features")
			if task.Name() != "segmentation" {
				return
			}
			mask, err := model.Segment(t.Context(), pictures[1])
			require.NoError(t, err)
			onDevice, err := other.Segment(t.Context(), pictures[1])
			require.NoError(t, err)
			differ := 0
			for i := range mask {
				if mask[i] != onDevice[i] {
					differ++
				}
			}
			assert.LessOrEqual(t, differ, len(mask)/100)
		})
	}
}

// TestBytesToDevice counts what a step of a training moves: crops with their numbers, or
// inputs of tasks without crops, labels, the learning rate and the gradient of the loss, which
// is one; and the loss with its counts.
func TestBytesToDevice(t *testing.T) {
	device := plugin(t)
	rotation := pretext.Rotation{Transform: squareView()}
	for _, k := range []struct {
		name string
		task pretext.Task
		each int // of an image
	}{
		{"crops", smallTask(), 3*10*8 + 4*10 + 4},
		{"crops that the device rotates", rotation, 3*8*8 + 4*10 + 4*4},
		{"inputs that are rotated", struct{ pretext.Task }{rotation}, 4*4*(3*8*8) + 4*4},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := smallTraining()
			c.Network, c.Epochs, c.GradClip, c.EMADecay = tinyNetwork(), 1, 5, 0.5
			var tr *training
			var ups, downs []int64
			rt := Runtime{Device: device, Recorder: record.Func(func(e record.Event) error {
				if _, ok := e.(record.Step); ok {
					up, down := tr.Device.Moved()
					ups, downs = append(ups, up), append(downs, down)
				}
				return nil
			})}
			var err error
			tr, err = newTraining(t.Context(), stripes{n: 18, fail: -1}, nil, k.task, c, rt)
			require.NoError(t, err)
			_, err = tr.train(t.Context())
			require.NoError(t, err)
			require.Len(t, ups, 3)
			assert.EqualValues(t, tr.Device.KeptBytes()+3*int64(c.Batch*k.each+4*2), ups[2], "what is kept, once; three batches, perhaps ahead of their steps")
			assert.EqualValues(t, 4*3, downs[2]-downs[1])
		})
	}
}

// TestSearchTasksOnDevice searches with tasks whose inputs a device makes of crops, in
// micro-batches, on a device and on the CPU.
func TestSearchTasksOnDevice(t *testing.T) {
	device := plugin(t)
	if testing.Short() {
		t.Skip("compiling takes seconds")
	}
	images, err := scenes.New(24, 16, 16, 1) // the size of the transform, so that crops are exact
	require.NoError(t, err)
	jigsaw, view := pretext.JigsawCIFAR10(), pretext.ScenesTransform(16)
	jigsaw.Transform.Height, jigsaw.Transform.Width = 16, 16
	view.Jitter = 0.1
	for _, task := range []pretext.Task{jigsaw, pretext.Rotation{Transform: view}, pretext.Colorization{Transform: view}} {
		t.Run(task.Name(), func(t *testing.T) {
			c := tiny(FirstOrder{})
			c.Space.Ops, c.Space.Backbone.Width, c.MicroBatch = ops.Set{ops.Skip(), ops.SepConv(3)}, 2, 3
			var runs [2][]float64
			for i, name := range []string{OwnDevice, device} {
				recorder, all := losses()
				_, err := Search(t.Context(), images, task, c, Runtime{Device: name, Recorder: recorder})
				require.NoError(t, err)
				runs[i] = *all
			}
			require.Greater(t, len(runs[0]), 3)
			assert.InEpsilonSlice(t, runs[0], runs[1], 1e-3)
		})
	}
}

// TestFineTuneOnDevice starts trainings with the weights of a pretext task.
func TestFineTuneOnDevice(t *testing.T) {
	device := plugin(t)
	c := smallTraining()
	c.Network, c.Epochs = tinyNetwork(), 1
	r, err := Train(t.Context(), stripes{n: 12, fail: -1}, nil, pretext.Rotation{Transform: squareView()}, c, Runtime{Device: device})
	require.NoError(t, err)
	c.Init, c.Freeze, c.Epochs = filepath.Join(t.TempDir(), "rotation.safetensors"), []string{"stem", "cells.0"}, 2
	require.NoError(t, r.Model().Save(c.Init))
	var runs [2][]float64
	for i, name := range []string{OwnDevice, device} {
		recorder, all := losses()
		tuned, err := Train(t.Context(), stripes{n: 12, fail: -1}, stripes{n: 5, fail: -1}, pretext.Classification{Transform: squareView(), Classes: 3}, c, Runtime{Device: name, Recorder: recorder})
		require.NoError(t, err)
		runs[i] = *all
		stem := "stem.0.weight"
		assert.Equal(t, r.Params.Data(r.Params.Find(stem)), tuned.Params.Data(tuned.Params.Find(stem)), "it is frozen")
	}
	assert.InEpsilonSlice(t, runs[0], runs[1], 5e-3, "levels of resized images are rounded for the device")
}

// TestResumeOnAnotherDevice warns, and resumes.
func TestResumeOnAnotherDevice(t *testing.T) {
	device := plugin(t)
	dir := filepath.Join(t.TempDir(), "run")
	ctx, stop := stopAfter(t, 2)
	_, err := keepRun(ctx, dir, resumableSource, tiny(FirstOrder{}), Runtime{Recorder: stop})
	require.ErrorIs(t, err, context.Canceled)
	var warnings []string
	var start record.Start
	_, err = keepRun(t.Context(), dir, resumableSource, tiny(FirstOrder{}), Runtime{Device: device, Recorder: record.Func(func(e record.Event) error {
		switch e := e.(type) {
		case record.Warning:
			warnings = append(warnings, e.Text)
		case record.Start:
			start = e
		}
		return nil
	})})
	require.NoError(t, err)
	assert.Contains(t, start.Device, "PJRT")
	require.NotEmpty(t, warnings)
	assert.Contains(t, warnings[0], `the run resumes with device `)
	assert.Contains(t, warnings[0], `rather than "cpu"`)
}

// TestRanksOnDevice gives equal bytes on one rank and on two.
func TestRanksOnDevice(t *testing.T) {
	device := plugin(t)
	c := tiny(FirstOrder{})
	c.MicroBatch = 3
	var want map[string]string
	for _, size := range []int{1, 2} {
		dir := filepath.Join(t.TempDir(), "run")
		require.NoError(t, errors.Join(onRanks(t, size, dir, func(_ int, rt Runtime) error {
			rt.Device = device
			_, err := Search(t.Context(), resumableSource, smallTask(), c, rt)
			return err
		})...))
		files := outcome(t, dir)
		if size == 1 {
			want = files
			continue
		}
		assertSame(t, want, files)
	}
}

// TestReplicasOnDevices compares runs on two devices with those on one, with the same micro-batches,
// and runs of two ranks, each with two devices, with those of one, whose gradients the host
// adds.
func TestReplicasOnDevices(t *testing.T) {
	device := plugin(t)
	t.Run("search", func(t *testing.T) {
		c := tiny(FirstOrder{})
		c.Batch, c.MicroBatch = 12, 6
		var runs [2][]float64
		var results [2]*SearchResult
		for i, name := range []string{device, device + ":1-2"} {
			recorder, all := losses()
			var err error
			results[i], err = Search(t.Context(), stripes{n: 48, fail: -1}, smallTask(), c, Runtime{Device: name, Recorder: recorder})
			require.NoError(t, err)
			runs[i] = *all
		}
		assert.InEpsilonSlice(t, runs[0], runs[1], 1e-5)
		assert.InDeltaSlice(t, results[0].Params.Alphas(), results[1].Params.Alphas(), 1e-4)
		assert.InDeltaSlice(t, results[0].Params.Running(), results[1].Params.Running(), 1e-4)
	})
	t.Run("training", func(t *testing.T) {
		c := smallTraining()
		c.Network, c.Epochs, c.MicroBatch, c.EMADecay, c.PreciseBN, c.EvaluateEvery, c.DropPath = tinyNetwork(), 2, c.Batch/2, 0.5, 6, 1, 0.3
		var runs [3][]float64
		var results [3]*TrainResult
		for i, name := range []string{device, device + ":0-1", device + ":2-3"} {
			recorder, all := losses()
			var err error
			results[i], err = Train(t.Context(), stripes{n: 18, fail: -1}, stripes{n: 19, fail: -1}, smallTask(), c, Runtime{Device: name, Recorder: recorder})
			require.NoError(t, err)
			runs[i] = *all
		}
		assert.InEpsilonSlice(t, runs[0], runs[1], 1e-5)
		assert.InDeltaSlice(t, results[0].Params.Running(), results[1].Params.Running(), 1e-4)
		assert.Equal(t, runs[1], runs[2], "equal devices give equal bits")
		assert.Equal(t, results[1].Params.Weights(), results[2].Params.Weights())
		var scores [2]*Evaluation
		for i, name := range []string{device, device + ":0-2"} {
			var err error
			scores[i], err = results[0].Model().Evaluate(t.Context(), stripes{n: 19, fail: -1}, Runtime{Device: name})
			require.NoError(t, err)
		}
		assert.Equal(t, scores[0], scores[1])
	})
	t.Run("two ranks of two devices", func(t *testing.T) {
		c := tiny(FirstOrder{})
		c.Batch, c.MicroBatch = 12, 3
		var want map[string]string
		for _, size := range []int{1, 2} {
			dir := filepath.Join(t.TempDir(), "run")
			require.NoError(t, errors.Join(onRanks(t, size, dir, func(rank int, rt Runtime) error {
				rt.Device = device + ":0-1"
				_, err := Search(t.Context(), stripes{n: 48, fail: -1}, smallTask(), c, rt)
				return err
			})...))
			files := outcome(t, dir)
			if size == 1 {
				want = files
				continue
			}
			assertSame(t, want, files)
		}
	})
	t.Run("bad batches", func(t *testing.T) {
		c := tiny(FirstOrder{})
		c.Batch = 12
		_, err := Search(t.Context(), stripes{n: 48, fail: -1}, smallTask(), c, Runtime{Device: device + ":0-3"})
		assert.EqualError(t, err, "darts: Batch 12 with MicroBatch 0 goes through the network at once, which 4 devices cannot share equally; set MicroBatch to 3 or to a divisor of it")
	})
}

// ownKernel is an operation with a kernel in Go.
type ownKernel struct{}

func (ownKernel) Name() string { return "own_kernel" }

func (ownKernel) Build(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
	y, err := ops.Skip().Build(s, x, c)
	if err != nil {
		return nil, err
	}
	return gorgonia.Tanh(y)
}

func TestDeviceRefuses(t *testing.T) {
	search := func(c SearchConfig, rt Runtime) error {
		_, err := Search(t.Context(), resumableSource, smallTask(), c, rt)
		return err
	}
	assert.ErrorContains(t, search(tiny(FirstOrder{}), Runtime{Device: "gpu"}), `darts: no plugin for device "gpu" was found in `)
	assert.ErrorContains(t, search(tiny(FirstOrder{}), Runtime{Device: filepath.Join(t.TempDir(), "plugin.so")}), "plugin.so")
	p, err := NewParams(tinyNetwork(), smallTask(), 1)
	require.NoError(t, err)
	m := &Model{Architecture: tinyNetwork(), Task: smallTask(), Params: p, Device: "gpu"}
	_, err = m.Predict(t.Context(), grey(5, 5, 1, 2, 3))
	assert.ErrorContains(t, err, `darts: no plugin for device "gpu" was found in `)
	_, err = m.Features(t.Context(), grey(5, 5, 1, 2, 3))
	assert.ErrorContains(t, err, `darts: no plugin for device "gpu" was found in `)
	c := tiny(FirstOrder{})
	c.Precision = TF32
	assert.ErrorContains(t, search(c, Runtime{}), `darts: Precision "tf32" is of devices, and Device is the CPU`)

	device := plugin(t)
	assert.ErrorContains(t, search(tiny(FirstOrder{}), Runtime{Device: device + ":7"}), "this machine has ")
	c = tiny(FirstOrder{})
	c.Space.Ops = append(c.Space.Ops, ownKernel{})
	err = search(c, Runtime{Device: device})
	require.ErrorContains(t, err, "cannot run on this device")
	assert.ErrorContains(t, err, "tanh")
}

// TestDevices finds what the plugin of TestSearchOnDevice drives.
func TestDevices(t *testing.T) {
	path := plugin(t)
	for _, d := range Devices() {
		if d.Plugin != path {
			continue
		}
		assert.Equal(t, path, d.Name)
		assert.NoError(t, d.Err)
		assert.NotEmpty(t, d.Kinds)
		assert.Contains(t, d.Version, "PJRT")
		return
	}
	assert.Fail(t, fmt.Sprintf("%s is not listed", path))
}
