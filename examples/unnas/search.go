package main

import (
	"context"
	"fmt"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/preset"
	"unnas/examples/unnas/internal/session"
	"unnas/ops"
	"unnas/pretext"
)

// Flags that several commands have.
const (
	imageFlags   = " data dataset subset size list index jpeg seed"
	machineFlags = " workers memory recompute device fast"
	runFlags     = " out resume http quiet json"
)

func searchCommand() *command {
	return &command{
		name:    "search",
		summary: "search cells on images, without labels unless a task needs them",
		about: "Search trains a supernet on a task and finds the cells whose operations serve it. Data sets\n" +
			"of the paper have the published hyperparameters unless flags change them.",
		examples: []example{
			{"unnas search", "built-in scenes, rotation task, less than a minute on two cores"},
			{"unnas search -data photos -task contrastive -epochs 10", "images of yours, without labels"},
			{"unnas search -data imagenet -task rotation", "the published search; two days on two cores and more"},
			{"unnas search -data imagenet -task jig -subset 1% -batch 8", "a taste of it, in less memory"},
			{"unnas search -data cifar-10-batches-bin -space nasbench201 -benchmark nasbench201_accuracy.csv", "cells whose true accuracy is known and printed"},
		},
		flags:    "cfg task preset space benchmark init width cells nodes partial epochs batch lr arch-lr arch-start algorithm micro-batch precision auto-batch" + imageFlags + machineFlags + runFlags,
		texts:    map[string]string{"cells": "cells of the network, or of a stage of -space nasbench201 [preset]", "init": "supernet to start from: run directory of a search [drawn]"},
		defaults: map[string]string{"data": builtInTitle, "task": "rotation"},
		ranks:    true,
		run:      runSearch,
	}
}

func runSearch(ctx context.Context, c *call) error {
	if c.cfg != "" {
		return runConfiguration(ctx, c)
	}
	k, err := c.kind()
	if err != nil {
		return err
	}
	task, config, err := c.searchPlan(k)
	if err != nil {
		return err
	}
	decoder, err := c.Decoder()
	if err != nil {
		return err
	}
	if err := c.checkOut(c.Path("search")); err != nil {
		return err
	}
	if err := c.openBenchmark(); err != nil {
		return err
	}
	src, err := c.open(ctx, k, task, decoder)
	if err != nil {
		return err
	}
	if task, err = c.withClasses(task, k, len(src.Classes())); err != nil {
		return err
	}
	images, err := c.sample(src)
	if err != nil {
		return err
	}
	err = session.Search{Session: session.Session{Name: "search", Options: c.Options}, Source: images, Task: task, Config: config, Trained: sizeTrained}.Run(ctx, c.out)
	noteUnreadable(images, c.notes)
	return err
}

// searchPlan returns the task and the hyperparameters of a search that the flags ask
// for. It refuses what no search can have before a large data set is opened.
func (c *call) searchPlan(k kind) (pretext.Task, darts.SearchConfig, error) {
	var none darts.SearchConfig
	if err := c.checkSupernet(); err != nil {
		return nil, none, err
	}
	name := preset.Rotation
	if c.task != "" {
		var err error
		if name, err = taskName(c.task); err != nil {
			return nil, none, err
		}
	}
	task, err := taskOf(k, name, c.size)
	if err != nil {
		return nil, none, err
	}
	config, err := c.searchPreset(k, name)
	if err != nil {
		return nil, none, err
	}
	config.Algorithms, config.Init = c.algorithms, c.init
	if config.Space, err = c.searchSpace(config.Space, c.searchForm(k) == smallPreset); err != nil {
		return nil, none, err
	}
	if c.given["epochs"] {
		config.ArchStartEpoch = config.ArchStartEpoch * c.epochs / config.Epochs
		config.Epochs = c.epochs
	}
	if c.given["batch"] {
		if before := config.Batch; before != c.batch {
			config = config.WithBatch(c.batch)
			fmt.Fprintf(c.notes, "batch %d, that of the preset %d: the learning rates change in proportion, of the weights to %.4g, of the architecture parameters to %.4g\n", c.batch, before, config.LR.Base, config.ArchLR)
		}
	}
	if c.given["lr"] {
		config.LR.Base = c.lr
		config.LR.Min = min(config.LR.Min, c.lr)
	}
	if c.given["arch-start"] {
		config.ArchStartEpoch = c.archStart
	}
	if c.given["arch-lr"] {
		config.ArchLR = c.archLR
	}
	c.storage(&config.MicroBatch, &config.Precision)
	if err := config.Validate(); err != nil {
		return nil, none, usageError{err}
	}
	return task, config, nil
}

// The presets.
const (
	publishedPreset = "published"
	dartsPreset     = "darts"
	pcdartsPreset   = "pc-darts"
	rankingPreset   = "ranking"
	smallPreset     = "small"
)

var presetNames = []string{publishedPreset, dartsPreset, pcdartsPreset, rankingPreset, smallPreset}

// searchForm returns the preset of a search.
func (c *call) searchForm(k kind) string {
	if c.preset != "" {
		return c.preset
	}
	if _, _, err := preset.Search(k.name, preset.Rotation); err == nil {
		return publishedPreset
	}
	return smallPreset
}

// searchPreset returns the hyperparameters that a search starts from.
func (c *call) searchPreset(k kind, task string) (darts.SearchConfig, error) {
	var config darts.SearchConfig
	switch name := c.searchForm(k); name {
	case publishedPreset:
		return c.publishedSearch(k, task)
	case dartsPreset:
		config = darts.DARTS()
	case pcdartsPreset:
		config = darts.PCDARTS()
	case smallPreset:
		config = darts.DARTS()
		config.Space = cell.DARTS(k.stem, 8, 5)
		config.Space.Ops = ops.Set{ops.None(), ops.Skip(), ops.MaxPool(3), ops.SepConv(3), ops.DilConv(3)}
		config.Space.Nodes, config.Epochs, config.Batch = 2, 4, 16
		config.LR.Base, config.ArchLR = 0.01, 0.05 // a short search takes large steps of the alphas
	default:
		return config, usagef("-preset %s is of trainings; a search has %s, %s, %s and %s", name, publishedPreset, dartsPreset, pcdartsPreset, smallPreset)
	}
	b := &config.Space.Backbone
	b.Stem = k.stem
	if task == preset.Segmentation { // which needs a finer map
		b.Reductions = cell.Reductions(b.Cells, 1)
	}
	return config, nil
}

// publishedSearch returns the hyperparameters of a published search, or, for a task
// without one, of that of rotation on the data set.
func (c *call) publishedSearch(k kind, task string) (darts.SearchConfig, error) {
	_, config, err := preset.Search(k.name, task)
	if err == nil {
		return config, nil
	}
	_, config, other := preset.Search(k.name, preset.Rotation)
	if other != nil {
		return config, usagef("-preset %s: %w; or give -preset %s, %s or %s", publishedPreset, err, dartsPreset, pcdartsPreset, smallPreset)
	}
	fmt.Fprintf(c.notes, "there is no published search with task %s: the hyperparameters are those of rotation\n", task)
	return config, nil
}
