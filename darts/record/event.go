package record

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"
)

// An Event is one of Start, Step, Progress, Epoch, Warning and Done, by value.
//
// Losses are means over images, or over labels where an image has several. A score is
// a metric with a name; shares and most scores are from 0 to 1. A number that a run
// does not have, such as the entropy of a run without architecture parameters, is
// NaN. Fields that depend on the clock or the machine, and so differ between runs of
// equal seeds, have the tag clock.
type Event interface {
	event() string // the name of the event on the wire
}

// Start is the first event of a run: what is about to be done.
type Start struct {
	Task          string `json:"task"`                       // the name of the task
	Images        int    `json:"images"`                     // images in the source
	Train         int    `json:"train"`                      // images that the weights learn from
	Val           int    `json:"val"`                        // images of validation: for the alphas, or for evaluation
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
	// ScoreName names the metric of ValScore, such as "top1" or "miou", and
	// TrainScoreName that of TrainScore. LowerIsBetter says that the best ValScore is
	// the lowest. The best epoch of a training is the first with the best ValScore, that
	// of a search the first with the lowest ValLoss.
	ScoreName      string   `json:"score_name"`
	TrainScoreName string   `json:"train_score_name"`
	LowerIsBetter  bool     `json:"lower_is_better"`
	Ops            []string `json:"ops"`    // names of the candidate operations, which the columns of alphas belong to; none in a training
	Config         any      `json:"config"` // the hyperparameters; data only
}

// label returns the name of a field with that of its metric in it: val_top1 of
// val_score.
func (s Start) label(field string) string {
	switch {
	case field == "train_score" && s.TrainScoreName != "":
		return "train_" + s.TrainScoreName
	case field == "val_score" && s.ScoreName != "":
		return "val_" + s.ScoreName
	}
	return field
}

// Step follows every step. Its losses and scores are means over the epoch so far.
type Step struct {
	Epoch           int           `json:"epoch"`       // the epoch, from 1
	Step            int           `json:"step"`        // steps done in the epoch, from 1 to Steps
	Steps           int           `json:"steps"`       // steps of one epoch
	Images          int           `json:"images"`      // images that the weights have learned from in the run, repeats counted
	TrainLoss       float64       `json:"train_loss"`  // of the images that the weights learn from
	TrainScore      float64       `json:"train_score"` // of the same, see Start.TrainScoreName
	ValLoss         float64       `json:"val_loss"`    // of the images that the alphas learn from
	ValScore        float64       `json:"val_score"`   // of the same, see Start.ScoreName
	LR              float64       `json:"lr"`          // learning rate of the weights in this step
	Entropy         float64       `json:"entropy"`     // see Epoch
	SkipWeight      float64       `json:"skip_weight"` // see Epoch
	ImagesPerSecond float64       `json:"images_per_second" clock:"true"`
	Left            time.Duration `json:"left_ns" clock:"true"` // estimate of the time until the end of the run
}

// Progress says how far work is that takes a while: an evaluation, or the passes of
// a step that accumulates gradients. A run directory does not keep it.
type Progress struct {
	Work    string        `json:"work"`                    // what is done, such as "evaluating"
	Done    int           `json:"done"`                    // units of it that are done
	Total   int           `json:"total"`                   // units of all
	Unit    string        `json:"unit"`                    // what is counted, such as "images"
	Elapsed time.Duration `json:"elapsed_ns" clock:"true"` // time since the work began
}

// Epoch follows the last step of an epoch.
type Epoch struct {
	Epoch      int     `json:"epoch"` // the epoch, from 1
	TrainLoss  float64 `json:"train_loss"`
	TrainScore float64 `json:"train_score"`
	ValLoss    float64 `json:"val_loss"`
	ValScore   float64 `json:"val_score"`
	Entropy    float64 `json:"entropy"`     // of the softmax of the alphas, mean over edges, as a share of the largest possible
	SkipWeight float64 `json:"skip_weight"` // weight of skip connections after softmax, mean over edges
	PoolWeight float64 `json:"pool_weight"` // weight of maximum and average pooling after softmax, mean over edges

	// Stability tells how far each edge ranks its operations as it did after the
	// epoch before: Kendall's tau, mean over edges, 1 for the same order, 0 for
	// an unrelated and -1 for the opposite one; see cell.KendallTau. It is NaN in
	// the first epoch. DARTS+ takes a ranking that has been stable for 10 epochs
	// as the sign that a search is done (Liang et al., 2019, arXiv 1909.06035,
	// criterion 2).
	Stability float64 `json:"stability"`

	Eigenvalue float64 `json:"eigenvalue"` // see darts.SearchConfig.StopEigenvalue; NaN without it

	Genotype string      `json:"genotype"` // what the alphas stand for now; empty without alphas
	Normal   [][]float64 `json:"normal"`   // the alphas of normal cells before softmax: a row for each edge, a column for each of Start.Ops; see Weights
	Reduce   [][]float64 `json:"reduce"`   // those of reduction cells

	// Scores are what else was measured in validation, by name: "top5", the share of
	// labels among the five likeliest classes, for example. On the wire each is a field
	// of its own, such as val_top5.
	Scores map[string]float64 `json:"val_"`
	// ScoreName names the metric of ValScore; see Start. It is empty if a training did
	// not evaluate the epoch.
	ScoreName string `json:"score_name"`

	Elapsed time.Duration `json:"elapsed_ns" clock:"true"` // time that the epoch took
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

// Weights returns the weights that alphas give operations: the softmax of each row.
func Weights(alphas [][]float64) [][]float64 {
	all := make([][]float64, len(alphas))
	for i, row := range alphas {
		all[i] = make([]float64, len(row))
		if len(row) == 0 {
			continue
		}
		top, sum := slices.Max(row), 0.0
		for j, v := range row {
			all[i][j] = math.Exp(v - top)
			sum += all[i][j]
		}
		for j := range row {
			all[i][j] /= sum
		}
	}
	return all
}
