// Package unnas maps the library; it holds no code. Begin with README.md and
// docs/tutorial.md, or with package darts.
//
//	unnas/darts                search a cell, train a network, use it: one deep call each
//	unnas/darts/dataset        image sources: CIFAR-10, ImageNet, Cityscapes, folders
//	unnas/darts/dataset/scenes a data set that needs no files
//	unnas/darts/onnx           networks as models that other programs run
//	unnas/darts/rank           how well a task ranks architectures
//	unnas/darts/record         the events of a run, and what prints, writes and reads them
//	unnas/darts/report         a page about a run, in its folder or live
//	unnas/darts/preset         the published tasks, searches and trainings
//	unnas/darts/sweep          thousands of independent jobs, on one machine or on many
//	unnas/cell                 search spaces, supernets, genotypes, and their networks
//	unnas/cell/draw            figures of cells
//	unnas/cell/nasbench        the table of NAS-Bench-101: cells, their accuracies, samples of them
//	unnas/pretext              tasks, with and without labels, and the image transforms they need
//	unnas/pretext/turbojpeg    JPEG files several times faster, where libjpeg-turbo is installed
//	unnas/pretext/pretexttest  a kit that checks tasks of one's own
//	unnas/segmentation         labelling pixels: task, networks, predictions, measure, pictures
//	unnas/ops                  layers and candidate operations as nodes of a Gorgonia graph
//	unnas/ops/optest           a kit that checks operations of one's own
//
// A network is a Gorgonia expression graph: what the packages build are
// *gorgonia.Node, and any differentiable Gorgonia operation takes part. What
// runs it is a plan made once, with kernels in assembly, in memory laid out
// beforehand, on all cores, with results that do not depend on their number.
//
// The method is that of Are Labels Necessary for Neural Architecture Search?
// (Liu et al., ECCV 2020, arXiv 2003.12056), which builds on DARTS (Liu et al.,
// ICLR 2019, arXiv 1806.09055).
package unnas
