package darts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/darts/dataset"
	"unnas/darts/record"
	"unnas/internal/checkpoint"
	"unnas/internal/engine"
	"unnas/internal/format"
	"unnas/internal/kernel"
	"unnas/internal/loader"
	"unnas/internal/panics"
	"unnas/internal/quota"
	"unnas/internal/rng"
	"unnas/ops"
	"unnas/pretext"
)

// TrainResult is what a training has made.
type TrainResult struct {
	// Params are the parameters of the network after the last step, their averages if
	// EMADecay asks for them. Their WriteSafetensors keeps them for other programs.
	Params *ops.Params
	// BestParams are those of the Best epoch, running statistics included, as they were
	// evaluated; nil if no epoch was.
	BestParams *ops.Params
	// Size is that of the network without auxiliary head.
	Size cell.Complexity
	// Epochs and Steps tell how much has been done: complete epochs, and steps.
	Epochs, Steps int
	// Last are the numbers of the last epoch that was begun, Best those of the first
	// epoch with the best ValScore, zero if none was evaluated.
	Last, Best record.Epoch
	// Config are the settings.
	Config TrainConfig
}

// An Evaluator is a task with its own evaluation, by whole images for example. Other
// tasks are evaluated by the loss and its metric, on the validation images as the task
// transforms them.
type Evaluator interface {
	pretext.Task
	// Metric returns the name of the score by which networks are compared, and whether
	// the lowest is the best.
	Metric() (name string, lowerIsBetter bool)
	// Evaluate returns a function that evaluates a network with the parameters p, as
	// they are when it is called, on all images of val, and the memory in bytes that
	// this takes besides them. The scores are all that is recorded, by name, that of
	// Metric among them; names are of letters, digits and any of "_.-". A loss becomes
	// the ValLoss of an Epoch and the score of Metric its ValScore, the others its
	// Scores. One that is not finite is not recorded, and a warning says so once; that
	// of Metric may be infinite, and it is an error if it is not a number.
	Evaluate(ctx context.Context, a cell.Architecture, p *ops.Params, val pretext.Source) (evaluate func(ctx context.Context) (scores map[string]float64, err error), bytes int64, err error)
}

// Train trains a network with the head of a task on the images of src, and
// evaluates it on those of held, which may be nil: then nothing is evaluated. Where
// both have a method Classes() []string, labels of held count as those of src with the
// same names; a name that src lacks is an error, unless the task has a method
// SelfSupervised() bool that says that labels do not matter.
//
// Equal seeds give equal results, a Runtime.Dir keeps the run and lets it resume, and
// errors are as those of Search.
func Train(ctx context.Context, src, held Source, task pretext.Task, c TrainConfig, rt Runtime) (*TrainResult, error) {
	t, err := newTraining(ctx, src, held, task, c, rt)
	if err != nil {
		return nil, err
	}
	return t.train(ctx)
}

// training is the phase that trains a network.
type training struct {
	run
	*engine.Engine
	c    TrainConfig
	rt   Runtime
	task pretext.Task

	learn, eval, stats      *engine.Runner // for steps, evaluations, precise statistics
	paths                   [][]float32    // the factors of each path that may be dropped
	velocity                []float32
	average, averageRunning []float32   // of weights and of running statistics; nil without EMADecay
	bestParams              *ops.Params // of the best epoch; nil without evaluation

	held    Source       // nil without evaluation
	shared  *quota.Quota // in which images are decoded
	metric  ops.Metric   // by which epochs are compared
	exam    func(ctx context.Context) (map[string]float64, error)
	missing []string        // scores that were not finite, and were warned of
	images  *loader.Loader  // that the network learns from
	precise *loader.Loader  // that precise statistics are of
	views   *loader.Loader  // of the held-out images
	batches *loader.Batches // of this epoch
	batch   *loader.Batch   // of this step

	mean   engine.Mean // of this epoch
	result *TrainResult
}

// evaluatedAtATime is the number of images of which the maps of a trained network
// stay in the cache. In evaluation images do not depend on each other, so a batch
// can be taken in parts.
const evaluatedAtATime = 8

