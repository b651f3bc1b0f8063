package draw_test

import (
	"fmt"
	"os"

	"unnas/cell"
	"unnas/cell/draw"
)

func ExampleCell_WriteDOT() {
	g, err := cell.ParseGenotype(`
		normal: sep_conv_3x3(0) skip_connect(1) | none(2) max_pool_3x3(0); concat 2-3
		reduce: max_pool_3x3(0) max_pool_3x3(1) | max_pool_3x3(0) max_pool_3x3(1); concat 2-3`)
	if err != nil {
		fmt.Println(err)
		return
	}
	p := draw.Cell{Title: "tiny", Genotype: g}
	if err := p.WriteDOT(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// digraph cell {
	// 	rankdir=LR; label="tiny"; labelloc=t; fontname="Helvetica";
	// 	node [shape=box, style=rounded, fontname="Helvetica"];
	// 	edge [fontname="Helvetica"];
	// 	n0 [label=<c<sub>k-2</sub>>];
	// 	n1 [label=<c<sub>k-1</sub>>];
	// 	n2 [label="0"];
	// 	n3 [label="1"];
	// 	output [label=<c<sub>k</sub>>];
	// 	n0 -> n2 [label="sep_conv_3x3", color="#0072b2"];
	// 	n1 -> n2 [label="skip_connect", color="#555555"];
	// 	n2 -> n3 [label="none", color="#56b4e9"];
	// 	n0 -> n3 [label="max_pool_3x3", color="#009e73"];
	// 	n2 -> output [color="#999999"];
	// 	n3 -> output [color="#999999"];
	// }
}
