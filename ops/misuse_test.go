package ops_test

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// nested is a kernel with a parallel loop in a parallel loop.
type nested struct {
	outer []atomic.Int32
	inner []atomic.Int32
}

func (*nested) Name() string { return "nested" }

func (*nested) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[:1], nil }

func (k *nested) Forward(r *ops.Run, out, in []ops.Array) error {
	copy(out[0].Data, in[0].Data)
	each := len(k.inner) / len(k.outer)
	r.Parallel(len(k.outer), func(i int) {
		r.Parallel(each, func(j int) { k.inner[i*each+j].Add(1) })
		k.outer[i].Add(1)
	})
	return nil
}

func TestNestedParallel(t *testing.T) {
	n := newNet(t)
	k := &nested{make([]atomic.Int32, 16), make([]atomic.Int32, 16*64)}
	y, err := ops.Apply(k, n.maps("x", 2, 3))
	require.NoError(t, err)
	m, err := ops.NewVM(n.Graph(), y[0])
	require.NoError(t, err)
	const runs = 20
	for range runs {
		require.NoError(t, m.RunAll())
	}
	for i := range k.outer {
		require.EqualValues(t, runs, k.outer[i].Load(), "outer %d", i)
	}
	for i := range k.inner {
		require.EqualValues(t, runs, k.inner[i].Load(), "inner %d", i)
	}
}

// twoOutputs has the outputs x and 3x, of which only the first has a gradient.
type twoOutputs struct{ relay }

func (twoOutputs) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{in[0], in[0]}, nil
}

func (twoOutputs) Forward(_ *ops.Run, out, in []ops.Array) error {
	for i, v := range in[0].Data {
		out[0].Data[i], out[1].Data[i] = v, 3*v
	}
	return nil
}

func TestGradientOfSecondOutputs(t *testing.T) {
	build := func(loss func(w *gorgonia.Node, y gorgonia.Nodes) *gorgonia.Node) error {
		n := newNet(t)
		w, err := n.Param("w", ops.Vector, tensor.Shape{4}, ops.Constant(1))
		require.NoError(t, err)
		y, err := ops.Apply(twoOutputs{}, w)
		require.NoError(t, err)
		return ops.Grad(n.Scope, gorgonia.Must(gorgonia.Sum(loss(w, y))))
	}
	err := build(func(_ *gorgonia.Node, y gorgonia.Nodes) *gorgonia.Node {
		return gorgonia.Must(gorgonia.Add(y[0], y[1]))
	})
	require.ErrorContains(t, err, "the loss depends on output 1 of relay, and only output 0 has a gradient")
	require.Error(t, build(func(_ *gorgonia.Node, y gorgonia.Nodes) *gorgonia.Node { return y[1] }))
	require.NoError(t, build(func(_ *gorgonia.Node, y gorgonia.Nodes) *gorgonia.Node { return y[0] }))
}

// TestSecondOutputsOfInputs is about an output without gradient behind which there
// is nothing to learn.
func TestSecondOutputsOfInputs(t *testing.T) {
	n := newNet(t)
	w, err := n.Param("w", ops.Vector, tensor.Shape{4}, ops.Constant(2))
	require.NoError(t, err)
	y, err := ops.Apply(twoOutputs{}, n.values("x", []float32{1, -2, 3, 4}, 4))
	require.NoError(t, err)
	require.NoError(t, ops.Grad(n.Scope, gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.HadamardProd(w, y[1]))))))
	n.init()
	n.run(w.Deriv())
	assert.Equal(t, []float32{3, -6, 9, 12}, value(w.Deriv()))
}

// TestKernelsWithoutGradient holds that the gradient of other ways is complete.
func TestKernelsWithoutGradient(t *testing.T) {
	n := newNet(t)
	w, err := n.Param("w", ops.Vector, tensor.Shape{3}, ops.Constant(2))
	require.NoError(t, err)
	detached, err := ops.Apply(&nested{make([]atomic.Int32, 2), make([]atomic.Int32, 4)}, w)
	require.NoError(t, err)
	require.ErrorContains(t, ops.Grad(n.Scope, gorgonia.Must(gorgonia.Sum(detached[0]))), "depends on no parameter of the scope")
	require.NoError(t, ops.Grad(n.Scope, gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.HadamardProd(detached[0], w))))))
	n.init()
	n.run(w.Deriv())
	assert.Equal(t, value(w), value(w.Deriv()))
}

