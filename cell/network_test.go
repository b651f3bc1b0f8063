package cell_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/internal/golden"
	"unnas/internal/rng"
	"unnas/ops"
)

// net is a network under test.
type net struct {
	*ops.Scope
	t testing.TB
}

func newNet(t testing.TB) net {
	return net{ops.NewScope(gorgonia.NewGraph(), ops.NewParams()), t}
}

func (n net) images(shape ...int) *gorgonia.Node {
	x, err := ops.Images(n.Graph(), "images", shape[0], shape[1], shape[2], shape[3])
	require.NoError(n.t, err)
	return x
}

// shapes returns the published shapes of all parameters by name.
func (n net) shapes() map[string][]int {
	shapes := map[string][]int{}
	for _, q := range n.Params().List() {
		shapes[q.Name] = q.PyTorchShape()
	}
	return shapes
}

// training adds a classifier. The function that it returns moves all parameters a
// little down the gradient, and returns the loss before.
func (n net) training(x, features *gorgonia.Node) func() float32 {
	const classes = 5
	y, err := ops.GlobalAvgPool(features)
	require.NoError(n.t, err)
	y, err = n.Sub("head").Linear(y, 1, classes)
	require.NoError(n.t, err)
	batch := x.Shape()[0]
	labels, err := ops.Labels(n.Graph(), "labels", batch)
	require.NoError(n.t, err)
	loss, err := ops.CrossEntropy(y, labels, ops.LossConfig{IgnoreIndex: ops.NoIgnoreIndex})
	require.NoError(n.t, err)
	require.NoError(n.t, ops.Grad(n.Scope, loss.Value))
	require.NoError(n.t, n.Params().Init(1))
	pixels, target := make([]float32, x.Shape().TotalSize()), make([]int32, batch)
	r := rng.New(1, "pixels", 0, 0)
	for i := range pixels {
		pixels[i] = float32(rng.Normal(r))
	}
	for i := range target {
		target[i] = int32(i % classes)
	}
	require.NoError(n.t, gorgonia.Let(x, tensor.New(tensor.WithShape(x.Shape()...), tensor.WithBacking(pixels))))
	require.NoError(n.t, gorgonia.Let(labels, tensor.New(tensor.WithShape(batch), tensor.WithBacking(target))))
	want := gorgonia.Nodes{loss.Value}
	for _, p := range n.Learnables() {
		if p.Deriv() != nil {
			want = append(want, p.Deriv())
		}
	}
	m, err := ops.NewVM(n.Graph(), want...)
	require.NoError(n.t, err)
	return func() float32 {
		require.NoError(n.t, m.RunAll())
		var squares float64
		each := func(f func(value *float32, gradient float32)) {
			for _, p := range n.Learnables() {
				if p.Deriv() != nil {
					data := n.Params().Data(n.Owner(p))
					for i, g := range p.Deriv().Value().Data().([]float32) {
						f(&data[i], g)
					}
				}
			}
		}
		each(func(_ *float32, g float32) { squares += float64(g) * float64(g) })
		length := float32(0.002 / math.Sqrt(squares))
		each(func(v *float32, g float32) { *v -= length * g })
		return float32(*loss.Value.Value().(*gorgonia.F32))
	}
}

// TestParametersOfGoldenCases builds networks without heads, and compares the
// names and shapes of parameters with those that PyTorch has.
func TestParametersOfGoldenCases(t *testing.T) {
	seen := map[string]bool{}
	for _, file := range golden.Files(t) {
		c := golden.Read(t, file)
		if c.Kind == "op" {
			continue
		}
		seen[c.Kind] = true
		t.Run(golden.Name(file), func(t *testing.T) {
			n := newNet(t)
			x := n.images(1, c.Size[0], c.Size[1], c.InChannels)
			body := c.Body()
			var err error
			switch c.Kind {
			case "search", "trajectory":
				space := c.Space()
				space.PartialChannels = c.Partial
				_, err = space.Supernet(n.Scope, x)
			case "training":
				g, _ := cell.GenotypeByName("darts_v2")
				_, err = body.Network(n.Scope, x, g, ops.All())
			case "eval":
				_, err = body.Network(n.Scope, x, c.Genotype, ops.All())
			case "nasbench":
				_, err = cell.NASBenchBackbone{Stem: c.Stem, Width: c.Width, Stacks: c.Stacks, Modules: c.Modules}.Network(n.Scope, x, cell.NASBenchCell{Matrix: c.Matrix, Ops: c.Ops})
			}
			require.NoError(t, err)
			want := map[string][]int{}
			for name, v := range c.Tensors {
				name, ok := strings.CutPrefix(name, "param.")
				if ok && !strings.HasPrefix(name, "classifier.") && !strings.HasPrefix(name, "auxiliary_head.") {
					want[name] = v.Shape
				}
			}
			assert.Equal(t, want, n.shapes())
		})
	}
	assert.True(t, seen["search"] && seen["eval"] && seen["nasbench"], "the cases are not complete: %v", seen)
}

