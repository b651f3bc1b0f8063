package kernel

// There are at most these numbers of groups: the first while the buffers of all of them
// stay in the cache, the second while they have a tolerable size, and else the third.
const (
	mostGroups  = 64
	someGroups  = 16
	fewGroups   = 2
	cacheFloats = 1 << 18
	groupFloats = 1 << 24

	sumFloats = 1 << 10 // of a task that adds up buffers
)

// groups divide the tasks of a backward pass. Each group adds its gradients of
// the weights to a buffer of its own; the buffers are added in order.
type groups struct {
	count   int // of groups
	of      int // tasks
	size    int // of a buffer
	buffers []float32
}

// grouped returns groups for gradients of size elements, or with one task each
// and without buffers if these gradients are not wanted.
func grouped(b bands, size int, wanted bool) groups {
	if !wanted {
		return groups{count: b.tasks(), of: b.tasks()}
	}
	some := max(fewGroups, min(someGroups, groupFloats/max(size, 1)))
	count := max(some, min(mostGroups, cacheFloats/max(size, 1)))
	return groups{count: min(b.tasks(), count), of: b.tasks(), size: size}
}

// memory returns the number of floats of all buffers.
func (g *groups) memory() int { return g.count * lines(g.size) }

// members returns the range of tasks of a group.
func (g *groups) members(i int) (from, to int) { return g.of * i / g.count, g.of * (i + 1) / g.count }

// buffer returns the buffer of a group, set to zero.
func (g *groups) buffer(i int) []float32 {
	b := g.buffers[i*lines(g.size):][:g.size]
	clear(b)
	return b
}

// sum sets dst, unless nil, to the sum of what the buffers hold from element at on.
func (g *groups) sum(t *ThreadPool, dst []float32, at int) {
	if dst != nil {
		groupSum.run(t, steps(len(dst), sumFloats), groupSumArgs{groups: *g, dst: dst, at: at})
	}
}

type groupSumArgs struct {
	groups
	dst []float32
	at  int
}

var groupSum = newLoop(func(a *groupSumArgs, _ *Worker, i int) {
	from := i * sumFloats
	dst := a.dst[from:min(from+sumFloats, len(a.dst))]
	for g := range a.count {
		buffer := a.buffers[g*lines(a.size)+a.at+from:][:len(dst)]
		if g == 0 {
			copy(dst, buffer)
		} else {
			active.addAffine(dst, buffer, nil, nil, 1, len(dst))
		}
	}
})
