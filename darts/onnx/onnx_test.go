package onnx_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/onnx"
	"unnas/ops"
	"unnas/pretext"
)

// message is a protocol buffer: for each field the numbers or bytes in order.
type message map[protowire.Number][]any

func parse(t *testing.T, b []byte) message {
	t.Helper()
	m := message{}
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		require.NoError(t, protowire.ParseError(n))
		b = b[n:]
		var v any
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			v, n = protowire.ConsumeFixed32(b)
		case protowire.BytesType:
			v, n = protowire.ConsumeBytes(b)
		default:
			t.Fatalf("field %d of type %d", number, kind)
		}
		require.NoError(t, protowire.ParseError(n))
		m[number] = append(m[number], v)
		b = b[n:]
	}
	return m
}

func (m message) texts(n protowire.Number) (list []string) {
	for _, v := range m[n] {
		list = append(list, string(v.([]byte)))
	}
	return list
}

func (m message) numbers(n protowire.Number) (list []int) {
	for _, v := range m[n] {
		list = append(list, int(v.(uint64)))
	}
	return list
}

func (m message) parts(t *testing.T, n protowire.Number) (list []message) {
	t.Helper()
	for _, v := range m[n] {
		list = append(list, parse(t, v.([]byte)))
	}
	return list
}

// file is a model that was read: node 1, initializer 5, input 11 and output 12 of
// its graph, field 7.
type file struct{ model, graph message }

func read(t *testing.T, b []byte) file {
	t.Helper()
	m := parse(t, b)
	return file{m, m.parts(t, 7)[0]}
}

// initializers returns the constants by name: their shapes and data.
func (f file) initializers(t *testing.T) (shapes map[string][]int, data map[string][]byte) {
	t.Helper()
	shapes, data = map[string][]int{}, map[string][]byte{}
	for _, c := range f.graph.parts(t, 5) {
		name := c.texts(8)[0]
		assert.NotContains(t, shapes, name)
		shapes[name], data[name] = c.numbers(1), c[9][0].([]byte)
		size := map[int]int{1: 4, 7: 8}[c.numbers(2)[0]]
		for _, d := range shapes[name] {
			size *= d
		}
		assert.Len(t, data[name], size, name)
	}
	return shapes, data
}

// declared returns the name and the dimensions, numbers or symbols, of an input or
// output.
func declared(t *testing.T, m message) (name string, dims []any) {
	t.Helper()
	of := m.parts(t, 2)[0].parts(t, 1)[0]
	assert.Equal(t, []int{1}, of.numbers(1), "float32")
	for _, d := range of.parts(t, 2)[0].parts(t, 1) {
		if n := d.numbers(1); len(n) > 0 {
			dims = append(dims, n[0])
		} else {
			dims = append(dims, d.texts(2)[0])
		}
	}
	return m.texts(1)[0], dims
}

// checked reads a model in which every value has one name and is there before it
// is read, and every constant is read.
func checked(t *testing.T, b []byte, input string) file {
	t.Helper()
	f := read(t, b)
	shapes, _ := f.initializers(t)
	defined, used := map[string]bool{input: true, "": true}, map[string]bool{}
	for name := range shapes {
		assert.False(t, defined[name], name)
		defined[name] = true
	}
	for _, node := range f.graph.parts(t, 1) {
		for _, in := range node.texts(1) {
			assert.True(t, defined[in], in)
			used[in] = true
		}
		for _, out := range node.texts(2) {
			assert.False(t, defined[out], out)
			defined[out] = true
		}
	}
	for name := range shapes {
		assert.True(t, used[name], name)
	}
	for _, o := range f.graph.parts(t, 12) {
		assert.True(t, defined[o.texts(1)[0]])
	}
	return f
}

// Models are sound, and have all parameters as published.
func TestStructure(t *testing.T) {
	for _, c := range tests(t) {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t, c.shape, c.build)
			f := checked(t, n.write(t), "images")
			shapes, data := f.initializers(t)
			for i, o := range f.graph.parts(t, 12) {
				name, dims := declared(t, o)
				assert.Equal(t, n.model.Outputs[i].Name, name)
				for j, d := range mappedShape(n.model.Outputs[i].Node.Shape())[1:] {
					assert.Equal(t, d, dims[1+j])
				}
			}
			p := n.model.Scope.Params()
			missing := 0
			for _, q := range p.List() {
				want := make([]float32, q.Shape.TotalSize())
				require.NoError(t, q.ToPyTorch(want, p.Data(q)))
				if shapes[q.Name] == nil {
					missing++
					continue
				}
				assert.Equal(t, q.PyTorchShape(), shapes[q.Name])
				assert.Equal(t, want, floats(data[q.Name]), q.Name)
			}
			assert.Equal(t, c.dead, missing > 0, "%d parameters are missing", missing)
		})
	}
}

