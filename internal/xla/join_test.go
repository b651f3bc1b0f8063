package xla

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/ir"
)

// names returns the bundles as the numbers of their steps.
func names(steps []*ir.Step, bundles [][]*ir.Step) (list []string) {
	number := map[*ir.Step]int{}
	for i, s := range steps {
		number[s] = i
	}
	for _, b := range bundles {
		var n []int
		for _, s := range b {
			n = append(n, number[s])
		}
		list = append(list, fmt.Sprint(n))
	}
	return list
}

// TestJoin joins the edges that leave a state, also where the gradients of some come late,
// and the gradients in the order of the edges.
func TestJoin(t *testing.T) {
	var b ir.Builder
	input := func(shape ...int) *ir.Value { return &ir.Value{Shape: shape, Type: ir.Float32, Source: ir.External} }
	win := ir.Square(3, 1, 1, 1)
	op := ir.SeparableConv{Windows: []ir.Window{win}}
	x := input(2, 4, 4, 3)
	weights := func() (wd, wp *ir.Value) { return input(3, 3, 1, 3), input(1, 1, 3, 3) }
	d0, p0 := weights()
	d1, p1 := weights()
	d2, p2 := weights()
	y0 := b.Apply(op, x, d0, p0)[0]                                                  // 0
	y1 := b.Apply(op, x, d1, p1)[0]                                                  // 1
	sum := b.Apply(ir.Sum{}, y0, y1)[0]                                              // 2
	y2 := b.Apply(op, sum, d2, p2)[0]                                                // 3: of another state
	b.Apply(ir.Moments{}, y1)                                                        // 4
	b.Apply(ir.Moments{}, y0)                                                        // 5
	g1 := b.Apply(ir.SeparableConvGrad(op), x, y2, d1, p1)[0]                        // 6
	g0 := b.Apply(ir.SeparableConvGrad(op), x, b.Apply(ir.ReLU{}, y2)[0], d0, p0)[0] // 8 of 7
	b.Apply(ir.Sum{}, g0, g1)                                                        // 9
	assert.Equal(t, []string{"[0 1]", "[2]", "[3]", "[5 4]", "[7]", "[8 6]", "[9]"}, names(b.Steps, join(b.Steps)))
}

// TestJoinCycle leaves steps apart of which one needs another.
func TestJoinCycle(t *testing.T) {
	var b ir.Builder
	input := func(shape ...int) *ir.Value { return &ir.Value{Shape: shape, Type: ir.Float32, Source: ir.External} }
	op := ir.SeparableConvGrad{Windows: []ir.Window{ir.Square(3, 1, 1, 1)}}
	x, gy := input(2, 4, 4, 3), input(2, 4, 4, 3)
	for range 3 {
		gy = b.Apply(op, x, gy, input(3, 3, 1, 3), input(1, 1, 3, 3))[0]
	}
	assert.Equal(t, []string{"[0]", "[1]", "[2]"}, names(b.Steps, join(b.Steps)))
}
