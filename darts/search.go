package darts

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"unnas/cell"
	"unnas/ops"
	"unnas/pretext"
)

// ErrDiverged is the error of a run whose loss is no longer a finite number.
// Lower the learning rate, or look for images or labels that are not what they
// should be.
var ErrDiverged = errors.New("darts: the run diverged")

// Result is what a search has found.
type Result struct {
	// Genotype are the cells that the alphas favour.
	Genotype cell.Genotype
	// Normal and Reduce are the alphas, a row for each edge, before softmax.
	Normal, Reduce [][]float64
	// Epochs and Steps tell how much has been done: complete epochs, and steps.
	Epochs, Steps int
	// Last are the figures of the last epoch that was begun.
	Last Epoch
	// Params are the parameters of the supernet as the last step left them. Their
	// WriteSafetensors keeps them for other programs.
	Params *ops.Params
	// Config are the settings.
	Config Config
}

// Search searches a cell: it trains a supernet with the head of a task on one
// part of the images of src and its alphas on the other (Liu et al., 2019, arXiv
// 1806.09055; with tasks that need no labels, Liu et al., 2020, arXiv
// 2003.12056), by the Algorithm of the Config.
//
// Equal seeds give equal results, bit by bit, on any number of cores and of
// loader workers. What keeps a search from starting gives an error and no result.
// What ends it early gives an error and what had been found until then: that of
// ctx when it is done, ErrDiverged if the loss is no longer finite, that of an
// image that cannot be loaded or of the Recorder.
//
// A search with a Folder that holds an earlier part of it goes on from the last
// checkpoint, and ends with the same bits as one that was never stopped. It is
// refused if the settings, the task or the number of images have changed.
func Search(ctx context.Context, src Source, task pretext.Task, c Config) (*Result, error) {
	s, err := newSearch(src, task, c)
	if err != nil {
		return nil, err
	}
	return s.run(ctx)
}

// search is a search under way.
type search struct {
	ctx   context.Context
	c     Config
	m     *model
	rule  *bilevel
	w, a  *loader
	train *batches // of this epoch
	held  *batches // of this epoch; nil while the alphas rest
	// What the step under way reads.
	trainBatch, heldBatch *batch
	identity              []byte // see identify

	epoch, step         int // under way, from 0, and how many steps of it are done
	saved               int // steps done at the last checkpoint
	trainMean, heldMean mean
	started, begun      time.Time // the run and the epoch, as if never interrupted
	result              *Result
}

// done returns the number of steps done.
func (s *search) done() int { return s.epoch*s.w.steps() + s.step }

// mean gathers losses and accuracies over an epoch.
type mean struct{ loss, correct, count float64 }

func (m *mean) add(p pass) {
	m.loss += p.loss * p.count
	m.correct += p.correct
	m.count += p.count
}

// value returns NaN for both if there was nothing.
func (m mean) value() (loss, accuracy float64) { return m.loss / m.count, m.correct / m.count }

func newSearch(src Source, task pretext.Task, c Config) (*search, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := task.Validate(); err != nil {
		return nil, fmt.Errorf("darts: task %s: %w", task.Name(), err)
	}
	n := src.Len()
	weights, alphas := halves(n, c.Portion, c.Seed)
	if min(len(weights), len(alphas)) < c.Batch {
		return nil, fmt.Errorf("darts: %d images make parts of %d for the weights and %d for the alphas; a batch of %d needs at least as many in both: lower Batch or give more images", n, len(weights), len(alphas), c.Batch)
	}
	began := 0
	if c.Folder != nil {
		began = c.Folder.batch()
	}
	m, c, told, err := planToFit(c, task, began)
	if err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	s := &search{c: c, m: m, result: &Result{Config: c}}
	o := loaderOptions{batch: c.Batch, workers: c.Workers, seed: c.Seed, train: true}
	o.purpose = "weights"
	if s.w, err = newLoader(src, task, weights, o); err != nil {
		return nil, err
	}
	o.purpose, o.wrap = "alphas", true
	if s.a, err = newLoader(src, task, alphas, o); err != nil {
		return nil, err
	}
	if err := s.m.bind(); err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	s.result.Params = s.m.params
	s.rule = newBilevel(c, s.m.team, s)
	start := Start{
		Task: task.Name(), Images: n, Train: len(weights), Held: len(alphas),
		Params: s.m.size.Params, MACs: s.m.size.MACs, PlannedBytes: s.m.bytes,
		Epochs: c.Epochs, StepsPerEpoch: s.w.steps(), Batch: c.Batch,
		MicroBatch: c.atOnce(), Recompute: c.Recompute, Config: c,
	}
	if s.identity, err = identify(start, task, s.m.params); err != nil {
		return nil, err
	}
	return s, s.begin(start, told)
}

