package xla

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"unnas/internal/ir"
)

// joinable holds the operators that treat each channel, or each range of channels that
// belongs together, by itself: several steps are one step on maps with the channels of all,
// see join. The numbers are those of inputs that are gradients.
var joinable = map[reflect.Type][]int{
	reflect.TypeFor[ir.SeparableConv]():        nil,
	reflect.TypeFor[ir.SeparableConvGrad]():    {1},
	reflect.TypeFor[ir.FactorizedReduce]():     nil,
	reflect.TypeFor[ir.FactorizedReduceGrad](): {0},
	reflect.TypeFor[ir.Moments]():              nil,
	reflect.TypeFor[ir.BatchStatistics]():      nil,
	reflect.TypeFor[ir.BatchNorm]():            nil,
	reflect.TypeFor[ir.NormSums]():             {0},
	reflect.TypeFor[ir.BatchNormGrad]():        {0, 3},
}

// join puts steps into bundles, in an order in which they can run. The steps of a bundle
// have equal operators and shapes, and read equal values or outputs of one bundle each,
// except for parameters and gradients. All edges of a supernet that leave a state are so
// joined, operation by operation: a device runs one wide operation in the time in which it
// starts several small ones.
func join(steps []*ir.Step) [][]*ir.Step {
	met := map[*ir.Value]int{} // the order in which values are met
	keys := map[string]int{}   // bundles by what their steps have in common
	of := map[*ir.Value]string{}
	var bundles [][]*ir.Step
	for _, s := range steps {
		gradients, ok := joinable[reflect.TypeOf(s.Op)]
		var key strings.Builder
		fmt.Fprintf(&key, "%T%v", s.Op, s.Op)
		for i, v := range s.In {
			if _, ok := met[v]; !ok {
				met[v] = len(met)
			}
			fmt.Fprint(&key, v.Shape)
			if v.Source != ir.External && !slices.Contains(gradients, i) {
				key.WriteString(of[v])
			}
		}
		for _, v := range s.Out {
			fmt.Fprint(&key, v != nil)
		}
		if !ok {
			fmt.Fprintf(&key, " step %d", len(bundles))
		}
		n, ok := keys[key.String()]
		if !ok {
			n = len(bundles)
			keys[key.String()] = n
			bundles = append(bundles, nil)
		}
		bundles[n] = append(bundles[n], s)
		for i, v := range s.Out {
			met[v] = len(met)
			of[v] = fmt.Sprintf(" %d.%d", n, i)
		}
	}
	// Those of gradients then have the order of what they are gradients of.
	for _, b := range bundles {
		slices.SortStableFunc(b, func(s, t *ir.Step) int {
			for i := range s.In {
				if d := met[s.In[i]] - met[t.In[i]]; d != 0 && !slices.Contains(joinable[reflect.TypeOf(s.Op)], i) {
					return d
				}
			}
			return 0
		})
	}
	return ordered(bundles)
}

// ordered puts bundles into an order in which they can run. Of those that wait for each
// other, the first is taken apart.
func ordered(bundles [][]*ir.Step) (list [][]*ir.Step) {
	made := map[*ir.Value]bool{}
	for _, b := range bundles {
		for _, s := range b {
			for _, v := range s.Out {
				made[v] = false
			}
		}
	}
	ready := func(s *ir.Step) bool {
		for _, v := range s.In {
			if done, computed := made[v]; computed && !done {
				return false
			}
		}
		return true
	}
	for len(bundles) > 0 {
		var wait [][]*ir.Step
		for _, b := range bundles {
			can := true
			for _, s := range b {
				can = can && ready(s)
			}
			if !can {
				wait = append(wait, b)
				continue
			}
			list = append(list, b)
			for _, s := range b {
				for _, v := range s.Out {
					made[v] = true
				}
			}
		}
		if len(wait) == len(bundles) {
			wait = apart(wait)
		}
		bundles = wait
	}
	return list
}

// apart takes the first bundle of several steps apart.
func apart(bundles [][]*ir.Step) (list [][]*ir.Step) {
	for i, b := range bundles {
		if len(b) > 1 {
			for _, s := range b {
				list = append(list, []*ir.Step{s})
			}
			return append(list, bundles[i+1:]...)
		}
		list = append(list, b)
	}
	return list
}
