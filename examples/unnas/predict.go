package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"unnas/darts"
	"unnas/darts/preset"
	"unnas/examples/unnas/internal/session"
	"unnas/pretext"
	"unnas/segmentation"
)

func predictCommand() *command {
	return &command{
		name: "predict", args: "MODEL IMAGE...", least: 2, most: -1,
		summary: "print the classes of images, or draw the classes of their pixels",
		about: "Predict prints the most probable classes of each image, a JPEG or PNG file or all those of a\n" +
			"folder. A model of segmentation draws the class of each pixel beside the image, into the\n" +
			"directory of -out.",
		examples: []example{
			{"unnas predict runs/train-1 photo.jpg", "the network after the last epoch"},
			{"unnas predict runs/train-1/best.safetensors holiday -top 1 -json", "that of the best one, on all images of a folder"},
		},
		flags: "jpeg device out top quiet json",
		texts: map[string]string{"out": "directory for pictures of segmentation [predictions]"},
		run:   runPredict,
	}
}

func runPredict(ctx context.Context, c *call) error {
	files, err := imageFiles(c.args[1:])
	if err != nil {
		return err
	}
	decoder, err := c.JPEG.Decoder("")
	if err != nil {
		return err
	}
	model, err := loadModel(c.args[0])
	if err != nil {
		return err
	}
	model.Device = c.Runtime.Device
	predict := c.predict
	if model.Task.Name() == preset.Segmentation {
		predict = c.segment
	}
	for _, file := range files {
		img, err := readImage(ctx, file, decoder)
		if err != nil {
			return err
		}
		if err := predict(ctx, model, file, img); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// imageFiles returns files, and the images of folders in the order of their names.
func imageFiles(paths []string) (files []string, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, usagef("%w; give image files, or folders of them", err)
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, err
		}
		before := len(files)
		for _, e := range entries {
			ending := strings.ToLower(filepath.Ext(e.Name()))
			if !e.IsDir() && slices.Contains([]string{".jpg", ".jpeg", ".png"}, ending) {
				files = append(files, filepath.Join(path, e.Name()))
			}
		}
		if len(files) == before {
			return nil, fmt.Errorf("%s has no images; give files or folders with files that end in .jpg, .jpeg or .png", path)
		}
	}
	return files, nil
}

// readImage reads an image upright.
func readImage(ctx context.Context, path string, decoder *pretext.Decoder) (*pretext.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	img, err := decoder.DecodeUpright(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return img, nil
}

// A prediction is the JSON form of what a model predicts of an image.
type prediction struct {
	Image   string  `json:"image"`
	Classes []class `json:"classes"`
}

type class struct {
	Class       int     `json:"class"`
	Name        string  `json:"name,omitempty"`
	Probability float64 `json:"probability"`
}

// predict prints the most probable classes of an image.
func (c *call) predict(ctx context.Context, model *darts.Model, file string, img *pretext.Image) error {
	all, err := model.Predict(ctx, img)
	if err != nil {
		return err
	}
	p := prediction{Image: file}
	var texts []string
	for _, one := range all[0][:min(c.top, len(all[0]))] {
		p.Classes = append(p.Classes, class{one.Class, one.Name, one.Probability})
		texts = append(texts, fmt.Sprintf("%s %.1f%%", className(one.Class, one.Name), 100*one.Probability))
	}
	if c.JSON {
		return json.NewEncoder(c.out).Encode(p)
	}
	_, err = fmt.Fprintf(c.out, "%s: %s\n", file, strings.Join(texts, ", "))
	return err
}

// opacity is that of the colours of classes over the image.
const opacity = 0.8

// segment draws an image and the classes of its pixels beside it.
func (c *call) segment(ctx context.Context, model *darts.Model, file string, img *pretext.Image) error {
	mask, err := model.Segment(ctx, img)
	if err != nil {
		return err
	}
	picture, err := segmentation.CityscapesPalette().Picture(img, opacity, mask)
	if err != nil {
		return err
	}
	dir := c.Out
	if dir == "" {
		dir = "predictions"
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	path := filepath.Join(dir, strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))+".png")
	if err := session.WriteFile(path, func(w io.Writer) error { return png.Encode(w, picture) }); err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(c.out).Encode(map[string]string{"image": file, "picture": path})
	}
	_, err = fmt.Fprintf(c.out, "%s: %s\n", file, path)
	return err
}
