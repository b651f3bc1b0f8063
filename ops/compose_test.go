package ops_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
	"unnas/internal/xla"
	"unnas/internal/xla/xlatest"
	"unnas/ops"
)

// relay is a kernel that hands on what it gets. No operation fuses with it, so a
// network with a relay behind every layer computes each layer by itself.
type relay struct{}

func (relay) Name() string { return "relay" }

func (relay) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in, nil }

func (relay) Forward(_ *ops.Run, out, in []ops.Array) error {
	copy(out[0].Data, in[0].Data)
	return nil
}

func (relay) Backward(_ *ops.Run, grads []ops.Array, gy ops.Array, _, _ []ops.Array) error {
	copy(grads[0].Data, gy.Data)
	return nil
}

// composition is a way to build and run a network.
type composition struct {
	apart  bool        // with a relay behind every layer
	native bool        // without operations of Gorgonia's
	device *xla.Device // nil is the CPU
}

// composer builds a random network of real layers on maps [2, 6, 5, 4].
type composer struct {
	net
	draws  *rand.Rand
	how    composition
	maps   gorgonia.Nodes  // what a layer can be built on
	layers strings.Builder // what was built, for messages
}

// layer builds one more layer on maps so far, mostly on the latest.
func (c *composer) layer() {
	pick := func() (*gorgonia.Node, int) {
		i := max(c.draws.IntN(len(c.maps)), c.draws.IntN(len(c.maps)))
		return c.maps[i], i
	}
	x, i := pick()
	y, j := pick()
	z, k := pick()
	yes, s := c.draws.IntN(2) == 0, c.Sub(fmt.Sprint("layer", len(c.maps)))
	must := func(n *gorgonia.Node, err error) *gorgonia.Node {
		require.NoError(c.t, err)
		return n
	}
	candidates := ops.Set{ops.SepConv(3), ops.SepConv(5), ops.DilConv(3), ops.DilConv(5), ops.FactorizedConv(3), ops.ReLUConv(3), ops.Skip()}
	kinds := []struct {
		name  string
		build func() *gorgonia.Node
	}{
		{"batch norm", func() *gorgonia.Node { return must(s.BatchNorm(x, yes)) }},
		{"conv", func() *gorgonia.Node {
			return must(s.Conv(x, ops.ConvConfig{Out: 4, Window: ops.Square(3, 1, 1, 1), ReLU: yes, Bias: i%2 == 0}))
		}},
		{"relu", func() *gorgonia.Node { return must(ops.ReLU(x)) }},
		{"tanh", func() *gorgonia.Node {
			if c.how.native {
				return must(ops.ReLU(x))
			}
			return must(gorgonia.Tanh(x))
		}},
		{"max pool, batch norm", func() *gorgonia.Node {
			return must(s.BatchNorm(must(ops.MaxPool(3).Build(s.Sub("pool"), x, ops.OpConfig{Stride: 1})), false))
		}},
		{"average pool, batch norm", func() *gorgonia.Node {
			return must(s.BatchNorm(must(ops.AvgPool(3).Build(s.Sub("pool"), x, ops.OpConfig{Stride: 1})), false))
		}},
		{"candidate", func() *gorgonia.Node {
			return must(candidates[c.draws.IntN(len(candidates))].Build(s, x, ops.OpConfig{Stride: 1, Affine: yes}))
		}},
		{"residual", func() *gorgonia.Node { return must(ops.Sum(must(s.BatchNorm(x, false)), y)) }},
		{"sum", func() *gorgonia.Node { return must(ops.Sum(x, y)) }},
		{"addition of Gorgonia's", func() *gorgonia.Node { return must(gorgonia.Add(x, y)) }},
		{"mix", func() *gorgonia.Node {
			alphas := must(s.Alpha("alphas", tensor.Shape{1, 3}, ops.Normal(0.5)))
			return must(ops.Mix(must(ops.Softmax(alphas)), []int{2, 0, 1}, x, y, z))
		}},
		{"channels of a concatenation", func() *gorgonia.Node { return must(ops.Channels(must(ops.Concat(x, y)), 2, 4)) }},
		{"interleave", func() *gorgonia.Node { return must(ops.Interleave(must(ops.Channels(x, 1, 2)), y)) }},
		{"dropout", func() *gorgonia.Node { return must(s.Dropout(x, c.input("rate"), c.input("key"))) }},
		{"squeeze and excitation", func() *gorgonia.Node { return must(s.SqueezeExcite(x, 2)) }},
		{"scale images", func() *gorgonia.Node { return must(ops.ScaleImages(x, c.input("factors"))) }},
	}
	kind := kinds[c.draws.IntN(len(kinds))]
	fmt.Fprintf(&c.layers, "\n%d: %s of %d (and %d, %d), %v", len(c.maps), kind.name, i, j, k, yes)
	c.add(kind.build())
}