// TestGradientsAreNotMerged adds up many pairs of gradients, none by an addition that
// Gorgonia identifies by its hash.
func TestGradientsAreNotMerged(t *testing.T) {
	n := newNet(t)
	const count = 400
	var loss *gorgonia.Node
	for i := range count {
		w, err := n.Param(fmt.Sprint("w", i), ops.Vector, tensor.Shape{1}, ops.Constant(1))
		require.NoError(t, err)
		a, err := ops.Apply(relay{}, w)
		require.NoError(t, err)
		b, err := ops.Apply(relay{}, w)
		require.NoError(t, err)
		s, err := ops.Sum(a[0], b[0])
		require.NoError(t, err)
		if loss == nil {
			loss = s
		} else if loss, err = ops.Sum(loss, s); err != nil {
			require.NoError(t, err)
		}
	}
	require.NoError(t, ops.Grad(n.Scope, gorgonia.Must(gorgonia.Sum(loss))))
	for _, node := range n.Graph().AllNodes() {
		if op := node.Op(); op != nil {
			require.NotEqual(t, "gorgonia.elemBinOp", fmt.Sprintf("%T", op), "an addition that is known by its hash alone")
		}
	}
	n.init()
	want := gorgonia.Nodes{}
	for _, w := range n.Learnables() {
		want = append(want, w.Deriv())
	}
	n.run(want...)
	for _, d := range want {
		require.Equal(t, []float32{2}, value(d))
	}
}

func TestDropoutsOfOneScope(t *testing.T) {
	n := newNet(t)
	x, rate, key := n.maps("x", 1, 4, 4, 8), n.values("rate", []float32{0.5}, 1), n.labels("key", []int32{1, 2}, 2)
	_, err := n.Sub("s").Dropout(x, rate, key)
	require.NoError(t, err)
	_, err = n.Sub("s").Dropout(x, rate, key)
	assert.ErrorContains(t, err, "declared twice in one network; build each layer in its own scope (Sub)")
}

// TestDropoutOfInfinity holds that dropped elements are zero whatever they were.
func TestDropoutOfInfinity(t *testing.T) {
	n := newNet(t)
	data := make([]float32, 2*3*4*5)
	for i := range data {
		data[i] = [...]float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}[i%3]
	}
	y, err := n.Dropout(n.values("x", data, 2, 3, 4, 5), n.values("rate", []float32{0.5}, 1), n.labels("key", []int32{1, 2}, 2))
	require.NoError(t, err)
	n.run(y)
	zeros := 0
	for i, v := range value(y) {
		if v == 0 {
			zeros++
		} else if !math.IsNaN(float64(data[i])) {
			assert.Equal(t, data[i], v)
		}
	}
	assert.InDelta(t, len(data)/2, zeros, 20)
}

func TestTemperatures(t *testing.T) {
	for _, temperature := range []float32{0, -1, float32(math.NaN()), float32(math.Inf(1))} {
		n := newNet(t)
		alphas, err := n.Alpha("alphas", tensor.Shape{2, 3}, ops.Constant(0))
		require.NoError(t, err)
		d, err := ops.GumbelSoftmax(alphas, n.values("noise", make([]float32, 6), 2, 3), n.values("temperature", []float32{temperature}, 1))
		require.NoError(t, err)
		n.init()
		m, err := ops.NewVM(n.Graph(), d)
		require.NoError(t, err)
		assert.ErrorContains(t, m.RunAll(), fmt.Sprintf("the temperature is %v; want a positive finite number", temperature))
	}
}

