package study

import (
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
	"unnas/darts"
	"unnas/darts/record"
	"unnas/darts/sweep"
	"unnas/examples/unnas/internal/session"
	"unnas/pretext"
)

// A Search is one search of a study.
type Search struct {
	Task      string             `json:"task"`
	Algorithm string             `json:"algorithm"`
	Config    darts.SearchConfig `json:"config"` // with the seed
}

// name returns the name of the search in the folder of a study.
func (s Search) name() string {
	return fmt.Sprintf("%s-%s-%d", s.Task, strings.ReplaceAll(s.Algorithm, "+", "_"), s.Config.Seed)
}

// Result is what a search finds.
type Result struct {
	Genotype    string             `json:"genotype"`
	Truth       map[string]float64 `json:"truth"`
	Percentiles map[string]float64 `json:"percentiles"`
	History     []float64          `json:"history"` // percentile by the metric after each epoch
	Entropy     float64            `json:"entropy"`
	Skips       int                `json:"skips"`   // skip connections of the cell
	Warned      bool               `json:"warned"`  // that the search collapses
	Seconds     float64            `json:"seconds"` // of this part of a search that was resumed
}

// Settings are those of all searches, and part of the manifest.
type Settings struct {
	Metric     string   `json:"metric"`
	Tasks      []string `json:"tasks"`
	Algorithms []string `json:"algorithms"`
	Data       any      `json:"data"` // what the images are
	// What there is to compare with: scores of all cells, and the expectation of the best of
	// ten that are drawn at random.
	Max       float64 `json:"max"`
	Mean      float64 `json:"mean"`
	Deviation float64 `json:"deviation"`
	Random    float64 `json:"random"`
}

// randomCells is the size of the random search that studies are compared with.
const randomCells = 10

// Compare sets what there is to compare with.
func (c *Settings) Compare(t *benchmark.Table) error {
	summary, err := t.Summary(c.Metric)
	if err != nil {
		return err
	}
	c.Max, c.Mean, c.Deviation = summary.Max, summary.Mean, summary.Deviation
	c.Random, err = t.RandomSearch(c.Metric, randomCells)
	return err
}

// Options are a study and what does not change its results.
type Options struct {
	Settings
	Out       string // folder of the results
	Benchmark *benchmark.Table
	Images    darts.Source
	Tasks     map[string]pretext.Task
	Shard     sweep.Shard
	Attempts  int // times that a search that fails is tried on one host
	Workers   int
}

// Run does the searches, or those of a shard, prints progress to notes, and compares to out
// what they have found.
func Run(ctx context.Context, o Options, searches []Search, out, notes io.Writer) error {
	m := sweep.Manifest{}
	var err error
	if m.Settings, err = json.Marshal(o.Settings); err != nil {
		return err
	}
	for _, s := range searches {
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		m.Jobs = append(m.Jobs, sweep.Job{Name: s.name(), Spec: text})
	}
	s, err := sweep.Open(o.Out, m)
	if err != nil {
		return err
	}
	fmt.Fprintf(notes, "%d searches in %s, part %v\n", len(searches), o.Out, o.Shard)
	report := func(e sweep.Event) { o.report(s, e, notes) }
	failed := s.Run(ctx, sweep.Options{Shard: o.Shard, Attempts: o.Attempts, Report: report}, o.search)
	if ctx.Err() != nil {
		fmt.Fprintln(out, "stopped; the same command resumes here")
		return failed
	}
	return errors.Join(failed, analyse(s, o.Settings, out))
}

// search does a search, or what is left of it.
func (o Options) search(ctx context.Context, job sweep.Job, dir string) (any, error) {
	var s Search
	if err := json.Unmarshal(job.Spec, &s); err != nil {
		return nil, err
	}
	run, err := darts.OpenRunDir(filepath.Join(dir, "run"))
	if err != nil {
		return nil, err
	}
	var r Result
	began := time.Now()
	found, err := darts.Search(ctx, o.Images, o.Tasks[s.Task], s.Config, darts.Runtime{Workers: o.Workers, Dir: run, Benchmark: o.Benchmark})
	if err = errors.Join(err, run.Close()); err != nil {
		return nil, err
	}
	r.Seconds = time.Since(began).Seconds()
	if err := r.read(filepath.Join(dir, "run"), o.Metric); err != nil {
		return nil, err
	}
	r.Genotype, r.Truth, r.Percentiles = found.Genotype.String(), map[string]float64{}, map[string]float64{}
	for _, metric := range o.Benchmark.Metrics() {
		score, err := o.Benchmark.Score(found.Genotype, metric)
		if err != nil {
			return nil, err
		}
		r.Truth[metric], r.Percentiles[metric] = score.Value, score.Percentile
	}
	r.Skips = skips(found.Genotype)
	return r, nil
}

// skips counts the skip connections of the normal or only cell.
func skips(g cell.Genotype) (n int) {
	for _, e := range g.Normal {
		if e.Op == "skip_connect" {
			n++
		}
	}
	return n
}

// read reads what a run has recorded, of earlier parts too.
func (r *Result) read(dir, metric string) error {
	return session.Replay(dir, func(e record.Event) {
		switch e := e.(type) {
		case record.Epoch:
			r.History = append(r.History, e.Percentiles[metric])
			r.Entropy = e.Entropy
		case record.Warning:
			r.Warned = r.Warned || strings.Contains(e.Text, "collapses")
		}
	})
}

// report prints what happened to a search.
func (o Options) report(s *sweep.Sweep, e sweep.Event, out io.Writer) {
	if e.Kind == sweep.Unlocked {
		fmt.Fprintf(out, "%v: no other program may have this shard\n", e.Err)
		return
	}
	text := session.Describe(e, o.Attempts)
	state, err := s.State()
	if err != nil || text == "" {
		return // it is only shown
	}
	left := ""
	if state.Left > 0 {
		left = fmt.Sprintf(", %v left", state.Left.Round(time.Second))
	}
	fmt.Fprintf(out, "%d of %d done%s  %s\n", state.Done, state.Jobs, left, text)
}
