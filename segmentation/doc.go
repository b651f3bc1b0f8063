// Package segmentation turns a network of cells into one that labels pixels.
//
// [Task] is what such a network is asked: the class of every pixel, taken from the
// masks of a data set. darts.Search takes it as it takes the tasks of package
// pretext.
//
// The head is atrous spatial pyramid pooling, ASPP (Chen et al., 2017,
// DeepLabv3, arXiv 1706.05587). It takes the place of global pooling and linear
// classifier, and its logits are enlarged bilinearly to the resolution of the
// image by the loss (ops.PixelCrossEntropy) or by ops.Upsample. So that the map
// it reads is not too small, the last stride-2 layer of the network gives way
// to stride 1: give the body of the network one reduction instead of two
// (cell.Reductions).
package segmentation
