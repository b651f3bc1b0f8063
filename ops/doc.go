// Package ops builds networks out of layers and candidate operations.
//
// A network is a Gorgonia graph. An operation is a function that adds nodes to it:
// layers are methods of a Scope, which names their parameters (s.Conv, s.Linear);
// operations without parameters are functions (MaxPool2D, Concat). A candidate
// operation of a search space is an Op: C channels in, C channels out, at stride 1 or
// 2. A Set is a list of them; DARTS returns that of Liu et al. (2019, arXiv
// 1806.09055), All those of all published cells.
//
//	g := gorgonia.NewGraph()
//	s := ops.NewScope(g, ops.NewParams())
//	x, err := ops.Images(g, "images", 16, 32, 32, 3)
//	…
//	y, err := ops.SepConv(3).Build(s.Sub("cell"), x, ops.OpConfig{Stride: 2, Affine: true})
//	…
//	err = ops.Grad(s, loss.Value)       // adds the gradients to the graph
//	err = s.Params().Init(seed)         // gives the parameters memory and values
//	m, err := ops.NewVM(g, loss.Value)  // plans the computation
//	err = m.RunAll()
//
// Feature maps are [N, H, W, C] of type float32. Parameters have the names of the
// published networks, as in a PyTorch state dict; Param.ToPyTorch and Param.FromPyTorch
// convert their layout. Params.WriteSafetensors and Params.ReadFile, which also reads
// PyTorch files, exchange them with other programs.
//
// # Batch normalisation
//
// A batch normalisation y = scale·(x-mean)/√(variance+ε) + shift is an affine map a·x + d of
// each channel, and so are its gradient, a·gy + b·x + d, and a feature map weighted by an
// architecture parameter. If all readers of such a map are operations of this package, it is
// not computed: the readers normalise the values as they load x, which saves a pass through
// memory per normalisation.
//
// Poolings, and normalisations without scale and shift, are built once per map: equal
// layers on several edges of a supernet are one operation. Every layer keeps its
// published name, and Scope.Layers returns how many an operation stands for.
//
// # Extensions
//
// There are three ways to extend the library. A candidate operation implements Op, with
// any Gorgonia nodes and layers of this package; a mixed operation adds a batch
// normalisation to an Unnormalised one. A fused operation implements Kernel, and
// Differentiable if it has a gradient; Apply adds it to a graph. And a graph may
// contain any node that Gorgonia can differentiate. Package optest tests all of them.
//
// # Inputs from crops
//
// NormaliseCrops, QuarterTurns, Tiles and Lab make the inputs of tasks from crops of images,
// bytes that Crops declares. They run on devices alone (darts.Runtime.Device), and have no
// gradient: on the CPU the data loader makes the inputs.
//
// # Limitations
//
// There are no grouped convolutions other than the depthwise ones of the candidates, no
// transposed convolutions, no other normalisations, no recurrent layers, and no types
// other than float32: the published search spaces do not need them. Optimisers are in
// package darts.
package ops
