package darts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/record"
	"unnas/internal/engine"
	"unnas/internal/loader"
	"unnas/internal/rng"
	"unnas/ops"
	"unnas/pretext"
)

// smallTraining returns settings that train a network of few channels.
func smallTraining() TrainConfig {
	g, _ := cell.GenotypeByName("darts_v2")
	c := Training(g)
	c.Network = cell.Network{Backbone: cell.DARTS(cell.CIFARStem, 4, 3).Backbone, Genotype: g, Ops: ops.All()}
	c.Epochs, c.Batch, c.Auxiliary, c.DropPath, c.Seed = 3, 6, 0, 0, 7
	return c
}

func TestTrainLearns(t *testing.T) {
	c := smallTraining()
	var rt Runtime
	c.Epochs, c.LR.Base = 8, 0.05
	var epochs []record.Epoch
	var done record.Done
	rt.Recorder = record.Func(func(e record.Event) error {
		switch e := e.(type) {
		case record.Epoch:
			epochs = append(epochs, e)
		case record.Done:
			done = e
		}
		return nil
	})
	r, err := Train(t.Context(), stripes{n: 72, fail: -1}, stripes{n: 25, fail: -1}, smallTask(), c, rt)
	require.NoError(t, err)
	require.Len(t, epochs, 8)
	assert.Less(t, epochs[7].TrainLoss, 0.7*epochs[0].TrainLoss)
	assert.Greater(t, r.Best.ValScore, 0.8)
	best := slices.MaxFunc(epochs, func(a, b record.Epoch) int { return int(math.Copysign(1, a.ValScore-b.ValScore)) })
	assert.Equal(t, best.ValScore, r.Best.ValScore)
	assert.Equal(t, r.Last.ValLoss, epochs[7].ValLoss)
	assert.True(t, math.IsNaN(r.Last.Entropy))
	assert.Equal(t, []int{8, 96, 8, 576}, []int{r.Epochs, r.Steps, done.Epochs, done.Images})
	size, err := Measure(c.Network, smallTask())
	require.NoError(t, err)
	assert.Equal(t, size, r.Size)
}

// trainIn does a part of a training in dir, as long as ctx holds.
func trainIn(ctx context.Context, dir string, c TrainConfig, rt Runtime) (*TrainResult, error) {
	return trainOn(ctx, dir, smallTask(), c, rt)
}

func trainOn(ctx context.Context, dir string, task pretext.Task, c TrainConfig, rt Runtime) (*TrainResult, error) {
	folder, err := OpenRunDir(dir)
	if err != nil {
		return nil, err
	}
	folder.Interval = 0
	rt.Dir = folder
	r, err := Train(ctx, stripes{n: 33, fail: -1}, stripes{n: 11, fail: -1}, task, c, rt)
	return r, errors.Join(err, folder.Close())
}

// everything returns settings that use all that a training has.
func everything() TrainConfig {
	c := smallTraining()
	c.MicroBatch, c.DropPath, c.EMADecay, c.PreciseBN, c.EvaluateEvery, c.Nesterov = 3, 0.3, 0.5, 9, 2, true
	return c
}

// TestTrainGoesOn stops a training between and in its epochs.
func TestTrainGoesOn(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole")
	want, err := trainIn(t.Context(), whole, everything(), Runtime{})
	require.NoError(t, err)
	lines, err := os.ReadFile(filepath.Join(whole, record.File))
	require.NoError(t, err)
	for _, stops := range [][]int{{4}, {5, 5}, {7, 1, 6}} {
		dir := filepath.Join(t.TempDir(), "run")
		for _, n := range stops {
			c := everything()
			var rt Runtime
			var ctx context.Context
			ctx, rt.Recorder = stopAfter(t, n)
			_, err := trainIn(ctx, dir, c, rt)
			require.ErrorIs(t, err, context.Canceled)
		}
		c := everything()
		var rt Runtime
		rt.Workers, rt.Recompute = 3, true // what changes no result may change
		got, err := trainIn(t.Context(), dir, c, rt)
		require.NoError(t, err)
		assert.Equal(t, want.Params.Weights(), got.Params.Weights(), "%v", stops)
		assert.Equal(t, want.Params.Running(), got.Params.Running(), "%v", stops)
		assert.Equal(t, want.Best.Epoch, got.Best.Epoch)
		assert.Equal(t, want.Best.ValLoss, got.Best.ValLoss)
		again, err := os.ReadFile(filepath.Join(dir, record.File))
		require.NoError(t, err)
		assert.Equal(t, string(lines), string(again))
	}
	c := everything()
	c.EMADecay = 0.6
	_, err = trainIn(t.Context(), whole, c, Runtime{})
	assert.ErrorContains(t, err, "config.ema_decay: 0.5 → 0.6")
}

