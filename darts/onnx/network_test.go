package onnx_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/darts/onnx"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// builder adds a network to the graph of images and returns its outputs.
type builder func(s *ops.Scope, x *gorgonia.Node) (gorgonia.Nodes, error)

// network is a network whose parameters and statistics are random.
type network struct {
	model onnx.Model
	graph *gorgonia.ExprGraph
}

// newNetwork builds a network on images of a shape.
func newNetwork(t *testing.T, shape []int, build builder) network {
	t.Helper()
	g := gorgonia.NewGraph()
	s := ops.NewScope(g, ops.NewParams())
	var x *gorgonia.Node
	var outs gorgonia.Nodes
	require.NoError(t, ops.Build(func() (err error) {
		if x, err = ops.Images(g, "images", shape[0], shape[1], shape[2], shape[3]); err == nil {
			outs, err = build(s, x)
		}
		return err
	}))
	p := s.Params()
	require.NoError(t, p.Init(1))
	r := rand.New(rand.NewPCG(2, 3))
	for _, q := range p.List() { // scale and shift are 1 and 0
		if q.Shape.Dims() == 1 {
			for i := range p.Data(q) {
				p.Data(q)[i] += float32(0.3 * r.NormFloat64())
			}
		}
	}
	for _, stats := range p.Stats() {
		for i := range stats.Mean {
			stats.Mean[i], stats.Var[i] = float32(0.3*r.NormFloat64()), float32(0.2+r.Float64())
		}
	}
	n := network{model: onnx.Model{Scope: s, Input: x}, graph: g}
	for i, out := range outs {
		n.model.Outputs = append(n.model.Outputs, onnx.Output{Name: fmt.Sprintf("output_%d", i), Node: out})
	}
	return n
}

// write returns the model as a file.
func (n network) write(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, onnx.Write(&b, n.model))
	return b.Bytes()
}

// run evaluates the network on random images. Everything is as in a model.
func (n network) run(t *testing.T) (x []float32, outs [][]float32) {
	t.Helper()
	in := n.model.Input
	x = make([]float32, in.Shape().TotalSize())
	r := rand.New(rand.NewPCG(4, 5))
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	require.NoError(t, ops.Bind(in, x))
	var want gorgonia.Nodes
	for _, o := range n.model.Outputs {
		want = append(want, o.Node)
	}
	vm, err := ops.NewVM(n.graph, want...)
	require.NoError(t, err)
	vm.SetTraining(false)
	require.NoError(t, vm.RunAll())
	for _, o := range want {
		outs = append(outs, mapped(o.Shape(), o.Value().Data().([]float32)))
	}
	require.NoError(t, vm.Close())
	return mapped(in.Shape(), x), outs
}

// mapped returns values in the order that they have in a model.
func mapped(s tensor.Shape, values []float32) []float32 {
	if s.Dims() != 4 {
		return values
	}
	out := make([]float32, len(values))
	for i, v := range values {
		c, w, h, n := i%s[3], i/s[3]%s[2], i/s[3]/s[2]%s[1], i/s[3]/s[2]/s[1]
		out[((n*s[3]+c)*s[1]+h)*s[2]+w] = v
	}
	return out
}

// mappedShape returns the shape that a value has in a model.
func mappedShape(s tensor.Shape) []int {
	if s.Dims() != 4 {
		return s
	}
	return []int{s[0], s[3], s[1], s[2]}
}

// only makes a list of one output.
func only(n *gorgonia.Node, err error) (gorgonia.Nodes, error) { return gorgonia.Nodes{n}, err }

// small is a body with two reductions.
func small(stem cell.Stem) cell.Backbone {
	return cell.Backbone{Stem: stem, Width: 4, Cells: 4, Reductions: []int{1, 2}}
}

// published builds a network of published cells, and what a task puts on it.
func published(b cell.Backbone, name string, head func(*ops.Scope, *gorgonia.Node) (*gorgonia.Node, error)) builder {
	return func(s *ops.Scope, x *gorgonia.Node) (gorgonia.Nodes, error) {
		g, _ := cell.GenotypeByName(name)
		net, err := b.Network(s, x, g, ops.All())
		if err != nil {
			return nil, err
		}
		y, err := head(s, net.Out)
		return gorgonia.Nodes{y, net.AuxFeatures}, err
	}
}

// bench builds a network of a cell that has everything that NAS-Bench cells have:
// all operations, a vertex of two inputs, channels that do not share out evenly, an
// edge from input to output. Squeeze and excitation weights its channels.
func bench(stem cell.Stem) builder {
	return func(s *ops.Scope, x *gorgonia.Node) (gorgonia.Nodes, error) {
		y, err := cell.NASBenchBackbone{Stem: stem, Width: 7, Stacks: 2, Modules: 2}.Network(s, x, cell.NASBenchCell{
			Matrix: [][]int{
				{0, 1, 1, 0, 0, 1}, {0, 0, 0, 1, 1, 0}, {0, 0, 0, 1, 0, 1}, {0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 0},
			},
			Ops: []string{"input", "conv3x3-bn-relu", "maxpool3x3", "conv1x1-bn-relu", "conv3x3-bn-relu", "output"},
		})
		if err != nil {
			return nil, err
		}
		if y, err = s.Sub("gate").SqueezeExcite(y, 4); err != nil {
			return nil, err
		}
		return only(pretext.PooledHead(s, y, 1, 10))
	}
}

