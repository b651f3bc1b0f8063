package darts_test

import (
	"context"
	"fmt"
	"image/png"
	"os"
	"path/filepath"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/dataset/scenes"
	"unnas/ops"
	"unnas/pretext"
)

// classify returns the classes of an image file, the most probable first.
func classify(ctx context.Context, run, photo string) ([]darts.Prediction, error) {
	model, err := darts.LoadModel(run)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(photo)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	img, err := png.Decode(file)
	if err != nil {
		return nil, err
	}
	classes, err := model.Predict(ctx, img)
	if err != nil {
		return nil, err
	}
	return classes[0], nil
}

// The run directory of a training is a model: it classifies images.
func ExampleLoadModel() {
	ctx := context.Background()
	dir, err := trained(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	classes, err := classify(ctx, filepath.Join(dir, "run"), filepath.Join(dir, "photo.png"))
	if err != nil {
		fmt.Println(err)
		return
	}
	names := map[string]bool{}
	for _, c := range classes {
		names[c.Name] = true
	}
	fmt.Println(len(classes), "classes, in order:", classes[0].Probability >= classes[7].Probability)
	fmt.Println("a bus is one of them:", names["bus"])
	// Output:
	// 8 classes, in order: true
	// a bus is one of them: true
}

// A model evaluates on other images, and gives their features.
func ExampleModel() {
	ctx := context.Background()
	network, task := tiny()
	params, err := darts.NewParams(network, task, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	model := &darts.Model{Architecture: network, Task: task, Params: params}
	images, err := scenes.New(40, 16, 16, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := model.Evaluate(ctx, images, darts.Runtime{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Images, "images,", e.ScoreName, "and", len(e.Classes), "classes; top5 at least as high:", e.Scores["top5"] >= e.Score)
	img, err := images.Load(ctx, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	features, err := model.Features(ctx, img)
	if err != nil {
		fmt.Println(err)
		return
	}
	f := features[0]
	fmt.Println("features:", f.Height, "x", f.Width, "x", f.Channels, "pooled to", len(f.Pooled()))
	// Output:
	// 40 images, top1 and 8 classes; top5 at least as high: true
	// features: 8 x 8 x 16 pooled to 16
}

// tiny returns a small network and a task for the built-in scenes.
func tiny() (cell.Network, pretext.Classification) {
	genotype, _ := cell.GenotypeByName("darts_v2")
	backbone := cell.Backbone{Stem: cell.CIFARStem, Width: 2, Cells: 2, Reductions: []int{1}}
	return cell.Network{Backbone: backbone, Genotype: genotype, Ops: ops.All()}, pretext.Classification{Transform: pretext.ScenesTransform(16), Classes: 8}
}

// trained returns a directory with a run, which has trained for one step, and an image.
func trained(ctx context.Context) (dir string, err error) {
	images, err := scenes.New(8, 48, 40, 1)
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp("", "model"); err != nil {
		return "", err
	}
	network, task := tiny()
	c := darts.Training(network.Genotype)
	c.Network, c.Epochs, c.Batch, c.Auxiliary = network, 1, 8, 0
	run, err := darts.OpenRunDir(filepath.Join(dir, "run"))
	if err != nil {
		return "", err
	}
	defer run.Close()
	if _, err := darts.Train(ctx, images, dataset.Subset(images, []int{0, 1}), task, c, darts.Runtime{Dir: run}); err != nil {
		return "", err
	}
	img, err := images.Load(ctx, 0)
	if err != nil {
		return "", err
	}
	photo, err := os.Create(filepath.Join(dir, "photo.png"))
	if err != nil {
		return "", err
	}
	defer photo.Close()
	return dir, png.Encode(photo, img)
}
