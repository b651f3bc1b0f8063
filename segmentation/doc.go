// Package segmentation turns a classification network into one for semantic segmentation.
//
// [Task] predicts the class of every pixel, with labels from the masks of a data set.
// darts.Search and darts.Train take it like the tasks of package pretext;
// preset.Training has the published hyperparameters:
//
//	cells, _ := cell.GenotypeByName("unnas_cityscapes_rot")
//	task, c, err := preset.Training("cityscapes", cells)
//	…
//	trained, err := darts.Train(ctx, train, val, task, c) // of dataset.OpenCityscapes
//
// The head is atrous spatial pyramid pooling, ASPP (Chen et al., 2017, DeepLabv3, arXiv
// 1706.05587). It replaces global pooling and the linear classifier. Its logits are
// resized bilinearly to the image by the loss (ops.PixelCrossEntropy) or by
// ops.Upsample. For a larger feature map, the last stride-2 layer of the backbone gets
// stride 1: [WithStride] changes the backbone of a classification network, in either of
// two readings of the paper.
//
// A [Network] is an architecture with such a head. A [Predictor] labels whole images,
// optionally with test-time augmentation, and evaluates the network on a data set. A
// [ConfusionMatrix] counts its predictions and computes the intersection over union; a
// [Palette] draws them.
package segmentation
