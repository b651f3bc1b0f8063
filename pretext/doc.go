// Package pretext turns images into the inputs and targets of a network.
//
// An [Image] is decoded pixels with a label or a mask. A [Transform] turns an image into
// one network input: crop, resize, flip, normalise. A [TaskData] makes the inputs, labels
// and float targets of one image; its [Spec] gives their sizes to the data loader and the
// network. Classification takes labels from the data set; a self-supervised pretext task
// makes its own, so that an architecture can be searched without labels (Liu et al., 2020,
// arXiv 2003.12056):
//
//	task             inputs of one image             prediction
//	Classification   the image                       its class
//	Rotation         the image in 4 orientations     the rotation of each
//	Colorization     the lightness of the image      the colour of each pixel
//	Jigsaw           shuffled tiles of the image     the permutation
//	RelativePatch    two patches of the image        the position of the second
//	Reconstruction   the image with hidden blocks    their colours, as floats
//	Contrastive      two augmentations of the image  each other, among those of other images
//
// Package segmentation adds a task with a label per pixel. Package pretexttest tests
// other implementations of [Task].
//
// Inputs are float32 in NHWC order, [inputs, height, width, channels], with the channels
// red, green, blue, or lightness alone. Differs: the authors' release mirrors every image
// where it means to reorder its channels; here each channel is normalised by its own
// constants and images are only mirrored by Transform.Flip.
//
// On a device (darts.Runtime.Device) the inputs of a [CropTask] are made of crops of bytes.
//
// All random choices come from the caller's generator, drawn in a fixed order. Equal
// images, transforms and streams give equal bits.
package pretext
