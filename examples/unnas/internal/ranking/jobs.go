package ranking

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"unnas/cell"
	"unnas/cell/benchmark"
	"unnas/cell/nasbench"
	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/preset"
	"unnas/darts/record"
	"unnas/darts/sweep"
	"unnas/examples/unnas/internal/session"
	"unnas/pretext"
)

// spec is what one training is of.
type spec struct {
	Arch     string             `json:"arch"` // the name of the architecture
	Task     string             `json:"task"`
	Seed     uint64             `json:"seed"`
	Genotype *cell.Genotype     `json:"genotype,omitempty"`
	NASBench *cell.NASBenchCell `json:"nasbench,omitempty"`
	Truth    *float64           `json:"truth,omitempty"` // its score in the table
}

// result is what one training gives. Accuracies are in percent.
type result struct {
	Accuracy   float64   `json:"accuracy"`   // the highest
	Accuracies []float64 `json:"accuracies"` // after each epoch
	Params     int       `json:"params"`
	MACs       int64     `json:"macs"`
}

// manifestOf draws the architectures and lists the trainings: all tasks of one
// architecture after another, so that what is done can be compared early.
func manifestOf(ctx context.Context, o Options, out io.Writer) (sweep.Manifest, error) {
	samples, err := draw(ctx, o, out)
	if err != nil {
		return sweep.Manifest{}, err
	}
	m := sweep.Manifest{}
	if m.Settings, err = json.Marshal(o.Settings); err != nil {
		return m, err
	}
	for seed := range o.Seeds {
		for _, sample := range samples {
			for _, task := range o.Tasks {
				sample.Task, sample.Seed = task, o.Seed+uint64(seed)
				text, err := json.Marshal(sample)
				if err != nil {
					return m, err
				}
				m.Jobs = append(m.Jobs, sweep.Job{Name: fmt.Sprintf("%s-%s-%d", sample.Arch, task, sample.Seed), Spec: text})
			}
		}
	}
	return m, nil
}

// draw returns a spec for each architecture, without task and seed.
func draw(ctx context.Context, o Options, out io.Writer) ([]spec, error) {
	var all []spec
	if o.Space == DARTS {
		sampler, err := cell.DARTSArchSampler()
		if err != nil {
			return nil, err
		}
		samples, err := sampler.Sample(o.Samples, o.Seed)
		if err != nil {
			return nil, err
		}
		for i, sample := range samples {
			all = append(all, spec{Arch: fmt.Sprintf("darts-%03d", i), Genotype: &sample.Genotype})
		}
		draws := samples[len(samples)-1].Index + 1
		fmt.Fprintf(out, "%d of %d random cells have 80 to 120 %% of ResNet-56's parameters and multiply-adds\n", len(samples), draws)
		return all, nil
	}
	if o.Space != NASBench {
		return drawCells(o)
	}
	table, err := openTable(ctx, o.Table, o.Index, out)
	if err != nil {
		return nil, err
	}
	chosen, err := table.Stratified(o.Samples/10, o.Seed, func(a nasbench.Entry) float64 { return a.Validation })
	if err != nil {
		return nil, err
	}
	for _, a := range chosen {
		all = append(all, spec{Arch: a.Hash, NASBench: &a.Cell})
	}
	return all, nil
}

// drawCells draws cells of a table of package benchmark.
func drawCells(o Options) ([]spec, error) {
	table, err := benchmark.Open(o.Table)
	if err != nil {
		return nil, err
	}
	rows, err := table.Stratified(o.Metric, o.Samples/10, o.Seed)
	if err != nil {
		return nil, err
	}
	values, err := table.Values(o.Metric)
	if err != nil {
		return nil, err
	}
	var all []spec
	for _, row := range rows {
		g := table.Cell(row)
		all = append(all, spec{Arch: fmt.Sprintf("%s-%05d", o.Space, row), Genotype: &g, Truth: &values[row]})
	}
	return all, nil
}

// setMetric takes the first metric of a benchmark if none is given.
func (o *Options) setMetric() error {
	if o.Space == DARTS || o.Space == NASBench || o.Metric != "" {
		return nil
	}
	table, err := benchmark.Open(o.Table)
	if err == nil {
		o.Metric = table.Metrics()[0]
	}
	return err
}

