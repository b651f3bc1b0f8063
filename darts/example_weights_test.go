package darts_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/ops"
	"unnas/pretext"
)

// logits builds a network for ten classes of a published genotype on one image.
func logits(g *gorgonia.ExprGraph, p *ops.Params, view pretext.View) (x, y *gorgonia.Node, err error) {
	genotype, _ := cell.Published("unnas_imagenet_rot")
	if x, err = ops.Images(g, "image", 1, view.Height, view.Width, 3); err != nil {
		return nil, nil, err
	}
	s := ops.NewScope(g, p)
	net, err := cell.DARTS(cell.CIFARStem, 4, 3).Body.Network(s, x, genotype, ops.Published())
	if err != nil {
		return nil, nil, err
	}
	y, err = pretext.PooledHead(s.Sub("classifier"), net.Out, 1, 10)
	return x, y, err
}

// recognise returns the scores of the classes for the image in a file, by a network
// whose weights are in another: one of PyTorch or of safetensors.
func recognise(weights, photo string) (scores []float32, err error) {
	view := pretext.CIFAR10()
	g, p := gorgonia.NewGraph(), ops.NewParams()
	x, y, err := logits(g, p, view)
	if err != nil {
		return nil, err
	}
	if err := p.Init(1); err != nil {
		return nil, err
	}
	if err := p.ReadFile(weights); err != nil {
		return nil, err
	}
	f, err := os.Open(photo)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	img, err := pretext.Decode(context.Background(), f)
	if err != nil {
		return nil, err
	}
	pixels := make([]float32, x.Shape().TotalSize())
	if err := view.Render(pixels, img, false, nil); err != nil {
		return nil, err
	}
	if err := gorgonia.Let(x, tensor.New(tensor.WithShape(x.Shape()...), tensor.WithBacking(pixels))); err != nil {
		return nil, err
	}
	vm, err := ops.NewVM(g, y)
	if err != nil {
		return nil, err
	}
	defer vm.Close()
	vm.SetTraining(false)
	err = vm.RunAll()
	return y.Value().Data().([]float32), err
}

// A network of a genotype tells the class of an image, with weights of a file that
// unnas or PyTorch has written.
func Example_weights() {
	// Weights to read: here those that a network begins with.
	dir, err := os.MkdirTemp("", "weights")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	g, p := gorgonia.NewGraph(), ops.NewParams()
	if _, _, err := logits(g, p, pretext.CIFAR10()); err != nil {
		fmt.Println(err)
		return
	}
	if err := p.Init(7); err != nil {
		fmt.Println(err)
		return
	}
	path := filepath.Join(dir, "weights.safetensors")
	f, err := os.Create(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := p.WriteSafetensors(f, nil); err != nil {
		fmt.Println(err)
		return
	}
	if err := f.Close(); err != nil {
		fmt.Println(err)
		return
	}

	scores, err := recognise(path, "../pretext/testdata/420.jpg")
	best := 0
	for class, score := range scores {
		if score > scores[best] {
			best = class
		}
	}
	fmt.Println(len(scores), "classes, the best is", best, err)
	// Output: 10 classes, the best is 9 <nil>
}