// TestTrainStep follows one step of Nesterov's SGD and of the average by the
// gradient that the training itself computes.
func TestTrainStep(t *testing.T) {
	c := smallTraining()
	c.Nesterov, c.GradClip, c.EMADecay, c.Epochs = true, 0, 0.75, 1
	images := stripes{n: 6, fail: -1}
	run, err := newTraining(t.Context(), images, nil, smallTask(), c, Runtime{})
	require.NoError(t, err)
	before := slices.Clone(run.Params.Weights())
	r, err := run.train(t.Context())
	require.NoError(t, err)
	grads := run.Params.WeightGrads()
	for i, w := range before {
		g := float64(grads[i]) + c.WeightDecay*float64(w)
		stepped := float64(w) - c.LR.Base*(1+c.Momentum)*g
		want := 0.75*float64(w) + 0.25*stepped
		require.InDelta(t, want, r.Params.Weights()[i], 1e-6)
	}
	assert.True(t, math.IsNaN(r.Last.ValLoss), "nothing is evaluated")
	assert.Zero(t, r.Best)
}

// TestPreciseStatistics compares with the mean over the same batches, found with
// running averages that forget at once.
func TestPreciseStatistics(t *testing.T) {
	c := smallTraining()
	c.PreciseBN, c.Epochs = 13, 1 // two batches of six
	run, err := newTraining(t.Context(), stripes{n: 33, fail: -1}, stripes{n: 5, fail: -1}, smallTask(), c, Runtime{})
	require.NoError(t, err)
	run.ctx = t.Context()
	stem := run.Params.Stats()[0]
	require.NoError(t, run.takeStatistics())
	b := run.statsLoader.Epoch(t.Context(), 0, 0)
	defer b.Close()
	var mean, variance, squares float64
	for range 2 {
		batch, err := b.Next()
		require.NoError(t, err)
		m, v := stemMoments(run, batch.X)
		mean += m / 2
		variance += v / 2
		squares += m * m / 2
	}
	assert.InDelta(t, mean, stem.Mean[0], 1e-5)
	assert.InEpsilon(t, variance+squares-mean*mean, stem.Var[0], 2e-5)
}

// TestPooledStatistics follows precise statistics by hand, from batches of which one
// channel has the means 1, 4, 4 and the variances 2, 3, 7: the pooled variance is
// E[v + m²] - E[m]² = (3 + 19 + 23)/3 - 9 = 6, more than the mean of the variances.
func TestPooledStatistics(t *testing.T) {
	c := smallTraining()
	c.PreciseBN, c.Epochs = 18, 1
	run, err := newTraining(t.Context(), stripes{n: 33, fail: -1}, stripes{n: 5, fail: -1}, smallTask(), c, Runtime{})
	require.NoError(t, err)
	run.ctx = t.Context()
	means, variances := []float32{1, 4, 4}, []float32{2, 3, 7}
	batches, fault := 0, errors.New("broken")
	run.Part = func(r *engine.Runner, b loader.Batch) (engine.Pass, error) {
		require.Same(t, run.stats, r)
		if batches == len(means) {
			return engine.Pass{}, fault
		}
		for _, s := range run.Params.Stats() {
			for i := range s.Mean {
				s.Mean[i], s.Var[i] = means[batches], variances[batches]
			}
		}
		batches++
		return engine.Pass{}, nil
	}
	require.NoError(t, run.takeStatistics())
	for _, s := range run.Params.Stats() {
		for i := range s.Mean {
			require.Equal(t, []float32{3, 6}, []float32{s.Mean[i], s.Var[i]}, s.Name)
		}
	}
	before := slices.Clone(run.Params.Running())
	batches = 1
	require.ErrorIs(t, run.takeStatistics(), fault)
	assert.Equal(t, before, run.Params.Running(), "statistics of a part of the images are none")
	run.c.PreciseBN = 1 << 20 // at most all
	means, variances, batches = make([]float32, 6), make([]float32, 6), 0
	require.NoError(t, run.takeStatistics())
	assert.Equal(t, 5, batches, "of 33 images in sixes")
}

