package pass

import "unnas/internal/ir"

// Epilogues removes passes over maps. The kernel that makes a map computes its moments,
// in place of a step ir.Moments. And the kernel that makes the gradient of the output of a
// batch normalisation computes the sums that ir.NormSums would, if it makes the sums of
// that gradient and of it times that output: without scale and shift the output is the
// normalised map.
func Epilogues(p *ir.Program, t Target) *ir.Program {
	p = shallow(p)
	made := definitions(p)
	by := map[*ir.Value]*ir.Value{}
	for _, s := range p.Steps {
		switch s.Op.(type) {
		case ir.Moments:
			if by[s.Out[0]] = moments(made[s.In[0]], t); by[s.Out[0]] == nil {
				delete(by, s.Out[0])
			}
		case ir.NormSums:
			if sums := normSums(s, made, t); sums != nil {
				by[s.Out[0]] = sums
			}
		}
	}
	replace(p, by)
	return p
}

// moments returns the output with the moments of the map, or nil.
func moments(x output, t Target) *ir.Value {
	if x.step == nil || x.number != 0 {
		return nil
	}
	if i := t(x.step).Moments; i > 0 {
		return x.step.Out[i]
	}
	return nil
}

// normSums returns the output that holds the result of a step NormSums, or nil.
func normSums(s *ir.Step, made map[*ir.Value]output, t Target) *ir.Value {
	gy, x, statistics := made[s.In[0]], s.In[1], s.In[2]
	if gy.step == nil {
		return nil
	}
	find := t(gy.step).Sums
	if find == nil {
		return nil
	}
	sums, of, ok := find(gy.number)
	if !ok {
		return nil
	}
	// The sums are with the map "of", which must be x normalised.
	y := made[gy.step.In[of]]
	if y.step == nil || y.number != 0 || y.step.Op != ir.Op(ir.BatchNorm{}) || y.step.In[0] != x || y.step.In[1] != statistics {
		return nil
	}
	return gy.step.Out[sums]
}
