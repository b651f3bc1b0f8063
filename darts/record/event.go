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
// Losses are means over images, or over labels if an image has several. A score is a
// metric with a name; weights and most scores are from 0 to 1. A number that a run does
// not have, such as the entropy of a run without architecture parameters, is NaN.
// Fields with the tag clock depend on the clock or the machine, and differ between runs
// with equal seeds.
type Event interface {
	event() string // the name of the event in JSON
}

// Start is the first event of a run. It describes the run.
type Start struct {
	Task          string `json:"task"`                       // name of the task
	Images        int    `json:"images"`                     // images in the source
	Train         int    `json:"train"`                      // training images
	Val           int    `json:"val"`                        // validation images: for the architecture parameters, or for evaluation
	Params        int    `json:"params"`                     // learnable values of the network
	MACs          int64  `json:"macs"`                       // multiply-adds of the network for one image
	PlannedBytes  int64  `json:"planned_bytes" clock:"true"` // planned memory of the run on this machine, including image decoding, without the memory of the source
	Epochs        int    `json:"epochs"`                     // epochs of the run
	StepsPerEpoch int    `json:"steps_per_epoch"`            // steps of one epoch
	Batch         int    `json:"batch"`                      // images in a step
	MicroBatch    int    `json:"micro_batch"`                // images that go through the network at once
	Recompute     bool   `json:"recompute" clock:"true"`     // activation checkpointing
	Ranks         int    `json:"ranks" clock:"true"`         // processes that share the run
	Device        string `json:"device"`                     // what runs the networks: "cpu", or the accelerator with the versions of its plugin
	DeviceBytes   int64  `json:"device_bytes" clock:"true"`  // planned memory of the device; 0 for the CPU
	Decoder       string `json:"decoder"`                    // decoder of the JPEG files of the sources, or how they were packed, see pretext.Source; empty without JPEG files
	Kernel        string `json:"kernel"`                     // kernels in use, such as "avx2 amd64": instruction set, see UNNAS_KERNEL, and architecture
	Version       string `json:"version"`                    // version of the module unnas recorded by the Go command; empty if unknown
	Revision      string `json:"revision"`                   // version control revision of the program, with +modified for changed files; empty if unknown
	// ScoreName is the metric of ValScore, such as "top1" or "miou", and TrainScoreName
	// that of TrainScore. LowerIsBetter means that the best ValScore is the lowest. The
	// best epoch of a training is the first with the best ValScore, that of a search
	// the first with the lowest ValLoss.
	ScoreName      string   `json:"score_name"`
	TrainScoreName string   `json:"train_score_name"`
	LowerIsBetter  bool     `json:"lower_is_better"`
	Ops            []string `json:"ops"` // candidate operations, the columns of the architecture parameters; none in a training
	// Candidates are the columns of each row of the architecture parameters, normal cells
	// before reduction cells, where edges have candidates of their own; otherwise empty.
	Candidates [][]string `json:"candidates"`
	Config     any        `json:"config"` // the hyperparameters; data only
}

// Names returns the names of the columns of a row of the architecture parameters. Rows of
// reduction cells follow those of normal cells.
func (s Start) Names(row int) []string {
	if row < len(s.Candidates) {
		return s.Candidates[row]
	}
	return s.Ops
}

// label returns the name of a field with the name of its metric: val_top1 for val_score.
func (s Start) label(field string) string {
	switch {
	case field == "train_score" && s.TrainScoreName != "":
		return "train_" + s.TrainScoreName
	case field == "val_score" && s.ScoreName != "":
		return "val_" + s.ScoreName
	}
	return field
}

// Step follows every step. Its losses and scores are running means of the epoch.
type Step struct {
	Epoch           int           `json:"epoch"`       // the epoch, from 1
	Step            int           `json:"step"`        // steps done in the epoch, from 1 to Steps
	Steps           int           `json:"steps"`       // steps of one epoch
	Images          int           `json:"images"`      // training images seen in the run, with repetition
	TrainLoss       float64       `json:"train_loss"`  // on training images
	TrainScore      float64       `json:"train_score"` // on training images, see Start.TrainScoreName
	ValLoss         float64       `json:"val_loss"`    // on validation images
	ValScore        float64       `json:"val_score"`   // on validation images, see Start.ScoreName
	LR              float64       `json:"lr"`          // learning rate of the weights
	Entropy         float64       `json:"entropy"`     // see Epoch
	SkipWeight      float64       `json:"skip_weight"` // see Epoch
	ImagesPerSecond float64       `json:"images_per_second" clock:"true"`
	Left            time.Duration `json:"left_ns" clock:"true"` // estimated remaining time of the run
}

