package scenes_test

import (
	"context"
	"fmt"

	"unnas/darts/dataset/scenes"
)

func ExampleNew() {
	d, err := scenes.New(1000, 64, 48, 1)
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
