package ops_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// TestAgainstGorgonia compares results and gradients with Gorgonia's operations
// in float64, those of them that are known to be right.
func TestAgainstGorgonia(t *testing.T) {
	cases := []struct {
		name   string
		shapes []tensor.Shape // [N, H, W, C]; a weight is [rows, columns, in, out]
		ours   func(in gorgonia.Nodes) (*gorgonia.Node, error)
		stock  func(in gorgonia.Nodes) (*gorgonia.Node, error)
	}{
		{"max pooling", []tensor.Shape{{2, 6, 5, 3}},
			func(in gorgonia.Nodes) (*gorgonia.Node, error) { return ops.MaxPool2D(in[0], 3, 1, 1) },
			func(in gorgonia.Nodes) (*gorgonia.Node, error) {
				return gorgonia.MaxPool2D(in[0], tensor.Shape{3, 3}, []int{1, 1}, []int{1, 1})
			}},
		{"max pooling with stride", []tensor.Shape{{2, 7, 4, 3}},
			func(in gorgonia.Nodes) (*gorgonia.Node, error) { return ops.MaxPool2D(in[0], 3, 2, 1) },
			func(in gorgonia.Nodes) (*gorgonia.Node, error) {
				return gorgonia.MaxPool2D(in[0], tensor.Shape{3, 3}, []int{1, 1}, []int{2, 2})
			}},
		{"ReLU", []tensor.Shape{{2, 3, 4, 5}},
			func(in gorgonia.Nodes) (*gorgonia.Node, error) { return ops.ReLU(in[0]) },
			func(in gorgonia.Nodes) (*gorgonia.Node, error) { return gorgonia.Rectify(in[0]) }},
		{"sum", []tensor.Shape{{2, 3, 4, 5}, {2, 3, 4, 5}, {2, 3, 4, 5}},
			func(in gorgonia.Nodes) (*gorgonia.Node, error) { return ops.Sum(in...) },
			func(in gorgonia.Nodes) (*gorgonia.Node, error) { return gorgonia.ReduceAdd(in) }},
		{"concatenation", []tensor.Shape{{2, 3, 4, 5}, {2, 3, 4, 1}, {2, 3, 4, 2}},
			func(in gorgonia.Nodes) (*gorgonia.Node, error) { return ops.Concat(in...) },
			func(in gorgonia.Nodes) (*gorgonia.Node, error) { return gorgonia.Concat(1, in...) }},
		{"channels", []tensor.Shape{{2, 3, 4, 5}},
			func(in gorgonia.Nodes) (*gorgonia.Node, error) { return ops.Channels(in[0], 1, 3) },
			func(in gorgonia.Nodes) (*gorgonia.Node, error) {
				return gorgonia.Slice(in[0], nil, gorgonia.S(1, 4))
			}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := newNet(t)
			var ours gorgonia.Nodes
			g := gorgonia.NewGraph()
			var stock gorgonia.Nodes
			for i, s := range c.shapes {
				name := string(rune('a' + i))
				x := n.maps(name, s...)
				ours = append(ours, x)
				z := gorgonia.NewTensor(g, tensor.Float64, 4, gorgonia.WithShape(s[0], s[3], s[1], s[2]), gorgonia.WithName(name))
				require.NoError(t, gorgonia.Let(z, tensor.New(tensor.WithShape(z.Shape()...), tensor.WithBacking(plainOf(x).nchw()))))
				stock = append(stock, z)
			}
			y, err := c.ours(ours)
			require.NoError(t, err)
			z, err := c.stock(stock)
			require.NoError(t, err)
			s := y.Shape()
			require.Equal(t, tensor.Shape{s[0], s[3], s[1], s[2]}, z.Shape())
			// Gradients of Σ y·r.
			r := n.maps("r", s...)
			loss, err := ops.Apply(product{}, y, r)
			require.NoError(t, err)
			_, err = gorgonia.Grad(loss[0], ours...)
			require.NoError(t, err)
			want := gorgonia.Nodes{y, loss[0]}
			for _, x := range ours {
				want = append(want, x.Deriv())
			}
			n.run(want...)

			q := gorgonia.NewTensor(g, tensor.Float64, 4, gorgonia.WithShape(z.Shape()...), gorgonia.WithName("r"))
			require.NoError(t, gorgonia.Let(q, tensor.New(tensor.WithShape(z.Shape()...), tensor.WithBacking(plainOf(r).nchw()))))
			weighted := gorgonia.Must(gorgonia.HadamardProd(z, q))
			sum := gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.Reshape(weighted, tensor.Shape{s.TotalSize()}))))
			_, err = gorgonia.Grad(sum, stock...)
			require.NoError(t, err)
			m := gorgonia.NewTapeMachine(g)
			defer m.Close()
			require.NoError(t, m.RunAll())

			requireClose(t, z.Value().Data().([]float64), nchw32(y))
			for i := range ours {
				requireClose(t, stock[i].Deriv().Value().Data().([]float64), nchw32(ours[i].Deriv()))
			}
		})
	}
}