// TestPooledStatisticsOfAConstant rounds sums of squares of many batches to less than
// the square of the mean: a variance is not negative.
func TestPooledStatisticsOfAConstant(t *testing.T) {
	c := smallTraining()
	c.PreciseBN, c.Epochs = 600, 1
	run, err := newTraining(t.Context(), stripes{n: 600, fail: -1}, stripes{n: 5, fail: -1}, smallTask(), c, Runtime{})
	require.NoError(t, err)
	run.ctx = t.Context()
	const constant = 98222.9921875
	run.Part = func(*engine.Runner, loader.Batch) (engine.Pass, error) {
		for _, s := range run.Params.Stats() {
			for i := range s.Mean {
				s.Mean[i], s.Var[i] = constant, 0
			}
		}
		return engine.Pass{}, nil
	}
	require.NoError(t, run.takeStatistics())
	for _, s := range run.Params.Stats() {
		require.Equal(t, []float32{constant, 0}, []float32{s.Mean[0], s.Var[0]}, s.Name)
	}
}

// TestStatisticsOfAStoppedTraining ends a training while it takes precise statistics:
// what it returns are its running averages.
func TestStatisticsOfAStoppedTraining(t *testing.T) {
	c := smallTraining()
	var rt Runtime
	c.PreciseBN, c.Epochs = 24, 1
	src, held := stripes{n: 48, fail: -1}, stripes{n: 6, fail: -1}
	ctx, cancel := context.WithCancel(t.Context())
	rt.Recorder = record.Func(func(e record.Event) error {
		if p, ok := e.(record.Progress); ok && p.Work == "measuring batch norm" {
			cancel()
		}
		return nil
	})
	got, err := Train(ctx, src, held, smallTask(), c, rt)
	require.ErrorIs(t, err, context.Canceled)
	c.PreciseBN, rt.Recorder = 0, nil
	want, err := Train(t.Context(), src, held, smallTask(), c, rt)
	require.NoError(t, err)
	assert.Equal(t, want.Params.Running(), got.Params.Running())
}

// TestNothingIsEvaluated plans nothing for precise statistics that are not needed.
func TestNothingIsEvaluated(t *testing.T) {
	c := smallTraining()
	without, err := newTraining(t.Context(), stripes{n: 33, fail: -1}, nil, smallTask(), c, Runtime{})
	require.NoError(t, err)
	c.PreciseBN = 24
	with, err := newTraining(t.Context(), stripes{n: 33, fail: -1}, nil, smallTask(), c, Runtime{})
	require.NoError(t, err)
	assert.Nil(t, with.statsLoader)
	assert.Equal(t, without.Bytes, with.Bytes)
}

// TestLastOfCompleteTraining resumes a training that is complete, of an epoch whose
// evaluation has figures that JSON has no numbers for.
func TestLastOfCompleteTraining(t *testing.T) {
	for name, task := range map[string]pretext.Task{
		"accuracy":      smallTask(),
		"own":           scored{smallTask(), "miou", false, map[string]float64{"miou": 0.5, "iou_1": 0.25}},
		"infinite":      scored{smallTask(), "psnr", false, map[string]float64{"psnr": math.Inf(1), "loss": math.Inf(1), "accuracy": math.NaN()}},
		"below nothing": scored{smallTask(), "gain", false, map[string]float64{"gain": math.Inf(-1)}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			var all []string
			var best [][]float32
			for range 2 {
				r, err := trainOn(t.Context(), dir, task, smallTraining(), Runtime{})
				require.NoError(t, err)
				assert.Equal(t, 3, r.Last.Epoch)
				best = append(best, slices.Concat(r.BestParams.Weights(), r.BestParams.Running()))
				r.Params, r.BestParams = nil, nil
				r.Config = TrainConfig{}
				all = append(all, fmt.Sprintf("%+v", *r)) // in which NaN is NaN
			}
			assert.Equal(t, all[0], all[1])
			assert.Equal(t, best[0], best[1])
		})
	}
}