// TestAbsurdSizes builds and plans what no memory holds or no number counts.
func TestAbsurdSizes(t *testing.T) {
	plan := func(n net, y *gorgonia.Node, err error) error {
		if err == nil {
			_, err = ops.NewVM(n.Graph(), y)
		}
		return err
	}
	for _, c := range []struct {
		name, want string
		build      func(n net, x *gorgonia.Node) (*gorgonia.Node, error)
	}{
		{"padding of a pooling", "must be at most 65536", func(_ net, x *gorgonia.Node) (*gorgonia.Node, error) {
			return ops.MaxPool2D(x, 3, 1, math.MaxInt)
		}},
		{"dilation of a convolution", "must be at most 65536", func(n net, x *gorgonia.Node) (*gorgonia.Node, error) {
			return n.Conv(x, ops.ConvConfig{Out: 4, Window: ops.Square(3, 1, 0, math.MaxInt)})
		}},
		{"size of a convolution", "must be at most 65536", func(n net, x *gorgonia.Node) (*gorgonia.Node, error) {
			return n.Conv(x, ops.ConvConfig{Out: 4, Window: ops.Square(math.MaxInt, 1, math.MaxInt/2, 1)})
		}},
		{"dilation of a separable convolution", "dilation 9223372036854775807; want 0 to 65536", func(n net, x *gorgonia.Node) (*gorgonia.Node, error) {
			return ops.SepConv(3).Build(n.Scope, x, ops.OpConfig{Stride: 1, Dilation: math.MaxInt})
		}},
		{"dilation that overflows to zero", "want 0 to 65536", func(n net, x *gorgonia.Node) (*gorgonia.Node, error) {
			return ops.MaxPool(3).Build(n.Scope, x, ops.OpConfig{Stride: 1, Dilation: 1 << 62})
		}},
		{"window of a candidate", "want an odd size below", func(n net, x *gorgonia.Node) (*gorgonia.Node, error) {
			return ops.ReLUConv(math.MaxInt).Build(n.Scope, x, ops.OpConfig{Stride: 1})
		}},
		{"upsampling", "more than 1099511627776 elements", func(_ net, x *gorgonia.Node) (*gorgonia.Node, error) {
			return ops.Upsample(x, 1<<40, 1<<40)
		}},
		{"upsampling beyond memory", "GiB of memory, this machine has ", func(_ net, x *gorgonia.Node) (*gorgonia.Node, error) {
			y, err := ops.Upsample(x, 1<<18, 1<<18)
			if err != nil {
				return nil, err
			}
			return ops.GlobalAvgPool(y)
		}},
		{"no channels", "shape (2, 3, 3, 0); every dimension must be positive", func(n net, _ *gorgonia.Node) (*gorgonia.Node, error) {
			return ops.ReLU(gorgonia.NewTensor(n.Graph(), tensor.Float32, 4, gorgonia.WithShape(2, 3, 3, 0), gorgonia.WithName("empty")))
		}},
		{"no rows", "shape (2, 0, 3, 3); every dimension must be positive", func(n net, _ *gorgonia.Node) (*gorgonia.Node, error) {
			return ops.GlobalAvgPool(gorgonia.NewTensor(n.Graph(), tensor.Float32, 4, gorgonia.WithShape(2, 0, 3, 3), gorgonia.WithName("empty")))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNet(t)
			y, err := c.build(n, n.maps("x", 2, 5, 4, 3))
			require.ErrorContains(t, plan(n, y, err), c.want)
		})
	}
}

func TestNothing(t *testing.T) {
	_, err := ops.NewVM(nil)
	assert.ErrorContains(t, err, "the graph is nil")
	assert.ErrorContains(t, ops.Bind(nil, []float32{1}), "nil node")
	_, err = ops.Images(nil, "x", 1, 2, 3, 4)
	assert.ErrorContains(t, err, `input "x" in a nil graph`)
	_, err = ops.Labels(nil, "y", 1)
	assert.ErrorContains(t, err, `input "y" in a nil graph`)
	_, err = ops.Apply(nil, newNet(t).maps("x", 2, 3))
	assert.ErrorContains(t, err, "the kernel is nil")
	_, err = ops.Count(nil)
	assert.ErrorContains(t, err, "nil node")
	_, err = ops.Count(newNet(t).Scope.Graph().AddNode(gorgonia.NewScalar(gorgonia.NewGraph(), tensor.Float32, gorgonia.WithName("s"))))
	assert.ErrorContains(t, err, "there is no value")
}

