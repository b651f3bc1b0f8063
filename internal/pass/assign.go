package pass

import (
	"cmp"
	"slices"

	"unnas/internal/ir"
)

// line is the number of floats in a cache line; every value starts one.
const line = 16

// Floats returns the memory that a value takes in a layout, in floats.
func Floats(v *ir.Value) int { return (v.Floats() + line - 1) / line * line }

// A Layout places values in a block of memory.
type Layout struct {
	At   map[*ir.Value]int // offset, in floats
	Size int
}

// Assign places every computed value of a span that is not a result, largest first, each
// in the smallest gap between values that live at the same time.
func Assign(p *ir.Program, spans map[*ir.Value]Span) Layout {
	type place struct {
		of       *ir.Value
		span     Span
		at, size int
	}
	var places []*place
	for _, v := range stored(p, spans) {
		places = append(places, &place{of: v, span: spans[v], size: Floats(v)})
	}
	slices.SortStableFunc(places, func(a, b *place) int { return cmp.Compare(b.size, a.size) })
	l := Layout{At: make(map[*ir.Value]int, len(places))}
	var taken []*place // by offset
	for _, v := range places {
		best, gap, end := -1, 0, 0
		for _, o := range taken {
			if o.span.First > v.span.Last || o.span.Last < v.span.First {
				continue
			}
			if free := o.at - end; free >= v.size && (best < 0 || free < gap) {
				best, gap = end, free
			}
			end = max(end, o.at+o.size)
		}
		if best < 0 {
			best = end
		}
		v.at = best
		l.At[v.of] = best
		l.Size = max(l.Size, best+v.size)
		i, _ := slices.BinarySearchFunc(taken, best, func(o *place, at int) int { return cmp.Compare(o.at, at) })
		taken = slices.Insert(taken, i, v)
	}
	return l
}

// stored returns the values that take memory in the block of a layout.
func stored(p *ir.Program, spans map[*ir.Value]Span) []*ir.Value {
	results := map[*ir.Value]bool{}
	for _, v := range p.Results {
		results[v] = true
	}
	var values []*ir.Value
	for _, s := range p.Steps {
		for _, v := range s.Out {
			if _, ok := spans[v]; ok && v.Source == ir.Computed && !results[v] {
				values = append(values, v)
			}
		}
	}
	return values
}

// Peak returns the most floats that live in the block of a layout during one step, which
// no layout can beat.
func Peak(p *ir.Program, spans map[*ir.Value]Span) int { return slices.Max(live(p, spans)) }

// live returns how many floats live in the block of a layout during each step, and zero
// after the last.
func live(p *ir.Program, spans map[*ir.Value]Span) []int {
	floats := make([]int, len(p.Steps)+1)
	for _, v := range stored(p, spans) {
		floats[spans[v].First] += Floats(v)
		floats[spans[v].Last+1] -= Floats(v)
	}
	for i := range p.Steps {
		floats[i+1] += floats[i]
	}
	return floats
}
