// Package dataset opens the data sets that networks are trained on.
//
// A data set has a Len, loads image i with Load, and names its Classes. Loading
// is safe for several goroutines at once and depends on i alone. All listings
// are sorted, so image i is the same on every machine.
//
//	data set                             what the folder holds
//	OpenCIFAR10(ctx, dir, Train, o)      data_batch_1.bin ... data_batch_5.bin, or pickles
//	OpenCIFAR10(ctx, dir, Test, o)       test_batch.bin, or a pickle
//	OpenImageNet1K(ctx, dir, Train, o)   train and val, each with a folder for each class
//	OpenImageNet22K(ctx, dir, o)         a folder for each class, 14 million images in all
//	OpenCityscapes(ctx, dir, Train, o)   leftImg8bit and gtFine, whose labels become masks
//	OpenFolder(ctx, dir, All, o)         one folder of JPEG or PNG images for each class,
//	                                     or images without classes
//
// [Options] are the same for all; the zero value will do. [Subset] and [RandomSubset]
// are some images of a source, and [Wrapper] is for sources that change images.
//
// CIFAR-10 is read in its binary version or, where that is not there, in its
// Python version, as the archives unpack:
//
//	cifar-10-batches-bin/
//	    batches.meta.txt    names of the classes, optional
//	    data_batch_1.bin    records of 3073 bytes: class, red, green, blue
//	    ...
//	    test_batch.bin
//	cifar-10-batches-py/
//	    batches.meta        names of the classes, optional
//	    data_batch_1        pickles of protocol 2; no code in them is run
//	    ...
//	    test_batch
//
// ImageNet-1K has the same class folders in train and val, ImageNet-22K has its
// class folders in one place, which ImageNet-1K's train has too:
//
//	train/
//	    n01440764/n01440764_10026.JPEG
//	    n01443537/n01443537_10007.JPEG
//	val/
//	    n01440764/ILSVRC2012_val_00000293.JPEG
//
// Cityscapes lies as its archives unpack. Where files labelTrainIds are missing,
// labelIds will do:
//
//	leftImg8bit/
//	    train/aachen/aachen_000000_000019_leftImg8bit.png
//	    val/...
//	gtFine/
//	    train/aachen/aachen_000000_000019_gtFine_labelTrainIds.png
//	    val/...
//
// Data sets of your own are folders. With class folders in
// train and val they have splits; otherwise open those for training and for validation
// apart. Photographs are turned as their Exif data asks for. The label of an image is the place of its folder among the class folders, so
// it means something beside the names that Classes returns alone; darts.Train goes by
// the names where one of the two lacks a class.
//
// Pretext tasks need no labels: for them a folder of images will do.
//
//	photos/
//	    1.jpg
//	    2.jpg
//
// What is missing or damaged is an error that names the file; a published data
// set that lies in another place is one that shows the wanted tree. Whether an
// image that cannot be decoded ends a run is up to who loads it; ImageNet-22K
// alone replaces such images, and counts them. A file that cannot be read is an
// error there too.
package dataset