func floats(b []byte) []float32 {
	vs := make([]float32, len(b)/4)
	for i := range vs {
		vs[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return vs
}

// No node of a model depends on the number of images of the graph, and neither do
// two writes of a model differ.
func TestNumberOfImages(t *testing.T) {
	for _, c := range tests(t)[2*len(cell.GenotypeNames()):] { // the others have no more operations
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t, c.shape, c.build)
			want := n.write(t)
			assert.True(t, bytes.Equal(want, n.write(t)))
			more := slices.Clone(c.shape)
			more[0] *= 3
			assert.True(t, bytes.Equal(want, newNetwork(t, more, c.build).write(t)))
		})
	}
}

// tiny is a network of few layers.
func tiny(s *ops.Scope, x *gorgonia.Node) (gorgonia.Nodes, error) {
	y, err := s.CIFARStem(x, 4)
	if err != nil {
		return nil, err
	}
	if y, err = s.Sub("cell").FactorizedReduce(y, 6, true); err != nil {
		return nil, err
	}
	return only(pretext.PooledHead(s, y, 2, 5))
}

// The bytes of a model stay what they are, on all machines.
func TestGolden(t *testing.T) {
	n := newNetwork(t, []int{2, 15, 13, 3}, tiny)
	n.model.Transform, n.model.Doc = view(), "A tiny network."
	n.model.Transform.Mean, n.model.Transform.Std = [3]float64{0.5, 0.25, 0.375}, [3]float64{0.2, 0.3, 0.4}
	// Exact numbers: those that are drawn may differ in the last bit elsewhere.
	p := n.model.Scope.Params()
	for i := range p.Weights() {
		p.Weights()[i] = float32(i)
	}
	for i := range p.Running() {
		p.Running()[i] = float32(i) / 2
	}
	b := n.write(t)
	assert.Equal(t, "0af33566dfb6a432f6621f25522116162cb7890b6342e55feea919167ba1b444", fmt.Sprintf("%x", sha256.Sum256(b)), "if the change is meant, run TestRuntime too")

	f := read(t, b)
	assert.Equal(t, []int{8}, f.model.numbers(1), "version of the format")
	assert.Equal(t, []int{17}, f.model.parts(t, 8)[0].numbers(2), "version of the operators")
	assert.Equal(t, "The input images is float32 [N, 3, 15, 13]: images, channels, rows, columns.\n"+
		"Its channels are red, green and blue, from 0 to 1, minus (0.5, 0.25, 0.375), divided by (0.2, 0.3, 0.4).\n"+
		"A tiny network.", f.model.texts(6)[0])
	metadata := map[string]string{}
	for _, e := range f.model.parts(t, 14) {
		metadata[e.texts(1)[0]] = e.texts(2)[0]
	}
	assert.Equal(t, map[string]string{
		"height": "15", "width": "13", "channels": "3", "classes": "5", "crop": "padded_crop",
		"mean": "0.5, 0.25, 0.375", "std": "0.2, 0.3, 0.4",
	}, metadata)
	name, dims := declared(t, f.graph.parts(t, 11)[0])
	assert.Equal(t, "images", name)
	assert.Equal(t, []any{"N", 3, 15, 13}, dims)
	name, dims = declared(t, f.graph.parts(t, 12)[0])
	assert.Equal(t, "output_0", name)
	assert.Equal(t, []any{"N/2", 5}, dims, "two images are joined")
}

