package segmentation_test

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
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// label labels the pixels of an image file with the weights of a file, and writes
// the picture of it.
func label(network segmentation.Network, weights, photo, picture string) error {
	params, err := darts.NewParams(network.Architecture, network.Task, 0)
	if err != nil {
		return err
	}
	file, err := os.Open(weights)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := params.ReadSafetensors(file); err != nil {
		return err
	}
	predictor, err := segmentation.NewPredictor(network, params, segmentation.PredictorConfig{})
	if err != nil {
		return err
	}
	source, err := os.Open(photo)
	if err != nil {
		return err
	}
	defer source.Close()
	img, err := pretext.Decode(context.Background(), source)
	if err != nil {
		return err
	}
	mask, err := predictor.Predict(img)
	if err != nil {
		return err
	}
	shown, err := segmentation.CityscapesPalette().Picture(img, 0.6, mask)
	if err != nil {
		return err
	}
	return create(picture, func(w io.Writer) error { return png.Encode(w, shown) })
}

// A network with weights of a file labels the pixels of an image file.
func ExamplePredictor() {
	genotype, _ := cell.GenotypeByName("unnas_cityscapes_rot")
	body, err := segmentation.WithStride(cell.DARTS(cell.ImageNetStem, 4, 3).Backbone, 16, segmentation.RemoveReduction)
	if err != nil {
		fmt.Println(err)
		return
	}
	network := segmentation.Network{
		Architecture: cell.Network{Backbone: body, Genotype: genotype, Ops: ops.All()},
		Task:         segmentation.Cityscapes(),
	}
	dir, err := files(network)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	picture := filepath.Join(dir, "picture.png")
	if err := label(network, filepath.Join(dir, "weights.safetensors"), filepath.Join(dir, "photo.png"), picture); err != nil {
		fmt.Println(err)
		return
	}
	file, err := os.Open(picture)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	size, err := png.DecodeConfig(file)
	fmt.Println(size.Width, "by", size.Height, err)
	// Output: 192 by 48 <nil>
}

// files returns a folder with an image and with weights, which stand for trained
// ones.
func files(network segmentation.Network) (dir string, err error) {
	params, err := darts.NewParams(network.Architecture, network.Task, 1)
	if err != nil {
		return "", err
	}
	img, err := town{1, 96, 48}.Load(context.Background(), 0)
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
