package pass

import (
	"slices"

	"unnas/internal/ir"
)

// mostSiblings bounds the steps that become one: as many as read a map on one edge of the
// published supernets. Larger fusions keep results live for longer than they save time.
const mostSiblings = 4

// siblings are several steps that become one.
type siblings struct {
	members []*ir.Step
	op      ir.Op // of the fused step
	at      int   // place of the first member, or of the last if gradients are added up
}

// family is what siblings have in common: the map that they read and, for gradients of
// it, the step that adds them up.
type family struct {
	source *ir.Value
	sum    *ir.Step
}

// FuseSiblings makes one step of several separable convolutions that read one map, so
// that the map is loaded once, and one of their gradients, which are added up on the way.
func FuseSiblings(p *ir.Program) *ir.Program {
	p = shallow(p)
	f := fuser{uses: uses(p), kept: kept(p), place: make(map[*ir.Step]int, len(p.Steps))}
	for i, s := range p.Steps {
		f.place[s] = i
	}
	open := map[family]*siblings{}
	var all []*siblings
	for i, s := range p.Steps {
		var key family
		switch s.Op.(type) {
		case ir.SeparableConv:
			key.source = s.In[0]
		case ir.SeparableConvGrad:
			key.source = s.In[0]
			if key.sum = f.gradientSum(s); key.sum == nil {
				continue
			}
		default:
			continue
		}
		if g := open[key]; g != nil && f.add(g, s, i) {
			continue
		}
		open[key] = &siblings{members: []*ir.Step{s}, op: s.Op, at: i}
		all = append(all, open[key])
	}
	fused, gone := map[int]*ir.Step{}, map[*ir.Step]bool{}
	for _, g := range all {
		if len(g.members) > 1 {
			fused[g.at] = f.fuse(g, gone)
		}
	}
	var steps []*ir.Step
	for i, s := range p.Steps {
		if fused[i] != nil {
			steps = append(steps, fused[i])
		}
		if !gone[s] {
			steps = append(steps, s)
		}
	}
	p.Steps = steps
	return p
}

type fuser struct {
	uses  map[*ir.Value][]use
	kept  map[*ir.Value]bool
	place map[*ir.Step]int
}

// gradientSum returns the sum that alone reads the gradient that a step makes of its
// map, provided that nothing reads the sums of that gradient.
func (f *fuser) gradientSum(s *ir.Step) *ir.Step {
	gradient, sums := s.Out[0], s.Out[1]
	if sums != nil || gradient == nil || f.kept[gradient] || len(f.uses[gradient]) != 1 {
		return nil
	}
	sum := f.uses[gradient][0].step
	if _, ok := sum.Op.(ir.Sum); !ok {
		return nil
	}
	return sum
}

// add takes step number i into a fusion; it reports false if it must stay on its own.
func (f *fuser) add(g *siblings, s *ir.Step, i int) bool {
	if len(g.members) == mostSiblings {
		return false
	}
	op, ok := join(g.op, s.Op)
	if !ok {
		return false
	}
	if _, gradient := op.(ir.SeparableConvGrad); gradient {
		// All run at the place of the last: no output may have been read before.
		for _, m := range g.members {
			for _, v := range m.Out {
				if slices.ContainsFunc(f.uses[v], func(u use) bool { return f.place[u.step] < i }) {
					return false
				}
			}
		}
		g.at = i
	} else if slices.ContainsFunc(s.In[1:], func(v *ir.Value) bool { return v.Source != ir.External }) {
		return false // all run at the place of the first: the inputs must exist there
	}
	g.op, g.members = op, append(g.members, s)
	return true
}

// join returns the operator of two siblings. Their windows must be centred and have equal
// strides.
func join(a, b ir.Op) (ir.Op, bool) {
	windows := func(a, b []ir.Window) ([]ir.Window, bool) {
		all := slices.Concat(a, b)
		return all, !slices.ContainsFunc(all, func(w ir.Window) bool {
			return w.StrideRows != all[0].StrideRows || !w.Centred()
		})
	}
	switch a := a.(type) {
	case ir.SeparableConv:
		if b, ok := b.(ir.SeparableConv); ok {
			w, ok := windows(a.Windows, b.Windows)
			return ir.SeparableConv{Windows: w}, ok
		}
	case ir.SeparableConvGrad:
		if b, ok := b.(ir.SeparableConvGrad); ok {
			w, ok := windows(a.Windows, b.Windows)
			return ir.SeparableConvGrad{Windows: w}, ok
		}
	}
	return nil, false
}

// fuse returns the step that replaces the members. It takes their gradients out of the
// sum that read them; a sum of nothing else is gone too.
func (f *fuser) fuse(g *siblings, gone map[*ir.Step]bool) *ir.Step {
	first := g.members[0]
	shared := 0 // first outputs that all members have in common
	if _, gradient := g.op.(ir.SeparableConvGrad); gradient {
		shared = 2
	}
	fused := &ir.Step{Op: g.op, Name: first.Name, In: []*ir.Value{first.In[0]}, Out: slices.Clone(first.Out[:shared])}
	for _, s := range g.members {
		fused.In = append(fused.In, s.In[1:]...)
		fused.Out = append(fused.Out, s.Out[shared:]...)
		gone[s] = true
	}
	if shared == 0 {
		return fused
	}
	sum := f.uses[first.Out[0]][0].step
	sum.In = slices.DeleteFunc(sum.In, func(v *ir.Value) bool {
		return slices.ContainsFunc(g.members[1:], func(s *ir.Step) bool { return s.Out[0] == v })
	})
	if len(sum.In) == 1 {
		fused.Out[0] = sum.Out[0]
		gone[sum] = true
	}
	return fused
}
