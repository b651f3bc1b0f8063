package pass

import (
	"slices"

	"unnas/internal/ir"
)

// Compress stores feature maps that lie idle when most memory is needed as bfloat16, in
// half of it. The maps of a network lie idle between their readers in the forward pass and
// those in the backward pass: after the former a map is rounded, and before the latter it
// becomes float32 again. What exact results and states depend on reads no rounded map. So
// the forward pass computes what it does in float32, and gradients are those of rounded
// maps. All else stays in float32.
func Compress(p *ir.Program) *ir.Program {
	touched := map[*ir.Value][]int{} // the steps that read its memory
	for i, s := range p.Steps {
		for _, v := range s.In {
			parts(v, func(v *ir.Value) { touched[v] = append(touched[v], i) })
		}
	}
	exact := exactSteps(p)
	floats := live(p, Liveness(p))
	most := slices.Max(floats)
	keep := kept(p)
	c := copies{byValue: map[*ir.Value]copied{}, deferred: map[deferredCopy]*ir.Value{}}
	before, after := make([][]*ir.Step, len(p.Steps)), make([][]*ir.Step, len(p.Steps))
	for i, s := range p.Steps {
		for _, v := range s.Out {
			if v == nil || keep[v] || v.Deferred != nil || v.Source != ir.Computed || len(v.Shape) != 4 {
				continue
			}
			at := longestIdle(i, touched[v])
			if at == 0 {
				continue
			}
			last := i // to read it before
			for _, reader := range touched[v] {
				if reader < at {
					last = max(last, reader)
				}
			}
			late := func(reader int) bool { return reader >= at && exact[reader] }
			if slices.Max(floats[last+1:at]) < most || slices.ContainsFunc(touched[v], late) {
				continue
			}
			narrow, wide := duplicate(v), duplicate(v)
			narrow.Type = ir.BFloat16
			after[last] = append(after[last], &ir.Step{Op: ir.ToBFloat16{}, Name: s.Name, In: []*ir.Value{v}, Out: []*ir.Value{narrow}})
			before[at] = append(before[at], &ir.Step{Op: ir.FromBFloat16{}, Name: s.Name, In: []*ir.Value{narrow}, Out: []*ir.Value{wide}, Late: true})
			c.byValue[v] = copied{at, wide}
		}
	}
	q := *p
	q.Steps = nil
	for i, s := range p.Steps {
		q.Steps = append(q.Steps, before[i]...)
		changed := *s
		changed.In, changed.Out = c.values(s.In, i), slices.Clone(s.Out)
		q.Steps = append(append(q.Steps, &changed), after[i]...)
	}
	return &q
}

// exactSteps returns which steps an exact result or a state depends on.
func exactSteps(p *ir.Program) []bool {
	needed := map[*ir.Value]bool{}
	for _, v := range p.Exact {
		needed[v] = true
	}
	for _, s := range p.States {
		needed[s.Out] = true
	}
	exact := make([]bool, len(p.Steps))
	for i, s := range slices.Backward(p.Steps) {
		for _, v := range s.Out {
			exact[i] = exact[i] || v != nil && needed[v]
		}
		if !exact[i] {
			continue
		}
		for _, v := range s.In {
			needed[v] = true
			parts(v, func(v *ir.Value) { needed[v] = true })
		}
	}
	return exact
}