// product is Σ a·b.
type product struct{}

func (product) Name() string { return "product" }

func (product) Shapes([]tensor.Shape) ([]tensor.Shape, error) { return []tensor.Shape{{}}, nil }

func (product) Forward(_ *ops.Run, out, in []ops.Array) error {
	var sum float64
	for i, v := range in[0].Data {
		sum += float64(v) * float64(in[1].Data[i])
	}
	out[0].Data[0] = float32(sum)
	return nil
}

func (product) Backward(_ *ops.Run, grads []ops.Array, gy ops.Array, in, _ []ops.Array) error {
	for k, grad := range grads {
		for i := range grad.Data {
			grad.Data[i] = gy.Data[0] * in[1-k].Data[i]
		}
	}
	return nil
}

// nchw returns the elements with the channels second.
func (m plain) nchw() []float64 {
	out := make([]float64, len(m.v))
	m.each(func(n, y, x, c int, v *float64) { out[((n*m.c+c)*m.h+y)*m.w+x] = *v })
	return out
}

func nchw32(x *gorgonia.Node) []float32 {
	v := plainOf(x).nchw()
	out := make([]float32, len(v))
	for i := range v {
		out[i] = float32(v[i])
	}
	return out
}

func TestSoftmaxAgainstGorgonia(t *testing.T) {
	n := newNet(t)
	x := n.maps("x", 3, 7)
	y, err := ops.Softmax(x)
	require.NoError(t, err)
	z, err := gorgonia.SoftMax(n.maps("z", 3, 7))
	require.NoError(t, err)
	require.NoError(t, gorgonia.Let(n.Graph().AllNodes()[3], x.Value()))
	n.run(y, z)
	requireClose(t, float64s(value(z)), value(y))
}

func TestAvgPoolDoesNotCountPadding(t *testing.T) {
	for _, c := range []struct{ k, stride, pad int }{{2, 2, 0}, {3, 1, 1}, {5, 2, 2}, {5, 3, 0}} {
		n := newNet(t)
		x := n.maps("x", 2, 8, 7, 3)
		y, err := ops.AvgPool2D(x, c.k, c.stride, c.pad)
		require.NoError(t, err)
		n.run(y)
		in := plainOf(x)
		want := newPlain(2, (8+2*c.pad-c.k)/c.stride+1, (7+2*c.pad-c.k)/c.stride+1, 3)
		want.each(func(n, i, j, ch int, v *float64) {
			count := 0.0
			for r := range c.k {
				for q := range c.k {
					if p := in.at(n, i*c.stride-c.pad+r, j*c.stride-c.pad+q, ch); p != nil {
						*v += *p
						count++
					}
				}
			}
			*v /= count
		})
		require.Equal(t, tensor.Shape{want.n, want.h, want.w, want.c}, y.Shape())
		requireClose(t, want.v, value(y))
	}
}

func TestMaxPoolingTakesTheFirstOfEqualValues(t *testing.T) {
	n := newNet(t)
	x := n.values("x", make([]float32, 16), 1, 4, 4, 1)
	y, err := ops.MaxPool2D(x, 2, 2, 0)
	require.NoError(t, err)
	loss, err := ops.Apply(product{}, y, n.values("r", []float32{1, 2, 3, 4}, 1, 2, 2, 1))
	require.NoError(t, err)
	_, err = gorgonia.Grad(loss[0], x)
	require.NoError(t, err)
	n.run(x.Deriv())
	assert.Equal(t, []float32{1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0}, value(x.Deriv()))
}

