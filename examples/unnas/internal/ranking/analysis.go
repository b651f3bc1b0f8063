package ranking

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"unnas/darts/rank"
	"unnas/darts/sweep"
)

// supervised is the task that the others are compared with.
const supervised = "classification"

// analyse makes the table of what is done, and compares its columns.
func analyse(s *sweep.Sweep, c Settings, out io.Writer) error {
	table, err := tableOf(s, c)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%d of %d architectures are trained on all tasks with all seeds\n", len(table.Archs), c.Samples)
	if len(table.Archs) == 0 {
		return nil
	}
	if err := errors.Join(table.Save(filepath.Join(s.Dir(), "table.csv")), table.Save(filepath.Join(s.Dir(), "table.md"))); err != nil {
		return err
	}
	fmt.Fprintf(out, "See %s: table.csv and table.md\n", s.Dir())
	with := supervised
	if c.Metric != "" {
		with = c.Metric
	} else if !slices.Contains(c.Tasks, supervised) {
		fmt.Fprintf(out, "nothing is compared, since %s is none of the tasks\n", supervised)
		return nil
	}
	var others []string
	for _, task := range c.Tasks {
		if task != with {
			others = append(others, task)
		}
	}
	return compare(table, with, others, s.Dir(), out)
}

// tableOf returns the accuracy of each architecture in each task, the mean over
// seeds, with its size and its score in the table of a benchmark. Architectures that lack a training are left out.
func tableOf(s *sweep.Sweep, c Settings) (*rank.Table, error) {
	type sums struct {
		accuracy map[string]float64
		trained  int
		size     result
		truth    *float64
	}
	byArch := map[string]*sums{}
	var order []string
	err := s.Results(func(job sweep.Job, text json.RawMessage) error {
		var r result
		var of spec
		if err := errors.Join(json.Unmarshal(text, &r), json.Unmarshal(job.Spec, &of)); err != nil {
			return fmt.Errorf("result of %s: %w", job.Name, err)
		}
		a := byArch[of.Arch]
		if a == nil {
			a = &sums{accuracy: map[string]float64{}, truth: of.Truth}
			byArch[of.Arch] = a
			order = append(order, of.Arch)
		}
		a.accuracy[of.Task] += r.Accuracy / float64(c.Seeds)
		a.trained++
		if of.Task == c.Tasks[0] { // the size does not depend on the task but for its head
			a.size = r
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	table := &rank.Table{Key: "arch"}
	for _, task := range c.Tasks {
		table.Columns = append(table.Columns, rank.Column{Name: task})
	}
	table.Columns = append(table.Columns, rank.Column{Name: "params"}, rank.Column{Name: "macs"})
	if c.Metric != "" {
		table.Columns = append(table.Columns, rank.Column{Name: c.Metric})
	}
	for _, arch := range order {
		a := byArch[arch]
		if a.trained < c.Seeds*len(c.Tasks) {
			continue
		}
		table.Archs = append(table.Archs, arch)
		for i, task := range c.Tasks {
			table.Columns[i].Values = append(table.Columns[i].Values, a.accuracy[task])
		}
		n := len(c.Tasks)
		table.Columns[n].Values = append(table.Columns[n].Values, float64(a.size.Params))
		table.Columns[n+1].Values = append(table.Columns[n+1].Values, float64(a.size.MACs))
		if a.truth != nil {
			table.Columns[n+2].Values = append(table.Columns[n+2].Values, *a.truth)
		}
	}
	return table, nil
}

// AnalyseTable prints how columns of a table in a CSV file rank the architectures, next
// to the column that they are compared with, and draws figures of it into a folder. The
// architectures are named by a column, or the first if id is empty.
func AnalyseTable(path, id, with, dir string, out io.Writer) error {
	table, err := rank.Open(path, id)
	if err != nil {
		return fmt.Errorf("%w\n-id names the column of the architectures; the others must hold numbers", err)
	}
	if _, err := table.Column(with); err != nil {
		return fmt.Errorf("-supervised: %w", err)
	}
	var others []string
	for _, c := range table.Columns {
		if c.Name != with {
			others = append(others, c.Name)
		}
	}
	if table.Skipped != nil {
		fmt.Fprintf(out, "columns without numbers are left out: %s\n", strings.Join(table.Skipped, ", "))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d architectures\n", len(table.Archs))
	return compare(table, with, others, dir, out)
}

// The intervals of correlations.
const (
	level     = 0.95
	resamples = 2000
	mostTasks = 6 // in a figure of random search
)

// compare prints how columns rank the architectures, next to the one that they are
// compared with, and draws figures of it into a folder.
func compare(table *rank.Table, with string, others []string, dir string, out io.Writer) error {
	y, err := table.Column(with)
	if err != nil {
		return err
	}
	var panels []rank.Panel
	var tasks []rank.Column
	heading := "ranking by " + with
	width := utf8.RuneCountInString(heading)
	for _, name := range others {
		width = max(width, utf8.RuneCountInString(name))
	}
	fmt.Fprintf(out, "\n%-*s  %12s %-21s %13s\n", width, heading, "Spearman's ρ", "(95 %)", "Kendall's τ-b")
	for _, name := range others {
		x, err := table.Column(name)
		if err != nil {
			return err
		}
		rho, err := rank.Spearman(x, y)
		if errors.Is(err, rank.ErrUndefined) {
			fmt.Fprintf(out, "%-*s  undefined: %v\n", width, name, err)
			continue
		}
		if err != nil {
			return err
		}
		tau, err := rank.KendallTau(x, y)
		if err != nil {
			return err
		}
		within := ""
		if i, err := rank.Bootstrap(rank.Spearman, x, y, level, resamples, 1); err == nil {
			within = fmt.Sprintf("(%.3f to %.3f)", i.Low, i.High)
		} else if !errors.Is(err, rank.ErrUndefined) {
			return err
		}
		fmt.Fprintf(out, "%-*s  %12.6f %-21s %13.6f\n", width, name, rho, within, tau)
		panels = append(panels, rank.Scatter{Title: name, XLabel: name, YLabel: with, X: x, Y: y})
		tasks = append(tasks, rank.Column{Name: name, Values: x})
	}
	if panels == nil {
		return nil
	}
	var figure rank.Figure
	for row := range slices.Chunk(panels, 3) {
		figure = append(figure, row)
	}
	search := rank.Figure{{rank.Searches{Title: "random search", YLabel: with, Supervised: y, Tasks: tasks[:min(len(tasks), mostTasks)], Most: len(y)}}}
	for name, f := range map[string]rank.Figure{"scatter": figure, "search": search} {
		for _, format := range []string{".svg", ".png"} {
			if err := f.Save(filepath.Join(dir, name+format)); err != nil {
				return err
			}
		}
	}
	_, err = fmt.Fprintf(out, "\nSee %s: scatter.svg and search.svg, and as PNG\n", dir)
	return err
}
