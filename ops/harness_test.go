package ops_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/rng"
	"unnas/ops"
)

// net is a small network under test.
type net struct {
	*ops.Scope
	t testing.TB
}

func newNet(t testing.TB) net {
	return net{ops.NewScope(gorgonia.NewGraph(), ops.NewParams()), t}
}

// maps returns an input [n, h, w, c] with random values.
func (n net) maps(name string, shape ...int) *gorgonia.Node {
	return n.values(name, noise(name, tensor.Shape(shape).TotalSize()), shape...)
}

// values returns an input with the given values.
func (n net) values(name string, data []float32, shape ...int) *gorgonia.Node {
	x := gorgonia.NewTensor(n.Graph(), tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
	require.NoError(n.t, gorgonia.Let(x, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))))
	return x
}

// labels returns an input of labels.
func (n net) labels(name string, data []int32, shape ...int) *gorgonia.Node {
	y, err := ops.Labels(n.Graph(), name, shape...)
	require.NoError(n.t, err)
	require.NoError(n.t, gorgonia.Let(y, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))))
	return y
}

// init gives the parameters values that are neither zero nor one.
func (n net) init() {
	require.NoError(n.t, n.Params().Init(1))
	for _, q := range n.Params().List() {
		for i, v := range noise(q.Name, q.Shape.TotalSize()) {
			n.Params().Data(q)[i] += 0.3 * v
		}
	}
}

// param returns the values of a parameter.
func (n net) param(name string) []float32 {
	q := n.Params().Find(name)
	require.NotNil(n.t, q, name)
	return n.Params().Data(q)
}

// run computes the nodes.
func (n net) run(want ...*gorgonia.Node) ops.VM {
	m, err := ops.NewVM(n.Graph(), want...)
	require.NoError(n.t, err)
	require.NoError(n.t, m.RunAll())
	return m
}

// noise returns standard normal numbers that depend on the name alone.
func noise(name string, n int) []float32 {
	r := rng.New(1, name, 0, 0)
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.Normal(r))
	}
	return x
}

// value returns the value of a node.
func value(n *gorgonia.Node) []float32 {
	switch v := n.Value().(type) {
	case *gorgonia.F32:
		return []float32{float32(*v)}
	case *tensor.Dense:
		return v.Data().([]float32)
	}
	return nil
}

// requireClose compares with a result in float64, by the norm of the difference.
func requireClose(t interface {
	require.TestingT
	Helper()
}, want []float64, got []float32) {
	t.Helper()
	require.Len(t, got, len(want))
	var diff, norm float64
	for i, w := range want {
		d := w - float64(got[i])
		diff += d * d
		norm += w * w
	}
	require.LessOrEqual(t, math.Sqrt(diff), 2e-6*math.Sqrt(norm)+1e-7, "difference of norms %g and %g", math.Sqrt(diff), math.Sqrt(norm))
}

// plain is a feature map in float64, for naive references.
type plain struct {
	n, h, w, c int
	v          []float64
}

func newPlain(n, h, w, c int) plain { return plain{n, h, w, c, make([]float64, n*h*w*c)} }

func plainOf(x *gorgonia.Node) plain {
	s := x.Shape()
	return plain{s[0], s[1], s[2], s[3], float64s(value(x))}
}

func float64s(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// at returns a place in the map; nil outside of the image.
func (m plain) at(n, y, x, c int) *float64 {
	if y < 0 || y >= m.h || x < 0 || x >= m.w {
		return nil
	}
	return &m.v[((n*m.h+y)*m.w+x)*m.c+c]
}

// each calls f for every element.
func (m plain) each(f func(n, y, x, c int, v *float64)) {
	for n := range m.n {
		for y := range m.h {
			for x := range m.w {
				for c := range m.c {
					f(n, y, x, c, m.at(n, y, x, c))
				}
			}
		}
	}
}

// relu returns the positive part.
func (m plain) relu() plain {
	out := newPlain(m.n, m.h, m.w, m.c)
	for i, v := range m.v {
		out.v[i] = max(v, 0)
	}
	return out
}

// conv returns the convolution with a weight [rows, columns, C, out].
func (m plain) conv(w ops.Window, weight []float32, out int) plain {
	h := (m.h+2*w.PadRows-w.DilationRows*(w.Rows-1)-1)/w.StrideRows + 1
	wd := (m.w+2*w.PadColumns-w.DilationColumns*(w.Columns-1)-1)/w.StrideColumns + 1
	y := newPlain(m.n, h, wd, out)
	y.each(func(n, i, j, o int, v *float64) {
		for r := range w.Rows {
			for q := range w.Columns {
				for c := range m.c {
					if x := m.at(n, i*w.StrideRows-w.PadRows+r*w.DilationRows, j*w.StrideColumns-w.PadColumns+q*w.DilationColumns, c); x != nil {
						*v += *x * float64(weight[((r*w.Columns+q)*m.c+c)*out+o])
					}
				}
			}
		}
	})
	return y
}

// moments returns the mean and the biased variance of each channel.
func (m plain) moments() (mean, variance []float64) {
	mean, variance = make([]float64, m.c), make([]float64, m.c)
	pixels := float64(m.n * m.h * m.w)
	m.each(func(_, _, _, c int, v *float64) { mean[c] += *v / pixels })
	m.each(func(_, _, _, c int, v *float64) { variance[c] += (*v - mean[c]) * (*v - mean[c]) / pixels })
	return mean, variance
}

// norm returns the batch normalisation with scale and shift, which may be nil.
func (m plain) norm(mean, variance []float64, scale, shift []float32) plain {
	y := newPlain(m.n, m.h, m.w, m.c)
	for i, v := range m.v {
		c := i % m.c
		y.v[i] = (v - mean[c]) / math.Sqrt(variance[c]+1e-5)
		if scale != nil {
			y.v[i] = y.v[i]*float64(scale[c]) + float64(shift[c])
		}
	}
	return y
}

// trainedNorm is norm with the statistics of the batch.
func (m plain) trainedNorm(scale, shift []float32) plain {
	mean, variance := m.moments()
	return m.norm(mean, variance, scale, shift)
}