func TestGlobalAveragePooling(t *testing.T) {
	n := newNet(t)
	x := n.maps("x", 3, 5, 4, 6)
	y, err := ops.GlobalAvgPool(x)
	require.NoError(t, err)
	z, err := ops.GlobalAvgMap(x)
	require.NoError(t, err)
	n.run(y, z)
	want := make([]float64, 3*6)
	plainOf(x).each(func(i, _, _, c int, v *float64) { want[i*6+c] += *v / 20 })
	require.Equal(t, tensor.Shape{3, 6}, y.Shape())
	require.Equal(t, tensor.Shape{3, 1, 1, 6}, z.Shape())
	requireClose(t, want, value(y))
	requireClose(t, want, value(z))
}

func TestUpsampleAlignsCorners(t *testing.T) {
	for _, c := range []struct{ h, w, height, width int }{{3, 4, 7, 9}, {5, 2, 4, 2}, {1, 3, 4, 1}, {2, 2, 1, 5}} {
		n := newNet(t)
		x := n.maps("x", 2, c.h, c.w, 3)
		y, err := ops.Upsample(x, c.height, c.width)
		require.NoError(t, err)
		n.run(y)
		in := plainOf(x)
		place := func(i, from, to int) (lo, hi int, share float64) {
			if to == 1 {
				return 0, 0, 0
			}
			p := float64(i) * float64(from-1) / float64(to-1)
			lo = min(int(p), from-1)
			return lo, min(lo+1, from-1), p - float64(lo)
		}
		want := newPlain(2, c.height, c.width, 3)
		want.each(func(n, i, j, ch int, v *float64) {
			y0, y1, dy := place(i, c.h, c.height)
			x0, x1, dx := place(j, c.w, c.width)
			*v = (1-dy)*((1-dx)**in.at(n, y0, x0, ch)+dx**in.at(n, y0, x1, ch)) + dy*((1-dx)**in.at(n, y1, x0, ch)+dx**in.at(n, y1, x1, ch))
		})
		requireClose(t, want.v, value(y))
	}
}

func TestZerosAndNone(t *testing.T) {
	n := newNet(t)
	x := n.maps("x", 2, 5, 4, 3)
	y, err := ops.None().Build(n.Scope, x, ops.Conn{Stride: 2})
	require.NoError(t, err)
	require.Equal(t, tensor.Shape{2, 3, 2, 3}, y.Shape())
	n.run(y)
	assert.Equal(t, make([]float32, 36), value(y))
}

func TestSumAndMixLeaveZerosOut(t *testing.T) {
	n := newNet(t)
	x, z := n.maps("x", 2, 3, 4, 5), n.maps("z", 2, 3, 4, 5)
	zeros, err := ops.Zeros(x, 1)
	require.NoError(t, err)
	weights := n.values("w", []float32{0.5, -2, 3, 0.25}, 2, 2)

	sum, err := ops.Sum(zeros, x, zeros, z)
	require.NoError(t, err)
	one, err := ops.Sum(zeros, x)
	require.NoError(t, err)
	assert.Same(t, x, one)
	none, err := ops.Sum(zeros, zeros)
	require.NoError(t, err)
	assert.Same(t, zeros, none)

	mix, err := ops.Mix(weights, []int{3, 1, 0, 3}, x, zeros, z, z)
	require.NoError(t, err)
	none, err = ops.Mix(weights, []int{2}, zeros)
	require.NoError(t, err)
	assert.Same(t, zeros, none)

	n.run(sum, mix)
	wantSum, wantMix := make([]float64, 120), make([]float64, 120)
	for i := range wantSum {
		a, b := float64(value(x)[i]), float64(value(z)[i])
		wantSum[i] = a + b
		wantMix[i] = 0.25*a + 0.75*b
	}
	requireClose(t, wantSum, value(sum))
	requireClose(t, wantMix, value(mix))
}

func TestConcatOfOneAndAllChannels(t *testing.T) {
	n := newNet(t)
	x := n.maps("x", 2, 3, 4, 5)
	y, err := ops.Concat(x)
	require.NoError(t, err)
	assert.Same(t, x, y)
	y, err = ops.Channels(x, 0, 5)
	require.NoError(t, err)
	assert.Same(t, x, y)
}

