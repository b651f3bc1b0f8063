// Package dataset opens the data sets that networks are trained on.
//
// A data set has a Len, loads image i with Load, and names its Classes. Loading
// is safe for several goroutines at once and depends on i alone. All listings
// are sorted, so image i is the same on every machine.
//
//	data set                what dir holds
//	NewScenes               nothing: scenes are drawn, with classes and masks
//	OpenCIFAR10(dir, true)  data_batch_1.bin ... data_batch_5.bin
//	OpenCIFAR10(dir, false) test_batch.bin
//	OpenFolder(dir)         one folder of JPEG or PNG images for each class,
//	                        or images without classes
//
// CIFAR-10 is read in its binary version, as cifar-10-binary.tar.gz unpacks:
//
//	cifar-10-batches-bin/
//	    batches.meta.txt    names of the classes, optional
//	    data_batch_1.bin    records of 3073 bytes: class, red, green, blue
//	    ...
//	    test_batch.bin
//
// ImageNet and data sets of your own are folders. Open train and val apart; both
// should have the same class folders, since the label of an image is the place
// of its folder among them:
//
//	train/
//	    n01440764/n01440764_10026.JPEG
//	    n01443537/n01443537_10007.JPEG
//	val/
//	    n01440764/ILSVRC2012_val_00000293.JPEG
//
// Pretext tasks need no labels: for them a folder of images will do.
//
//	photos/
//	    1.jpg
//	    2.jpg
//
// What is missing or damaged is an error that names the file. Whether an image
// that cannot be decoded ends a run or is replaced is up to the loader.
package dataset
