package darts

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"unnas/cell"
	"unnas/cell/benchmark"
	"unnas/darts/record"
	"unnas/internal/checkpoint"
	"unnas/internal/engine"
	"unnas/internal/format"
	"unnas/internal/loader"
	"unnas/internal/ranks"
	"unnas/ops"
	"unnas/pretext"
)

// ErrDiverged is the error of a run whose loss is no longer a finite number.
// Lower the learning rate, or look for images or labels that are not what they
// should be.
var ErrDiverged = errors.New("darts: the run diverged")

// SearchResult is what a search has found.
type SearchResult struct {
	// Genotype are the cells that the alphas favour, or favoured some epochs before
	// if SearchConfig.StopEigenvalue says so.
	Genotype cell.Genotype
	// Normal and Reduce are the alphas as the last step left them, a row for each
	// edge, before softmax.
	Normal, Reduce [][]float64
	// NormalBetas and ReduceBetas are the betas as the last step left them, a number
	// for each edge, before softmax; nil unless the space is Partial.
	NormalBetas, ReduceBetas []float64
	// Epochs and Steps are the numbers of complete epochs and of steps.
	Epochs, Steps int
	// Last has the metrics of the last epoch that began.
	Last record.Epoch
	// Params are the parameters of the supernet as the last step left them. Their
	// WriteSafetensors keeps them for other programs.
	Params *ops.Params
	// Config has the hyperparameters.
	Config SearchConfig
}

// Search searches a cell: it trains a supernet with the head of a task on one
// part of the images of src and its alphas on the other (Liu et al., 2019, arXiv
// 1806.09055; with tasks that need no labels, Liu et al., 2020, arXiv
// 2003.12056), by the Algorithms of the Config.
//
// Equal seeds give equal results, bit by bit, on any number of cores and of
// loader workers. What keeps a search from starting gives an error and no result.
// What ends it early gives an error and what had been found until then: that of
// ctx when it is done, ErrDiverged if the loss is no longer finite, that of an
// image that cannot be loaded or of the Recorder. A panic of a source, a task or an
// operation is such an error too; that in its chain has a method Stack() []byte, for
// errors.As, which returns where it was.
//
// A search with a Runtime.Dir keeps checkpoints and its result there, also when it ends
// early; see RunDir. It resumes from the last checkpoint of a Dir that holds an earlier
// part of it, and ends with the same bits as one that was never stopped. It is refused
// if the hyperparameters, the task, the kernels (see record.Start) or the images have
// changed, of which it knows their number and fingerprint (see Source).
func Search(ctx context.Context, src Source, task pretext.Task, c SearchConfig, rt Runtime) (*SearchResult, error) {
	s, err := newSearch(src, task, c, rt)
	if err != nil {
		return nil, err
	}
	return s.search(ctx)
}

// search is the phase that searches a cell.
type search struct {
	run
	c                      SearchConfig
	m                      *model
	rule                   *bilevel
	trainLoader, valLoader *loader.Loader
	trainBatches           *loader.Batches // of this epoch
	valBatches             *loader.Batches // of this epoch; nil while the alphas rest
	// What the step under way reads.
	trainBatch, valBatch *loader.Batch

	trainMean, valMean engine.Mean // of this epoch
	past               []reading   // of the last epochs, if StopEigenvalue needs them
	resting            bool        // whether Rules.Rest has set what passes draw
	watch              watch
	benchmark          *benchmark.Table // nil for none
	result             *SearchResult
}

// given checks that there is a source and a task.
func given(src Source, task pretext.Task) error {
	if src == nil {
		return errors.New("darts: the source of images is nil; give a data set")
	}
	if engine.IsNil(task) {
		return errors.New("darts: the task is nil; give one, pretext.Rotation for example")
	}
	if err := task.Validate(); err != nil {
		return fmt.Errorf("darts: task %s: %w", task.Name(), err)
	}
	return nil
}

func newSearch(src Source, task pretext.Task, c SearchConfig, rt Runtime) (*search, error) {
	group := rt.group()
	rt, err := rt.join(group, cmp.Or(c.Validate(), rt.validate(), covers(rt.Benchmark, c.Space), given(src, task)))
	if err != nil {
		return nil, err
	}
	s, start, warnings, err := planSearch(src, task, c, rt, group)
	if err := group.Agree(err); err != nil {
		return nil, err
	}
	return s, s.start(start, task, s.m.Params, warnings...)
}