// crossEntropy is the definition: the mean over the labels that count, and how
// many are right.
func crossEntropy(logits []float64, classes int, labels []int32, c ops.LossConfig) (loss float64, correct, count int) {
	for i, label := range labels {
		if label == c.Ignore {
			continue
		}
		count++
		row := logits[i*classes : (i+1)*classes]
		var sum float64
		best := 0
		for k, v := range row {
			sum += math.Exp(v)
			if v > row[best] {
				best = k
			}
		}
		if best == int(label) {
			correct++
		}
		for k, v := range row {
			share := c.Smoothing / float64(classes-1)
			if k == int(label) {
				share = 1 - c.Smoothing
			}
			loss -= share * (v - math.Log(sum))
		}
	}
	return loss / math.Max(float64(count), 1), correct, count
}

func TestCrossEntropy(t *testing.T) {
	cases := []struct {
		name   string
		labels []int32
		c      ops.LossConfig
	}{
		{"all count", []int32{2, 0, 3, 1, 2, 3, 3}, ops.LossConfig{Ignore: ops.NoIgnore}},
		{"some ignored", []int32{2, -1, 3, -1, 2, 3, -1}, ops.LossConfig{Ignore: -1}},
		{"smoothed", []int32{2, 255, 3, 1, 2, 255, 0}, ops.LossConfig{Ignore: 255, Smoothing: 0.1}},
		{"none counts", []int32{9, 9, 9, 9, 9, 9, 9}, ops.LossConfig{Ignore: 9}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := newNet(t)
			x := n.maps("x", 7, 4)
			l, err := ops.CrossEntropy(x, n.labels("y", c.labels, 7), c.c)
			require.NoError(t, err)
			_, err = gorgonia.Grad(l.Value, x)
			require.NoError(t, err)
			n.run(l.Value, l.Score, l.Count, x.Deriv())
			logits := float64s(value(x))
			loss, correct, count := crossEntropy(logits, 4, c.labels, c.c)
			requireClose(t, []float64{loss, float64(correct), float64(count)}, []float32{value(l.Value)[0], value(l.Score)[0], value(l.Count)[0]})
			gradient := make([]float64, len(logits))
			for i := range logits {
				const h = 1e-5
				logits[i] += h
				up, _, _ := crossEntropy(logits, 4, c.labels, c.c)
				logits[i] -= 2 * h
				down, _, _ := crossEntropy(logits, 4, c.labels, c.c)
				logits[i] += h
				gradient[i] = (up - down) / (2 * h)
			}
			requireClose(t, gradient, value(x.Deriv()))
		})
	}
}

// TestPixelCrossEntropy compares with enlarging first: the same value, counts and
// gradient.
func TestPixelCrossEntropy(t *testing.T) {
	labels := make([]int32, 2*5*7)
	for i := range labels {
		labels[i] = int32(i * i % 5)
		if labels[i] == 4 {
			labels[i] = 255
		}
	}
	run := func(fused bool) (out []float64, loss, grad []float32) {
		n := newNet(t)
		x := n.maps("x", 2, 3, 2, 4)
		big, err := ops.Upsample(x, 5, 7)
		require.NoError(t, err)
		c := ops.LossConfig{Ignore: 255}
		var l ops.Loss
		if fused {
			l, err = ops.PixelCrossEntropy(x, n.labels("y", labels, 2, 5, 7), c)
		} else {
			l, err = ops.CrossEntropy(gorgonia.Must(gorgonia.Reshape(big, tensor.Shape{70, 4})), n.labels("y", labels, 70), c)
		}
		require.NoError(t, err)
		_, err = gorgonia.Grad(l.Value, x)
		require.NoError(t, err)
		n.run(big, l.Value, l.Score, l.Count, x.Deriv())
		return float64s(value(big)), []float32{value(l.Value)[0], value(l.Score)[0], value(l.Count)[0]}, value(x.Deriv())
	}
	logits, plainLoss, plainGrad := run(false)
	_, loss, grad := run(true)
	requireClose(t, float64s(plainLoss), loss)
	requireClose(t, float64s(plainGrad), grad)
	want, correct, count := crossEntropy(logits, 4, labels, ops.LossConfig{Ignore: 255})
	requireClose(t, []float64{want, float64(correct), float64(count)}, loss)
}

