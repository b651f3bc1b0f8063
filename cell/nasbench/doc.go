// Package nasbench reads the published table of NAS-Bench-101 (Ying et al., 2019,
// arXiv 1902.09635): 423,624 cells with their accuracies on CIFAR-10, each trained three
// times.
//
// The table comes as nasbench_only108.tfrecord, or as nasbench_full.tfrecord with runs
// of 4, 12, 36 and 108 epochs. [Open] reads it once, which takes a minute, and keeps an
// index beside it:
//
//	table, err := nasbench.Open(ctx, "nasbench_only108.tfrecord", nasbench.Options{})
//	…
//	a, ok := table.Find(hash) // see cell.NASBenchCell.Hash
//
// [OpenCSV] reads subsets published as text. [Table.Stratified] draws the architectures
// of the sample-based experiments of UnNAS (Liu et al., 2020, arXiv 2003.12056): 50 from
// each tenth of the ranking by accuracy.
package nasbench
