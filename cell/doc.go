// Package cell describes the networks of differentiable architecture search.
//
// A network is a stack of cells. A cell is a small directed graph: two inputs,
// the outputs of the two cells before it; a few intermediate nodes, each the sum
// of operations applied to earlier nodes; and an output, the concatenation of
// intermediate nodes along the channels. All normal cells of a network are
// alike, and so are all reduction cells, which halve the height and the width of
// the maps (Zoph et al., 2018, arXiv 1707.07012).
//
// A [Genotype] names the operation and the earlier node of each edge of the two
// kinds of cells. It is the result of a search (Liu et al., 2019, arXiv
// 1806.09055). [GenotypeByName] returns those of the literature, such as UnNAS
// (Liu et al., 2020, arXiv 2003.12056), and [ParseGenotype] reads others in their
// authors' notation:
//
//	g, err := cell.ParseGenotype(text)
//	…
//	fmt.Println(g)          // two lines, which ParseGenotype reads as well
//	fmt.Println(g.Python()) // as in the papers' logs
//
// A search trains a supernet, in which every edge is a weighted sum of all candidate
// operations; [Derive] discretises it to a cell. Space.PartialChannels mixes only a
// fraction of the channels, for less memory and time.
//
// An [Architecture] is a network without its head, as plain data. [Network] is a
// [Backbone] with a genotype; darts.Train trains it, and a darts.Model uses it.
//
// An [ArchSampler] draws random genotypes whose networks have a given size;
// [DARTSArchSampler] is that of UnNAS. [NASBenchCell] is a cell of NAS-Bench-101,
// whose published accuracies package nasbench reads.
//
// Package draw draws cells.
package cell
