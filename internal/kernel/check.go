package kernel

import "fmt"

// ready reports whether the elements of the map lie in P.
func (m *Map) ready() bool { return m.A == nil && m.Q == nil && m.D == nil }

// check panics if the slices of the map do not have the lengths of its shape.
func (m *Map) check(name string) {
	need(name, m.P, m.Len())
	needIf("a map's factor A", m.A, m.C)
	needIf("a map's offset D", m.D, m.C)
	if m.Q != nil {
		need("a map's second term Q", m.Q, m.Len())
		need("a map's factor B", m.B, m.C)
	}
}

// like panics if two maps do not have the same shape.
func (m *Map) like(name string, n, h, w, c int) {
	m.check(name)
	if m.N != n || m.H != h || m.W != w || m.C != c {
		panicf("kernel: %s is [%d, %d, %d, %d], want [%d, %d, %d, %d]", name, m.N, m.H, m.W, m.C, n, h, w, c)
	}
}

// need panics if x does not have n elements.
func need[T any](name string, x []T, n int) {
	if len(x) != n {
		panicf("kernel: %s has %d elements, want %d", name, len(x), n)
	}
}

// needIf does the same unless x is nil.
func needIf[T any](name string, x []T, n int) {
	if x != nil {
		need(name, x, n)
	}
}

func panicf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
