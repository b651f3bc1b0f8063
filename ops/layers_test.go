package ops_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
	"pgregory.net/rapid"

	"unnas/ops"
	"unnas/ops/optest"
)

// array is an input of random numbers for package optest.
func array(shape ...int) ops.Array { return ops.Array{Shape: shape} }

// layer is a function of a single map.
type layer func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error)

func (l layer) build(s *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) { return l(s, in[0]) }

// TestLayers checks gradients, determinism, both modes and Gorgonia's own machine.
func TestLayers(t *testing.T) {
	window := ops.Window{Rows: 3, Columns: 2, StrideRows: 1, StrideColumns: 2, PadRows: 2, PadColumns: 1, DilationRows: 2, DilationColumns: 1}
	cases := []struct {
		name  string
		input ops.Array
		layer layer
	}{
		{"Conv", array(2, 6, 5, 3), func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			return s.Conv(x, ops.ConvConfig{Out: 5, Window: window})
		}},
		{"Conv with ReLU and bias", array(2, 6, 5, 3), func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			return s.Conv(x, ops.ConvConfig{Out: 9, Window: window, ReLU: true, Bias: true})
		}},
		{"BatchNorm of a map", array(2, 4, 3, 5), func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			return s.BatchNorm(x, false)
		}},
		{"BatchNorm of rows, affine", array(7, 5), func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			return s.BatchNorm(x, true)
		}},
		{"BatchNorm twice", array(3, 4, 2, 5), func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			y, err := s.Sub("a").BatchNorm(x, true)
			if err != nil {
				return nil, err
			}
			if y, err = ops.ReLU(y); err != nil {
				return nil, err
			}
			return s.Sub("b").BatchNorm(y, false)
		}},
		{"FactorizedReduce", array(2, 5, 8, 3), func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			return s.FactorizedReduce(x, 10, true)
		}},
		{"ReLUConvBN", array(2, 5, 4, 3), func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			return s.ReLUConvBN(x, 4, true)
		}},
		{"ConvBNReLU", array(2, 5, 4, 3), func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			return s.ConvBNReLU(x, 4, window, "0", "1")
		}},
		{"CIFARStem", array(2, 5, 6, 3), func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			return s.CIFARStem(x, 12)
		}},
		{"ImageNetStem", array(2, 18, 23, 3), func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			_, s1, err := s.ImageNetStem(x, 6)
			return s1, err
		}},
		{"Linear", array(6, 7), func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) { return s.Linear(x, 1, 4) }},
		{"Linear of joined rows", array(6, 7), func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) { return s.Linear(x, 3, 4) }},
		{"MaxPool2D", array(2, 7, 6, 3), func(_ *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) { return ops.MaxPool2D(x, 3, 2, 1) }},
		{"AvgPool2D", array(2, 7, 6, 3), func(_ *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) { return ops.AvgPool2D(x, 5, 3, 2) }},
		{"GlobalAvgPool", array(3, 4, 5, 6), func(_ *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) { return ops.GlobalAvgPool(x) }},
		{"GlobalAvgMap", array(3, 4, 5, 6), func(_ *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) { return ops.GlobalAvgMap(x) }},
		{"SqueezeExcite", array(3, 4, 5, 6), func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) { return s.SqueezeExcite(x, 2) }},
		{"ReLU", array(2, 3, 4, 5), func(_ *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) { return ops.ReLU(x) }},
		{"ReLU of rows", array(9, 5), func(_ *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) { return ops.ReLU(x) }},
		{"Zeros", array(2, 3, 4, 5), func(_ *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) { return ops.Zeros(x, 2) }},
		{"Channels", array(2, 3, 4, 7), func(_ *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) { return ops.Channels(x, 2, 3) }},
		{"Upsample", array(2, 3, 4, 5), func(_ *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) { return ops.Upsample(x, 7, 9) }},
		{"Upsample of one row", array(2, 1, 4, 5), func(_ *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) { return ops.Upsample(x, 3, 2) }},
		{"Softmax", array(4, 7), func(_ *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) { return ops.Softmax(x) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { optest.RunGraph(t, c.layer.build, c.input) })
	}
}

