package main

import (
	"context"
	"os"

	"unnas/darts/preset"
	"unnas/darts/sweep"
	"unnas/examples/unnas/internal/ranking"
)

func rankCommand() *command {
	return &command{
		name:    "rank",
		summary: "train sampled architectures and compare how tasks rank them",
		about: "Rank draws architectures at random, trains each on several tasks, and compares how the\n" +
			"accuracies in tasks without labels rank them: correlations, tables and figures in the\n" +
			"directory of -out. The same command resumes what was stopped. Several may run at once, on\n" +
			"machines that share the directory; see unnas help cluster.",
		examples: []example{
			{"unnas rank -data cifar-10-batches-bin", "the published experiment, 500 cells, 4 tasks, 3 seeds: years on two cores"},
			{"unnas rank -data cifar-10-batches-bin -samples 24 -tasks cls,rot -seeds 1 -width 4 -epochs 4", "a small one"},
			{"unnas rank -data cifar-10-batches-bin -space nasbench201 -table nb201.csv -samples 60", "against known accuracies"},
			{"unnas rank -analyse -out runs/rank", "tables and figures of what is done so far"},
			{"unnas rank -csv accuracies.csv -supervised class_object", "those of a table, with a column for each task"},
		},
		flags: "data dataset subset index jpeg seed width cells epochs batch workers out quiet " +
			"space table samples tasks seeds shard attempts analyse csv id supervised",
		defaults: map[string]string{"data": "none: needed to train"},
		texts: map[string]string{
			"supervised": "column of -csv or -table to compare with [classification or the first]",
			"out":        "directory of the experiment [runs/rank]",
			"index":      "index of a .tfrecord -table [beside it]",
			"width":      "channels of the first cell [published]", "cells": "cells of a DARTS network [published]",
			"epochs": "passes over the images [published]", "batch": "images of a step; the learning rate changes in proportion [published]",
		},
		run: runRank,
	}
}

func runRank(ctx context.Context, c *call) error {
	if c.Out == "" {
		c.Out = "runs/rank"
	}
	switch {
	case c.csv != "":
		return ranking.AnalyseTable(c.csv, c.id, c.supervised, c.Out, c.out)
	case c.analyse:
		return ranking.Analyse(c.Out, c.out)
	}
	if err := c.checkOut(c.Out); err != nil {
		return err
	}
	o, err := c.ranking()
	if err != nil {
		return err
	}
	return ranking.Run(ctx, o, c.out, c.notes)
}

// metric returns the column of the table of a benchmark that the tasks are compared with,
// "" for its first.
func (c *call) metric() string {
	if c.space == ranking.DARTS || c.space == ranking.NASBench || !c.given["supervised"] {
		return ""
	}
	return c.supervised
}

// ranking returns the experiment that the flags ask for.
func (c *call) ranking() (ranking.Options, error) {
	o := ranking.Options{
		Settings: ranking.Settings{
			Dataset: c.dataset, Space: c.space, Table: c.table, Metric: c.metric(), Samples: c.samples, Seeds: c.seeds, Seed: c.Seed,
			Epochs: c.epochs, Width: c.width, Cells: c.cells, Batch: c.batch, Subset: c.subset,
		},
		Out: c.Out, Data: c.data, Index: c.index, Attempts: c.attempts, Workers: c.Runtime.Workers, JPEG: c.JPEG,
	}
	var err error
	if o.Tasks, err = splitTasks(c.tasks); err != nil {
		return o, err
	}
	if err := o.Validate(); err != nil {
		return o, usageError{err}
	}
	if o.Dataset == "" {
		if o.Dataset, err = recognise(c.data); err != nil {
			return o, err
		}
	}
	if !c.given["seeds"] {
		if o.Seeds = 1; o.Dataset == preset.CIFAR10 {
			o.Seeds = 3
		}
	}
	o.Shard, err = c.sweepShard()
	return o, err
}

// sweepShard returns the shard of a sweep that the flags or the environment of a cluster give.
func (c *call) sweepShard() (shard sweep.Shard, err error) {
	if c.shard != "" {
		shard, err = sweep.ParseShard(c.shard)
	} else {
		shard, _, err = sweep.ShardOf(os.Getenv)
	}
	if err != nil {
		return shard, usageError{err}
	}
	return shard, nil
}
