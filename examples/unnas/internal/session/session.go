package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"unnas/darts"
	"unnas/darts/record"
	"unnas/darts/report"
	"unnas/pretext"
)

// Session is where and how a run is kept.
type Session struct {
	Name string // of new run directories
	Options

	// Begin, unless nil, is called with the run directory before a run that is not
	// resumed begins.
	Begin func(*darts.RunDir) error
	// Again returns what to add to the command to resume the run of a directory. Nil
	// returns -resume, and -out unless it was given.
	Again func(dir string) string
}

// outcome is what a run has made.
type outcome struct {
	steps int // that were done; without one there is nothing to keep
	show  func(out io.Writer, of ended) error
}

// ended is what is known of a run that has ended.
type ended struct {
	dir           string
	stopped       bool // before it was done
	lowerIsBetter bool // which scores are better
}

// A kept is what files of a run directory hold.
type kept struct {
	what  string
	files []string
}

// see prints which files there are of a result, and of the run: of one whose files could
// not be written, not all.
func (e ended) see(out io.Writer, result ...kept) error {
	var parts []string
	for _, k := range append(result, kept{"the run", []string{"report.html", "config.json", "metrics.jsonl", "tensorboard"}}) {
		var files []string
		for _, name := range k.files {
			if Exists(filepath.Join(e.dir, name)) {
				files = append(files, name)
			}
		}
		if last := len(files) - 1; last > 0 {
			files = []string{strings.Join(files[:last], ", ") + " and " + files[last]}
		}
		if len(files) > 0 {
			parts = append(parts, k.what+" as "+files[0])
		}
	}
	if len(parts) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(out, "See %s: %s.\n", e.dir, strings.Join(parts, ", "))
	return err
}

// steps returns a number of steps in words.
func steps(n int) string {
	if n == 1 {
		return "1 step"
	}
	return fmt.Sprintf("%d steps", n)
}

// run does work on the images of a source with a runtime that keeps and records it.
// It removes a run directory in which no step was done, and shows the outcome, of work
// that ctx stops too, with how to resume. The page of the run has samples of the task.
func (s Session) run(ctx context.Context, out io.Writer, src darts.Source, task pretext.Task, work func(darts.Runtime) (outcome, error)) error {
	if c := s.Runtime.Communicator; c != nil && c.Rank() > 0 { // rank 0 keeps and shows the run
		_, err := work(s.Runtime)
		return err
	}
	dir, err := s.RunDir(s.Name)
	if err != nil {
		return err
	}
	notes := s.Notes(out)
	noteDecoder(src, notes)
	page := report.New(dir.Path())
	page.SetSamples(ctx, src, task)
	if s.HTTP != "" {
		url, err := page.Serve(s.HTTP)
		if err != nil {
			return errors.Join(fmt.Errorf("-http %s: %w", s.HTTP, err), dir.Discard())
		}
		fmt.Fprintf(notes, "the page of the run: %s\n", url)
	}
	if s.Begin != nil && !s.Resume {
		if err := s.Begin(dir); err != nil {
			return errors.Join(err, page.Close(), dir.Discard())
		}
	}
	printer := record.NewPrinter(notes)
	var shown record.Recorder = printer
	if s.JSON {
		lines := record.NewJSONLines(out)
		shown = lines
		if s.Quiet {
			shown = record.Func(func(e record.Event) error {
				switch e.(type) {
				case record.Warning, record.Done:
					return lines.Record(e)
				}
				return nil
			})
		}
	}
	of := ended{dir: dir.Path()}
	note := record.Func(func(e record.Event) error {
		if start, ok := e.(record.Start); ok {
			of.lowerIsBetter = start.LowerIsBetter
		}
		return nil
	})
	board := record.NewTensorBoard(filepath.Join(dir.Path(), "tensorboard"))
	rt := s.Runtime
	rt.Dir, rt.Recorder = dir, record.Optional(shown, note, board, page)
	o, err := work(rt)
	closed := errors.Join(printer.Close(), board.Close(), page.Close())
	if o.steps == 0 {
		return errors.Join(err, closed, dir.Discard())
	}
	of.stopped = err != nil
	err = errors.Join(err, closed, dir.Close())
	if e := o.show(s.Result(out), of); e != nil {
		return errors.Join(err, e)
	}
	if errors.Is(err, context.Canceled) {
		again := "-resume"
		if s.Out == "" {
			again = fmt.Sprintf("-out %s -resume", dir.Path())
		}
		if s.Again != nil {
			again = s.Again(dir.Path())
		}
		fmt.Fprintf(s.Result(out), "A checkpoint is there too. To resume, repeat the command and add %s\n", again)
	}
	return err
}