// TestJoins is TestLayers for what has several inputs.
func TestJoins(t *testing.T) {
	cases := []struct {
		name   string
		inputs []ops.Array
		build  func(s *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error)
	}{
		{"Sum", []ops.Array{array(2, 3, 4, 5), array(2, 3, 4, 5), array(2, 3, 4, 5)}, func(_ *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
			return ops.Sum(in...)
		}},
		{"Sum of one map twice", []ops.Array{array(2, 3, 4, 5), array(2, 3, 4, 5)}, func(_ *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
			return ops.Sum(in[0], in[1], in[0])
		}},
		{"Concat", []ops.Array{array(2, 3, 4, 5), array(2, 3, 4, 2), array(2, 3, 4, 9)}, func(_ *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
			return ops.Concat(in...)
		}},
		{"ScaleImages", []ops.Array{array(3, 4, 5, 2)}, func(s *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
			factors := gorgonia.NewTensor(s.Graph(), tensor.Float32, 1, gorgonia.WithShape(3), gorgonia.WithName("factors"))
			if err := ops.Bind(factors, []float32{1.25, -2, 0.5}); err != nil {
				return nil, err
			}
			return ops.ScaleImages(in[0], factors)
		}},
		{"Concat of rows", []ops.Array{array(6, 5), array(6, 2)}, func(_ *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
			return ops.Concat(in...)
		}},
		{"Mix", []ops.Array{array(2, 3), array(2, 3, 4, 5), array(2, 3, 4, 5)}, func(_ *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
			rest, err := ops.Channels(in[0], 0, 2) // all weights must matter: the second column twice
			if err != nil {
				return nil, err
			}
			y, err := ops.Mix(in[0], []int{5, 2, 5, 0}, in[1], in[2], in[2], in[1])
			if err != nil {
				return nil, err
			}
			z, err := ops.Mix(rest, []int{1, 2, 3}, in[1], in[2], in[1])
			if err != nil {
				return nil, err
			}
			return ops.Sum(y, z)
		}},
		{"mixed op", []ops.Array{array(1, 3), array(2, 6, 5, 4)}, func(s *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
			w, err := ops.Softmax(in[0])
			if err != nil {
				return nil, err
			}
			var terms []*gorgonia.Node
			for i, op := range []ops.Op{ops.SepConv(3), ops.None(), ops.Skip()} {
				y, err := op.Build(s.Sub(string(rune('a'+i))), in[1], ops.OpConfig{Stride: 2})
				if err != nil {
					return nil, err
				}
				terms = append(terms, y)
			}
			return ops.Mix(w, []int{0, 1, 2}, terms...)
		}},
		{"NormaliseEdges", []ops.Array{array(5, 3), array(5)}, func(_ *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
			return ops.NormaliseEdges(in[0], in[1], []int{2, 3})
		}},
		{"Interleave", []ops.Array{array(2, 3, 4, 2), array(2, 3, 4, 4)}, func(_ *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
			y, err := ops.Interleave(in[0], in[1])
			if err != nil {
				return nil, err
			}
			return ops.Sum(y, in[1]) // all channels must matter
		}},
		{"Dropout", []ops.Array{array(2, 3, 4, 5)}, func(s *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
			y, err := dropout(s, in[0], 0.4, 3, -7)
			if err != nil {
				return nil, err
			}
			return ops.Sum(y, in[0]) // all elements must matter
		}},
		{"losses", []ops.Array{array(5, 3), {Shape: tensor.Shape{5}, Labels: []int32{2, 0, -1, 1, 2}}, array(5, 3)}, func(_ *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
			a, err := ops.CrossEntropy(in[0], in[1], ops.LossConfig{IgnoreIndex: -1})
			if err != nil {
				return nil, err
			}
			b, err := ops.CrossEntropy(in[2], in[1], ops.LossConfig{IgnoreIndex: -1, Smoothing: 0.1})
			if err != nil {
				return nil, err
			}
			return ops.AddLosses(a.Value, b.Value, 0.4)
		}},
		{"PixelCrossEntropy", []ops.Array{array(2, 2, 3, 4), {Shape: tensor.Shape{2, 3, 5}, Labels: []int32{
			0, 1, 2, 3, 9, 9, 1, 1, 0, 0, 3, 3, 3, 2, 0, 0, 2, 2, 2, 1, 1, 1, 9, 9, 9, 0, 3, 1, 1, 2,
		}}}, func(_ *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
			l, err := ops.PixelCrossEntropy(in[0], in[1], ops.LossConfig{IgnoreIndex: 9})
			return l.Value, err
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { optest.RunGraph(t, c.build, c.inputs...) })
	}
}

func TestConvEqualsItsDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		draw := func(lo, hi int, name string) int { return rapid.IntRange(lo, hi).Draw(r, name) }
		w := ops.Window{
			Rows: draw(1, 4, "rows"), Columns: draw(1, 4, "columns"),
			StrideRows: draw(1, 3, "stride of rows"), StrideColumns: draw(1, 3, "stride of columns"),
			PadRows: draw(0, 3, "padding of rows"), PadColumns: draw(0, 3, "padding of columns"),
			DilationRows: draw(1, 2, "dilation of rows"), DilationColumns: draw(1, 2, "dilation of columns"),
		}
		h, wd := draw(1, 9, "height"), draw(1, 9, "width")
		if h+2*w.PadRows <= w.DilationRows*(w.Rows-1) || wd+2*w.PadColumns <= w.DilationColumns*(w.Columns-1) {
			r.Skip()
		}
		c := ops.ConvConfig{Out: draw(1, 17, "out"), Window: w, ReLU: rapid.Bool().Draw(r, "ReLU"), Bias: rapid.Bool().Draw(r, "bias")}
		n := newNet(t)
		x := n.maps("x", draw(1, 3, "images"), h, wd, draw(1, 17, "in"))
		y, err := n.Sub("c").Conv(x, c)
		require.NoError(r, err)
		n.init()
		n.run(y)
		in := plainOf(x)
		if c.ReLU {
			in = in.relu()
		}
		want := in.conv(w, n.param("c.weight"), c.Out)
		if c.Bias {
			want.each(func(_, _, _, o int, v *float64) { *v += float64(n.param("c.bias")[o]) })
		}
		require.Equal(r, tensor.Shape{want.n, want.h, want.w, want.c}, y.Shape())
		requireClose(r, want.v, value(y))
	})
}

