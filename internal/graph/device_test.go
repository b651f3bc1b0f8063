package graph_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/internal/cpuexec"
	"unnas/internal/graph"
	"unnas/internal/ir"
	"unnas/internal/xla"
	"unnas/internal/xla/xlatest"
	"unnas/ops"
)

// TestSupernetOnDevice compares the loss, all gradients and the running statistics of a
// supernet on a device of XLA with those on the CPU: a step of weights, one of architecture
// parameters, and evaluation.
func TestSupernetOnDevice(t *testing.T) {
	client := xlatest.Client(t)
	p := ops.NewParams()
	n := newSupernet(t, p)
	n.feed(t, 1)
	for _, c := range []struct {
		name            string
		evaluate, alpha bool
	}{{name: "weights"}, {name: "architecture parameters", alpha: true}, {name: "evaluation", evaluate: true}} {
		t.Run(c.name, func(t *testing.T) {
			o := graph.Options{Evaluate: c.evaluate, Want: gorgonia.Nodes{n.loss}}
			for _, w := range n.scope.Learnables() {
				if n.scope.Owner(w).Alpha == c.alpha {
					o.Want = append(o.Want, w.Deriv())
				}
			}
			program, inputs, results, err := graph.Built(n.scope.Graph(), o)
			require.NoError(t, err)
			begin := time.Now()
			plan, err := xla.Compile(client, program, xla.Options{Flags: xlatest.Quick})
			require.NoError(t, err)
			defer plan.Close()
			t.Logf("%d steps compiled in %v, %d bytes", len(program.Steps), time.Since(begin), plan.Bytes())
			e := plan.Bind(make([][]float32, len(results)))
			running := slices.Clone(p.Running())
			for i, in := range inputs {
				e.SetInput(i, array(in))
			}
			begin = time.Now()
			require.NoError(t, e.Run(!c.evaluate))
			t.Logf("run in %v", time.Since(begin))
			became := slices.Clone(p.Running())
			copy(p.Running(), running)

			r := n.newRig(t, 1, graph.Options{Evaluate: c.evaluate})
			number := 0
			if c.alpha {
				number = 1
			}
			r.run(t, number)
			loss := float64(floats(n.loss)[0])
			assert.InEpsilon(t, loss, float64(e.Result(0).F[0]), 1e-5)
			var worst, most float64
			for i := 1; i < len(results); i++ {
				for j, v := range floats(results[i]) {
					worst = max(worst, math.Abs(float64(v)-float64(e.Result(i).F[j])))
					most = max(most, math.Abs(float64(v)))
				}
			}
			t.Logf("loss %v and %v, gradients up to %v with an error of %v", loss, e.Result(0).F[0], most, worst/most)
			assert.Less(t, worst/most, 1e-5)
			for i, v := range p.Running() {
				assert.InDelta(t, v, became[i], 1e-5)
			}
		})
	}
}

// array returns the value of a node.
func array(n *gorgonia.Node) (a cpuexec.Array) {
	a.Shape = ir.Shape(n.Shape())
	switch v := n.Value().Data().(type) {
	case []float32:
		a.F = v
	case []int32:
		a.I = v
	case float32:
		a.F = []float32{v}
	}
	return a
}
