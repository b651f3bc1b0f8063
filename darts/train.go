package darts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/darts/record"
	"unnas/internal/engine"
	"unnas/internal/ir"
	"unnas/internal/loader"
	"unnas/internal/quota"
	"unnas/internal/ranks"
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
	// Epochs and Steps are the numbers of complete epochs and of steps.
	Epochs, Steps int
	// Last are the numbers of the last epoch that was begun, Best those of the first
	// epoch with the best ValScore, zero if none was evaluated.
	Last, Best record.Epoch
	// Config has the hyperparameters.
	Config TrainConfig

	task    pretext.Task
	classes []string
}

// Model returns the network after the last step, ready to use.
func (r *TrainResult) Model() *Model { return r.model(r.Params) }

// BestModel returns the network after the best epoch; nil if none was evaluated.
func (r *TrainResult) BestModel() *Model {
	if r.BestParams == nil {
		return nil
	}
	return r.model(r.BestParams)
}

func (r *TrainResult) model(p *ops.Params) *Model {
	return &Model{Architecture: r.Config.Network, Task: r.task, Params: p, Classes: r.classes, Version: thisProgram.Version}
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
	// they are when it is called, on some images of val, by their numbers, and the memory
	// in bytes that this takes besides them. It returns counts for Scores, as many for
	// any images, of which there is at least one. The network should run on the device,
	// named as in Runtime.Device.
	Evaluate(ctx context.Context, a cell.Architecture, p *ops.Params, val pretext.Source, device string) (evaluate func(ctx context.Context, images []int) (counts []float64, err error), bytes int64, err error)
	// Scores returns the scores of all images from the sums of their counts, which the
	// ranks of a run add; with whole numbers scores do not depend on the number of ranks.
	// The scores are all that is recorded, by name, that of Metric among them; names are of
	// letters, digits and any of "_.-". A loss becomes the ValLoss of an Epoch and the score
	// of Metric its ValScore, the others its Scores. One that is not finite is not recorded,
	// and a warning says so once; that of Metric may be infinite, and it is an error if it is
	// not a number.
	Scores(counts []float64) map[string]float64
}

// Train trains a network with the head of a task on the images of src, and
// evaluates it on those of val, which may be nil: then nothing is evaluated. Where
// both have a method Classes() []string, labels of val count as those of src with the
// same names; a name that src lacks is an error, unless the task has a method
// SelfSupervised() bool that says that labels do not matter.
//
// Equal seeds give equal results, a Runtime.Dir keeps the run and lets it resume, and
// errors are as those of Search.
func Train(ctx context.Context, src, val Source, task pretext.Task, c TrainConfig, rt Runtime) (*TrainResult, error) {
	t, err := newTraining(ctx, src, val, task, c, rt)
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
	sgd                     engine.Update  // the step of the weights and of the averages
	velocity                []float32
	free                    []span      // of the weights: what learns
	drawn                   string      // a warning about Init, or empty
	average, averageRunning []float32   // of weights and of running statistics; nil without EMADecay
	bestParams              *ops.Params // of the best epoch; nil without evaluation

	val          Source       // nil without evaluation
	shared       *quota.Quota // in which images are decoded
	metric       ops.Metric   // by which epochs are compared
	taskEvaluate func(ctx context.Context, images []int) ([]float64, error)
	missing      []string        // scores that were not finite, and were warned of
	trainLoader  *loader.Loader  // that the network learns from
	statsLoader  *loader.Loader  // that precise statistics are of
	valLoader    *loader.Loader  // of the validation images
	batches      *loader.Batches // of this epoch
	batch        *loader.Batch   // of this step

	mean   engine.Mean // of this epoch
	result *TrainResult
}

// evaluatedAtATime is the number of images of which the maps of a trained network
// stay in the cache. In evaluation images do not depend on each other, so a batch can
// be taken in parts; a task that compares images compares those of a part.
const evaluatedAtATime = 8

