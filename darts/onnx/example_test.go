package onnx_test

import (
	"bytes"
	"fmt"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/onnx"
	"unnas/ops"
	"unnas/pretext"
)

// The network of the second published DARTS cells for CIFAR-10.
func Example() {
	genotype, _ := cell.GenotypeByName("darts_v2")
	network := cell.Network{
		Backbone: cell.Backbone{Stem: cell.CIFARStem, Width: 8, Cells: 5, Reductions: []int{1, 3}},
		Genotype: genotype,
		Ops:      ops.DARTS(),
	}
	task := pretext.Classification{Transform: pretext.CIFAR10Transform(), Classes: 10}
	params, err := darts.NewParams(network, task, 1) // in place of trained ones: see darts.LoadModel
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := onnx.NewModel(&darts.Model{Architecture: network, Task: task, Params: params})
	if err != nil {
		fmt.Println(err)
		return
	}
	m.Doc = "DARTS V2, of width 8, for CIFAR-10."
	var file bytes.Buffer
	if err := onnx.Write(&file, m); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d parameters, %d kB\n", params.Count(), file.Len()/1000)
	// Output: 37018 parameters, 189 kB
}