// TestBuildInBuild is about an operation or a head that builds a network to look at.
func TestBuildInBuild(t *testing.T) {
	inner := errors.New("inner")
	assert.ErrorIs(t, ops.Build(func() error {
		if err := ops.Build(func() error { panic("out of order") }); err == nil {
			return errors.New("no error")
		}
		return ops.Build(func() error { return inner })
	}), inner)
	// The lock is free again, and held for the whole of the outer call.
	var all sync.WaitGroup
	var in atomic.Int32
	for range 4 {
		all.Go(func() {
			assert.NoError(t, ops.Build(func() error {
				if in.Add(1) != 1 {
					return errors.New("two goroutines build")
				}
				defer in.Add(-1)
				return ops.Build(func() error { return nil })
			}))
		})
	}
	all.Wait()
}

func TestPanicsKeepTheirStack(t *testing.T) {
	stack := func(err error) string {
		var s interface{ Stack() []byte }
		require.True(t, errors.As(err, &s), "%v", err)
		return string(s.Stack())
	}
	assert.Contains(t, stack(ops.Build(func() error { panic("out of order") })), "TestPanicsKeepTheirStack")
	n := newNet(t)
	y, err := ops.Apply(broken{}, n.maps("x", 2, 3))
	require.NoError(t, err)
	m, err := ops.NewVM(n.Graph(), y[0])
	require.NoError(t, err)
	err = m.RunAll()
	assert.ErrorContains(t, err, "index out of range [6] with length 6")
	assert.NotContains(t, err.Error(), "\n")
	assert.Contains(t, stack(err), "broken.Forward")
}

// broken writes one element behind the end of its output, in a loop on all cores.
type broken struct{ relay }

func (broken) Forward(r *ops.Run, out, _ []ops.Array) error {
	r.Parallel(7, func(i int) { out[0].Data[i] = 1 })
	return nil
}

// TestCountsOfManyLabels is about numbers that a float32 does not hold.
func TestCountsOfManyLabels(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 200 MB")
	}
	n := newNet(t)
	const h, w = 1 << 12, 1<<12 + 3
	labels := make([]int32, h*w)
	labels[7] = 1 // the logits say 0 everywhere
	l, err := ops.PixelCrossEntropy(n.values("logits", []float32{3, 1}, 1, 1, 1, 2), n.labels("labels", labels, 1, h, w), ops.LossConfig{IgnoreIndex: 255})
	require.NoError(t, err)
	n.run(l.Score, l.Count)
	count, err := ops.Count(l.Count)
	require.NoError(t, err)
	assert.EqualValues(t, h*w, count)
	correct, err := ops.Count(l.Score)
	require.NoError(t, err)
	assert.EqualValues(t, h*w-1, correct)
}

// TestVMsInGoroutines runs networks of their own at the same time.
func TestVMsInGoroutines(t *testing.T) {
	var all sync.WaitGroup
	losses := make([][]float32, 3)
	for i := range losses {
		n := newNet(t)
		l := classifier(t, n)
		require.NoError(t, ops.Grad(n.Scope, l.Value))
		n.init()
		want := gorgonia.Nodes{l.Value}
		for _, p := range n.Learnables() {
			want = append(want, p.Deriv())
		}
		m, err := ops.NewVM(n.Graph(), want...)
		require.NoError(t, err)
		all.Go(func() {
			for range 5 {
				if !assert.NoError(t, m.RunAll()) {
					return
				}
			}
			for _, w := range want {
				losses[i] = append(losses[i], value(w)...)
			}
		})
	}
	all.Wait()
	for _, other := range losses[1:] {
		assert.Equal(t, losses[0], other)
	}
}
