package cell_test

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/ops"
)

func ExampleParseGenotype() {
	g, err := cell.ParseGenotype(`
		# one node per cell
		Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1)], normal_concat=range(2, 3),
		         reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1)], reduce_concat=[2])`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g)
	// Output:
	// normal: sep_conv_3x3(0) skip_connect(1); concat 2
	// reduce: max_pool_3x3(0) max_pool_3x3(1); concat 2
}

func ExampleGenotype_Python() {
	g, err := cell.ParseGenotype(`
		normal: sep_conv_3x3(0) sep_conv_3x3(1) | skip_connect(0) dil_conv_3x3(2); concat 2-3
		reduce: max_pool_3x3(0) max_pool_3x3(1) | max_pool_3x3(0) skip_connect(2); concat 2-3`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.Python())
	// Output:
	// Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2)], reduce_concat=[2, 3])
}

func ExampleGenotypeByName() {
	g, ok := cell.GenotypeByName("darts_v2")
	fmt.Println(ok, g.Nodes())
	fmt.Println(g)
	// Output:
	// true 4
	// normal: sep_conv_3x3(0) sep_conv_3x3(1) | sep_conv_3x3(0) sep_conv_3x3(1) | sep_conv_3x3(1) skip_connect(0) | skip_connect(0) dil_conv_3x3(2); concat 2-5
	// reduce: max_pool_3x3(0) max_pool_3x3(1) | skip_connect(2) max_pool_3x3(1) | max_pool_3x3(0) skip_connect(2) | skip_connect(2) max_pool_3x3(1); concat 2-5
}

// A quarter of the channels goes through the candidates of an edge, the others pass
// by; betas weigh the edges.
func ExampleSpace_partial() {
	space := cell.DARTS(cell.CIFARStem, 16, 8)
	for _, space.PartialChannels = range []int{0, 4} {
		err := ops.Build(func() error {
			g := gorgonia.NewGraph()
			s := ops.NewScope(g, ops.NewParams())
			x, err := ops.Images(g, "images", 1, 32, 32, 3)
			if err != nil {
				return err
			}
			net, err := space.Supernet(s, x)
			if err != nil {
				return err
			}
			fmt.Println(s.Params().Count(), "weights, betas:", net.NormalBetas != nil, net.Out.Shape())
			return nil
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// 1928048 weights, betas: false (1, 8, 8, 256)
	// 297008 weights, betas: true (1, 8, 8, 256)
}

// The cells of NAS-Bench-201 keep all edges; the notation is that of its authors.
func ExampleNASBench201() {
	space := cell.NASBench201(16, 5)
	fmt.Println(space.Edges(), "edges of", space.Ops.Names())
	g, err := cell.ParseGenotype("|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|")
	fmt.Println(g.Dense(), g.Nodes(), err)
	fmt.Println(space.Random(1, 0))
	// Output:
	// 6 edges of [none skip_connect nor_conv_1x1 nor_conv_3x3 avg_pool_3x3]
	// true 3 <nil>
	// |skip_connect~0|+|none~0|nor_conv_1x1~1|+|none~0|skip_connect~1|nor_conv_3x3~2|
}

// In S1 of RobustDARTS each edge has two candidates of its own.
func ExampleRobustDARTS() {
	space, err := cell.RobustDARTS(1, cell.CIFARStem, 16, 8)
	fmt.Println(space.Names(false, 0), space.Names(true, 0), err)
	// Output:
	// [skip_connect dil_conv_3x3] [max_pool_3x3 avg_pool_3x3] <nil>
}
