package darts_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset/scenes"
	"unnas/darts/record"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

var _ darts.Evaluator = segmentation.Task{}

// labelled returns a small task and the settings of a short training for it.
func labelled() (segmentation.Task, darts.TrainConfig) {
	g, _ := cell.GenotypeByName("unnas_cityscapes_jig")
	task := segmentation.Task{Transform: pretext.CityscapesTransform(33, 40), ASPP: segmentation.ASPP{Channels: 6, Rates: []int{1, 2}, Classes: 19}}
	task.Transform.Width = 49
	c := darts.Training(g)
	c.Network = cell.Network{Backbone: cell.Backbone{Stem: cell.ImageNetStem, Width: 4, Cells: 3, Reductions: []int{1}}, Genotype: g, Ops: ops.All()}
	c.Epochs, c.Batch, c.Auxiliary, c.DropPath, c.Seed = 4, 6, 0, 0, 5
	return task, c
}

func drawn(t *testing.T, n int, seed uint64) *scenes.Set {
	s, err := scenes.New(n, 56, 40, seed)
	require.NoError(t, err)
	return s
}

type recorder func(record.Event) error

func (r recorder) Record(e record.Event) error { return r(e) }

// TestTrainSegmentation compares what a training tells with what its network, and
// the masks, tell afterwards.
func TestTrainSegmentation(t *testing.T) {
	task, c := labelled()
	var rt darts.Runtime
	c.EMADecay, c.PreciseBN = 0.5, 12
	var epochs []record.Epoch
	var warnings []string
	rt.Recorder = recorder(func(e record.Event) error {
		switch e := e.(type) {
		case record.Epoch:
			epochs = append(epochs, e)
		case record.Warning:
			warnings = append(warnings, e.Text)
		}
		return nil
	})
	held := drawn(t, 7, 2)
	r, err := darts.Train(t.Context(), drawn(t, 24, 1), held, task, c, rt)
	require.NoError(t, err)

	p, err := segmentation.NewPredictor(segmentation.Network{Architecture: c.Network, Task: task}, r.Params, segmentation.PredictorConfig{})
	require.NoError(t, err)
	counted, err := p.Evaluate(t.Context(), held)
	require.NoError(t, err)
	mean, absent := counted.MeanIoU()
	want := map[string]float64{"accuracy": counted.Accuracy()}
	for k, iou := range counted.IoU() {
		if !slices.Contains(absent, k) {
			want[fmt.Sprintf("iou_%d", k)] = iou
		}
	}
	require.Len(t, epochs, 4)
	assert.Equal(t, want, epochs[3].Scores)
	assert.Equal(t, mean, r.Last.ValScore)
	assert.Equal(t, "miou", r.Best.ScoreName)
	assert.True(t, math.IsNaN(r.Last.ValLoss))

	told := strings.Join(warnings, "\n")
	for k := range 19 {
		name, times := fmt.Sprintf("iou_%d", k), 0
		missing := slices.ContainsFunc(epochs, func(e record.Epoch) bool { _, known := e.Scores[name]; return !known })
		if missing {
			times = 1
		}
		assert.Equal(t, times, strings.Count(told, " "+name+",")+strings.Count(told, " "+name+" "), "%s in %q", name, told)
	}
	assert.Contains(t, absent, 16, "scenes have no trains, and the network knows")
	assert.NotContains(t, absent, 10, "each has a sky")
}

// slow is a source that tells of every image it loads.
type slow struct {
	darts.Source
	loaded func()
}

func (s slow) Load(ctx context.Context, i int) (*pretext.Image, error) {
	s.loaded()
	return s.Source.Load(ctx, i)
}

// TestTrainSegmentationGoesOn stops a training in its evaluations, with the image
// that it is at.
func TestTrainSegmentationGoesOn(t *testing.T) {
	train := func(ctx context.Context, dir string, held darts.Source) (*darts.TrainResult, error) {
		folder, err := darts.OpenRunDir(dir)
		require.NoError(t, err)
		task, c := labelled()
		var rt darts.Runtime
		c.EMADecay, c.PreciseBN, rt.Dir = 0.5, 12, folder
		r, err := darts.Train(ctx, drawn(t, 14, 1), held, task, c, rt)
		require.NoError(t, folder.Close())
		return r, err
	}
	root := t.TempDir()
	want, err := train(t.Context(), filepath.Join(root, "whole"), drawn(t, 5, 2))
	require.NoError(t, err)
	dir := filepath.Join(root, "stopped")
	for _, stop := range []int{3, 9, 7} { // with the first image, loads of one part
		ctx, cancel := context.WithCancel(t.Context())
		loads := 0
		_, err := train(ctx, dir, slow{drawn(t, 5, 2), func() {
			if loads++; loads == stop {
				cancel()
			}
		}})
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, stop, loads)
	}
	got, err := train(t.Context(), dir, drawn(t, 5, 2))
	require.NoError(t, err)
	assert.Equal(t, want.Params.Weights(), got.Params.Weights())
	assert.Equal(t, want.Params.Running(), got.Params.Running())
	assert.Equal(t, want.Best.Scores, got.Best.Scores)
	lines, err := os.ReadFile(filepath.Join(root, "whole", "metrics.jsonl"))
	require.NoError(t, err)
	again, err := os.ReadFile(filepath.Join(dir, "metrics.jsonl"))
	require.NoError(t, err)
	assert.Equal(t, string(lines), string(again))
}

