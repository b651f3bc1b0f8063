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
func DirichletForward(t *ThreadPool, x, noise []float32, rows, k int, y, slope []float32) {
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
func DirichletBackward(t *ThreadPool, gy, y, slope []float32, rows, k int, gx []float32) {
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
// distribution. Above upper, the lower probability P is so close to one that rounding
// takes most of its digits, and the upper probability Q = 1 - P is used.
const (
	farthest = 6
	upper    = 3
)

// logGamma returns y, the logarithm of the number that has in the Gamma
// distribution of shape a the quantile that z has in the standard normal one, and
// ∂y/∂a. With the series of the incomplete gamma function,
//
//	ln P(a, y) = a·y - e^y - ln Γ(a+1) + ln S, S = Σ e^(n·y) / ((a+1)···(a+n))
//
// which rises and bends down in y, and without S is a straight line above it. So
// Newton's steps from where the line meets the quantile never go too far. In the
// upper tail a step or two more go by the continued fraction of the upper one,
//
//	ln Q(a, y) = a·y - e^y - ln Γ(a) + ln h
//
// which converges where e^y is above a + 1.
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
		step := float64((target - (float64(a*y) - g - norm + math.Log(sum))) * sum / a)
		y += step
		if !(math.Abs(step) > 1e-12*math.Max(1, math.Abs(y))) {
			break
		}
	}
	if z > upper && math.Exp(y) > a+1 {
		target, norm = math.Log(math.Erfc(z/math.Sqrt2)/2), norm-math.Log(a)
		var h, byH float64 // and ∂ln h/∂a
		for range 10 {
			g := math.Exp(y)
			h, byH = gammaFraction(a, g)
			step := float64((float64(a*y) - g - norm + math.Log(h) - target) * h) // ∂lnQ/∂y is -1/h
			y += step
			if !(math.Abs(step) > 1e-12*math.Abs(y)) {
				break
			}
		}
		return y, (y - mathext.Digamma(a) + byH) * h
	}
	// Along a quantile ∂lnP/∂a + ∂lnP/∂y·∂y/∂a is zero, and ∂lnP/∂y is a/S.
	return y, -(y - mathext.Digamma(a+1) + bySum/sum) * sum / a
}

// gammaSeries returns S of logGamma and ∂S/∂a.
func gammaSeries(a, g float64) (sum, bySum float64) {
	term, harmonic := 1.0, 0.0
	sum = 1
	for n := a + 1; term > 1e-17*sum; n++ {
		term = float64(term * (g / n))
		harmonic += 1 / n
		sum += term
		bySum -= float64(term * harmonic)
	}
	return sum, bySum
}

// gammaFraction returns h of logGamma and ∂ln h/∂a, by the continued fraction
//
//	h = 1/(g+1-a - 1·(1-a)/(g+3-a - 2·(2-a)/(g+5-a - ...)))
//
// (Lentz's method). g is above a + 1.
func gammaFraction(a, g float64) (h, by float64) {
	b := g + 1 - a
	h = 1 / b
	d, dBy := h, h*h // ∂b/∂a is -1
	by = h
	c, cBy := math.Inf(1), 0.0
	for i := 1.0; i < 1e4; i++ {
		n := -i * (i - a) // ∂n/∂a is i
		b += 2
		dNew := 1 / (float64(n*d) + b)
		dBy = -dNew * dNew * (float64(i*d) + float64(n*dBy) - 1)
		c, cBy = b+n/c, -1+i/c-n*cBy/(c*c)
		d = dNew
		factor := float64(d * c)
		h *= factor
		by += dBy/d + cBy/c
		if math.Abs(factor-1) < 1e-16 && math.Abs(dBy/d+cBy/c) < 1e-16*math.Max(1, math.Abs(by)) {
			break
		}
	}
	return h, by
}
