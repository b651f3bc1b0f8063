package ops_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
	"unnas/ops/optest"
)

// differences returns the derivatives of f by each of x.
func differences(x []float64, f func() float64) []float64 {
	const h = 1e-5
	g := make([]float64, len(x))
	for i := range x {
		before := x[i]
		x[i] = before + h
		up := f()
		x[i] = before - h
		g[i] = (up - f()) / (2 * h)
		x[i] = before
	}
	return g
}

// contrast is the definition of NT-Xent by the cosines of all pairs of rows.
func contrast(z []float64, width int, labels []int32, temperature float64) (loss float64, hits, count int) {
	row := func(i int) []float64 { return z[i*width:][:width] }
	cosine := func(i, j int) float64 {
		var ab, aa, bb float64
		for d := range width {
			ab += row(i)[d] * row(j)[d]
			aa += row(i)[d] * row(i)[d]
			bb += row(j)[d] * row(j)[d]
		}
		if aa == 0 || bb == 0 {
			return 0
		}
		return ab / math.Sqrt(aa*bb)
	}
	var rows []int
	for i := range 2 * len(labels) {
		if labels[i/2] != -1 {
			rows = append(rows, i)
		}
	}
	if len(rows) < 4 {
		return 0, 0, 0
	}
	for _, i := range rows {
		own, sum, nearest := cosine(i, i^1), 0.0, true
		for _, j := range rows {
			if j != i {
				sum += math.Exp(cosine(i, j) / temperature)
				nearest = nearest && (j == i^1 || own > cosine(i, j))
			}
		}
		loss -= own/temperature - math.Log(sum)
		if nearest {
			hits++
		}
	}
	return loss / float64(len(rows)), hits, len(rows)
}

func TestContrast(t *testing.T) {
	for name, c := range map[string]struct {
		labels      []int32
		temperature float64
		zeros       bool // in row 3
	}{
		"all take part":    {labels: []int32{0, 0, 0, 0, 0}, temperature: 0.5},
		"some take part":   {labels: []int32{7, -1, 0, 0, -1}, temperature: 0.2},
		"low temperature":  {labels: []int32{0, 0, 0, 0, 0}, temperature: 0.01},
		"a row of zeros":   {labels: []int32{0, 0, 0, -1, 0}, temperature: 0.5, zeros: true},
		"one image":        {labels: []int32{-1, -1, 0, -1, -1}, temperature: 0.5},
		"none take part":   {labels: []int32{-1, -1, -1, -1, -1}, temperature: 0.5},
		"two of two views": {labels: []int32{0, 0}, temperature: 1},
	} {
		t.Run(name, func(t *testing.T) {
			const width = 3
			r := rand.New(rand.NewPCG(1, uint64(len(name))))
			z := make([]float32, 2*len(c.labels)*width)
			for i := range z {
				z[i] = float32(r.NormFloat64())
				if i/width%2 == 1 { // the second view is like the first
					z[i] = z[i-width] + 0.8*z[i]
				}
			}
			if c.zeros {
				clear(z[3*width:][:width])
			}
			n := newNet(t)
			x := n.values("z", z, 2*len(c.labels), width)
			l, err := ops.Contrast(x, n.labels("labels", c.labels, len(c.labels)), ops.ContrastConfig{Temperature: c.temperature, IgnoreIndex: -1})
			require.NoError(t, err)
			assert.Equal(t, ops.Metric{Name: "contrastive_top1"}, l.Metric)
			_, err = gorgonia.Grad(l.Value, x)
			require.NoError(t, err)
			n.run(l.Value, l.Score, l.Count, x.Deriv())
			exact := float64s(z)
			loss, hits, count := contrast(exact, width, c.labels, c.temperature)
			requireClose(t, []float64{loss, float64(hits), float64(count)}, []float32{value(l.Value)[0], value(l.Score)[0], value(l.Count)[0]})
			gradient := differences(exact, func() float64 { f, _, _ := contrast(exact, width, c.labels, c.temperature); return f })
			if c.zeros { // which has no direction to learn
				clear(gradient[3*width:][:width])
			}
			requireClose(t, gradient, value(x.Deriv()))
		})
	}
}

func TestContrastConforms(t *testing.T) {
	optest.RunGraph(t, func(_ *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
		l, err := ops.Contrast(in[0], in[1], ops.ContrastConfig{Temperature: 0.5, IgnoreIndex: -1})
		return l.Value, err
	}, ops.Array{Shape: tensor.Shape{10, 7}}, ops.Array{Shape: tensor.Shape{5}, Labels: []int32{0, 0, -1, 0, 0}})
}

// TestContrastOfCollapse says that equal embeddings tell no image from another.
func TestContrastOfCollapse(t *testing.T) {
	n := newNet(t)
	l, err := ops.Contrast(n.values("z", []float32{1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2}, 6, 2), n.labels("labels", make([]int32, 3), 3), ops.ContrastConfig{Temperature: 0.1, IgnoreIndex: -1})
	require.NoError(t, err)
	n.run(l.Value, l.Score, l.Count)
	assert.InDelta(t, math.Log(5), value(l.Value)[0], 1e-6)
	assert.Zero(t, value(l.Score)[0])
}

func TestContrastRefuses(t *testing.T) {
	n := newNet(t)
	z, labels := n.maps("z", 6, 4), n.labels("labels", make([]int32, 3), 3)
	good := ops.ContrastConfig{Temperature: 1, IgnoreIndex: -1}
	for want, f := range map[string]func() (ops.Loss, error){
		"contrastive temperature 0;":                                                 func() (ops.Loss, error) { return ops.Contrast(z, labels, ops.ContrastConfig{}) },
		"contrastive temperature NaN;":                                               func() (ops.Loss, error) { return ops.Contrast(z, labels, ops.ContrastConfig{Temperature: math.NaN()}) },
		"embeddings: the input is a nil node":                                        func() (ops.Loss, error) { return ops.Contrast(nil, labels, good) },
		"labels: the input is a nil node":                                            func() (ops.Loss, error) { return ops.Contrast(z, nil, good) },
		"want int32, as ops.Labels":                                                  func() (ops.Loss, error) { return ops.Contrast(z, z, good) },
		"embeddings of shape (6, 4) and labels of shape (6); want [2N, D] and [N]":   func() (ops.Loss, error) { return ops.Contrast(z, n.labels("six", make([]int32, 6), 6), good) },
		"embeddings of shape (6, 2, 1, 4) and labels of shape (3); want [2N, D] and": func() (ops.Loss, error) { return ops.Contrast(n.maps("maps", 6, 2, 1, 4), labels, good) },
	} {
		_, err := f()
		assert.ErrorContains(t, err, want)
	}
}
