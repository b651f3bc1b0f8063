package vm

import (
	"slices"

	"unnas/internal/graph"
)

// mostFused is how many steps become one at most: as many as read a map on one
// edge of the published supernets. More would hold their results longer than they
// gain time.
const mostFused = 4

// fusion is several steps that become one.
type fusion struct {
	members []*step
	at      int // place of the first member, or of the last if gradients are added up
	kernel  graph.Fusible
}

// joint is what steps to fuse have in common: the map that they read and, for
// gradients of it, the step that adds them up.
type joint struct {
	read *value
	sum  *step
}

// fuse makes one step of several that read the same map, where their kernels can.
// Gradients that only a sum reads are added up on the way.
func (c *compiler) fuse() {
	place := make(map[*step]int, len(c.plan.steps))
	for i, s := range c.plan.steps {
		place[s] = i
	}
	var all []*fusion
	open := map[joint]*fusion{}
	for i, s := range c.plan.steps {
		k, ok := s.kernel.(graph.Fusible)
		if !ok {
			continue
		}
		j := joint{read: s.in[0]}
		if k.Shared() > 0 {
			if j.sum = s.gradientSum(k.Shared()); j.sum == nil {
				continue
			}
		}
		if f := open[j]; f != nil && f.add(s, i, place) {
			continue
		}
		open[j] = &fusion{members: []*step{s}, at: i, kernel: k}
		all = append(all, open[j])
	}
	at := map[int]*step{}
	gone := map[*step]bool{}
	for _, f := range all {
		if len(f.members) > 1 {
			for _, s := range f.members {
				gone[s] = true
			}
			at[f.at] = f.step(gone)
		}
	}
	if len(at) == 0 {
		return
	}
	var steps []*step
	for i, s := range c.plan.steps {
		if fused := at[i]; fused != nil {
			steps = append(steps, fused)
		} else if !gone[s] {
			steps = append(steps, s)
		}
	}
	c.plan.steps = steps
}

// gradientSum returns the sum that alone reads output 0 of a step, provided that
// nobody reads the other ones of the shared outputs.
func (s *step) gradientSum(shared int) *step {
	for _, v := range s.out[1:shared] {
		if v != nil {
			return nil
		}
	}
	v := s.out[0]
	if v == nil || v.want || len(v.uses) != 1 {
		return nil
	}
	sum := v.uses[0].step
	if _, ok := sum.kernel.(graph.Sum); !ok {
		return nil
	}
	return sum
}

// add takes step number i into the fusion; it reports false if it must stay on
// its own.
func (f *fusion) add(s *step, i int, place map[*step]int) bool {
	if len(f.members) == mostFused {
		return false
	}
	if f.kernel.Shared() == 0 {
		// All run at the place of the first: the inputs must be there.
		for _, v := range s.in[1:] {
			if !v.outside {
				return false
			}
		}
	} else {
		// All run at the place of the last: nobody may have read an output.
		for _, m := range f.members {
			for _, v := range m.out {
				if v != nil && slices.ContainsFunc(v.uses, func(u use) bool { return place[u.step] < i }) {
					return false
				}
			}
		}
	}
	k := f.kernel.Fuse(s.kernel)
	if k == nil {
		return false
	}
	f.kernel = k.(graph.Fusible)
	f.members = append(f.members, s)
	if f.kernel.Shared() > 0 {
		f.at = i
	}
	return true
}

// step returns the step that replaces the members. It takes their gradients out of
// the sum that read them; a sum of nothing else is gone too.
func (f *fusion) step(gone map[*step]bool) *step {
	first, shared := f.members[0], f.kernel.Shared()
	fused := &step{node: first.node, kernel: f.kernel}
	fused.in = append(fused.in, first.in[0])
	fused.out = append(fused.out, first.out[:shared]...)
	for _, s := range f.members {
		fused.in = append(fused.in, s.in[1:]...)
		fused.out = append(fused.out, s.out[shared:]...)
	}
	if shared > 0 {
		sum := first.out[0].uses[0].step
		sum.in = slices.DeleteFunc(sum.in, func(v *value) bool {
			return slices.ContainsFunc(f.members[1:], func(s *step) bool { return s.out[0] == v })
		})
		sum.kernel = graph.Sum(len(sum.in))
		if len(sum.in) == 1 {
			fused.out[0] = sum.out[0]
			gone[sum] = true
		}
	}
	return fused
}