func TestShapesOfNetworks(t *testing.T) {
	g, _ := cell.GenotypeByName("darts_v2")
	cases := []struct {
		name        string
		body        cell.Backbone
		images      []int
		out, middle tensor.Shape
	}{
		{"CIFAR", cell.DARTS(cell.CIFARStem, 4, 5).Backbone, []int{2, 13, 18, 3}, tensor.Shape{2, 4, 5, 64}, tensor.Shape{2, 4, 5, 64}},
		{"ImageNet", cell.DARTS(cell.ImageNetStem, 4, 5).Backbone, []int{1, 37, 90, 3}, tensor.Shape{1, 2, 3, 64}, tensor.Shape{1, 2, 3, 64}},
		{"one reduction", cell.Backbone{Stem: cell.CIFARStem, Width: 6, Cells: 4, Reductions: []int{1}}, []int{1, 9, 6, 1}, tensor.Shape{1, 5, 3, 48}, tensor.Shape{1, 5, 3, 48}},
		{"no reduction, odd width", cell.Backbone{Stem: cell.CIFARStem, Width: 3, Cells: 2}, []int{1, 5, 4, 3}, tensor.Shape{1, 5, 4, 12}, tensor.Shape{1, 5, 4, 12}},
		{"adjacent reductions, odd width", cell.Backbone{Stem: cell.CIFARStem, Width: 3, Cells: 6, Reductions: []int{0, 1, 5}}, []int{1, 11, 4, 3}, tensor.Shape{1, 2, 1, 96}, tensor.Shape{1, 3, 1, 48}},
		{"an image of one pixel", cell.DARTS(cell.CIFARStem, 2, 3).Backbone, []int{1, 1, 1, 3}, tensor.Shape{1, 1, 1, 32}, tensor.Shape{1, 1, 1, 32}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := newNet(t)
			got, err := c.body.Network(n.Scope, n.images(c.images...), g, ops.DARTS())
			require.NoError(t, err)
			assert.Equal(t, c.out, got.Out.Shape())
			assert.Equal(t, c.middle, got.AuxFeatures.Shape())
			space := cell.DARTS(c.body.Stem, 0, 0)
			space.Backbone = c.body
			n = newNet(t)
			super, err := space.Supernet(n.Scope, n.images(c.images...))
			require.NoError(t, err)
			assert.Equal(t, c.out, super.Out.Shape())
		})
	}
}

func TestNetworkRefuses(t *testing.T) {
	good, _ := cell.GenotypeByName("darts_v2")
	bad := func(op string, from int) cell.Genotype {
		g := good
		g.Normal = slices.Clone(g.Normal)
		g.Normal[0] = cell.Edge{Op: op, From: from}
		return g
	}
	body := cell.DARTS(cell.CIFARStem, 4, 3).Backbone
	odd := body
	odd.Stem, odd.Width = cell.ImageNetStem, 5
	cases := []struct {
		name, want string
		body       cell.Backbone
		genotype   cell.Genotype
		images     []int
	}{
		{"an edge from a later node", "input 3 is not an earlier node", body, bad("skip_connect", 3), []int{1, 8, 9, 3}},
		{"an unknown operation", `unknown operation "swish"`, body, bad("swish", 0), []int{1, 8, 9, 3}},
		{"no genotype", "has no edges", body, cell.Genotype{}, []int{1, 8, 9, 3}},
		{"a width that cannot be halved", "Width is 5", odd, good, []int{1, 8, 9, 3}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := newNet(t)
			_, err := c.body.Network(n.Scope, n.images(c.images...), c.genotype, ops.All())
			require.ErrorContains(t, err, c.want)
			assert.Regexp(t, "^cell: ", err.Error())
		})
	}
	n := newNet(t)
	_, err := body.Network(n.Scope, nil, good, ops.All())
	assert.ErrorContains(t, err, "cell: stem: ops: stem.0.weight: the input is a nil node")
	// Errors of operations say where.
	set := append(ops.All(), named("broken"))
	_, err = body.Network(newNet(t).Scope, newNet(t).images(1, 8, 9, 3), bad("broken", 1), set)
	assert.Error(t, err, "images of another graph")
	n = newNet(t)
	_, err = body.Network(n.Scope, n.images(1, 8, 9, 3), bad("broken", 1), set)
	require.ErrorIs(t, err, assert.AnError)
	assert.ErrorContains(t, err, "cell: cell 0: edge 1→2, broken: ")
	n = newNet(t)
	space := cell.Space{Ops: ops.Set{ops.Skip(), named("broken")}, Nodes: 1, Backbone: body}
	_, err = space.Supernet(n.Scope, n.images(1, 8, 9, 3))
	assert.ErrorContains(t, err, "cell: cell 0: edge 0→2, broken: ")
}

