package darts_test

import (
	"context"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset/scenes"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// classify returns the classes of an image file, the most probable first, by the
// weights of a file.
func classify(network cell.Architecture, task pretext.Task, weights, photo string) ([]darts.Prediction, error) {
	params, err := darts.NewParams(network, task, 0)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(weights)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := params.ReadSafetensors(file); err != nil {
		return nil, err
	}
	predictor, err := darts.NewPredictor(network, task, params)
	if err != nil {
		return nil, err
	}
	source, err := os.Open(photo)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	img, err := pretext.Decode(context.Background(), source)
	if err != nil {
		return nil, err
	}
	classes, err := predictor.Predict(img)
	if err != nil {
		return nil, err
	}
	return classes[0], nil
}

// A network with weights of a file tells the class of an image file.
func ExamplePredictor() {
	genotype, _ := cell.Published("darts_v2")
	network := cell.Derived{Body: cell.DARTS(cell.CIFARStem, 8, 5).Body, Genotype: genotype, Ops: ops.Published()}
	task := pretext.Classification{View: pretext.CIFAR10(), Classes: 10}
	dir, err := files(network, task)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	classes, err := classify(network, task, filepath.Join(dir, "weights.safetensors"), filepath.Join(dir, "photo.png"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(classes), "classes, in order:", classes[0].Probability >= classes[9].Probability)
	// Output: 10 classes, in order: true
}

// files returns a folder with an image and with weights, which stand for trained
// ones.
func files(network cell.Architecture, task pretext.Task) (dir string, err error) {
	params, err := darts.NewParams(network, task, 1)
	if err != nil {
		return "", err
	}
	images, err := scenes.New(1, 48, 40, 1)
	if err != nil {
		return "", err
	}
	img, err := images.Load(context.Background(), 0)
	if err != nil {
		return "", err
	}
	photo, err := segmentation.Palette{}.Picture(img, 0)
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp("", "predict"); err != nil {
		return "", err
	}
	return dir, errors.Join(
		create(filepath.Join(dir, "weights.safetensors"), func(w io.Writer) error { return params.WriteSafetensors(w, nil) }),
		create(filepath.Join(dir, "photo.png"), func(w io.Writer) error { return png.Encode(w, photo) }),
	)
}

// create writes a file.
func create(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
