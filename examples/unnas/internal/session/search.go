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

// show prints the size of what was found and where it is.
func (s Search) show(out io.Writer, r *darts.SearchResult, of ended) error {
	space := s.Config.Space
	size, err := darts.Measure(cell.Network{Backbone: space.Backbone, Genotype: r.Genotype, Ops: space.Ops}, s.Task)
	if err != nil {
		return err
	}
	switch {
	case of.stopped:
		fmt.Fprintf(out, "stopped after %s, found so far:\n%v\n", steps(r.Steps), r.Genotype)
	case s.Quiet: // else the printer has shown the cells
		fmt.Fprintln(out, r.Genotype)
	}
	fmt.Fprintf(out, "\nA network of %d such cells with width %d has %d parameters and takes %.1f M multiply-adds an image.\n",
		space.Backbone.Cells, space.Backbone.Width, size.Params, float64(size.MACs)/1e6)
	err = of.see(out, kept{"the cells", []string{"genotype.json", "normal.svg", "reduce.svg"}}, kept{"the supernet", []string{"supernet.safetensors"}})
	if err != nil || of.stopped {
		return err
	}
	_, err = fmt.Fprintf(out, "To train a network of these cells: unnas train -cell %s\n", of.dir)
	return err
}
