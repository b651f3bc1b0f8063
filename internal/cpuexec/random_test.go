package cpuexec_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/ir/irtest"
	"unnas/internal/pass"
)

// states returns the new values of states.
func states(e *executable, p *irtest.Program) (values []float32) {
	for i, v := range p.Inputs {
		if slices.ContainsFunc(p.States, func(s ir.State) bool { return s.In == v }) {
			values = append(values, p.Data[i].F...)
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
		n, p := irtest.NewNetwork(seed, 3+int(seed)%8)
		t.Logf("seed %d: %d steps", seed, len(p.Steps))
		plain, err := cpuexec.Plain(p)
		require.NoError(t, err)
		want := bind(t, plain, 1).run(t, n.Data)
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
		got := bind(t, once, 2).run(t, n.Data)
		for i, v := range want {
			near(t, v, got[i], 1e-4, fmt.Sprintf("seed %d, result %d", seed, i))
		}
		require.Equal(t, got, bind(t, again, 2).run(t, n.Data), "seed %d, recomputed", seed)
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
	n, p := irtest.NewNetwork(100, 12)
	var first [][]float32
	for _, recompute := range []bool{false, true} {
		for _, workers := range []int{1, 2, 7, 16, 64} {
			for _, planned := range []int{workers, 3} {
				plan := compile(t, p, cpuexec.Options{Workers: planned, Recompute: recompute})
				e := bind(t, plan, workers)
				q := &irtest.Program{Inputs: n.Inputs, Data: clone(n.Data), States: n.States}
				got := e.run(t, q.Data)
				require.NoError(t, e.Run(true))
				got = append(got, states(e, q))
				if first == nil {
					first = got
					assert.NotEqual(t, states(e, n.Program), states(e, q))
				}
				require.Equal(t, first, got, "%d workers, a plan for %d, recompute %v", workers, planned, recompute)
			}
		}
	}
}

// TestRecompute takes less memory for the same bits.
func TestRecompute(t *testing.T) {
	n, p := irtest.NewNetwork(7, 24)
	once, again := compile(t, p, cpuexec.Options{Workers: 2}), compile(t, p, cpuexec.Options{Workers: 2, Recompute: true})
	assert.Less(t, float64(again.Bytes(1)), 0.9*float64(once.Bytes(1)))
	e := bind(t, again, 2)
	assert.Equal(t, bind(t, once, 2).run(t, n.Data), e.run(t, n.Data))
	assert.Equal(t, again.Bytes(2), e.Bytes())
}

// TestBFloat16OfNetworks takes less memory for results that are nearly the same.
func TestBFloat16OfNetworks(t *testing.T) {
	n, p := irtest.NewNetwork(7, 24)
	plain, narrow := compile(t, p, cpuexec.Options{Workers: 2}), compile(t, p, cpuexec.Options{Workers: 2, BFloat16: true})
	assert.Less(t, narrow.Bytes(1), plain.Bytes(1))
	want, got := bind(t, plain, 2).run(t, n.Data), bind(t, narrow, 2).run(t, n.Data)
	assert.NotEqual(t, want, got)
	var squares, difference float64
	for i := range want {
		for j, v := range want[i] {
			squares += float64(v) * float64(v)
			difference += float64(v-got[i][j]) * float64(v-got[i][j])
		}
	}
	assert.Less(t, math.Sqrt(difference/squares), 0.01)
}

// TestSiblings compares fused steps with single ones.
func TestSiblings(t *testing.T) {
	p := irtest.NewProgram(3)
	x := p.Normal("x", 1, irtest.Batch, irtest.Height, irtest.Width, irtest.Channels)
	var losses, weights []*ir.Value
	for _, w := range []ir.Window{ir.Square(3, 1, 1, 1), ir.Square(5, 1, 2, 1), ir.Square(3, 1, 2, 2), ir.Square(5, 1, 4, 2)} {
		weights = append(weights, p.Normal("depth", 0.5, w.Rows, w.Rows, 1, irtest.Channels), p.Normal("point", 0.5, 1, 1, irtest.Channels, irtest.Channels))
		y := p.Op(ir.SeparableConv{Windows: []ir.Window{w}}, x, weights[len(weights)-2], weights[len(weights)-1])
		losses = append(losses, y)
	}
	sum := p.Op(ir.Concat{}, losses...)
	head := p.Op(ir.Linear{}, p.Op(ir.GlobalAvgPool{}, sum), p.Normal("w", 1, 4*irtest.Channels, irtest.Classes), p.Normal("b", 1, irtest.Classes))
	labels := p.Add("labels", ir.Int32, cpuexec.Array{Shape: ir.Shape{irtest.Batch}, I: []int32{0, 2}})
	loss := p.Op(ir.CrossEntropy{Ignore: -1}, head, labels)
	q := p.Build(append(append([]*ir.Value{loss}, losses...), p.Gradients(loss, append(weights, x)...)...)...)
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
	want, got := bind(t, single, 2).run(t, p.Data), bind(t, plan, 2).run(t, p.Data)
	for i := range want {
		near(t, want[i], got[i], 1e-6, fmt.Sprintf("result %d", i))
	}
}
