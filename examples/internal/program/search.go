package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"unnas/cell"
	"unnas/darts"
	"unnas/pretext"
)

// Search is a search that a program runs.
type Search struct {
	Name   string // of the program, and of new folders
	Source darts.Source
	Task   pretext.Task
	Config darts.Config // Seed and Workers are those of the Options
	Options

	// Begin, unless nil, is called with the folder of a run before that begins, if
	// it does not go on.
	Begin func(*darts.Folder) error
	// Again returns what to add to the command to go on with the run of a folder.
	// Nil returns the flags that all programs have.
	Again func(dir string) string
}

// Run runs the search, prints what happens, and keeps it in a folder, which is
// removed if nothing was found. A search that ctx stops shows what it has found
// until then and how to go on.
func (s Search) Run(ctx context.Context, out io.Writer) error {
	c := s.Config
	c.Seed, c.Workers = s.Seed, s.Workers
	if err := c.Validate(); err != nil {
		return err
	}
	folder, err := s.Folder(s.Name)
	if err != nil {
		return err
	}
	if s.Begin != nil && !s.Resume {
		if err := s.Begin(folder); err != nil {
			return errors.Join(err, folder.Discard())
		}
	}
	printer := Printer(out)
	board := darts.NewTensorBoard(filepath.Join(folder.Dir(), "tensorboard"))
	c.Folder, c.Recorder = folder, darts.Recorders(printer, board)
	result, err := darts.Search(ctx, s.Source, s.Task, c)
	err = errors.Join(err, printer.Close(), board.Close())
	if result == nil || result.Steps == 0 { // nothing to keep
		return errors.Join(err, folder.Discard())
	}
	saved := folder.Save(result)
	err = errors.Join(err, folder.Close())
	if saved != nil {
		return errors.Join(err, saved)
	}
	if e := s.show(out, result, folder.Dir(), err != nil); e != nil {
		return errors.Join(err, e)
	}
	if errors.Is(err, context.Canceled) {
		again := fmt.Sprintf("-out %s -resume", folder.Dir())
		if s.Again != nil {
			again = s.Again(folder.Dir())
		}
		fmt.Fprintf(out, "A checkpoint is there too. To go on, repeat the command and add %s\n", again)
	}
	return err
}

// show prints the size of what was found and where it is.
func (s Search) show(out io.Writer, r *darts.Result, dir string, stopped bool) error {
	space := s.Config.Space
	size, err := darts.Measure(cell.Derived{Body: space.Body, Genotype: r.Genotype, Ops: space.Ops}, s.Task)
	if err != nil {
		return err
	}
	if stopped { // else the printer has shown the cells
		fmt.Fprintf(out, "stopped after %d steps, found so far:\n%v\n", r.Steps, r.Genotype)
	}
	_, err = fmt.Fprintf(out, "\nA network of %d such cells with width %d has %d parameters and takes %.1f M multiply-adds an image.\nSee %s: the cells as genotype.json, normal.svg and reduce.svg, the supernet as weights.safetensors, the run as config.json, metrics.jsonl and tensorboard.\n",
		space.Body.Cells, space.Body.Width, size.Params, float64(size.MACs)/1e6, dir)
	return err
}
