package preset

import (
	"fmt"
	"reflect"

	"unnas/cell"
	"unnas/darts"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// widths are the architectures of the evaluation phase of Liu et al. (2020, arXiv
// 2003.12056) with the channels of their first cells, chosen by the authors for
// networks of similar size. Other cells have those of the first.
var widths = []struct {
	architecture             string
	classification, segments int
}{
	{"darts_v2", 48, 82},
	{"unnas_imagenet_cls", 44, 78},
	{"unnas_imagenet_rot", 42, 78},
	{"unnas_imagenet_col", 46, 80},
	{"unnas_imagenet_jig", 42, 78},
	{"unnas_imagenet22k_cls", 46, 80},
	{"unnas_imagenet22k_rot", 42, 78},
	{"unnas_imagenet22k_col", 42, 78},
	{"unnas_imagenet22k_jig", 42, 78},
	{"unnas_cityscapes_seg", 44, 80},
	{"unnas_cityscapes_rot", 42, 78},
	{"unnas_cityscapes_col", 54, 86},
	{"unnas_cityscapes_jig", 44, 80},
}

// Training returns the task and the hyperparameters with which Liu et al. (2020, arXiv
// 2003.12056, supplement B.2 and the authors' release) trained the network of a
// genotype. The data set is imagenet1k, for classification, or cityscapes, for
// segmentation; another name is an error that lists these. Genotypes that they did not
// train have the width of darts_v2.
//
// MicroBatch is the part of a batch on each of their eight GPUs, so that batch
// normalisation sees as many images. Evaluation is as published: centre crops on
// ImageNet, whole images on Cityscapes.
func Training(dataset string, g cell.Genotype) (pretext.Task, darts.TrainConfig, error) {
	var task pretext.Task
	c := darts.TrainConfig{SGD: darts.SGD{Momentum: 0.9, Nesterov: true}, EvaluateEvery: 1}
	var backbone cell.Backbone
	switch dataset {
	case ImageNet1K:
		task = pretext.Classification{Transform: pretext.ImageNetTransform(224), Classes: 1000, Smoothing: 0.1}
		backbone = cell.Backbone{Stem: cell.ImageNetStem, Cells: 14, Reductions: cell.Reductions(14, 2)}
		c.Epochs, c.Batch, c.MicroBatch = 250, 1024, 128
		c.LR = darts.Schedule{Kind: darts.Cosine, Base: 0.5, Warmup: 5, WarmupFactor: 0.1}
		c.WeightDecay, c.Auxiliary = 3e-5, cell.AuxiliaryWeight
	case Cityscapes:
		task = segmentation.Task{Transform: pretext.CityscapesTransform(769, 1024), ASPP: segmentation.EvalASPP(19)}
		backbone = cell.Backbone{Stem: cell.ImageNetStem, Cells: 12, Reductions: cell.Reductions(12, 1)}
		c.Epochs, c.Batch, c.MicroBatch = 2700, 64, 8
		c.LR = darts.Schedule{Kind: darts.Cosine, Base: 0.1}
		c.WeightDecay = 1e-4
	default:
		return nil, darts.TrainConfig{}, fmt.Errorf("preset: no published training on data set %q, want imagenet1k or cityscapes", dataset)
	}
	width := widths[0]
	for _, w := range widths {
		if published, _ := cell.GenotypeByName(w.architecture); reflect.DeepEqual(g, published) {
			width = w
		}
	}
	if backbone.Width = width.classification; dataset == Cityscapes {
		backbone.Width = width.segments
	}
	c.Network = cell.Network{Backbone: backbone, Genotype: g, Ops: ops.All()}
	return task, c, nil
}
