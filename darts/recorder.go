package darts

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A Recorder is told what a run does. Record is called on the goroutine of the
// run, or on those on which an Examiner loads images, one event after the other;
// an error stops the run, which keeps a checkpoint if it has a Folder, and returns
// the error. See Optional for recorders that are not worth that.
type Recorder interface {
	Record(e Event) error
}

// An Event is one of Start, Step, Progress, Epoch, Warning and Done, by value.
//
// Losses are means over images, or over labels where an image has several, in
// nats. Accuracies and shares are from 0 to 1. A figure that a run does not
// have, such as the entropy of a run without alphas, is NaN. Fields that depend
// on the clock or the machine, and so differ between runs of equal seeds, have
// the tag clock.
type Event interface {
	event() string // the name of the event on the wire
}

// Start is the first event of a run: what is about to be done.
type Start struct {
	Task          string `json:"task"`                       // the name of the task
	Images        int    `json:"images"`                     // images in the source
	Train         int    `json:"train"`                      // images that the weights learn from
	Held          int    `json:"held"`                       // images held out: for the alphas, or for evaluation
	Params        int    `json:"params"`                     // learnable numbers of the network
	MACs          int64  `json:"macs"`                       // multiply-adds of the network for one image
	PlannedBytes  int64  `json:"planned_bytes" clock:"true"` // memory that the run takes on the cores of this machine, besides what the source holds, to decode images included
	Epochs        int    `json:"epochs"`                     // epochs of the run
	StepsPerEpoch int    `json:"steps_per_epoch"`            // steps of one epoch
	Batch         int    `json:"batch"`                      // images in a step
	MicroBatch    int    `json:"micro_batch"`                // images that go through the network at once
	Recompute     bool   `json:"recompute" clock:"true"`     // whether a step computes maps again to save memory
	Decoder       string `json:"decoder"`                    // what decodes the JPEG files of the sources, see pretext.Source; empty if they have none
	Kernel        string `json:"kernel"`                     // kernels in use, such as "avx2 amd64": the instructions, see UNNAS_KERNEL, and the architecture
	Version       string `json:"version"`                    // version of the module unnas, as the Go command records it; empty if it is not known
	Revision      string `json:"revision"`                   // revision of the program in version control, with +modified if files were changed; empty if the Go command did not record it
	Config        any    `json:"config"`                     // the configuration; data only
}

// Step follows every step. Its losses and accuracies are means over the epoch so far.
type Step struct {
	Epoch           int           `json:"epoch"`         // the epoch, from 1
	Step            int           `json:"step"`          // steps done in the epoch, from 1 to Steps
	Steps           int           `json:"steps"`         // steps of one epoch
	Images          int           `json:"images"`        // images that the weights have learned from in the run, repeats counted
	Loss            float64       `json:"loss"`          // of the images that the weights learn from
	Accuracy        float64       `json:"accuracy"`      // of the same
	HeldLoss        float64       `json:"held_loss"`     // of the images held out for the alphas
	HeldAccuracy    float64       `json:"held_accuracy"` // of the same
	LR              float64       `json:"lr"`            // learning rate of the weights in this step
	Entropy         float64       `json:"entropy"`       // see Epoch
	SkipShare       float64       `json:"skip_share"`    // see Epoch
	ImagesPerSecond float64       `json:"images_per_second" clock:"true"`
	Left            time.Duration `json:"left_ns" clock:"true"` // estimate of the time until the end of the run
}

// Progress tells now and again how far work is that takes a while: an evaluation,
// or the passes of a step, which is long if the batch goes through in many parts. A
// Folder does not keep it.
type Progress struct {
	Work    string        `json:"work"`                    // what is done, such as "evaluating"
	Done    int           `json:"done"`                    // units of it that are done
	Total   int           `json:"total"`                   // units of all
	Unit    string        `json:"unit"`                    // what is counted, such as "images"
	Elapsed time.Duration `json:"elapsed_ns" clock:"true"` // time since the work began
}

