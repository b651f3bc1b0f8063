package darts

import (
	"errors"
	"fmt"

	"unnas/cell"
	"unnas/internal/engine"
	"unnas/ops"
)

// TrainConfig has the hyperparameters of the training of a network. It is data, and
// fields are used literally: zero is zero. Start from a preset, Training or
// one of package preset, and change fields of the copy.
type TrainConfig struct {
	Network cell.Architecture `json:"network"` // what is trained; the task adds its head
	Epochs  int               `json:"epochs"`  // passes over the images
	Batch   int               `json:"batch"`   // images in a step; a task may make several inputs of each
	// MicroBatch is gradient accumulation: how many images of a batch go through the
	// network at once, as in a SearchConfig.
	MicroBatch int `json:"micro_batch"`

	SGD

	// Auxiliary is the weight of the loss of an auxiliary head in the middle of the
	// network, cell.AuxiliaryWeight as a rule; 0 is no such head. It takes a task
	// with one label for each input.
	Auxiliary float64 `json:"auxiliary"`
	// DropPath is the probability, towards which it rises linearly from 0, with which
	// an image loses what an edge of a cell gives: in epoch e of E, from 0, it is
	// DropPath·e/E, at most DropPath·(E-1)/E (Larsson et al., 2017, arXiv 1605.07648, as
	// the code of DARTS schedules it, after Zoph et al., 2018, arXiv 1707.07012).
	DropPath float64 `json:"drop_path"`
	// EMADecay is the decay in a step of an exponential moving average of the weights and the
	// running statistics, which is evaluated and returned in their place (Polyak and
	// Juditsky, 1992), 0.9999 for example; 0 is none. It begins with the first weights,
	// without a warm-up: after n steps they still weigh EMADecayⁿ, half after 6,931
	// steps at 0.9999, which short trainings feel.
	EMADecay float64 `json:"ema_decay"`
	// PreciseBN is the number of training images over which the statistics of batch
	// normalisations are taken anew before each evaluation, with the weights as they
	// are then, in whole micro-batches, one at least and at most all that there are; 0
	// evaluates with the running averages. The statistics are those of all these
	// images together, variances of means between micro-batches included (Wu and
	// Johnson, 2021, arXiv 2105.07576, as the code of Liu et al. pools them).
	PreciseBN int `json:"precise_bn"`
	// EvaluateEvery is the number of epochs from one evaluation to the next, besides
	// that of the last epoch; 0 is none but that.
	EvaluateEvery int `json:"evaluate_every"`

	// Init is the path of the weights that the network starts with, "" for weights that
	// are drawn: a run directory of a training, or a file of safetensors or PyTorch
	// (ops.Params.ReadFile). Layers of the head that the file lacks, or has in another
	// shape, are drawn, and a Warning names them; all others must be there. A run that
	// resumes does not need the file.
	Init string `json:"init,omitempty"`
	// Freeze lists prefixes of the names of parameters that do not learn, such as
	// "stem" and "cells.0.". Batch normalisations below them still adapt their running
	// statistics.
	Freeze []string `json:"freeze,omitempty"`

	// Precision is how maps are stored, Float32 by default; BFloat16 takes less memory.
	Precision Precision `json:"precision,omitempty"`

	Seed uint64 `json:"seed"` // of everything that is drawn
}

// Training returns the published hyperparameters with which a network of the cells of a
// genotype is trained on CIFAR-10: 600 epochs of batches of 96 with 36 channels
// and 20 cells, an auxiliary head, and paths dropped with a probability of up to
// 0.2 (Liu et al., 2019, arXiv 1806.09055, appendix A.2, without cutout).
func Training(g cell.Genotype) TrainConfig {
	return TrainConfig{
		Network: cell.Network{Backbone: cell.DARTS(cell.CIFARStem, 36, 20).Backbone, Genotype: g, Ops: ops.All()},
		Epochs:  600, Batch: 96,
		SGD:       SGD{LR: Schedule{Kind: Cosine, Base: 0.025}, Momentum: 0.9, WeightDecay: 3e-4, GradClip: 5},
		Auxiliary: cell.AuxiliaryWeight, DropPath: 0.2, EvaluateEvery: 1,
	}
}

// WithBatch returns the hyperparameters for batches of another size: the learning rate
// changes in proportion (Goyal et al., 2017, arXiv 1706.02677). MicroBatch stays, and
// Validate refuses one that does not divide the batch.
func (c TrainConfig) WithBatch(images int) TrainConfig {
	ratio := float64(images) / float64(c.Batch)
	c.SGD = c.scaled(ratio)
	c.Batch = images
	return c
}

// Validate returns an error that names the first field that is out of range, its
// value and the range.
func (c TrainConfig) Validate() error {
	if engine.IsNil(c.Network) {
		return errors.New("darts: Network is nil; give the network to train, a cell.Network for example")
	}
	if err := c.Network.Validate(); err != nil {
		return fmt.Errorf("darts: Network: %w", err)
	}
	if err := c.Precision.validate(); err != nil {
		return err
	}
	if err := c.SGD.validate(); err != nil {
		return err
	}
	if err := within([]setting{
		{"Epochs", float64(c.Epochs), 1, 1e6, false},
		{"Batch", float64(c.Batch), 1, 1e6, false},
		{"MicroBatch", float64(c.MicroBatch), 0, float64(c.Batch), false},
		{"Auxiliary", c.Auxiliary, 0, 100, false},
		{"DropPath", c.DropPath, 0, 1, false},
		{"EMADecay", c.EMADecay, 0, 1, false},
		{"PreciseBN", float64(c.PreciseBN), 0, 1e9, false},
		{"EvaluateEvery", float64(c.EvaluateEvery), 0, 1e6, false},
	}); err != nil {
		return err
	}
	if err := belowOne([]share{{"DropPath", c.DropPath}, {"EMADecay", c.EMADecay}}); err != nil {
		return err
	}
	return validateMicroBatch(c.Batch, c.MicroBatch)
}
