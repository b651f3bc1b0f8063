package session

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"unnas/darts"
	"unnas/darts/record"
	"unnas/pretext"
)

// Training is the training of a network.
type Training struct {
	Session
	Source, Val darts.Source // images to train on, and to validate on
	Task        pretext.Task
	Config      darts.TrainConfig // Seed is that of the Options
}

// Run runs the training, prints what happens, and keeps it in the run directory, which
// is removed if no step was done. A training that ctx stops is kept, and how to resume
// it is printed.
func (t Training) Run(ctx context.Context, out io.Writer) error {
	c := t.Config
	c.Seed = t.Seed
	if err := c.Validate(); err != nil {
		return err
	}
	return t.run(ctx, out, t.Source, t.Task, func(rt darts.Runtime) (outcome, error) {
		r, err := darts.Train(ctx, t.Source, t.Val, t.Task, c, rt)
		if r == nil {
			return outcome{}, err
		}
		return outcome{
			steps: r.Steps,
			show:  func(out io.Writer, of ended) error { return t.show(out, r, of) },
		}, err
	})
}

// show prints the size of the network, how good it is and where.
func (t Training) show(out io.Writer, r *darts.TrainResult, of ended) error {
	if of.stopped {
		fmt.Fprintf(out, "stopped after %s\n", steps(r.Steps))
	}
	fmt.Fprintf(out, "\nThe network has %d parameters and takes %.1f M multiply-adds an image.\n", r.Size.Params, float64(r.Size.MACs)/1e6)
	if r.Best.Epoch > 0 {
		if r.Last.ScoreName != "" {
			fmt.Fprintf(out, "last, epoch %d: %s\n", r.Last.Epoch, scores(r.Last, of.lowerIsBetter))
		}
		fmt.Fprintf(out, "best, epoch %d: %s\n", r.Best.Epoch, scores(r.Best, of.lowerIsBetter))
	}
	return of.see(out, kept{"the model", []string{"model.safetensors"}}, kept{"that of the best epoch", []string{"best.safetensors"}})
}

// scores returns the scores of validation, that by which the best epoch is chosen first.
// Scores of single classes are in metrics.jsonl.
func scores(e record.Epoch, lowerIsBetter bool) string {
	parts := []string{fmt.Sprintf("%s %.1f%%", e.ScoreName, 100*e.ValScore)}
	if lowerIsBetter { // which is no share
		parts[0] = fmt.Sprintf("%s %.4g", e.ScoreName, e.ValScore)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Scores)) {
		if !strings.HasPrefix(name, "iou_") {
			parts = append(parts, fmt.Sprintf("%s %.1f%%", name, 100*e.Scores[name]))
		}
	}
	return strings.Join(parts, ", ")
}
