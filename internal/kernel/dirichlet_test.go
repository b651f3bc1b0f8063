package kernel

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mathext"

	"unnas/internal/rng"
)

var gammaShapes = []float64{1e-20, 1e-4, 0.03, 0.4, 1, 1.7, 6, 40, 1000}

// TestLogGamma compares quantiles and their derivatives with those of another
// implementation, where that has digits enough.
func TestLogGamma(t *testing.T) {
	quantile := func(a, z float64) float64 {
		if z > 0 {
			return math.Log(mathext.GammaIncRegCompInv(a, math.Erfc(z/math.Sqrt2)/2))
		}
		return math.Log(mathext.GammaIncRegInv(a, math.Erfc(-z/math.Sqrt2)/2))
	}
	for _, a := range gammaShapes[2:] {
		for _, z := range []float64{-5, -2.3, -0.4, 0, 0.2, 1.9, 4.5} {
			y, slope := logGamma(a, z)
			want := quantile(a, z)
			if want < -250 {
				continue // e^y is too small for the other implementation
			}
			assert.InDelta(t, want, y, 1e-8*math.Max(1, math.Abs(want)), "a %v, z %v", a, z)
			h, tolerance := 1e-3*a, 1e-4
			if a > 40 { // differences lose more digits than the derivative
				tolerance = 5e-3
			}
			above, _ := logGamma(a+h, z)
			below, _ := logGamma(a-h, z)
			assert.InEpsilon(t, (above-below)/(2*h), slope, tolerance, "∂/∂a at a %v, z %v", a, z)
			assert.InEpsilon(t, (quantile(a+h, z)-quantile(a-h, z))/(2*h), slope, tolerance, "∂/∂a at a %v, z %v", a, z)
		}
	}
}

// TestLogGammaByHand holds closed forms: the exponential distribution, a = 1, and
// small a, where P(a, g) is g^a.
func TestLogGammaByHand(t *testing.T) {
	for _, z := range []float64{-6, -3, -1, 0, 1, 3, 5, 6} {
		y, _ := logGamma(1, z)
		assert.InDelta(t, math.Log(-math.Log1p(-math.Erfc(-z/math.Sqrt2)/2)), y, 1e-7, "z %v", z)
	}
	const tiny = 1e-20
	for _, z := range []float64{-3, 0, 3} {
		y, slope := logGamma(tiny, z)
		want := math.Log(1-math.Erfc(z/math.Sqrt2)/2) / tiny
		assert.InEpsilon(t, want, y, 1e-12)
		assert.InEpsilon(t, -want/tiny, slope, 1e-12)
	}
}

// TestLogGammaInTheUpperTail compares derivatives with those of arbitrary precision,
// and with differences.
func TestLogGammaInTheUpperTail(t *testing.T) {
	for _, c := range []struct{ a, z, want float64 }{
		{1, 5.9, 0.1802}, {0.368, 5.9, 0.3179}, {121, 5.5, 0.00652},
	} {
		_, slope := logGamma(c.a, c.z)
		assert.InEpsilon(t, c.want, slope, 1e-3, "a %v, z %v", c.a, c.z)
	}
	for _, a := range []float64{0.03, 0.368, 1, 1.7, 6, 40, 121, 1000} {
		for _, z := range []float64{3.001, 3.7, 4.5, 5.2, 6} {
			_, slope := logGamma(a, z)
			h := 1e-4 * a
			above, _ := logGamma(a+h, z)
			below, _ := logGamma(a-h, z)
			assert.InEpsilon(t, (above-below)/(2*h), slope, 1e-5, "a %v, z %v", a, z)
		}
		y, slope := logGamma(a, upper)
		yAbove, slopeAbove := logGamma(a, math.Nextafter(upper, 4))
		assert.InDelta(t, y, yAbove, 1e-12*math.Max(1, math.Abs(y)), "a %v", a)
		assert.InEpsilon(t, slope, slopeAbove, 1e-7, "both ways agree, a %v", a)
	}
}

// TestLogGammaEverywhere looks for shapes and noise that give no number.
func TestLogGammaEverywhere(t *testing.T) {
	for _, a := range gammaShapes {
		last := math.Inf(-1)
		for z := -9.0; z <= 9; z += 0.25 {
			y, slope := logGamma(a, z)
			require.False(t, math.IsNaN(y) || math.IsInf(y, 0), "a %v, z %v", a, z)
			require.False(t, math.IsNaN(slope) || math.IsInf(slope, 0), "slope, a %v, z %v", a, z)
			require.GreaterOrEqual(t, y, last, "a %v, z %v", a, z)
			last = y
		}
	}
}