func newTraining(ctx context.Context, src, held Source, task pretext.Task, c TrainConfig, rt Runtime) (*training, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := rt.validate(); err != nil {
		return nil, err
	}
	if err := given(src, task); err != nil {
		return nil, err
	}
	spec := task.Spec()
	if c.Auxiliary > 0 && (spec.Classes == 0 || len(spec.LabelShape) != 1 || spec.LabelShape[0] != spec.Inputs) {
		return nil, fmt.Errorf("darts: Auxiliary is %s, and task %s has labels of shape %v for %d inputs; an auxiliary head predicts one class for each input: set Auxiliary to 0", plain(c.Auxiliary), task.Name(), spec.LabelShape, spec.Inputs)
	}
	if n := src.Len(); n < c.Batch {
		return nil, fmt.Errorf("darts: %d images are fewer than a batch of %d: lower Batch or give more images", n, c.Batch)
	}
	if held != nil && held.Len() == 0 {
		return nil, errors.New("darts: there are no images to evaluate on; give nil instead of the source to evaluate nothing")
	}
	held, warning, err := alike(src, held, task)
	if err != nil {
		return nil, err
	}
	t := &training{c: c, rt: rt, task: task, held: held, Engine: engine.New(c.Batch / c.budget(rt).AtOnce()), result: &TrainResult{Config: c}}
	t.run = newRun(t, c.Epochs, c.Batch, c.LR, rt, src, held)
	t.meter = record.NewMeter(record.Func(t.tell))
	t.Passed = t.meter.Pass
	if err := t.plan(ctx, reserved(src, held)); err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	if err := t.load(src); err != nil {
		return nil, err
	}
	t.result.Params = t.Params
	return t, t.start(record.Start{
		Images: src.Len(), Train: src.Len(), Val: t.heldImages(),
		Params: t.result.Size.Params, MACs: t.result.Size.MACs, PlannedBytes: t.Bytes,
		MicroBatch: c.budget(rt).AtOnce(), Recompute: rt.Recompute,
		ScoreName: t.metric.Name, LowerIsBetter: t.metric.LowerIsBetter, TrainScoreName: metricOf(t.learn.Loss).Name, Config: c,
	}, task, t.Params, warning)
}

func (t *training) heldImages() int {
	if t.held == nil {
		return 0
	}
	return t.held.Len()
}

// load makes the loaders.
func (t *training) load(src Source) (err error) {
	o := loader.Options{Batch: t.c.Batch, Workers: t.rt.workers(), Seed: t.c.Seed, Train: true, Purpose: "weights", Quota: t.shared}
	if t.images, err = loader.New(src, t.task, loader.All(src), o); err != nil {
		return err
	}
	if t.stats != nil {
		o.Batch, o.Purpose = t.c.budget(t.rt).AtOnce(), "statistics"
		if t.precise, err = loader.New(src, t.task, loader.All(src), o); err != nil {
			return err
		}
	}
	if t.eval == nil {
		return nil
	}
	o.Batch, o.Purpose, o.Train = t.atATime(), "evaluation", false
	t.views, err = loader.New(t.held, t.task, loader.All(t.held), o)
	return err
}

func (t *training) atATime() int { return min(evaluatedAtATime, t.held.Len()) }