// longer is an architecture that wraps another one, with a layer more.
type longer struct{ cell.Architecture }

func (l longer) Build(s *ops.Scope, x *gorgonia.Node, path cell.DropPathFunc) (*cell.Features, error) {
	n, err := l.Architecture.Build(s, x, path)
	if err != nil {
		return nil, err
	}
	y, err := ops.ReLU(n.Out)
	return &cell.Features{Out: y, AuxFeatures: n.AuxFeatures, Stem: n.Stem}, err
}

// TestAuxiliaryHeadOfWrappedArchitecture holds that a wrapper changes no auxiliary head.
func TestAuxiliaryHeadOfWrappedArchitecture(t *testing.T) {
	g, _ := cell.GenotypeByName("darts_v2")
	for stem, size := range map[cell.Stem]int{cell.CIFARStem: 32, cell.ImageNetStem: 224} {
		d := cell.Network{Backbone: cell.DARTS(stem, 2, 3).Backbone, Genotype: g, Ops: ops.DARTS()}
		var shapes []map[string][]int
		for _, a := range []cell.Architecture{d, longer{d}, longer{&d}} {
			n := newNet(t)
			got, err := a.Build(n.Scope, n.images(1, size, size, 3), nil)
			require.NoError(t, err)
			_, err = got.AuxiliaryHead(n.Scope, 7)
			require.NoError(t, err)
			shapes = append(shapes, n.shapes())
		}
		assert.Equal(t, shapes[0], shapes[1])
		assert.Equal(t, shapes[0], shapes[2])
	}
}

func TestAuxiliaryHead(t *testing.T) {
	g, _ := cell.GenotypeByName("darts_v2")
	for _, c := range []struct {
		stem cell.Stem
		size int
	}{{cell.CIFARStem, 32}, {cell.ImageNetStem, 224}} {
		n := newNet(t)
		body := cell.DARTS(c.stem, 2, 3).Backbone
		got, err := body.Network(n.Scope, n.images(1, c.size, c.size, 3), g, ops.DARTS())
		require.NoError(t, err)
		before := n.Params().Count()
		y, err := got.AuxiliaryHead(n.Scope, 7)
		require.NoError(t, err)
		assert.Equal(t, tensor.Shape{1, 7}, y.Shape())
		channels := got.AuxFeatures.Shape()[3]
		want := channels*128 + 2*128 + 4*128*768 + 2*768 + 768*7 + 7
		if c.stem == cell.ImageNetStem {
			want -= 2 * 768 // the last convolution is not normalised
		}
		assert.Equal(t, want, n.Params().Count()-before)
	}
	for size, want := range map[int]string{16: "smaller than the window", 64: "has 3×3 pixels, not one"} {
		n := newNet(t)
		body := cell.DARTS(cell.CIFARStem, 2, 3).Backbone
		got, err := body.Network(n.Scope, n.images(1, size, size, 3), g, ops.DARTS())
		require.NoError(t, err)
		_, err = got.AuxiliaryHead(n.Scope, 7)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "cell: auxiliary head: ")
	}
	n := newNet(t)
	middle := n.images(1, 8, 8, 3)
	for stem, want := range map[cell.Stem]string{"": `cell: auxiliary head: Features.Stem is "", not one of ["cifar" "imagenet" "nasbench201" "transnas"]; an Architecture that returns AuxFeatures must set Stem`, "vgg": `Features.Stem is "vgg"`} {
		_, err := (&cell.Features{Out: middle, AuxFeatures: middle, Stem: stem}).AuxiliaryHead(n.Scope, 7)
		assert.ErrorContains(t, err, want)
	}
	n = newNet(t)
	bench := cell.NASBenchNetwork{
		Backbone: cell.NASBenchBackbone{Stem: cell.CIFARStem, Width: 4, Stacks: 1, Modules: 1},
		Cell:     cell.NASBenchCell{Matrix: [][]int{{0, 1}, {0, 0}}, Ops: []string{"input", "output"}},
	}
	require.NoError(t, bench.Validate())
	got, err := bench.Build(n.Scope, n.images(1, 8, 9, 3), nil)
	require.NoError(t, err)
	assert.Equal(t, tensor.Shape{1, 8, 9, 4}, got.Out.Shape())
	_, err = got.AuxiliaryHead(n.Scope, 7)
	assert.ErrorContains(t, err, "the network has no AuxFeatures")
}

