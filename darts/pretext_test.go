package darts

import (
	"context"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/darts/dataset"
	"unnas/darts/dataset/scenes"
	"unnas/darts/record"
	"unnas/internal/engine"
	"unnas/internal/format"
	"unnas/internal/loader"
	"unnas/ops"
	"unnas/pretext"
)

// floatTasks are tasks with patches, float targets, and views that are compared.
func floatTasks() []pretext.Task {
	view := pretext.ScenesTransform(16)
	return []pretext.Task{
		pretext.RelativePatch{Transform: view, Patch: 4, Gap: 2, GrayscaleProb: 0.3},
		pretext.Reconstruction{Transform: view, Block: 4, Detail: 2, MaskRatio: 0.5},
		pretext.Contrastive{Transform: view, Strength: 0.5, GrayscaleProb: 0.2, Projection: 8, Temperature: 0.5},
	}
}

func tinySearch() SearchConfig {
	c := microBatch(FirstOrder{}, 3)
	c.Space = cell.DARTS(cell.CIFARStem, 2, 3)
	c.Space.Ops, c.Space.Nodes = c.Space.Ops[:5], 2
	c.Space.Backbone.Reductions = cell.Reductions(3, 1)
	c.Epochs, c.ArchStartEpoch = 2, 0
	return c
}

// TestSearchPretextTasks searches the built-in scenes with each task, in micro-batches.
// A search that is stopped, on more cores and with more workers, leaves the same bytes.
func TestSearchPretextTasks(t *testing.T) {
	images, err := scenes.New(21, 24, 20, 1)
	require.NoError(t, err)
	for _, task := range floatTasks() {
		t.Run(task.Name(), func(t *testing.T) {
			c := tinySearch()
			rt := Runtime{Workers: 1}
			dir := filepath.Join(t.TempDir(), "run")
			r, err := keepTask(t.Context(), dir, images, task, c, rt)
			require.NoError(t, err)
			assert.Equal(t, 2, r.Epochs)
			for _, x := range []float64{r.Last.TrainLoss, r.Last.TrainScore, r.Last.ValLoss, r.Last.ValScore} {
				assert.True(t, format.Finite(x))
			}
			assert.Positive(t, r.Last.TrainLoss)

			again := filepath.Join(t.TempDir(), "run")
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
			rt.Workers = 3
			var ctx context.Context
			ctx, rt.Recorder = stopAfter(t, 1)
			_, err = keepTask(ctx, again, images, task, c, rt)
			require.ErrorIs(t, err, context.Canceled)
			rt.Recorder = nil
			_, err = keepTask(t.Context(), again, images, task, c, rt)
			require.NoError(t, err)
			assertSame(t, outcome(t, dir), outcome(t, again))
		})
	}
}

// TestTrainPretextTasks trains a network with each task and evaluates it on more images
// than fit a batch. The epochs are compared by the score of the task.
func TestTrainPretextTasks(t *testing.T) {
	images, err := scenes.New(22, 24, 20, 1)
	require.NoError(t, err)
	train, held := dataset.Subset(images, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}), dataset.Subset(images, []int{11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21})
	for _, task := range floatTasks() {
		t.Run(task.Name(), func(t *testing.T) {
			c := smallTraining()
			c.Network = cell.Network{Backbone: cell.DARTS(cell.CIFARStem, 4, 1).Backbone, Genotype: c.Network.(cell.Network).Genotype, Ops: ops.All()}
			c.EvaluateEvery, c.DropPath, c.LR.Base = 1, 0.2, 0.05
			var epochs []record.Epoch
			rt := Runtime{Recorder: record.Func(func(e record.Event) error {
				if e, ok := e.(record.Epoch); ok {
					epochs = append(epochs, e)
				}
				return nil
			})}
			r, err := Train(t.Context(), train, held, task, c, rt)
			require.NoError(t, err)
			want := map[string]string{"relative_patch": "top1", "reconstruction": "mse", "contrastive": "contrastive_top1"}[task.Name()]
			best := func(a, b record.Epoch) int {
				if a.ValScore < b.ValScore {
					return -1
				}
				return 1
			}
			e := slices.MaxFunc(epochs, best)
			if want == "mse" {
				e = slices.MinFunc(epochs, best)
				assert.InDelta(t, e.ValLoss, e.ValScore, 1e-6)
			}
			assert.Equal(t, want, r.Best.ScoreName)
			assert.Equal(t, e.ValScore, r.Best.ValScore)
			assert.True(t, format.Finite(r.Best.ValScore))

			p, err := modelOf(t, c.Network, task, r.Params)
			require.NoError(t, err)
			img, err := images.Load(t.Context(), 0)
			require.NoError(t, err)
			rows, err := p.Logits(t.Context(), img)
			require.NoError(t, err)
			assert.Len(t, rows, 1)
			_, err = p.Predict(t.Context(), img)
			if task.Spec().Classes == 0 {
				assert.EqualError(t, err, "darts: task "+task.Name()+" predicts no classes; take its Logits or Features")
				c.Auxiliary = 0.4
				_, err = Train(t.Context(), train, held, task, c, Runtime{})
				assert.ErrorContains(t, err, "an auxiliary head predicts one class for each input: set Auxiliary to 0")
				return
			}
			assert.NoError(t, err)
		})
	}
}

