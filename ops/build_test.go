package ops_test

import (
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// classifier is a small network with a loss.
func classifier(t *testing.T, n net) ops.Loss {
	x := n.maps("x", 3, 6, 5, 4)
	y, err := ops.SepConv(3).Build(n.Sub("op"), x, ops.OpConfig{Stride: 1, Affine: true})
	require.NoError(t, err)
	y, err = ops.GlobalAvgPool(y)
	require.NoError(t, err)
	y, err = n.Sub("head").Linear(y, 1, 5)
	require.NoError(t, err)
	l, err := ops.CrossEntropy(y, n.labels("labels", []int32{4, 0, 2}, 3), ops.LossConfig{IgnoreIndex: ops.NoIgnoreIndex})
	require.NoError(t, err)
	return l
}

func TestGrad(t *testing.T) {
	n := newNet(t)
	l := classifier(t, n)
	unused, err := n.Param("unused", ops.Vector, tensor.Shape{3}, ops.Constant(1))
	require.NoError(t, err)
	require.NoError(t, ops.Grad(n.Scope, l.Value))
	assert.Nil(t, unused.Deriv())
	n.init()
	want := gorgonia.Nodes{l.Value}
	for _, p := range n.Learnables() {
		if p != unused {
			require.NotNil(t, p.Deriv(), p.Name())
			assert.Equal(t, p.Shape(), p.Deriv().Shape(), p.Name())
			want = append(want, p.Deriv())
		}
	}
	n.run(want...)
	for _, d := range want[1:] {
		assert.Condition(t, func() bool { return slices.ContainsFunc(value(d), func(v float32) bool { return v != 0 }) })
	}
	assert.ErrorContains(t, ops.Grad(n.Scope, l.Value), "the graph already has gradients; call Grad once per graph")
	// Neither is another loss of another scope in the same graph accepted.
	other := net{ops.NewScope(n.Graph(), n.Params()), t}
	y, err := ops.GlobalAvgPool(n.maps("z", 3, 2, 2, 4))
	require.NoError(t, err)
	y, err = other.Sub("head").Linear(y, 1, 5)
	require.NoError(t, err)
	again, err := ops.CrossEntropy(y, n.labels("more labels", []int32{4, 0, 2}, 3), ops.LossConfig{IgnoreIndex: -1})
	require.NoError(t, err)
	assert.ErrorContains(t, ops.Grad(other.Scope, again.Value), "the graph already has gradients; call Grad once per graph")
}

func TestGradRefuses(t *testing.T) {
	n := newNet(t)
	l := classifier(t, n)
	x := n.maps("z", 2, 3)
	assert.ErrorContains(t, ops.Grad(n.Scope, nil), "nil node")
	assert.ErrorContains(t, ops.Grad(n.Scope, x), "want a scalar loss")
	assert.ErrorContains(t, ops.Grad(newNet(t).Scope, l.Value), "another graph")
	empty := ops.NewScope(n.Graph(), ops.NewParams())
	assert.ErrorContains(t, ops.Grad(empty, l.Value), "depends on no parameter")
	assert.ErrorContains(t, ops.Grad(n.Scope, l.Score), "gradient of")
}

func TestGradOfAddedLosses(t *testing.T) {
	n := newNet(t)
	x := n.maps("x", 3, 4)
	labels := n.labels("y", []int32{1, 0, 2}, 3)
	var losses []*gorgonia.Node
	for _, name := range []string{"a", "b"} {
		y, err := n.Sub(name).Linear(x, 1, 5)
		require.NoError(t, err)
		l, err := ops.CrossEntropy(y, labels, ops.LossConfig{IgnoreIndex: -1})
		require.NoError(t, err)
		losses = append(losses, l.Value)
	}
	sum, err := ops.AddLosses(losses[0], losses[1], 0.25)
	require.NoError(t, err)
	require.NoError(t, ops.Grad(n.Scope, sum))
	n.init()
	a, b := n.Learnables()[0].Deriv(), n.Learnables()[2].Deriv()
	copy(n.param("b.weight"), n.param("a.weight"))
	copy(n.param("b.bias"), n.param("a.bias"))
	n.run(sum, a, b)
	var quarter []float64
	for _, v := range value(a) {
		quarter = append(quarter, 0.25*float64(v))
	}
	requireClose(t, quarter, value(b))
}

func TestBuild(t *testing.T) {
	assert.NoError(t, ops.Build(func() error { return nil }))
	err := ops.Build(func() error { panic("out of order") })
	assert.ErrorContains(t, err, "out of order")
	assert.ErrorIs(t, ops.Build(func() error { return assert.AnError }), assert.AnError)
	// The race detector watches this.
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			assert.NoError(t, ops.Build(func() error {
				n := newNet(t)
				l := classifier(t, n)
				return ops.Grad(n.Scope, l.Value)
			}))
		})
	}
	all.Wait()
}