// scored is a task whose evaluation always gives the same scores.
type scored struct {
	pretext.Task
	metric string
	lower  bool
	scores map[string]float64
}

func (s scored) Metric() (string, bool) { return s.metric, s.lower }

func (s scored) Evaluate(context.Context, cell.Architecture, *ops.Params, pretext.Source, string) (func(context.Context, []int) ([]float64, error), int64, error) {
	return func(context.Context, []int) ([]float64, error) { return nil, nil }, 0, nil
}

func (s scored) Scores([]float64) map[string]float64 { return maps.Clone(s.scores) }

func TestScores(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for name, test := range map[string]struct {
		metric   string
		scores   map[string]float64
		want     string // error
		warnings []string
		line     string // of metrics.jsonl
	}{
		"own":              {"miou", map[string]float64{"miou": 0.5, "accuracy": 0.75, "loss": 2}, "", nil, `"val_loss":2,"val_score":0.5,"entropy":null,"skip_weight":null,"pool_weight":null,"stability":null,"eigenvalue":null,"genotype":"","normal":null,"reduce":null,"val_accuracy":0.75,"score_name":"miou"}`},
		"that of the loss": {"accuracy", map[string]float64{"accuracy": 0.75}, "", nil, `"val_loss":null,"val_score":0.75,"entropy":null,"skip_weight":null,"pool_weight":null,"stability":null,"eigenvalue":null,"genotype":"","normal":null,"reduce":null,"score_name":"accuracy"}`},
		"infinite ones":    {"miou", map[string]float64{"miou": inf, "a": -inf, "b": nan, "c": inf}, "", []string{"after epoch 1, what is measured as b occurs nowhere in the validation images: no number is recorded", "after epoch 1, a, c is infinite: no number is recorded"}, `"val_score":null,"entropy":null`},
		"not there":        {"miou", map[string]float64{"iou": 1}, `darts: the evaluation gives ["iou"], without the score "miou" by which epochs are compared`, nil, ""},
		"no name":          {"", nil, `darts: the metric of task classification is named ""; use letters`, nil, ""},
		"named as another": {"loss", map[string]float64{"loss": 1}, `is named "loss"; use letters, digits and any of "_.-", and neither loss nor score`, nil, ""},
		"named score":      {"miou", map[string]float64{"miou": 1, "score": 1}, `darts: a score is named "score"`, nil, ""},
		"not a number":     {"miou", map[string]float64{"miou": nan}, "darts: the miou of the validation images is not a number", nil, ""},
		"bad name":         {"miou", map[string]float64{"miou": 1, "a b": 1}, `darts: a score is named "a b"; use letters`, nil, ""},
		"name that quotes": {"miou", map[string]float64{"miou": 1, `a":1,"b`: 1}, `darts: a score is named "a\":1,\"b"; use letters`, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			c := smallTraining()
			var rt Runtime
			var warnings []string
			rt.Recorder = record.Func(func(e record.Event) error {
				if w, ok := e.(record.Warning); ok {
					warnings = append(warnings, w.Text)
				}
				return nil
			})
			_, err := trainOn(t.Context(), dir, scored{smallTask(), test.metric, false, test.scores}, c, rt)
			if test.want != "" {
				require.ErrorContains(t, err, test.want)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.warnings, warnings, "once")
			assert.Contains(t, contents(t, dir)[record.File], test.line)
		})
	}
}