func newTraining(ctx context.Context, src, val Source, task pretext.Task, c TrainConfig, rt Runtime) (*training, error) {
	group := rt.group()
	rt, err := rt.join(group, cmp.Or(c.Validate(), rt.validate(), given(src, task)))
	if err != nil {
		return nil, err
	}
	t, start, warnings, err := planTraining(ctx, src, val, task, c, rt, group)
	if err := group.Agree(err); err != nil {
		return nil, err
	}
	return t, t.start(start, task, t.Params, warnings...)
}

// planTraining returns a training that is ready to start, and what it starts with.
func planTraining(ctx context.Context, src, val Source, task pretext.Task, c TrainConfig, rt Runtime, group *ranks.Group) (t *training, start record.Start, warnings []string, err error) {
	spec := task.Spec()
	if c.Auxiliary > 0 && (spec.Classes == 0 || len(spec.LabelShape) != 1 || spec.LabelShape[0] != spec.Inputs) {
		return nil, start, nil, fmt.Errorf("darts: Auxiliary is %s, and task %s has labels of shape %v for %d inputs; an auxiliary head predicts one class for each input: set Auxiliary to 0", plain(c.Auxiliary), task.Name(), spec.LabelShape, spec.Inputs)
	}
	if n := src.Len(); n < c.Batch {
		return nil, start, nil, fmt.Errorf("darts: %d images are fewer than a batch of %d: lower Batch or give more images", n, c.Batch)
	}
	if val != nil && val.Len() == 0 {
		return nil, start, nil, errors.New("darts: there are no images to evaluate on; give nil instead of the source to evaluate nothing")
	}
	val, warning, err := matchClasses(about(src).Classes(), val, task)
	if err != nil {
		return nil, start, nil, err
	}
	t = &training{c: c, rt: rt, task: task, val: val, Engine: engine.New(c.Batch/c.budget(rt).AtOnce(), group), result: &TrainResult{Config: c, task: task, classes: classesFor(src, task)}}
	t.run = newRun(t, c.Epochs, c.Batch, c.LR, rt, group, src, val)
	t.meter = record.NewMeter(record.Func(t.emit))
	t.Passed = t.meter.Pass
	if err := t.plan(ctx, reserved(src, val)); err != nil {
		return nil, start, nil, fmt.Errorf("darts: %w", err)
	}
	if err := t.load(src); err != nil {
		return nil, start, nil, err
	}
	t.result.Params = t.Params
	undescribed, imprecise := "", ""
	if c.PreciseBN > 0 && val == nil {
		imprecise = "PreciseBN has no effect without images to evaluate on: the statistics are the running averages"
	}
	if t.metadata, err = t.result.Model().metadata(); err != nil && rt.Dir != nil {
		undescribed = fmt.Sprintf("the model files of this run will have parameters alone, which LoadModel does not read: %v", err)
	}
	return t, record.Start{
		Images: src.Len(), Train: src.Len(), Val: t.valLen(),
		Params: t.result.Size.Params, MACs: t.result.Size.MACs, PlannedBytes: t.Bytes, Device: t.Device.String(), DeviceBytes: t.DeviceBytes,
		MicroBatch: c.budget(rt).AtOnce(), Recompute: rt.Recompute,
		ScoreName: t.metric.Name, LowerIsBetter: t.metric.LowerIsBetter, TrainScoreName: metricOf(t.learn.Loss).Name, Config: c,
	}, []string{warning, t.drawn, undescribed, imprecise}, nil
}

func (t *training) valLen() int {
	if t.val == nil {
		return 0
	}
	return t.val.Len()
}

