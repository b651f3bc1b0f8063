package cpuexec_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/pass"
)

// network is a random network on maps [N, H, W, C], with a loss.
type network struct {
	*program
	maps    []*ir.Value
	weights []*ir.Value
}

const (
	batch, height, width, channels = 2, 6, 5, 4
	classes                        = 3
)

// newNetwork returns the training program of a seed: its results are the loss, a map, and
// the gradients of all weights.
func newNetwork(seed uint64, layers int) (*network, *ir.Program) {
	n := &network{program: newProgram(seed)}
	for i := range 2 {
		n.maps = append(n.maps, n.normal(fmt.Sprint("image", i), 1, batch, height, width, channels))
	}
	for range layers {
		n.maps = append(n.maps, n.layer())
	}
	// What few layers read is idle for long.
	y := n.apply(ir.Sum{}, n.maps[2], n.maps[len(n.maps)/2], n.maps[len(n.maps)-1])
	head := n.apply(ir.Linear{}, n.apply(ir.GlobalAvgPool{}, n.norm(y, false)), n.weight(channels, classes), n.weight(classes))
	labels := n.add("labels", ir.Int32, cpuexec.Array{Shape: ir.Shape{batch}, I: []int32{1, 2}})
	loss := n.apply(ir.CrossEntropy{Ignore: -1, Smoothing: 0.125}, head, labels)
	var used []*ir.Value
	for _, w := range n.weights {
		if slices.ContainsFunc(n.Steps, func(s *ir.Step) bool { return slices.Contains(s.In, w) }) {
			used = append(used, w)
		}
	}
	reached := n.reached(loss, used)
	results := append([]*ir.Value{loss, n.maps[len(n.maps)/2+1]}, n.gradients(loss, reached...)...)
	n.dropStates(results)
	return n, n.build(results...)
}

// dropStates leaves out the states of normalisations that no result depends on.
func (n *network) dropStates(results []*ir.Value) {
	needed := map[*ir.Value]bool{}
	for _, v := range results {
		needed[v] = true
	}
	for _, s := range slices.Backward(n.Steps) {
		if !slices.ContainsFunc(s.Out, func(v *ir.Value) bool { return needed[v] }) {
			if _, ok := s.Op.(ir.BatchStatistics); ok {
				n.states = slices.DeleteFunc(n.states, func(t ir.State) bool { return t.Out == s.Out[1] || t.Out == s.Out[2] })
			}
			continue
		}
		for _, v := range s.In {
			needed[v] = true
		}
	}
}

