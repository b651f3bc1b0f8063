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
	"strings"

	"unnas/darts/record"
	"unnas/internal/checkpoint"
	"unnas/internal/engine"
	"unnas/internal/format"
	"unnas/internal/loader"
	"unnas/internal/panics"
	"unnas/internal/quota"
	"unnas/internal/ranks"
	"unnas/ops"
	"unnas/pretext"
)

// Evaluation is how good a model is on a data set.
type Evaluation struct {
	Images int
	// Loss is the mean loss; NaN where the task measures whole images, as segmentation.
	Loss float64
	// ScoreName names the score by which models are compared, and Score is its value:
	// "top1" of classification, "miou" of segmentation. Lower is better if
	// LowerIsBetter says so.
	ScoreName     string
	Score         float64
	LowerIsBetter bool
	// Scores are the others by name, such as "top5".
	Scores map[string]float64
	// Classes are the scores of the single classes, in their order; nil if the task has
	// none.
	Classes []ClassScore
}

// ClassScore is how good a model is on one class.
type ClassScore struct {
	Name string // "" if the classes have no names
	// Score is the share of its labels that are predicted right, or the intersection
	// over union of its pixels in segmentation; NaN if the class does not occur.
	Score float64
}

// Evaluate measures the model on all images of a source, in the way that Train does
// on those of validation: classes are compared by their names where both have some. The
// Runtime says how; its Dir is not used. Ranks share the images, and all get the result.
func (m *Model) Evaluate(ctx context.Context, src Source, rt Runtime) (*Evaluation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	group := rt.group()
	e, err := m.evaluateOn(ctx, src, rt, group)
	if err := group.Agree(err); err != nil {
		return nil, err
	}
	return e, nil
}

// evaluateOn evaluates the share of a rank.
func (m *Model) evaluateOn(ctx context.Context, src Source, rt Runtime, group *ranks.Group) (*Evaluation, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	if err := rt.validate(); err != nil {
		return nil, err
	}
	if err := given(src, m.Task); err != nil {
		return nil, err
	}
	if src.Len() == 0 {
		return nil, errors.New("darts: there are no images to evaluate on")
	}
	rt, err := rt.settle(group)
	if err != nil {
		return nil, err
	}
	if err := m.compare(group, src); err != nil {
		return nil, err
	}
	same, warning, err := matchClasses(m.Classes, src, m.Task)
	if err != nil {
		return nil, err
	}
	recorder := rt.Recorder
	if recorder == nil || !group.Leads() {
		recorder = record.Func(func(record.Event) error { return nil })
	}
	if warning != "" {
		if err := recorder.Record(record.Warning{Text: warning}); err != nil {
			return nil, fmt.Errorf("darts: recording: %w", err)
		}
	}
	e, err := m.evaluate(ctx, same, rt, group, record.NewMeter(recorder))
	if err != nil {
		return nil, err
	}
	e.Images = src.Len()
	return e, nil
}

// compare returns an error if another rank has another model or other images.
func (m *Model) compare(group *ranks.Group, src Source) error {
	if group.Size() == 1 {
		return nil
	}
	mine, err := json.Marshal(map[string]any{
		"images": src.Len(), "fingerprint": about(src).Fingerprint(), "kernel": kernels(),
		"weights": checkpoint.ArrayOf("", m.Params.Weights()).Checksum(), "running": checkpoint.ArrayOf("", m.Params.Running()).Checksum(),
	})
	if err := group.Agree(err); err != nil {
		return err
	}
	if err := group.Differences(mine, checkpoint.Differences); err != nil {
		return fmt.Errorf("darts: %w\nstart all ranks with the same model and images", err)
	}
	return nil
}