func TestSeparableStageEqualsItsDefinition(t *testing.T) {
	for _, c := range []struct{ k, dilation, stride int }{{3, 2, 1}, {5, 2, 2}} {
		n := newNet(t)
		x := n.maps("x", 2, 7, 6, 5)
		y, err := ops.DilConv(c.k).Build(n.Sub("a"), x, ops.OpConfig{Stride: c.stride, Affine: true})
		require.NoError(t, err)
		n.init()
		n.run(y)
		depthwise := n.param("a.op.1.weight")
		full := make([]float32, c.k*c.k*5*5) // the same as a full convolution
		for i := range c.k * c.k {
			for ch := range 5 {
				full[(i*5+ch)*5+ch] = depthwise[i*5+ch]
			}
		}
		want := plainOf(x).relu().
			conv(ops.Square(c.k, c.stride, c.dilation*(c.k/2), c.dilation), full, 5).
			conv(ops.Square(1, 1, 0, 1), n.param("a.op.2.weight"), 5).
			trainedNorm(n.param("a.op.3.weight"), n.param("a.op.3.bias"))
		requireClose(t, want.v, value(y))
	}
}

func TestFactorizedReduceEqualsItsDefinition(t *testing.T) {
	for _, size := range [][2]int{{5, 8}, {4, 3}} {
		n := newNet(t)
		x := n.maps("x", 2, size[0], size[1], 3)
		y, err := n.Sub("r").FactorizedReduce(x, 10, false)
		require.NoError(t, err)
		n.init()
		n.run(y)
		in := plainOf(x).relu()
		shifted := newPlain(in.n, in.h, in.w, in.c)
		shifted.each(func(i, y, x, c int, v *float64) {
			if from := in.at(i, y+1, x+1, c); from != nil {
				*v = *from
			}
		})
		w := ops.Square(1, 2, 0, 1)
		first, second := in.conv(w, n.param("r.conv_1.weight"), 5), shifted.conv(w, n.param("r.conv_2.weight"), 5)
		want := newPlain(first.n, first.h, first.w, 10)
		want.each(func(i, y, x, c int, v *float64) {
			if c < 5 {
				*v = *first.at(i, y, x, c)
			} else {
				*v = *second.at(i, y, x, c-5)
			}
		})
		requireClose(t, want.trainedNorm(nil, nil).v, value(y))
	}
}

func TestLinearJoinsRows(t *testing.T) {
	n := newNet(t)
	x := n.maps("x", 6, 4)
	y, err := n.Sub("l").Linear(x, 3, 5)
	require.NoError(t, err)
	require.Equal(t, tensor.Shape{2, 5}, y.Shape())
	n.init()
	n.run(y)
	w, b := n.param("l.weight"), n.param("l.bias")
	want := make([]float64, 10)
	for i := range want {
		row, o := i/5, i%5
		want[i] = float64(b[o])
		for j := range 12 {
			want[i] += float64(value(x)[row*12+j]) * float64(w[j*5+o])
		}
	}
	requireClose(t, want, value(y))
}

func TestStems(t *testing.T) {
	n := newNet(t)
	x := n.maps("x", 2, 17, 22, 3)
	y, err := n.CIFARStem(x, 6)
	require.NoError(t, err)
	assert.Equal(t, tensor.Shape{2, 17, 22, 6}, y.Shape())
	s0, s1, err := n.ImageNetStem(x, 8)
	require.NoError(t, err)
	assert.Equal(t, tensor.Shape{2, 5, 6, 8}, s0.Shape())
	assert.Equal(t, tensor.Shape{2, 3, 3, 8}, s1.Shape())
	n.init()
	n.run(y, s0, s1)
	want := plainOf(x).conv(ops.Square(3, 1, 1, 1), n.param("stem.0.weight"), 6).trainedNorm(n.param("stem.1.weight"), n.param("stem.1.bias"))
	requireClose(t, want.v, value(y))
	w := ops.Square(3, 2, 1, 1)
	want = plainOf(x).conv(w, n.param("stem0.0.weight"), 4).trainedNorm(n.param("stem0.1.weight"), n.param("stem0.1.bias")).
		relu().conv(w, n.param("stem0.3.weight"), 8).trainedNorm(n.param("stem0.4.weight"), n.param("stem0.4.bias"))
	requireClose(t, want.v, value(s0))
	want = want.relu().conv(w, n.param("stem1.1.weight"), 8).trainedNorm(n.param("stem1.2.weight"), n.param("stem1.2.bias"))
	requireClose(t, want.v, value(s1))
}
