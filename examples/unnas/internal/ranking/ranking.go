package ranking

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"unnas/darts/sweep"
	"unnas/examples/unnas/internal/session"
)

// Options are an experiment and what does not change its results.
type Options struct {
	Settings
	Out      string // folder of the results
	Data     string // folder of the data set
	Index    string // of Table, see nasbench.Options
	Shard    sweep.Shard
	Attempts int // times that a training that fails is tried on one host
	Workers  int
	JPEG     session.JPEG
}

// Settings are those of all trainings, and part of the manifest.
type Settings struct {
	Dataset string   `json:"dataset"`
	Space   string   `json:"space"`
	Table   string   `json:"table,omitempty"`  // of a benchmark
	Metric  string   `json:"metric,omitempty"` // of the table, with which tasks are compared; empty: its first
	Samples int      `json:"samples"`
	Tasks   []string `json:"tasks"`
	Seeds   int      `json:"seeds"`
	Seed    uint64   `json:"seed"` // of the samples
	// What differs from the published hyperparameters; 0 and "" are as published.
	Epochs int    `json:"epochs"`
	Width  int    `json:"width"`
	Cells  int    `json:"cells"`
	Batch  int    `json:"batch"`
	Subset string `json:"subset"` // see session.SubsetSize
	// Decoder is that of JPEG files; see record.Start.
	Decoder string `json:"decoder,omitempty"`
}

// The search spaces.
const (
	DARTS       = "darts"
	NASBench    = "nasbench" // NAS-Bench-101
	NASBench201 = "nasbench201"
	TransNAS101 = "transnas101"
	NASBench301 = "nasbench301" // cells of DARTS with predicted accuracies
)

// Spaces are the names of the search spaces.
var Spaces = []string{DARTS, NASBench, NASBench201, TransNAS101, NASBench301}

// Validate refuses what no experiment can have, before anything is read.
func (o Options) Validate() error {
	switch {
	case o.Data == "":
		return errors.New("-data is missing: give the folder of the data set, such as -data cifar-10-batches-bin")
	case !slices.Contains(Spaces, o.Space):
		return fmt.Errorf("-space is %q; give one of %s", o.Space, strings.Join(Spaces, ", "))
	case o.Space == NASBench && o.Table == "":
		return errors.New("-space nasbench needs -table with the file of NAS-Bench-101, nasbench_only108.tfrecord for example")
	case o.Space != DARTS && o.Table == "":
		return fmt.Errorf("-space %s needs -table with its accuracies, a CSV file", o.Space)
	case o.Space != DARTS && o.Samples%10 != 0:
		return fmt.Errorf("-space %s takes as many samples of each tenth of the ranking: give -samples a multiple of ten", o.Space)
	case (o.Space == NASBench || o.Space == TransNAS101) && o.Cells != 0:
		return fmt.Errorf("-space %s has its number of cells: leave out -cells", o.Space)
	}
	for i, task := range o.Tasks {
		if slices.Contains(o.Tasks[:i], task) {
			return fmt.Errorf("-tasks has %s twice", task)
		}
	}
	return nil
}

// Run does the trainings, or those of a shard, prints progress to notes, and prints to
// out how the tasks rank the architectures.
func Run(ctx context.Context, o Options, out, notes io.Writer) error {
	t, err := newTrainer(ctx, o, notes)
	if err != nil {
		return err
	}
	if err := t.setMetric(); err != nil {
		return err
	}
	manifest, err := manifestOf(ctx, t.Options, notes)
	if err != nil {
		return err
	}
	if err := t.try(manifest.Jobs[0]); err != nil { // before anything is written
		return err
	}
	s, err := sweep.Open(o.Out, manifest)
	if err != nil {
		return err
	}
	t.sweep = s
	fmt.Fprintf(notes, "%d trainings in %s, part %v\n", len(manifest.Jobs), o.Out, o.Shard)
	failed := s.Run(ctx, sweep.Options{Shard: o.Shard, Attempts: o.Attempts, Report: t.report}, t.train)
	if ctx.Err() != nil {
		fmt.Fprintln(out, "stopped; the same command resumes here")
		return failed
	}
	return errors.Join(failed, analyse(s, t.Settings, out))
}

// Analyse prints how the tasks rank the architectures whose trainings in a folder are
// done.
func Analyse(dir string, out io.Writer) error {
	s, kept, err := load(dir)
	if err != nil {
		return err
	}
	return analyse(s, kept, out)
}

// load opens the trainings of a folder, with their Settings.
func load(dir string) (*sweep.Sweep, Settings, error) {
	var kept Settings
	s, err := sweep.Load(dir)
	if err != nil {
		return nil, kept, err
	}
	if err := json.Unmarshal(s.Manifest().Settings, &kept); err != nil {
		return nil, kept, fmt.Errorf("the manifest in %s is of another program: %w", dir, err)
	}
	return s, kept, nil
}
