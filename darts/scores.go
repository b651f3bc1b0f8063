package darts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"unnas/darts/dataset"
	"unnas/darts/record"
	"unnas/internal/engine"
	"unnas/internal/format"
	"unnas/internal/panics"
	"unnas/ops"
	"unnas/pretext"
)

// endEpoch evaluates the network if it is time to.
func (t *training) endEpoch() (err error) {
	e, err := t.metrics()
	if err != nil {
		return err
	}
	if err := t.mean.Counted(); err != nil {
		return err
	}
	last := t.epoch == t.c.Epochs-1
	if t.val == nil || !last && (t.c.EvaluateEvery == 0 || (t.epoch+1)%t.c.EvaluateEvery != 0) {
		return nil
	}
	if t.c.EMADecay > 0 {
		if err := t.swap(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, t.swap()) }()
	}
	if t.c.PreciseBN > 0 {
		if err := t.takeStatistics(); err != nil {
			return err
		}
	}
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
		if err := t.Host(); err != nil {
			return err
		}
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
	if t.taskEvaluate != nil {
		if err := t.Host(); err != nil {
			return nil, err
		}
		return evaluateImages(ctx, t.Ranks, t.task.(Evaluator), t.taskEvaluate, t.val.Len(), t.meter)
	}
	scores, _, err = evaluate(ctx, t.Engine, t.eval, t.valLoader, t.task.Spec(), t.metric, t.meter)
	return scores, err
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