// Epoch follows the last step of an epoch.
type Epoch struct {
	Epoch         int     `json:"epoch"` // the epoch, from 1
	TrainLoss     float64 `json:"train_loss"`
	TrainAccuracy float64 `json:"train_accuracy"`
	HeldLoss      float64 `json:"held_loss"`
	HeldAccuracy  float64 `json:"held_accuracy"`
	Entropy       float64 `json:"entropy"`    // of the softmax of the alphas, mean over edges, as a share of the largest possible
	SkipShare     float64 `json:"skip_share"` // weight of skip connections after softmax, mean over edges
	PoolShare     float64 `json:"pool_share"` // weight of maximum and average pooling after softmax, mean over edges

	// Stability tells how far each edge ranks its operations as it did after the
	// epoch before: Kendall's tau, mean over edges, 1 for the same order, 0 for
	// an unrelated and -1 for the opposite one; see cell.KendallTau. It is NaN in
	// the first epoch. DARTS+ takes a ranking that has been stable for 10 epochs
	// as the sign that a search is done (Liang et al., 2019, arXiv 1909.06035,
	// criterion 2).
	Stability float64 `json:"stability"`

	Eigenvalue float64 `json:"eigenvalue"` // see Config.StopEigenvalue; NaN without it

	Genotype string      `json:"genotype"` // what the alphas stand for now; empty without alphas
	Normal   [][]float64 `json:"normal"`   // the alphas of normal cells before softmax: a row for each edge, a column for each of Config.Space.Ops
	Reduce   [][]float64 `json:"reduce"`   // those of reduction cells

	// Scores are what else was measured on held-out images, by name: "top5", the
	// share of labels among the five likeliest classes, or what an Examiner tells.
	// On the wire each is a field of its own, held_top5 for example.
	Scores map[string]float64 `json:"held_"`
	// ScoreName names the score by which epochs of a training are compared, "accuracy"
	// unless an Examiner has another. It is empty if the epoch was not evaluated, and
	// in a search, whose best epoch has the lowest HeldLoss.
	ScoreName string `json:"score_name"`

	Elapsed time.Duration `json:"elapsed_ns" clock:"true"` // time that the epoch took
}

// Score returns the score that ScoreName names; NaN if there is none.
func (e Epoch) Score() float64 {
	switch e.ScoreName {
	case "accuracy":
		return e.HeldAccuracy
	case "loss":
		return e.HeldLoss
	}
	if x, ok := e.Scores[e.ScoreName]; ok {
		return x
	}
	return math.NaN()
}

// Warning says that something deserves a look but does not stop the run.
type Warning struct {
	Text string `json:"text"` // a sentence without a line break
}

// Done is the last event of a run that was not stopped early.
type Done struct {
	Epochs   int           `json:"epochs"`
	Images   int           `json:"images"`                  // see Step
	Genotype string        `json:"genotype"`                // the cells that were found; empty without alphas
	Elapsed  time.Duration `json:"elapsed_ns" clock:"true"` // time that the run took
}

func (Start) event() string    { return "start" }
func (Step) event() string     { return "step" }
func (Progress) event() string { return "progress" }
func (Epoch) event() string    { return "epoch" }
func (Warning) event() string  { return "warning" }
func (Done) event() string     { return "done" }

// field is a field of an event under its name on the wire.
type field struct {
	name  string
	value any
}

// fields returns the fields of an event in their order, and scores by name, those
// that depend on the clock only if clock is set.
func fields(e Event, clock bool) ([]field, error) {
	v := reflect.ValueOf(e)
	if v.Kind() != reflect.Struct {
		return nil, fmt.Errorf("unknown event %T", e)
	}
	var all []field
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		if !clock && tag.Get("clock") != "" {
			continue
		}
		value := v.Field(i).Interface()
		scores, several := value.(map[string]float64)
		for _, name := range slices.Sorted(maps.Keys(scores)) {
			all = append(all, field{tag.Get("json") + name, scores[name]})
		}
		if !several {
			all = append(all, field{tag.Get("json"), value})
		}
	}
	return all, nil
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Recorders returns a recorder that passes every event to each of list in turn.
// Nil entries are left out. The first error ends the turn.
func Recorders(list ...Recorder) Recorder {
	var all recorders
	for _, r := range list {
		if r != nil {
			all = append(all, r)
		}
	}
	return all
}

type recorders []Recorder

func (all recorders) Record(e Event) error {
	for _, r := range all {
		if err := r.Record(e); err != nil {
			return err
		}
	}
	return nil
}

// Optional returns a recorder that passes every event to main and then to each of
// others, which a run can do without: one that fails gets no more events, and main
// gets a Warning with its error instead. Nil entries of others are left out; main
// must not be nil.
func Optional(main Recorder, others ...Recorder) Recorder {
	return &optional{main, slices.DeleteFunc(slices.Clone(others), func(r Recorder) bool { return r == nil })}
}

type optional struct {
	main   Recorder
	others []Recorder
}

func (o *optional) Record(e Event) error {
	if err := o.main.Record(e); err != nil {
		return err
	}
	var faults []error
	o.others = slices.DeleteFunc(o.others, func(r Recorder) bool {
		err := r.Record(e)
		if err != nil {
			faults = append(faults, err)
		}
		return err != nil
	})
	for _, err := range faults {
		text := strings.ReplaceAll(err.Error(), "\n", "; ")
		if err := o.main.Record(Warning{Text: text + ": the run continues without this recorder"}); err != nil {
			return err
		}
	}
	return nil
}
