package dataset_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"unnas/darts/dataset"
)

func ExampleNewScenes() {
	d, err := dataset.NewScenes(1000, 64, 48, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	img, err := d.Load(context.Background(), 4)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Len(), "scenes of", len(d.Classes()), "classes")
	fmt.Println(img.Width, "by", img.Height, "pixels, a", d.Classes()[img.Label], "with", len(img.Mask), "labelled pixels")
	// Output:
	// 1000 scenes of 8 classes
	// 64 by 48 pixels, a person with 3072 labelled pixels
}

func ExampleOpenCIFAR10() {
	dir, err := os.MkdirTemp("", "cifar")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	record := make([]byte, 3073)
	record[0] = 6
	if err := os.WriteFile(filepath.Join(dir, "data_batch_1.bin"), record, 0o644); err != nil {
		fmt.Println(err)
		return
	}

	train, err := dataset.OpenCIFAR10(dir, true)
	if err != nil {
		fmt.Println(err)
		return
	}
	img, err := train.Load(context.Background(), 0)
	fmt.Println(train.Len(), img.Width, img.Height, img.Label, err)
	// Output: 1 32 32 6 <nil>
}

func ExampleOpenFolder() {
	train, err := dataset.OpenFolder(filepath.Join("testdata", "folder"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range train.Len() {
		img, err := train.Load(context.Background(), i)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(train.Classes()[img.Label], img.Width, img.Height)
	}
	// Output:
	// house 24 16
	// tree 16 24
}