func TestEveryPublishedGenotypeTrains(t *testing.T) {
	for _, name := range cell.GenotypeNames() {
		t.Run(name, func(t *testing.T) {
			g, _ := cell.GenotypeByName(name)
			n := newNet(t)
			x := n.images(3, 8, 6, 3)
			got, err := cell.DARTS(cell.CIFARStem, 4, 3).Backbone.Network(n.Scope, x, g, ops.All())
			require.NoError(t, err)
			step := n.training(x, got.Out)
			first := step()
			var last float32
			for range 3 {
				last = step()
			}
			assert.Less(t, last, first)
		})
	}
}

// TestDeadEnds has operations none alone behind a node, and an input that no
// edge reads: parameters that the loss does not depend on.
func TestDeadEnds(t *testing.T) {
	g := cell.Genotype{
		Normal:       []cell.Edge{{Op: "sep_conv_3x3", From: 1}, {Op: "none", From: 1}, {Op: "none", From: 2}, {Op: "skip_connect", From: 1}},
		NormalConcat: []int{3},
		Reduce:       []cell.Edge{{Op: "max_pool_3x3", From: 1}, {Op: "none", From: 0}, {Op: "none", From: 0}, {Op: "none", From: 1}},
		ReduceConcat: []int{2, 3},
	}
	n := newNet(t)
	x := n.images(3, 8, 6, 3)
	got, err := cell.DARTS(cell.CIFARStem, 4, 3).Backbone.Network(n.Scope, x, g, ops.DARTS())
	require.NoError(t, err)
	step := n.training(x, got.Out)
	first := step()
	assert.Less(t, step(), first)
	dead := 0
	for _, p := range n.Learnables() {
		if p.Deriv() == nil {
			dead++
			assert.Regexp(t, `^cells\.\d\.(preprocess0|_ops\.0)\.`, n.Owner(p).Name)
		}
	}
	assert.Positive(t, dead)
}

// pixelwise is a custom kernel, x·|x|.
type pixelwise struct{}

func (pixelwise) Name() string { return "signed square" }

func (pixelwise) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in, nil }

func (pixelwise) Forward(_ *ops.Run, out, in []ops.Array) error {
	for i, x := range in[0].Data {
		out[0].Data[i] = x * max(x, -x)
	}
	return nil
}

func (pixelwise) Backward(_ *ops.Run, grads []ops.Array, gy ops.Array, in, _ []ops.Array) error {
	for i, x := range in[0].Data {
		grads[0].Data[i] = 2 * gy.Data[i] * max(x, -x)
	}
	return nil
}

// signedSquare is a candidate made of it, which a mixed op normalises.
type signedSquare struct{}

func (signedSquare) Name() string { return "signed_square" }

func (signedSquare) NeedsBatchNorm() bool { return true }