// TestDirichlet compares draws and gradients, on any number of cores, with shares
// of Gamma numbers and central differences, over both branches of elu.
func TestDirichlet(t *testing.T) {
	for _, s := range [][2]int{{1, 2}, {14, 8}, {700, 3}} {
		rows, k := s[0], s[1]
		r := rng.New(5, fmt.Sprint("dirichlet ", s), 0, 0)
		x, _ := weight(r, rows*k)
		noise, _ := weight(r, rows*k)
		gy, gyd := weight(r, rows*k)
		share := func(row []float32, n []float32) []float64 {
			out := make([]float64, k)
			var sum float64
			for j := range out {
				a := 1 + float64(row[j])
				if row[j] < 0 {
					a = math.Exp(float64(row[j]))
				}
				out[j] = mathext.GammaIncRegInv(a, 1-math.Erfc(float64(n[j])/math.Sqrt2)/2)
				sum += out[j]
			}
			for j := range out {
				out[j] /= sum
			}
			return out
		}
		y, slope, gx := Floats(rows*k), Floats(rows*k), Floats(rows*k)
		operate(t, scratchSize{}, func(pool *ThreadPool) { DirichletForward(pool, x, noise, rows, k, y, slope) }, y, slope)
		operate(t, scratchSize{}, func(pool *ThreadPool) { DirichletBackward(pool, gy, y, slope, rows, k, gx) }, gx)
		for r := range min(rows, 20) {
			row, n := x[r*k:(r+1)*k], noise[r*k:(r+1)*k]
			for j, want := range share(row, n) {
				assert.InDelta(t, want, y[r*k+j], 1e-6)
			}
			for j := range k {
				at := func(h float32) (loss, x float64) {
					old := row[j]
					defer func() { row[j] = old }()
					row[j] += h
					for i, v := range share(row, n) {
						loss += v * gyd[r*k+i]
					}
					return loss, float64(row[j])
				}
				above, xa := at(2e-3)
				below, xb := at(-2e-3)
				assert.InDelta(t, (above-below)/(xa-xb), gx[r*k+j], 1e-4, "row %d of %v, element %d", r, s, j)
			}
		}
	}
}

// TestDirichletMoments draws many times, and compares with the theory: with a of
// sum A, E[y₀] = a₀/A, Var[y₀] = a₀(A-a₀)/A²(A+1), E[y₀²] = a₀(a₀+1)/A(A+1). Mean
// gradients of y₀ and of y₀² are the derivatives of the moments.
func TestDirichletMoments(t *testing.T) {
	x := []float32{0.6, -0.9, 0.1}
	const n = 40000
	k := len(x)
	var a, rate [3]float64
	var total float64
	for j, v := range x {
		a[j], rate[j] = 1+float64(v), 1
		if v < 0 {
			a[j] = math.Exp(float64(v))
			rate[j] = a[j]
		}
		total += a[j]
	}
	xs, noise := Floats(n*k), Floats(n*k)
	r := rng.New(11, "moments", 0, 0)
	for i := range noise {
		xs[i], noise[i] = x[i%k], float32(rng.Normal(r))
	}
	y, slope, gy, first, second := Floats(n*k), Floats(n*k), Floats(n*k), Floats(n*k), Floats(n*k)
	pool := NewThreadPool(1)
	pool.Start()
	defer pool.Stop()
	DirichletForward(pool, xs, noise, n, k, y, slope)
	for i := range n {
		gy[i*k] = 1
	}
	DirichletBackward(pool, gy, y, slope, n, k, first)
	for i := range n {
		gy[i*k] = 2 * y[i*k]
	}
	DirichletBackward(pool, gy, y, slope, n, k, second)
	// mean returns the mean of column j and four times its standard error.
	mean := func(v []float32, j int) (m, tolerance float64) {
		var squares float64
		for i := range n {
			m += float64(v[i*k+j]) / n
			squares += float64(v[i*k+j]) * float64(v[i*k+j]) / n
		}
		return m, 4 * math.Sqrt((squares-m*m)/n)
	}
	for j := range k {
		m, tolerance := mean(y, j)
		assert.InDelta(t, a[j]/total, m, tolerance, "mean of %d", j)
		var variance float64
		for i := range n {
			variance += math.Pow(float64(y[i*k+j])-m, 2) / n
		}
		assert.InEpsilon(t, a[j]*(total-a[j])/(total*total*(total+1)), variance, 0.03, "variance of %d", j)

		want := -a[0] / (total * total) // ∂E[y₀]/∂a[j]
		square := -a[0] * (a[0] + 1) * (2*total + 1) / math.Pow(total*(total+1), 2)
		if j == 0 {
			want += 1 / total
			square += (2*a[0] + 1) / (total * (total + 1))
		}
		m, tolerance = mean(first, j)
		assert.InDelta(t, want*rate[j], m, tolerance, "gradient of the mean, %d", j)
		m, tolerance = mean(second, j)
		assert.InDelta(t, square*rate[j], m, tolerance, "gradient of the mean square, %d", j)
		assert.Less(t, tolerance, 0.1*math.Abs(square*rate[j]), "enough draws to tell")
	}
}

func BenchmarkDirichlet(b *testing.B) {
	const rows, k = 14, 8
	r := rng.New(3, "benchmark", 0, 0)
	x, noise, y, slope := Floats(rows*k), Floats(rows*k), Floats(rows*k), Floats(rows*k)
	for i := range x {
		x[i], noise[i] = float32(0.3*rng.Normal(r)), float32(rng.Normal(r))
	}
	pool := NewThreadPool(1)
	pool.Start()
	defer pool.Stop()
	for b.Loop() {
		DirichletForward(pool, x, noise, rows, k, y, slope)
	}
}