// load makes the loaders.
func (t *training) load(src Source) (err error) {
	o := loader.Options{Batch: t.c.Batch, Workers: t.rt.workers(), Seed: t.c.Seed, Train: true, Purpose: "weights", Quota: t.shared, Shard: loader.Shard{Rank: t.Ranks.Rank(), Ranks: t.Ranks.Size()}, Crops: t.Crops(t.task)}
	if t.trainLoader, err = loader.New(src, t.task, loader.All(src), o); err != nil {
		return err
	}
	o.Shard.Whole = true
	if t.stats != nil {
		o.Batch, o.Purpose = t.c.budget(t.rt).AtOnce(), "statistics"
		if t.statsLoader, err = loader.New(src, t.task, loader.All(src), o); err != nil {
			return err
		}
	}
	if t.eval == nil {
		return nil
	}
	o.Batch, o.Purpose, o.Train = t.atATime(), "evaluation", false
	t.valLoader, err = loader.New(t.val, t.task, loader.All(t.val), o)
	return err
}

func (t *training) atATime() int { return min(evaluatedAtATime, t.val.Len()) }

// plan builds and plans the networks, draws the first weights and takes the
// memory.
func (t *training) plan(ctx context.Context, reserved int64) error {
	c, spec := t.c, t.task.Spec()
	evaluator, evaluates := t.task.(Evaluator)
	var err error
	if t.Device, err = t.rt.device(c.Precision); err != nil {
		return err
	}
	if err := shared(c.Batch, c.MicroBatch, t.Ranks.Size(), t.Device.Replicas()); err != nil {
		return err
	}
	err = ops.Build(func() error {
		learner, err := t.build(c.budget(t.rt).AtOnce(), true, nil)
		if err != nil {
			return err
		}
		slabs := 3 // weights, gradients, velocities
		if c.EMADecay > 0 {
			slabs++
		}
		if t.val != nil {
			slabs++ // of the best epoch
		}
		t.Bytes += loader.Bytes(spec, t.Crops(t.task), c.Batch/t.Ranks.Size(), t.rt.workers())
		if err := t.Init(c.Seed, slabs, c.budget(t.rt)); err != nil {
			return err
		}
		if t.free, err = free(t.Params, c.Freeze); err != nil {
			return err
		}
		t.Frozen = func(q *ops.Param) bool {
			return slices.ContainsFunc(c.Freeze, func(prefix string) bool { return strings.HasPrefix(q.Name, prefix) })
		}
		if t.Ranks.Leads() { // which spreads the weights
			if t.drawn, err = initialise(t.Params, c.Init, t.rt.Dir, t.task, t.result.classes); err != nil {
				return err
			}
		}
		t.Recompute, t.BFloat16 = t.rt.Recompute, c.Precision == BFloat16
		if t.learn, err = t.Plan(learner, engine.Grads{Weights: true}); err != nil {
			return err
		}
		if t.val != nil && c.PreciseBN > 0 {
			// With momentum 1 the running statistics are those of the batch.
			n, err := t.build(c.budget(t.rt).AtOnce(), false, &ops.Norm{Epsilon: ops.DefaultNorm().Epsilon, Momentum: 1})
			if err != nil {
				return err
			}
			if t.stats, err = t.PlanForward(n, false); err != nil {
				return err
			}
			t.Bytes += loader.Bytes(spec, t.Crops(t.task), c.budget(t.rt).AtOnce(), t.rt.workers())
		}
		if t.val != nil && !evaluates {
			n, err := t.build(t.atATime(), false, nil)
			if err != nil {
				return err
			}
			if t.eval, err = t.PlanForward(n, true, n.Logits); err != nil {
				return err
			}
			t.Bytes += loader.Bytes(spec, t.Crops(t.task), t.atATime(), t.rt.workers())
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
	if t.val != nil && evaluates {
		t.metric.Name, t.metric.LowerIsBetter = evaluator.Metric()
		if !engine.ScoreName.MatchString(t.metric.Name) || t.metric.Name == "loss" || t.metric.Name == "score" {
			return fmt.Errorf("the metric of task %s is named %q; use letters, digits and any of \"_.-\", and neither loss nor score", t.task.Name(), t.metric.Name)
		}
		var bytes int64
		if t.taskEvaluate, bytes, err = evaluator.Evaluate(ctx, c.Network, t.Params, counted{about(t.val), t.meter}, t.Device.Name()); err != nil {
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
	if t.val != nil {
		t.bestParams = t.Params.Clone()
	}
	return t.bindStep()
}

// bindStep makes the step of the weights, and of the averages.
func (t *training) bindStep() error {
	u := &t.sgd
	learned := t.c.step(u, t.Params.Weights(), t.velocity, t.Params.WeightGrads(), t.free...)
	if t.c.EMADecay > 0 {
		op := ir.Average{Decay: t.c.EMADecay}
		for i, r := range t.free {
			u.Apply(op, u.Vector("average", t.average[r.from:r.to]), learned[i])
		}
		u.Apply(op, u.Vector("average of running statistics", t.averageRunning), u.Vector("running statistics", t.Params.Running()))
	}
	return u.Bind(t.Engine)
}

// build builds the network for batches of batch images, with paths to drop and
// auxiliary head if it learns.
func (t *training) build(batch int, learns bool, norm *ops.Norm) (*engine.Network, error) {
	n, err := engine.NewNetwork(t.Params, t.task, t.Crops(t.task), batch)
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
		err = errors.Join(err, t.swap())
	} else {
		err = errors.Join(err, t.Host())
	}
	if t.result.Best.Epoch > 0 {
		t.result.BestParams = t.bestParams
	}
	if err == nil {
		err = t.record(done)
	}
	if t.dir != nil && t.result.Steps > 0 {
		err = errors.Join(err, t.dir.saveTraining(t.result, t.metadata))
	}
	return t.result, t.ranks.Agree(err)
}

func (t *training) steps() int { return t.trainLoader.Steps() }

func (t *training) open(ctx context.Context) {
	if t.step == 0 {
		t.mean = engine.Mean{}
	}
	t.batches = t.trainLoader.Epoch(ctx, t.epoch, t.step)
}

func (t *training) close() { t.batches.Close() }

func (t *training) fetch() (err error) {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	if t.batch, err = t.batches.Next(); err != nil {
		return err
	}
	return t.Ahead(t.learn, t.batch, t.batches.Peek())
}

func (t *training) update(rate float64) error {
	p, err := t.pass()
	if err != nil {
		return fmt.Errorf("darts: %w", err)
	}
	t.mean.Add(p)
	if err := finite(p.Loss, "the images"); err != nil {
		return err
	}
	return t.sgd.Run(float32(rate))
}

func (t *training) passes() int { return t.Local }

// pass computes loss and gradients of the batch.
func (t *training) pass() (engine.Pass, error) {
	drop := t.c.DropPath * float64(t.epoch) / float64(t.c.Epochs)
	return t.Run(t.learn, t.batch, func(part int) {
		r := rng.New(t.c.Seed, pathsOf(part), t.epoch, t.step)
		for _, factors := range t.paths {
			for i := range factors {
				if factors[i] = float32(1 / (1 - drop)); rng.Bool(r, drop) {
					factors[i] = 0
				}
			}
		}
	})
}

// pathsOf names the random stream of the paths that a micro-batch drops.
func pathsOf(part int) string {
	if part == 0 {
		return "paths"
	}
	return fmt.Sprintf("paths of micro-batch %d", part)
}

func (t *training) stopReason() string { return "" }

func (t *training) afterEpoch() error { return nil }

func (t *training) best() (p *ops.Params, epoch int) { return t.bestParams, t.result.Best.Epoch }

// metrics brings the result up to date.
func (t *training) metrics() (record.Epoch, error) {
	e := t.result.Last
	if e.Epoch != t.epoch+1 {
		e = noEpoch(t.epoch + 1)
	}
	e.TrainLoss, e.TrainScore = t.mean.Value()
	t.result.Last, t.result.Steps = e, t.done()
	return e, nil
}