// Progress is the progress of longer work: an evaluation, or the passes of a step with
// gradient accumulation. Run directories do not keep it.
type Progress struct {
	Work    string        `json:"work"`                    // name of the work, such as "evaluating"
	Done    int           `json:"done"`                    // units done
	Total   int           `json:"total"`                   // units in total
	Unit    string        `json:"unit"`                    // name of a unit, such as "images"
	Elapsed time.Duration `json:"elapsed_ns" clock:"true"` // time since the start of the work
}

// Epoch follows the last step of an epoch.
type Epoch struct {
	Epoch      int     `json:"epoch"` // the epoch, from 1
	TrainLoss  float64 `json:"train_loss"`
	TrainScore float64 `json:"train_score"`
	ValLoss    float64 `json:"val_loss"`
	ValScore   float64 `json:"val_score"`
	Entropy    float64 `json:"entropy"`     // normalised entropy of the softmax of the architecture parameters, mean over edges
	SkipWeight float64 `json:"skip_weight"` // weight of skip connections after softmax, mean over edges
	PoolWeight float64 `json:"pool_weight"` // weight of maximum and average pooling after softmax, mean over edges

	// Stability is Kendall's tau between the rankings of operations after this epoch
	// and the one before, mean over edges: 1 for the same order, 0 for an unrelated and
	// -1 for the opposite one; see cell.KendallTau. It is NaN in the first epoch.
	// DARTS+ stops a search once the ranking has been stable for 10 epochs (Liang et
	// al., 2019, arXiv 1909.06035, criterion 2).
	Stability float64 `json:"stability"`

	Eigenvalue float64 `json:"eigenvalue"` // see darts.SearchConfig.StopEigenvalue; NaN without it

	Genotype string      `json:"genotype"` // derived from the current architecture parameters; empty without them
	Normal   [][]float64 `json:"normal"`   // architecture parameters of normal cells before softmax: a row per edge, a column per operation of Start.Names; see Weights
	Reduce   [][]float64 `json:"reduce"`   // architecture parameters of reduction cells; none of a space with one cell

	// Scores are further validation scores by name, such as "top5", the fraction of
	// labels among the five most probable classes. In JSON each is a field, such as
	// val_top5.
	Scores map[string]float64 `json:"val_"`
	// Truth are the scores of the cell in darts.Runtime.Benchmark, by metric, and Percentiles
	// the shares of all its cells with lower ones. In JSON each is a field, such as
	// true_cifar10_test and percentile_cifar10_test.
	Truth       map[string]float64 `json:"true_"`
	Percentiles map[string]float64 `json:"percentile_"`
	// ScoreName is the metric of ValScore; see Start. It is empty if a training did not
	// evaluate the epoch.
	ScoreName string `json:"score_name"`

	Elapsed time.Duration `json:"elapsed_ns" clock:"true"` // duration of the epoch
	Ranks   []Rank        `json:"ranks" clock:"true"`      // load of each process; none of a run of one
}

// Rank is the load of one of several processes in an epoch.
type Rank struct {
	ImagesPerSecond float64 `json:"images_per_second"` // training images in the time that it did not wait
	Waited          float64 `json:"waited"`            // share of the time that it waited for other ranks and the network
}

// Warning reports a problem that does not stop the run.
type Warning struct {
	Text string `json:"text"` // a sentence without a line break
}

// Done is the last event of a completed run.
type Done struct {
	Epochs   int           `json:"epochs"`
	Images   int           `json:"images"`                  // see Step
	Genotype string        `json:"genotype"`                // result of a search; empty otherwise
	Elapsed  time.Duration `json:"elapsed_ns" clock:"true"` // duration of the run
}

func (Start) event() string    { return "start" }
func (Step) event() string     { return "step" }
func (Progress) event() string { return "progress" }
func (Epoch) event() string    { return "epoch" }
func (Warning) event() string  { return "warning" }
func (Done) event() string     { return "done" }

// field is a field of an event with its JSON name.
type field struct {
	name  string
	value any
}

// fields returns the fields of an event in order, and scores by name; without clock,
// those with the tag clock are omitted.
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

// Weights returns the operation weights of architecture parameters: the softmax of each row.
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
