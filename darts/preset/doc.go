// Package preset has the published tasks, searches and trainings: hyperparameters of
// the papers, ready to run or to change. [Search] returns one of the twelve searches
// of UnNAS (Liu et al., 2020, arXiv 2003.12056), [Training] one of its 26 trainings,
// and [Ranking] and [RankingNASBench] the trainings of sampled architectures behind
// its rankings:
//
//	task, config, err := preset.Search("imagenet1k", "rotation")
//
// The hyperparameters of DARTS and PC-DARTS themselves are in package darts.
//
// Data sets are named cifar10, imagenet1k, imagenet22k and cityscapes. Tasks are
// named as they name themselves, or as in the tables of the paper: cls, seg, rot, col
// and jig.
package preset
