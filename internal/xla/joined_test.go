package xla_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/ir/irtest"
	"unnas/internal/xla"
	"unnas/internal/xla/xlatest"
)

// TestJoined compares edges that leave one map, and the gradients of all that they read, with
// the CPU.
func TestJoined(t *testing.T) {
	xlatest.Client(t)
	for _, c := range []struct {
		name string
		add  func(p *irtest.Program, x *ir.Value) (y *ir.Value, weights []*ir.Value)
	}{
		{"separable", separableEdge(ir.Square(3, 1, 1, 1))},
		{"dilated", separableEdge(ir.Square(3, 1, 2, 2))},
		{"strided", separableEdge(ir.Square(5, 2, 2, 1))},
		{"reduced", func(p *irtest.Program, x *ir.Value) (*ir.Value, []*ir.Value) {
			w := []*ir.Value{p.Normal("even", 1, 1, 1, 3, 2), p.Normal("odd", 1, 1, 1, 3, 2)}
			return p.Op(ir.FactorizedReduce{Out: 4}, x, w[0], w[1]), w
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := irtest.NewProgram(1)
			x := p.Normal("x", 1, 2, 7, 6, 3)
			reads := []*ir.Value{x}
			var edges []*ir.Value
			for range 3 {
				y, weights := c.add(p, x)
				reads = append(reads, weights...)
				n, channels := y.Shape.Size()/y.Shape.Channels(), y.Shape.Channels()
				moments := p.Op(ir.Moments{}, y)
				mean, variance := p.Normal("mean", 1, channels), p.Normal("variance", 1, channels)
				statistics := p.Op(ir.BatchStatistics{Epsilon: 1e-5, Momentum: 0.1, Count: n}, moments, mean, variance)
				edges = append(edges, p.Op(ir.BatchNorm{}, y, statistics))
			}
			weights := p.Normal("mix", 1, 1, 3)
			reads = append(reads, weights)
			y := p.Op(ir.Mix{Index: []int{2, 0, 1}}, append([]*ir.Value{weights}, edges...)...)
			logits := p.Op(ir.GlobalAvgPool{}, p.Op(ir.ReLU{}, y))
			labels := p.Add("labels", ir.Int32, cpuexec.Array{Shape: ir.Shape{2}, I: []int32{0, 2}})
			loss := p.Op(ir.CrossEntropy{Ignore: -1}, logits, labels)
			q := p.Build(append([]*ir.Value{loss}, p.Gradients(loss, reads...)...)...)
			want, got := onCPU(t, q, slices.Clone(p.Data)), onDevice(t, q, slices.Clone(p.Data), xla.Options{Flags: xlatest.Quick})
			for i := range want {
				assert.LessOrEqual(t, difference(t, want[i], got[i], 0.01), 1e-5, "result %d", i)
			}
		})
	}
}

func separableEdge(win ir.Window) func(p *irtest.Program, x *ir.Value) (*ir.Value, []*ir.Value) {
	return func(p *irtest.Program, x *ir.Value) (*ir.Value, []*ir.Value) {
		w := []*ir.Value{p.Normal("depthwise", 1, win.Rows, win.Columns, 1, 3), p.Normal("pointwise", 1, 1, 1, 3, 4)}
		return p.Op(ir.SeparableConv{Windows: []ir.Window{win}}, x, w[0], w[1]), w
	}
}
