// Package dataset opens data sets.
//
// A data set has a Len, loads image i with Load, and names its Classes. Loading is safe
// for concurrent use and depends only on i. All file lists are sorted, so image i is
// the same on every machine.
//
//	data set                             contents of the folder
//	OpenCIFAR10(ctx, dir, Train, o)      data_batch_1.bin … data_batch_5.bin, or pickles
//	OpenCIFAR10(ctx, dir, Test, o)       test_batch.bin, or a pickle
//	OpenImageNet1K(ctx, dir, Train, o)   train and val, each with a folder per class
//	OpenImageNet22K(ctx, dir, o)         a folder per class, 14 million images in all
//	OpenCityscapes(ctx, dir, Train, o)   leftImg8bit and gtFine, for the masks
//	OpenFolder(ctx, dir, All, o)         a folder of JPEG or PNG images per class, or
//	                                     images without classes
//	OpenPacked(ctx, dir, Train, o)       what Pack wrote: decoded images that only need to be read
//
// All take [Options]; the zero value is valid. [Subset] and [RandomSubset] select
// images of a source, and [Wrapper] is embedded by sources that change images.
//
// CIFAR-10 is read in its binary version, or otherwise in its Python version, as
// unpacked from the archives:
//
//	cifar-10-batches-bin/
//	    batches.meta.txt    names of the classes, optional
//	    data_batch_1.bin    records of 3073 bytes: class, red, green, blue
//	    …
//	    test_batch.bin
//	cifar-10-batches-py/
//	    batches.meta        names of the classes, optional
//	    data_batch_1        pickles of protocol 2; no code in them is run
//	    …
//	    test_batch
//
// ImageNet-1K has the same class folders in train and val; ImageNet-22K has all class
// folders in one folder, like train:
//
//	train/
//	    n01440764/n01440764_10026.JPEG
//	    n01443537/n01443537_10007.JPEG
//	val/
//	    n01440764/ILSVRC2012_val_00000293.JPEG
//
// Cityscapes is as unpacked from the archives. Files labelIds replace missing labelTrainIds:
//
//	leftImg8bit/
//	    train/aachen/aachen_000000_000019_leftImg8bit.png
//	    val/…
//	gtFine/
//	    train/aachen/aachen_000000_000019_gtFine_labelTrainIds.png
//	    val/…
//
// Own data sets are folders. With class folders in train and val they have splits;
// otherwise open one folder for training and another for validation. The Exif
// orientation of photographs is applied. The label of an image is the index of its
// folder in Classes; darts.Train matches classes by name if training and validation
// differ.
//
// Self-supervised pretext tasks need no labels; a folder of images is enough:
//
//	photos/
//	    1.jpg
//	    2.jpg
//
// Missing and damaged files are errors that name the file; for a published data set in
// another layout the error shows the wanted one. The caller of Load decides whether an
// image that cannot be decoded ends a run; only ImageNet-22K replaces such images, and
// counts them. A file that cannot be read is an error there too.
package dataset