// add makes a node one of the maps.
func (c *composer) add(n *gorgonia.Node) {
	if c.how.apart {
		out, err := ops.Apply(relay{}, n)
		require.NoError(c.t, err)
		n = out[0]
	}
	c.maps = append(c.maps, n)
}

func (c *composer) input(name string) *gorgonia.Node { return c.Graph().ByName(name)[0] }

// compose returns the loss and the gradients of the random network of a seed.
func compose(t *testing.T, seed uint64, how composition) (loss float32, grads map[string][]float32, layers string) {
	c := &composer{net: newNet(t), draws: rand.New(rand.NewPCG(seed, 0)), how: how}
	c.values("rate", []float32{0.25}, 1)
	c.labels("key", []int32{3, int32(seed)}, 2)
	c.values("factors", []float32{1.5, -0.5}, 2)
	x, err := c.Sub("stem").Conv(c.net.maps(fmt.Sprint("x", seed%7), 2, 6, 5, 4), ops.ConvConfig{Out: 4, Window: ops.Square(3, 1, 1, 1)})
	require.NoError(t, err)
	c.add(x)
	for range 3 + c.draws.IntN(10) {
		c.layer()
	}
	y, err := ops.Sum(c.maps[len(c.maps)-1], c.maps[len(c.maps)-2])
	require.NoError(t, err)
	pooled, err := ops.GlobalAvgPool(y)
	require.NoError(t, err)
	logits, err := c.Sub("head").Linear(pooled, 1, 3)
	require.NoError(t, err)
	l, err := ops.CrossEntropy(logits, c.labels("labels", []int32{1, 2}, 2), ops.LossConfig{IgnoreIndex: ops.NoIgnoreIndex})
	require.NoError(t, err)
	require.NoError(t, ops.Grad(c.Scope, l.Value))
	c.init()
	want := gorgonia.Nodes{l.Value}
	for _, p := range c.Learnables() {
		if p.Deriv() != nil {
			want = append(want, p.Deriv())
		}
	}
	if how.device == nil {
		c.run(want...)
	} else {
		c.runOn(how.device, want)
	}
	grads = map[string][]float32{}
	for _, p := range c.Learnables() {
		if p.Deriv() != nil {
			grads[p.Name()] = append([]float32(nil), value(p.Deriv())...)
		}
	}
	return value(l.Value)[0], grads, c.layers.String()
}

// runOn computes the nodes on a device.
func (c *composer) runOn(device *xla.Device, want gorgonia.Nodes) {
	plan, err := graph.Compile(c.Graph(), graph.Options{Want: want, Device: device})
	require.NoError(c.t, err)
	m, err := plan.Bind(graph.NewArena(plan), kernel.NewThreadPool(1))
	require.NoError(c.t, err)
	require.NoError(c.t, m.RunAll())
}

// TestCompositions holds that what is fused, deferred or shared between layers
// changes no gradient: random networks agree with themselves built apart.
func TestCompositions(t *testing.T) {
	count := uint64(250)
	if testing.Short() {
		count = 60
	}
	for seed := range count {
		sameComposition(t, seed, composition{apart: true}, composition{})
	}
}

// TestCompositionsOnDevice compares random networks on XLA's device for CPUs. Half of the
// seeds are new in each run.
func TestCompositionsOnDevice(t *testing.T) {
	device := &xla.Device{Client: xlatest.Client(t), Options: xla.Options{Flags: xlatest.Quick}}
	count := uint64(5)
	if testing.Short() {
		count = 2
	}
	// In this one XLA computes the map of a max pooling twice, with other rounding.
	sameComposition(t, 14271036833367925071, composition{native: true}, composition{native: true, device: device})
	first := rand.Uint64() | 1<<63
	t.Logf("seeds from 0 and from %d on", first)
	for i := range count {
		for _, seed := range []uint64{i, first + i} {
			sameComposition(t, seed, composition{native: true}, composition{native: true, device: device})
		}
	}
}

