// Custom_op searches cells in which an operation of your own is a candidate. A minute
// on two cores. Check an operation by a test with unnas/ops/optest.
//
//	go run ./examples/custom_op
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset/scenes"
	"unnas/darts/record"
	"unnas/ops"
	"unnas/pretext"
)

// SiLUConv is the activation SiLU (Elfwing et al., 2017, arXiv 1702.03118), x·σ(x), a
// 3×3 convolution and a batch normalisation. Its zero value is ready to use.
type SiLUConv struct{}

// Name is what genotypes call the operation.
func (SiLUConv) Name() string { return "silu_conv_3x3" }

// Build adds the operation to the graph of x, [N, H, W, C]. The result is
// [N, ⌈H/Stride⌉, ⌈W/Stride⌉, C].
func (SiLUConv) Build(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
	gate, err := gorgonia.Sigmoid(x)
	if err != nil {
		return nil, err
	}
	y, err := gorgonia.HadamardProd(x, gate)
	if err != nil {
		return nil, err
	}
	y, err = s.Sub("conv").Conv(y, ops.ConvConfig{Out: x.Shape()[3], Window: ops.Square(3, c.Stride, 1, 1)})
	if err != nil {
		return nil, err
	}
	return s.Sub("norm").BatchNorm(y, c.Affine)
}

var images = flag.Int("images", 256, "built-in scenes to search on")

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if err := search(ctx); err != nil {
		log.Fatal(err)
	}
}

func search(ctx context.Context) error {
	src, err := scenes.New(*images, 32, 32, 1)
	if err != nil {
		return err
	}
	c := darts.DARTS()
	c.Space = cell.DARTS(cell.CIFARStem, 8, 5)
	c.Space.Nodes, c.Epochs, c.Batch, c.ArchLR = 2, 2, 8, 0.1
	c.Space.Ops = append(c.Space.Ops, SiLUConv{})
	task := pretext.Rotation{Transform: pretext.ScenesTransform(32)}
	r, err := darts.Search(ctx, src, task, c, darts.Runtime{Recorder: record.NewPrinter(os.Stdout)})
	if err != nil {
		return err
	}
	// Another program needs the set to build a network of the cells.
	network := cell.Network{Backbone: c.Space.Backbone, Genotype: r.Genotype, Ops: c.Space.Ops}
	size, err := darts.Measure(network, task)
	fmt.Printf("a network of these cells has %d parameters\n", size.Params)
	return err
}
