package ops_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// BenchmarkOp times the candidates of DARTS on 16 images, alone: output, and the
// gradients of input and parameters. Where they would do nothing, at stride 1,
// skip_connect has stride 2, and none is left out. internal/peer measures the
// same in PyTorch.
func BenchmarkOp(b *testing.B) {
	for _, op := range ops.DARTS() {
		stride := 1
		switch op.Name() {
		case ops.None().Name():
			continue
		case ops.Skip().Name():
			stride = 2
		}
		for _, s := range []struct{ c, size int }{{16, 32}, {32, 16}, {64, 8}} {
			b.Run(fmt.Sprintf("%s/C%d@%d", op.Name(), s.c, s.size), func(b *testing.B) {
				n := newNet(b)
				x := n.maps("x", 16, s.size, s.size, s.c)
				y, err := op.Build(n.Scope, x, ops.OpConfig{Stride: stride})
				require.NoError(b, err)
				if u, ok := op.(ops.Unnormalised); ok && u.NeedsBatchNorm() { // as in a mixed op
					y, err = n.Sub("norm").BatchNorm(y, false)
					require.NoError(b, err)
				}
				n.init()
				grads, err := gorgonia.Backpropagate(gorgonia.Nodes{y}, gorgonia.Nodes{n.maps("gy", y.Shape()...)}, slices.Concat(gorgonia.Nodes{x}, n.Learnables()))
				require.NoError(b, err)
				m := n.run(append(grads, y)...)
				b.ReportAllocs()
				for b.Loop() {
					require.NoError(b, m.RunAll())
				}
				b.ReportMetric(float64(m.Bytes())/(1<<20), "planned-MiB")
				b.ReportMetric(float64(n.Params().Count()), "params")
			})
		}
	}
}
