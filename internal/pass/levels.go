package pass

import (
	"slices"

	"unnas/internal/ir"
)

// Levels says which steps of a program may run at the same time. The steps follow each
// other level by level, and in a level group by group; Levels holds the number of steps of
// each group. The groups of a level may run at the same time, and the steps of a group run
// one after the other.
type Levels [][]int

// light is the most elements of what a light step stores.
const light = 1 << 12

// Schedule orders the steps of a program by levels. A step runs in the first level after
// what it reads, but passes fewer than ahead steps, and is alone in its level if ahead is
// zero. A late step runs in the last level before its first reader. A light step joins the
// group that it follows, if that is one: a level of its own would cost more than the step.
//
// The more groups a level has, the more workers have something to do. But a step that
// overtakes many moves away from those that read what it makes, which are then no longer in
// the cache.
func Schedule(p *ir.Program, t Target, ahead int) (*ir.Program, Levels) {
	p = shallow(p)
	s := scheduler{steps: p.Steps, level: make([]int, len(p.Steps)), group: make([]int, len(p.Steps)), made: map[*ir.Value]int{}}
	for i, step := range p.Steps {
		switch {
		case ahead == 0 && i > 0:
			s.level[i] = s.level[i-1] + 1
		case i >= ahead:
			s.level[i] = s.level[max(0, i-ahead)]
		}
		s.place(i, s.isLight(step, t))
		for _, v := range step.Out {
			if v != nil {
				s.made[v] = i
			}
		}
	}
	if ahead > 0 {
		s.delay()
	}
	var l Levels
	p.Steps, l = s.order()
	return p, l
}

// scheduler holds the level of each step and its group, by the number of the first step of
// that.
type scheduler struct {
	steps        []*ir.Step
	level, group []int
	made         map[*ir.Value]int // the step that makes a value
}

// makers calls f with the number of each step whose outputs step i reads.
func (s *scheduler) makers(i int, f func(maker int)) {
	for _, v := range s.steps[i].In {
		parts(v, func(v *ir.Value) {
			if maker, ok := s.made[v]; ok {
				f(maker)
			}
		})
	}
}

func (s *scheduler) isLight(step *ir.Step, t Target) bool {
	return !step.Late && t(step).Serial && !slices.ContainsFunc(step.Out, func(v *ir.Value) bool {
		return v != nil && v.Deferred == nil && v.Shape.Size() > light
	})
}

// place finds the level and the group of step i.
func (s *scheduler) place(i int, light bool) {
	latest := -1 // the level of the last step that it waits for
	s.makers(i, func(maker int) { latest = max(latest, s.level[maker]) })
	if s.group[i] = i; light && latest >= s.level[i] {
		group, several := -1, false
		s.makers(i, func(maker int) {
			if s.level[maker] == latest {
				several = several || group >= 0 && group != s.group[maker] || s.steps[maker].Late
				group = s.group[maker]
			}
		})
		if !several {
			s.level[i], s.group[i] = latest, group
			return
		}
	}
	s.level[i] = max(s.level[i], latest+1)
}

// delay moves late steps to the last level before the first that reads them.
func (s *scheduler) delay() {
	read := make([]int, len(s.steps)) // the first level that reads an output; 0 for none
	for i := len(s.steps) - 1; i >= 0; i-- {
		if s.steps[i].Late && read[i] > 0 {
			s.level[i] = read[i] - 1
		}
		s.makers(i, func(maker int) {
			if read[maker] == 0 || s.level[i] < read[maker] {
				read[maker] = s.level[i]
			}
		})
	}
}

// order returns the steps by level and group.
func (s *scheduler) order() (steps []*ir.Step, l Levels) {
	numbers := make([]int, len(s.steps))
	for i := range numbers {
		numbers[i] = i
	}
	slices.SortStableFunc(numbers, func(a, b int) int {
		if s.level[a] != s.level[b] {
			return s.level[a] - s.level[b]
		}
		return s.group[a] - s.group[b]
	})
	for k, i := range numbers {
		steps = append(steps, s.steps[i])
		switch {
		case k == 0 || s.level[i] != s.level[numbers[k-1]]:
			l = append(l, []int{1})
		case s.group[i] != s.group[numbers[k-1]]:
			l[len(l)-1] = append(l[len(l)-1], 1)
		default:
			last := l[len(l)-1]
			last[len(last)-1]++
		}
	}
	return steps, l
}

// Company returns, for each step, whether others may run at the same time.
func (l Levels) Company() (with []bool) {
	for _, groups := range l {
		for _, n := range groups {
			for range n {
				with = append(with, len(groups) > 1)
			}
		}
	}
	return with
}

// ofSteps returns the level of each step.
func (l Levels) ofSteps() (level []int) {
	for i, groups := range l {
		for _, n := range groups {
			for range n {
				level = append(level, i)
			}
		}
	}
	return level
}

// Widen returns the spans of values in levels instead of steps.
func (l Levels) Widen(spans map[*ir.Value]Span) map[*ir.Value]Span {
	level := l.ofSteps()
	wide := make(map[*ir.Value]Span, len(spans))
	for v, s := range spans {
		wide[v] = Span{level[s.First], level[s.Last]}
	}
	return wide
}
