package kernel

// Combine sets dst to the sum of maps of one shape, each multiplied by its
// weight, added from left to right; w nil stands for ones. Maps that normalisation
// gave a mean of zero, weighted, have a sum whose mean is zero up to the rounding
// of single elements.
func Combine(t *Team, maps []Map, w []float32, dst []float32) {
	if len(maps) == 0 {
		clear(dst)
		return
	}
	checkAlike(maps)
	needIf("w", w, len(maps))
	need("dst", dst, maps[0].Len())
	a := combineArgs{maps: maps, dst: dst}
	if w != nil {
		a.factors = t.Shared(2 * maps[0].C * len(maps))
		weigh(a.factors, maps, w)
	}
	combine.run(t, spans(&maps[0]), a)
}

// checkAlike panics unless the maps have the shape of the first.
func checkAlike(maps []Map) {
	for k := range maps {
		maps[k].like("map", maps[0].N, maps[0].H, maps[0].W, maps[0].C)
	}
}

// weigh writes the factor and the shift of every channel of each map times its
// weight, of those of a map's terms.
//
// A rounded shift would be an error common to all pixels, unlike the rounding of
// elements, and many maps would add up to a mean that is noise. So the first map
// takes the shift of the first two and what rounding took from all others, and the
// second what rounding takes from that: little enough to be right, and not lost,
// since a product and its shift are rounded together. A rounded factor does no
// harm: the shift follows it.
func weigh(factors []float32, maps []Map, w []float32) {
	c := maps[0].C
	for j := range c {
		rest := 0.0
		for k := range maps {
			m, factor, shift := &maps[k], w[k], 0.0
			if m.Q == nil {
				ratio := float64(w[k])
				if m.A != nil {
					factor *= m.A[j]
					if m.A[j] != 0 {
						ratio = float64(factor) / float64(m.A[j])
					}
				}
				shift = ratio * m.shift(j)
			}
			rounded := float32(shift)
			if k < 2 {
				rounded = 0
			}
			rest += shift - float64(rounded)
			factors[2*c*k+j], factors[2*c*k+c+j] = factor, rounded
		}
		for k := range min(2, len(maps)) {
			rounded := float32(rest)
			rest -= float64(rounded)
			factors[2*c*k+c+j] = rounded
		}
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
	maps         []Map
	factors, dst []float32
}

var combine = newLoop(func(a *combineArgs, w *Worker, i int) {
	c := a.maps[0].C
	buf := w.Scratch(blockFloats(c))
	from, to := span(i, &a.maps[0])
	for step := blockOf(c); from < to; from += step {
		n := min(step, to-from)
		dst := a.dst[from*c : (from+n)*c]
		for k := range a.maps {
			m := &a.maps[k]
			x, factor, shift := m.terms(buf, from, n), m.A, m.D
			switch {
			case a.factors != nil:
				factor, shift = a.factors[2*c*k:][:c], a.factors[2*c*k+c:][:c]
			case m.Q != nil:
				factor, shift = nil, nil
			}
			if k == 0 {
				active.affine(dst, x, nil, factor, nil, shift, n, c, false)
			} else {
				active.addAffine(dst, x, factor, shift, n, c)
			}
		}
	}
})

// CombineSums sets sg[C] to the sums of g, and sgv[len(maps)·C] to those of
// g·maps[k], for each channel: what the gradients of the weights of Combine, and
// of a batch normalisation that formed a map, consist of.
func CombineSums(t *Team, g Map, maps []Map, sg, sgv []float64) {
	if len(maps) == 0 {
		return
	}
	checkAlike(maps)
	g.like("g", maps[0].N, maps[0].H, maps[0].W, maps[0].C)
	need("sg", sg, g.C)
	need("sgv", sgv, len(maps)*g.C)
	parts := t.Shared(spans(&g) * len(maps) * 2 * g.C)
	combineSums.run(t, spans(&g), combineSumsArgs{g, maps, parts})
	for k := range maps {
		for j := range g.C {
			var sum, product float64
			for i := range spans(&g) {
				sums := parts[(i*len(maps)+k)*2*g.C:]
				sum += float64(sums[j])
				product += float64(sums[g.C+j])
			}
			sg[j], sgv[k*g.C+j] = sum, maps[k].dot(j, sum, product)
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
	c, count := a.g.C, len(a.maps)
	mem := pieces(w.Scratch(2 * lines(blockFloats(c))))
	gBuf, buf := mem.take(blockFloats(c)), mem.take(blockFloats(c))
	for k := range count {
		part(a.parts, i*count+k, c)
	}
	from, to := span(i, &a.g)
	for step := blockOf(c); from < to; from += step {
		n := min(step, to-from)
		g := a.g.pixels(gBuf, from, n)
		for k := range a.maps {
			sums := a.parts[(i*count+k)*2*c:][:2*c]
			active.dots(sums[:c], sums[c:], g, a.maps[k].terms(buf, from, n), n, c)
		}
	}
})
