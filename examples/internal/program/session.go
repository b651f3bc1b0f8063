package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"unnas/darts"
	"unnas/darts/record"
	"unnas/darts/report"
	"unnas/pretext"
)

// Session is where and how a program keeps a search or a training.
type Session struct {
	Name string // of the program, and of new folders
	Options

	// Begin, unless nil, is called with the folder of a run before that begins, if
	// it does not go on.
	Begin func(*darts.RunDir) error
	// Again returns what to add to the command to go on with the run of a folder.
	// Nil returns the flags that all programs have.
	Again func(dir string) string
}

// outcome is what a run has made.
type outcome struct {
	steps int                       // that were done; without one there is nothing to keep
	save  func(*darts.RunDir) error // more than the run keeps itself; may be nil
	show  func(out io.Writer, dir string, stopped bool) error
}

// run does work on the images of a source, which is told where to keep and record
// it, keeps the outcome in the folder, which is removed if there is none, and shows
// it. Work that ctx stops is kept and shown too, and how to go on. The page of the
// run has samples of the task.
func (s Session) run(ctx context.Context, out io.Writer, src darts.Source, task pretext.Task, work func(darts.Runtime) (outcome, error)) error {
	folder, err := s.Folder(s.Name)
	if err != nil {
		return err
	}
	tellDecoder(src, s.Talk(out))
	page := report.New(folder.Path())
	page.Show(ctx, src, task)
	if s.HTTP != "" {
		url, err := page.Serve(s.HTTP)
		if err != nil {
			return errors.Join(fmt.Errorf("-http %s: %w", s.HTTP, err), folder.Discard())
		}
		fmt.Fprintf(s.Talk(out), "the page of the run: %s\n", url)
	}
	if s.Begin != nil && !s.Resume {
		if err := s.Begin(folder); err != nil {
			return errors.Join(err, page.Close(), folder.Discard())
		}
	}
	printer := record.NewPrinter(s.Talk(out))
	board := record.NewTensorBoard(filepath.Join(folder.Path(), "tensorboard"))
	rt := s.Runtime
	rt.Dir, rt.Recorder = folder, record.Optional(printer, board, page)
	o, err := work(rt)
	closed := errors.Join(printer.Close(), board.Close(), page.Close())
	if o.steps == 0 {
		return errors.Join(err, closed, folder.Discard())
	}
	stopped := err != nil
	var saved error
	if o.save != nil {
		saved = o.save(folder)
	}
	err = errors.Join(err, closed, folder.Close())
	if saved != nil {
		return errors.Join(err, saved)
	}
	if e := o.show(out, folder.Path(), stopped); e != nil {
		return errors.Join(err, e)
	}
	if errors.Is(err, context.Canceled) {
		again := fmt.Sprintf("-out %s -resume", folder.Path())
		if s.Again != nil {
			again = s.Again(folder.Path())
		}
		fmt.Fprintf(out, "A checkpoint is there too. To go on, repeat the command and add %s\n", again)
	}
	return err
}
