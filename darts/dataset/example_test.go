package dataset_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"unnas/darts/dataset"
)

// A folder with class folders in train has a split.
func ExampleHasSplit() {
	dir := filepath.Join("testdata", "imagenet")
	split := dataset.All
	if has, err := dataset.HasSplit(dir, dataset.Train); err != nil {
		fmt.Println(err)
		return
	} else if has {
		split = dataset.Train
	}
	images, err := dataset.OpenFolder(context.Background(), dir, split, dataset.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(split, images.Classes())
	// Output: train [n01440764 n01443537]
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
	for i := range 5 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("data_batch_%d.bin", i+1)), record, 0o644); err != nil {
			fmt.Println(err)
			return
		}
	}

	train, err := dataset.OpenCIFAR10(context.Background(), dir, dataset.Train, dataset.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	img, err := train.Load(context.Background(), 0)
	fmt.Println(train.Len(), img.Width, img.Height, img.Label, err)
	// Output: 5 32 32 6 <nil>
}

func ExampleOpenFolder() {
	train, err := dataset.OpenFolder(context.Background(), filepath.Join("testdata", "folder"), dataset.All, dataset.Options{})
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

func ExampleOpenImageNet1K() {
	val, err := dataset.OpenImageNet1K(context.Background(), filepath.Join("testdata", "imagenet"), dataset.Val, dataset.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	img, err := val.Load(context.Background(), 1)
	fmt.Println(val.Len(), val.Classes(), img.Label, err)
	// Output: 2 [n01440764 n01443537] 1 <nil>
}

func ExampleOpenImageNet22K() {
	dir, err := os.MkdirTemp("", "index")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	// One of the three files is damaged.
	d, err := dataset.OpenImageNet22K(context.Background(), filepath.Join("testdata", "imagenet", "train"), dataset.Options{
		Index:    filepath.Join(dir, "index"),
		Progress: func(done, total int64) { fmt.Println(done, "of", total, "classes") },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range d.Len() {
		if _, err := d.Load(context.Background(), i); err != nil {
			fmt.Println(err)
			return
		}
	}
	n, first := d.Unreadable()
	fmt.Println(n, "replaced:", filepath.Base(first[0]))
	// Output:
	// 1 of 2 classes
	// 2 of 2 classes
	// 1 replaced: n01440764_18.JPEG
}

func ExampleOpenCityscapes() {
	d, err := dataset.OpenCityscapes(context.Background(), filepath.Join("testdata", "cityscapes"), dataset.Train, dataset.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	img, err := d.Load(context.Background(), 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	pixels := make([]int, len(d.Classes()))
	for _, class := range img.Mask {
		if class != 255 {
			pixels[class]++
		}
	}
	fmt.Println(img.Width, "by", img.Height, "pixels")
	for class, n := range pixels {
		if n > 0 {
			fmt.Println(d.Classes()[class], n)
		}
	}
	// Output:
	// 48 by 24 pixels
	// sidewalk 300
	// building 111
	// sky 567
	// person 2
	// car 124
}

// Pack decodes and resizes images once. A run on the packed images needs no decoder.
func ExamplePack() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "packed")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	photos, err := dataset.OpenFolder(ctx, "testdata/folder", dataset.All, dataset.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := dataset.Pack(ctx, photos, dir, dataset.PackOptions{Name: "photos", Size: 8}); err != nil {
		log.Fatal(err)
	}
	packed, err := dataset.OpenPacked(ctx, dir, dataset.All, dataset.Options{})
	if err != nil {
		log.Fatal(err)
	}
	img, err := packed.Load(ctx, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(packed.Len(), "images,", packed.Classes()[img.Label], img.Width, "by", img.Height)
	// Output: 2 images, tree 8 by 12
}