// plan builds and plans the networks, draws the first weights and takes the
// memory.
func (t *training) plan(ctx context.Context, reserved int64) error {
	c, spec := t.c, t.task.Spec()
	evaluator, evaluates := t.task.(Evaluator)
	err := ops.Build(func() error {
		learner, err := t.build(c.budget(t.rt).AtOnce(), true, nil)
		if err != nil {
			return err
		}
		slabs := 3 // weights, gradients, velocities
		if c.EMADecay > 0 {
			slabs++
		}
		if t.held != nil {
			slabs++ // of the best epoch
		}
		t.Bytes += loader.Bytes(spec, c.Batch, t.rt.workers())
		if err := t.Init(c.Seed, slabs, c.budget(t.rt)); err != nil {
			return err
		}
		if t.learn, err = t.Plan(learner, engine.Grads{Weights: true}, t.rt.Recompute); err != nil {
			return err
		}
		if t.held != nil && c.PreciseBN > 0 {
			// With momentum 1 the running statistics are those of the batch.
			n, err := t.build(c.budget(t.rt).AtOnce(), false, &ops.Norm{Epsilon: ops.DefaultNorm().Epsilon, Momentum: 1})
			if err != nil {
				return err
			}
			if t.stats, err = t.PlanForward(n); err != nil {
				return err
			}
			t.Bytes += loader.Bytes(spec, c.budget(t.rt).AtOnce(), t.rt.workers())
		}
		if t.held != nil && !evaluates {
			n, err := t.build(t.atATime(), false, nil)
			if err != nil {
				return err
			}
			if t.eval, err = t.PlanForward(n, n.Logits); err != nil {
				return err
			}
			t.Bytes += loader.Bytes(spec, t.atATime(), t.rt.workers())
		}
		return nil
	})
	if err != nil {
		return err
	}
	if t.result.Size, err = Measure(c.Network, t.task); err != nil {
		return err
	}
	t.metric = metricOf(t.learn.Loss)
	if t.held != nil && evaluates {
		t.metric.Name, t.metric.LowerIsBetter = evaluator.Metric()
		if !engine.ScoreName.MatchString(t.metric.Name) || t.metric.Name == "loss" || t.metric.Name == "score" {
			return fmt.Errorf("the metric of task %s is named %q; use letters, digits and any of \"_.-\", and neither loss nor score", t.task.Name(), t.metric.Name)
		}
		var bytes int64
		if t.exam, bytes, err = evaluator.Evaluate(ctx, c.Network, t.Params, counted{about(t.held), t.meter}); err != nil {
			return err
		}
		t.Bytes += bytes
	}
	t.Bytes += reserved
	if err := engine.Refused(c.budget(t.rt).Refusal(t.Planned()), reserved); err != nil {
		return err
	}
	shared, all := loader.Share(c.budget(t.rt).Room(), t.Planned(), reserved)
	t.shared = shared
	t.Bytes += all - t.Planned()
	if err := t.Bind(); err != nil {
		return err
	}
	t.velocity = make([]float32, len(t.Params.Weights()))
	if c.EMADecay > 0 {
		t.average = slices.Clone(t.Params.Weights())
		t.averageRunning = slices.Clone(t.Params.Running())
	}
	if t.held != nil {
		t.bestParams = t.Params.Clone()
	}
	return nil
}

// build builds the network for batches of so many images, with paths to drop and
// auxiliary head if it learns.
func (t *training) build(batch int, learns bool, norm *ops.Norm) (*engine.Network, error) {
	n, err := engine.NewNetwork(t.Params, t.task, batch)
	if err != nil {
		return nil, err
	}
	if norm != nil {
		n.Scope.SetNorm(*norm)
	}
	var path cell.DropPathFunc
	if learns && t.c.DropPath > 0 {
		path = t.path(n)
	}
	net, err := n.Add(t.c.Network, t.task, path)
	if err != nil {
		return nil, err
	}
	if !learns || t.c.Auxiliary == 0 {
		return n, nil
	}
	logits, err := net.AuxiliaryHead(n.Scope, t.task.Spec().Classes)
	if err != nil {
		return nil, err
	}
	second, err := n.LossOf(t.task, logits)
	if err != nil {
		return nil, err
	}
	n.Loss.Value, err = ops.AddLosses(n.Loss.Value, second.Value, t.c.Auxiliary)
	return n, err
}

// path returns what drops paths by factors that are drawn for each pass.
func (t *training) path(n *engine.Network) cell.DropPathFunc {
	images := n.Images.Shape()[0]
	return func(y *gorgonia.Node) (*gorgonia.Node, error) {
		factors := make([]float32, images)
		input := gorgonia.NewTensor(y.Graph(), tensor.Float32, 1, gorgonia.WithShape(images), gorgonia.WithName(fmt.Sprintf("path %d", len(t.paths))))
		t.paths = append(t.paths, factors)
		if err := ops.Bind(input, factors); err != nil {
			return nil, err
		}
		return ops.ScaleImages(y, input)
	}
}

