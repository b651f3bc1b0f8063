package golden_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/ops"
)

// TestComplexityOfResNet56 counts the network whose size bounds the published
// samples of architectures (He et al., 2016, arXiv 1512.03385), with projections
// where the resolution changes.
func TestComplexityOfResNet56(t *testing.T) {
	g := gorgonia.NewGraph()
	s := ops.NewScope(g, ops.NewParams())
	ok := func(n *gorgonia.Node, err error) *gorgonia.Node {
		t.Helper()
		require.NoError(t, err)
		return n
	}
	convNorm := func(name string, x *gorgonia.Node, out, k, stride int) *gorgonia.Node {
		y := ok(s.Sub(name).Conv(x, ops.ConvConfig{Out: out, Window: ops.Square(k, stride, k/2, 1)}))
		return ok(s.Sub(name+".norm").BatchNorm(y, true))
	}
	x := ok(ops.Images(g, "images", 1, 32, 32, 3))
	x = ok(ops.ReLU(convNorm("stem", x, 16, 3, 1)))
	for stage, width := range []int{16, 32, 64} {
		for block := range 9 {
			name, stride, shortcut := fmt.Sprintf("%d.%d", stage, block), 1, x
			if stage > 0 && block == 0 {
				stride = 2
				shortcut = convNorm(name+".projection", x, width, 1, 2)
			}
			y := ok(ops.ReLU(convNorm(name+".a", x, width, 3, stride)))
			y = convNorm(name+".b", y, width, 3, 1)
			x = ok(ops.ReLU(ok(ops.Sum(shortcut, y))))
		}
	}
	ok(s.Sub("classifier").Linear(ok(ops.GlobalAvgPool(x)), 1, 10))
	assert.Equal(t, cell.Complexity{Params: 855_770, MACs: 125_747_840, THOP: 126_841_536}, cell.Measure(s))
}
