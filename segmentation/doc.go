// Package segmentation turns a network of cells into one that labels pixels.
//
// [Task] is what such a network is asked: the class of every pixel, taken from the
// masks of a data set. darts.Search and darts.Train take it as they take the tasks of
// package pretext; preset.Training has the published settings:
//
//	cells, _ := cell.GenotypeByName("unnas_cityscapes_rot")
//	task, c, err := preset.Training("cityscapes", cells)
//	...
//	trained, err := darts.Train(ctx, train, val, task, c) // of dataset.OpenCityscapes
//
// The head is atrous spatial pyramid pooling, ASPP (Chen et al., 2017,
// DeepLabv3, arXiv 1706.05587). It takes the place of global pooling and linear
// classifier, and its logits are enlarged bilinearly to the resolution of the
// image by the loss (ops.PixelCrossEntropy) or by ops.Upsample. So that the map
// it reads is not too small, the last stride-2 layer of the network gives way
// to stride 1: [WithStride] changes the body of a network for classification, in
// either of the ways in which the paper can be read.
//
// A [Network] is cells with such a head. A [Predictor] labels whole images with it,
// in several scales and mirrored on demand, and evaluates it on a data set. What it
// finds is counted in a [ConfusionMatrix], from which the intersections over union of the
// set follow, and shown by a [Palette].
package segmentation
