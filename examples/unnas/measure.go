package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset/scenes"
	"unnas/darts/record"
	"unnas/examples/unnas/internal/session"
	"unnas/pretext"
)

func measureCommand() *command {
	return &command{
		name: "measure", args: "CELL|MODEL", least: 1, most: 1,
		summary: "print parameters, multiply-adds, memory and time of a step",
		about: "Measure prints the size of a network, and the memory and the time of a training step on this\n" +
			"machine: of cells of a name, a file or a run directory, with the flags of train, or of a\n" +
			"model. For the run directory of a search it measures the supernet, too.",
		examples: []example{
			{"unnas measure darts_v2", "on the built-in scenes"},
			{"unnas measure darts_v2 -dataset imagenet1k -batch 64 -micro-batch 16", "a training on ImageNet-1K, which need not be there"},
			{"unnas measure runs/search-1", "the network of a search's cells, and its supernet"},
		},
		flags:    "dataset size task preset width cells batch micro-batch precision json" + machineFlags,
		defaults: map[string]string{"task": "the labels", "dataset": "scenes"},
		run:      runMeasure,
	}
}

// A measurement is what measure prints of a network.
type measurement struct {
	What       string  `json:"what"`
	Params     int     `json:"params"`
	MACs       int64   `json:"macs"`
	Batch      int     `json:"batch"`
	MicroBatch int     `json:"micro_batch"`
	Memory     int64   `json:"memory_bytes"`
	Step       float64 `json:"step_seconds"`
}

func runMeasure(ctx context.Context, c *call) error {
	c.cell = c.args[0]
	k := kindOf(builtIn)
	if c.dataset != "" {
		k = kindOf(c.dataset)
	}
	task, config, err := c.measured(k)
	if err != nil {
		return err
	}
	if err := c.measureTraining(ctx, task, config); err != nil {
		return err
	}
	search, ok, err := readSearch(c.cell)
	if err != nil || !ok {
		return err
	}
	if task, err = c.searchedTask(k); err != nil {
		return err
	}
	return c.measureSearch(ctx, task, search)
}

// measured returns the task and the hyperparameters of the training that is measured:
// those of a run directory or a model, or those of cells.
func (c *call) measured(k kind) (pretext.Task, darts.TrainConfig, error) {
	if !isModel(c.cell) {
		g, err := c.readCellFlag()
		if err != nil {
			return nil, darts.TrainConfig{}, err
		}
		return c.trainPlan(k, g, nil)
	}
	for _, name := range []string{"dataset", "task", "preset", "size", "width", "cells"} {
		if c.given[name] {
			return nil, darts.TrainConfig{}, usagef("-%s does not go with a model, which has its own; leave it out", name)
		}
	}
	model, err := loadModel(c.cell)
	if err != nil {
		return nil, darts.TrainConfig{}, err
	}
	config := darts.Training(cell.Genotype{})
	config.Batch, config.Auxiliary = smallBatch, 0
	if f, err := os.Open(filepath.Join(c.cell, "config.json")); err == nil {
		config, err = darts.Kinds{}.ReadTrainConfig(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, config, err
		}
	}
	config.Network, config.Init, config.Freeze = model.Architecture, "", nil
	if c.given["batch"] {
		config.Batch = c.batch
	}
	c.storage(&config.MicroBatch, &config.Precision)
	if err := config.Validate(); err != nil {
		return nil, config, usageError{err}
	}
	return model.Task, config, nil
}

// isModel reports whether a path is that of a model: a file, or the run directory of a
// training.
func isModel(path string) bool {
	return strings.HasSuffix(path, ".safetensors") || holds(path, modelFile)
}

// How many steps are run, of which the last is measured, unless one takes so long that
// it is enough.
const (
	measuredSteps = 3
	longStep      = 5 * time.Second
)

func (c *call) measureTraining(ctx context.Context, task pretext.Task, config darts.TrainConfig) error {
	size, err := darts.Measure(config.Network, task)
	if err != nil {
		return err
	}
	m := measurement{What: "training, " + task.Name(), Params: size.Params, MACs: size.MACs, Batch: config.Batch, MicroBatch: config.MicroBatch}
	src, err := stillOf(task, config.Batch*measuredSteps)
	if err != nil {
		return err
	}
	config.Epochs, config.EvaluateEvery, config.PreciseBN = 1, 0, 0
	return c.measure(ctx, m, func(ctx context.Context, rt darts.Runtime) error {
		_, err := darts.Train(ctx, src, src, task, config, rt)
		return err
	})
}

