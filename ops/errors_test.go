package ops_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// TestBadInput builds what cannot be built. No message may lack the value, and
// nothing may panic.
func TestBadInput(t *testing.T) {
	n := newNet(t)
	x := n.maps("x", 2, 5, 4, 3)
	rows := n.maps("rows", 6, 7)
	vector := n.maps("vector", 6)
	labels := n.labels("labels", make([]int32, 6), 6)
	pixels := n.labels("pixels", make([]int32, 2*9*8), 2, 9, 8)
	double := gorgonia.NewTensor(n.Graph(), tensor.Float64, 4, gorgonia.WithShape(2, 5, 4, 3), gorgonia.WithName("double"))
	whole := gorgonia.NewTensor(n.Graph(), tensor.Int32, 4, gorgonia.WithShape(2, 5, 4, 3), gorgonia.WithName("whole"))
	point := ops.Square(1, 1, 0, 1)
	one := func(y *gorgonia.Node, err error) error { return err }
	cases := []struct {
		name, want string
		build      func(s *ops.Scope) error
	}{
		{"images", "images \"i\": shape (1, 0, 3, 4)", func(s *ops.Scope) error { return one(ops.Images(s.Graph(), "i", 1, 0, 3, 4)) }},
		{"labels", "shape (-1)", func(s *ops.Scope) error { return one(ops.Labels(s.Graph(), "i", -1)) }},
		{"images of a name that is taken", `already has a node named "x"`, func(s *ops.Scope) error { return one(ops.Images(s.Graph(), "x", 2, 5, 4, 3)) }},
		{"labels of a name that is taken", `already has a node named "labels"`, func(s *ops.Scope) error { return one(ops.Labels(s.Graph(), "labels", 6)) }},
		{"labels without shape", "without a shape", func(s *ops.Scope) error { return one(ops.Labels(s.Graph(), "i")) }},

		{"Conv of nothing", "nil node", func(s *ops.Scope) error { return one(s.Conv(nil, ops.ConvConfig{Out: 2, Window: point})) }},
		{"Conv of rows", "shape (6, 7); want a feature map [N, H, W, C]", func(s *ops.Scope) error { return one(s.Conv(rows, ops.ConvConfig{Out: 2, Window: point})) }},
		{"Conv of float64", "type float64; convert it to float32", func(s *ops.Scope) error { return one(s.Conv(double, ops.ConvConfig{Out: 2, Window: point})) }},
		{"Conv of labels", "type int32; convert it to float32", func(s *ops.Scope) error { return one(s.Conv(whole, ops.ConvConfig{Out: 2, Window: point})) }},
		{"Conv to no channels", "0 output channels", func(s *ops.Scope) error { return one(s.Conv(x, ops.ConvConfig{Window: point})) }},
		{"Conv without window", "must be positive", func(s *ops.Scope) error { return one(s.Conv(x, ops.ConvConfig{Out: 2})) }},
		{"Conv with negative padding", "pad=-1", func(s *ops.Scope) error {
			return one(s.Conv(x, ops.ConvConfig{Out: 2, Window: ops.Square(3, 1, -1, 1)}))
		}},
		{"Conv of a small map", "a map of 5×4 pixels is smaller than the window", func(s *ops.Scope) error {
			return one(s.Conv(x, ops.ConvConfig{Out: 2, Window: ops.Square(3, 1, 0, 2)}))
		}},
		{"FactorizedReduce to an odd number", "to 5 channels; want an even positive number", func(s *ops.Scope) error { return one(s.FactorizedReduce(x, 5, true)) }},
		{"FactorizedReduce to none", "to 0 channels", func(s *ops.Scope) error { return one(s.FactorizedReduce(x, 0, true)) }},
		{"FactorizedReduce of rows", "shape (6, 7)", func(s *ops.Scope) error { return one(s.FactorizedReduce(rows, 4, true)) }},
		{"BatchNorm of nothing", "nil node", func(s *ops.Scope) error { return one(s.BatchNorm(nil, true)) }},
		{"BatchNorm of a vector", "shape (6); want at least [N, C]", func(s *ops.Scope) error { return one(s.BatchNorm(vector, true)) }},
		{"BatchNorm without epsilon", "Epsilon is 0", func(s *ops.Scope) error {
			s.SetNorm(ops.Norm{Momentum: 0.1})
			return one(s.BatchNorm(x, true))
		}},
		{"BatchNorm with momentum", "Momentum is 1.5", func(s *ops.Scope) error {
			s.SetNorm(ops.Norm{Epsilon: 1e-5, Momentum: 1.5})
			return one(s.BatchNorm(x, true))
		}},
		{"ReLUConvBN to fewer than no channels", "-3 output channels", func(s *ops.Scope) error { return one(s.ReLUConvBN(x, -3, true)) }},
		{"ConvBNReLU to no channels", "0 output channels", func(s *ops.Scope) error { return one(s.ConvBNReLU(x, 0, point, "a", "b")) }},
		{"CIFARStem", "0 output channels", func(s *ops.Scope) error { return one(s.CIFARStem(x, 0)) }},
		{"ImageNetStem", "width 7", func(s *ops.Scope) error { _, _, err := s.ImageNetStem(x, 7); return err }},
		{"Linear of nothing", "nil node", func(s *ops.Scope) error { return one(s.Linear(nil, 1, 2)) }},
		{"Linear of a map", "shape (2, 5, 4, 3)", func(s *ops.Scope) error { return one(s.Linear(x, 1, 2)) }},
		{"Linear of rows that do not join", "(6, 7), 4 joined", func(s *ops.Scope) error { return one(s.Linear(rows, 4, 2)) }},
		{"Linear of no rows", "0 joined", func(s *ops.Scope) error { return one(s.Linear(rows, 0, 2)) }},
		{"Linear to nothing", "linear layer of 0 outputs", func(s *ops.Scope) error { return one(s.Linear(rows, 1, 0)) }},

		{"MaxPool2D of rows", "shape (6, 7)", func(*ops.Scope) error { return one(ops.MaxPool2D(rows, 3, 1, 1)) }},
		{"MaxPool2D of nothing", "nil node", func(*ops.Scope) error { return one(ops.MaxPool2D(nil, 3, 1, 1)) }},
		{"MaxPool2D of padding alone", "padding 2 is more than half of the window 3", func(*ops.Scope) error { return one(ops.MaxPool2D(x, 3, 1, 2)) }},
		{"AvgPool2D without stride", "must be positive", func(*ops.Scope) error { return one(ops.AvgPool2D(x, 3, 0, 1)) }},
		{"AvgPool2D of a small map", "smaller than the window", func(*ops.Scope) error { return one(ops.AvgPool2D(x, 5, 1, 0)) }},
		{"GlobalAvgPool of rows", "shape (6, 7)", func(*ops.Scope) error { return one(ops.GlobalAvgPool(rows)) }},
		{"GlobalAvgMap of nothing", "nil node", func(*ops.Scope) error { return one(ops.GlobalAvgMap(nil)) }},
		{"Upsample to nothing", "Upsample{0×4}", func(*ops.Scope) error { return one(ops.Upsample(x, 0, 4)) }},
		{"Upsample of rows", "shape (6, 7)", func(*ops.Scope) error { return one(ops.Upsample(rows, 3, 4)) }},
		{"ReLU of float64", "float64", func(*ops.Scope) error { return one(ops.ReLU(double)) }},
		{"ReLU of nothing", "nil node", func(*ops.Scope) error { return one(ops.ReLU(nil)) }},
		{"Zeros without stride", "stride 0", func(*ops.Scope) error { return one(ops.Zeros(x, 0)) }},
		{"Zeros of rows", "shape (6, 7)", func(*ops.Scope) error { return one(ops.Zeros(rows, 1)) }},
		{"Sum of nothing", "at least one", func(*ops.Scope) error { return one(ops.Sum()) }},
		{"Sum of unlike maps", "(2, 5, 4, 3) and (6, 7)", func(*ops.Scope) error { return one(ops.Sum(x, rows)) }},
		{"Sum of a missing map", "nil node", func(*ops.Scope) error { return one(ops.Sum(x, nil)) }},
		{"Concat of nothing", "at least one", func(*ops.Scope) error { return one(ops.Concat()) }},
		{"Concat of one missing map", "nil node", func(*ops.Scope) error { return one(ops.Concat(nil)) }},
		{"Concat of a missing map", "nil node", func(*ops.Scope) error { return one(ops.Concat(x, nil)) }},
		{"Concat of unlike maps", "(2, 5, 4, 3) and (6, 7)", func(*ops.Scope) error { return one(ops.Concat(x, rows)) }},
		{"Concat of vectors", "no channels", func(*ops.Scope) error { return one(ops.Concat(vector, vector)) }},
		{"Channels of nothing", "nil node", func(*ops.Scope) error { return one(ops.Channels(nil, 0, 1)) }},
		{"Channels of a vector", "shape (6)", func(*ops.Scope) error { return one(ops.Channels(vector, 0, 1)) }},
		{"Channels beyond", "[2, 4) of a map with 3", func(*ops.Scope) error { return one(ops.Channels(x, 2, 2)) }},
		{"Channels before", "[-1, 1)", func(*ops.Scope) error { return one(ops.Channels(x, -1, 2)) }},
		{"Channels far beyond", "of a map with 3", func(*ops.Scope) error { return one(ops.Channels(x, 1, math.MaxInt)) }},
		{"Softmax of a map", "want [rows, choices]", func(*ops.Scope) error { return one(ops.Softmax(x)) }},
		{"GumbelSoftmax of a map", "want [rows, choices]", func(*ops.Scope) error { return one(ops.GumbelSoftmax(x, x, vector)) }},
		{"GumbelSoftmax with other noise", "shape (6, 7) and noise of (6)", func(*ops.Scope) error { return one(ops.GumbelSoftmax(rows, vector, vector)) }},
		{"GumbelSoftmax with many temperatures", "a temperature of shape (6)", func(*ops.Scope) error { return one(ops.GumbelSoftmax(rows, rows, vector)) }},
		{"Dirichlet of a map", "want [rows, choices]", func(*ops.Scope) error { return one(ops.Dirichlet(x, x)) }},
		{"Dirichlet with other noise", "shape (6, 7) and noise of (6)", func(*ops.Scope) error { return one(ops.Dirichlet(rows, vector)) }},
		{"Mix without weights", "nil node", func(*ops.Scope) error { return one(ops.Mix(nil, []int{0}, x)) }},
		{"Mix of nothing", "at least one", func(*ops.Scope) error { return one(ops.Mix(rows, nil)) }},
		{"Mix of too few weights", "2 maps with 1 weights", func(*ops.Scope) error { return one(ops.Mix(rows, []int{0}, x, x)) }},
		{"Mix with a weight beyond", "weight index 42, want 0 to below 42", func(*ops.Scope) error { return one(ops.Mix(rows, []int{42}, x)) }},
		{"Mix of unlike maps", "(2, 5, 4, 3) and (6, 7)", func(*ops.Scope) error { return one(ops.Mix(rows, []int{0, 1}, x, rows)) }},

		{"CrossEntropy without logits", "nil node", func(*ops.Scope) error {
			_, err := ops.CrossEntropy(nil, labels, ops.LossConfig{IgnoreIndex: -1})
			return err
		}},
		{"CrossEntropy of float64", "float64", func(*ops.Scope) error {
			_, err := ops.CrossEntropy(double, labels, ops.LossConfig{IgnoreIndex: -1})
			return err
		}},
		{"CrossEntropy of unlike lengths", "want [N, K] and [N]", func(*ops.Scope) error {
			_, err := ops.CrossEntropy(x, labels, ops.LossConfig{IgnoreIndex: -1})
			return err
		}},
		{"CrossEntropy of float labels", "want int32, as ops.Labels", func(*ops.Scope) error {
			_, err := ops.CrossEntropy(rows, vector, ops.LossConfig{IgnoreIndex: -1})
			return err
		}},
		{"CrossEntropy that ignores a class", "CrossEntropy{ignore=0 smoothing=0}: IgnoreIndex 0 is one of 7 classes", func(*ops.Scope) error { _, err := ops.CrossEntropy(rows, labels, ops.LossConfig{}); return err }},
		{"CrossEntropy with smoothing", "label smoothing 1;", func(*ops.Scope) error {
			_, err := ops.CrossEntropy(rows, labels, ops.LossConfig{IgnoreIndex: -1, Smoothing: 1})
			return err
		}},
		{"CrossEntropy with smoothing that is no number", "label smoothing NaN;", func(*ops.Scope) error {
			_, err := ops.CrossEntropy(rows, labels, ops.LossConfig{IgnoreIndex: -1, Smoothing: math.NaN()})
			return err
		}},
		{"CrossEntropy of one class with smoothing", "with 1 class", func(s *ops.Scope) error {
			y, err := ops.Channels(rows, 0, 1)
			if err != nil {
				return err
			}
			_, err = ops.CrossEntropy(y, labels, ops.LossConfig{IgnoreIndex: -1, Smoothing: 0.1})
			return err
		}},
		{"PixelCrossEntropy with smoothing", "label smoothing 0.1", func(*ops.Scope) error {
			_, err := ops.PixelCrossEntropy(x, pixels, ops.LossConfig{IgnoreIndex: -1, Smoothing: 0.1})
			return err
		}},
		{"PixelCrossEntropy of rows", "want [N, h, w, K] and [N, H, W]", func(*ops.Scope) error {
			_, err := ops.PixelCrossEntropy(rows, pixels, ops.LossConfig{IgnoreIndex: -1})
			return err
		}},
		{"AddLosses of maps", "want two scalars", func(*ops.Scope) error { return one(ops.AddLosses(x, x, 1)) }},
		{"AddLosses of nothing", "nil node", func(*ops.Scope) error { return one(ops.AddLosses(nil, nil, 1)) }},

		{"NormaliseEdges of a map", "weights of shape (2, 5, 4, 3) and betas of (6)", func(*ops.Scope) error { return one(ops.NormaliseEdges(x, vector, []int{6})) }},
		{"NormaliseEdges of too few", "nodes with [2 3] edges, but weights for 6", func(*ops.Scope) error { return one(ops.NormaliseEdges(rows, vector, []int{2, 3})) }},
		{"NormaliseEdges of a node without", "nodes with [6 0] edges; want at least one each", func(*ops.Scope) error { return one(ops.NormaliseEdges(rows, vector, []int{6, 0})) }},
		{"NormaliseEdges of nothing", "nil node", func(*ops.Scope) error { return one(ops.NormaliseEdges(rows, nil, []int{6})) }},
		{"Interleave of rows", "shape (6, 7); want a feature map", func(*ops.Scope) error { return one(ops.Interleave(x, rows)) }},
		{"Interleave of other maps", "shapes (6, 7) and (2, 5, 4, 3)", func(*ops.Scope) error { return one(ops.Interleave(rows, x)) }},
		{"Interleave of uneven parts", "a multiple of the first", func(*ops.Scope) error { return one(ops.Interleave(n.maps("two", 2, 5, 4, 2), x)) }},
		{"BatchNorm of no channels", "shape (2, 0); every dimension must be positive", func(s *ops.Scope) error {
			return one(s.BatchNorm(gorgonia.NewMatrix(s.Graph(), tensor.Float32, gorgonia.WithShape(2, 0), gorgonia.WithName("empty")), true))
		}},
		{"SqueezeExcite to nothing", "fc1: a reduction by 0; want 1 or more", func(s *ops.Scope) error { return one(s.SqueezeExcite(x, 0)) }},
		{"SqueezeExcite of rows", "shape (6, 7); want a feature map", func(s *ops.Scope) error { return one(s.SqueezeExcite(rows, 2)) }},
		{"Dropout of rows", "shape (6, 7); want a feature map", func(s *ops.Scope) error { return one(s.Dropout(rows, vector, labels)) }},
		{"Dropout of nothing", "nil node", func(s *ops.Scope) error { return one(s.Dropout(nil, vector, labels)) }},
		{"Dropout with many rates", "a rate of shape (6) and a key of (6)", func(s *ops.Scope) error { return one(s.Dropout(x, vector, labels)) }},
		{"Dropout with a key of floats", "the key is not a node of type int32", func(s *ops.Scope) error { return one(s.Dropout(x, vector, vector)) }},

		{"parameter without initialiser", "no initialiser", func(s *ops.Scope) error { return one(s.Param("p", ops.Vector, tensor.Shape{2}, nil)) }},
		{"parameter without elements", "every dimension must be positive", func(s *ops.Scope) error { return one(s.Param("p", ops.Vector, tensor.Shape{2, 0}, ops.Constant(0))) }},
		{"convolution weight of two dimensions", "shape (2, 3) is not that of a convolution weight", func(s *ops.Scope) error {
			return one(s.Param("p", ops.ConvWeight, tensor.Shape{2, 3}, ops.Constant(0)))
		}},
		{"linear weight of one dimension", "is not that of a linear weight", func(s *ops.Scope) error {
			return one(s.Param("p", ops.LinearWeight, tensor.Shape{2}, ops.Constant(0)))
		}},
		{"parameter of unknown kind", "Kind(9)", func(s *ops.Scope) error { return one(s.Param("p", 9, tensor.Shape{2}, ops.Constant(0))) }},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := c.build(n.Sub(string(rune('a'+i%26)) + string(rune('a'+i/26))))
			n.SetNorm(ops.DefaultNorm())
			require.Error(t, err)
			assert.Regexp(t, "^ops: ", err.Error())
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestCandidatesOnBadInput(t *testing.T) {
	bad := ops.Set{
		ops.MaxPool(0), ops.MaxPool(4), ops.AvgPool(-3), ops.SepConv(2), ops.DilConv(4), ops.DilSepConv(0), ops.ReLUConv(2), ops.FactorizedConv(6),
	}
	for _, op := range bad {
		n := newNet(t)
		_, err := op.Build(n.Scope, n.maps("x", 2, 5, 4, 3), ops.OpConfig{Stride: 1})
		assert.ErrorContains(t, err, "want an odd size", op.Name())
		assert.ErrorContains(t, err, op.Name())
	}
	for _, op := range ops.All() {
		n := newNet(t)
		for _, stride := range []int{0, 3, -1} {
			_, err := op.Build(n.Sub("a"), n.maps("x", 2, 5, 4, 3), ops.OpConfig{Stride: stride})
			assert.ErrorContains(t, err, "stride", op.Name())
		}
		_, err := op.Build(n.Sub("b"), nil, ops.OpConfig{Stride: 1})
		assert.ErrorContains(t, err, op.Name()+": the input is a nil node")
		_, err = op.Build(n.Sub("c"), n.maps("rows", 6, 7), ops.OpConfig{Stride: 2})
		assert.ErrorContains(t, err, op.Name()+": the input has shape (6, 7)")
		_, err = op.Build(n.Sub("d"), n.labels("labels", make([]int32, 120), 2, 5, 4, 3), ops.OpConfig{Stride: 1})
		assert.ErrorContains(t, err, "int32", op.Name())
	}
	n := newNet(t)
	_, err := ops.Skip().Build(n.Scope, n.maps("x", 2, 5, 4, 3), ops.OpConfig{Stride: 2})
	assert.ErrorContains(t, err, "to 3 channels; want an even positive number")
}

func TestNamesAreTakenOnce(t *testing.T) {
	n := newNet(t)
	x := n.maps("x", 2, 5, 4, 3)
	s := n.Sub("layer")
	_, err := s.BatchNorm(x, false)
	require.NoError(t, err)
	_, err = s.BatchNorm(x, false)
	assert.ErrorContains(t, err, `batch normalisation "layer" is declared twice`)
	_, err = n.Sub("layer").Linear(n.maps("rows", 6, 7), 1, 2)
	require.NoError(t, err)
	_, err = n.Sub("layer").Linear(n.maps("rows", 6, 7), 1, 2)
	assert.ErrorContains(t, err, `parameter "layer.weight" is declared twice`)
}

// TestOtherNetworksMustAgree is about networks that share parameters.
func TestOtherNetworksMustAgree(t *testing.T) {
	first := newNet(t)
	_, err := first.Sub("l").Linear(first.maps("rows", 6, 7), 1, 2)
	require.NoError(t, err)
	_, err = first.Sub("bn").BatchNorm(first.maps("x", 2, 5, 4, 3), false)
	require.NoError(t, err)
	another := func() net { return net{ops.NewScope(gorgonia.NewGraph(), first.Params()), t} }
	n := another()
	_, err = n.Sub("l").Linear(n.maps("rows", 6, 8), 1, 2)
	assert.ErrorContains(t, err, "l.weight is a weight of shape (7, 2) (linear weight) and is declared again as a weight of shape (8, 2)")
	n = another()
	_, err = n.Sub("l").Alpha("weight", tensor.Shape{7, 2}, ops.Constant(0))
	assert.ErrorContains(t, err, "as an architecture parameter of shape (7, 2) (vector)")
	n = another()
	_, err = n.Sub("bn").BatchNorm(n.maps("x", 2, 5, 4, 4), false)
	assert.ErrorContains(t, err, "bn has 3 channels and is declared again with 4")

	require.NoError(t, first.Params().Init(1))
	n = another()
	_, err = n.Sub("m").Linear(n.maps("rows", 6, 7), 1, 2)
	assert.ErrorContains(t, err, "m.weight is declared after Init")
	_, err = n.Sub("m").BatchNorm(n.maps("x", 2, 5, 4, 4), false)
	assert.ErrorContains(t, err, "m is declared after Init")
}
