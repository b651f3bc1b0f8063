// Predict names what is on photographs, by the network in the run directory of a
// training, such as that of the example finetune. It takes a second.
//
//	go run ./examples/predict -model runs/finetune/labelled photo.jpg another.png
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"unnas/darts"
	"unnas/pretext"
)

var (
	model = flag.String("model", "runs/finetune/labelled", "run `directory` of a training, or a file such as best.safetensors in it")
	top   = flag.Int("top", 3, "`number` of classes to print")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if err := predict(ctx, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func predict(ctx context.Context, files []string) error {
	if len(files) == 0 {
		return fmt.Errorf("no photographs; name JPEG or PNG files")
	}
	m, err := darts.LoadModel(*model)
	if err != nil {
		return err
	}
	for _, file := range files {
		photo, err := decode(ctx, file)
		if err != nil {
			return err
		}
		predictions, err := m.Predict(ctx, photo)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		fmt.Println(file)
		for _, p := range predictions[0][:min(*top, len(predictions[0]))] {
			fmt.Printf("  %5.1f%% %s\n", 100*p.Probability, p.Name)
		}
	}
	return nil
}

// decode reads a photograph and turns it upright, as its Exif data asks for.
func decode(ctx context.Context, path string) (*pretext.Image, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	photo, err := pretext.DecodeUpright(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return photo, nil
}
