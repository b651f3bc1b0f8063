package pass

import "unnas/internal/ir"

// Prune drops the steps and outputs that neither a result nor a state needs.
func Prune(p *ir.Program, t Target) *ir.Program {
	p = shallow(p)
	needed := kept(p)
	var steps []*ir.Step
	for i := len(p.Steps) - 1; i >= 0; i-- {
		s := p.Steps[i]
		any := false
		for _, v := range s.Out {
			any = any || v != nil && needed[v]
		}
		if !any {
			continue
		}
		traits := t(s)
		if m := traits.Moments; m > 0 && needed[s.Out[m]] {
			needed[s.Out[0]] = true
		}
		if !traits.All {
			for o, v := range s.Out {
				if !needed[v] {
					s.Out[o] = nil
				}
			}
		}
		for _, v := range s.In {
			needed[v] = true
		}
		steps = append(steps, s)
	}
	for i, j := 0, len(steps)-1; i < j; i, j = i+1, j-1 {
		steps[i], steps[j] = steps[j], steps[i]
	}
	p.Steps = steps
	return p
}