func (t *training) train(ctx context.Context) (*TrainResult, error) {
	defer t.end()
	done, err := t.all(ctx)
	t.result.Epochs = t.complete
	if t.c.EMADecay > 0 {
		t.swap()
	}
	if t.result.Best.Epoch > 0 {
		t.result.BestParams = t.bestParams
	}
	if err == nil {
		err = t.record(done)
	}
	if t.folder != nil && t.result.Steps > 0 {
		err = errors.Join(err, t.folder.saveTraining(t.result))
	}
	return t.result, err
}

func (t *training) steps() int { return t.images.Steps() }

func (t *training) open(ctx context.Context) {
	if t.step == 0 {
		t.mean = engine.Mean{}
	}
	t.batches = t.images.Epoch(ctx, t.epoch, t.step)
}

func (t *training) close() { t.batches.Close() }

func (t *training) fetch() (err error) {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	t.batch, err = t.batches.Next()
	return err
}

func (t *training) take(rate float64) error {
	p, err := t.pass()
	if err != nil {
		return fmt.Errorf("darts: %w", err)
	}
	t.mean.Add(p)
	if err := finite(p.Loss, "the images"); err != nil {
		return err
	}
	weights, grads := t.Params.Weights(), t.Params.WeightGrads()
	t.Team.Begin()
	defer t.Team.End()
	t.c.step(t.Team, weights, t.velocity, grads, rate)
	if t.c.EMADecay > 0 {
		kernel.Average(t.Team, t.average, weights, t.c.EMADecay)
		kernel.Average(t.Team, t.averageRunning, t.Params.Running(), t.c.EMADecay)
	}
	return nil
}

func (t *training) passes() int { return t.Parts }

// pass computes loss and gradients of the batch.
func (t *training) pass() (engine.Pass, error) {
	r := rng.New(t.c.Seed, "paths", t.epoch, t.step)
	drop := t.c.DropPath * float64(t.epoch) / float64(t.c.Epochs)
	return t.Run(t.learn, t.batch, func(int) {
		for _, factors := range t.paths {
			for i := range factors {
				if factors[i] = float32(1 / (1 - drop)); rng.Bool(r, drop) {
					factors[i] = 0
				}
			}
		}
	})
}

// finish evaluates the network if it is time to.
func (t *training) finish() error {
	e, err := t.figures()
	if err != nil {
		return err
	}
	if err := t.mean.Counted(); err != nil {
		return err
	}
	last := t.epoch == t.c.Epochs-1
	if t.held == nil || !last && (t.c.EvaluateEvery == 0 || (t.epoch+1)%t.c.EvaluateEvery != 0) {
		return nil
	}
	if t.c.EMADecay > 0 {
		t.swap()
		defer t.swap()
	}
	if t.c.PreciseBN > 0 {
		if err := t.takeStatistics(); err != nil {
			return err
		}
	}
	t.meter.Begin("evaluating", "images", t.held.Len())
	scores, err := t.measure()
	if err != nil {
		return err
	}
	if err := put(t.metric, &e, scores); err != nil {
		return err
	}
	if err := t.leaveOut(e); err != nil {
		return err
	}
	t.result.Last = e
	if t.result.Best.Epoch == 0 || better(t.metric, e.ValScore, t.result.Best.ValScore) {
		t.result.Best = e
		copy(t.bestParams.Weights(), t.Params.Weights())
		copy(t.bestParams.Running(), t.Params.Running())
	}
	return nil
}

// measure evaluates the network. A panic of an Evaluator is an error.
func (t *training) measure() (scores map[string]float64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("darts: evaluation of task %s: panic: %w", t.task.Name(), panics.Recovered(p))
		}
	}()
	ctx := t.shared.With(t.ctx)
	if t.exam != nil {
		return t.exam(ctx)
	}
	return t.evaluate(ctx)
}

