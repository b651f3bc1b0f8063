package kernel

// Combine sets dst to the sum of maps of one shape, each multiplied by its
// weight; w nil stands for ones.
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
		c := maps[0].C
		a.factors = t.Shared(3 * c * len(maps))
		for k := range maps {
			maps[k].scale(a.factors[3*c*k:], w[k])
		}
	}
	combine.run(t, spans(&maps[0]), a)
}

// checkAlike panics unless the maps have the shape of the first.
func checkAlike(maps []Map) {
	for k := range maps {
		maps[k].like("map", maps[0].N, maps[0].H, maps[0].W, maps[0].C)
	}
}

// scale writes the coefficients A, B and D of the map times f to mem.
func (m *Map) scale(mem []float32, f float32) {
	for j := range m.C {
		mem[j] = f
		if m.A != nil {
			mem[j] *= m.A[j]
		}
		if m.Q != nil {
			mem[m.C+j] = f * m.B[j]
		}
		if m.D != nil {
			mem[2*m.C+j] = f * m.D[j]
		}
	}
}

// scaled returns the map with the coefficients that scale wrote.
func (m Map) scaled(mem []float32) Map {
	m.A = mem[:m.C]
	if m.Q != nil {
		m.B = mem[m.C : 2*m.C]
	}
	if m.D != nil {
		m.D = mem[2*m.C : 3*m.C]
	}
	return m
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
			m := a.maps[k]
			if a.factors != nil {
				m = m.scaled(a.factors[3*c*k:])
			}
			switch {
			case k == 0:
				m.load(dst, from, n, false)
			case m.Q == nil:
				active.addAffine(dst, m.P[from*c:(from+n)*c], m.A, m.D, n, c)
			default:
				active.addAffine(dst, m.pixels(buf, from, n), nil, nil, n, c)
			}
		}
	}
})

// CombineDots sets dw[k] to the sum of all elements of g·maps[k], the gradient of
// the weights of Combine. It does nothing if dw is nil.
func CombineDots(t *Team, g Map, maps []Map, dw []float32) {
	if dw == nil || len(maps) == 0 {
		return
	}
	checkAlike(maps)
	g.like("g", maps[0].N, maps[0].H, maps[0].W, maps[0].C)
	need("dw", dw, len(maps))
	parts := t.Shared(spans(&g) * len(maps) * 2 * g.C)
	combineDots.run(t, spans(&g), combineDotsArgs{g, maps, parts})
	for k := range maps {
		m := &maps[k]
		var total float64
		for i := range spans(&g) {
			sums := parts[(i*len(maps)+k)*2*g.C:][:2*g.C]
			for j := range g.C {
				total += m.dot(j, float64(sums[j]), float64(sums[g.C+j]))
			}
		}
		dw[k] = float32(total)
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
	if m.D != nil {
		gp += float64(m.D[j]) * g
	}
	return gp
}

// terms returns n pixels of which those of the map are a multiple plus a
// constant: P unless there is a Q, then the elements themselves, formed in buf.
func (m *Map) terms(buf []float32, from, n int) []float32 {
	if m.Q != nil {
		return m.pixels(buf, from, n)
	}
	return m.P[from*m.C : (from+n)*m.C]
}

type combineDotsArgs struct {
	g     Map
	maps  []Map
	parts []float32
}

var combineDots = newLoop(func(a *combineDotsArgs, w *Worker, i int) {
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
