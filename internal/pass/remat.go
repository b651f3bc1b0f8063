package pass

import (
	"cmp"
	"slices"
	"sort"

	"unnas/internal/ir"
)

// minIdle is the shortest idle interval, in steps, that justifies rematerialisation.
const minIdle = 8

// Rematerialise trades time for memory (activation checkpointing). The maps of a network
// lie idle between their readers in the forward pass and those in the backward pass: the
// life of a map ends with the former, and a second run of its step makes it again for the
// latter (Chen et al., 2016, arXiv 1604.06174). Results keep all their bits.
//
// The steps that free most memory for their work run twice, as many as save nine tenths
// of what all of them would at the busiest moment: the last tenth takes a fifth of the
// work.
func Rematerialise(p *ir.Program, t Target) *ir.Program {
	p = splitSums(p)
	steps := candidates(p, t)
	peak := func(n int) int {
		q := repeat(p, t, steps[:n])
		return Peak(q, Liveness(q))
	}
	most, least := peak(0), peak(len(steps))
	enough := max(least+(most-least)/10, least)
	n := sort.Search(len(steps), func(n int) bool { return peak(n) <= enough })
	return repeat(p, t, steps[:n])
}

// splitSums replaces the terms that wait for the rest of their sum by partial sums. They
// add from left to right as the whole does, so no bit changes.
func splitSums(p *ir.Program) *ir.Program {
	p = shallow(p)
	made := map[*ir.Value]int{}
	for i, s := range p.Steps {
		for _, v := range s.Out {
			made[v] = i
		}
	}
	after := make([][]*ir.Step, len(p.Steps))
	for _, s := range p.Steps {
		if _, ok := s.Op.(ir.Sum); !ok {
			continue
		}
		var terms []*ir.Value
		now := 0
		for _, v := range s.In {
			ready := max(now, made[v])
			if len(terms) > 1 && ready-now > minIdle {
				sum := duplicate(s.Out[0])
				after[now] = append(after[now], &ir.Step{Op: s.Op, Name: s.Name, In: terms, Out: []*ir.Value{sum}})
				terms = []*ir.Value{sum}
			}
			terms = append(terms, v)
			now = ready
		}
		s.In = terms
	}
	var steps []*ir.Step
	for i, s := range p.Steps {
		steps = append(append(steps, s), after[i]...)
	}
	p.Steps = steps
	return p
}

// duplicate returns another value of the same shape.
func duplicate(v *ir.Value) *ir.Value {
	return &ir.Value{Name: v.Name, Shape: v.Shape, Type: v.Type, Source: v.Source}
}

// candidates returns the numbers of the steps that may run twice, those first that free
// most memory for their work.
func candidates(p *ir.Program, t Target) []int {
	keep := kept(p)
	var numbers []int
	work := map[int]float64{} // for each float
	for i, s := range p.Steps {
		floats := 0
		for _, v := range repeatable(s, t, keep) {
			floats += Floats(v)
		}
		if floats == 0 {
			continue
		}
		numbers = append(numbers, i)
		if m, ok := s.Op.(ir.Measured); ok {
			work[i] = float64(m.Cost(ir.Shapes(s.In)).ConvMACs) / float64(floats)
		}
	}
	slices.SortStableFunc(numbers, func(a, b int) int { return cmp.Compare(work[a], work[b]) })
	return numbers
}

// repeatable returns the outputs of a step that a second run can make, by their numbers.
func repeatable(s *ir.Step, t Target, keep map[*ir.Value]bool) map[int]*ir.Value {
	repeats := t(s).Repeats
	if repeats == nil {
		return nil
	}
	values := map[int]*ir.Value{}
	for i, v := range s.Out {
		if v != nil && !keep[v] && v.Deferred == nil && repeats(i) {
			values[i] = v
		}
	}
	return values
}

// rerun is the second run of a step.
type rerun struct {
	of  *ir.Step
	out []*ir.Value // copies, nil where nothing reads one
}

// copied is the copy of a value that is read from a step on.
type copied struct {
	from  int
	value *ir.Value
}

// repeat returns a program of which the chosen steps run twice, but for those whose
// output is never idle.
func repeat(p *ir.Program, t Target, chosen []int) *ir.Program {
	touched := map[*ir.Value][]int{} // the steps that read its memory
	touch := func(s *ir.Step, at int) {
		for _, v := range s.In {
			parts(v, func(v *ir.Value) { touched[v] = append(touched[v], at) })
		}
	}
	for i, s := range p.Steps {
		touch(s, i)
	}
	keep := kept(p)
	c := copies{byValue: map[*ir.Value]copied{}, deferred: map[deferredCopy]*ir.Value{}}
	before := make([][]rerun, len(p.Steps))
	// Backwards, since a second run reads too: what it reads is made before it.
	for _, i := range slices.Backward(slices.Sorted(slices.Values(chosen))) {
		s := p.Steps[i]
		maps := repeatable(s, t, keep)
		var reads []int
		for _, v := range maps {
			reads = append(reads, touched[v]...)
		}
		at := longestIdle(i, reads)
		if at == 0 {
			continue
		}
		r := rerun{s, make([]*ir.Value, len(s.Out))}
		for o, v := range maps {
			if slices.Max(append(touched[v], i)) >= at {
				r.out[o] = duplicate(v)
				c.byValue[v] = copied{at, r.out[o]}
			}
		}
		before[at] = append(before[at], r)
		touch(s, at)
	}
	q := *p
	q.Steps = nil
	for i, s := range p.Steps {
		for _, r := range slices.Backward(before[i]) {
			q.Steps = append(q.Steps, &ir.Step{Op: r.of.Op, Name: r.of.Name, In: c.values(r.of.In, i), Out: r.out, Late: true})
		}
		q.Steps = append(q.Steps, &ir.Step{Op: s.Op, Name: s.Name, In: c.values(s.In, i), Out: c.values(s.Out, i)})
	}
	return &q
}

// longestIdle returns the step that ends the longest idle interval of a value made by
// step number made; 0 if it is never idle.
func longestIdle(made int, touched []int) (end int) {
	longest := minIdle
	last := made
	for _, at := range slices.Sorted(slices.Values(touched)) {
		if at-last > longest {
			longest, end = at-last, at
		}
		last = at
	}
	return end
}

// copies gives, for each step, the copy of a value that it reads, or forms its outputs
// from.
type copies struct {
	byValue  map[*ir.Value]copied
	deferred map[deferredCopy]*ir.Value
}

// deferredCopy is a deferred value over other copies of its maps.
type deferredCopy struct{ of, p, q *ir.Value }

// values returns what stands for values at step number at.
func (c copies) values(of []*ir.Value, at int) []*ir.Value {
	values := make([]*ir.Value, len(of))
	for i, v := range of {
		values[i] = c.value(v, at)
	}
	return values
}

func (c copies) value(v *ir.Value, at int) *ir.Value {
	if v == nil {
		return nil
	}
	if v.Deferred == nil {
		if a, ok := c.byValue[v]; ok && at >= a.from {
			return a.value
		}
		return v
	}
	d := *v.Deferred
	d.P, d.Q = c.value(d.P, at), c.value(d.Q, at)
	if d == *v.Deferred {
		return v
	}
	key := deferredCopy{v, d.P, d.Q}
	if c.deferred[key] == nil {
		w := duplicate(v)
		w.Deferred = &d
		c.deferred[key] = w
	}
	return c.deferred[key]
}