// unscored is a task without a score, whose validation losses are made up.
type unscored struct{ pretext.Task }

func (j unscored) Loss(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
	l, err := j.Task.Loss(logits, targets)
	l.Score, l.Metric = nil, ops.Metric{}
	return l, err
}

// TestTrainIsJudgedByItsLoss if the task has no score: the lowest is the best.
func TestTrainIsJudgedByItsLoss(t *testing.T) {
	c := smallTraining()
	c.EvaluateEvery = 1
	src, held := stripes{n: 12, fail: -1}, stripes{n: 3, fail: -1}
	run, err := newTraining(t.Context(), src, held, unscored{smallTask()}, c, Runtime{})
	require.NoError(t, err)
	part, losses := run.Part, []float64{3, 1, 2}
	run.Part = func(r *engine.Runner, b loader.Batch) (engine.Pass, error) {
		p, err := part(r, b)
		if r == run.eval {
			p.Loss = losses[0]
			p.Score = p.Loss * p.Count
			losses = losses[1:]
		}
		return p, err
	}
	r, err := run.train(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, r.Best.Epoch)
	assert.Equal(t, "loss", r.Best.ScoreName)
	assert.Equal(t, []float64{1, 1}, []float64{r.Best.ValScore, r.Best.ValLoss})
	assert.InDelta(t, r.Last.TrainLoss, r.Last.TrainScore, 1e-12)
}

// TestNothingCounts stops a run in which nothing is learned: there is one image to
// compare in each micro-batch.
func TestNothingCounts(t *testing.T) {
	images, err := scenes.New(20, 24, 20, 1)
	require.NoError(t, err)
	task := floatTasks()[2]
	c := tinySearch()
	c.MicroBatch = 1
	_, err = Search(t.Context(), images, task, c, Runtime{})
	assert.ErrorContains(t, err, "darts: nothing counted in the losses of a whole epoch")
	train := smallTraining()
	train.MicroBatch = 1
	train.Network = cell.Network{Backbone: cell.DARTS(cell.CIFARStem, 4, 1).Backbone, Genotype: train.Network.(cell.Network).Genotype, Ops: ops.All()}
	_, err = Train(t.Context(), images, nil, task, train, Runtime{})
	assert.ErrorContains(t, err, "darts: nothing counted in the losses of a whole epoch")
}

// unfit is a task whose Spec or Loss does not fit the rest.
type unfit struct {
	pretext.Task
	spec func(pretext.Spec) pretext.Spec
	loss func(ops.Loss) ops.Loss
}

func (u unfit) Spec() pretext.Spec { return u.spec(u.Task.Spec()) }

func (u unfit) Loss(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
	l, err := u.Task.Loss(logits, targets)
	return u.loss(l), err
}

// TestTasksThatDoNotFit are refused when networks are built.
func TestTasksThatDoNotFit(t *testing.T) {
	same := func(s pretext.Spec) pretext.Spec { return s }
	whole := func(l ops.Loss) ops.Loss { return l }
	for want, task := range map[string]unfit{
		"head of classification: pretext: the head returns the shape (6, 3) for 6 images, want [6, 4]": {smallTask(), func(s pretext.Spec) pretext.Spec { s.Classes = 4; return s }, whole},
		"pretext: Spec.LabelShape and Spec.TargetShape are empty":                                      {smallTask(), func(s pretext.Spec) pretext.Spec { s.LabelShape = nil; return s }, whole},
		`loss of classification: Metric.Name is ""`:                                                    {smallTask(), same, func(l ops.Loss) ops.Loss { l.Metric.Name = ""; return l }},
		`loss of classification: Metric.Name is "top1"`:                                                {smallTask(), same, func(l ops.Loss) ops.Loss { l.Score = nil; return l }},
	} {
		_, err := Train(t.Context(), stripes{n: 12, fail: -1}, nil, task, smallTraining(), Runtime{})
		assert.ErrorContains(t, err, want)
		_, err = Search(t.Context(), stripes{n: 33, fail: -1}, task, tinySearch(), Runtime{})
		assert.Error(t, err)
	}
	_, err := NewParams(smallTraining().Network, unfit{smallTask(), func(s pretext.Spec) pretext.Spec { s.Classes = 256; return s }, whole}, 1)
	assert.ErrorContains(t, err, "want [1, 256], a row of Spec.Classes logits for each label; correct Head or Spec")
}
