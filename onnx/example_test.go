package onnx_test

import (
	"bytes"
	"fmt"

	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/onnx"
	"unnas/ops"
	"unnas/pretext"
)

// A network of the second published DARTS cells for CIFAR-10, built for one image;
// the model takes any number.
func Example() {
	genotype, _ := cell.Published("darts_v2")
	body := cell.Body{Stem: cell.CIFARStem, Width: 8, Cells: 5, Reductions: []int{1, 3}}
	task := pretext.Classification{View: pretext.CIFAR10(), Classes: 10}
	m := onnx.Model{View: task.View, Doc: "DARTS V2, of width 8, for CIFAR-10."}
	err := ops.Build(func() (err error) {
		g := gorgonia.NewGraph()
		m.Scope = ops.NewScope(g, ops.NewParams())
		if m.Input, err = ops.Images(g, "images", 1, 32, 32, 3); err != nil {
			return err
		}
		net, err := body.Network(m.Scope, m.Input, genotype, ops.DARTS())
		if err != nil {
			return err
		}
		logits, err := task.Head(m.Scope, net.Out)
		m.Outputs = []onnx.Output{{Name: "logits", Node: logits}}
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Then come the weights of a training, by Params.ReadSafetensors.
	if err := m.Scope.Params().Init(1); err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	if err := onnx.Write(&file, m); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d parameters, %d kB\n", m.Scope.Params().Count(), file.Len()/1000)
	// Output: 37018 parameters, 189 kB
}