func TestNewVM(t *testing.T) {
	n := newNet(t)
	l := classifier(t, n)
	n.init()
	m, err := ops.NewVM(n.Graph())
	require.NoError(t, err)
	assert.Positive(t, m.Bytes())
	require.NoError(t, m.RunAll())
	first := value(l.Value)[0]
	require.NoError(t, m.RunAll())
	assert.Equal(t, first, value(l.Value)[0])
	assert.NotEqual(t, float32(0), n.Params().Running()[0])
	kept := slices.Clone(n.Params().Running())
	m.SetTraining(false)
	require.NoError(t, m.RunAll())
	assert.NotEqual(t, first, value(l.Value)[0])
	assert.Equal(t, kept, n.Params().Running())
	m.SetTraining(true)
	require.NoError(t, m.RunAll())
	assert.Equal(t, first, value(l.Value)[0])
	assert.NotEqual(t, kept, n.Params().Running())
	require.NoError(t, m.Close())
}

func TestNewVMRefuses(t *testing.T) {
	_, err := ops.NewVM(gorgonia.NewGraph())
	assert.ErrorContains(t, err, "ops: ")
	n := newNet(t)
	classifier(t, n)
	_, err = ops.NewVM(n.Graph(), newNet(t).maps("x", 2, 3))
	assert.ErrorContains(t, err, "another graph")
	_, err = ops.NewVM(n.Graph(), n.Learnables()[0].Deriv()) // Grad was not called
	assert.ErrorContains(t, err, "a wanted node is nil")
}

// TestRunsReportMistakes is about what only a run can find.
func TestRunsReportMistakes(t *testing.T) {
	n := newNet(t)
	l := classifier(t, n)
	run := func() error {
		m, err := ops.NewVM(n.Graph(), l.Value)
		require.NoError(t, err)
		return m.RunAll()
	}
	assert.Error(t, run(), "no Init")
	n.init()
	assert.NoError(t, run())
	labels := l.Value.Graph().ByName("labels")[0]
	labels.Value().Data().([]int32)[1] = 5
	assert.ErrorContains(t, run(), "label 5 at position 1 is not one of 5 classes")
	labels.Value().Data().([]int32)[1] = -3
	assert.ErrorContains(t, run(), "label -3 at position 1")
}

func TestNormalisationWithoutInit(t *testing.T) {
	n := newNet(t)
	y, err := n.Sub("bn").BatchNorm(n.maps("x", 2, 3, 4, 5), false)
	require.NoError(t, err)
	m, err := ops.NewVM(n.Graph(), y)
	require.NoError(t, err)
	assert.ErrorContains(t, m.RunAll(), "call Params.Init")
}

// TestNormalisationOfOneValue would, for want of a variance, have a running one that
// tends to zero, and maps in evaluation that know no bounds.
func TestNormalisationOfOneValue(t *testing.T) {
	n := newNet(t)
	y, err := n.Sub("bn").BatchNorm(n.maps("x", 1, 1, 1, 5), true)
	require.NoError(t, err)
	n.init()
	m, err := ops.NewVM(n.Graph(), y)
	require.NoError(t, err)
	require.ErrorContains(t, m.RunAll(), "bn.running_mean: a batch of one value per channel has no variance; use two or more images per micro-batch, or larger maps")
	assert.Equal(t, []float32{1, 1, 1, 1, 1}, n.Params().Stats()[0].Var)
	m.SetTraining(false)
	assert.NoError(t, m.RunAll())
}

// TestAStepAllocatesNothing is about operations of this package.
func TestAStepAllocatesNothing(t *testing.T) {
	n := newNet(t)
	l := classifier(t, n)
	require.NoError(t, ops.Grad(n.Scope, l.Value))
	n.init()
	want := gorgonia.Nodes{l.Value}
	for _, p := range n.Learnables() {
		want = append(want, p.Deriv())
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // starting workers allocates
	m := n.run(want...)
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		if err := m.RunAll(); err != nil {
			t.Error(err)
		}
	}))
}
