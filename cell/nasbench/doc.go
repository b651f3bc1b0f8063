// Package nasbench reads the released table of NAS-Bench-101 (Ying et al., 2019,
// arXiv 1902.09635): 423,624 cells, each trained three times on CIFAR-10, with their
// accuracies.
//
// The table comes as nasbench_only108.tfrecord, or as nasbench_full.tfrecord with
// trainings of 4, 12 and 36 epochs beside those of 108. [Open] reads it once, which
// takes a minute, and keeps what it needs in an index beside it:
//
//	table, err := nasbench.Open(ctx, "nasbench_only108.tfrecord", nasbench.Options{})
//	…
//	a, ok := table.Find(hash) // of cell.NASBenchCell.Hash
//
// [OpenCSV] reads parts of it that are spread as text. [Table.Stratified] draws the
// architectures of the experiments on samples of UnNAS (Liu et al., 2020, arXiv
// 2003.12056): 50 from each tenth of the ranking by accuracy.
package nasbench