// reached returns the values that a loss depends on.
func (n *network) reached(loss *ir.Value, of []*ir.Value) (values []*ir.Value) {
	depends := map[*ir.Value]bool{loss: true}
	for _, s := range slices.Backward(n.Steps) {
		if d, ok := s.Op.(ir.Differentiable); ok && depends[s.Out[0]] {
			for i, needs := range d.NeedsGrad(len(s.In)) {
				depends[s.In[i]] = depends[s.In[i]] || needs
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(of), func(v *ir.Value) bool { return !depends[v] })
}

func (n *network) weight(shape ...int) *ir.Value {
	w := n.normal(fmt.Sprint("weight", len(n.weights)), 0.5, shape...)
	n.weights = append(n.weights, w)
	return w
}

// some returns a map, rather a late one.
func (n *network) some() *ir.Value {
	k := len(n.maps)
	return n.maps[max(n.random.IntN(k), n.random.IntN(k))]
}

// norm normalises a map.
func (n *network) norm(x *ir.Value, affine bool) *ir.Value {
	mean, variance := n.input("mean", ir.Shape{channels}, 1, 2, 3, 4), n.input("variance", ir.Shape{channels}, 1, 2, 1, 2)
	s := n.outputs(ir.BatchStatistics{Epsilon: 1e-3, Momentum: 0.1, Count: x.Shape.Size() / channels}, n.apply(ir.Moments{}, x), mean, variance)
	n.states = append(n.states, ir.State{In: mean, Out: s[1]}, ir.State{In: variance, Out: s[2]})
	if affine {
		return n.apply(ir.BatchNorm{Affine: true}, x, s[0], n.weight(channels), n.weight(channels))
	}
	return n.apply(ir.BatchNorm{}, x, s[0])
}

// separable returns a separable convolution of one of several windows.
func (n *network) separable(x *ir.Value) *ir.Value {
	w := []ir.Window{ir.Square(3, 1, 1, 1), ir.Square(5, 1, 2, 1), ir.Square(3, 1, 2, 2)}[n.random.IntN(3)]
	return n.apply(ir.SeparableConv{Windows: []ir.Window{w}}, x, n.weight(w.Rows, w.Rows, 1, channels), n.weight(1, 1, channels, channels))
}

// layer adds a layer.
func (n *network) layer() *ir.Value {
	x := n.some()
	square := ir.Square(3, 1, 1, 1)
	switch n.random.IntN(12) {
	case 0, 1:
		y := n.apply(ir.Conv{Out: channels, Window: square, ReLU: n.random.IntN(2) == 0}, x, n.weight(3, 3, channels, channels))
		return n.norm(y, n.random.IntN(2) == 0)
	case 2, 3:
		return n.norm(n.separable(n.norm(n.separable(x), false)), n.random.IntN(2) == 0)
	case 4: // siblings
		sum := []*ir.Value{}
		for range 2 + n.random.IntN(3) {
			sum = append(sum, n.norm(n.separable(x), false))
		}
		return n.apply(ir.Sum{}, sum...)
	case 5, 6: // a mixed operation
		maps := []*ir.Value{n.norm(n.apply(ir.Pool{Window: square, Max: true}, x), false), x, n.norm(n.apply(ir.Pool{Window: square}, x), false), n.norm(n.separable(x), false)}
		weights := n.apply(ir.Softmax{}, n.weight(2, 4))
		return n.apply(ir.Mix{Index: []int{4, 1, 6, 3}}, append([]*ir.Value{weights}, maps...)...)
	case 7:
		return n.apply(ir.Sum{}, x, n.some(), n.some())
	case 8:
		half := n.apply(ir.Channels{From: 2, Count: 2}, x)
		return n.apply(ir.Interleave{}, half, n.some())
	case 9:
		a, b := n.apply(ir.Channels{From: 1, Count: 3}, x), n.apply(ir.Channels{From: 0, Count: 1}, n.some())
		return n.apply(ir.Concat{}, a, b)
	case 10:
		key := n.add("key", ir.Int32, cpuexec.Array{Shape: ir.Shape{2}, I: []int32{3, 4}})
		return n.apply(ir.Dropout{Layer: n.random.Uint64()}, n.apply(ir.ReLU{}, x), n.input("rate", ir.Shape{1}, 0.25), key)
	default:
		small := n.apply(ir.FactorizedReduce{Out: channels}, x, n.weight(1, 1, channels, channels/2), n.weight(1, 1, channels, channels/2))
		scaled := n.apply(ir.ScaleImages{}, n.norm(small, false), n.input("factors", ir.Shape{batch}, 0, 2))
		return n.apply(ir.Upsample{Height: height, Width: width}, scaled)
	}
}

// states returns the new values of states.
func states(e *executable, p *program) (values []float32) {
	for i, v := range p.inputs {
		if slices.ContainsFunc(p.states, func(s ir.State) bool { return s.In == v }) {
			values = append(values, p.data[i].F...)
		}
	}
	return values
}

// clone returns values that a run may change.
func clone(data []cpuexec.Array) []cpuexec.Array {
	data = slices.Clone(data)
	for i := range data {
		data[i].F = slices.Clone(data[i].F)
	}
	return data
}

// TestRandomNetworks compares plans of random networks with plans without any pass. The
// seeds are fixed, since results differ where a ReLU rounds to the other side of zero.
func TestRandomNetworks(t *testing.T) {
	fused, deferred, twice := 0, 0, 0
	var size [2]int64 // without and with recomputation
	for seed := range uint64(40) {
		n, p := newNetwork(seed, 3+int(seed)%8)
		t.Logf("seed %d: %d steps", seed, len(p.Steps))
		plain, err := cpuexec.Plain(p)
		require.NoError(t, err)
		want := bind(t, plain, 1).run(t, n.data)
		once, again := compile(t, p, cpuexec.Options{Workers: 2}), compile(t, p, cpuexec.Options{Workers: 2, Recompute: true})
		for _, s := range once.Program().Steps {
			if c, ok := s.Op.(ir.SeparableConvGrad); ok && len(c.Windows) > 1 {
				fused++
			}
			for _, v := range s.Out {
				if v != nil && v.Deferred != nil {
					deferred++
				}
			}
		}
		twice += len(again.Program().Steps) - len(once.Program().Steps)
		got := bind(t, once, 2).run(t, n.data)
		for i, v := range want {
			near(t, v, got[i], 1e-4, fmt.Sprintf("seed %d, result %d", seed, i))
		}
		require.Equal(t, got, bind(t, again, 2).run(t, n.data), "seed %d, recomputed", seed)
		size[0], size[1] = size[0]+once.Bytes(1), size[1]+again.Bytes(1)
	}
	assert.Less(t, size[1], size[0])
	assert.Greater(t, fused, 5, "gradients of siblings")
	assert.Greater(t, deferred, 300, "deferred maps")
	assert.Greater(t, twice, 30, "steps that run twice")
}

// TestWorkers compares the bits of results and states for pools of several sizes, and plans
// for several sizes.
func TestWorkers(t *testing.T) {
	n, p := newNetwork(100, 12)
	var first [][]float32
	for _, recompute := range []bool{false, true} {
		for _, workers := range []int{1, 2, 7, 16, 64} {
			for _, planned := range []int{workers, 3} {
				plan := compile(t, p, cpuexec.Options{Workers: planned, Recompute: recompute})
				e := bind(t, plan, workers)
				q := &program{inputs: n.inputs, data: clone(n.data), states: n.states}
				got := e.run(t, q.data)
				require.NoError(t, e.Run(true))
				got = append(got, states(e, q))
				if first == nil {
					first = got
					assert.NotEqual(t, states(e, n.program), states(e, q))
				}
				require.Equal(t, first, got, "%d workers, a plan for %d, recompute %v", workers, planned, recompute)
			}
		}
	}
}

// TestRecompute takes less memory for the same bits.
func TestRecompute(t *testing.T) {
	n, p := newNetwork(7, 24)
	once, again := compile(t, p, cpuexec.Options{Workers: 2}), compile(t, p, cpuexec.Options{Workers: 2, Recompute: true})
	assert.Less(t, float64(again.Bytes(1)), 0.9*float64(once.Bytes(1)))
	e := bind(t, again, 2)
	assert.Equal(t, bind(t, once, 2).run(t, n.data), e.run(t, n.data))
	assert.Equal(t, again.Bytes(2), e.Bytes())
}

// TestCompress takes less memory for results that are nearly the same.
func TestCompress(t *testing.T) {
	n, p := newNetwork(7, 24)
	plain, narrow := compile(t, p, cpuexec.Options{Workers: 2}), compile(t, p, cpuexec.Options{Workers: 2, Compress: true})
	assert.Less(t, narrow.Bytes(1), plain.Bytes(1))
	want, got := bind(t, plain, 2).run(t, n.data), bind(t, narrow, 2).run(t, n.data)
	assert.NotEqual(t, want, got)
	for i := range want {
		var squares, difference float64
		for j, v := range want[i] {
			squares += float64(v) * float64(v)
			difference += float64(v-got[i][j]) * float64(v-got[i][j])
		}
		assert.LessOrEqual(t, difference, 1e-9+0.01*squares, "result %d", i)
	}
}

// TestSiblings compares fused steps with single ones.
func TestSiblings(t *testing.T) {
	p := newProgram(3)
	x := p.normal("x", 1, batch, height, width, channels)
	var losses, weights []*ir.Value
	for _, w := range []ir.Window{ir.Square(3, 1, 1, 1), ir.Square(5, 1, 2, 1), ir.Square(3, 1, 2, 2), ir.Square(5, 1, 4, 2)} {
		weights = append(weights, p.normal("depth", 0.5, w.Rows, w.Rows, 1, channels), p.normal("point", 0.5, 1, 1, channels, channels))
		y := p.apply(ir.SeparableConv{Windows: []ir.Window{w}}, x, weights[len(weights)-2], weights[len(weights)-1])
		losses = append(losses, y)
	}
	sum := p.apply(ir.Concat{}, losses...)
	head := p.apply(ir.Linear{}, p.apply(ir.GlobalAvgPool{}, sum), p.normal("w", 1, 4*channels, classes), p.normal("b", 1, classes))
	labels := p.add("labels", ir.Int32, cpuexec.Array{Shape: ir.Shape{batch}, I: []int32{0, 2}})
	loss := p.apply(ir.CrossEntropy{Ignore: -1}, head, labels)
	q := p.build(append(append([]*ir.Value{loss}, losses...), p.gradients(loss, append(weights, x)...)...)...)
	single, err := cpuexec.Plain(q)
	require.NoError(t, err)
	fused := pass.FuseSiblings(pass.Prune(q, func(*ir.Step) pass.Traits { return pass.Traits{} }))
	count := func(p *ir.Program) (forward, backward, sums int) {
		for _, s := range p.Steps {
			switch s.Op.(type) {
			case ir.SeparableConv:
				forward++
			case ir.SeparableConvGrad:
				backward++
			case ir.Sum:
				sums++
			}
		}
		return forward, backward, sums
	}
	forward, backward, sums := count(fused)
	assert.Equal(t, []int{1, 1, 0}, []int{forward, backward, sums})
	forward, backward, sums = count(q)
	assert.Equal(t, []int{4, 4, 1}, []int{forward, backward, sums})
	plan, err := cpuexec.Plain(fused)
	require.NoError(t, err)
	want, got := bind(t, single, 2).run(t, p.data), bind(t, plan, 2).run(t, p.data)
	for i := range want {
		near(t, want[i], got[i], 1e-6, fmt.Sprintf("result %d", i))
	}
}
