package report

import "slices"

// thinned keeps values evenly spaced from the first on, and the last one, so that a run
// of any length fits on a page.
type thinned[T any] struct {
	limit  int // largest number of kept values, 2 or more
	kept   []T
	stride int // distance between kept values
	added  int
	last   T
}

func (t *thinned[T]) add(v T) {
	t.stride = max(t.stride, 1)
	if t.added%t.stride == 0 && len(t.kept) == t.limit {
		n := 0
		for i := 0; i < len(t.kept); i += 2 {
			t.kept[n] = t.kept[i]
			n++
		}
		clear(t.kept[n:])
		t.kept = t.kept[:n]
		t.stride *= 2
	}
	if t.added%t.stride == 0 {
		t.kept = append(t.kept, v)
	}
	t.added++
	t.last = v
}

// all returns the kept values and the last one.
func (t *thinned[T]) all() []T {
	all := slices.Clone(t.kept)
	if t.added > 0 && (t.added-1)%t.stride != 0 {
		all = append(all, t.last)
	}
	return all
}
