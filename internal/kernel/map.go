package kernel

// Map is a feature map [N, H, W, C] whose elements may be formed while they are
// read, with one coefficient per channel:
//
//	v = A·P + B·Q + D
//
// A batch normalisation is A·P + D, its gradient A·P + B·Q + D, a weighted map
// A·P. Where A is nil the map is P itself; Q (with B) and D may be nil.
//
// E is what rounding took from D. Sums of many maps add it, all else ignores it.
type Map struct {
	N, H, W, C int
	P, Q       []float32
	A, B, D, E []float32
}

// Plain returns the map that data holds.
func Plain(n, h, w, c int, data []float32) Map { return Map{N: n, H: h, W: w, C: c, P: data} }

// Len returns the number of elements.
func (m *Map) Len() int { return m.N * m.H * m.W * m.C }

// some returns some channels of a pixel, or all of several pixels, as pixels does.
func (m *Map) some(scratch []float32, from, count int, ch channels) []float32 {
	lo, hi := ch.from, ch.from+ch.n
	of := func(x []float32) []float32 {
		if x == nil {
			return nil
		}
		return x[lo:hi]
	}
	one := Map{N: 1, H: 1, W: count, C: ch.n, P: m.P[from*m.C+lo:], A: of(m.A), B: of(m.B), D: of(m.D)}
	if m.Q != nil {
		one.Q = m.Q[from*m.C+lo:]
	}
	return one.pixels(scratch, 0, count)
}

// load forms count pixels, from pixel number from on, in dst; relu takes the
// positive part.
func (m *Map) load(dst []float32, from, count int, relu bool) {
	lo, hi := from*m.C, (from+count)*m.C
	var q []float32
	if m.Q != nil {
		q = m.Q[lo:hi]
	}
	active.affine(dst, m.P[lo:hi], q, m.A, m.B, m.D, count, m.C, relu)
}

// pixels returns count pixels from pixel number from on: those of P if nothing
// is pending, else formed in scratch.
func (m *Map) pixels(scratch []float32, from, count int) []float32 {
	if m.A == nil && m.Q == nil && m.D == nil {
		return m.P[from*m.C : (from+count)*m.C]
	}
	m.load(scratch, from, count, false)
	return scratch[:count*m.C]
}

// Floats returns n zeros on cache lines of their own, in huge pages if there are many and
// the operating system has some.
func Floats(n int) []float32 {
	buf := make([]float32, lines(n)+15)
	if 4*n >= manyBytes {
		hugePages(buf)
	}
	return align(buf)[:n:n]
}

// manyBytes is the least memory for which huge pages are worth a call.
const manyBytes = 16 << 20