// planSearch returns a search that is ready to start, and what it starts with.
func planSearch(src Source, task pretext.Task, c SearchConfig, rt Runtime, group *ranks.Group) (s *search, start record.Start, warnings []string, err error) {
	n := src.Len()
	weights, alphas := loader.Split(n, c.TrainFraction, c.Seed)
	if min(len(weights), len(alphas)) < c.Batch {
		return nil, start, nil, fmt.Errorf("darts: of %s, %d are for the weights and %d for the alphas; a batch of %d needs at least as many in both: lower Batch or give more images", format.Plural(n, "image"), len(weights), len(alphas), c.Batch)
	}
	began := 0
	if rt.Dir != nil && rt.AutoBatch {
		began = rt.Dir.begun().Batch
	}
	m, c, warning, err := planToFit(c, rt, group, task, began, reserved(src))
	if err != nil {
		return nil, start, nil, fmt.Errorf("darts: %w", err)
	}
	shared, all := loader.Share(c.budget(rt).Room(), m.Planned(), reserved(src))
	m.Bytes += all - m.Planned()
	s = &search{c: c, m: m, benchmark: rt.Benchmark, result: &SearchResult{Config: c}}
	s.run = newRun(s, c.Epochs, c.Batch, c.LR, rt, group, src, nil)
	s.meter = record.NewMeter(record.Func(s.emit))
	s.m.Passed = s.meter.Pass
	o := loader.Options{Batch: c.Batch, Workers: rt.workers(), Seed: c.Seed, Train: true, Quota: shared, Shard: loader.Shard{Rank: group.Rank(), Ranks: group.Size()}, Crops: s.m.Crops(task)}
	o.Purpose = "weights"
	if s.trainLoader, err = loader.New(src, task, weights, o); err != nil {
		return nil, start, nil, err
	}
	o.Purpose, o.Wrap = "alphas", true
	if s.valLoader, err = loader.New(src, task, alphas, o); err != nil {
		return nil, start, nil, err
	}
	if err := s.m.Bind(); err != nil {
		return nil, start, nil, fmt.Errorf("darts: %w", err)
	}
	s.result.Params = s.m.Params
	if s.rule, err = newBilevel(c, s.m.rules, s.m.Engine, s); err != nil {
		return nil, start, nil, fmt.Errorf("darts: %w", err)
	}
	metric := metricOf(s.m.Loss)
	drawn := ""
	if group.Leads() { // which spreads the weights
		drawn, err = initialise(s.m.Params, c.Init, rt.Dir, task, nil)
	}
	if err != nil {
		return nil, start, nil, fmt.Errorf("darts: %w", err)
	}
	warnings = []string{warning, drawn}
	if c.ArchStartEpoch == c.Epochs {
		warnings = append(warnings, fmt.Sprintf("the alphas never learn: ArchStartEpoch and Epochs are both %d, so the cells will be those of the first alphas", c.Epochs))
	}
	return s, record.Start{
		Images: n, Train: len(weights), Val: len(alphas),
		Params: s.m.size.Params, MACs: s.m.size.MACs, PlannedBytes: s.m.Bytes, Device: s.m.Device.String(), DeviceBytes: s.m.DeviceBytes,
		MicroBatch: c.budget(rt).AtOnce(), Recompute: rt.Recompute,
		ScoreName: metric.Name, LowerIsBetter: metric.LowerIsBetter, TrainScoreName: metric.Name, Ops: c.Space.Ops.Names(), Candidates: c.Space.Candidates.All(), Config: c,
	}, warnings, nil
}

func (s *search) search(ctx context.Context) (*SearchResult, error) {
	defer s.end()
	err := s.finishRun(ctx)
	if s.dir != nil && s.result.Steps > 0 {
		err = errors.Join(err, s.dir.saveSearch(s.result))
	}
	return s.result, s.ranks.Agree(err)
}

func (s *search) finishRun(ctx context.Context) error {
	done, err := s.all(ctx)
	s.result.Epochs = s.complete
	if err = errors.Join(err, s.m.Host()); err != nil {
		return err
	}
	if back, sharp := sharpened(s.past, s.c.StopEigenvalue); sharp {
		if err := s.goBack(back); err != nil {
			return err
		}
	}
	done.Genotype = s.result.Genotype.String()
	return s.record(done)
}

// stopReason ends a search in which too many skip connections have won, or whose loss
// has become sharp.
func (s *search) stopReason() string {
	if back, sharp := sharpened(s.past, s.c.StopEigenvalue); sharp {
		return fmt.Sprintf("by epoch %d the loss has become sharp in the alphas, and StopEigenvalue is %s: the search ends with the cells of epoch %d", s.complete, plain(s.c.StopEigenvalue), back.Epoch)
	}
	if s.complete < s.epochs && s.collapsed(s.c.StopSkips) {
		return fmt.Sprintf("the search ends early: after epoch %d the normal cell has %d skip connections, and StopSkips is %d", s.complete, s.skips(), s.c.StopSkips)
	}
	return ""
}

