package kernel

// atOnce is the number of maps that one pass over a sum or a gradient takes.
const atOnce = 4

// Combine sets dst to the sum of maps of one shape, each multiplied by its
// weight, added from left to right. Maps that normalisation gave a mean of zero,
// weighted, have a sum whose mean is zero up to the rounding of single elements. w nil
// stands for ones: then the elements of a map are rounded before they are added, so it
// does not matter whether Apply has written it, nor whether the sum is made in parts.
func Combine(t *ThreadPool, maps []Map, w []float32, dst []float32) {
	if len(maps) == 0 {
		clear(dst)
		return
	}
	checkAlike(maps)
	needIf("w", w, len(maps))
	need("dst", dst, maps[0].Len())
	c := maps[0].C
	mem := t.Shared((2 + len(maps)) * c)
	a := combineArgs{maps: maps, dst: dst, shifts: mem[:2*c]}
	if w == nil {
		clear(a.shifts)
	} else {
		a.factors = mem[2*c:]
		weigh(a.factors, a.shifts, maps, w)
	}
	combine.run(t, spans(&maps[0]), a)
}

// checkAlike panics unless the maps have the shape of the first.
func checkAlike(maps []Map) {
	for k := range maps {
		maps[k].like("map", maps[0].N, maps[0].H, maps[0].W, maps[0].C)
	}
}

// weigh sets factors to those of every channel of each map times its weight, of those
// of a map's terms, and shifts to the sums of all shifts of every channel, and then to
// what rounding took from them.
//
// A rounded shift would be an error common to all pixels, unlike the rounding of
// elements, and many maps would add up to a mean that is noise. What rounding takes
// from it is little, but not lost, since it is added to a product before that is
// rounded. A rounded factor does no harm: the shift follows it.
func weigh(factors, shifts []float32, maps []Map, w []float32) {
	c := maps[0].C
	for j := range c {
		total := 0.0
		for k := range maps {
			m, factor := &maps[k], w[k]
			if m.Q == nil {
				ratio := float64(w[k])
				if m.A != nil {
					factor *= m.A[j]
					if m.A[j] != 0 {
						ratio = float64(factor) / float64(m.A[j])
					}
				}
				total += float64(ratio * m.shift(j))
			}
			factors[c*k+j] = factor
		}
		shifts[j] = float32(total)
		shifts[c+j] = float32(total - float64(shifts[j]))
	}
}

// shift returns D + E of a channel.
func (m *Map) shift(j int) float64 {
	shift := 0.0
	if m.D != nil {
		shift = float64(m.D[j])
	}
	if m.E != nil {
		shift += float64(m.E[j])
	}
	return shift
}

type combineArgs struct {
	maps    []Map
	factors []float32 // nil for ones
	shifts  []float32
	dst     []float32
}

var combine = newLoop(func(a *combineArgs, w *Worker, i int) {
	c, form := a.maps[0].C, (*Map).terms
	if a.factors == nil {
		form = (*Map).pixels
	}
	buf := pieces(w.Scratch(atOnce * lines(blockFloats(c))))
	from, to := span(i, &a.maps[0])
	for step := blockOf(c); from < to; from += step {
		n := min(step, to-from)
		dst := a.dst[from*c : (from+n)*c]
		for k := 0; k < len(a.maps); k += atOnce {
			p := formed(form, a.maps[k:], buf, from, n)
			var factors, d, e []float32
			if a.factors != nil {
				factors = a.factors[k*c:]
			}
			if k == 0 {
				d, e = a.shifts[:c], a.shifts[c:]
			}
			active.combine(dst, p[0], p[1], p[2], p[3], factors, d, e, n, c)
		}
	}
})

// formed returns n pixels of the first maps, as many as are taken at once.
func formed(form func(m *Map, buf []float32, from, n int) []float32, maps []Map, buf pieces, from, n int) (p [atOnce][]float32) {
	for k := range maps[:min(atOnce, len(maps))] {
		p[k] = form(&maps[k], buf.take(blockFloats(maps[k].C)), from, n)
	}
	return p
}

// CombineSums sets sg[C] to the sums of g, and sgv[len(maps)·C] to those of
// g·maps[k], for each channel: what the gradients of the weights of Combine, and
// of a batch normalisation that formed a map, consist of.
func CombineSums(t *ThreadPool, g Map, maps []Map, sg, sgv []float64) {
	if len(maps) == 0 {
		return
	}
	checkAlike(maps)
	g.like("g", maps[0].N, maps[0].H, maps[0].W, maps[0].C)
	need("sg", sg, g.C)
	need("sgv", sgv, len(maps)*g.C)
	size := (1 + len(maps)) * g.C
	parts := t.Shared(partsSize(spans(&g), size))
	combineSums.run(t, spans(&g), combineSumsArgs{g, maps, parts})
	addUp(t, sg[:g.C], parts, spans(&g), size, 0)
	addUp(t, sgv[:len(maps)*g.C], parts, spans(&g), size, g.C)
	for k := range maps {
		for j := range g.C {
			sgv[k*g.C+j] = maps[k].dot(j, sg[j], sgv[k*g.C+j])
		}
	}
}

// dot returns the sum of g·v over elements v of channel j, from the sum of g and
// that of g·p, where p is what terms returns.
func (m *Map) dot(j int, g, gp float64) float64 {
	if m.Q != nil {
		return gp
	}
	if m.A != nil {
		gp *= float64(m.A[j])
	}
	return gp + float64(m.shift(j)*g)
}

// terms returns n pixels of which those of the map are a multiple plus a
// constant: P unless there is a Q, then the elements themselves, formed in buf.
func (m *Map) terms(buf []float32, from, n int) []float32 {
	if m.Q != nil {
		return m.pixels(buf, from, n)
	}
	return m.P[from*m.C : (from+n)*m.C]
}

type combineSumsArgs struct {
	g     Map
	maps  []Map
	parts []float32
}

var combineSums = newLoop(func(a *combineSumsArgs, w *Worker, i int) {
	c := a.g.C
	mem := pieces(w.Scratch((1 + atOnce) * lines(blockFloats(c))))
	gBuf, sums := mem.take(blockFloats(c)), part(a.parts, i, (1+len(a.maps))*c)
	from, to := span(i, &a.g)
	// Half of a block, so that five maps stay in the L1 cache.
	for step := blockOf(2 * c); from < to; from += step {
		n := min(step, to-from)
		g := a.g.pixels(gBuf, from, n)
		for k := 0; k < len(a.maps); k += atOnce {
			y := formed((*Map).terms, a.maps[k:], mem, from, n)
			var sum []float32
			if k == 0 {
				sum = sums[:c]
			}
			active.dots4(sum, sums[(1+k)*c:], g, y[0], y[1], y[2], y[3], n, c)
		}
	}
})
