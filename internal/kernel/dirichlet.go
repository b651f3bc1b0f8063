package kernel

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// DirichletForward computes y[rows·k], each row a draw of the Dirichlet
// distribution with concentrations elu(x) + 1, and slope[rows·k], which
// DirichletBackward reads; slope may be nil. Elements of x must be from -50 to 1000. An element is a share of its row of
// numbers g, where g has the Gamma distribution of its concentration and the same
// quantile that noise has in the standard normal distribution.
func DirichletForward(t *Team, x, noise []float32, rows, k int, y, slope []float32) {
	need("x", x, rows*k)
	need("noise", noise, rows*k)
	need("y", y, rows*k)
	dirichletForward.run(t, rowTasks(rows, k), dirichletArgs{rows: rows, k: k, x: x, noise: noise, y: y, slope: slope})
}

type dirichletArgs struct {
	rows, k                    int
	x, noise, y, slope, gy, gx []float32
}

var dirichletForward = newLoop(func(a *dirichletArgs, _ *Worker, i int) {
	for r, to := rowRange(i, a.rows, a.k); r < to; r++ {
		for j := r * a.k; j < (r+1)*a.k; j++ {
			concentration, rate := 1+float64(a.x[j]), 1.0
			if a.x[j] <= 0 {
				concentration = math.Exp(float64(a.x[j]))
				rate = concentration
			}
			logarithm, slope := logGamma(concentration, float64(a.noise[j]))
			a.y[j] = float32(logarithm)
			if a.slope != nil {
				a.slope[j] = float32(slope * rate)
			}
		}
		softmax(a.y[r*a.k:(r+1)*a.k], a.y[r*a.k:(r+1)*a.k])
	}
})

// DirichletBackward computes gx from gy, the gradient of y, and from what
// DirichletForward computed: with slope[j] = ∂ln g[j]/∂x[j],
//
//	gx[j] = slope[j]·y[j]·(gy[j] - Σ gy[i]·y[i])
func DirichletBackward(t *Team, gy, y, slope []float32, rows, k int, gx []float32) {
	need("gy", gy, rows*k)
	need("y", y, rows*k)
	need("slope", slope, rows*k)
	need("gx", gx, rows*k)
	dirichletBackward.run(t, rowTasks(rows, k), dirichletArgs{rows: rows, k: k, y: y, slope: slope, gy: gy, gx: gx})
}

var dirichletBackward = newLoop(func(a *dirichletArgs, _ *Worker, i int) {
	for r, to := rowRange(i, a.rows, a.k); r < to; r++ {
		y, gy := a.y[r*a.k:(r+1)*a.k], a.gy[r*a.k:(r+1)*a.k]
		var dot float64
		for j, v := range y {
			dot += float64(float64(v) * float64(gy[j]))
		}
		for j, v := range y {
			a.gx[r*a.k+j] = float32(float64(a.slope[r*a.k+j]) * float64(v) * (float64(gy[j]) - dot))
		}
	}
})

// farthest is how far from zero noise counts. Beyond are 2e-9 of the normal
// distribution, too little to be told from one by the sums below.
const farthest = 6

// logGamma returns y, the logarithm of the number that has in the Gamma
// distribution of shape a the quantile that z has in the standard normal one, and
// ∂y/∂a. With the series of the incomplete gamma function,
//
//	ln P(a, y) = a·y - e^y - ln Γ(a+1) + ln S, S = Σ e^(n·y) / ((a+1)···(a+n))
//
// which rises and bends down in y, and without S is a straight line above it. So
// Newton's steps from where the line meets the quantile never go too far.
func logGamma(a, z float64) (y, slope float64) {
	z = math.Max(-farthest, math.Min(farthest, z))
	target := math.Log1p(-math.Erfc(z/math.Sqrt2) / 2)
	if z < 0 {
		target = math.Log(math.Erfc(-z/math.Sqrt2) / 2)
	}
	norm, _ := math.Lgamma(a + 1)
	y = (target + norm) / a
	var sum, bySum float64
	for range 100 { // about as many as the largest g needs; most need five
		g := math.Exp(y)
		sum, bySum = gammaSeries(a, g)
		step := (target - (float64(a*y) - g - norm + math.Log(sum))) * sum / a
		y += step
		if !(math.Abs(step) > 1e-12*math.Max(1, math.Abs(y))) {
			break
		}
	}
	// Along a quantile ∂lnP/∂a + ∂lnP/∂y·∂y/∂a is zero, and ∂lnP/∂y is a/S.
	return y, -(y - mathext.Digamma(a+1) + bySum/sum) * sum / a
}

// gammaSeries returns S of logGamma and ∂S/∂a.
func gammaSeries(a, g float64) (sum, bySum float64) {
	term, harmonic := 1.0, 0.0
	sum = 1
	for n := a + 1; term > 1e-17*sum; n++ {
		term *= g / n
		harmonic += 1 / n
		sum += term
		bySum -= float64(term * harmonic)
	}
	return sum, bySum
}