func (c *call) measureSearch(ctx context.Context, task pretext.Task, config darts.SearchConfig) error {
	if c.given["batch"] {
		config.Batch = c.batch
	}
	c.storage(&config.MicroBatch, &config.Precision)
	if err := config.Validate(); err != nil {
		return usageError{err}
	}
	m := measurement{What: "search, " + task.Name(), Batch: config.Batch, MicroBatch: config.MicroBatch}
	src, err := stillOf(task, int(float64(config.Batch*measuredSteps)/min(config.TrainFraction, 1-config.TrainFraction))+1)
	if err != nil {
		return err
	}
	config.Epochs, config.ArchStartEpoch = 1, 0
	return c.measure(ctx, m, func(ctx context.Context, rt darts.Runtime) error {
		_, err := darts.Search(ctx, src, task, config, rt)
		return err
	})
}

// errMeasured ends a run that is measured.
var errMeasured = errors.New("measured")

// measure runs some steps and prints their time and memory.
func (c *call) measure(ctx context.Context, m measurement, run func(context.Context, darts.Runtime) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var before time.Time
	steps := 0
	rt := c.Runtime
	rt.Recorder = record.Func(func(e record.Event) error {
		switch e := e.(type) {
		case record.Start:
			m.Memory = e.PlannedBytes
			before = time.Now()
			if m.Params == 0 {
				m.Params, m.MACs = e.Params, e.MACs
			}
		case record.Step:
			now := time.Now()
			took := now.Sub(before)
			before = now
			if steps++; steps == measuredSteps || took > longStep && m.Step == 0 {
				m.Step = took.Seconds()
				stop(errMeasured)
			}
		}
		return nil
	})
	if err := run(ctx, rt); err != nil && !errors.Is(context.Cause(ctx), errMeasured) {
		return err
	}
	return c.printMeasurement(m)
}

func (c *call) printMeasurement(m measurement) error {
	if c.JSON {
		return json.NewEncoder(c.out).Encode(m)
	}
	at := ""
	if m.MicroBatch > 0 && m.MicroBatch < m.Batch {
		at = fmt.Sprintf(", %d at once", m.MicroBatch)
	}
	_, err := fmt.Fprintf(c.out, "%s\n  parameters     %12d\n  multiply-adds  %12.1f M an image\n  memory         %12.1f MiB, batch %d%s\n  step           %12.3f s, %.4g images/s\n",
		m.What, m.Params, float64(m.MACs)/1e6, float64(m.Memory)/(1<<20), m.Batch, at, m.Step, float64(m.Batch)/m.Step)
	return err
}

// still is one image in place of all: to load it takes no time.
type still struct {
	image *pretext.Image
	n     int
}

// stillOf returns n images for a task, with labels and masks.
func stillOf(task pretext.Task, n int) (still, error) {
	spec := task.Spec()
	side := max(2*max(spec.Height, spec.Width), 64)
	src, err := scenes.New(1, side, side, 1)
	if err != nil {
		return still{}, err
	}
	image, err := src.Load(context.Background(), 0)
	return still{image, n}, err
}

func (s still) Len() int { return s.n }

func (s still) Load(context.Context, int) (*pretext.Image, error) { return s.image, nil }

// readSearch returns the hyperparameters of the search in a run directory, and whether
// there is one.
func readSearch(dir string) (config darts.SearchConfig, ok bool, err error) {
	path := filepath.Join(dir, "config.json")
	if !session.Exists(path) {
		return config, false, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return config, false, err
	}
	var is struct {
		Space *cell.Space `json:"space"`
	}
	if err := json.Unmarshal(text, &is); err != nil {
		return config, false, fmt.Errorf("%s: %w", path, err)
	}
	if is.Space == nil { // a training
		return config, false, nil
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return config, false, fmt.Errorf("%s: %w", path, err)
	}
	return config, true, nil
}

// searchedTask returns the task of the search in the run directory that is measured,
// on a kind of data sets.
func (c *call) searchedTask(k kind) (pretext.Task, error) {
	start, err := lastStart(filepath.Join(c.cell, record.File))
	if err != nil {
		return nil, err
	}
	return taskOf(k, start.Task, c.size)
}