// stemMoments returns the mean and the unbiased variance of the first channel of
// the stem's convolution, by plain loops.
func stemMoments(t *training, x []float32) (mean, variance float64) {
	const h, w = 10, 8
	q := t.Params.Find("stem.0.weight")
	weight, out := t.Params.Data(q), q.Shape[3]
	var values []float64
	for n := range len(x) / (h * w * 3) {
		for y := range h {
			for c := range w {
				sum := 0.0
				for i := range 27 {
					dy, dx, channel := i/9-1, i/3%3-1, i%3
					if yy, xx := y+dy, c+dx; yy >= 0 && yy < h && xx >= 0 && xx < w {
						sum += float64(x[((n*h+yy)*w+xx)*3+channel]) * float64(weight[i*out])
					}
				}
				values = append(values, sum)
				mean += sum
			}
		}
	}
	mean /= float64(len(values))
	for _, v := range values {
		variance += (v - mean) * (v - mean) / float64(len(values)-1)
	}
	return mean, variance
}

// TestDroppedPaths draws factors with the probability of the epoch and mean one.
func TestDroppedPaths(t *testing.T) {
	c := smallTraining()
	c.DropPath, c.Epochs = 0.4, 4
	run, err := newTraining(t.Context(), stripes{n: 600, fail: -1}, nil, smallTask(), c, Runtime{})
	require.NoError(t, err)
	run.ctx = t.Context()
	for epoch, drop := range []float64{0, 0.1, 0.2, 0.3} {
		run.epoch, run.step = epoch, 0
		run.open(t.Context())
		zeros, all := 0, 0
		for run.step = range 100 {
			require.NoError(t, run.fetch())
			_, err := run.pass()
			require.NoError(t, err)
			for _, factors := range run.paths {
				for _, f := range factors {
					all++
					if f == 0 {
						zeros++
					} else {
						require.InEpsilon(t, 1/(1-drop), f, 1e-6)
					}
				}
			}
		}
		run.close()
		assert.InDelta(t, drop, float64(zeros)/float64(all), 0.02)
	}
}

// TestAmongFive counts by hand.
func TestAmongFive(t *testing.T) {
	task := pretext.Classification{Transform: smallTask().(pretext.Classification).Transform, Classes: 7}
	c := smallTraining()
	run, err := newTraining(t.Context(), stripes{n: 6, fail: -1}, stripes{n: 4, fail: -1}, task, c, Runtime{})
	require.NoError(t, err)
	x := make([]float32, 4*task.Spec().InputLen())
	r := rng.New(1, "five", 0, 0)
	for i := range x {
		x[i] = float32(rng.Normal(r))
	}
	labels := []int32{0, 0, pretext.IgnoreIndex, 0}
	for want := range 3 { // labels of rank 5, then 4, then 0
		_, err = run.RunPart(run.eval, loader.Batch{X: x, Y: []int32{0, 0, -1, 0}})
		require.NoError(t, err)
		logits := run.eval.Logits.Value().Data().([]float32)
		for i := range labels {
			if labels[i] < 0 {
				continue
			}
			row := logits[7*i:][:7]
			order := []int32{0, 1, 2, 3, 4, 5, 6}
			slices.SortFunc(order, func(a, b int32) int { return int(math.Copysign(1, float64(row[b]-row[a]))) })
			labels[i] = order[[]int{5, 4, 0}[want]]
		}
		counts := newTally(7)
		counts.add(logits, labels)
		assert.Equal(t, []float64{0, 3, 3}[want], counts.five)
		right := 0.0
		for k, n := range counts.right {
			right += n
			assert.LessOrEqual(t, n, counts.labels[k])
		}
		assert.Equal(t, []float64{0, 0, 3}[want], right)
	}
}