// collapsed reports whether the alphas have learned for an epoch and at least limit skip
// connections have won; never if limit is 0.
func (s *search) collapsed(limit int) bool {
	return limit > 0 && s.complete > s.c.ArchStartEpoch && s.skips() >= limit
}

// skips counts the skip connections of the normal cell.
func (s *search) skips() int {
	n := 0
	for _, e := range s.result.Genotype.Normal {
		if e.Op == ops.Skip().Name() {
			n++
		}
	}
	return n
}

func (s *search) steps() int { return s.trainLoader.Steps() }

func (s *search) open(ctx context.Context) {
	if s.step == 0 {
		if s.epoch > 0 {
			s.watch.Before = slices.Concat(s.result.Normal, s.result.Reduce)
		}
		s.trainMean, s.valMean = engine.Mean{}, engine.Mean{}
	}
	s.trainBatches = s.trainLoader.Epoch(ctx, s.epoch, s.step)
	s.valBatch = nil
	if s.valBatches = nil; s.epoch >= s.c.ArchStartEpoch {
		// An epoch that stopped after its last step needs the batch of that again.
		s.valBatches = s.valLoader.Epoch(ctx, s.epoch, min(s.step, s.steps()-1))
	}
}

func (s *search) close() {
	s.trainBatches.Close()
	if s.valBatches != nil {
		s.valBatches.Close()
	}
}

func (s *search) fetch() (err error) {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.valBatches != nil {
		if s.valBatch, err = s.valBatches.Next(); err != nil {
			return err
		}
	}
	if s.trainBatch, err = s.trainBatches.Next(); err != nil {
		return err
	}
	if s.valBatches == nil {
		return s.m.Ahead(s.m.weights, s.trainBatch, s.trainBatches.Peek())
	}
	return s.m.Ahead(s.m.weights, s.valBatch, s.trainBatch, s.valBatches.Peek())
}

func (s *search) update(rate float64) error {
	step := s.rule.at(s.epoch, s.step, rate)
	if s.valBatches != nil {
		if err := s.rule.alphas(step); err != nil {
			return err
		}
	}
	return s.rule.weights(step)
}

func (s *search) passes() int {
	n := 1
	if s.valBatches != nil {
		n += 1 + s.m.rules.passes()
	}
	return n * s.m.Local
}

func (s *search) endEpoch() error {
	if err := s.trainMean.Counted(); err != nil {
		return err
	}
	if s.valBatches == nil || s.c.StopEigenvalue == 0 && !s.m.rules.endEpochs() {
		return nil
	}
	if s.valBatch == nil {
		var err error
		if s.valBatch, err = s.valBatches.Next(); err != nil {
			return err
		}
	}
	s.m.rules.rest()
	s.resting = true
	defer func() { s.resting = false }()
	if s.c.StopEigenvalue != 0 {
		if err := s.measure(); err != nil {
			return err
		}
	}
	return s.m.rules.endEpoch(s.rule.at(s.epoch, s.step, 0))
}

func (s *search) afterEpoch() error { return s.warn() }

func (s *search) best() (p *ops.Params, epoch int) { return nil, 0 }

// metrics brings the result up to date, unless the alphas are not finite.
func (s *search) metrics() (record.Epoch, error) {
	if err := s.m.Host(s.m.Params.Alphas()); err != nil {
		return record.Epoch{}, err
	}
	normal, reduce := s.m.net.Alphas()
	normalBetas, reduceBetas := s.m.net.Betas()
	both := slices.Concat(normal, reduce)
	e := record.Epoch{
		Epoch: s.epoch + 1, Entropy: cell.Entropy(both),
		SkipWeight: s.c.Space.OpWeight(normal, reduce, ops.Skip().Name()), PoolWeight: s.poolShare(normal, reduce),
		Stability: cell.KendallTau(s.watch.Before, both), Normal: normal, Reduce: reduce,
		Eigenvalue: math.NaN(), ScoreName: metricOf(s.m.Loss).Name,
	}
	if n := len(s.past); n > 0 && s.past[n-1].Epoch == e.Epoch {
		e.Eigenvalue = s.past[n-1].Eigenvalue
	}
	if math.IsNaN(e.Entropy) || slices.ContainsFunc(slices.Concat(normalBetas, reduceBetas), math.IsNaN) {
		return e, fmt.Errorf("%w: the alphas are not finite", ErrDiverged)
	}
	g, err := s.c.Space.Derive(normal, reduce, normalBetas, reduceBetas)
	if err != nil {
		return e, fmt.Errorf("darts: %w", err)
	}
	e.Genotype = g.String()
	if e.Truth, e.Percentiles, err = lookUp(s.benchmark, g); err != nil {
		return e, fmt.Errorf("darts: %w", err)
	}
	e.TrainLoss, e.TrainScore = s.trainMean.Value()
	e.ValLoss, e.ValScore = s.valMean.Value()
	r := s.result
	r.Genotype, r.Normal, r.Reduce, r.Steps, r.Last = g, normal, reduce, s.done(), e
	r.NormalBetas, r.ReduceBetas = normalBetas, reduceBetas
	return e, nil
}

