// Package preset has the published tasks, searches and trainings with the
// hyperparameters of the papers. [Search] returns one of the twelve searches of UnNAS
// (Liu et al., 2020, arXiv 2003.12056), [Training] one of its 26 trainings, and
// [Ranking] and [RankingNASBench] the trainings of sampled architectures for its
// rankings:
//
//	task, config, err := preset.Search("imagenet1k", "rotation")
//
// The hyperparameters of DARTS and PC-DARTS themselves are in package darts.
//
// Data sets are named cifar10, imagenet1k, imagenet22k and cityscapes. Tasks have their
// own names, or those of the paper's tables: cls, seg, rot, col and jig.
package preset