// labelling builds a network that labels pixels, its logits as large as the image.
func labelling(b cell.Backbone, name string) builder {
	head := segmentation.ASPP{Channels: 5, Rates: []int{1, 2, 3}, Classes: 6}
	return func(s *ops.Scope, x *gorgonia.Node) (gorgonia.Nodes, error) {
		outs, err := published(b, name, func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			return head.Build(s.Sub("classifier"), x)
		})(s, x)
		if err != nil {
			return nil, err
		}
		outs[0], err = ops.Upsample(outs[0], x.Shape()[1], x.Shape()[2])
		return outs, err
	}
}

// stride returns a body with another output stride.
func stride(t *testing.T, to int, r segmentation.StrideMode) cell.Backbone {
	t.Helper()
	b, err := segmentation.WithStride(small(cell.ImageNetStem), to, r)
	require.NoError(t, err)
	return b
}

// view is any view of 15 by 13 pixels.
func view() pretext.Transform {
	v := pretext.CIFAR10Transform()
	v.Height, v.Width = 15, 13
	return v
}

// test is a network with images to test it with.
type test struct {
	name  string
	shape []int // [N, H, W, C]
	build builder
	dead  bool // the outputs do not depend on all parameters
}

// tests are networks of all kinds.
func tests(t *testing.T) (list []test) {
	t.Helper()
	classify := pretext.Classification{Transform: view(), Classes: 10}.Head
	for _, name := range cell.GenotypeNames() {
		list = append(list,
			test{"cifar_" + name, []int{2, 16, 12, 3}, published(small(cell.CIFARStem), name, classify), false},
			test{"imagenet_" + name, []int{2, 64, 96, 3}, published(small(cell.ImageNetStem), name, classify), false})
	}
	jigsaw := pretext.JigsawCIFAR10()
	return append(list,
		test{"odd", []int{3, 15, 13, 3}, published(small(cell.CIFARStem), "darts_v2", classify), false},
		test{"one_pixel", []int{2, 2, 1, 3}, published(small(cell.CIFARStem), "darts_v2", classify), false},
		test{"nasbench_cifar", []int{3, 14, 10, 3}, bench(cell.CIFARStem), false},
		test{"nasbench_imagenet", []int{2, 66, 50, 3}, bench(cell.ImageNetStem), false},
		test{"nasbench201", []int{2, 12, 16, 3}, dense(cell.NASBench201(4, 2).Backbone, "|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|none~0|nor_conv_1x1~1|nor_conv_3x3~2|", classify), false},
		test{"transnas101", []int{2, 64, 32, 3}, dense(cell.TransNASBench101(4).Backbone, "64-41414-3_12_301", classify), false},
		test{"segmentation_32", []int{2, 65, 97, 3}, labelling(small(cell.ImageNetStem), "unnas_cityscapes_seg"), false},
		test{"segmentation_16_normal", []int{2, 65, 97, 3}, labelling(stride(t, 16, segmentation.RemoveReduction), "unnas_cityscapes_seg"), false},
		test{"segmentation_16_reduction", []int{2, 65, 97, 3}, labelling(stride(t, 16, segmentation.KeepReduction), "unnas_cityscapes_col"), false},
		test{"segmentation_8_normal", []int{2, 65, 97, 3}, labelling(stride(t, 8, segmentation.RemoveReduction), "pnas"), false},
		test{"segmentation_8_reduction", []int{2, 65, 97, 3}, labelling(stride(t, 8, segmentation.KeepReduction), "unnas_cityscapes_col"), false},
		test{"segmentation_one_pixel", []int{2, 9, 17, 3}, labelling(small(cell.ImageNetStem), "unnas_cityscapes_jig"), false},
		test{"rotation", []int{4, 15, 13, 3}, published(small(cell.CIFARStem), "unnas_imagenet_rot", pretext.Rotation{Transform: view()}.Head), false},
		test{"jigsaw", []int{8, 12, 12, 3}, published(small(cell.CIFARStem), "unnas_imagenet_jig", jigsaw.Head), false},
		test{"colorization", []int{2, 15, 13, 1}, published(small(cell.CIFARStem), "unnas_imagenet_col", pretext.Colorization{Transform: view()}.Head), false},
		test{"layers", []int{2, 11, 7, 4}, layers, false},
		test{"auxiliary_cifar", []int{2, 32, 32, 3}, auxiliary(cell.CIFARStem), true},
		test{"auxiliary_imagenet", []int{2, 224, 224, 3}, auxiliary(cell.ImageNetStem), true},
	)
}

