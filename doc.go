// Package unnas is the map of the library; it has no code. Start with README.md and
// docs/tutorial.md, or with package darts.
//
//	unnas/darts                search a cell, train a network, use it as a model
//	unnas/darts/dataset        data sets: CIFAR-10, ImageNet, Cityscapes, folders of images
//	unnas/darts/dataset/scenes built-in scenes, which need no files
//	unnas/darts/mpi            the ranks of one run, on many sockets and machines, over MPI
//	unnas/darts/onnx           export to ONNX
//	unnas/darts/preset         published tasks and hyperparameters
//	unnas/darts/rank           rank correlations of architectures between tasks
//	unnas/darts/record         the events of runs: print, write, read
//	unnas/darts/report         a web page of a run, in its directory or live
//	unnas/darts/sweep          many independent jobs, on one machine or several
//	unnas/darts/xla            accelerators: GPUs and TPUs, by plugins of XLA
//	unnas/cell                 search spaces, supernets, genotypes and their networks
//	unnas/cell/draw            figures of cells
//	unnas/cell/benchmark       true accuracies of the cells of NAS-Bench-201 and others
//	unnas/cell/nasbench        cells and accuracies of NAS-Bench-101
//	unnas/pretext              tasks with and without labels, image transforms
//	unnas/pretext/turbojpeg    faster JPEG decoding, where libjpeg-turbo is installed
//	unnas/pretext/pretexttest  conformance tests for tasks and data sets
//	unnas/segmentation         semantic segmentation: task, networks, mIoU, pictures
//	unnas/ops                  layers and candidate operations as nodes of a Gorgonia graph
//	unnas/ops/optest           conformance tests for operations
//
// The directory examples has short programs to copy, and the command-line tool.
//
// A network is a Gorgonia expression graph: packages build *gorgonia.Node values,
// and every differentiable Gorgonia operation can be part of a network. Before its
// first step a run plans its kernels and its memory. The kernels, in assembly for
// AVX2 and AVX-512, use all cores; results do not depend on the number of cores.
//
// The method is that of Are Labels Necessary for Neural Architecture Search?
// (Liu et al., ECCV 2020, arXiv 2003.12056), which builds on DARTS (Liu et al.,
// ICLR 2019, arXiv 1806.09055).
package unnas
