package ops_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// TestGumbelSoftmax follows two rows on paper. With temperature 2 the first row,
// 1, 2 and 4 with noise, draws its last element, whose softmax is
// p = e² / (e^½ + e + e²); with 3 as its gradient, alphas get 3·p·(δ - p)/2.
func TestGumbelSoftmax(t *testing.T) {
	n := newNet(t)
	alphas, err := n.Alpha("alphas", tensor.Shape{2, 3}, ops.Constant(0))
	require.NoError(t, err)
	noise := n.values("noise", []float32{1, -1, 1.5, 0, 0.5, 0}, 2, 3)
	temperature := n.values("temperature", []float32{2}, 1)
	drawn, err := ops.GumbelSoftmax(alphas, noise, temperature)
	require.NoError(t, err)
	factors := n.values("factors", []float32{5, -7, 3, 2, -4, 6}, 2, 3)
	product, err := gorgonia.HadamardProd(drawn, factors)
	require.NoError(t, err)
	flat, err := gorgonia.Reshape(product, tensor.Shape{6})
	require.NoError(t, err)
	loss, err := gorgonia.Sum(flat)
	require.NoError(t, err)
	require.NoError(t, ops.Grad(n.Scope, loss))
	require.NoError(t, n.Params().Init(1))
	copy(n.Params().Alphas(), []float32{0, 3, 2.5, 0.25, 0.75, 0.5})
	n.run(drawn, loss, alphas.Deriv())
	assert.Equal(t, []float32{0, 0, 1, 0, 1, 0}, value(drawn))
	assert.Equal(t, []float32{3 - 4}, value(loss))

	got := value(alphas.Deriv())
	for _, row := range []struct {
		at     int
		sums   [3]float64
		drawn  int
		factor float64
	}{{0, [3]float64{1, 2, 4}, 2, 3}, {3, [3]float64{0.25, 1.25, 0.5}, 1, -4}} {
		var p [3]float64
		var sum float64
		for j, v := range row.sums {
			p[j] = math.Exp(v / 2)
			sum += p[j]
		}
		for j := range p {
			want := -row.factor * p[row.drawn] / sum * p[j] / sum / 2
			if j == row.drawn {
				want += row.factor * p[j] / sum / 2
			}
			assert.InDelta(t, want, got[row.at+j], 1e-6, "alpha %d", row.at+j)
		}
	}
}

// TestDirichlet follows a row whose concentrations are one, so that its Gamma
// numbers are exponential, and compares gradients with differences.
func TestDirichlet(t *testing.T) {
	n := newNet(t)
	alphas, err := n.Alpha("alphas", tensor.Shape{2, 3}, ops.Constant(0))
	require.NoError(t, err)
	z := []float32{1, -1, 0.5, 0.25, 0, -0.75}
	drawn, err := ops.Dirichlet(alphas, n.values("noise", z, 2, 3))
	require.NoError(t, err)
	factors := []float32{5, -7, 3, 2, -4, 6}
	product, err := gorgonia.HadamardProd(drawn, n.values("factors", factors, 2, 3))
	require.NoError(t, err)
	flat, err := gorgonia.Reshape(product, tensor.Shape{6})
	require.NoError(t, err)
	loss, err := gorgonia.Sum(flat)
	require.NoError(t, err)
	require.NoError(t, ops.Grad(n.Scope, loss))
	require.NoError(t, n.Params().Init(1))
	a := n.Params().Alphas()
	copy(a, []float32{0, 0, 0, 0.5, -1.5, 0.1})
	n.run(drawn, loss, alphas.Deriv())
	var g [3]float64
	var sum float64
	for j := range g {
		g[j] = -math.Log(math.Erfc(float64(z[j])/math.Sqrt2) / 2)
		sum += g[j]
	}
	for j, v := range value(drawn)[:3] {
		assert.InDelta(t, g[j]/sum, v, 1e-6)
	}

	got := value(alphas.Deriv())
	for i, old := range append([]float32(nil), a...) {
		const h = 1.0 / 64
		at := func(v float32) float64 {
			a[i] = v
			defer func() { a[i] = old }()
			n.run(drawn)
			var loss float64
			for j, y := range value(drawn) {
				loss += float64(y) * float64(factors[j])
			}
			return loss
		}
		// At zero, where elu bends, differences are coarse.
		assert.InDelta(t, (at(old+h)-at(old-h))/(2*h), got[i], 1e-2, "alpha %d", i)
	}

	for _, bad := range []float32{-51, 1001, float32(math.NaN())} {
		a[4] = bad
		m, err := ops.NewVM(n.Graph(), drawn)
		require.NoError(t, err)
		require.ErrorContains(t, m.RunAll(), fmt.Sprintf("ops: Dirichlet: input 4 is %v, want -50 to 1000", bad))
	}
}
