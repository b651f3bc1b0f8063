package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"unnas/darts/record"
	"unnas/darts/report"
	"unnas/examples/unnas/internal/session"
)

func reportCommand() *command {
	return &command{
		name: "report", args: "RUN", least: 1, most: 1,
		summary: "write or serve the page of a run directory",
		about: "Report writes the page of a run: curves, cells, architecture parameters, hyperparameters. With\n" +
			"-http it serves it instead, and keeps it up to date while the run is under way, until Ctrl-C.",
		examples: []example{
			{"unnas report runs/search-1 -out search.html", ""},
			{"unnas report runs/search-1 -http :6060", ""},
		},
		flags: "out http quiet",
		texts: map[string]string{
			"out":  "file of the page [report.html]",
			"http": "address at which the page is served, such as :6060 [none]",
		},
		values: map[string]string{"out": "FILE"},
		run:    runReport,
	}
}

func runReport(ctx context.Context, c *call) error {
	dir := c.args[0]
	if c.HTTP != "" {
		return c.serve(ctx, dir)
	}
	if c.Out == "" {
		c.Out = report.File
	}
	if err := session.WriteFile(c.Out, func(w io.Writer) error { return report.Write(w, dir) }); err != nil {
		return err
	}
	fmt.Fprintf(c.notes, "See %s\n", c.Out)
	return nil
}

// refresh is how often the page looks for news of the run.
const refresh = time.Second

// serve serves the page of a run directory until ctx is done.
func (c *call) serve(ctx context.Context, dir string) error {
	path := filepath.Join(dir, record.File)
	start, err := lastStart(path)
	if err != nil {
		return err
	}
	page := report.New(dir)
	if err := page.Record(start); err != nil { // which reads what is kept
		return err
	}
	url, err := page.Serve(c.HTTP)
	if err != nil {
		return usagef("-http %s: %w", c.HTTP, err)
	}
	fmt.Fprintf(c.out, "the page of the run: %s\n", url)
	var seen int64
	for tick := time.NewTicker(refresh); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case <-tick.C:
			info, err := os.Stat(path)
			if err != nil || info.Size() == seen {
				continue
			}
			seen = info.Size()
			if start, err = lastStart(path); err != nil {
				return err
			}
			if err := page.Record(start); err != nil {
				return err
			}
		}
	}
}

// lastStart returns the event with which the run of a file began, or was resumed.
func lastStart(path string) (start record.Start, err error) {
	f, err := os.Open(path)
	if err != nil {
		return start, fmt.Errorf("%w; give the run directory of a search or a training", err)
	}
	defer f.Close()
	begun := false
	for e, err := range record.Read(f) {
		if err != nil {
			return start, fmt.Errorf("%s: %w", path, err)
		}
		if s, ok := e.(record.Start); ok {
			start, begun = s, true
		}
	}
	if !begun {
		return start, fmt.Errorf("%s has no start of a run; give the run directory of a search or a training", path)
	}
	return start, nil
}
