package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"unnas/cell/benchmark"
	"unnas/darts"
	"unnas/examples/unnas/internal/study"
	"unnas/pretext"
)

func studyCommand() *command {
	return &command{
		name:    "study",
		summary: "search cells of known accuracy with many tasks and algorithms, and compare",
		about: "Study searches a space with all -tasks, -algorithms and -seeds, looks up the true accuracy of\n" +
			"each cell found in the table of -benchmark, and compares them: tables and a figure in the\n" +
			"directory of -out. The same command resumes what was stopped. Several may run at once, on\n" +
			"machines that share the directory; see unnas help cluster.",
		examples: []example{
			{"unnas study -data cifar10 -benchmark nb201.csv", "six tasks, five algorithms, three seeds"},
			{"unnas study -data cifar10 -benchmark nb201.csv -tasks rot,cls -algorithms gdas -seeds 1", "two"},
			{"unnas study -analyse -out runs/study", "what is done so far"},
		},
		flags: "data dataset subset index jpeg seed space benchmark tasks algorithms seeds width cells epochs batch lr arch-lr arch-start " +
			"precision workers shard attempts analyse out quiet",
		defaults: map[string]string{"data": builtInTitle, "space": nasbench201},
		texts: map[string]string{
			"out": "directory of the study [runs/study]", "cells": "cells of a stage of NAS-Bench-201 [1]",
			"tasks":      "tasks [six, see unnas help tasks]",
			"algorithms": "algorithms to compare; pc-darts is one, and + combines [five]",
			"seeds":      "searches with a task and an algorithm [3]",
		},
		run: runStudy,
	}
}

// studyTasks are the tasks of a study.
const studyTasks = "rot,jig,col,relative_patch,contrastive,cls"

// studyAlgorithms are the algorithms of a study.
const studyAlgorithms = "first-order,second-order,gdas,drnas,pc-darts"

// partialAlgorithm is first order with a quarter of the channels.
const partialAlgorithm = "pc-darts"

func runStudy(ctx context.Context, c *call) error {
	if c.Out == "" {
		c.Out = "runs/study"
	}
	if c.analyse {
		return study.Analyse(c.Out, c.out)
	}
	if err := c.checkOut(c.Out); err != nil {
		return err
	}
	o, searches, err := c.study(ctx)
	if err != nil {
		return err
	}
	return study.Run(ctx, o, searches, c.out, c.notes)
}

// study returns the study that the flags ask for.
func (c *call) study(ctx context.Context) (study.Options, []study.Search, error) {
	o := study.Options{Out: c.Out, Attempts: c.attempts, Workers: c.Runtime.Workers, Tasks: map[string]pretext.Task{}}
	if !c.given["space"] {
		c.space = nasbench201
	}
	if c.space != nasbench201 && c.space != transnas101 {
		return o, nil, usagef("-space %s has no table of all cells; give %s or %s", c.space, nasbench201, transnas101)
	}
	if c.benchmark == "" {
		return o, nil, usagef("-benchmark is missing: give the table of the true accuracies, a CSV file; see unnas help spaces")
	}
	var err error
	if o.Benchmark, err = benchmark.Open(c.benchmark); err != nil {
		return o, nil, usagef("-benchmark: %w", err)
	}
	o.Metric = o.Benchmark.Metrics()[0]
	if err := o.Compare(o.Benchmark); err != nil {
		return o, nil, err
	}
	k, err := c.kind()
	if err != nil {
		return o, nil, err
	}
	searches, err := c.searches(k, &o)
	if err != nil {
		return o, nil, err
	}
	g := searches[0].Config.Space.Random(0, 0)
	if _, found := o.Benchmark.Find(g); !found {
		return o, nil, usagef("-benchmark %s lacks cells of -space %s, such as %s; give the table of all cells", c.benchmark, c.space, g)
	}
	if o.Shard, err = c.sweepShard(); err != nil {
		return o, nil, err
	}
	decoder, err := c.Decoder()
	if err != nil {
		return o, nil, err
	}
	src, err := c.open(ctx, k, o.Tasks[searches[0].Task], decoder)
	if err != nil {
		return o, nil, err
	}
	for name, task := range o.Tasks {
		if o.Tasks[name], err = c.withClasses(task, k, len(src.Classes())); err != nil {
			return o, nil, err
		}
	}
	if o.Images, err = c.sample(src); err != nil {
		return o, nil, err
	}
	o.Data = map[string]any{"kind": k.name, "images": o.Images.Len(), "subset": c.subset, "seed": c.Seed}
	return o, searches, nil
}

// searches lists the searches, all algorithms and tasks with one seed after another, and
// sets the tasks of the study.
func (c *call) searches(k kind, o *study.Options) ([]study.Search, error) {
	tasks := c.tasks
	if !c.given["tasks"] {
		tasks = studyTasks
	}
	var err error
	if o.Settings.Tasks, err = splitTasks(tasks); err != nil {
		return nil, err
	}
	for i, name := range o.Settings.Tasks {
		if slices.Contains(o.Settings.Tasks[:i], name) {
			return nil, usagef("-tasks has %s twice", name)
		}
	}
	for name := range strings.SplitSeq(c.combinations, ",") {
		if name = strings.TrimSpace(name); slices.Contains(o.Algorithms, name) {
			return nil, usagef("-algorithms has %s twice", name)
		}
		o.Algorithms = append(o.Algorithms, name)
	}
	seeds := 3
	if c.given["seeds"] {
		seeds = c.seeds
	}
	var all []study.Search
	for seed := range seeds {
		for _, name := range o.Settings.Tasks {
			for _, algorithm := range o.Algorithms {
				task, config, err := c.plan(k, name, algorithm)
				if err != nil {
					return nil, err
				}
				o.Tasks[name] = task
				config.Seed = c.Seed + uint64(seed)
				all = append(all, study.Search{Task: name, Algorithm: algorithm, Config: config})
			}
		}
	}
	return all, nil
}

// plan returns the task and the hyperparameters of a search of a study. An algorithm is one
// name or several with "+" between.
func (c *call) plan(k kind, task, algorithm string) (pretext.Task, darts.SearchConfig, error) {
	one := *c
	one.given, one.task, one.algorithms = maps.Clone(c.given), task, darts.Algorithms{darts.FirstOrder{}}
	names := strings.Split(algorithm, "+")
	if i := slices.Index(names, partialAlgorithm); i >= 0 {
		names = slices.Delete(names, i, i+1)
		one.given["partial"], one.partial = true, 4
	}
	if len(names) > 0 {
		if err := one.algorithms.UnmarshalText([]byte(strings.Join(names, ","))); err != nil {
			return nil, darts.SearchConfig{}, usagef("-algorithms: %w", err)
		}
	}
	return one.searchPlan(k)
}