// host hands the memory of the search to the host.
func (s *search) host() error { return s.m.Host() }

// arrays returns the memory that a search resumes from.
func (s *search) arrays() []checkpoint.Array {
	all := []checkpoint.Array{
		checkpoint.ArrayOf("weights", s.m.Params.Weights()),
		checkpoint.ArrayOf("alphas", s.m.Params.Alphas()),
		checkpoint.ArrayOf("running statistics", s.m.Params.Running()),
		checkpoint.ArrayOf("velocity", s.rule.velocity),
		checkpoint.ArrayOf("mean of the alphas' gradients", s.rule.mean),
		checkpoint.ArrayOf("mean of their squares", s.rule.squares),
	}
	for i, r := range s.m.rules {
		if r.State != nil {
			all = append(all, checkpoint.ArrayOf("state of "+s.c.Algorithms[i].Name(), r.State))
		}
	}
	return all
}

// searchState is what else a search resumes from.
type searchState struct {
	ArchSteps int        `json:"arch_steps"` // steps of the alphas
	Train     [3]float64 `json:"train"`      // the sums of trainMean
	Val       [3]float64 `json:"val"`        // the sums of valMean
	Past      []reading  `json:"past"`       // see sharpened
	Watch     watch      `json:"watch"`
}

func (s *search) state() any {
	return searchState{s.rule.archSteps, sumsOf(s.trainMean), sumsOf(s.valMean), s.past, s.watch}
}

func (s *search) restoreState(state json.RawMessage, steps int) (func(), error) {
	var at searchState
	if err := json.Unmarshal(state, &at); err != nil {
		return nil, err
	}
	if at.ArchSteps < 0 || at.ArchSteps > steps {
		return nil, fmt.Errorf("there are no %d steps of the alphas in %d", at.ArchSteps, steps)
	}
	return func() {
		s.rule.archSteps = at.ArchSteps
		s.trainMean, s.valMean = meanOf(at.Train), meanOf(at.Val)
		s.past, s.watch = at.Past, at.Watch
	}, nil
}

// Weights, Alphas, Tables, Candidates, TrainGrad, ValGrad and Trial make a search an Objective.

func (s *search) Weights() (values, grads []float32) {
	return s.m.Params.Weights(), s.m.Params.WeightGrads()
}

func (s *search) Alphas() (values, grads []float32) {
	return s.m.Params.Alphas(), s.m.Params.AlphaGrads()
}

func (s *search) Tables() []Table { return s.m.tables }

func (s *search) Candidates() []Candidate { return s.m.candidates }

func (s *search) TrainGrad() error {
	s.draw("weights")
	p, err := s.m.run(s.m.weights, s.trainBatch)
	if err != nil {
		return fmt.Errorf("darts: %w", err)
	}
	s.trainMean.Add(p)
	return finite(p.Loss, "the weights' images")
}

func (s *search) ValGrad() error {
	s.draw("alphas")
	p, err := s.m.run(s.m.alphas, s.valBatch)
	if err != nil {
		return fmt.Errorf("darts: %w", err)
	}
	s.valMean.Add(p)
	return finite(p.Loss, "the alphas' images")
}

// draw draws what the algorithms do, and what skip connections drop.
func (s *search) draw(purpose string) {
	s.m.rules.draw(Place{s.c.Seed, s.epoch, s.step}, purpose)
	s.drop(purpose)
}

// drop draws what skip connections drop, the same for all passes of a purpose.
func (s *search) drop(purpose string) {
	if s.m.dropper != nil {
		s.m.dropper.draw(s.c, purpose, s.epoch, s.step)
	}
}

func (s *search) Trial(t Trial) (loss float64, err error) {
	b, half, purpose := s.trainBatch, "the weights' images", "weights"
	if t == ValBoth || t == ValAlphas {
		b, half, purpose = s.valBatch, "the alphas' images", "alphas"
	}
	if s.resting {
		if err := s.ctx.Err(); err != nil {
			return 0, err
		}
		s.drop(purpose)
	} else {
		s.draw(purpose)
	}
	p, err := s.m.try(t, b)
	if err != nil {
		return 0, fmt.Errorf("darts: %w", err)
	}
	if t == ValBoth && s.rule.learning {
		s.valMean.Add(p)
	}
	return p.Loss, cmp.Or(finite(p.Loss, half), s.m.Host())
}
