package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"unnas/cell"
	"unnas/cell/draw"
	"unnas/darts/record"
	"unnas/ops"
)

// parts are the values of -part.
var parts = []string{"both", "normal", "reduce"}

// drawn are the endings of pictures.
var drawn = []string{".svg", ".png", ".pdf", ".gif", ".dot"}

func drawCommand() *command {
	return &command{
		name: "draw", args: "CELL... FILE", least: 2, most: -1,
		summary: "draw cells, or how a search came to them",
		about: "Draw draws the cells of published names, files or run directories into one picture, the last\n" +
			"argument. Its ending says the format: .svg, .png, .pdf, or .dot of one cell, and .gif of the\n" +
			"epochs of a search.",
		examples: []example{
			{"unnas draw darts_v2 darts_v2.svg", "both cells of a published name"},
			{"unnas draw runs/search-1 runs/search-2 cells.pdf", "those of two searches"},
			{"unnas draw runs/search-1 search.gif", "the epochs of a search"},
			{"unnas draw runs/search-1 normal.dot -part normal", "one cell, for Graphviz"},
		},
		flags: "part quiet",
		run:   runDraw,
	}
}

func runDraw(_ context.Context, c *call) error {
	last := len(c.args) - 1
	c.Out, c.args = c.args[last], c.args[:last]
	format := strings.ToLower(filepath.Ext(c.Out))
	if !slices.Contains(drawn, format) {
		return usagef("%s is no picture; give, last, a file that ends in one of %s", c.Out, strings.Join(drawn, ", "))
	}
	picture, err := c.picture(format)
	if err != nil {
		return err
	}
	if err := picture.Save(c.Out); err != nil {
		return err
	}
	fmt.Fprintf(c.notes, "See %s\n", c.Out)
	return nil
}

// picture returns what the arguments and -part ask for.
func (c *call) picture(format string) (interface{ Save(path string) error }, error) {
	if format == ".gif" {
		return c.evolution()
	}
	var pairs []draw.Pair
	for _, name := range c.args {
		g, err := readCells(name)
		if err != nil {
			return nil, usageError{err}
		}
		pairs = append(pairs, draw.Pair{Title: filepath.Base(name), Genotype: g})
	}
	one := c.part != parts[0]
	switch {
	case (one || format == ".dot") && len(pairs) > 1:
		return nil, usagef("%d cells are given, and -part %s draws one, as .dot does; give one", len(pairs), c.part)
	case one:
		return draw.Cell{Title: pairs[0].Title, Genotype: pairs[0].Genotype, Reduction: c.part == parts[2]}, nil
	case format == ".dot":
		return nil, usagef("%s: .dot has one cell; give -part %s or %s", c.Out, parts[1], parts[2])
	case len(pairs) == 1:
		return pairs[0], nil
	}
	const columns = 2
	return draw.Sheet(slices.Collect(slices.Chunk(pairs, columns))), nil
}

// evolution returns the cells of a search after each of its epochs.
func (c *call) evolution() (draw.Evolution, error) {
	if len(c.args) > 1 || c.part != parts[0] {
		return nil, usagef("%s: .gif has both cells of one search; give one run directory, and no -part", c.Out)
	}
	path := filepath.Join(c.args[0], record.File)
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("%w; .gif draws the epochs of a search: give its run directory", err)
	}
	defer f.Close()
	var all draw.Evolution
	for e, err := range record.Read(f) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		epoch, ok := e.(record.Epoch)
		if !ok || epoch.Genotype == "" {
			continue
		}
		g, err := cell.ParseGenotype(epoch.Genotype)
		if err = errors.Join(err, g.Validate(ops.All().Has)); err != nil {
			return nil, fmt.Errorf("%s: epoch %d: %w", path, epoch.Epoch, err)
		}
		all = append(all, draw.Pair{Title: fmt.Sprintf("epoch %d", epoch.Epoch), Genotype: g})
	}
	if all == nil {
		return nil, usagef("%s has no epochs of a search; .gif draws these", path)
	}
	return all, nil
}