// put writes the scores of an evaluation into an epoch.
func put(m ops.Metric, e *record.Epoch, scores map[string]float64) error {
	for name := range scores {
		if !engine.ScoreName.MatchString(name) || name == "score" {
			return fmt.Errorf("darts: a score is named %q; use letters, digits and any of \"_.-\", and not score alone", name)
		}
	}
	value, ok := scores[m.Name]
	switch {
	case !ok:
		return fmt.Errorf("darts: the evaluation gives %q, without the score %q by which epochs are compared", slices.Sorted(maps.Keys(scores)), m.Name)
	case math.IsNaN(value):
		return fmt.Errorf("darts: the %s of the validation images is not a number; do any of their labels count?", m.Name)
	}
	e.ScoreName, e.ValScore = m.Name, value
	if loss, ok := scores["loss"]; ok {
		e.ValLoss = loss
	}
	e.Scores = maps.Clone(scores)
	maps.DeleteFunc(e.Scores, func(name string, _ float64) bool { return name == "loss" || name == m.Name })
	if len(e.Scores) == 0 {
		e.Scores = nil
	}
	return nil
}

// metricOf returns the metric of a loss: the loss itself if it has no score.
func metricOf(l ops.Loss) ops.Metric {
	if l.Score == nil {
		return ops.Metric{Name: "loss", LowerIsBetter: true}
	}
	return l.Metric
}

// better reports whether a score is better than another.
func better(m ops.Metric, score, than float64) bool {
	if m.LowerIsBetter {
		return score < than
	}
	return score > than
}

// leaveOut removes the scores that are not finite, and warns of each once.
func (t *training) leaveOut(e record.Epoch) error {
	var nowhere, infinite []string
	for _, name := range slices.Sorted(maps.Keys(e.Scores)) {
		x := e.Scores[name]
		if format.Finite(x) {
			continue
		}
		delete(e.Scores, name)
		switch {
		case slices.Contains(t.missing, name):
		case math.IsNaN(x):
			nowhere = append(nowhere, name)
		default:
			infinite = append(infinite, name)
		}
	}
	t.missing = slices.Concat(t.missing, nowhere, infinite)
	for _, w := range []struct {
		names []string
		text  string
	}{
		{nowhere, "after epoch %d, what is measured as %s occurs nowhere in the validation images: no number is recorded"},
		{infinite, "after epoch %d, %s is infinite: no number is recorded"},
	} {
		if w.names == nil {
			continue
		}
		if err := t.record(record.Warning{Text: fmt.Sprintf(w.text, t.epoch+1, strings.Join(w.names, ", "))}); err != nil {
			return err
		}
	}
	return nil
}

// evaluate measures the network on the views of the held-out images.
func (t *training) evaluate(ctx context.Context) (scores map[string]float64, err error) {
	t.eval.Machine.Training, t.eval.Machine.UpdateStats = false, false
	batches := t.views.Epoch(ctx, 0, 0)
	defer batches.Close()
	var all engine.Mean
	five := 0.0
	for {
		b, err := batches.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		p, err := t.Part(t.eval, *b)
		if err != nil {
			return nil, fmt.Errorf("darts: %w", err)
		}
		all.Add(p)
		five += t.amongFive(b.Y)
		if err := t.meter.Add(b.Images); err != nil {
			return nil, err
		}
	}
	if all.Count == 0 {
		return nil, errors.New("darts: none of the validation images has a label that counts; give labelled images, or nil to evaluate nothing")
	}
	loss, score := all.Value()
	scores = map[string]float64{"loss": loss, t.metric.Name: score}
	if t.fives() {
		scores["top5"] = five / all.Count
	}
	return scores, nil
}

// counted are the images to evaluate on, which report how far an evaluation is. An
// Evaluator may load many at once, and one again.
type counted struct {
	dataset.Wrapper
	meter *record.Meter
}

// Load loads an image and counts it. A panic of the source is an error, on whatever
// goroutine of an Evaluator it is.
func (s counted) Load(ctx context.Context, i int) (img *pretext.Image, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("darts: image %d: panic: %w", i, panics.Recovered(p))
		}
	}()
	img, err = s.Source.Load(ctx, i)
	if err == nil {
		err = s.meter.Add(1)
	}
	return img, err
}

