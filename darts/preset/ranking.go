package preset

import (
	"fmt"

	"unnas/cell"
	"unnas/darts"
	"unnas/ops"
	"unnas/pretext"
)

// Ranking returns the task and the hyperparameters with which Liu et al. (2020, arXiv
// 2003.12056, supplement A) trained the networks of sampled DARTS cells
// (cell.ArchSampler), to measure how well a task ranks them. The data set is cifar10 or
// imagenet1k, the task classification, rotation, colorization or jigsaw. Another name
// is an error that lists these.
//
// The accuracy of an architecture is the highest of its evaluations, one per epoch; on
// CIFAR-10 the paper averages it over three seeds.
func Ranking(dataset, task string, g cell.Genotype) (pretext.Task, darts.TrainConfig, error) {
	t, c, err := ranking(dataset, task)
	if err != nil {
		return nil, darts.TrainConfig{}, err
	}
	backbone := cell.DARTS(cell.CIFARStem, 16, 20).Backbone
	if dataset == ImageNet1K {
		backbone = cell.DARTS(cell.ImageNetStem, 32, 22).Backbone
	}
	c.Network = cell.Network{Backbone: backbone, Genotype: g, Ops: ops.All()}
	return t, c, nil
}

// RankingNASBench is Ranking for cells of NAS-Bench-101.
func RankingNASBench(dataset, task string, n cell.NASBenchCell) (pretext.Task, darts.TrainConfig, error) {
	t, c, err := ranking(dataset, task)
	if err != nil {
		return nil, darts.TrainConfig{}, err
	}
	backbone := cell.NASBenchBackbone{Stem: cell.CIFARStem, Width: 128, Stacks: 3, Modules: 3}
	if dataset == ImageNet1K {
		backbone.Stem, backbone.Modules = cell.ImageNetStem, 4
		c.Epochs, c.PreciseBN = 10, 0
	}
	c.Network = cell.NASBenchNetwork{Backbone: backbone, Cell: n}
	return t, c, nil
}

// ranking returns what is independent of the architecture.
func ranking(dataset, task string) (pretext.Task, darts.TrainConfig, error) {
	c := darts.TrainConfig{SGD: darts.SGD{Momentum: 0.9, Nesterov: true}, PreciseBN: 1024, EvaluateEvery: 1}
	switch dataset {
	case CIFAR10:
		c.Epochs, c.Batch, c.WeightDecay = 100, 128, 5e-4
		c.LR = darts.Schedule{Kind: darts.Cosine, Base: 0.1}
		if n := TaskName(task); n == Rotation || n == Jigsaw { // four inputs of each image
			c.Batch, c.LR.Base = 32, 0.025
		}
	case ImageNet1K:
		c.Epochs, c.Batch, c.WeightDecay = 5, 32, 5e-5
		c.LR = darts.Schedule{Kind: darts.Cosine, Base: 0.0125}
	default:
		return nil, c, fmt.Errorf("preset: no published ranking on data set %q, want cifar10 or imagenet1k", dataset)
	}
	t, err := Task(dataset, task)
	return t, c, err
}
