package program

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

// Training is a training that a program runs.
type Training struct {
	Session
	Source, Held darts.Source // images to learn from, and to evaluate on
	Task         pretext.Task
	Config       darts.TrainConfig // Seed is that of the Options

	// Keep, unless nil, writes more of what was trained to the folder.
	Keep func(*darts.RunDir, *darts.TrainResult) error
}

// Run runs the training, prints what happens, and keeps it in a folder, which is
// removed if nothing was learned. A training that ctx stops keeps what it has
// learned until then and says how to go on.
func (t Training) Run(ctx context.Context, out io.Writer) error {
	c := t.Config
	c.Seed = t.Seed
	if err := c.Validate(); err != nil {
		return err
	}
	return t.run(ctx, out, t.Source, t.Task, func(rt darts.Runtime) (outcome, error) {
		r, err := darts.Train(ctx, t.Source, t.Held, t.Task, c, rt)
		if r == nil {
			return outcome{}, err
		}
		return outcome{
			steps: r.Steps,
			save: func(f *darts.RunDir) error {
				if t.Keep == nil {
					return nil
				}
				return t.Keep(f, r)
			},
			show: func(out io.Writer, dir string, stopped bool) error { return t.show(out, r, dir, stopped) },
		}, err
	})
}

// show prints the size of the network, how good it is and where.
func (t Training) show(out io.Writer, r *darts.TrainResult, dir string, stopped bool) error {
	if stopped {
		fmt.Fprintf(out, "stopped after %d steps\n", r.Steps)
	}
	fmt.Fprintf(out, "\nThe network has %d parameters and takes %.1f M multiply-adds an image.\n", r.Size.Params, float64(r.Size.MACs)/1e6)
	best := ""
	if r.Best.Epoch > 0 {
		if r.Last.ScoreName != "" {
			fmt.Fprintf(out, "last, epoch %d: %s\n", r.Last.Epoch, scores(r.Last))
		}
		fmt.Fprintf(out, "best, epoch %d: %s\n", r.Best.Epoch, scores(r.Best))
		best = ", that of the best epoch as best.safetensors"
	}
	_, err := fmt.Fprintf(out, "See %s: the network as weights.safetensors%s, the run as report.html, config.json, metrics.jsonl and tensorboard.\n", dir, best)
	return err
}

// scores returns the scores of validation, that of the best epoch's choice first. Scores
// of single classes are in metrics.jsonl.
func scores(e record.Epoch) string {
	parts := []string{fmt.Sprintf("%s %.1f%%", e.ScoreName, 100*e.ValScore)}
	for _, name := range slices.Sorted(maps.Keys(e.Scores)) {
		if !strings.HasPrefix(name, "iou_") {
			parts = append(parts, fmt.Sprintf("%s %.1f%%", name, 100*e.Scores[name]))
		}
	}
	return strings.Join(parts, ", ")
}