// begin goes to where the folder says that the run was, and tells what is about
// to be done. The folder of a run that goes on has heard it already.
func (s *search) begin(start Start, told string) error {
	s.started = time.Now()
	events := []Event{start}
	if told != "" {
		events = append(events, Warning{Text: told})
	}
	if s.c.ArchEpoch == s.c.Epochs {
		events = append(events, Warning{Text: fmt.Sprintf("the alphas never learn: ArchEpoch and Epochs are both %d, so the cells will be those of the first alphas", s.c.Epochs)})
	}
	tell := s.record
	if s.c.Folder != nil {
		resumed, faults, err := s.c.Folder.resume(s.restore)
		if err != nil {
			return err
		}
		for _, fault := range faults {
			events = append(events, Warning{Text: fmt.Sprintf("%v; the checkpoint before it is used", fault)})
		}
		if resumed {
			s.saved = s.done()
			tell = s.tell
		}
	}
	if err := s.note(); err != nil {
		return err
	}
	for _, e := range events {
		if err := tell(e); err != nil {
			return err
		}
	}
	return nil
}

func (s *search) run(ctx context.Context) (*Result, error) {
	s.ctx = ctx
	for s.result.Epochs < s.c.Epochs && !s.collapsed() {
		if err := s.runEpoch(); err != nil {
			return s.result, err
		}
	}
	if done := s.result.Epochs; done < s.c.Epochs {
		text := fmt.Sprintf("the search ends early: after epoch %d the normal cell has %d skip connections, and StopSkips is %d", done, s.skips(), s.c.StopSkips)
		if err := s.record(Warning{Text: text}); err != nil {
			return s.result, err
		}
	}
	return s.result, s.record(Done{Epochs: s.result.Epochs, Images: s.done() * s.c.Batch, Genotype: s.result.Genotype.String(), Elapsed: time.Since(s.started)})
}

