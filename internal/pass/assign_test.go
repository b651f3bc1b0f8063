package pass_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

func TestFloats(t *testing.T) {
	for _, c := range []struct {
		shape ir.Shape
		want  int
	}{
		{ir.Shape{}, 16}, {ir.Shape{1}, 16}, {ir.Shape{16}, 16}, {ir.Shape{17}, 32}, {ir.Shape{2, 3, 2, 5}, 64},
	} {
		assert.Equal(t, c.want, pass.Floats(&ir.Value{Shape: c.shape}), "%v", c.shape)
	}
}

// layout assigns memory to values of given floats and spans, and returns their offsets.
func layout(sizes []int, spans []pass.Span) (at []int, l pass.Layout, p *ir.Program, s map[*ir.Value]pass.Span) {
	p, s = &ir.Program{}, map[*ir.Value]pass.Span{}
	var values []*ir.Value
	last := 0
	for i, size := range sizes {
		v := &ir.Value{Shape: ir.Shape{size}}
		values, s[v] = append(values, v), spans[i]
		last = max(last, spans[i].Last)
	}
	for i := range last + 1 {
		step := &ir.Step{Op: toy{name: "Step"}}
		for j, v := range values {
			if spans[j].First == i {
				step.Out = append(step.Out, v)
			}
		}
		p.Steps = append(p.Steps, step)
	}
	l = pass.Assign(p, s)
	for _, v := range values {
		at = append(at, l.At[v])
	}
	return at, l, p, s
}

// TestAssign shows where values go.
func TestAssign(t *testing.T) {
	for _, c := range []struct {
		name       string
		sizes      []int
		spans      []pass.Span
		at         []int
		size, peak int
	}{
		{"one after the other", []int{16, 16}, []pass.Span{{0, 0}, {1, 1}}, []int{0, 0}, 16, 16},
		{"in a step that reads one and makes the other", []int{16, 16}, []pass.Span{{0, 1}, {1, 2}}, []int{0, 16}, 32, 32},
		{"whole cache lines", []int{1, 17}, []pass.Span{{0, 1}, {0, 1}}, []int{32, 0}, 48, 48},
		{"the largest first", []int{16, 64, 32}, []pass.Span{{0, 2}, {1, 2}, {2, 2}}, []int{96, 0, 64}, 112, 112},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, l, p, spans := layout(c.sizes, c.spans)
			assert.Equal(t, c.at, at)
			assert.Equal(t, c.size, l.Size)
			assert.Equal(t, c.peak, pass.Peak(p, spans))
		})
	}
}

// TestAssignFillsGaps places a value between two larger ones, in the smaller of two gaps.
func TestAssignFillsGaps(t *testing.T) {
	at, l, _, _ := layout(
		//    a    gap  b   gap c   in a gap
		[]int{128, 112, 96, 80, 64, 48},
		[]pass.Span{{0, 1}, {0, 0}, {0, 1}, {0, 0}, {0, 1}, {1, 1}},
	)
	assert.Equal(t, []int{0, 128, 240, 336, 416, 336}, at)
	assert.Equal(t, 480, l.Size)
}

// TestAssignPlaces holds which values take memory.
func TestAssignPlaces(t *testing.T) {
	var p program
	raw, state := p.input("raw"), p.input("state")
	x := p.apply(toy{name: "X"}, raw)
	deferred := p.Apply(affine("Shifted", true, ir.Stored), x)
	foreign := p.foreign("Tanh", x)
	next := p.apply(toy{name: "NextState"}, state)
	result := p.apply(ir.Sum{}, deferred[0], foreign)
	last := p.apply(toy{name: "Last"}, result)
	q := p.build(result, raw, last)
	q.States = []ir.State{{In: state, Out: next}}
	q = pass.Defer(q, target)
	l := pass.Assign(q, pass.Liveness(q))
	assert.Len(t, l.At, 3)
	for _, v := range []*ir.Value{x, deferred[1], next} {
		assert.Contains(t, l.At, v)
	}
	assert.Equal(t, 64+16+64, l.Size)
}

// TestAssignRandom compares layouts of random values with what lives at the busiest step,
// which no layout can beat.
func TestAssignRandom(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var sizes []int
		var spans []pass.Span
		for range 2 + r.IntN(60) {
			first := r.IntN(40)
			sizes = append(sizes, 1+r.IntN(300))
			spans = append(spans, pass.Span{First: first, Last: first + r.IntN(12)})
		}
		at, l, p, s := layout(sizes, spans)
		assert.GreaterOrEqual(t, l.Size, pass.Peak(p, s), "seed %d", seed)
		assert.LessOrEqual(t, float64(l.Size), 1.35*float64(pass.Peak(p, s)), "seed %d", seed)
		for i := range at {
			assert.LessOrEqual(t, at[i]+sizes[i], l.Size)
			assert.Zero(t, at[i]%16)
			for j := range i {
				together := spans[i].First <= spans[j].Last && spans[j].First <= spans[i].Last
				overlap := at[i] < at[j]+sizes[j] && at[j] < at[i]+sizes[i]
				require.False(t, together && overlap, "seed %d: values %d and %d", seed, i, j)
			}
		}
	}
}
