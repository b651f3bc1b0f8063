package darts

import (
	"fmt"

	"unnas/cell"
	"unnas/ops"
	"unnas/pretext"
)

// SampleTraining returns the task and the settings with which Liu et al. (2020,
// arXiv 2003.12056, supplement A) trained the networks of sampled DARTS cells
// (cell.Sampler), to see how well a task ranks them. The data set is cifar10 or
// imagenet1k, the task classification, rotation, colorization or jigsaw. Another
// name is an error that lists these.
//
// The accuracy of an architecture is the highest of its evaluations, one after each
// epoch; on CIFAR-10 the paper takes the mean of three seeds.
func SampleTraining(dataset, task string, g cell.Genotype) (pretext.Task, TrainConfig, error) {
	t, c, err := sampleTraining(dataset, task)
	if err != nil {
		return nil, TrainConfig{}, err
	}
	body := cell.DARTS(cell.CIFARStem, 16, 20).Body
	if dataset == "imagenet1k" {
		body = cell.DARTS(cell.ImageNetStem, 32, 22).Body
	}
	c.Network = cell.Derived{Body: body, Genotype: g, Ops: ops.Published()}
	return t, c, nil
}

// SampleTrainingNASBench is SampleTraining for cells of NAS-Bench-101.
func SampleTrainingNASBench(dataset, task string, n cell.NASBench) (pretext.Task, TrainConfig, error) {
	t, c, err := sampleTraining(dataset, task)
	if err != nil {
		return nil, TrainConfig{}, err
	}
	body := cell.NASBenchBody{Stem: cell.CIFARStem, Width: 128, Stacks: 3, Modules: 3}
	if dataset == "imagenet1k" {
		body.Stem, body.Modules = cell.ImageNetStem, 4
		c.Epochs, c.PreciseBN = 10, 0
	}
	c.Network = cell.NASBenchNetwork{Body: body, Cell: n}
	return t, c, nil
}

// sampleTraining returns what does not depend on the architecture.
func sampleTraining(dataset, task string) (pretext.Task, TrainConfig, error) {
	c := TrainConfig{SGD: SGD{Momentum: 0.9, Nesterov: true}, PreciseBN: 1024, EvaluateEvery: 1}
	tasks := map[string]pretext.Task{}
	switch dataset {
	case "cifar10":
		whole := pretext.CIFAR10()
		whole.Crop = pretext.CropNone
		tasks["classification"] = pretext.Classification{View: pretext.CIFAR10(), Classes: 10}
		tasks["rotation"] = pretext.Rotation{View: pretext.CIFAR10()}
		tasks["colorization"] = pretext.Colorization{View: whole}
		tasks["jigsaw"] = pretext.JigsawCIFAR10()
		c.Epochs, c.Batch, c.WeightDecay = 100, 128, 5e-4
		c.LR = Schedule{Kind: Cosine, Base: 0.1}
		if task == "rotation" || task == "jigsaw" { // four inputs of each image
			c.Batch, c.LR.Base = 32, 0.025
		}
	case "imagenet1k":
		tasks["classification"] = pretext.Classification{View: pretext.ImageNet(224), Classes: 1000}
		tasks["rotation"] = pretext.Rotation{View: pretext.ImageNet(224)}
		tasks["colorization"] = pretext.Colorization{View: steady(pretext.ImageNet(224))}
		tasks["jigsaw"] = pretext.JigsawImageNet()
		c.Epochs, c.Batch, c.WeightDecay = 5, 32, 5e-5
		c.LR = Schedule{Kind: Cosine, Base: 0.0125}
	default:
		return nil, c, fmt.Errorf("darts: samples were not trained on a data set %q, but on cifar10, imagenet1k", dataset)
	}
	t, ok := tasks[task]
	if !ok {
		return nil, c, fmt.Errorf("darts: samples were not trained on a task %q, but on classification, rotation, colorization, jigsaw", task)
	}
	return t, c, nil
}
