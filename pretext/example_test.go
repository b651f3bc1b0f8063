package pretext_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"

	"unnas/pretext"
)

func ExampleDecode() {
	f, err := os.Open("testdata/420.jpg")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	img, err := pretext.Decode(context.Background(), f)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(img.Width, img.Height, len(img.Pix), img.Label)
	// Output: 37 19 2109 -1
}

func ExampleTransform_Apply() {
	img := &pretext.Image{Width: 2, Height: 1, Pix: []uint8{0, 0, 0, 255, 255, 255}, Label: -1}
	view := pretext.Transform{Height: 1, Width: 4, Std: [3]float64{1, 1, 1}, Crop: pretext.CropNone}
	x := make([]float32, 3*view.Height*view.Width)
	if err := view.Apply(x, img, false, nil); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.2f\n", x)
	// Output: [0.00 0.00 0.00 0.25 0.25 0.25 0.75 0.75 0.75 1.00 1.00 1.00]
}

func ExampleRotation() {
	task := pretext.Rotation{Transform: pretext.CIFAR10Transform()}
	img := &pretext.Image{Width: 32, Height: 32, Pix: make([]uint8, 3*32*32), Label: -1}
	spec := task.Spec()
	x, y := make([]float32, spec.InputLen()), make([]int32, spec.LabelLen())
	if err := task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, true, rand.New(rand.NewPCG(1, 2))); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(spec.Inputs, "inputs of", spec.Height, "by", spec.Width, "pixels, labels", y)
	// Output: 4 inputs of 32 by 32 pixels, labels [0 1 2 3]
}

func ExampleClassification() {
	task := pretext.Classification{Transform: pretext.CIFAR10Transform(), Classes: 10}
	img := &pretext.Image{Width: 32, Height: 32, Pix: make([]uint8, 3*32*32), Label: 7}
	x, y := make([]float32, task.Spec().InputLen()), make([]int32, 1)
	err := task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, false, nil)
	fmt.Println(y, err)
	img.Label = 10
	err = task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, false, nil)
	fmt.Println(err)
	// Output:
	// [7] <nil>
	// pretext: classification: image of class 10, want 0 to 9; choose a self-supervised task for unlabelled images
}

func ExampleColorization() {
	view := pretext.CIFAR10Transform()
	view.Crop = pretext.CropNone // flipped and no more, as published
	task := pretext.Colorization{Transform: view}
	img := &pretext.Image{Width: 1, Height: 1, Pix: []uint8{158, 112, 49}, Label: -1} // ochre
	spec := task.Spec()
	x, y := make([]float32, spec.InputLen()), make([]int32, spec.LabelLen())
	if err := task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, false, nil); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("labels", spec.LabelShape, "of", spec.Classes, "bins; the first pixel:")
	fmt.Printf("input %.3f, bin %d\n", x[0], y[0])
	// Output:
	// labels [32 32] of 313 bins; the first pixel:
	// input 0.137, bin 143
}

func ExampleJigsaw() {
	task := pretext.JigsawImageNet()
	img := &pretext.Image{Width: 90, Height: 70, Pix: make([]uint8, 3*90*70), Label: -1}
	spec := task.Spec()
	x, y := make([]float32, spec.InputLen()), make([]int32, spec.LabelLen())
	if err := task.Sample(pretext.Sample{Inputs: x, Labels: y}, img, true, rand.New(rand.NewPCG(1, 2))); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(spec.Inputs, "tiles of", spec.Height, "by", spec.Width, "pixels, one of", spec.Classes, "permutations")
	task.Transform = pretext.ImageNetTransform(224)
	fmt.Println(task.Validate())
	// Output:
	// 9 tiles of 64 by 64 pixels, one of 1000 permutations
	// pretext: Jigsaw.Transform.Height = 224 does not divide into the 3 cells of Jigsaw.Grid; 225 pixels would
}

func ExampleTransform_ApplyMask() {
	img := &pretext.Image{Width: 2, Height: 1, Pix: []uint8{0, 0, 0, 255, 255, 255}, Mask: []uint8{7, 255}}
	view := pretext.Transform{Height: 1, Width: 4, Std: [3]float64{1, 1, 1}, Crop: pretext.CropNone}
	x, labels := make([]float32, 12), make([]int32, 4)
	if err := view.ApplyMask(x, labels, img, false, nil); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(labels)
	// Output: [7 7 -1 -1]
}

func ExampleCropTask() {
	task := pretext.Rotation{Transform: pretext.Transform{Height: 2, Width: 2, Mean: [3]float64{0.2, 0.2, 0.2}, Std: [3]float64{0.5, 0.5, 0.5}, Crop: pretext.CropNone}}
	img := &pretext.Image{Width: 2, Height: 2, Pix: []uint8{0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6}, Label: -1}
	dst := task.CropSpec().NewSample(task.Spec())
	if err := task.Crop(dst, img, false, nil); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("bytes", dst.Crop, "labels", dst.Labels)
	fmt.Println("rows and columns", dst.Numbers[:4])
	red := float32(dst.Crop[3])*dst.Numbers[4] + dst.Numbers[7]
	fmt.Printf("red of the second pixel, normalised: %.2f\n", red)
	// Output:
	// bytes [0 51 102 153 204 255 1 2 3 4 5 6] labels [0 1 2 3]
	// rows and columns [0 2 0 2]
	// red of the second pixel, normalised: 0.80
}

func ExampleReconstruction() {
	task := pretext.ReconstructionCIFAR10()
	dst := task.Spec().NewSample()
	img := &pretext.Image{Width: 2, Height: 2, Pix: make([]uint8, 12)}
	if err := task.Sample(dst, img, false, rand.New(rand.NewPCG(1, 2))); err != nil {
		fmt.Println(err)
		return
	}
	hidden := 0
	for _, v := range dst.Targets {
		if v != pretext.IgnoreValue {
			hidden++
		}
	}
	fmt.Println("targets", task.Spec().TargetShape, "of which", hidden, "count; the first:", dst.Targets[slices.IndexFunc(dst.Targets, func(v float32) bool { return v != pretext.IgnoreValue })])
	// Output: targets [8 8 12] of which 384 count; the first: -1.9888889
}

func ExampleRelativePatch() {
	task := pretext.RelativePatchImageNet()
	spec := task.Spec()
	fmt.Println(spec.Inputs, "patches of", spec.Height, "by", spec.Width, "pixels; class 2 is", task.ClassName(2))
	// Output: 2 patches of 64 by 64 pixels; class 2 is above right
}

func ExampleContrastive() {
	task := pretext.ContrastiveCIFAR10()
	task.Temperature = 0.2
	spec := task.Spec()
	fmt.Println(spec.Inputs, "views of", spec.Height, "by", spec.Width, "pixels, compared as vectors of", task.Projection)
	// Output: 2 views of 32 by 32 pixels, compared as vectors of 128
}