// A network and a task make the model that their nodes would, for any number of
// inputs of the task.
func TestNewModel(t *testing.T) {
	genotype, _ := cell.GenotypeByName("unnas_imagenet_jig")
	net, task := cell.Network{Backbone: small(cell.CIFARStem), Genotype: genotype, Ops: ops.All()}, pretext.JigsawCIFAR10()
	n := newNetwork(t, []int{8, 12, 12, 3}, func(s *ops.Scope, x *gorgonia.Node) (gorgonia.Nodes, error) {
		y, err := net.Build(s, x, nil)
		if err != nil {
			return nil, err
		}
		return only(task.Head(s.Sub("classifier"), y.Out)) // the names of darts.Train, which were missed once
	})
	n.model.Outputs[0].Name = "logits"
	m, err := onnx.NewModel(&darts.Model{Architecture: net, Task: task, Params: n.model.Scope.Params()})
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, onnx.Write(&b, m))
	assert.True(t, bytes.Equal(n.write(t), b.Bytes()))

	_, err = onnx.NewModel(&darts.Model{Architecture: net, Task: task})
	assert.ErrorContains(t, err, "onnx: the model, or its Architecture, Task or Params, is nil")
	other := net
	other.Backbone.Width = 6
	_, err = onnx.NewModel(&darts.Model{Architecture: other, Task: task, Params: n.model.Scope.Params()})
	assert.ErrorContains(t, err, "onnx: ")
	assert.ErrorContains(t, err, "parameter stem.0.weight is a weight of shape (3, 3, 3, 12)")
	_, err = onnx.NewModel(&darts.Model{Architecture: cell.Network{}, Task: task, Params: ops.NewParams()})
	assert.ErrorContains(t, err, "onnx: cell: ")
	_, err = onnx.NewModel(&darts.Model{Architecture: net, Task: pretext.Jigsaw{}, Params: ops.NewParams()})
	assert.ErrorContains(t, err, "onnx: pretext: ")
}

// TestSave writes a model file with all that its users need.
func TestSave(t *testing.T) {
	genotype, _ := cell.GenotypeByName("darts_v2")
	m := &darts.Model{
		Architecture: cell.Network{Backbone: small(cell.CIFARStem), Genotype: genotype, Ops: ops.All()},
		Task:         pretext.Classification{Transform: pretext.CIFAR10Transform(), Classes: 3}, Classes: []string{"cat", "dog", "große Katze"},
	}
	var err error
	m.Params, err = darts.NewParams(m.Architecture, m.Task, 1)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "model.onnx")
	require.NoError(t, onnx.Save(path, m))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, want := range []string{`["cat","dog","große Katze"]`, "class_names", "mean", "0.4913", "std", "padded_crop"} {
		assert.Contains(t, string(text), want)
	}
	assert.ErrorContains(t, onnx.Save(filepath.Join(path, "x"), m), "onnx: "+path)
	assert.ErrorContains(t, onnx.Save(path, nil), "onnx: the model, or its Architecture")
}

// Values that would have the name of another one get one of their own.
func TestNamesThatClash(t *testing.T) {
	n := newNetwork(t, []int{2, 5, 4, 3}, func(s *ops.Scope, x *gorgonia.Node) (gorgonia.Nodes, error) {
		y, err := s.Conv(x, ops.ConvConfig{Out: 6, Window: ops.Square(1, 1, 0, 1), Bias: true})
		if err != nil {
			return nil, err
		}
		if y, err = s.BatchNorm(y, false); err != nil {
			return nil, err
		}
		z, err := ops.ReLU(y)
		return gorgonia.Nodes{y, z}, err
	})
	n.model.Outputs[0].Name, n.model.Outputs[1].Name = "Conv_0", "weight"
	f := checked(t, n.write(t), "images")
	shapes, _ := f.initializers(t)
	assert.Contains(t, shapes, "weight_")
	assert.Contains(t, shapes, "bias")
}

type identity struct{}

func (identity) Name() string { return "my identity" }

func (identity) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[:1], nil }

func (identity) Forward(_ *ops.Run, out, in []ops.Array) error {
	copy(out[0].Data, in[0].Data)
	return nil
}

