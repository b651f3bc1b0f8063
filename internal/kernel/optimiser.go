package kernel

import "math"

// SquaredNormScratch returns the memory, in floats, that SquaredNorm of n
// elements needs for each worker and shared.
func SquaredNormScratch(n int) (perWorker, shared int) { return 0, 2 * chunks(n) }

// SquaredNorm returns the sum of the squares of all elements of g.
func SquaredNorm(t *ThreadPool, g []float32) float64 {
	parts := doubles(t.Shared(2 * chunks(len(g))))
	squaredNorm.run(t, chunks(len(g)), squaredNormArgs{g, parts})
	var sum float64
	for _, part := range parts {
		sum += part
	}
	return sum
}

type squaredNormArgs struct {
	g     []float32
	parts []float64
}

var squaredNorm = newLoop(func(a *squaredNormArgs, _ *Worker, i int) {
	from, to := chunk(i, len(a.g))
	g := a.g[from:to]
	var s0, s1, s2, s3 float64
	for ; len(g) >= 4; g = g[4:] {
		s0 += float64(float64(g[0]) * float64(g[0]))
		s1 += float64(float64(g[1]) * float64(g[1]))
		s2 += float64(float64(g[2]) * float64(g[2]))
		s3 += float64(float64(g[3]) * float64(g[3]))
	}
	for _, v := range g {
		s0 += float64(float64(v) * float64(v))
	}
	a.parts[i] = s0 + s1 + s2 + s3
})

// Scale sets dst to factor·x, or adds that to dst if add.
func Scale(t *ThreadPool, dst, x []float32, factor float32, add bool) {
	need("x", x, len(dst))
	scale.run(t, chunks(len(dst)), scaleArgs{dst, x, everywhere(factor), add})
}

type scaleArgs struct {
	dst, x []float32
	factor factor
	add    bool
}

var scale = newLoop(func(a *scaleArgs, _ *Worker, i int) {
	for from, to := chunk(i, len(a.dst)); from < to; {
		c := min(len(a.factor), to-from)
		n := (to - from) / c
		dst, x := a.dst[from:from+n*c], a.x[from:from+n*c]
		if a.add {
			active.addAffine(dst, x, a.factor[:c], nil, n, c)
		} else {
			active.affine(dst, x, nil, a.factor[:c], nil, nil, n, c, false)
		}
		from += n * c
	}
})

// SGD makes one step of stochastic gradient descent with momentum, from the
// gradient g of the weights w and the velocity v, which begins with zeros:
//
//	g' = scale·g + decay·w
//	v  = momentum·v + g'
//	w  = w - lr·v, or w - lr·(g' + momentum·v) if nesterov
//
// It is the form of Sutskever et al. (2013) in which the learning rate does not
// enter the velocity.
func SGD(t *ThreadPool, w, v, g []float32, lr, momentum, decay, scale float32, nesterov bool) {
	need("v", v, len(w))
	need("g", g, len(w))
	a := sgdArgs{
		w: w, v: v, g: g, nesterov: nesterov,
		momentum: everywhere(momentum), scale: everywhere(scale), decay: everywhere(decay), rate: everywhere(-lr),
	}
	if nesterov {
		a.rate = everywhere(-lr * momentum)
		a.gradientRate, a.decayRate = everywhere(-lr*scale), everywhere(-lr*decay)
	}
	sgd.run(t, chunks(len(w)), a)
}

// factor is one factor for each channel of a map, all equal.
type factor [16]float32

func everywhere(x float32) (f factor) {
	for i := range f {
		f[i] = x
	}
	return f
}

type sgdArgs struct {
	w, v, g                []float32
	nesterov               bool
	momentum, scale, decay factor
	// The steps of w along v and, if nesterov, along the two parts of g'.
	rate, gradientRate, decayRate factor
}

var sgd = newLoop(func(a *sgdArgs, _ *Worker, i int) {
	for from, to := chunk(i, len(a.w)); from < to; {
		// A block stays in the L1 cache. Its elements are taken as pixels.
		n := min(blockElements, to-from)
		c := min(len(a.rate), n)
		n /= c
		w, v, g := a.w[from:from+n*c], a.v[from:from+n*c], a.g[from:from+n*c]
		active.affine(v, v, g, a.momentum[:c], a.scale[:c], nil, n, c, false)
		active.addAffine(v, w, a.decay[:c], nil, n, c)
		if a.nesterov {
			active.addAffine(w, w, a.decayRate[:c], nil, n, c)
			active.addAffine(w, g, a.gradientRate[:c], nil, n, c)
		}
		active.addAffine(w, v, a.rate[:c], nil, n, c)
		from += n * c
	}
})

// Adam makes a step of Adam (Kingma and Ba, 2015, arXiv 1412.6980), from the gradient g of
// the weights w and its moments m and v, which begin with zeros:
//
//	g' = g + decay·w
//	m  = beta1·m + (1-beta1)·g'
//	v  = beta2·v + (1-beta2)·g'²
//	w  = w - rate·m/(spread·√v + eps)
//
// The learning rate, and the factor of √v, are corrected for the number of the step.
func Adam(t *ThreadPool, w, m, v, g []float32, rate, spread float32, beta1, beta2, eps, decay float64) {
	need("m", m, len(w))
	need("v", v, len(w))
	need("g", g, len(w))
	adam.run(t, chunks(len(w)), adamArgs{
		w, m, v, g, rate, spread,
		float32(beta1), float32(beta2), float32(1 - beta1), float32(1 - beta2), float32(eps), float32(decay),
	})
}

type adamArgs struct {
	w, m, v, g   []float32
	rate, spread float32
	beta1, beta2 float32
	gain1, gain2 float32 // 1 - beta1 and 1 - beta2, rounded once
	eps, decay   float32
}

var adam = newLoop(func(a *adamArgs, _ *Worker, i int) {
	from, to := chunk(i, len(a.w))
	w, m, v := a.w[from:to], a.m[from:to], a.v[from:to]
	for j, g := range a.g[from:to] {
		g += float32(a.decay * w[j])
		m[j] = float32(a.beta1*m[j]) + float32(a.gain1*g)
		v[j] = float32(a.beta2*v[j]) + float32(a.gain2*g*g)
		w[j] -= a.rate * m[j] / (float32(float32(math.Sqrt(float64(v[j])))*a.spread) + a.eps)
	}
})

// Average moves avg towards w: avg = decay·avg + (1-decay)·w.
func Average(t *ThreadPool, avg, w []float32, decay float64) {
	need("w", w, len(avg))
	average.run(t, chunks(len(avg)), averageArgs{avg, w, everywhere(float32(decay)), everywhere(float32(1 - decay))})
}

type averageArgs struct {
	avg, w    []float32
	old, rest factor
}

var average = newLoop(func(a *averageArgs, _ *Worker, i int) {
	for from, to := chunk(i, len(a.avg)); from < to; {
		n := min(blockElements, to-from)
		c := min(len(a.old), n)
		n /= c
		avg := a.avg[from : from+n*c]
		active.affine(avg, avg, a.w[from:from+n*c], a.old[:c], a.rest[:c], nil, n, c, false)
		from += n * c
	}
})
