// Rankings trains many architectures on several tasks, and says how well the
// tasks that need no labels rank them (Liu et al., 2020, arXiv 2003.12056, section
// 4): on one machine, on several that share a folder, or as an array job.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"unnas/darts/preset"
	"unnas/darts/sweep"
	"unnas/examples/internal/program"
)

const usage = `Rankings draws architectures at random, trains each on several tasks, and tells
how well the accuracy in a task without labels ranks them: correlations, figures
and tables, in the folder of -out.

  go run ./examples/rankings -data cifar-10-batches-bin
        the published experiment on CIFAR-10: 500 cells, 4 tasks, 3 seeds; years
        on two cores, so see -shard
  go run ./examples/rankings -data cifar-10-batches-bin -samples 24 -tasks cls,rot \
      -seeds 1 -width 4 -cells 5 -epochs 4 -subset 1000 -batch 32
        a small one
  go run ./examples/rankings -csv accuracies.csv -supervised class_object
        what a table of others says, with a column for each task

Ctrl-C stops it after the step it is at, and the same command goes on from there.
Run it several times at once, or on several machines with one folder: each takes
trainings that nobody is at. Each may also take a part of its own: -shard 3/8, which
array jobs of Slurm and Indexed Jobs of Kubernetes tell by their environment; see
slurm.sh and kubernetes.yaml beside this program.

Flags:
`

func main() { program.Main("rankings", run) }

// options are what the flags say.
type options struct {
	settings
	out, data        string
	index            string // of Table
	shard            sweep.Shard
	attempts         int
	workers          int
	jpeg             program.JPEG
	quiet            bool
	analyse          bool
	csv, id, against string
}

// settings are those of all trainings, and part of the manifest.
type settings struct {
	Dataset string   `json:"dataset"`
	Space   string   `json:"space"`
	Table   string   `json:"table,omitempty"` // of NAS-Bench-101
	Samples int      `json:"samples"`
	Tasks   []string `json:"tasks"`
	Seeds   int      `json:"seeds"`
	Seed    uint64   `json:"seed"` // of the samples
	// What differs from the published settings; 0 is as published.
	Epochs int `json:"epochs"`
	Width  int `json:"width"`
	Cells  int `json:"cells"`
	Batch  int `json:"batch"`
	Subset int `json:"subset"`
	// Decoder is that of JPEG files; see record.Start.
	Decoder string `json:"decoder,omitempty"`
}

func parse(args []string, help io.Writer) (options, error) {
	var o options
	var tasks, shard string
	f := flag.NewFlagSet("rankings", flag.ContinueOnError)
	f.StringVar(&o.out, "out", "runs/rankings", "`folder` for the results")
	f.StringVar(&o.data, "data", "", "`folder` of the data set; must be given to train")
	f.StringVar(&o.Dataset, "dataset", "cifar10", "`name` of the data set: cifar10 or imagenet1k")
	f.StringVar(&o.Space, "space", "darts", "`space` to sample: darts, or nasbench, which needs -table")
	f.StringVar(&o.Table, "table", "", "`file` of NAS-Bench-101, .tfrecord or .csv, whose ranking is sampled in tenths")
	f.StringVar(&o.index, "index", "", "`file` that keeps what was read of a .tfrecord -table (default beside it, or in the user's cache folder where that cannot be written)")
	f.IntVar(&o.Samples, "samples", 500, "`number` of architectures")
	f.StringVar(&tasks, "tasks", "cls,rot,col,jig", "`tasks`, with commas between them; cls is what the others are compared with")
	f.IntVar(&o.Seeds, "seeds", 0, "trainings of each architecture on each task (default 3 on CIFAR-10, 1 on ImageNet)")
	f.Uint64Var(&o.Seed, "seed", 1, "number that the samples come from, and the first of those of the trainings")
	f.IntVar(&o.Epochs, "epochs", 0, "passes over the images (default as published)")
	f.IntVar(&o.Width, "width", 0, "channels of the first cell (default as published)")
	f.IntVar(&o.Cells, "cells", 0, "cells of a DARTS network (default as published)")
	f.IntVar(&o.Batch, "batch", 0, "images in a step; the learning rate changes in proportion (default as published)")
	f.IntVar(&o.Subset, "subset", 0, "`number` of training images to draw and use; 0: all")
	f.StringVar(&shard, "shard", "", "`part` of the trainings to do, such as 3/8 (default what an array job tells, or all)")
	f.IntVar(&o.attempts, "attempts", 3, "times that a training that fails is tried on one host")
	f.IntVar(&o.workers, "workers", 0, "goroutines that load images, 0 for one on each core; the result does not depend on it")
	program.AddJPEG(f, &o.jpeg)
	program.AddQuiet(f, &o.quiet)
	f.BoolVar(&o.analyse, "analyse", false, "train nothing, analyse what is done in the folder of -out")
	f.StringVar(&o.csv, "csv", "", "`file` with accuracies to analyse, a row for each architecture, instead of training any")
	f.StringVar(&o.id, "id", "", "`column` of -csv with the names of the architectures (default the first)")
	f.StringVar(&o.against, "supervised", "classification", "`column` of -csv that the others are compared with")
	if err := program.Parse(f, usage, args, help); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; see -help", f.Arg(0))
	}
	for name := range strings.SplitSeq(tasks, ",") {
		o.Tasks = append(o.Tasks, preset.TaskName(strings.TrimSpace(name)))
	}
	if o.Seeds == 0 {
		if o.Seeds = 1; o.Dataset == "cifar10" {
			o.Seeds = 3
		}
	}
	var err error
	if shard != "" {
		o.shard, err = sweep.ParseShard(shard)
	} else {
		o.shard, _, err = sweep.ShardOf(os.Getenv)
	}
	if err != nil {
		return o, err
	}
	return o, o.validate()
}

