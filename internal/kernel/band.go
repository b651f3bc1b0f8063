package kernel

const (
	aimedTasks = 16      // at least, whatever the number of images
	bandFloats = 1 << 16 // of a band's input, so that it stays in the L2 cache
	bandRows   = 4       // at least, since neighbouring bands read some rows twice

	manyTasks = 64 // at least, where they do not cost partial gradients
	manyRows  = 8  // at least in a band of these, if there are more than aimedTasks
)

// rows is a range of rows of an image.
type rows struct{ from, to int }

func (r rows) len() int { return r.to - r.from }

// with returns the smallest range that contains both.
func (r rows) with(o rows) rows {
	switch {
	case r.len() == 0:
		return o
	case o.len() == 0:
		return r
	}
	return rows{min(r.from, o.from), max(r.to, o.to)}
}

func (r rows) contains(y int) bool { return y >= r.from && y < r.to }

// bands is a division of n images into tasks: bands of rows, per of them in each
// image. It depends on shapes alone, since sums are formed band by band and must
// not depend on the size of the pool.
type bands struct{ n, per int }

// cut divides n images of h rows of rowLen elements. A band reads about halo
// rows more than it has.
func cut(n, h, rowLen, halo int) bands {
	per := max((aimedTasks+n-1)/max(n, 1), (h*rowLen+bandFloats-1)/bandFloats)
	return bands{n, max(1, min(per, h/max(bandRows, halo)))}
}

// finely returns a division of the images into more tasks, if their bands remain large.
func (b bands) finely(h, halo int) bands {
	return bands{b.n, max(b.per, min((manyTasks+b.n-1)/max(b.n, 1), h/max(manyRows, halo)))}
}

// tasks returns the number of bands of all images.
func (b bands) tasks() int { return b.n * b.per }

// at returns which band of which image a task is.
func (b bands) at(task int) (image, band int) { return task / b.per, task % b.per }

// band returns the rows of a band of an image of h rows.
func (b bands) band(band, h int) rows { return rows{h * band / b.per, h * (band + 1) / b.per} }

// setMoments sets mom, for each of c channels, to the mean, the biased variance
// and what rounding took from the mean, from the sums and sums of squares of all
// tasks.
func setMoments(t *ThreadPool, mom, parts []float32, tasks, c, pixels int) {
	momentsOf.run(t, steps(c, sumsAtOnce(tasks)), momentsOfArgs{mom, partSums{parts, tasks, 2 * c}, c, pixels})
}

type momentsOfArgs struct {
	mom []float32
	partSums
	c, pixels int
}

var momentsOf = newLoop(func(a *momentsOfArgs, _ *Worker, i int) {
	var sumsBuf, squaresBuf [fewSums]float64
	n := sumsAtOnce(a.tasks)
	from := i * n
	n = min(n, a.c-from)
	sums, squares := sumsBuf[:n], squaresBuf[:n]
	a.add(sums, from)
	a.add(squares, a.c+from)
	for i := range n {
		j, mean := from+i, sums[i]/float64(a.pixels)
		a.mom[j] = float32(mean)
		a.mom[2*a.c+j] = float32(mean - float64(a.mom[j]))
		a.mom[a.c+j] = float32(max(0, squares[i]/float64(a.pixels)-float64(mean*mean)))
	}
})

// largeMean bounds mean²/variance for moments from sums of squares. The relative
// error of such a variance is about 1e-7 times that quotient.
const largeMean = 256

// refine computes moments that setMoments made of x again, from x less its means,
// if the mean of a channel is large beside its deviation.
func refine(t *ThreadPool, x Map, mom []float32) {
	c := x.C
	mean, variance, rest := mom[:c], mom[c:2*c], mom[2*c:]
	large := false
	for j, m := range mean {
		large = large || m*m > largeMean*variance[j]
	}
	if !large {
		return
	}
	mem := pieces(t.Shared(total(momentsSizes(&x))))
	parts, moved, centred := mem.take(partsSize(spans(&x), 2*c)), mem.take(3*c), mem.take(c)
	d := x.D
	shift := func(j int) float32 {
		if d == nil {
			return 0
		}
		return d[j]
	}
	for j, m := range mean {
		centred[j] = shift(j) - m
	}
	x.D = centred
	x.moments(t, parts, moved)
	for j := range mean {
		taken := float64(shift(j)) - float64(centred[j]) // the mean, but for rounding
		exact := taken + float64(moved[j]) + float64(moved[2*c+j])
		mean[j] = float32(exact)
		rest[j] = float32(exact - float64(mean[j]))
		variance[j] = moved[c+j]
	}
}