// TestTrainSegmentationMemory has the memory of the whole images in the plan.
func TestTrainSegmentationMemory(t *testing.T) {
	task, c := labelled()
	rt := darts.Runtime{Workers: 1}
	c.Epochs = 1
	planned := func(held darts.Source) (bytes int64, params *ops.Params) {
		rt.Recorder = recorder(func(e record.Event) error {
			if s, ok := e.(record.Start); ok {
				bytes = s.PlannedBytes
			}
			return nil
		})
		r, err := darts.Train(t.Context(), drawn(t, 6, 1), held, task, c, rt)
		require.NoError(t, err)
		return bytes, r.Params
	}
	without, params := planned(nil)
	with, _ := planned(drawn(t, 1, 2))
	p, err := segmentation.NewPredictor(segmentation.Network{Architecture: c.Network, Task: task}, params, segmentation.PredictorConfig{})
	require.NoError(t, err)
	whole, err := p.Bytes(40, 56)
	require.NoError(t, err)
	best := 4 * int64(params.Count())
	assert.Equal(t, whole+best, with-without)
	rt.Memory = with - 1
	_, err = darts.Train(t.Context(), drawn(t, 6, 1), drawn(t, 1, 2), task, c, rt)
	require.ErrorContains(t, err, "darts: a batch of 6 images needs ")
}

func TestTrainSegmentationRefuses(t *testing.T) {
	task, c := labelled()
	images := drawn(t, 6, 1)
	for name, test := range map[string]struct {
		held darts.Source
		want string
	}{
		"no mask":   {bare{images}, "darts: segmentation: image 0 has no mask; use a data set with masks"},
		"no labels": {blank{images}, "darts: the miou of the validation images is not a number; do any of their labels count?"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := darts.Train(t.Context(), images, test.held, task, c, darts.Runtime{})
			require.ErrorContains(t, err, test.want)
		})
	}
	one := c
	one.MicroBatch = 1 // the head normalises the mean over an image
	_, err := darts.Train(t.Context(), images, images, task, one, darts.Runtime{})
	require.ErrorContains(t, err, "aspp5.1.running_mean: a batch of one value per channel has no variance; use two or more images per micro-batch")
	c.Network = cell.NASBenchNetwork{
		Backbone: cell.NASBenchBackbone{Stem: cell.ImageNetStem, Width: 4, Stacks: 1, Modules: 1},
		Cell:     cell.NASBenchCell{Matrix: [][]int{{0, 1}, {0, 0}}, Ops: []string{"input", "output"}},
	}
	_, err = darts.Train(t.Context(), images, images, task, c, darts.Runtime{})
	require.ErrorContains(t, err, "an architecture of type cell.NASBenchNetwork does not report its output stride")
}

// bare is a source whose images have no masks, blank one whose masks do not count.
type bare struct{ darts.Source }

func (b bare) Load(ctx context.Context, i int) (*pretext.Image, error) {
	img, err := b.Source.Load(ctx, i)
	img.Mask = nil
	return img, err
}

type blank struct{ darts.Source }

func (b blank) Load(ctx context.Context, i int) (*pretext.Image, error) {
	img, err := b.Source.Load(ctx, i)
	img.Mask = slices.Repeat([]uint8{255}, len(img.Mask))
	return img, err
}

// unmarked are scenes of whose pixels none counts.
type unmarked struct{ darts.Source }

func (u unmarked) Load(ctx context.Context, i int) (*pretext.Image, error) {
	img, err := u.Source.Load(ctx, i)
	if err != nil {
		return nil, err
	}
	blank := *img
	blank.Mask = bytes.Repeat([]byte{255}, len(img.Mask))
	return &blank, nil
}

// TestTrainWithoutLabels ends a training in which no pixel counts.
func TestTrainWithoutLabels(t *testing.T) {
	task, c := labelled()
	_, err := darts.Train(t.Context(), unmarked{drawn(t, 12, 1)}, drawn(t, 3, 2), task, c, darts.Runtime{})
	assert.ErrorContains(t, err, "nothing counted in the losses of a whole epoch")
}
