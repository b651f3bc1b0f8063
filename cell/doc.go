// Package cell describes the networks of differentiable architecture search.
//
// A network is a stack of cells. A cell is a small directed graph: two inputs,
// the outputs of the two cells before it; a few intermediate nodes, each the sum
// of operations applied to earlier nodes; and an output, the concatenation of
// intermediate nodes along the channels. All normal cells of a network are
// alike, and so are all reduction cells, which halve the height and the width of
// the maps (Zoph et al., 2018, arXiv 1707.07012).
//
// A [Genotype] says which operation on which earlier node enters each node of
// the two kinds of cells. It is what a search finds (Liu et al., 2019, arXiv
// 1806.09055), and all that a paper has to print of it. [Published] holds those
// of the literature, UnNAS above all (Liu et al., 2020, arXiv 2003.12056), and
// [ParseGenotype] reads others in the notation of their authors:
//
//	g, err := cell.ParseGenotype(text)
//	…
//	fmt.Println(g)          // two lines of text, which ParseGenotype reads too
//	fmt.Println(g.Python()) // as in the papers' logs
//
// A search trains a supernet, in which every edge mixes all candidate operations
// with weights of its own; [Derive] reads a cell off these weights. Space.PartialChannels
// lets a part of the channels do so, for less memory and time.
//
// An [Architecture] is a network without its head, as plain data: [Network] is that of
// a [Body] and a genotype, which darts.Train trains and darts.NewPredictor uses.
//
// A [Sampler] draws genotypes at random, of networks of a given size: [DARTSArchSampler]
// is that of UnNAS. [NASBenchCell] is a cell of another space, that of NAS-Bench-101, whose
// released accuracies package nasbench reads.
//
// Package draw makes figures of cells.
package cell
