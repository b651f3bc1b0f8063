package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"text/tabwriter"

	"unnas/darts"
	"unnas/darts/record"
	"unnas/pretext"
)

func evaluateCommand() *command {
	return &command{
		name: "evaluate", args: "MODEL", least: 1, most: 1,
		summary: "measure a model on a data set",
		about: "Evaluate measures a model, the run directory of a training or a file of its weights, on the\n" +
			"images of validation: top-1, top-5 and each class of a classification, mIoU, pixel accuracy\n" +
			"and each class of a segmentation, the score of another task.",
		examples: []example{
			{"unnas evaluate runs/train-1 -data photos", "the network after the last epoch, on photos/val"},
			{"unnas evaluate runs/train-1/best.safetensors -val more-photos", "that of the best epoch, on other images"},
		},
		flags:    "val data dataset subset list index jpeg seed workers memory device fast quiet json",
		defaults: map[string]string{"data": builtInTitle},
		ranks:    true,
		run:      runEvaluate,
	}
}

func runEvaluate(ctx context.Context, c *call) error {
	k, err := c.kindOfVal()
	if err != nil {
		return err
	}
	model, err := loadModel(c.args[0])
	if err != nil {
		return err
	}
	if err := k.takes(model.Task.Name()); err != nil {
		return err
	}
	decoder, err := c.JPEG.Decoder("")
	if err != nil {
		return err
	}
	src, err := c.openEvaluated(ctx, k, model.Task, decoder)
	if err != nil {
		return err
	}
	images, err := c.sampleVal(src)
	if err != nil {
		return err
	}
	if err := c.evaluate(ctx, model, images); err != nil {
		return fmt.Errorf("%s on %s: %w", c.args[0], k.title, err)
	}
	return nil
}

// kindOfVal is kind for a command that needs images of validation alone: -val serves
// without -data.
func (c *call) kindOfVal() (kind, error) {
	if c.data == "" && c.val != "" {
		c.data, c.val = c.val, ""
	}
	return c.kind()
}

// openEvaluated opens the images of validation, or all images of a folder without such.
func (c *call) openEvaluated(ctx context.Context, k kind, task pretext.Task, decoder *pretext.Decoder) (labelled, error) {
	if k.name == builtIn && c.size == 0 {
		spec := task.Spec()
		c.size = min(spec.Height, spec.Width)
	}
	if k.name == folder && c.val == "" {
		c.val = c.data // which openVal takes as a whole if it has no split
	}
	return c.openVal(ctx, k, task, decoder)
}

// evaluate measures a model on images and prints its scores.
func (c *call) evaluate(ctx context.Context, model *darts.Model, images darts.Source) error {
	printer := record.NewPrinter(c.notes)
	rt := c.Runtime
	rt.Recorder = printer
	e, err := model.Evaluate(ctx, images, rt)
	_ = printer.Close()
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(c.out).Encode(evaluationOf(e))
	}
	return printEvaluation(c.out, e)
}

// printEvaluation prints the scores of an evaluation, the one that models are compared by
// first, and those of its classes.
func printEvaluation(out io.Writer, e *darts.Evaluation) error {
	show := func(score float64) string {
		if math.IsNaN(score) {
			return "-"
		}
		return fmt.Sprintf("%.2f%%", 100*score)
	}
	first := show(e.Score)
	if e.LowerIsBetter { // which is no share
		first = fmt.Sprintf("%.4g", e.Score)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "images\t%d\n%s\t%s\n", e.Images, e.ScoreName, first)
	for _, name := range slices.Sorted(maps.Keys(e.Scores)) {
		fmt.Fprintf(w, "%s\t%s\n", name, show(e.Scores[name]))
	}
	if !math.IsNaN(e.Loss) {
		fmt.Fprintf(w, "loss\t%.4f\n", e.Loss)
	}
	for i, class := range e.Classes {
		fmt.Fprintf(w, "  %s\t%s\n", className(i, class.Name), show(class.Score))
	}
	return w.Flush()
}

// className returns the name of a class, or its number if it has none.
func className(i int, name string) string {
	if name == "" {
		return fmt.Sprintf("class %d", i)
	}
	return name
}

// An evaluation is the JSON form of a darts.Evaluation.
type evaluation struct {
	Images  int                 `json:"images"`
	Loss    *float64            `json:"loss"`
	Scores  map[string]*float64 `json:"scores"`
	Score   string              `json:"score"` // the name of the score by which models are compared
	Classes []classScore        `json:"classes,omitempty"`
}

type classScore struct {
	Class int      `json:"class"`
	Name  string   `json:"name,omitempty"`
	Score *float64 `json:"score"`
}

func evaluationOf(e *darts.Evaluation) evaluation {
	j := evaluation{Images: e.Images, Loss: finite(e.Loss), Score: e.ScoreName, Scores: map[string]*float64{e.ScoreName: finite(e.Score)}}
	for name, score := range e.Scores {
		j.Scores[name] = finite(score)
	}
	for i, class := range e.Classes {
		j.Classes = append(j.Classes, classScore{i, class.Name, finite(class.Score)})
	}
	return j
}

// finite returns a number, or nil for one that JSON lacks.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}
