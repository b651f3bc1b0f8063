// Package benchmark looks up the true accuracies of cells: of every cell of NAS-Bench-201
// (Dong and Yang, 2020, arXiv 2001.00326) or TransNAS-Bench-101 (Duan et al., 2021, arXiv
// 2105.11871), or those that a surrogate predicts for cells of DARTS, as of NAS-Bench-301
// (Zela et al., 2022, arXiv 2008.09777). A search can then be judged without a training:
//
//	table, err := benchmark.Open("nasbench201_accuracy.csv")
//	…
//	score, err := table.Score(result.Genotype, "cifar10_test")
//	fmt.Printf("%.2f %%, better than %.0f %% of all cells\n", score.Value, 100*score.Percentile)
//
// darts.Runtime.Benchmark records the scores of the current cell after every epoch of a
// search.
package benchmark