// validate refuses what no experiment can have, before anything is read.
func (o options) validate() error {
	if o.csv != "" {
		return nil
	}
	switch {
	case o.data == "" && !o.analyse:
		return errors.New("-data is missing: give the folder of the data set, such as -data cifar-10-batches-bin; see -help")
	case o.Space != "darts" && o.Space != "nasbench":
		return fmt.Errorf("-space is %q; give darts or nasbench", o.Space)
	case o.Space == "nasbench" && o.Table == "":
		return errors.New("-space nasbench needs -table with the file of NAS-Bench-101, nasbench_only108.tfrecord for example")
	case o.Space == "nasbench" && (o.Samples%10 != 0 || o.Cells != 0):
		return errors.New("-space nasbench takes as many samples of each tenth of the ranking: give -samples a multiple of ten, and no -cells")
	case o.Samples < 1 || o.Seeds < 1 || o.attempts < 1:
		return errors.New("-samples, -seeds and -attempts must be 1 or more")
	case min(o.Epochs, o.Width, o.Cells, o.Batch, o.Subset) < 0:
		return errors.New("-epochs, -width, -cells, -batch and -subset must not be negative")
	}
	for i, task := range o.Tasks {
		if slices.Contains(o.Tasks[:i], task) {
			return fmt.Errorf("-tasks has %s twice", task)
		}
	}
	return nil
}

func run(ctx context.Context, args []string, out, help io.Writer) error {
	o, err := parse(args, help)
	if err != nil {
		return err
	}
	if o.csv != "" {
		return analyseCSV(o, out)
	}
	if o.analyse {
		s, kept, err := load(o.out)
		if err != nil {
			return err
		}
		return analyse(s, kept, out)
	}
	talk := program.Options{Quiet: o.quiet}.Talk(out)
	t, err := newTrainer(ctx, o, talk)
	if err != nil {
		return err
	}
	manifest, err := manifestOf(ctx, t.options, talk)
	if err != nil {
		return err
	}
	if err := t.try(manifest.Jobs[0]); err != nil { // before anything is written
		return err
	}
	s, err := sweep.Open(o.out, manifest)
	if err != nil {
		return err
	}
	t.sweep = s
	fmt.Fprintf(talk, "%d trainings in %s, part %v\n", len(manifest.Jobs), o.out, o.shard)
	failed := s.Run(ctx, sweep.Options{Shard: o.shard, Attempts: o.attempts, Report: t.report}, t.train)
	if ctx.Err() != nil {
		fmt.Fprintln(out, "stopped; the same command goes on from here")
		return failed
	}
	return errors.Join(failed, analyse(s, t.settings, out))
}

// load opens the trainings of a folder, with their settings.
func load(dir string) (*sweep.Sweep, settings, error) {
	var kept settings
	s, err := sweep.Load(dir)
	if err != nil {
		return nil, kept, err
	}
	if err := json.Unmarshal(s.Manifest().Settings, &kept); err != nil {
		return nil, kept, fmt.Errorf("the manifest in %s is of another program: %w", dir, err)
	}
	return s, kept, nil
}