// openTable reads a table of NAS-Bench-101, and prints how far it is.
func openTable(ctx context.Context, path, index string, out io.Writer) (*nasbench.Table, error) {
	p := session.NewProgress(out, "reading "+path, "MB")
	defer p.Close()
	progress := func(done, total int64) { p.Update(int(done/1e6), int(total/1e6)) }
	if strings.HasSuffix(path, ".csv") {
		return nasbench.OpenCSV(ctx, path, nasbench.Options{Progress: progress})
	}
	table, err := nasbench.Open(ctx, path, nasbench.Options{Index: index, Progress: progress})
	if err == nil && table.RebuildReason() != nil {
		fmt.Fprintln(out, "the table was read:", table.RebuildReason())
	}
	return table, err
}

// trainer does the trainings.
type trainer struct {
	Options
	out      io.Writer
	src, val darts.Source
	classes  int
	sweep    *sweep.Sweep
	shown    time.Time // when the state was last printed
}

// newTrainer opens the data set.
func newTrainer(ctx context.Context, o Options, out io.Writer) (*trainer, error) {
	t := &trainer{Options: o, out: out}
	decoder, err := t.decoder()
	if err != nil {
		return nil, err
	}
	images := dataset.Options{Decoder: decoder}
	_, packed, err := dataset.PackedName(o.Data)
	if err != nil {
		return nil, err
	}
	known := o.Dataset == preset.CIFAR10 || o.Dataset == preset.ImageNet1K
	switch {
	case packed && known:
		var train *dataset.Packed
		if train, err = dataset.OpenPacked(ctx, o.Data, dataset.Train, dataset.Options{}); err == nil {
			t.src, t.classes = train, len(train.Classes())
			val := dataset.Val
			if o.Dataset == preset.CIFAR10 {
				val = dataset.Test
			}
			t.val, err = dataset.OpenPacked(ctx, o.Data, val, dataset.Options{})
		}
	case o.Dataset == preset.CIFAR10:
		t.classes = 10
		if t.src, err = dataset.OpenCIFAR10(ctx, o.Data, dataset.Train, images); err == nil {
			t.val, err = dataset.OpenCIFAR10(ctx, o.Data, dataset.Test, images)
		}
	case o.Dataset == preset.ImageNet1K:
		open := func(split dataset.Split) (*dataset.Folder, error) {
			return session.List(out, images, func(images dataset.Options) (*dataset.Folder, error) {
				return dataset.OpenImageNet1K(ctx, o.Data, split, images)
			})
		}
		var train, val *dataset.Folder
		if train, err = open(dataset.Train); err == nil {
			val, err = open(dataset.Val)
			t.src, t.val, t.classes = train, val, len(train.Classes())
		}
	default:
		err = fmt.Errorf("-dataset is %q, of which there is no published ranking; give cifar10 or imagenet1k", o.Dataset)
	}
	if err != nil {
		return nil, err
	}
	if t.src, err = session.Subset(t.src, o.Subset, o.Seed); err != nil {
		return nil, err
	}
	t.Decoder = dataset.Wrapper{Source: t.src}.Decoder()
	return t, nil
}

// decoder returns what decodes JPEG files: for all trainings of a folder the same.
func (t *trainer) decoder() (*pretext.Decoder, error) {
	recorded := ""
	if _, kept, err := load(t.Out); err == nil { // else they begin, or Open says what is wrong
		recorded = kept.Decoder
	}
	return t.JPEG.Decoder(recorded)
}

