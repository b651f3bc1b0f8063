package session

import (
	"context"
	"fmt"
	"io"

	"unnas/cell"
	"unnas/darts"
	"unnas/pretext"
)

// Search is a search.
type Search struct {
	Session
	Source darts.Source
	Task   pretext.Task
	Config darts.SearchConfig // Seed is that of the Options

	// Trained returns the size of the network of cells that unnas train -cell trains.
	Trained func(cell.Genotype) (cell.Complexity, error)
}

// Run runs the search, prints what happens, and keeps it in the run directory, which is
// removed if no step was done. Of a search that ctx stops the cells found so far are
// printed, and how to resume it.
func (s Search) Run(ctx context.Context, out io.Writer) error {
	c := s.Config
	c.Seed = s.Seed
	if err := c.Validate(); err != nil {
		return err
	}
	return s.run(ctx, out, s.Source, s.Task, func(rt darts.Runtime) (outcome, error) {
		r, err := darts.Search(ctx, s.Source, s.Task, c, rt)
		if r == nil {
			return outcome{}, err
		}
		return outcome{
			steps: r.Steps,
			show:  func(out io.Writer, of ended) error { return s.show(out, r, of) },
		}, err
	})
}

// show prints what was found and where it is, and how to train a network of it.
func (s Search) show(out io.Writer, r *darts.SearchResult, of ended) error {
	switch {
	case of.stopped:
		fmt.Fprintf(out, "stopped after %s, found so far:\n%v\n", steps(r.Steps), r.Genotype)
	case s.Quiet: // else the printer has shown the cells
		fmt.Fprintln(out, r.Genotype)
	}
	fmt.Fprintln(out)
	err := of.see(out, kept{"the cells", []string{"genotype.json", "normal.svg", "reduce.svg"}}, kept{"the supernet", []string{"supernet.safetensors"}})
	if err != nil || of.stopped {
		return err
	}
	size, err := s.Trained(r.Genotype)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "To train a network of these cells, of %d parameters and %.1f M multiply-adds an image: unnas train -cell %s\n", size.Params, float64(size.MACs)/1e6, of.dir)
	return err
}