func TestTrainRefuses(t *testing.T) {
	images := stripes{n: 12, fail: -1}
	for name, test := range map[string]struct {
		change func(*TrainConfig)
		rt     Runtime
		held   Source
		task   pretext.Task
		want   string
	}{
		"no network":       {change: func(c *TrainConfig) { c.Network = nil }, want: "Network is nil"},
		"a bad network":    {change: func(c *TrainConfig) { c.Network = cell.Network{} }, want: "Network: cell: Stem"},
		"no epochs":        {change: func(c *TrainConfig) { c.Epochs = 0 }, want: "Epochs is 0, must be from 1"},
		"drop path":        {change: func(c *TrainConfig) { c.DropPath = 1 }, want: "DropPath is 1, must be below 1"},
		"average":          {change: func(c *TrainConfig) { c.EMADecay = math.NaN() }, want: "EMADecay is NaN"},
		"micro-batch":      {change: func(c *TrainConfig) { c.MicroBatch = 4 }, want: "MicroBatch is 4, must divide Batch, which is 6"},
		"batch":            {change: func(c *TrainConfig) { c.Batch = 13 }, want: "12 images are fewer than a batch of 13"},
		"memory":           {rt: Runtime{Memory: 1 << 20}, want: "Memory is 1.0 MiB"},
		"nothing held":     {held: stripes{}, want: "no images to evaluate on"},
		"auxiliary":        {change: func(c *TrainConfig) { c.Auxiliary = 0.4 }, task: pretext.JigsawCIFAR10(), want: "one class for each input: set Auxiliary to 0"},
		"auxiliary's size": {change: func(c *TrainConfig) { c.Auxiliary = 0.4 }, want: "cell: auxiliary head: "},
	} {
		t.Run(name, func(t *testing.T) {
			c := smallTraining()
			if test.change != nil {
				test.change(&c)
			}
			task := test.task
			if task == nil {
				task = smallTask()
			}
			_, err := Train(t.Context(), images, test.held, task, c, test.rt)
			require.ErrorContains(t, err, "darts: ")
			assert.ErrorContains(t, err, test.want)
		})
	}
	_, err := Train(t.Context(), images, stripes{n: 3, fail: 1}, smallTask(), smallTraining(), Runtime{})
	assert.ErrorContains(t, err, "this image is broken (epoch 1, step 2)")
}

// judged is a task with an evaluation that knows its scores beforehand.
type judged struct {
	pretext.Task
	scores []float64
	lower  bool
}

func (e *judged) Metric() (string, bool) { return "miou", e.lower }

func (e *judged) Evaluate(_ context.Context, _ cell.Architecture, p *ops.Params, held pretext.Source, _ string) (func(context.Context, []int) ([]float64, error), int64, error) {
	return func(_ context.Context, images []int) ([]float64, error) {
		if !p.Ready() || held.Len() != 3 || len(images) != 3 {
			return nil, errors.New("judged: other images")
		}
		score := e.scores[0]
		e.scores = e.scores[1:]
		return []float64{score}, nil
	}, 0, nil
}

func (e *judged) Scores(counts []float64) map[string]float64 {
	return map[string]float64{"miou": counts[0], "accuracy": counts[0] / 2}
}

func TestEvaluator(t *testing.T) {
	task := &judged{smallTask(), []float64{0.25, 0.75, 0.5}, false}
	r, err := Train(t.Context(), stripes{n: 12, fail: -1}, stripes{n: 3, fail: -1}, task, smallTraining(), Runtime{})
	require.NoError(t, err)
	assert.Equal(t, 2, r.Best.Epoch)
	assert.Equal(t, map[string]float64{"accuracy": 0.375}, r.Best.Scores)
	assert.Equal(t, "miou", r.Best.ScoreName)
	assert.Equal(t, []float64{0.75, 0.5}, []float64{r.Best.ValScore, r.Last.ValScore})
	assert.True(t, math.IsNaN(r.Last.ValLoss))
	r, err = Train(t.Context(), stripes{n: 12, fail: -1}, stripes{n: 3, fail: -1}, &judged{smallTask(), []float64{0.25, 0.5, 0.5}, false}, smallTraining(), Runtime{})
	require.NoError(t, err)
	assert.Equal(t, 2, r.Best.Epoch, "the first of equal scores")
	r, err = Train(t.Context(), stripes{n: 12, fail: -1}, stripes{n: 3, fail: -1}, &judged{smallTask(), []float64{0.75, 0.25, 0.25}, true}, smallTraining(), Runtime{})
	require.NoError(t, err)
	assert.Equal(t, 2, r.Best.Epoch, "the lowest is the best")
	_, err = Train(t.Context(), stripes{n: 12, fail: -1}, stripes{n: 3, fail: -1}, &judged{smallTask(), []float64{math.NaN()}, false}, smallTraining(), Runtime{})
	assert.ErrorContains(t, err, "not a number")
}

