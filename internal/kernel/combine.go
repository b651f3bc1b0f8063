package kernel

// Combine sets dst to the sum of maps of one shape, added from left to right in
// float32; or, if w is not nil, to the sum of the maps multiplied by their
// weights, added in float64: a mixed op adds so many maps of mean zero that the
// mean of the sum would be noise otherwise.
func Combine(t *Team, maps []Map, w []float32, dst []float32) {
	if len(maps) == 0 {
		clear(dst)
		return
	}
	checkAlike(maps)
	needIf("w", w, len(maps))
	need("dst", dst, maps[0].Len())
	body := combine
	if w != nil {
		body = mix
	}
	body.run(t, spans(&maps[0]), combineArgs{maps, w, dst})
}

// checkAlike panics unless the maps have the shape of the first.
func checkAlike(maps []Map) {
	for k := range maps {
		maps[k].like("map", maps[0].N, maps[0].H, maps[0].W, maps[0].C)
	}
}

type combineArgs struct {
	maps   []Map
	w, dst []float32
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

var mix = newLoop(func(a *combineArgs, w *Worker, i int) {
	c := a.maps[0].C
	bufSize, sumSize, slopeSize, shiftSize := mixSizes(c)
	mem := pieces(w.Scratch(total(mixSizes(c))))
	buf, sums := mem.take(bufSize), doubles(mem.take(sumSize))
	slope, shift := doubles(mem.take(slopeSize)), doubles(mem.take(shiftSize))
	from, to := span(i, &a.maps[0])
	clear(shift)
	for k := range a.maps {
		if m := &a.maps[k]; m.Q == nil && m.D != nil {
			for j, d := range m.D {
				shift[j] += float64(a.w[k]) * float64(d)
			}
			for j, e := range m.E {
				shift[j] += float64(a.w[k]) * float64(e)
			}
		}
	}
	for step := blockOf(c); from < to; from += step {
		n := min(step, to-from)
		sum := sums[:n*c]
		for p := range n {
			copy(sum[p*c:], shift)
		}
		for k := range a.maps {
			m := &a.maps[k]
			x := m.terms(buf, from, n)
			for j := range slope {
				slope[j] = float64(a.w[k])
				if m.A != nil && m.Q == nil {
					slope[j] *= float64(m.A[j])
				}
			}
			addScaled(sum, x, slope)
		}
		dst := a.dst[from*c : (from+n)*c]
		for j, v := range sum {
			dst[j] = float32(v)
		}
	}
})

// mixSizes returns the scratch memory of mix in floats: pixels that are formed,
// their sum, slopes and shifts.
func mixSizes(c int) (buf, sum, slope, shift int) {
	return blockFloats(c), 2 * blockFloats(c), 2 * c, 2 * c
}

// addScaled adds slope·x to sum, with one slope for each channel.
func addScaled(sum []float64, x []float32, slope []float64) {
	c := len(slope)
	for len(x) >= c && c > 0 {
		for j, s := range slope {
			sum[j] += s * float64(x[j])
		}
		sum, x = sum[c:], x[c:]
	}
}

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