// Everything that cannot be written is an error that says what and why.
func TestErrors(t *testing.T) {
	shape := []int{2, 15, 13, 3}
	of := func(build builder) onnx.Model { return newNetwork(t, shape, build).model }
	after := func(f func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error)) onnx.Model {
		return of(func(s *ops.Scope, x *gorgonia.Node) (gorgonia.Nodes, error) {
			y, err := s.CIFARStem(x, 4)
			if err != nil {
				return nil, err
			}
			if y, err = f(s, y); err != nil {
				return nil, err
			}
			return only(ops.ReLU(y))
		})
	}
	change := func(f func(m *onnx.Model)) onnx.Model {
		m := of(tiny)
		f(&m)
		return m
	}
	for name, c := range map[string]struct {
		m    onnx.Model
		want string
	}{
		"no scope":    {onnx.Model{}, "onnx: a model without Scope; give that in which the network was built"},
		"no input":    {change(func(m *onnx.Model) { m.Input = nil }), "Model.Input must be the node of the images"},
		"inner input": {change(func(m *onnx.Model) { m.Input = m.Outputs[0].Node }), "Model.Input must be the node of the images"},
		"no outputs":  {change(func(m *onnx.Model) { m.Outputs = nil }), "without Outputs"},
		"no name":     {change(func(m *onnx.Model) { m.Outputs[0].Name = "" }), `Outputs[0] is named ""`},
		"same name":   {change(func(m *onnx.Model) { m.Outputs = append(m.Outputs, m.Outputs[0]) }), `Outputs[1] is named "output_0"`},
		"name of x":   {change(func(m *onnx.Model) { m.Outputs[0].Name = "images" }), `Outputs[0] is named "images"`},
		"nil output":  {change(func(m *onnx.Model) { m.Outputs[0].Node = nil }), "output output_0 is no node of the graph of the input"},
		"other graph": {change(func(m *onnx.Model) { m.Outputs = of(tiny).Outputs }), "output output_0 is no node of the graph of the input"},
		"other scope": {change(func(m *onnx.Model) { m.Scope = of(tiny).Scope }), "parameter stem.0.weight is not of the scope"},
		"bad view":    {change(func(m *onnx.Model) { m.Transform.Crop = pretext.CropPadded }), "pretext: Transform.Height"},
		"other view":  {change(func(m *onnx.Model) { m.Transform = pretext.CIFAR10Transform() }), "input images has shape (2, 15, 13, 3), and the Transform has 32 by 32 pixels"},
		"own kernel": {after(func(_ *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			n, err := ops.Apply(identity{}, x)
			return n[0], err
		}), "the operation my identity has no counterpart"},
		"reshape": {after(func(_ *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.Reshape(x, x.Shape()) }), "has no counterpart"},
		"other input": {after(func(_ *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			return gorgonia.Add(x, gorgonia.NewTensor(x.Graph(), tensor.Float32, 4, gorgonia.WithShape(x.Shape()...), gorgonia.WithName("mask")))
		}), "node mask of shape (2, 15, 13, 4) is an input, and not that of the model"},
		"big constant": {after(func(_ *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			return gorgonia.Add(x, gorgonia.NewConstant(tensor.Ones(tensor.Float32, x.Shape()...)))
		}), "it has the shape (2, 15, 13, 4); a model holds parameters and single numbers"},
		"scalar": {of(func(s *ops.Scope, x *gorgonia.Node) (gorgonia.Nodes, error) { return only(gorgonia.Sum(x)) }), "output output_0 is a single number"},
		"supernet": {of(func(s *ops.Scope, x *gorgonia.Node) (gorgonia.Nodes, error) {
			net, err := cell.DARTS(cell.CIFARStem, 4, 3).Supernet(s, x)
			if err != nil {
				return nil, err
			}
			return gorgonia.Nodes{net.Out}, nil
		}), "14 15] has no counterpart; a model holds layers of package ops, in a network of cells that were chosen"},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			assert.ErrorContains(t, onnx.Write(&b, c.m), c.want)
			assert.Empty(t, b.Bytes())
		})
	}
	t.Run("no values", func(t *testing.T) {
		g := gorgonia.NewGraph()
		x, err := ops.Images(g, "images", 1, 2, 3, 4)
		require.NoError(t, err)
		m := onnx.Model{Scope: ops.NewScope(g, ops.NewParams()), Input: x, Outputs: []onnx.Output{{Name: "y", Node: x}}}
		assert.ErrorContains(t, onnx.Write(&bytes.Buffer{}, m), "the parameters have no values yet; call Params.Init")
	})
	t.Run("writer", func(t *testing.T) {
		full := errors.New("the disk is full")
		m := of(tiny)
		var b bytes.Buffer
		require.NoError(t, onnx.Write(&b, m))
		for room := 0; room < b.Len(); room += 97 {
			assert.ErrorIs(t, onnx.Write(&limited{room, full}, m), full)
		}
	})
}

// limited fails when so many bytes were written.
type limited struct {
	room int
	err  error
}

func (l *limited) Write(b []byte) (int, error) {
	if len(b) > l.room {
		return 0, l.err
	}
	l.room -= len(b)
	return len(b), nil
}
