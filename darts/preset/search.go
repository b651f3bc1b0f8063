package preset

import (
	"fmt"
	"slices"
	"strings"

	"unnas/cell"
	"unnas/darts"
	"unnas/pretext"
)

// A search is a row of the table of Search: the hyperparameters that differ. reductions
// is the number of reduction cells; see [cell.Reductions].
type search struct {
	dataset, task     string
	epochs, archEpoch int
	cells, reductions int
	batch             int
	lr, archLR, decay float64
}

// searches are those of Liu et al. (2020, arXiv 2003.12056, supplement B.1), with the
// values of the authors' release for one GPU. Where batch and learning rates are half
// of the others of a data set, the authors halved them to fit into memory.
var searches = []search{
	{ImageNet1K, Classification, 2, 1, 8, 2, 64, 0.1, 3e-4, 3e-5},
	{ImageNet1K, Rotation, 2, 1, 8, 2, 32, 0.05, 1.5e-4, 3e-5},
	{ImageNet1K, Colorization, 2, 1, 8, 2, 64, 0.1, 3e-4, 3e-5},
	{ImageNet1K, Jigsaw, 2, 1, 8, 2, 32, 0.05, 1.5e-4, 3e-5},

	{ImageNet22K, Classification, 1, 0, 8, 2, 64, 0.1, 3e-4, 3e-5},
	{ImageNet22K, Rotation, 1, 0, 8, 2, 32, 0.05, 1.5e-4, 3e-5},
	{ImageNet22K, Colorization, 1, 0, 8, 2, 64, 0.1, 3e-4, 3e-5},
	{ImageNet22K, Jigsaw, 1, 0, 8, 2, 32, 0.05, 1.5e-4, 3e-5},

	{Cityscapes, Segmentation, 400, 0, 12, 1, 32, 0.1, 3e-4, 3e-4},
	{Cityscapes, Rotation, 400, 0, 12, 2, 16, 0.05, 1.5e-4, 3e-4},
	{Cityscapes, Colorization, 400, 0, 12, 2, 16, 0.05, 1.5e-4, 3e-4},
	{Cityscapes, Jigsaw, 400, 0, 12, 2, 32, 0.1, 3e-4, 3e-4},
}

// Search returns the task and the hyperparameters of a search of Liu et al. (2020,
// arXiv 2003.12056, supplement B.1 and the authors' release). The data set is
// imagenet1k, imagenet22k or cityscapes, the task classification (segmentation for
// cityscapes), rotation, colorization or jigsaw. Another name is an error that lists
// these.
//
// Batch sizes and learning rates are the published ones after halving: to fit into 32
// GB, the authors halved them for rotation and jigsaw on ImageNet, and for rotation and
// colorization on Cityscapes. ImageNet-22K has the values of one of their four GPUs;
// [darts.SearchConfig.WithBatch] with four times the batch gives those of all.
func Search(dataset, task string) (pretext.Task, darts.SearchConfig, error) {
	var datasets, tasks []string
	for _, s := range searches {
		if s.dataset == dataset && s.task == TaskName(task) {
			return taskOf(s.dataset, s.task), s.config(), nil
		}
		if !slices.Contains(datasets, s.dataset) {
			datasets = append(datasets, s.dataset)
		}
		if s.dataset == dataset {
			tasks = append(tasks, s.task)
		}
	}
	if tasks == nil {
		return nil, darts.SearchConfig{}, fmt.Errorf("preset: no published search on data set %q, want one of %s", dataset, strings.Join(datasets, ", "))
	}
	return nil, darts.SearchConfig{}, fmt.Errorf("preset: no published search with task %q on %s, want one of %s", task, dataset, strings.Join(tasks, ", "))
}

// config returns the hyperparameters of a row, based on those of DARTS.
func (s search) config() darts.SearchConfig {
	c := darts.DARTS()
	c.Space = cell.DARTS(cell.ImageNetStem, 16, s.cells)
	c.Space.Backbone.Reductions = cell.Reductions(s.cells, s.reductions)
	c.Epochs, c.ArchStartEpoch, c.Batch = s.epochs, s.archEpoch, s.batch
	c.LR = darts.Schedule{Kind: darts.Cosine, Base: s.lr}
	c.ArchLR, c.WeightDecay = s.archLR, s.decay
	return c
}