// TestAuxiliary trains with the auxiliary head; the same weights learn.
func TestAuxiliary(t *testing.T) {
	c := smallTraining()
	c.Epochs, c.Auxiliary = 1, cell.AuxiliaryWeight
	task := pretext.Classification{Transform: pretext.CIFAR10Transform(), Classes: 3}
	r, err := Train(t.Context(), stripes{n: 6, fail: -1}, nil, task, c, Runtime{})
	require.NoError(t, err)
	require.NotNil(t, r.Params.Find("auxiliary_head.classifier.weight"))
	assert.Less(t, r.Size.Params, len(r.Params.Weights()))
}

func pointer[T any](v T) *T { return &v }

// TestRunDirKeepsTraining reads back the weights that a folder keeps of a training, with
// the cells of a network that has some.
func TestRunDirKeepsTraining(t *testing.T) {
	for name, network := range map[string]cell.Architecture{
		"cells":     smallTraining().Network,
		"pointer":   pointer(smallTraining().Network.(cell.Network)),
		"NAS-Bench": cell.NASBenchNetwork{Backbone: cell.NASBenchBackbone{Stem: cell.CIFARStem, Width: 4, Stacks: 1, Modules: 1}, Cell: cell.NASBenchCell{Matrix: [][]int{{0, 1}, {0, 0}}, Ops: []string{"input", "output"}}},
	} {
		t.Run(name, func(t *testing.T) {
			folder, err := OpenRunDir(filepath.Join(t.TempDir(), "run"))
			require.NoError(t, err)
			c := smallTraining()
			var rt Runtime
			c.Network, c.Epochs, rt.Dir = network, 1, folder
			r, err := Train(t.Context(), stripes{n: 12, fail: -1}, nil, smallTask(), c, rt)
			require.NoError(t, err)
			require.NoError(t, folder.Close())
			trained := slices.Clone(r.Params.Weights())
			require.NoError(t, r.Params.Init(99))
			f, err := os.Open(filepath.Join(folder.Path(), "model.safetensors"))
			require.NoError(t, err)
			defer f.Close()
			require.NoError(t, r.Params.ReadSafetensors(f))
			assert.Equal(t, trained, r.Params.Weights())
			text, err := os.ReadFile(filepath.Join(folder.Path(), "genotype.json"))
			if p, ok := network.(*cell.Network); ok {
				network = *p
			}
			d, cells := network.(cell.Network)
			if !cells {
				assert.ErrorIs(t, err, os.ErrNotExist)
				return
			}
			require.NoError(t, err)
			g, err := cell.ParseGenotype(string(text))
			require.NoError(t, err)
			assert.Equal(t, d.Genotype, g)
			assert.FileExists(t, filepath.Join(folder.Path(), "normal.svg"))
		})
	}
}

var (
	_ Evaluator = loads{}
	_ Evaluator = &judged{}
	_ Evaluator = asking{}
)

// loads is a task whose evaluation loads each image twice, two at once.
type loads struct{ pretext.Task }

func (loads) Metric() (string, bool) { return "seen", false }

func (loads) Evaluate(ctx context.Context, _ cell.Architecture, _ *ops.Params, held pretext.Source, _ string) (func(context.Context, []int) ([]float64, error), int64, error) {
	_, err := held.Load(ctx, 0) // which is no part of an evaluation
	return func(ctx context.Context, images []int) ([]float64, error) {
		faults := make(chan error, 2)
		for range cap(faults) {
			go func() {
				var err error
				for _, i := range images {
					_, e := held.Load(ctx, i)
					err = errors.Join(err, e)
				}
				faults <- err
			}()
		}
		return []float64{1}, errors.Join(<-faults, <-faults)
	}, 0, err
}

