package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/preset"
	"unnas/examples/unnas/internal/session"
	"unnas/pretext"
	"unnas/segmentation"
)

func trainCommand() *command {
	return &command{
		name:    "train",
		summary: "train a network of cells",
		about: "Train trains a network of the cells of -cell, or that of -init, and validates it. Its run directory\n" +

			"is a model, for evaluate, predict and export. Data sets of the paper have the published\n" +
			"hyperparameters unless flags change them.",
		examples: []example{
			{"unnas train -cell darts_v2", "built-in scenes, minutes on two cores"},
			{"unnas train -cell runs/search-1 -data photos -epochs 50", "images of yours, in photos/train and photos/val"},
			{"unnas train -init runs/train-1 -freeze stem -data few", "a network that was trained is fine-tuned on other images"},
			{"unnas train -cell unnas_imagenet_rot -data imagenet", "the published training; five months on two cores and more"},
			{"unnas train -cell unnas_cityscapes_rot -data cityscapes -micro-batch 2", "to segment, in less memory; half a year on two cores"},
		},
		flags:    "cfg val task preset cell init freeze width cells epochs batch lr evaluate-every micro-batch precision" + imageFlags + machineFlags + runFlags,
		defaults: map[string]string{"data": builtInTitle, "task": "the labels", "cell": "that of -init"},
		ranks:    true,
		run:      runTrain,
	}
}

func runTrain(ctx context.Context, c *call) error {
	if c.cfg != "" {
		return runConfiguration(ctx, c)
	}
	k, err := c.kind()
	if err != nil {
		return err
	}
	g, initial, err := c.network()
	if err != nil {
		return err
	}
	task, config, err := c.trainPlan(k, g, initial)
	if err != nil {
		return err
	}
	decoder, err := c.Decoder()
	if err != nil {
		return err
	}
	t := session.Training{Session: session.Session{Name: "train", Options: c.Options}, Config: config}
	if err := c.checkOut(c.Path("train")); err != nil {
		return err
	}
	src, err := c.open(ctx, k, task, decoder)
	if err != nil {
		return err
	}
	if t.Task, err = c.withClasses(task, k, len(src.Classes())); err != nil {
		return err
	}
	train, val, err := c.splits(ctx, k, src, task, decoder)
	if err != nil {
		return err
	}
	if t.Source, err = c.sample(train); err != nil {
		return err
	}
	if t.Val, err = c.sampleVal(val); err != nil {
		return err
	}
	return t.Run(ctx, c.out)
}

// trainPlan returns the task and the hyperparameters of a training that the flags ask
// for, of a network of cells, or of an initial one if that is not nil. It refuses what no training can have before a large data set is opened.
func (c *call) trainPlan(k kind, g cell.Genotype, initial *cell.Network) (pretext.Task, darts.TrainConfig, error) {
	var none darts.TrainConfig
	name := k.labelled
	if c.task != "" {
		var err error
		if name, err = taskName(c.task); err != nil {
			return nil, none, err
		}
	}
	task, config, err := c.trainPreset(k, name, g)
	if err != nil {
		return nil, none, err
	}
	network := config.Network.(cell.Network)
	if initial != nil {
		network = *initial
	}
	b := &network.Backbone
	if c.given["width"] {
		b.Width = c.width
	}
	if c.given["cells"] {
		b.Cells, b.Reductions = c.cells, cell.Reductions(c.cells, len(b.Reductions))
		if g.Dense() {
			*b = cell.NASBench201(b.Width, c.cells).Backbone
		}
	}
	config.Network = network
	if c.given["epochs"] {
		config.Epochs = c.epochs
	}
	before := config.Batch
	if c.given["batch"] && c.batch != before {
		config = config.WithBatch(c.batch)
		fmt.Fprintf(c.notes, "batch %d, that of the preset %d: the learning rate changes in proportion, to %.4g\n", c.batch, before, config.LR.Base)
	}
	if c.given["lr"] {
		config.LR.Base = c.lr
	}
	if m := config.MicroBatch; !c.given["micro-batch"] && m > 0 && config.Batch%m != 0 {
		return nil, none, usagef("-batch is %d, of which %d images, as published, cannot go through the network at once; give a -micro-batch that divides it, %d for example", config.Batch, m, gcd(config.Batch, m))
	}
	c.storage(&config.MicroBatch, &config.Precision)
	config.EvaluateEvery, config.Init = c.evaluateEvery, c.init
	if c.freeze != "" {
		config.Freeze = strings.Split(c.freeze, ",")
	}
	if err := config.Validate(); err != nil {
		return nil, none, usageError{err}
	}
	return task, config, nil
}

