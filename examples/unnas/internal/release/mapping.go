package release

import (
	"fmt"
	"math"
	"slices"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/preset"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// The values of keys that say what runs.
const (
	nasSearch, nas, nasBench                    = "nas_search", "nas", "nas_bench"
	taskCls, taskSeg, taskRot, taskCol, taskJig = "cls", "seg", "rot", "col", "jig"
	cifar10, imagenet, imagenet22k, cityscapes  = "cifar10", "imagenet", "imagenet22k", "cityscapes"
	policyCos, policySteps, policyExp           = "cos", "steps", "exp"
	customGenotype                              = "custom"
	smoothed                                    = "label_smoothed_cross_entropy"
)

// check returns an error if values are out of range or contradict each other,
// whatever runs.
func (c *Config) check() error {
	if c.TaskKey == "" {
		c.TaskKey = taskCls
	}
	if err := c.checkValues(); err != nil {
		return err
	}
	if c.Train.BatchSize%c.NumGPUs != 0 {
		return c.Fault("TRAIN.BATCH_SIZE", "is %d, must be a multiple of NUM_GPUS, which is %d", c.Train.BatchSize, c.NumGPUs)
	}
	if err := c.checkTask(); err != nil {
		return err
	}
	if _, err := c.schedule(); err != nil {
		return err
	}
	return c.checkUses()
}

// checkTask returns an error if the task does not go with the images.
func (c *Config) checkTask() error {
	switch data := c.Train.Dataset; {
	case c.TaskKey == taskSeg && data != cityscapes:
		return c.Fault("TASK", "is seg, which needs the masks of TRAIN.DATASET cityscapes, not %s", data)
	case c.TaskKey == taskCls && data == cityscapes:
		return c.Fault("TASK", "is cls, but images of cityscapes have no classes; seg, rot, col and jig do")
	case c.TaskKey == taskJig && data == cifar10 && c.JigsawGrid != 2:
		return c.Fault("JIGSAW_GRID", "is %d, must be 2 for images as small as those of cifar10", c.JigsawGrid)
	case c.TaskKey == taskJig && c.Train.ImSize%c.JigsawGrid != 0:
		return c.Fault("TRAIN.IM_SIZE", "is %d, must be a multiple of JIGSAW_GRID, which is %d", c.Train.ImSize, c.JigsawGrid)
	}
	if classes := map[string][]int{taskRot: {4}, taskCol: {313}, taskJig: permutations(c.JigsawGrid)}[c.TaskKey]; classes != nil && !slices.Contains(classes, c.Model.NumClasses) {
		return c.Fault("MODEL.NUM_CLASSES", "is %d, must be one of %d for TASK %s", c.Model.NumClasses, classes, c.TaskKey)
	}
	channels := 3
	if c.TaskKey == taskCol {
		channels = 1
	}
	if c.Model.InputChannels != channels {
		return c.Fault("MODEL.INPUT_CHANNELS", "is %d, must be %d for TASK %s", c.Model.InputChannels, channels, c.TaskKey)
	}
	if err := c.Task().Validate(); err != nil {
		return fmt.Errorf("TASK %s: %w", c.TaskKey, err)
	}
	return nil
}

// permutations returns how many of them there may be.
func permutations(grid int) []int {
	if grid == 2 {
		return []int{24}
	}
	return []int{1000, 2000}
}

// Task returns what the network learns.
func (c *Config) Task() pretext.Task {
	v := c.view()
	switch c.TaskKey {
	case taskSeg:
		return segmentation.Task{Transform: v, ASPP: segmentation.ASPP{Channels: c.Model.ASPPChannels, Rates: c.Model.ASPPRates, Classes: c.Model.NumClasses}}
	case taskRot:
		return pretext.Rotation{Transform: v}
	case taskCol:
		return pretext.Colorization{Transform: v}
	case taskJig:
		return pretext.Jigsaw{Transform: v, Grid: c.JigsawGrid, Permutations: c.Model.NumClasses, GrayscaleProb: c.Train.GrayPercentage}
	}
	t := pretext.Classification{Transform: v, Classes: c.Model.NumClasses}
	if c.Model.LossFun == smoothed {
		t.Smoothing = c.Model.LabelSmoothingEps
	}
	return t
}

// view returns how the network sees an image. Its data set is known.
func (c *Config) view() pretext.Transform {
	data := c.Train.Dataset
	if data == imagenet {
		data = preset.ImageNet1K
	}
	v, _ := preset.Transform(data, c.TaskKey, c.Train.ImSize, c.Test.ImSize)
	return v
}

// schedule returns the learning rate of the weights.
func (c *Config) schedule() (darts.Schedule, error) {
	o := c.Optim
	s := darts.Schedule{Base: o.BaseLR, PerStep: o.IterLR}
	if o.WarmupEpochs > 0 {
		s.Warmup, s.WarmupFactor = o.WarmupEpochs, o.WarmupFactor
	}
	switch o.LRPolicy {
	case policyCos:
		s.Kind = darts.Cosine
	case policyExp:
		s.Kind, s.Factor = darts.Exponential, o.Gamma
	case policySteps:
		if len(o.Steps) == 0 || o.Steps[0] != 0 {
			return s, c.Fault("OPTIM.STEPS", "is %v, must begin with 0 for OPTIM.LR_POLICY steps", o.Steps)
		}
		s.Kind, s.Steps, s.Factor = darts.Steps, o.Steps[1:], o.LRMult
		if len(s.Steps) == 0 { // a rate that never falls
			s = darts.Schedule{Kind: darts.Constant, Base: s.Base, PerStep: s.PerStep, Warmup: s.Warmup, WarmupFactor: s.WarmupFactor}
		}
	}
	if err := s.Validate(); err != nil {
		return s, c.Fault("OPTIM.LR_POLICY", "is %s: %w", o.LRPolicy, err)
	}
	return s, nil
}

// stem returns the stem for the images.
func (c *Config) stem() cell.Stem {
	if c.Train.Dataset == cifar10 {
		return cell.CIFARStem
	}
	return cell.ImageNetStem
}

// body returns the stack of cells.
func (c *Config) body() cell.Backbone {
	reductions := 2
	if c.TaskKey == taskSeg {
		reductions = 1
	}
	return cell.Backbone{Stem: c.stem(), Width: c.NAS.Width, Cells: c.NAS.Depth, Reductions: cell.Reductions(c.NAS.Depth, reductions)}
}

// Search returns the hyperparameters of a search.
func (c *Config) Search() (darts.SearchConfig, error) {
	var none darts.SearchConfig
	o := c.Optim
	switch {
	case c.Train.Portion <= 0 || c.Train.Portion >= 1:
		return none, c.Fault("TRAIN.PORTION", "is %s, must be above 0 and below 1, so that weights and architecture parameters have images of their own; the published searches have 0.5", number(c.Train.Portion))
	case o.ArchEpoch != math.Trunc(o.ArchEpoch):
		return none, c.Fault("OPTIM.ARCH_EPOCH", "is %s, must be whole; the architecture parameters begin to learn with an epoch", number(o.ArchEpoch))
	case o.ArchEpoch > float64(o.MaxEpoch):
		return none, c.Fault("OPTIM.ARCH_EPOCH", "is %s, must be at most OPTIM.MAX_EPOCH, which is %d", number(o.ArchEpoch), o.MaxEpoch)
	}
	if c.view().Crop == pretext.CropResized {
		if err := c.checkTestSize(255); err != nil {
			return none, err
		}
	}
	s := darts.DARTS()
	s.Space.Backbone = c.body()
	s.Epochs, s.ArchStartEpoch, s.Batch, s.TrainFraction = o.MaxEpoch, int(o.ArchEpoch), c.Train.BatchSize, c.Train.Portion
	s.LR, _ = c.schedule() // check has seen it
	s.Momentum, s.WeightDecay = o.Momentum, o.WeightDecay
	s.ArchLR, s.ArchWeightDecay = o.ArchBaseLR, o.ArchWeightDecay
	s.Seed, s.Init = uint64(c.RNGSeed), c.Train.Weights
	if err := s.Validate(); err != nil {
		return none, err
	}
	return s, nil
}

// checkTestSize returns an error if the shorter side of images before the crop is
// not 256 for that many pixels.
func (c *Config) checkTestSize(view int) error {
	if size := int(math.Round(256 / float64(view) * float64(c.Train.ImSize))); c.Test.ImSize != size {
		return c.Fault("TEST.IM_SIZE", "is %d, must be %d for TRAIN.IM_SIZE %d: 256/%d of it, as published", c.Test.ImSize, size, c.Train.ImSize, view)
	}
	return nil
}

// Training returns the hyperparameters of a training.
func (c *Config) Training() (darts.TrainConfig, error) {
	var none darts.TrainConfig
	if err := c.checkTraining(); err != nil {
		return none, err
	}
	network := c.network
	if c.Model.Type == nasBench {
		network = c.nasBenchNetwork
	}
	a, err := network()
	if err != nil {
		return none, err
	}
	o := c.Optim
	s := darts.TrainConfig{
		Network: a, Epochs: o.MaxEpoch, Batch: c.Train.BatchSize,
		SGD:           darts.SGD{Momentum: o.Momentum, Nesterov: o.Nesterov, WeightDecay: o.WeightDecay},
		EvaluateEvery: c.Train.EvalPeriod,
		Seed:          uint64(c.RNGSeed), Init: c.Train.Weights,
	}
	s.LR, _ = c.schedule() // check has seen it
	if c.NumGPUs > 1 {
		s.MicroBatch = s.Batch / c.NumGPUs
	}
	if c.BN.UsePreciseStats {
		s.PreciseBN = c.BN.NumSamplesPrecise
	}
	if c.Model.Type == nas {
		s.DropPath = c.NAS.DropProb
		if c.NAS.Aux {
			s.Auxiliary = c.NAS.AuxWeight
		}
	}
	if err := s.Validate(); err != nil {
		return none, err
	}
	return s, nil
}

// network returns the network of cells to train.
func (c *Config) network() (cell.Architecture, error) {
	d := cell.Network{Backbone: c.body(), Genotype: c.NAS.CustomGenotype, Ops: ops.All()}
	if err := d.Backbone.Validate(); err != nil {
		return nil, fmt.Errorf("NAS.WIDTH %d, NAS.DEPTH %d: %w", c.NAS.Width, c.NAS.Depth, err)
	}
	if c.NAS.Genotype != customGenotype {
		d.Genotype, _ = cell.GenotypeByName(c.NAS.Genotype)
	} else if err := d.Genotype.Validate(d.Ops.Has); err != nil {
		return nil, c.Fault("NAS.CUSTOM_GENOTYPE", "is no genotype: %w", err)
	}
	return d, nil
}

// nasBenchNetwork returns the network of NAS-Bench-101 to train.
func (c *Config) nasBenchNetwork() (cell.Architecture, error) {
	n := cell.NASBenchNetwork{
		Backbone: cell.NASBenchBackbone{Stem: c.stem(), Width: c.NAS.Width, Stacks: c.NAS.NumStacks, Modules: c.NAS.NumModulesPerStack},
		Cell:     cell.NASBenchCell{Matrix: c.NAS.Matrix, Ops: c.NAS.Ops},
	}
	if err := n.Cell.Validate(); err != nil {
		return nil, c.Fault("NAS.MATRIX", "and NAS.OPS are no cell: %w", err)
	}
	if err := n.Backbone.Validate(); err != nil {
		return nil, fmt.Errorf("NAS.WIDTH %d, NAS.NUM_STACKS %d, NAS.NUM_MODULES_PER_STACK %d: %w", n.Backbone.Width, n.Backbone.Stacks, n.Backbone.Modules, err)
	}
	return n, nil
}

// checkTraining returns an error if the images are not for training and testing, or
// the loss does not go with the task.
func (c *Config) checkTraining() error {
	split := "val"
	if c.Train.Dataset == cifar10 {
		split = "test"
	}
	switch {
	case c.Train.Dataset == imagenet22k:
		return c.Fault("TRAIN.DATASET", "is imagenet22k, which serves searches alone: it has no images for testing")
	case c.Test.Dataset != c.Train.Dataset:
		return c.Fault("TEST.DATASET", "is %q, must be TRAIN.DATASET, %s, to train a network", c.Test.Dataset, c.Train.Dataset)
	case c.Test.Split != split:
		return c.Fault("TEST.SPLIT", "is %s, must be %s for %s", c.Test.Split, split, c.Train.Dataset)
	case c.Test.BatchSize%c.NumGPUs != 0:
		return c.Fault("TEST.BATCH_SIZE", "is %d, must be a multiple of NUM_GPUS, which is %d", c.Test.BatchSize, c.NumGPUs)
	case c.BN.UsePreciseStats && c.NumGPUs > 1:
		return c.Fault("BN.USE_PRECISE_STATS", "is True, which NUM_GPUS above 1 does not have in the release")
	case c.Model.LossFun == smoothed && c.TaskKey != taskCls:
		return c.Fault("MODEL.LOSS_FUN", "is %s, which TASK %s does not have; cls does", smoothed, c.TaskKey)
	case c.TaskKey == taskSeg && c.Model.Type == nasBench:
		return c.Fault("TASK", "is seg, which needs MODEL.TYPE nas: whole images are tested by networks of cells")
	case c.Model.Type == nas && c.NAS.Aux && c.TaskKey != taskCls && c.TaskKey != taskRot:
		return c.Fault("NAS.AUX", "is True, which TASK %s does not have: an auxiliary head predicts one class for each input", c.TaskKey)
	}
	switch c.view().Crop {
	case pretext.CropResized:
		return c.checkTestSize(255)
	case pretext.CropRandomResized:
		return c.checkTestSize(224)
	}
	return nil
}
