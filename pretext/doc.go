// Package pretext turns images into what a network is asked to predict.
//
// An [Image] is decoded pixels with what is known about them. A [View] says how
// an image becomes one network input: crop, size, flip, normalisation. A
// [Sampler] makes the inputs, labels and float targets of one image, and its [Spec]
// says to the loader and the network how many there are. Some tasks take their labels
// from the data set; a self-supervised pretext task makes its own, so that an
// architecture can be searched without labels (Liu et al., 2020, arXiv 2003.12056):
//
//	task             inputs of one image          what is predicted
//	Classification   the view                     its class
//	Rotation         the view in 4 orientations   which quarter turn each has
//	Colorization     how light the view is        which colour each pixel has
//	Jigsaw           tiles of the view, shuffled  how they were shuffled
//	RelativePatch    two patches of the view      where the second lies
//	Reconstruction   the view with hidden blocks  the colours in them, as floats
//	Contrastive      two views                    each other, among those of other images
//
// Package segmentation has one more, with a label for each pixel. Package
// pretexttest checks tasks of one's own.
//
// Inputs are float32 in NHWC order, [inputs, height, width, channels], with the
// channels red, green, blue, or lightness alone. Differs: the authors' release
// mirrors every image where it means to reorder its channels; here each channel is
// normalised by its own constants and nothing is mirrored unasked.
//
// All random choices come from the generator that the caller passes, drawn in a
// fixed order. The same image, view and stream give the same bits.
package pretext