// fives reports whether there are more than five classes, and a logit for each.
func (t *training) fives() bool {
	s := t.eval.Logits.Shape()
	return s.Dims() == 2 && s[1] > 5 && s[1] == t.task.Spec().Classes
}

// amongFive counts the labels that are among the five classes with the largest
// logits of the last pass. Of equal logits the first count.
func (t *training) amongFive(labels []int32) (count float64) {
	if !t.fives() {
		return 0
	}
	logits := t.eval.Logits.Value().Data().([]float32)
	classes := len(logits) / len(labels)
	for i, l := range labels {
		if l < 0 {
			continue
		}
		row, before := logits[i*classes:][:classes], 0
		for k, v := range row {
			if v > row[l] || v == row[l] && k < int(l) {
				before++
			}
		}
		if before < 5 {
			count++
		}
	}
	return count
}

// takeStatistics replaces the running statistics by those of batches together, with
// the weights as they are:
//
//	mean = E[m], variance = E[v + m²] - E[m]²
//
// of the means m and the unbiased variances v of each batch. If it fails they are as
// they were.
func (t *training) takeStatistics() (err error) {
	running := t.Params.Running()
	before := slices.Clone(running)
	defer func() {
		if err != nil {
			copy(running, before)
		}
	}()
	batches := t.precise.Epoch(t.ctx, t.epoch, 0)
	defer batches.Close()
	stats := unshared(t.Params.Stats())
	n := min(max(1, t.c.PreciseBN/t.c.budget(t.rt).AtOnce()), t.precise.Steps())
	means, squares := make([]float64, len(running)), make([]float64, len(running))
	t.meter.Begin("measuring batch norm", "images", n*t.c.budget(t.rt).AtOnce())
	for range n {
		b, err := batches.Next()
		if err != nil {
			return err
		}
		if _, err := t.Part(t.stats, *b); err != nil {
			return fmt.Errorf("darts: %w", err)
		}
		if err := t.meter.Add(b.Images); err != nil {
			return err
		}
		at := 0
		for _, s := range stats {
			for c, m := range s.Mean {
				m := float64(m)
				means[at] += m
				squares[at] += float64(s.Var[c]) + float64(m*m)
				at++
			}
		}
	}
	at := 0
	for _, s := range stats {
		for c := range s.Mean {
			mean := means[at] / float64(n)
			// Rounding must not leave a variance below zero.
			s.Mean[c], s.Var[c] = float32(mean), float32(max(0, squares[at]/float64(n)-float64(mean*mean)))
			at++
		}
	}
	return nil
}

// unshared leaves out statistics that share the values of others.
func unshared(all []*ops.RunningStats) []*ops.RunningStats {
	seen := map[*float32]bool{}
	return slices.DeleteFunc(all, func(s *ops.RunningStats) bool {
		first := &s.Mean[0]
		defer func() { seen[first] = true }()
		return seen[first]
	})
}

// swap exchanges weights and running statistics with their averages.
func (t *training) swap() {
	for _, pair := range [][2][]float32{{t.Params.Weights(), t.average}, {t.Params.Running(), t.averageRunning}} {
		for i, v := range pair[0] {
			pair[0][i], pair[1][i] = pair[1][i], v
		}
	}
}

func (t *training) over() string { return "" }

func (t *training) ended() error { return nil }

func (t *training) best() (p *ops.Params, epoch int) { return t.bestParams, t.result.Best.Epoch }

// figures brings the result up to date.
func (t *training) figures() (record.Epoch, error) {
	e := t.result.Last
	if e.Epoch != t.epoch+1 {
		e = noEpoch(t.epoch + 1)
	}
	e.TrainLoss, e.TrainScore = t.mean.Value()
	t.result.Last, t.result.Steps = e, t.done()
	return e, nil
}