// sizeTrained returns the size of the network of cells that train makes of -cell alone.
func sizeTrained(g cell.Genotype) (cell.Complexity, error) {
	c, err := trainCommand().parse(nil, io.Discard)
	if err != nil {
		return cell.Complexity{}, err
	}
	k := kindOf(builtIn)
	task, config, err := c.trainPlan(k, g, nil)
	if err != nil {
		return cell.Complexity{}, err
	}
	src, err := c.scenes(task, 1, 1)
	if err != nil {
		return cell.Complexity{}, err
	}
	if task, err = c.withClasses(task, k, len(src.Classes())); err != nil {
		return cell.Complexity{}, err
	}
	return darts.Measure(config.Network, task)
}

// gcd returns the greatest common divisor of two positive numbers.
func gcd(a, b int) int {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// trainPreset returns the task and the hyperparameters that a training starts from.
func (c *call) trainPreset(k kind, name string, g cell.Genotype) (pretext.Task, darts.TrainConfig, error) {
	form := c.preset
	if form == "" {
		form = smallPreset
		if _, _, err := preset.Training(k.name, g); err == nil && name == k.labelled {
			form = publishedPreset
		}
	}
	switch form {
	case publishedPreset:
		return c.publishedTraining(k, name, g)
	case rankingPreset:
		_, config, err := preset.Ranking(k.name, name, g)
		if err != nil {
			return nil, config, usagef("-preset %s: %w", rankingPreset, err)
		}
		task, err := taskOf(k, name, c.size)
		return task, config, err
	case pcdartsPreset:
		return nil, darts.TrainConfig{}, usagef("-preset %s is of searches; a training has %s, %s, %s and %s", form, publishedPreset, dartsPreset, rankingPreset, smallPreset)
	}
	task, err := taskOf(k, name, c.size)
	if err != nil {
		return nil, darts.TrainConfig{}, err
	}
	config := darts.Training(g)
	network := config.Network.(cell.Network)
	network.Backbone.Stem = k.stem
	if g.Dense() {
		network.Backbone, config.Auxiliary = cell.NASBench201(16, 5).Backbone, 0
	}
	if form == smallPreset {
		network.Backbone = cell.DARTS(k.stem, 16, 5).Backbone
		if g.Dense() {
			network.Backbone = cell.NASBench201(16, 1).Backbone
		}
		config.Epochs, config.Batch, config.LR.Base, config.DropPath, config.Auxiliary = 10, smallBatch, 0.05, 0, 0
	}
	if t, ok := task.(segmentation.Task); ok {
		network.Backbone.Reductions = cell.Reductions(network.Backbone.Cells, 1)
		t.ASPP = segmentation.EvalASPP(cityscapesClasses)
		if min(t.Transform.Height, t.Transform.Width) < smallSide { // whose maps are small
			t.ASPP.Channels, t.ASPP.Rates = 48, []int{2, 4, 8}
		}
		task = t
	}
	if spec := task.Spec(); len(spec.LabelShape) != 1 || spec.LabelShape[0] != spec.Inputs {
		config.Auxiliary = 0 // a head for one label of each input
	}
	config.Network = network
	return task, config, nil
}

// smallBatch is the batch of small trainings.
const smallBatch = 16

// publishedTraining returns a published training of cells.
func (c *call) publishedTraining(k kind, name string, g cell.Genotype) (pretext.Task, darts.TrainConfig, error) {
	task, config, err := preset.Training(k.name, g)
	switch {
	case err != nil:
		return nil, config, usagef("-preset %s: %w; or give -preset %s or %s", publishedPreset, err, dartsPreset, smallPreset)
	case name != k.labelled:
		return nil, config, usagef("-preset %s has -task %s on %s; for %s give -preset %s or %s", publishedPreset, k.labelled, k.title, name, dartsPreset, smallPreset)
	case c.size > 0:
		return nil, config, usagef("-size is %d, and -preset %s has its own; give -preset %s or %s", c.size, publishedPreset, dartsPreset, smallPreset)
	}
	return task, config, nil
}