// configure returns the task and the hyperparameters of a training.
func (t *trainer) configure(s spec) (pretext.Task, darts.TrainConfig, error) {
	var task pretext.Task
	var c darts.TrainConfig
	var err error
	switch {
	case s.Genotype != nil:
		task, c, err = preset.Ranking(t.Dataset, s.Task, *s.Genotype)
	case s.NASBench != nil:
		task, c, err = preset.RankingNASBench(t.Dataset, s.Task, *s.NASBench)
	default:
		err = errors.New("the training is of no architecture")
	}
	if err != nil {
		return nil, c, err
	}
	if classification, ok := task.(pretext.Classification); ok {
		classification.Classes = t.classes
		task = classification
	}
	switch n := c.Network.(type) {
	case cell.Network:
		switch t.Space {
		case NASBench201:
			n.Backbone = cell.NASBench201(16, cmp.Or(t.Cells, 5)).Backbone
		case TransNAS101:
			n.Backbone = cell.TransNASBench101(64).Backbone
		default:
			if t.Cells > 0 {
				n.Backbone.Cells, n.Backbone.Reductions = t.Cells, cell.Reductions(t.Cells, 2)
			}
		}
		if t.Width > 0 {
			n.Backbone.Width = t.Width
		}
		c.Network = n
	case cell.NASBenchNetwork:
		if t.Width > 0 {
			n.Backbone.Width = t.Width
		}
		c.Network = n
	}
	if t.Epochs > 0 {
		c.Epochs = t.Epochs
	}
	if t.Batch > 0 {
		c = c.WithBatch(t.Batch)
	}
	c.Seed = s.Seed
	return task, c, c.Validate()
}

// try finds out whether a training can be done.
func (t *trainer) try(job sweep.Job) error {
	var s spec
	if err := json.Unmarshal(job.Spec, &s); err != nil {
		return err
	}
	_, c, err := t.configure(s)
	if err == nil && t.src.Len() < c.Batch {
		err = fmt.Errorf("%d training images are fewer than a batch of %d; lower -batch", t.src.Len(), c.Batch)
	}
	return err
}

// train does a training, or what is left of it.
func (t *trainer) train(ctx context.Context, job sweep.Job, dir string) (any, error) {
	var s spec
	if err := json.Unmarshal(job.Spec, &s); err != nil {
		return nil, err
	}
	task, c, err := t.configure(s)
	if err != nil {
		return nil, err
	}
	dir = filepath.Join(dir, "run")
	run, err := darts.OpenRunDir(dir)
	if err != nil {
		return nil, err
	}
	shown := record.Func(func(e record.Event) error { return t.show(job, e) })
	trained, err := darts.Train(ctx, t.src, t.val, task, c, darts.Runtime{Workers: t.Workers, Dir: run, Recorder: shown})
	err = errors.Join(err, run.Close())
	if err != nil {
		return nil, err
	}
	var accuracies []float64 // of earlier parts of the run too
	err = session.Replay(dir, func(e record.Event) {
		if epoch, ok := e.(record.Epoch); ok {
			accuracies = append(accuracies, 100*epoch.ValScore)
		}
	})
	if err != nil {
		return nil, err
	}
	return result{100 * trained.Best.ValScore, accuracies, trained.Size.Params, trained.Size.MACs}, nil
}

// report prints what happened to a training.
func (t *trainer) report(e sweep.Event) {
	if e.Kind == sweep.Unlocked {
		fmt.Fprintf(t.out, "%v: no other program may have this shard\n", e.Err)
	} else if text := session.Describe(e, t.Attempts); text != "" {
		t.state(text)
	}
}

// interval is how often a training under way is shown.
const interval = 10 * time.Second

// show prints how far a training is, now and then.
func (t *trainer) show(job sweep.Job, e record.Event) error {
	switch e := e.(type) {
	case record.Step:
		if time.Since(t.shown) >= interval {
			t.state(fmt.Sprintf("%s: epoch %d, step %d of %d, loss %.3f", job.Name, e.Epoch, e.Step, e.Steps, e.TrainLoss))
		}
	case record.Progress:
		if e.Unit != "passes" && time.Since(t.shown) >= interval { // a step shows more than its passes
			t.state(fmt.Sprintf("%s: %s %d of %d %s", job.Name, e.Work, e.Done, e.Total, e.Unit))
		}
	case record.Warning:
		fmt.Fprintf(t.out, "%s: %s\n", job.Name, e.Text)
	}
	return nil
}

// state prints how far the sweep is, on all machines, and what happens here.
func (t *trainer) state(here string) {
	t.shown = time.Now()
	s, err := t.sweep.State()
	if err != nil {
		return // it is only shown
	}
	left := ""
	if s.Left > 0 {
		left = fmt.Sprintf(", %v left", s.Left.Round(time.Second))
	}
	failed := ""
	if s.Failed > 0 {
		failed = fmt.Sprintf(", %d failed", s.Failed)
	}
	fmt.Fprintf(t.out, "%d of %d done, %d running%s%s  %s\n", s.Done, s.Jobs, s.Running, failed, left, here)
}