// sameComposition compares the loss and the gradients of a random network that is built and
// run in two ways.
func sameComposition(t *testing.T, seed uint64, a, b composition) {
	t.Helper()
	wantLoss, wants, _ := compose(t, seed, a)
	loss, grads, layers := compose(t, seed, b)
	require.InDelta(t, wantLoss, loss, 1e-4*(1+math.Abs(float64(wantLoss))), "seed %d%s", seed, layers)
	var all float64
	for _, g := range wants {
		all += squares(g)
	}
	require.Len(t, grads, len(wants), "seed %d%s", seed, layers)
	for name, want := range wants {
		got, diff := grads[name], 0.0
		require.Len(t, got, len(want), "seed %d: %s%s", seed, name, layers)
		for i, w := range want {
			diff += (float64(w) - float64(got[i])) * (float64(w) - float64(got[i]))
		}
		require.LessOrEqual(t, math.Sqrt(diff), 2e-3*math.Sqrt(squares(want))+1e-4*math.Sqrt(all)+1e-6,
			"seed %d: the gradient of %s, of norm %g%s", seed, name, math.Sqrt(squares(want)), layers)
	}
}

func squares(x []float32) (sum float64) {
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}

// TestSumsOfAnotherMap is about a batch normalisation without scale whose gradient
// comes, through an addition, from a kernel that sums up the gradient of the sum.
func TestSumsOfAnotherMap(t *testing.T) {
	for _, join := range []struct {
		name string
		of   func(a, b *gorgonia.Node) (*gorgonia.Node, error)
	}{
		{"Sum", func(a, b *gorgonia.Node) (*gorgonia.Node, error) { return ops.Sum(a, b) }},
		{"Add", func(a, b *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.Add(a, b) }},
	} {
		for _, reader := range []string{"stage", "mix"} {
			t.Run(join.name+" "+reader, func(t *testing.T) {
				gradient := func(apart bool) []float32 {
					n := newNet(t)
					c := &composer{net: n, how: composition{apart: apart}}
					x := n.maps("x", 2, 6, 5, 4)
					y, err := n.Sub("conv").Conv(x, ops.ConvConfig{Out: 4, Window: ops.Square(3, 1, 1, 1)})
					require.NoError(t, err)
					y, err = n.Sub("norm").BatchNorm(y, false)
					require.NoError(t, err)
					c.add(y)
					y, err = join.of(c.maps[0], x)
					require.NoError(t, err)
					if reader == "stage" {
						y, err = ops.SepConv(3).Build(n.Sub("sep"), y, ops.OpConfig{Stride: 1})
					} else {
						y, err = ops.Mix(n.values("weights", []float32{0.3, -1.7}, 2), []int{1, 0}, y, n.maps("other", 2, 6, 5, 4))
					}
					require.NoError(t, err)
					l, err := ops.Apply(product{}, y, n.maps("r", 2, 6, 5, 4))
					require.NoError(t, err)
					require.NoError(t, ops.Grad(n.Scope, l[0]))
					n.init()
					g := n.Learnables()[0].Deriv()
					n.run(g)
					return value(g)
				}
				requireClose(t, float64s(gradient(true)), gradient(false))
			})
		}
	}
}

// TestNormOfWeights normalises the weights of a mix, whose gradient has no sums.
func TestNormOfWeights(t *testing.T) {
	n := newNet(t)
	alphas, err := n.Alpha("alphas", tensor.Shape{4, 2}, ops.Normal(1))
	require.NoError(t, err)
	w, err := n.BatchNorm(alphas, false)
	require.NoError(t, err)
	y, err := ops.Mix(w, []int{0, 3}, n.maps("x", 2, 3, 4, 5), n.maps("z", 2, 3, 4, 5))
	require.NoError(t, err)
	l, err := ops.Apply(product{}, y, n.maps("r", 2, 3, 4, 5))
	require.NoError(t, err)
	require.NoError(t, ops.Build(func() error { return ops.Grad(n.Scope, l[0]) }))
	n.init()
	n.run(alphas.Deriv())
	assert.NotZero(t, squares(value(alphas.Deriv())))
}