func (loads) Scores(counts []float64) map[string]float64 {
	return map[string]float64{"seen": counts[0]}
}

// TestTrainTellsOfEvaluations by the views of images and by an evaluator. A folder
// keeps nothing of it.
func TestTrainTellsOfEvaluations(t *testing.T) {
	for name, test := range map[string]struct {
		task pretext.Task
		want []int
	}{
		"views":     {smallTask(), []int{8, 16, 19}},
		"evaluator": {loads{smallTask()}, append([]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}, slices.Repeat([]int{19}, 20)...)},
	} {
		t.Run(name, func(t *testing.T) {
			folder, err := OpenRunDir(filepath.Join(t.TempDir(), "run"))
			require.NoError(t, err)
			c := smallTraining()
			var rt Runtime
			c.Epochs, rt.Dir = 1, folder
			var done []int
			fault := errors.New("disk full")
			var failAt int
			rt.Recorder = record.Func(func(e record.Event) error {
				p, ok := e.(record.Progress)
				if !ok || p.Unit == "passes" {
					return nil
				}
				assert.Equal(t, record.Progress{Work: "evaluating", Done: p.Done, Total: 19, Unit: "images", Elapsed: p.Elapsed}, p)
				assert.GreaterOrEqual(t, p.Elapsed, time.Duration(0))
				if done = append(done, p.Done); p.Done == failAt {
					return fault
				}
				return nil
			})
			_, err = Train(t.Context(), stripes{n: 12, fail: -1}, stripes{n: 19, fail: -1}, test.task, c, rt)
			require.NoError(t, err)
			assert.Equal(t, test.want, done)
			require.NoError(t, folder.Close())
			lines, err := os.ReadFile(filepath.Join(folder.Path(), record.File))
			require.NoError(t, err)
			assert.NotContains(t, string(lines), "evaluating")

			rt.Dir, failAt = nil, 8
			_, err = Train(t.Context(), stripes{n: 12, fail: -1}, stripes{n: 19, fail: -1}, test.task, c, rt)
			assert.ErrorIs(t, err, fault)
		})
	}
}

// failing is a task whose evaluation panics, or loads an image on another goroutine.
type failing struct {
	pretext.Task
	loads bool
}

func (failing) Metric() (string, bool) { return "failures", false }

func (f failing) Evaluate(_ context.Context, _ cell.Architecture, _ *ops.Params, held pretext.Source, _ string) (func(context.Context, []int) ([]float64, error), int64, error) {
	return func(ctx context.Context, _ []int) ([]float64, error) {
		if !f.loads {
			panic("a bug of the evaluator")
		}
		fault := make(chan error)
		go func() {
			_, err := held.Load(ctx, 2)
			fault <- err
		}()
		return nil, <-fault
	}, 0, nil
}

func (failing) Scores([]float64) map[string]float64 { return nil }

// exploding are images of which none can be loaded without a panic.
type exploding struct{ stripes }

func (exploding) Load(context.Context, int) (*pretext.Image, error) { panic("a bug of the source") }

// TestPanicsOfEvaluations end a training with an error, and keep the epoch.
func TestPanicsOfEvaluations(t *testing.T) {
	for want, task := range map[string]failing{
		"darts: evaluation of task classification: panic: a bug of the evaluator": {smallTask(), false},
		"darts: image 2: panic: a bug of the source":                              {smallTask(), true},
	} {
		dir := filepath.Join(t.TempDir(), "run")
		folder, err := OpenRunDir(dir)
		require.NoError(t, err)
		c := smallTraining()
		var rt Runtime
		c.EvaluateEvery, rt.Dir = 1, folder
		r, err := Train(t.Context(), stripes{n: 12, fail: -1}, exploding{stripes{n: 3}}, task, c, rt)
		require.ErrorContains(t, err, want)
		var fault interface{ Stack() []byte }
		require.ErrorAs(t, err, &fault)
		assert.Contains(t, string(fault.Stack()), "train_test.go")
		assert.Equal(t, r.Steps, newest(t, dir), "what was done is kept")
		require.NoError(t, folder.Close())
	}
}