// dense builds the network of a dense cell.
func dense(b cell.Backbone, notation string, head func(*ops.Scope, *gorgonia.Node) (*gorgonia.Node, error)) builder {
	return func(s *ops.Scope, x *gorgonia.Node) (gorgonia.Nodes, error) {
		g, err := cell.ParseGenotype(notation)
		if err != nil {
			return nil, err
		}
		net, err := b.Network(s, x, g, ops.All())
		if err != nil {
			return nil, err
		}
		return only(head(s.Sub("classifier"), net.Out))
	}
}

func auxiliary(stem cell.Stem) builder {
	return func(s *ops.Scope, x *gorgonia.Node) (gorgonia.Nodes, error) {
		g, _ := cell.GenotypeByName("darts_v1")
		net, err := small(stem).Network(s, x, g, ops.All())
		if err != nil {
			return nil, err
		}
		return only(net.AuxiliaryHead(s, 10))
	}
}

// layers has what published networks do not: every operation at both strides, also
// dilated, with and without scale and shift; zeros that nobody leaves out; dropout;
// Gorgonia's own operations.
func layers(s *ops.Scope, x *gorgonia.Node) (gorgonia.Nodes, error) {
	outs, err := operations(s, x)
	if err != nil {
		return nil, err
	}
	rows, err := ops.GlobalAvgPool(x)
	if err != nil {
		return nil, err
	}
	if rows, err = s.Sub("rows").BatchNorm(rows, false); err != nil {
		return nil, err
	}
	own, err := elementwise(rows)
	if err != nil {
		return nil, err
	}
	first, err := ops.Channels(own[0], 1, 2)
	if err != nil {
		return nil, err
	}
	joined, err := ops.Concat(append(own, first)...)
	if err != nil {
		return nil, err
	}
	logits, err := s.Sub("classifier").Linear(joined, 2, 5)
	if err != nil {
		return nil, err
	}
	y, err := ops.Softmax(logits)
	if err != nil {
		return nil, err
	}
	dropped, err := dropout(s.Sub("dropout"), x)
	if err != nil {
		return nil, err
	}
	return append(outs, rows, joined, logits, y, dropped), nil
}

// dropout drops half of x in training.
func dropout(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
	key, err := ops.Labels(x.Graph(), "key", 2)
	if err != nil {
		return nil, err
	}
	rate := gorgonia.NewVector(x.Graph(), tensor.Float32, gorgonia.WithShape(1), gorgonia.WithName("rate"))
	if err := errors.Join(ops.Bind(rate, []float32{0.5}), ops.Bind(key, []int32{1, 2})); err != nil {
		return nil, err
	}
	return s.Dropout(x, rate, key)
}

// operations returns the results of all candidates.
func operations(s *ops.Scope, x *gorgonia.Node) (outs gorgonia.Nodes, err error) {
	for _, o := range ops.All() {
		for i, c := range []ops.OpConfig{{Stride: 1, Dilation: 2}, {Stride: 2}, {Stride: 2, Dilation: 2, Affine: true}} {
			if c.Dilation > 1 && strings.HasSuffix(o.Name(), "_pool_2x2") {
				continue // has no centre
			}
			s := s.Sub(fmt.Sprintf("%s.%d", o.Name(), i))
			y, err := o.Build(s, x, c)
			if err != nil {
				return nil, err
			}
			if y, err = s.Sub("after").BatchNorm(y, c.Affine); err != nil {
				return nil, err
			}
			outs = append(outs, y)
		}
	}
	return outs, nil
}

// elementwise returns the results of Gorgonia's operations on rows of any numbers.
func elementwise(rows *gorgonia.Node) (outs gorgonia.Nodes, err error) {
	add := func(n *gorgonia.Node, e error) *gorgonia.Node {
		outs, err = append(outs, n), errors.Join(err, e)
		return n
	}
	two := gorgonia.NewConstant(float32(2))
	for _, f := range []func(*gorgonia.Node) (*gorgonia.Node, error){
		gorgonia.Tanh, gorgonia.Abs, gorgonia.Exp, gorgonia.Neg, gorgonia.Sigmoid, gorgonia.Softplus,
		gorgonia.Sin, gorgonia.Cos, gorgonia.Sign, gorgonia.Ceil, gorgonia.Floor,
	} {
		add(f(rows))
	}
	if err != nil {
		return nil, err
	}
	positive := outs[2]
	add(gorgonia.Sqrt(positive))
	add(gorgonia.Log(positive))
	add(gorgonia.Inverse(positive))
	add(gorgonia.Add(rows, positive))
	add(gorgonia.Sub(rows, two))
	add(gorgonia.Sub(two, rows))
	add(gorgonia.HadamardProd(rows, positive))
	add(gorgonia.HadamardDiv(rows, positive))
	add(gorgonia.Pow(positive, two))
	return outs, err
}