// collapsed says whether so many skip connections have won that the search ends.
func (s *search) collapsed() bool {
	return s.c.StopSkips > 0 && s.result.Epochs > s.c.ArchEpoch && s.skips() >= s.c.StopSkips
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

func (s *search) runEpoch() error {
	if s.step == s.w.steps() { // the one before is complete
		s.epoch, s.step = s.epoch+1, 0
		s.trainMean, s.heldMean = mean{}, mean{}
	}
	if s.step == 0 {
		s.begun = time.Now()
	}
	s.train = s.w.epoch(s.ctx, s.epoch, s.step)
	defer s.train.close()
	if s.held = nil; s.epoch >= s.c.ArchEpoch {
		s.held = s.a.epoch(s.ctx, s.epoch, s.step)
		defer s.held.close()
	}
	for s.step < s.w.steps() {
		if err := s.runStep(); err != nil {
			return err
		}
	}
	e := s.result.Last
	e.Elapsed = time.Since(s.begun)
	if err := s.record(e); err != nil {
		return err
	}
	s.result.Epochs++
	return s.save()
}

func (s *search) runStep() error {
	if err := s.fetch(); err != nil {
		return errors.Join(err, s.save())
	}
	rate := s.c.LR.Rate(s.epoch, s.c.Epochs, s.step, s.w.steps())
	if s.held != nil {
		if err := s.rule.arch(s, rate); err != nil {
			return s.place(err)
		}
	}
	if err := s.rule.weights(s, rate); err != nil {
		return s.place(err)
	}
	s.step++
	if err := s.note(); err != nil {
		return err
	}
	e := s.result.Last
	elapsed := time.Since(s.started)
	left := s.c.Epochs*s.w.steps() - s.done()
	if err := s.record(Step{
		Epoch: e.Epoch, Step: s.step, Steps: s.w.steps(), Images: s.done() * s.c.Batch,
		Loss: e.TrainLoss, Accuracy: e.TrainAccuracy, HeldLoss: e.HeldLoss, HeldAccuracy: e.HeldAccuracy,
		LR: rate, Entropy: e.Entropy, SkipShare: e.SkipShare,
		ImagesPerSecond: float64(s.c.Batch*s.step) / time.Since(s.begun).Seconds(),
		Left:            time.Duration(float64(elapsed) / float64(s.done()) * float64(left)),
	}); err != nil {
		return err
	}
	if s.step < s.w.steps() && s.c.Folder != nil && s.c.Folder.due() {
		return s.save()
	}
	return nil
}

// fetch waits for the images of a step. It is all of a step that a context or an
// image can end, and comes first, so that a run stops between two steps.
func (s *search) fetch() (err error) {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.held != nil {
		if s.heldBatch, err = s.held.next(); err != nil {
			return s.place(err)
		}
	}
	if s.trainBatch, err = s.train.next(); err != nil {
		return s.place(err)
	}
	return nil
}

// save keeps a checkpoint in the folder, unless it has one of this step.
func (s *search) save() error {
	if s.c.Folder == nil || s.done() == s.saved {
		return nil
	}
	if err := s.c.Folder.keep(s.done(), s.checkpoint); err != nil {
		return err
	}
	s.saved = s.done()
	return nil
}

// place adds to an error where the run was.
func (s *search) place(err error) error {
	if s.ctx.Err() != nil && errors.Is(err, s.ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w (epoch %d, step %d)", err, s.epoch+1, s.step+1)
}

// note brings the result up to date, unless the alphas are no numbers any more.
func (s *search) note() error {
	normal, reduce := s.m.net.Alphas()
	both := slices.Concat(normal, reduce)
	e := Epoch{Epoch: s.epoch + 1, Entropy: cell.Entropy(both), SkipShare: s.c.Space.Share(both, ops.Skip().Name())}
	if math.IsNaN(e.Entropy) {
		return fmt.Errorf("%w: the alphas are not finite", ErrDiverged)
	}
	g, err := s.c.Space.Derive(normal, reduce)
	if err != nil {
		return fmt.Errorf("darts: %w", err)
	}
	e.Genotype = g.String()
	e.TrainLoss, e.TrainAccuracy = s.trainMean.value()
	e.HeldLoss, e.HeldAccuracy = s.heldMean.value()
	r := s.result
	r.Genotype, r.Normal, r.Reduce, r.Steps, r.Last = g, normal, reduce, s.done(), e
	return nil
}

// record keeps an event in the folder and tells the recorder.
func (s *search) record(e Event) error {
	if s.c.Folder != nil {
		if err := s.c.Folder.record(e); err != nil {
			return err
		}
	}
	return s.tell(e)
}

func (s *search) tell(e Event) error {
	if s.c.Recorder == nil {
		return nil
	}
	if err := s.c.Recorder.Record(e); err != nil {
		return fmt.Errorf("darts: recording: %w", err)
	}
	return nil
}

// Weights, Alphas, TrainGrad, HeldGrad and Trial make a search an objective.

func (s *search) Weights() (values, grads []float32) {
	return s.m.params.Weights(), s.m.params.WeightGrads()
}

func (s *search) Alphas() (values, grads []float32) {
	return s.m.params.Alphas(), s.m.params.AlphaGrads()
}

func (s *search) TrainGrad() error {
	s.draw("weights")
	p, err := s.m.run(s.m.weights, s.trainBatch)
	if err != nil {
		return fmt.Errorf("darts: %w", err)
	}
	s.trainMean.add(p)
	return finite(p.loss, "the weights' images")
}

func (s *search) HeldGrad() error {
	s.draw("alphas")
	p, err := s.m.run(s.m.alphas, s.heldBatch)
	if err != nil {
		return fmt.Errorf("darts: %w", err)
	}
	s.heldMean.add(p)
	return finite(p.loss, "the alphas' images")
}

// draw draws operations if the algorithm does.
func (s *search) draw(purpose string) {
	if s.m.sampler != nil {
		s.m.sampler.draw(s.c, purpose, s.epoch, s.step)
	}
}

func (s *search) Trial(t trial) error {
	b := s.trainBatch
	if t == heldBoth {
		b = s.heldBatch
	}
	p, err := s.m.try(t, b)
	if err != nil {
		return fmt.Errorf("darts: %w", err)
	}
	if t == heldBoth {
		s.heldMean.add(p)
		return finite(p.loss, "the alphas' images")
	}
	return finite(p.loss, "the weights' images")
}
