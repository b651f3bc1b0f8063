// Segmentation trains a network of published cells that labels pixels, and shows
// what it sees: on street scenes that are drawn, or on images and masks of one's
// own.
package main

import (
	"context"
	"fmt"
	"image/png"
	"io"
	"slices"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/dataset/scenes"
	"unnas/darts/preset"
	"unnas/examples/internal/program"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

const usage = `Segmentation trains a network to tell the class of every pixel, measures it on whole
held-out images by the mean intersection over union, and draws some of them as 0.png
and on: image, truth, prediction.

  go run ./examples/segmentation -scenes 500 -epochs 4
        some built-in street scenes, a taste in two minutes on two cores
  go run ./examples/segmentation
        many, learned well in 70 minutes
  go run ./examples/segmentation -data cityscapes -epochs 2700 -batch 64 -size 769 -stride 16 -width 78 -cells 12 -channels 256
        Cityscapes as published, or images and masks of yours that lie as it does, with its 19 classes
`

// Held-out images: of the built-in ones so many, of all so many are drawn.
const (
	heldScenes = 100
	shown      = 8
)

// settings are what the flags say.
type settings struct {
	*program.Flags
	data, genotype                                              string
	scenes, epochs, batch, size, stride, width, cells, channels int
	rate                                                        float64
}

func main() { program.Main("segmentation", run) }

func run(ctx context.Context, args []string, out, help io.Writer) error {
	s := settings{Flags: program.NewFlags("segmentation", usage)}
	s.StringVar(&s.data, "data", "", "`folder` with leftImg8bit and gtFine; empty: built-in scenes")
	s.StringVar(&s.genotype, "genotype", "unnas_cityscapes_rot", "`cells` of the network: a published name, a file, or the folder of a search")
	s.IntVar(&s.scenes, "scenes", 6000, "built-in scenes to learn from")
	s.IntVar(&s.epochs, "epochs", 12, "passes over the images")
	s.IntVar(&s.batch, "batch", 8, "images in a step, 2 or more")
	s.IntVar(&s.size, "size", 128, "side of the built-in scenes, or of the views of images in training, in pixels: best a multiple of the stride, or one more than that if it is 8 or 16")
	s.IntVar(&s.stride, "stride", fine, "pixels of the image for one of the last map: 16 as published, 8, or 4, of which each takes more time and sees thinner things")
	s.IntVar(&s.width, "width", 12, "channels of the first cell")
	s.IntVar(&s.cells, "cells", 5, "cells of the network")
	s.IntVar(&s.channels, "channels", 48, "of each branch of the head")
	s.Float64Var(&s.rate, "lr", 0.1, "learning `rate` of the first step")
	if err := s.Parse(args, help); err != nil {
		return err
	}
	if err := s.validate(); err != nil {
		return err
	}
	train, held, err := s.open(ctx)
	if err != nil {
		return err
	}
	return s.train(ctx, train, held, out)
}

// validate refuses what would be refused later, and not by the name of its flag.
func (s settings) validate() error {
	switch {
	case s.scenes < 1 && s.data == "":
		return fmt.Errorf("-scenes is %d; give 1 or more", s.scenes)
	case s.batch < 2:
		return fmt.Errorf("-batch is %d; give 2 or more, of which a batch normalisation can tell the variance", s.batch)
	case !slices.Contains([]int{16, 8, fine}, s.stride):
		return fmt.Errorf("-stride is %d; give 16, 8 or %d", s.stride, fine)
	case s.cells < 3:
		return fmt.Errorf("-cells is %d; give 3 or more", s.cells)
	}
	return nil
}

// open returns the images to learn from and those held out.
func (s settings) open(ctx context.Context) (train, held darts.Source, err error) {
	if s.data != "" {
		if train, err = dataset.OpenCityscapes(ctx, s.data, dataset.Train, dataset.Options{}); err != nil {
			return nil, nil, err
		}
		held, err = dataset.OpenCityscapes(ctx, s.data, dataset.Val, dataset.Options{})
		return train, held, err
	}
	if train, err = scenes.New(s.scenes, s.size, s.size, 1); err != nil {
		return nil, nil, err
	}
	held, err = scenes.New(heldScenes, s.size, s.size, 2)
	return train, held, err
}

// fine is the output stride of a network whose stem leaves images their size, as
// those for CIFAR-10 do.
const fine = 4

// body returns the cells and the stem before them.
func (s settings) body() (cell.Body, error) {
	if s.stride != fine {
		return segmentation.WithStride(cell.DARTS(cell.ImageNetStem, s.width, s.cells).Body, s.stride, segmentation.AsNormal)
	}
	// Most cells see the smallest map, which takes the least time.
	return cell.Body{Stem: cell.CIFARStem, Width: s.width, Cells: s.cells, Reductions: []int{1, 2}}, nil
}

// network returns the network that the flags ask for, for images with so many pixels
// on the shorter side.
func (s settings) network(short int) (segmentation.Network, error) {
	genotype, err := program.ReadGenotype(s.genotype)
	if err != nil {
		return segmentation.Network{}, fmt.Errorf("-genotype %s: %w", s.genotype, err)
	}
	body, err := s.body()
	task := segmentation.Task{View: pretext.Cityscapes(s.size, short), ASPP: segmentation.EvalASPP(19)}
	task.ASPP.Channels = s.channels
	switch {
	case s.data == "": // small images, whose maps are small, and which are seen as a whole
		task.View.Crop, task.View.Short, task.View.Jitter = pretext.CropPad, 0, 0
		task.ASPP.Rates = []int{2, 4, 8}
	case s.stride == 8: // Chen et al. (2017, arXiv 1706.05587) double the rates of 16
		task.ASPP.Rates = []int{12, 24, 36}
	}
	return segmentation.Network{Architecture: cell.Derived{Body: body, Genotype: genotype, Ops: ops.Published()}, Task: task}, err
}

// published is the batch of one GPU in the published training. Batch normalisation
// takes its statistics from as many images.
const published = 8

// config returns the hyperparameters of the training: those published for Cityscapes,
// or those of DARTS for the built-in scenes.
func (s settings) config(network segmentation.Network) (darts.TrainConfig, error) {
	_, c, err := preset.Training("cityscapes", "darts_v2")
	if err != nil {
		return c, err
	}
	c.MicroBatch = 0
	if s.data == "" {
		c.Nesterov, c.GradClip, c.LR.PerStep = false, 5, true
	} else if s.batch > published && s.batch%published == 0 {
		c.MicroBatch = published
	}
	c.Network, c.Epochs, c.Batch, c.LR.Base = network.Architecture, s.epochs, s.batch, s.rate
	return c, nil
}

// train trains the network and draws what it sees.
func (s settings) train(ctx context.Context, train, held darts.Source, out io.Writer) error {
	first, err := train.Load(ctx, 0)
	if err != nil {
		return err
	}
	network, err := s.network(min(first.Height, first.Width))
	if err != nil {
		return err
	}
	c, err := s.config(network)
	if err != nil {
		return err
	}
	return program.Training{
		Session: program.Session{Name: s.Name(), Options: s.Options},
		Source:  train, Held: held, Task: network.Task, Config: c,
		Keep: func(f *darts.RunDir, r *darts.TrainResult) error {
			return draw(network, r.Params, held, f, s.Talk(out))
		},
	}.Run(ctx, out)
}

// draw draws held-out images with truth and prediction. That of a training that was
// stopped is drawn, too.
func draw(n segmentation.Network, p *ops.Params, held darts.Source, folder *darts.RunDir, out io.Writer) error {
	predictor, err := segmentation.NewPredictor(n, p, segmentation.Options{})
	if err != nil {
		return err
	}
	images := min(shown, held.Len())
	progress := program.NewProgress(out, "drawing", "images")
	defer progress.Close()
	for i := range images {
		img, err := held.Load(context.Background(), i)
		if err != nil {
			return err
		}
		mask, err := predictor.Predict(img)
		if err != nil {
			return err
		}
		picture, err := segmentation.CityscapesPalette().Picture(img, 0.8, img.Mask, mask)
		if err != nil {
			return err
		}
		if err := folder.WriteFile(fmt.Sprintf("%d.png", i), func(w io.Writer) error { return png.Encode(w, picture) }); err != nil {
			return err
		}
		progress.Tell(i+1, images)
	}
	return nil
}
