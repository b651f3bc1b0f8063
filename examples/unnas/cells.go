package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"unnas/cell"
	"unnas/darts"
	"unnas/examples/unnas/internal/session"
	"unnas/ops"
)

// readCells returns the cells of a published name, a file, or a run directory.
func readCells(name string) (cell.Genotype, error) {
	if g, ok := cell.GenotypeByName(name); ok {
		return g, nil
	}
	if strings.HasPrefix(name, "|") {
		return cell.ParseGenotype(name)
	}
	path := name
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		path = filepath.Join(name, "genotype.json")
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return cell.Genotype{}, fmt.Errorf("%w; give a file, a run directory, or a published name: %s", err, strings.Join(cell.GenotypeNames(), ", "))
	}
	if err != nil {
		return cell.Genotype{}, err
	}
	g, err := cell.ParseGenotype(string(text))
	if err != nil {
		return cell.Genotype{}, fmt.Errorf("%s: %w", path, err)
	}
	if err := g.Validate(ops.All().Has); err != nil {
		return cell.Genotype{}, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}

// checkInit refuses weights that are not there before a large data set is opened.
func (c *call) checkInit() error {
	if c.init != "" && !session.Exists(c.init) {
		return usagef("-init %s: there is no such file or run directory", c.init)
	}
	return nil
}

// The files of weights in run directories.
const (
	modelFile    = "model.safetensors"
	supernetFile = "supernet.safetensors"
)

// holds reports whether a path is a run directory with a file.
func holds(dir, file string) bool { return session.Exists(filepath.Join(dir, file)) }

// checkSupernet refuses, for a search, a run directory without a supernet.
func (c *call) checkSupernet() error {
	if err := c.checkInit(); err != nil || c.init == "" {
		return err
	}
	if info, err := os.Stat(c.init); err == nil && info.IsDir() && !holds(c.init, supernetFile) {
		return usagef("-init %s has no %s; give the run directory of a search that has ended", c.init, supernetFile)
	}
	return nil
}

// network returns the cells of -cell, and, if -init names a model and there is no -cell,
// the whole network of the model.
func (c *call) network() (cell.Genotype, *cell.Network, error) {
	if err := c.checkInit(); err != nil {
		return cell.Genotype{}, nil, err
	}
	if c.cell != "" || c.init == "" {
		g, err := c.readCellFlag()
		return g, nil, err
	}
	if holds(c.init, supernetFile) && !holds(c.init, modelFile) {
		return cell.Genotype{}, nil, usagef("-init %s is a search; give the run directory of a training, or train the cells of the search by -cell %s", c.init, c.init)
	}
	model, err := darts.LoadModel(c.init)
	if err != nil {
		return cell.Genotype{}, nil, usagef("-init %s has no network to train: %w", c.init, err)
	}
	n, ok := model.Architecture.(cell.Network)
	if !ok {
		return cell.Genotype{}, nil, usagef("-init %s is a network of type %T, not of cells that search finds; train it by a program of yours", c.init, model.Architecture)
	}
	for _, name := range []string{"width", "cells"} {
		if c.given[name] {
			return cell.Genotype{}, nil, usagef("-%s does not go with -init without -cell: the network is that of the weights; leave it out", name)
		}
	}
	return n.Genotype, &n, nil
}

// readCellFlag returns the cells of -cell.
func (c *call) readCellFlag() (cell.Genotype, error) {
	if c.cell == "" {
		return cell.Genotype{}, usagef("-cell is missing: give the cells, such as -cell darts_v2 or the run directory of a search; see unnas help cells")
	}
	g, err := readCells(c.cell)
	if err != nil {
		return g, usagef("-cell %s: %w", c.cell, err)
	}
	return g, nil
}

// loadModel loads the model of a run directory or a file.
func loadModel(path string) (*darts.Model, error) {
	m, err := darts.LoadModel(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("%w; give the run directory of a training, or a file of its weights", err)
	}
	return m, err
}
