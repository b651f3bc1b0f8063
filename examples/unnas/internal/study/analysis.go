package study

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"unnas/darts/rank"
	"unnas/darts/sweep"
)

// Analyse compares what the searches of a folder that are done have found.
func Analyse(dir string, out io.Writer) error {
	s, err := sweep.Load(dir)
	if err != nil {
		return err
	}
	var kept Settings
	if err := json.Unmarshal(s.Manifest().Settings, &kept); err != nil || kept.Metric == "" {
		return fmt.Errorf("the manifest in %s is of another program", dir)
	}
	return analyse(s, kept, out)
}

// found is a search that is done.
type found struct {
	Search
	Result
}

// results returns the searches that are done, in the order of the manifest.
func results(s *sweep.Sweep) (all []found, err error) {
	err = s.Results(func(job sweep.Job, text json.RawMessage) error {
		var f found
		if err := errors.Join(json.Unmarshal(job.Spec, &f.Search), json.Unmarshal(text, &f.Result)); err != nil {
			return fmt.Errorf("result of %s: %w", job.Name, err)
		}
		all = append(all, f)
		return nil
	})
	return all, err
}

// analyse prints the comparison and writes it, a row for each search, and a figure.
func analyse(s *sweep.Sweep, c Settings, out io.Writer) error {
	all, err := results(s)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%d of %d searches are done\n", len(all), len(s.Manifest().Jobs))
	if len(all) == 0 {
		return nil
	}
	var text strings.Builder
	c.tables(&text, all)
	fmt.Fprintf(out, "\n%s", text.String())
	return errors.Join(c.rows(all).Save(filepath.Join(s.Dir(), "searches.csv")), c.figure(all, s.Dir()))
}

// An aspect is a number of a search that is compared.
type aspect struct {
	title string
	of    func(f found) float64
	text  func(values []float64) string
}

// tables writes a table in Markdown for each aspect: a row for each algorithm, a column for
// each task.
func (c Settings) tables(w io.Writer, all []found) {
	spread := func(values []float64) string {
		mean, deviation := moments(values)
		return fmt.Sprintf("%.2f ± %.2f", mean, deviation)
	}
	mean := func(format string) func([]float64) string {
		return func(values []float64) string {
			m, _ := moments(values)
			return fmt.Sprintf(format, m)
		}
	}
	for _, a := range []aspect{
		{c.Metric + " of the cells that were found, mean ± standard deviation over seeds", func(f found) float64 { return f.Truth[c.Metric] }, spread},
		{"share of all cells that score lower, in percent", func(f found) float64 { return 100 * f.Percentiles[c.Metric] }, mean("%.0f")},
		{"skip connections of the cell", func(f found) float64 { return float64(f.Skips) }, mean("%.1f")},
		{"entropy of the alphas", func(f found) float64 { return f.Entropy }, mean("%.2f")},
		{"share of the searches that warned of a collapse, in percent", func(f found) float64 { return 100 * one(f.Warned) }, mean("%.0f")},
		{"seconds of a search", func(f found) float64 { return f.Seconds }, mean("%.0f")},
	} {
		fmt.Fprintf(w, "%s:\n\n| | %s |\n|---|%s\n", a.title, strings.Join(c.Tasks, " | "), strings.Repeat("---|", len(c.Tasks)))
		for _, algorithm := range c.Algorithms {
			fmt.Fprintf(w, "| %s |", algorithm)
			for _, task := range c.Tasks {
				cell := ""
				if values := of(all, task, algorithm, a.of); values != nil {
					cell = a.text(values)
				}
				fmt.Fprintf(w, " %s |", cell)
			}
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s of all cells: mean %.2f ± %.2f, best %.2f; best of %d random cells, expected: %.2f\n", c.Metric, c.Mean, c.Deviation, c.Max, randomCells, c.Random)
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// of returns an aspect of the searches with a task and an algorithm.
func of(all []found, task, algorithm string, value func(found) float64) (values []float64) {
	for _, f := range all {
		if f.Task == task && f.Algorithm == algorithm {
			values = append(values, value(f))
		}
	}
	return values
}

// moments returns the mean and the standard deviation of a sample, 0 of one value.
func moments(values []float64) (mean, deviation float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		deviation += (v - mean) * (v - mean) / math.Max(1, float64(len(values)-1))
	}
	return mean, math.Sqrt(deviation)
}

// rows returns a table with a row for each search.
func (c Settings) rows(all []found) *rank.Table {
	t := &rank.Table{Key: "search"}
	add := func(name string, value func(found) float64) {
		column := rank.Column{Name: name}
		for _, f := range all {
			column.Values = append(column.Values, value(f))
		}
		t.Columns = append(t.Columns, column)
	}
	for _, f := range all {
		t.Archs = append(t.Archs, f.name()+" "+strings.ReplaceAll(f.Genotype, "\n", "; "))
	}
	for _, metric := range sorted(all[0].Truth) {
		add(metric, func(f found) float64 { return f.Truth[metric] })
		add("percentile_"+metric, func(f found) float64 { return f.Percentiles[metric] })
	}
	add("entropy", func(f found) float64 { return f.Entropy })
	add("skips", func(f found) float64 { return float64(f.Skips) })
	add("warned", func(f found) float64 { return one(f.Warned) })
	add("seconds", func(f found) float64 { return f.Seconds })
	return t
}

func sorted(m map[string]float64) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// figure draws a panel for each task.
func (c Settings) figure(all []found, dir string) error {
	var panels []rank.Panel
	for _, task := range c.Tasks {
		g := rank.Groups{Title: task, YLabel: c.Metric, Levels: []rank.Level{
			{Name: "mean of all cells", Value: c.Mean}, {Name: fmt.Sprintf("best of %d random cells", randomCells), Value: c.Random}, {Name: "best cell", Value: c.Max},
		}}
		for _, algorithm := range c.Algorithms {
			values := of(all, task, algorithm, func(f found) float64 { return f.Truth[c.Metric] })
			g.Groups = append(g.Groups, rank.Column{Name: algorithm, Values: values})
		}
		panels = append(panels, g)
	}
	var figure rank.Figure
	for row := range slices.Chunk(panels, 3) {
		figure = append(figure, row)
	}
	return errors.Join(figure.Save(filepath.Join(dir, "searches.svg")), figure.Save(filepath.Join(dir, "searches.png")))
}