func TestAddLosses(t *testing.T) {
	n := newNet(t)
	labels := n.labels("y", []int32{1, 0, 2}, 3)
	a, err := ops.CrossEntropy(n.maps("a", 3, 4), labels, ops.LossConfig{Ignore: -1})
	require.NoError(t, err)
	b, err := ops.CrossEntropy(n.maps("b", 3, 4), labels, ops.LossConfig{Ignore: -1})
	require.NoError(t, err)
	sum, err := ops.AddLosses(a.Value, b.Value, 0.4)
	require.NoError(t, err)
	n.run(sum, a.Value, b.Value)
	requireClose(t, []float64{float64(value(a.Value)[0]) + 0.4*float64(value(b.Value)[0])}, value(sum))
}

// TestBatchNorm follows the running statistics over two batches, and evaluates.
func TestBatchNorm(t *testing.T) {
	n := newNet(t)
	n.SetNorm(ops.Norm{Epsilon: 1e-5, Momentum: 0.25})
	x := n.maps("x", 2, 3, 4, 5)
	y, err := n.Sub("bn").BatchNorm(x, true)
	require.NoError(t, err)
	n.init()
	m, err := ops.NewVM(n.Graph(), y)
	require.NoError(t, err)
	mean, variance := make([]float64, 5), []float64{1, 1, 1, 1, 1}
	for batch := range 2 {
		copy(value(x), noise(string(rune('a'+batch)), 120))
		require.NoError(t, m.RunAll())
		scale, shift := n.param("bn.weight"), n.param("bn.bias")
		requireClose(t, plainOf(x).trainedNorm(scale, shift).v, value(y))
		mu, biased := plainOf(x).moments()
		for c := range mean {
			mean[c] = 0.75*mean[c] + 0.25*mu[c]
			variance[c] = 0.75*variance[c] + 0.25*biased[c]*24/23
		}
		stats := n.Params().Stats()
		require.Len(t, stats, 1)
		require.Equal(t, "bn", stats[0].Name)
		requireClose(t, mean, stats[0].Mean)
		requireClose(t, variance, stats[0].Var)
	}
	m.SetTraining(false)
	for range 2 {
		require.NoError(t, m.RunAll())
		requireClose(t, plainOf(x).norm(mean, variance, n.param("bn.weight"), n.param("bn.bias")).v, value(y))
		requireClose(t, mean, n.Params().Stats()[0].Mean)
	}
}

// TestBatchNormOfLargeMeans is about cancellation: sums of squares alone would lose
// the variance beside the mean. What is left is the rounding of shift and element.
func TestBatchNormOfLargeMeans(t *testing.T) {
	makers := []struct {
		name  string
		build func(n net, x *gorgonia.Node) (*gorgonia.Node, error)
	}{
		{"input", func(_ net, x *gorgonia.Node) (*gorgonia.Node, error) { return x, nil }},
		{"average pool", func(_ net, x *gorgonia.Node) (*gorgonia.Node, error) { return ops.AvgPool2D(x, 3, 1, 1) }},
		{"max pool", func(_ net, x *gorgonia.Node) (*gorgonia.Node, error) { return ops.MaxPool2D(x, 3, 1, 1) }},
		{"conv", func(n net, x *gorgonia.Node) (*gorgonia.Node, error) {
			return n.Conv(x, ops.ConvConfig{Out: 3, Window: ops.Square(1, 1, 0, 1)})
		}},
		{"pending", func(n net, x *gorgonia.Node) (*gorgonia.Node, error) {
			return ops.ScaleImages(x, n.values("factors", []float32{1, 1, 1, 1}, 4))
		}},
	}
	for _, mean := range []float64{-30, 100, 1000, 10000} {
		for _, m := range makers {
			t.Run(fmt.Sprint(m.name, mean), func(t *testing.T) {
				n := newNet(t)
				x := n.maps("x", 4, 9, 8, 3)
				for i := range value(x) {
					value(x)[i] += float32(mean)
				}
				z, err := m.build(n, x)
				require.NoError(t, err)
				y, err := n.Sub("norm").BatchNorm(z, false)
				require.NoError(t, err)
				n.init()
				n.run(z, y)
				want := plainOf(z).trainedNorm(nil, nil).v
				for i, v := range value(y) {
					require.InDelta(t, want[i], v, 1e-6+4e-7*math.Abs(mean))
				}
				_, variance := plainOf(z).moments()
				for c, v := range n.Params().Stats()[0].Var {
					pixels := float64(z.Shape().TotalSize() / 3)
					require.InEpsilon(t, 0.9+0.1*variance[c]*pixels/(pixels-1), v, 1e-5, "running variance")
				}
			})
		}
	}
}
