package vm

import (
	"cmp"
	"slices"
	"sort"

	"unnas/internal/graph"
)

// rest is the number of steps for which memory must lie idle before work is done
// to free it meanwhile.
const rest = 8

// recompute trades time for memory. The maps of a network lie idle between their
// readers in the forward pass and those in the backward pass: the life of a map
// ends with the former, and a second run of its step makes it again for the latter
// (Chen et al., 2016, arXiv 1604.06174). Results keep all their bits.
//
// The steps that free most memory for their work run twice, as many as save nine
// tenths of what all of them would at the busiest moment: the last tenth takes a
// fifth of the work.
func (c *compiler) recompute() {
	c.cutSums()
	steps, all := c.plan.steps, c.repeatable()
	peak := func(n int) int {
		c.plan.steps = repeat(steps, all[:n])
		c.live()
		return c.plan.busiest()
	}
	most, least := peak(0), peak(len(all))
	enough := max(least+(most-least)/10, least)
	n := sort.Search(len(all), func(n int) bool { return peak(n) <= enough })
	c.plan.steps = repeat(steps, all[:n])
}

// cutSums replaces what waits for the rest of its sum by partial sums. They add
// from left to right as the whole does, so no bit changes.
func (c *compiler) cutSums() {
	steps := c.plan.steps
	made := map[*value]int{}
	for i, s := range steps {
		for _, v := range s.out {
			made[v] = i
		}
	}
	after := make([][]*step, len(steps))
	for _, s := range steps {
		if _, ok := s.kernel.(graph.Sum); !ok {
			continue
		}
		var terms []*value
		now := 0
		for _, v := range s.in {
			ready := max(now, made[v])
			if len(terms) > 1 && ready-now > rest {
				sum := s.out[0].copy()
				after[now] = append(after[now], &step{node: s.node, kernel: graph.Sum(len(terms)), in: terms, out: []*value{sum}})
				terms = []*value{sum}
			}
			terms = append(terms, v)
			now = ready
		}
		s.in, s.kernel = terms, graph.Sum(len(terms))
	}
	c.plan.steps = nil
	for i, s := range steps {
		c.plan.steps = append(append(c.plan.steps, s), after[i]...)
	}
}

// repeatable returns the numbers of the steps that may run twice, those first that
// free most memory for their work.
func (c *compiler) repeatable() []int {
	var numbers []int
	work := map[int]float64{} // for each float
	for i, s := range c.plan.steps {
		if _, ok := s.kernel.(graph.Repeatable); !ok {
			continue
		}
		floats := 0
		for _, v := range s.repeatable() {
			floats += v.floats()
		}
		if floats == 0 {
			continue
		}
		numbers = append(numbers, i)
		if m, ok := s.kernel.(graph.Measured); ok {
			work[i] = float64(m.Cost(shapes(s.in)).ConvMACs) / float64(floats)
		}
	}
	slices.SortStableFunc(numbers, func(a, b int) int { return cmp.Compare(work[a], work[b]) })
	return numbers
}

// repeatable returns the outputs of a step that a second run can make, by their
// numbers.
func (s *step) repeatable() map[int]*value {
	k, ok := s.kernel.(graph.Repeatable)
	if !ok {
		return nil
	}
	values := map[int]*value{}
	for i, v := range s.out {
		if v != nil && !v.want && v.form == nil && k.Repeatable(i) {
			values[i] = v
		}
	}
	return values
}

// again is the second run of a step, before the step number at.
type again struct {
	of  *step
	out []*value // copies, nil where nobody reads one
}

// second is the copy of a value that is read from step number at on.
type second struct {
	at   int
	copy *value
}

// repeat returns steps of which the chosen ones run twice, but for those whose
// output never rests.
func repeat(steps []*step, chosen []int) []*step {
	touched := map[*value][]int{} // when its memory is read
	touch := func(s *step, at int) {
		for _, v := range s.in {
			v.parts(func(p *value) { touched[p] = append(touched[p], at) })
		}
	}
	for i, s := range steps {
		touch(s, i)
	}
	r := repeats{byValue: map[*value]second{}, forms: map[formOf]*value{}}
	before := make([][]again, len(steps))
	// Backwards, since a second run reads too: what it reads is made before it.
	for _, i := range slices.Backward(slices.Sorted(slices.Values(chosen))) {
		s := steps[i]
		maps := s.repeatable()
		var reads []int
		for _, v := range maps {
			reads = append(reads, touched[v]...)
		}
		at := longestRest(i, reads)
		if at == 0 {
			continue
		}
		a := again{s, make([]*value, len(s.out))}
		for o, v := range maps {
			if slices.Max(append(touched[v], i)) >= at {
				a.out[o] = v.copy()
				r.byValue[v] = second{at, a.out[o]}
			}
		}
		before[at] = append(before[at], a)
		touch(s, at)
	}
	var out []*step
	for i, s := range steps {
		for _, a := range slices.Backward(before[i]) {
			out = append(out, &step{node: a.of.node, kernel: a.of.kernel, in: r.values(a.of.in, i), out: a.out})
		}
		out = append(out, &step{node: s.node, kernel: s.kernel, stock: s.stock, in: r.values(s.in, i), out: r.values(s.out, i)})
	}
	return out
}

// longestRest returns the step that ends the longest rest of a value made by step
// number made; 0 if it never rests.
func longestRest(made int, touched []int) (end int) {
	longest := rest
	last := made
	for _, at := range slices.Sorted(slices.Values(touched)) {
		if at-last > longest {
			longest, end = at-last, at
		}
		last = at
	}
	return end
}

// repeats tells which copy of a value a step reads, or forms its outputs from.
type repeats struct {
	byValue map[*value]second
	forms   map[formOf]*value
}

// formOf names a pending map over other copies of what it is formed from.
type formOf struct{ of, p, q *value }

// values returns what stands for the values at step number at.
func (r repeats) values(of []*value, at int) []*value {
	values := make([]*value, len(of))
	for i, v := range of {
		values[i] = r.value(v, at)
	}
	return values
}

func (r repeats) value(v *value, at int) *value {
	if v == nil {
		return nil
	}
	if v.form == nil {
		if a, ok := r.byValue[v]; ok && at >= a.at {
			return a.copy
		}
		return v
	}
	f := *v.form
	f.p, f.q = r.value(f.p, at), r.value(f.q, at)
	if f == *v.form {
		return v
	}
	key := formOf{v, f.p, f.q}
	if r.forms[key] == nil {
		w := v.copy()
		w.form = &f
		r.forms[key] = w
	}
	return r.forms[key]
}