func (signedSquare) Build(_ *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
	y, err := ops.AvgPool2D(x, 3, c.Stride, 1)
	if err != nil {
		return nil, err
	}
	out, err := ops.Apply(pixelwise{}, y)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// gated is a candidate made of Gorgonia's own nodes and a layer: conv(x)·σ(x).
type gated struct{}

func (gated) Name() string { return "gated" }

func (gated) Build(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
	y, err := s.Conv(x, ops.ConvConfig{Out: x.Shape()[3], Window: ops.Square(3, c.Stride, 1, 1)})
	if err != nil {
		return nil, err
	}
	gate, err := gorgonia.Sigmoid(y)
	if err != nil {
		return nil, err
	}
	return gorgonia.HadamardProd(y, gate)
}

// TestCandidatesOfOnesOwn trains a supernet with them, derives a cell that has
// them, and trains its network.
func TestCandidatesOfOnesOwn(t *testing.T) {
	space := cell.Space{
		Ops:      ops.Set{ops.None(), signedSquare{}, gated{}, ops.Skip()},
		Nodes:    2,
		Backbone: cell.DARTS(cell.CIFARStem, 4, 3).Backbone,
	}
	n := newNet(t)
	x := n.images(3, 8, 6, 3)
	super, err := space.Supernet(n.Scope, x)
	require.NoError(t, err)
	step := n.training(x, super.Out)
	before, _ := super.Alphas()
	first := step()
	var last float32
	for range 4 {
		last = step()
	}
	assert.Less(t, last, first)
	after, _ := super.Alphas()
	assert.NotEqual(t, before, after, "alphas are trained too")
	assert.Contains(t, n.shapes(), "cells.0._ops.0._ops.2.weight")
	var norms []string
	for _, s := range n.Params().Stats() {
		norms = append(norms, s.Name)
	}
	assert.Contains(t, norms, "cells.0._ops.0._ops.1.1")

	alphas := n.Params().Alphas()
	for i := range alphas {
		alphas[i] = float32(i%4%3) + float32(i)/100 // gated is heaviest, then signed square
	}
	g, err := super.Genotype()
	require.NoError(t, err)
	assert.Contains(t, fmt.Sprint(g), "gated(0)")
	n = newNet(t)
	x = n.images(3, 8, 6, 3)
	derived, err := space.Backbone.Network(n.Scope, x, g, space.Ops)
	require.NoError(t, err)
	step = n.training(x, derived.Out)
	first = step()
	assert.Less(t, step(), first)
}

// TestPaths drops every path of the second image. Nothing is left of it in a
// reduction cell, whose identities pass on nodes that are zero.
func TestPaths(t *testing.T) {
	g, _ := cell.GenotypeByName("darts_v2")
	body := cell.Backbone{Stem: cell.CIFARStem, Width: 4, Cells: 3, Reductions: []int{1, 2}}
	pixels := make([]float32, 2*8*8*3)
	for i := range pixels {
		pixels[i] = float32(i%7) - 3
	}
	params := ops.NewParams()
	run := func(path func(g *gorgonia.ExprGraph) cell.DropPathFunc) []float32 {
		n := net{ops.NewScope(gorgonia.NewGraph(), params), t}
		x := n.images(2, 8, 8, 3)
		require.NoError(t, ops.Bind(x, pixels))
		built, err := cell.Network{Backbone: body, Genotype: g, Ops: ops.All()}.Build(n.Scope, x, path(n.Graph()))
		require.NoError(t, err)
		if !params.Ready() {
			require.NoError(t, params.Init(1))
		}
		m, err := ops.NewVM(n.Graph(), built.Out)
		require.NoError(t, err)
		m.SetTraining(false)
		require.NoError(t, m.RunAll())
		return built.Out.Value().Data().([]float32)
	}
	whole := run(func(*gorgonia.ExprGraph) cell.DropPathFunc { return nil })
	paths := 0
	dropped := run(func(graph *gorgonia.ExprGraph) cell.DropPathFunc {
		factors := gorgonia.NewTensor(graph, tensor.Float32, 1, gorgonia.WithShape(2), gorgonia.WithName("factors"))
		require.NoError(t, ops.Bind(factors, []float32{1, 0}))
		return func(y *gorgonia.Node) (*gorgonia.Node, error) {
			paths++
			return ops.ScaleImages(y, factors)
		}
	})
	// The normal cell has six convolutions and two identities, each reduction cell
	// five poolings and three identities.
	assert.Equal(t, 6+5+5, paths)
	half := len(whole) / 2
	assert.Equal(t, whole[:half], dropped[:half], "nothing is dropped")
	assert.Equal(t, make([]float32, half), dropped[half:], "all that is not zero was dropped")
	assert.NotEqual(t, make([]float32, half), whole[half:])
}

// TestUnstrided keeps the resolution in one of two reductions: it is still a cell
// of the reduction kind, whose parameters differ only where a factorised reduction
// was.
func TestUnstrided(t *testing.T) {
	g, ok := cell.GenotypeByName("darts_v2")
	require.True(t, ok)
	space := cell.DARTS(cell.CIFARStem, 4, 5)
	build := func(unstrided ...int) (derived, super net, outs [2]tensor.Shape) {
		space.Backbone.StrideOne = unstrided
		derived, super = newNet(t), newNet(t)
		d, err := space.Backbone.Network(derived.Scope, derived.images(2, 12, 8, 3), g, ops.All())
		require.NoError(t, err)
		s, err := space.Supernet(super.Scope, super.images(2, 12, 8, 3))
		require.NoError(t, err)
		return derived, super, [2]tensor.Shape{d.Out.Shape(), s.Out.Shape()}
	}
	derived, super, outs := build()
	assert.Equal(t, [2]tensor.Shape{{2, 3, 2, 64}, {2, 3, 2, 64}}, outs)
	dense, denseSuper, outs := build(3)
	assert.Equal(t, [2]tensor.Shape{{2, 6, 4, 64}, {2, 6, 4, 64}}, outs)
	for _, pair := range [][2]net{{derived, dense}, {super, denseSuper}} {
		strided, kept := pair[0].shapes(), pair[1].shapes()
		for name, shape := range kept {
			if strings.HasPrefix(name, "cells.4.preprocess0.") { // 1×1 convolution in place of a factorised reduction
				continue
			}
			assert.Equal(t, strided[name], shape, name)
			delete(strided, name)
		}
		for name := range strided {
			assert.Regexp(t, `^cells\.4\.preprocess0\.|^cells\.3\._ops\.`, name)
		}
	}
}

// TestDilated dilates the last cells: the same parameters and sizes, another
// function, in networks and supernets. An operation that does not know how is
// refused.
func TestDilated(t *testing.T) {
	g, ok := cell.GenotypeByName("darts_v2")
	require.True(t, ok)
	space := cell.DARTS(cell.CIFARStem, 4, 4)
	run := func(supernet bool, dilated ...int) ([]float32, map[string][]int, error) {
		space.Backbone.Dilated = dilated
		n := newNet(t)
		x := n.images(1, 16, 12, 3)
		require.NoError(t, ops.Bind(x, noise(x.Shape().TotalSize())))
		var out *gorgonia.Node
		var err error
		if supernet {
			var s *cell.Supernet
			if s, err = space.Supernet(n.Scope, x); err == nil {
				out = s.Out
			}
		} else {
			var d *cell.Features
			if d, err = space.Backbone.Network(n.Scope, x, g, space.Ops); err == nil {
				out = d.Out
			}
		}
		if err != nil {
			return nil, nil, err
		}
		require.NoError(t, n.Params().Init(1))
		m, err := ops.NewVM(n.Graph(), out)
		require.NoError(t, err)
		require.NoError(t, m.RunAll())
		return out.Value().Data().([]float32), n.shapes(), nil
	}
	for _, supernet := range []bool{false, true} {
		plain, shapes, err := run(supernet)
		require.NoError(t, err)
		dilated, same, err := run(supernet, 2, 3)
		require.NoError(t, err)
		assert.Equal(t, shapes, same)
		require.Len(t, dilated, len(plain))
		assert.False(t, slices.Equal(plain, dilated))
	}
	space.Ops = append(slices.Clone(space.Ops), signedSquare{})
	for _, supernet := range []bool{false, true} {
		if g.Normal = slices.Clone(g.Normal); !supernet {
			g.Normal[1].Op = signedSquare{}.Name()
		}
		_, _, err := run(supernet)
		require.NoError(t, err)
		_, _, err = run(supernet, 3)
		if supernet {
			require.ErrorContains(t, err, "cell: "+signedSquare{}.Name()+" in cell 3: the operation does not support dilation")
			continue
		}
		require.ErrorContains(t, err, "cell: cell 3: edge ")
		require.ErrorContains(t, err, signedSquare{}.Name()+": the operation does not support dilation")
	}
}

// noise returns n normal numbers.
func noise(n int) []float32 {
	r := rng.New(1, "noise", 0, 0)
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.Normal(r))
	}
	return x
}