// momentsSizes returns the shared memory for the moments of a map: the sums of all
// spans, and what refine needs.
func momentsSizes(x *Map) (parts, moved, centred int) {
	return partsSize(spans(x), 2*x.C), 3 * x.C, x.C
}

// withMoments enlarges the memory of a kernel, for each worker and shared, to what
// refine needs for its output [n, h, w, c].
func withMoments(perWorker, shared, n, h, w, c int) (int, int) {
	m := Plain(n, h, w, c, nil)
	return max(perWorker, blockFloats(c)), max(shared, total(momentsSizes(&m)))
}

// Tasks that add up what lies in all of their rows have partial sums: size for each
// task, on cache lines of their own since workers write to them all the time.

// partsSize returns the memory for the partial sums of some tasks.
func partsSize(tasks, size int) int { return tasks * lines(size) }

// part returns the partial sums of a task, set to zero, or nil if parts is nil.
func part(parts []float32, task, size int) []float32 {
	if parts == nil {
		return nil
	}
	p := parts[task*lines(size):][:size]
	clear(p)
	return p
}

const (
	fewSums  = 64      // that are added up at a time, at most
	addition = 1 << 12 // numbers that one task adds up, about
)

// sumsAtOnce returns the number of sums that one task adds up from the partial sums of
// some tasks: whole cache lines.
func sumsAtOnce(tasks int) int { return min(fewSums, lines(addition/max(tasks, 1)+1)) }

// partSums are the partial sums of some tasks.
type partSums struct {
	parts       []float32
	tasks, size int
}

// add sets sums to what those from number at on add up to.
func (p *partSums) add(sums []float64, at int) {
	clear(sums)
	for i := range p.tasks {
		part := p.parts[i*lines(p.size)+at:][:len(sums)]
		for j, v := range part {
			sums[j] += float64(v)
		}
	}
}

// addUp sets sums to what the partial sums of some tasks add up to, from number at on.
func addUp(t *ThreadPool, sums []float64, parts []float32, tasks, size, at int) {
	addSums.run(t, steps(len(sums), sumsAtOnce(tasks)), addSumsArgs{partSums{parts, tasks, size}, sums, at})
}

type addSumsArgs struct {
	partSums
	sums []float64
	at   int
}

var addSums = newLoop(func(a *addSumsArgs, _ *Worker, i int) {
	n := sumsAtOnce(a.tasks)
	from := i * n
	a.add(a.sums[from:min(from+n, len(a.sums))], a.at+from)
})

// addMoments adds n pixels of c channels to the partial sums and sums of squares of a
// task, unless nil.
func addMoments(part, x []float32, n, c int) {
	if part != nil {
		active.moments(part[:c], part[c:], x, n, c)
	}
}

// addParts sets sums, unless parts is nil, to what the partial sums of all tasks add up
// to.
func addParts(t *ThreadPool, sums, parts []float32, tasks int) {
	if parts != nil {
		addFloats.run(t, steps(len(sums), sumsAtOnce(tasks)), addFloatsArgs{partSums{parts, tasks, len(sums)}, sums})
	}
}

type addFloatsArgs struct {
	partSums
	sums []float32
}

var addFloats = newLoop(func(a *addFloatsArgs, _ *Worker, i int) {
	var exact [fewSums]float64
	n := sumsAtOnce(a.tasks)
	from := i * n
	sums := a.sums[from:min(from+n, len(a.sums))]
	a.add(exact[:len(sums)], from)
	for j, v := range exact[:len(sums)] {
		sums[j] = float32(v)
	}
})
