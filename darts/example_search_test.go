package darts_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset/scenes"
	"unnas/darts/record"
	"unnas/ops"
	"unnas/pretext"
)

// A search without labels, small enough for a test.
func ExampleSearch() {
	src, err := scenes.New(32, 16, 16, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := darts.DARTS()
	c.Space = cell.DARTS(cell.CIFARStem, 4, 3) // the space of DARTS; width 4, 3 cells
	c.Epochs, c.Batch = 1, 8
	task := pretext.Rotation{Transform: pretext.ScenesTransform(16)}
	result, err := darts.Search(context.Background(), src, task, c, darts.Runtime{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Steps, "steps,", len(result.Genotype.Normal), "edges in each cell")
	// Output: 2 steps, 8 edges in each cell
}

// Algorithms are hyperparameters, and have names in files and flags. Two others keep a
// search from cells that do little but skip: one that the space does not derive,
// one at which the search ends.
func ExampleAlgorithms() {
	src, err := scenes.New(32, 16, 16, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := darts.DARTS()
	c.Space = cell.DARTS(cell.CIFARStem, 4, 3)
	c.Epochs, c.Batch = 1, 8
	c.Algorithms = darts.Algorithms{darts.SecondOrder{}}
	c.Space.MaxSkips = 2 // as P-DARTS does
	c.StopSkips = 2      // as DARTS+ does
	task := pretext.Rotation{Transform: pretext.ScenesTransform(16)}
	result, err := darts.Search(context.Background(), src, task, c, darts.Runtime{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Steps, "steps of", result.Config.Algorithms)
	// Output: 2 steps of second-order
}

// With a quarter of the channels in mixed operations a step takes less memory and
// time, and each edge has a weight of its own, which decides with the alphas.
func ExamplePCDARTS() {
	src, err := scenes.New(32, 16, 16, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := darts.PCDARTS()
	c.Space.Backbone.Width, c.Space.Backbone.Cells, c.Space.Backbone.Reductions = 4, 3, cell.Reductions(3, 2)
	c.Epochs, c.ArchStartEpoch, c.Batch = 2, 1, 8
	c.SkipDropout = 0.3 // as P-DARTS does, against cells that do little but skip
	task := pretext.Rotation{Transform: pretext.ScenesTransform(16)}
	result, err := darts.Search(context.Background(), src, task, c, darts.Runtime{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Space.PartialChannels, "parts,", result.Steps, "steps,", len(result.NormalBetas), "edges,", len(result.Genotype.Normal), "of them kept")
	// Output: 4 parts, 4 steps, 14 edges, 8 of them kept
}

// stopAtStep is a recorder that ends a run, as Ctrl-C might.
type stopAtStep func()

func (stop stopAtStep) Record(e record.Event) error {
	if _, ok := e.(record.Step); ok {
		stop()
	}
	return nil
}

// A run that was stopped resumes with the same hyperparameters and its directory, which
// keeps the events and the result too.
func ExampleOpenRunDir() {
	tmp, err := os.MkdirTemp("", "run")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(tmp)
	src, err := scenes.New(32, 16, 16, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	task := pretext.Rotation{Transform: pretext.ScenesTransform(16)}
	c := darts.DARTS()
	var rt darts.Runtime
	c.Space = cell.DARTS(cell.CIFARStem, 4, 3)
	c.Epochs, c.Batch = 1, 8

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	rt.Recorder = stopAtStep(stop)
	if rt.Dir, err = darts.OpenRunDir(filepath.Join(tmp, "first")); err != nil {
		fmt.Println(err)
		return
	}
	result, err := darts.Search(ctx, src, task, c, rt)
	fmt.Println(result.Steps, err, rt.Dir.Close())

	rt.Recorder = nil
	if rt.Dir, err = darts.OpenRunDir(filepath.Join(tmp, "first")); err != nil {
		fmt.Println(err)
		return
	}
	result, err = darts.Search(context.Background(), src, task, c, rt)
	fmt.Println(rt.Dir.HasRun(), result.Steps, err, rt.Dir.Close())
	files, _ := os.ReadDir(rt.Dir.Path())
	for _, f := range files {
		fmt.Println(f.Name())
	}
	// Output:
	// 1 context canceled <nil>
	// true 2 <nil> <nil>
	// cells.svg
	// checkpoint-1
	// checkpoint-2
	// config.json
	// genotype.json
	// metrics.jsonl
	// normal.svg
	// reduce.svg
	// supernet.safetensors
}

// The size of DARTS' own cell on CIFAR-10, as in its paper: 3.3 million
// parameters.
func ExampleMeasure() {
	g, _ := cell.GenotypeByName("darts_v2")
	body := cell.DARTS(cell.CIFARStem, 36, 20).Backbone
	task := pretext.Classification{Transform: pretext.CIFAR10Transform(), Classes: 10}
	size, err := darts.Measure(cell.Network{Backbone: body, Genotype: g, Ops: ops.All()}, task)
	fmt.Println(size.Params, size.MACs, err)
	// Output: 3349342 528359040 <nil>
}
