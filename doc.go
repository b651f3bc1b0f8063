// Package unnas is the map of the library; it has no code. Start with README.md and
// docs/tutorial.md, or with package darts.
//
//	unnas/darts                search a cell, train its network, use it: one call each
//	unnas/darts/dataset        data sets: CIFAR-10, ImageNet, Cityscapes, folders
//	unnas/darts/dataset/scenes a drawn data set, without files
//	unnas/darts/onnx           export to ONNX
//	unnas/darts/rank           how well a task ranks architectures
//	unnas/darts/record         the events of a run: printing, logging, writing, reading
//	unnas/darts/report         the web page of a run, live or in its run directory
//	unnas/darts/preset         published tasks, searches and trainings
//	unnas/darts/sweep          thousands of independent jobs, on one machine or several
//	unnas/cell                 search spaces, supernets, genotypes, and their networks
//	unnas/cell/draw            drawings of cells
//	unnas/cell/nasbench        the table of NAS-Bench-101: cells and their accuracies
//	unnas/pretext              tasks, with and without labels, and image transforms
//	unnas/pretext/turbojpeg    faster JPEG decoding by libjpeg-turbo
//	unnas/pretext/pretexttest  tests for implementations of tasks and sources
//	unnas/segmentation         semantic segmentation: task, networks, prediction, evaluation, drawing
//	unnas/ops                  layers and candidate operations as nodes of a Gorgonia graph
//	unnas/ops/optest           tests for implementations of operations
//
// A network is a Gorgonia expression graph: the packages build nodes of type
// *gorgonia.Node, and may be combined with any differentiable Gorgonia operation.
// Graphs run by a plan made once, with assembly kernels, in memory laid out in advance,
// on all cores, with results that do not depend on their number.
//
// The method is that of Are Labels Necessary for Neural Architecture Search?
// (Liu et al., ECCV 2020, arXiv 2003.12056), which builds on DARTS (Liu et al.,
// ICLR 2019, arXiv 1806.09055).
package unnas
