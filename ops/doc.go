// Package ops builds networks out of layers and candidate operations.
//
// A network is a Gorgonia graph. An operation is a function that adds nodes to it:
// layers are methods of a Scope, which names their parameters (s.Conv, s.Linear);
// operations without parameters are functions (MaxPool2D, Concat). A candidate of
// a search space is an Op: C channels in, C channels out, at stride 1 or 2. A Set
// is a list of them; DARTS returns that of Liu et al. (2019, arXiv 1806.09055),
// Published those of all cells in the literature.
//
//	g := gorgonia.NewGraph()
//	s := ops.NewScope(g, ops.NewParams())
//	x, err := ops.Images(g, "images", 16, 32, 32, 3)
//	…
//	y, err := ops.SepConv(3).Build(s.Sub("cell"), x, ops.OpConfig{Stride: 2, Affine: true})
//	…
//	err = ops.Grad(s, loss.Value)       // adds the gradients to the graph
//	err = s.Params().Init(seed)         // gives the parameters memory and values
//	m, err := ops.NewVM(g, loss.Value)  // plans what is wanted
//	err = m.RunAll()
//
// Feature maps are [N, H, W, C] and of type float32. Parameters carry the names of
// the published networks, those of a PyTorch state dict, and Param.Publish and
// Param.Adopt translate their layout. Params.WriteSafetensors and
// Params.ReadFile, which knows the files of PyTorch as well, exchange them with
// other programs.
//
// # Batch normalisation
//
// A batch normalisation y = scale·(x-mean)/√(variance+ε) + shift is an affine map
// a·x + d for each channel, and so are its gradient, a·gy + b·x + d, and a map
// weighted by an alpha. These are not computed where all who read them are
// operations of this package: such readers form the values while they load x,
// which saves a pass through memory for each normalisation.
//
// Poolings, and normalisations without scale and shift, are built once for each
// map: where several edges of a supernet compute the same, there is one operation.
// Every layer keeps its published name, and Scope.Layers tells how many there are.
//
// # One's own
//
// Three things can be added without changing the library. A candidate implements
// Op, of any Gorgonia nodes and layers of this package; a mixed op normalises its
// output if it is Unnormalised. A fused operation implements Kernel, and
// Differentiable if it has a gradient; Apply adds it to a graph. And a graph takes
// any node that Gorgonia can differentiate. Package optest checks all of them.
//
// # What is left out
//
// Grouped convolutions other than the depthwise ones of candidates, transposed
// convolutions, other normalisations, recurrent layers, and other types than
// float32: the published search spaces have none of them. Optimisers are in package
// darts.
package ops
