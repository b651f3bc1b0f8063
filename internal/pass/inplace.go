package pass

import (
	"slices"

	"unnas/internal/ir"
)

// InPlace finds the new values of states that can take the memory of the old ones, and
// returns the old value for each. The kernel that makes one must be able to overwrite the
// old value, and nothing else may read that in the same level or later. Both values are
// neither results nor other states, and operators of other libraries read neither, since
// what they make may share memory with it.
func InPlace(p *ir.Program, l Levels, t Target) map[*ir.Value]*ir.Value {
	roles := map[*ir.Value]int{} // as a state, a result, a part of a deferred map
	for _, v := range p.Results {
		roles[v]++
	}
	for _, s := range p.States {
		roles[s.In]++
		roles[s.Out]++
	}
	level := map[*ir.Step]int{}
	steps := l.ofSteps()
	for i, s := range p.Steps {
		level[s] = steps[i]
		for _, v := range s.In {
			if v.Deferred != nil {
				parts(v, func(v *ir.Value) { roles[v]++ })
			}
		}
	}
	foreign := func(u use) bool { return u.step.Out[0] != nil && u.step.Out[0].Source == ir.Foreign }
	readers, made, old := uses(p), definitions(p), map[*ir.Value]*ir.Value{}
	for _, s := range p.States {
		by, ok := made[s.Out]
		if !ok || roles[s.In] > 1 || roles[s.Out] > 1 || slices.ContainsFunc(readers[s.Out], foreign) {
			continue
		}
		inputs := t(by.step).InPlace
		if inputs == nil || by.step.In[inputs[by.number]] != s.In {
			continue
		}
		here := use{by.step, inputs[by.number]}
		if !slices.ContainsFunc(readers[s.In], func(u use) bool {
			return foreign(u) || u != here && level[u.step] >= level[here.step]
		}) {
			old[s.Out] = s.In
		}
	}
	return old
}
