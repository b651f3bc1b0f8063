package darts

import (
	"fmt"
	"slices"
	"strings"

	"unnas/cell"
	"unnas/pretext"
	"unnas/segmentation"
)

// A publishedSearch is a row of the table of PublishedSearch: what differs between
// the searches. Reductions are the cells that reduce; see [cell.Reductions].
type publishedSearch struct {
	dataset           string
	task              pretext.Task
	epochs, archEpoch int
	cells, reductions int
	batch             int
	lr, archLR, decay float64
}

// publishedSearches are the searches of Liu et al. (2020, arXiv 2003.12056,
// supplement B.1), with the figures of the authors' release for one processor.
// Where batch and learning rates are half of the others' of a data set, the
// authors halved them to fit into memory.
var publishedSearches = []publishedSearch{
	{"imagenet1k", pretext.Classification{View: pretext.ImageNet(224), Classes: 1000}, 2, 1, 8, 2, 64, 0.1, 3e-4, 3e-5},
	{"imagenet1k", pretext.Rotation{View: pretext.ImageNet(224)}, 2, 1, 8, 2, 32, 0.05, 1.5e-4, 3e-5},
	{"imagenet1k", pretext.Colorization{View: steady(pretext.ImageNet(224))}, 2, 1, 8, 2, 64, 0.1, 3e-4, 3e-5},
	{"imagenet1k", pretext.JigsawImageNet(), 2, 1, 8, 2, 32, 0.05, 1.5e-4, 3e-5},

	{"imagenet22k", pretext.Classification{View: pretext.ImageNet(224), Classes: 21841}, 1, 0, 8, 2, 64, 0.1, 3e-4, 3e-5},
	{"imagenet22k", pretext.Rotation{View: pretext.ImageNet(224)}, 1, 0, 8, 2, 32, 0.05, 1.5e-4, 3e-5},
	{"imagenet22k", pretext.Colorization{View: steady(pretext.ImageNet(224))}, 1, 0, 8, 2, 64, 0.1, 3e-4, 3e-5},
	{"imagenet22k", pretext.JigsawImageNet(), 1, 0, 8, 2, 32, 0.05, 1.5e-4, 3e-5},

	{"cityscapes", segmentation.Cityscapes(), 400, 0, 12, 1, 32, 0.1, 3e-4, 3e-4},
	{"cityscapes", pretext.Rotation{View: pretext.Cityscapes(321, 512)}, 400, 0, 12, 2, 16, 0.05, 1.5e-4, 3e-4},
	{"cityscapes", pretext.Colorization{View: steady(pretext.Cityscapes(321, 512))}, 400, 0, 12, 2, 16, 0.05, 1.5e-4, 3e-4},
	{"cityscapes", pretext.JigsawCityscapes(), 400, 0, 12, 2, 32, 0.1, 3e-4, 3e-4},
}

// steady returns a view that leaves the colours as they are.
func steady(v pretext.View) pretext.View {
	v.Jitter = 0
	return v
}

// PublishedSearch returns the task and the settings of a search of Liu et al.
// (2020, arXiv 2003.12056, supplement B.1 and the authors' release). The data set
// is imagenet1k, imagenet22k or cityscapes, the task classification (segmentation
// for cityscapes), rotation, colorization or jigsaw. Another name is an error that
// lists these.
//
// Batches and learning rates are those that ran: to fit into 32 GB, the authors
// halved them for rotation and jigsaw on ImageNet, and for rotation and
// colorization on Cityscapes. ImageNet-22K has the figures of one of their four
// processors; [Config.WithBatch] with four times the batch gives those of all.
func PublishedSearch(dataset, task string) (pretext.Task, SearchConfig, error) {
	var datasets, tasks []string
	for _, p := range publishedSearches {
		if p.dataset == dataset && p.task.Name() == task {
			return p.task, p.config(), nil
		}
		if !slices.Contains(datasets, p.dataset) {
			datasets = append(datasets, p.dataset)
		}
		if p.dataset == dataset {
			tasks = append(tasks, p.task.Name())
		}
	}
	if tasks == nil {
		return nil, SearchConfig{}, fmt.Errorf("darts: no search was published for a data set %q, but for %s", dataset, strings.Join(datasets, ", "))
	}
	return nil, SearchConfig{}, fmt.Errorf("darts: no search was published for a task %q on %s, but for %s", task, dataset, strings.Join(tasks, ", "))
}

// config returns the settings of a row: those of DARTS but for what it says.
func (p publishedSearch) config() SearchConfig {
	c := DARTS()
	c.Space = cell.DARTS(cell.ImageNetStem, 16, p.cells)
	c.Space.Body.Reductions = cell.Reductions(p.cells, p.reductions)
	c.Epochs, c.ArchStartEpoch, c.Batch = p.epochs, p.archEpoch, p.batch
	c.LR = Schedule{Kind: Cosine, Base: p.lr}
	c.ArchLR, c.WeightDecay = p.archLR, p.decay
	return c
}