func (m *Model) evaluate(ctx context.Context, src Source, rt Runtime, group *ranks.Group, meter *record.Meter) (e *Evaluation, err error) {
	device, err := rt.device(Float32)
	if err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	if evaluator, ok := m.Task.(Evaluator); ok {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("darts: evaluation of task %s: panic: %w", m.Task.Name(), panics.Recovered(p))
			}
		}()
		measure, bytes, err := evaluator.Evaluate(ctx, m.Architecture, m.Params, counted{about(src), meter}, device.Name())
		if err != nil {
			return nil, fmt.Errorf("darts: %w", err)
		}
		decoding, err := evaluationQuota(rt, bytes, src)
		if err != nil {
			return nil, err
		}
		scores, err := evaluateImages(decoding.With(ctx), group, evaluator, measure, src.Len(), meter)
		if err != nil {
			return nil, err
		}
		var metric ops.Metric
		metric.Name, metric.LowerIsBetter = evaluator.Metric()
		return m.evaluation(metric, scores, nil), nil
	}
	en := engine.New(1, group)
	en.Params, en.Device = m.Params, device
	var run *engine.Runner
	atOnce := min(evaluatedAtATime, src.Len())
	err = ops.Build(func() error {
		n, err := engine.Assemble(m.Params, m.Architecture, m.Task, en.Crops(m.Task), atOnce)
		if err == nil {
			err = n.Scope.Covers()
		}
		if err != nil {
			return err
		}
		run, err = en.PlanForward(n, true, n.Logits)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	en.Bytes += loader.Bytes(m.Task.Spec(), en.Crops(m.Task), atOnce, rt.workers())
	decoding, err := evaluationQuota(rt, en.Planned(), src)
	if err != nil {
		return nil, err
	}
	if err := en.Bind(); err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	images, err := loader.New(src, m.Task, loader.All(src), loader.Options{Batch: atOnce, Workers: rt.workers(), Purpose: "evaluation", Quota: decoding, Shard: loader.Shard{Rank: group.Rank(), Ranks: group.Size(), Whole: true}, Crops: en.Crops(m.Task)})
	if err != nil {
		return nil, err
	}
	metric := metricOf(run.Loss)
	scores, classes, err := evaluate(decoding.With(ctx), en, run, images, m.Task.Spec(), metric, meter)
	if err != nil {
		return nil, err
	}
	return m.evaluation(metric, scores, classes), nil
}

// evaluationQuota returns the memory in which images are decoded, or an error if there
// is too little besides the bytes that the network takes.
func evaluationQuota(rt Runtime, bytes int64, src Source) (*quota.Quota, error) {
	room, kept := engine.Budget{Memory: rt.Memory}.Room(), reserved(src)
	if bytes += kept; room > 0 && bytes > room {
		return nil, fmt.Errorf("darts: the evaluation needs %s of memory, and there are %s; raise Memory, or take a smaller network or transform", format.Bytes(bytes), format.Bytes(room))
	}
	shared, _ := loader.Share(room, bytes, kept)
	return shared, nil
}

// evaluation sorts scores out.
func (m *Model) evaluation(metric ops.Metric, scores map[string]float64, classes []float64) *Evaluation {
	e := &Evaluation{Loss: math.NaN(), ScoreName: metric.Name, Score: scores[metric.Name], LowerIsBetter: metric.LowerIsBetter, Scores: maps.Clone(scores)}
	if loss, ok := scores["loss"]; ok {
		e.Loss = loss
	}
	delete(e.Scores, "loss")
	delete(e.Scores, metric.Name)
	if classes == nil {
		for k := range m.Task.Spec().Classes {
			name := fmt.Sprintf("%s%d", iouPrefix, k)
			score, ok := scores[name]
			if !ok {
				classes = nil
				break
			}
			classes = append(classes, score)
		}
		if classes != nil {
			maps.DeleteFunc(e.Scores, func(name string, _ float64) bool { return strings.HasPrefix(name, iouPrefix) })
		}
	}
	for k, score := range classes {
		c := ClassScore{Score: score}
		if k < len(m.Classes) {
			c.Name = m.Classes[k]
		}
		e.Classes = append(e.Classes, c)
	}
	return e
}

// iouPrefix begins the names of the scores of classes that an Evaluator of pixels gives.
const iouPrefix = "iou_"

// evaluate measures a network on the transformed images of a loader, which has the batches
// of this rank: the loss, the score of the metric, and of classes top5 and the share of
// each that is predicted right.
func evaluate(ctx context.Context, e *engine.Engine, r *engine.Runner, images *loader.Loader, spec pretext.Spec, metric ops.Metric, meter *record.Meter) (scores map[string]float64, classes []float64, err error) {
	var counts *tally
	if spec.Classes > 0 && len(spec.LabelShape) == 1 {
		counts = newTally(spec.Classes)
	}
	mine, err := evaluateShard(ctx, e, r, images, counts, meter)
	if err := e.Ranks.Agree(err); err != nil {
		return nil, nil, err
	}
	all, err := meanOfBatches(e.Ranks, mine, images.Steps())
	if err != nil {
		return nil, nil, err
	}
	if all.Count == 0 {
		return nil, nil, errors.New("darts: nothing counts in the images to evaluate on; give images with labels or targets, two or more for a task that compares images")
	}
	loss, score := all.Value()
	scores = map[string]float64{"loss": loss, metric.Name: score}
	if counts == nil {
		return scores, nil, nil
	}
	if err := counts.merge(e.Ranks); err != nil {
		return nil, nil, err
	}
	if spec.Classes > 5 {
		scores["top5"] = counts.five / all.Count
	}
	return scores, counts.shares(), nil
}

// evaluateShard runs the batches of this rank and returns what their passes measured.
func evaluateShard(ctx context.Context, e *engine.Engine, r *engine.Runner, images *loader.Loader, counts *tally, meter *record.Meter) (passes []engine.Pass, err error) {
	meter.Begin("evaluating", "images", images.Images())
	batches := images.Epoch(ctx, 0, 0)
	defer batches.Close()
	for more := true; more; {
		var given []loader.Batch // to replicas; without inputs, whose memory has other images by then
		var loading error
		first := len(passes)
		err := e.RunReplicas(r, func(int) (*loader.Batch, error) {
			b, err := batches.Next()
			if more = !errors.Is(err, io.EOF); !more {
				return nil, nil
			}
			if loading = err; err == nil {
				given = append(given, loader.Batch{Y: slices.Clone(b.Y), Images: b.Images})
			}
			return b, err
		}, func(k int, p engine.Pass) error {
			passes = append(passes, p)
			if counts != nil {
				counts.add(r.Logits.Value().Data().([]float32), given[k].Y)
			}
			return nil
		})
		if loading != nil {
			return nil, loading
		}
		if err != nil {
			return nil, fmt.Errorf("darts: %w", err)
		}
		for k, b := range given {
			if err := finite(passes[first+k].Loss, "the images to evaluate on"); err != nil {
				return nil, err
			}
			if err := meter.Add(b.Images); err != nil {
				return nil, err
			}
		}
	}
	return passes, nil
}

// meanOfBatches returns the mean of a number of batches, of which the ranks have taken
// every one in turn. It adds them in their order, so that it does not depend on the ranks.
func meanOfBatches(group *ranks.Group, mine []engine.Pass, batches int) (all engine.Mean, err error) {
	size := group.Size()
	block := make([]float64, 3*((batches+size-1)/size))
	for i, p := range mine {
		copy(block[3*i:], []float64{p.Loss, p.Score, p.Count})
	}
	numbers, err := group.GatherFloat64(block...)
	if err != nil {
		return all, err
	}
	for i := range batches {
		p := numbers[i%size*len(block)+3*(i/size):]
		all.Add(engine.Pass{Loss: p[0], Score: p[1], Count: p[2]})
	}
	return all, nil
}

// evaluateImages measures a network as an Evaluator does on a number of images, which the
// ranks take in turn.
func evaluateImages(ctx context.Context, group *ranks.Group, e Evaluator, evaluate func(ctx context.Context, images []int) ([]float64, error), images int, meter *record.Meter) (map[string]float64, error) {
	var mine []int
	for i := group.Rank(); i < images; i += group.Size() {
		mine = append(mine, i)
	}
	meter.Begin("evaluating", "images", len(mine))
	var counts []float64
	var err error
	if len(mine) > 0 {
		counts, err = evaluate(ctx, mine)
	}
	if err := group.Agree(err); err != nil {
		return nil, err
	}
	lengths, err := group.GatherFloat64(float64(len(counts)))
	if err != nil {
		return nil, err
	}
	if n := int(slices.Max(lengths)); len(mine) == 0 {
		counts = make([]float64, n)
	} else if len(counts) != n {
		err = fmt.Errorf("darts: the evaluation of task %s gives %d counts for %s and %d for others; its counts must be as many for all images", e.Name(), len(counts), format.Plural(len(mine), "image"), n)
	}
	if err := group.Agree(err); err != nil {
		return nil, err
	}
	if err := addCounts(group, counts); err != nil {
		return nil, err
	}
	return e.Scores(counts), nil
}

// addCounts replaces counts by their sums over all ranks.
func addCounts(group *ranks.Group, counts []float64) error {
	all, err := group.GatherFloat64(slices.Clone(counts)...)
	if err != nil {
		return err
	}
	clear(counts)
	for i, n := range all {
		counts[i%len(counts)] += n
	}
	return nil
}

// A tally counts, by class, the labels that are predicted.
type tally struct {
	labels, right []float64
	five          float64 // of all classes, those among the five with the largest logits
}

func newTally(classes int) *tally {
	return &tally{labels: make([]float64, classes), right: make([]float64, classes)}
}

// add counts rows of logits and their labels. Of equal logits the first are larger.
func (t *tally) add(logits []float32, labels []int32) {
	classes := len(t.labels)
	for i, l := range labels {
		if l < 0 {
			continue
		}
		row, before := logits[i*classes:][:classes], 0
		for k, v := range row {
			if !(v <= row[l]) || v == row[l] && k < int(l) { // a NaN comes before all
				before++
			}
		}
		t.labels[l]++
		if before == 0 {
			t.right[l]++
		}
		if before < 5 {
			t.five++
		}
	}
}

// merge adds the counts of all ranks.
func (t *tally) merge(group *ranks.Group) error {
	counts := slices.Concat(t.labels, t.right, []float64{t.five})
	if err := addCounts(group, counts); err != nil {
		return err
	}
	n := len(t.labels)
	t.labels, t.right, t.five = counts[:n], counts[n:2*n], counts[2*n]
	return nil
}

// shares returns the share of each class that is right; NaN if it does not occur.
func (t *tally) shares() []float64 {
	all := slices.Clone(t.right)
	for k := range all {
		all[k] /= t.labels[k]
	}
	return all
}