// arrays returns the memory that a training goes on from.
func (t *training) arrays() []checkpoint.Array {
	all := []checkpoint.Array{
		checkpoint.ArrayOf("weights", t.Params.Weights()),
		checkpoint.ArrayOf("running statistics", t.Params.Running()),
		checkpoint.ArrayOf("velocity", t.velocity),
	}
	if t.c.EMADecay > 0 {
		all = append(all, checkpoint.ArrayOf("average of the weights", t.average), checkpoint.ArrayOf("average of the running statistics", t.averageRunning))
	}
	if t.bestParams != nil {
		all = append(all, checkpoint.ArrayOf("weights of the best epoch", t.bestParams.Weights()), checkpoint.ArrayOf("running statistics of the best epoch", t.bestParams.Running()))
	}
	return all
}

// trainState is what else a training goes on from.
type trainState struct {
	Mean [3]float64  `json:"mean"` // its sums
	Best *evaluation `json:"best,omitempty"`
	Last *evaluation `json:"last,omitempty"`
	// Missing are the scores that were not finite, and were warned of.
	Missing []string `json:"missing,omitempty"`
}

// evaluation holds the figures of an epoch with an evaluation.
type evaluation struct {
	Epoch      int                `json:"epoch"`
	TrainLoss  exactly            `json:"train_loss"`
	TrainScore exactly            `json:"train_score"`
	ValLoss    exactly            `json:"val_loss"`
	ValScore   exactly            `json:"val_score"`
	ScoreName  string             `json:"score_name"`
	Scores     map[string]exactly `json:"scores,omitempty"`
}

// exactly is a number that may be infinite or none, for which JSON has no numbers:
// then it is a string.
type exactly float64

func (x exactly) MarshalJSON() ([]byte, error) {
	if v := float64(x); !format.Finite(v) {
		return json.Marshal(fmt.Sprint(v))
	}
	return json.Marshal(float64(x))
}

func (x *exactly) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		return json.Unmarshal(b, (*float64)(x))
	}
	v, err := strconv.ParseFloat(s, 64)
	*x = exactly(v)
	return err
}

// keptOf returns what a checkpoint keeps of an epoch, nil if it was not evaluated.
func keptOf(e record.Epoch) *evaluation {
	if e.ScoreName == "" {
		return nil
	}
	k := &evaluation{
		Epoch: e.Epoch, ScoreName: e.ScoreName, Scores: map[string]exactly{},
		TrainLoss: exactly(e.TrainLoss), TrainScore: exactly(e.TrainScore),
		ValLoss: exactly(e.ValLoss), ValScore: exactly(e.ValScore),
	}
	for name, x := range e.Scores {
		k.Scores[name] = exactly(x)
	}
	return k
}

// figures returns the epoch of which the checkpoint has kept this; none if nil.
func (k *evaluation) figures() record.Epoch {
	if k == nil {
		return record.Epoch{}
	}
	e := noEpoch(k.Epoch)
	e.TrainLoss, e.TrainScore = float64(k.TrainLoss), float64(k.TrainScore)
	e.ValLoss, e.ValScore = float64(k.ValLoss), float64(k.ValScore)
	e.ScoreName = k.ScoreName
	for name, x := range k.Scores {
		if e.Scores == nil {
			e.Scores = map[string]float64{}
		}
		e.Scores[name] = float64(x)
	}
	return e
}

func (t *training) state() any {
	return trainState{Mean: sumsOf(t.mean), Best: keptOf(t.result.Best), Last: keptOf(t.result.Last), Missing: t.missing}
}

func (t *training) adopt(state json.RawMessage, _ int) (func(), error) {
	var at trainState
	if err := json.Unmarshal(state, &at); err != nil {
		return nil, err
	}
	return func() {
		t.mean, t.missing = meanOf(at.Mean), at.Missing
		t.result.Best, t.result.Last = at.Best.figures(), at.Last.figures()
	}, nil
}

// noEpoch returns an epoch without figures.
func noEpoch(number int) record.Epoch {
	none := math.NaN()
	return record.Epoch{Epoch: number, TrainLoss: none, TrainScore: none, ValLoss: none, ValScore: none, Entropy: none, SkipWeight: none, PoolWeight: none, Stability: none, Eigenvalue: none}
}
