package pass

import (
	"fmt"
	"strings"

	"unnas/internal/ir"
)

// Merge computes common subexpressions once: of several steps with one operator and
// equal inputs the first remains, if its kernel is pure.
func Merge(p *ir.Program, t Target) *ir.Program {
	p = shallow(p)
	numbers := map[*ir.Value]int{} // values by the order in which they are met
	number := func(v *ir.Value) int {
		if _, ok := numbers[v]; !ok {
			numbers[v] = len(numbers)
		}
		return numbers[v]
	}
	same := map[*ir.Value]*ir.Value{}
	first := map[string]*ir.Step{}
	var steps []*ir.Step
	for _, s := range p.Steps {
		var key strings.Builder
		fmt.Fprintf(&key, "%T %v", s.Op, s.Op)
		for i, v := range s.In {
			if w, ok := same[v]; ok {
				s.In[i] = w
			}
			fmt.Fprintf(&key, " %d", number(s.In[i]))
		}
		f := first[key.String()]
		if f == nil || !t(s).Pure {
			first[key.String()] = s
			steps = append(steps, s)
			continue
		}
		for i, v := range s.Out {
			same[v] = f.Out[i]
		}
	}
	p.Steps = steps
	replace(p, same)
	return p
}
