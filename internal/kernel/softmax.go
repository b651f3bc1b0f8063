package kernel

// SoftmaxForward computes y[rows·k], the softmax of each row of x.
func SoftmaxForward(t *ThreadPool, x []float32, rows, k int, y []float32) {
	need("x", x, rows*k)
	need("y", y, rows*k)
	softmaxForward.run(t, rowTasks(rows, k), softmaxArgs{rows: rows, k: k, x: x, y: y})
}

// rowTasks returns the number of tasks for a matrix whose rows are worked on one
// by one.
func rowTasks(rows, k int) int { return (rows + rowsOf(k) - 1) / rowsOf(k) }

// rowsOf returns the number of rows of k elements in a task.
func rowsOf(k int) int { return max(1, chunkFloats/4/k) }

// rowRange returns the rows of a task.
func rowRange(i, rows, k int) (from, to int) { return i * rowsOf(k), min(rows, (i+1)*rowsOf(k)) }

type softmaxArgs struct {
	rows, k      int
	x, y, gy, gx []float32
}

var softmaxForward = newLoop(func(a *softmaxArgs, _ *Worker, i int) {
	for r, to := rowRange(i, a.rows, a.k); r < to; r++ {
		softmax(a.y[r*a.k:(r+1)*a.k], a.x[r*a.k:(r+1)*a.k])
	}
})

// softmax sets dst to the softmax of x.
func softmax(dst, x []float32) {
	_, top := largest(x)
	share := float32(1 / active.expSum(dst, x, top))
	for j := range dst {
		dst[j] *= share
	}
}

// SoftmaxBackward computes gx, the gradient of x, from that of the output y of
// SoftmaxForward.
func SoftmaxBackward(t *ThreadPool, gy, y []float32, rows, k int, gx []float32) {
	need("gy", gy, rows*k)
	need("y", y, rows*k)
	need("gx", gx, rows*k)
	softmaxBackward.run(t, rowTasks(rows, k), softmaxArgs{rows: rows, k: k, y: y, gy: gy, gx: gx})
}

var softmaxBackward = newLoop(func(a *softmaxArgs, _ *Worker, i int) {
	for r, to := rowRange(i, a.rows, a.k); r < to; r++ {
		y, gy, gx := a.y[r*a.k:(r+1)*a.k], a.gy[r*a.k:(r+1)*a.k], a.gx[r*a.k:(r+1)*a.k]
		var dot float64
		for j, v := range y {
			dot += float64(v * gy[j])
		}
		for j, v := range y {
			gx[j] = v * (gy[j] - float32(dot))
		}
	}
})

// DrawForward computes y[rows·k], for each row one at the first largest element
// of x + noise and zero elsewhere: a draw from softmax(x) if the noise is of the
// standard Gumbel distribution.
func DrawForward(t *ThreadPool, x, noise []float32, rows, k int, y []float32) {
	need("x", x, rows*k)
	need("noise", noise, rows*k)
	need("y", y, rows*k)
	drawForward.run(t, rowTasks(rows, k), drawArgs{rows: rows, k: k, x: x, noise: noise, y: y})
}

type drawArgs struct {
	rows, k             int
	temperature         float32
	x, noise, y, gy, gx []float32
}

var drawForward = newLoop(func(a *drawArgs, _ *Worker, i int) {
	for r, to := rowRange(i, a.rows, a.k); r < to; r++ {
		y := a.y[r*a.k : (r+1)*a.k]
		noisy(y, a.x[r*a.k:], a.noise[r*a.k:], 1)
		at, _ := largest(y)
		clear(y)
		y[at] = 1
	}
})

// noisy sets dst to (x + noise)/temperature.
func noisy(dst, x, noise []float32, temperature float32) {
	for j := range dst {
		dst[j] = (x[j] + noise[j]) / temperature
	}
}

// DrawBackward computes gx from the gradient of the output y of DrawForward, as if
// the drawn element of y were that of p = softmax((x + noise)/temperature) and the
// others were constant: with element d drawn,
//
//	gx[j] = gy[d]·p[d]·(δ(j, d) - p[j])/temperature
func DrawBackward(t *ThreadPool, gy, x, noise []float32, temperature float32, y []float32, rows, k int, gx []float32) {
	need("gy", gy, rows*k)
	need("x", x, rows*k)
	need("noise", noise, rows*k)
	need("y", y, rows*k)
	need("gx", gx, rows*k)
	drawBackward.run(t, rowTasks(rows, k), drawArgs{rows, k, temperature, x, noise, y, gy, gx})
}

var drawBackward = newLoop(func(a *drawArgs, _ *Worker, i int) {
	for r, to := rowRange(i, a.rows, a.k); r < to; r++ {
		gx := a.gx[r*a.k : (r+1)*a.k]
		noisy(gx, a.x[r*a.k:], a.noise[r*a.k:], a.temperature)
		softmax(gx, gx)
		at, _ := largest(a.y[r*a.k : (r+1)*a.k])
		g := a.gy[r*a.k+at] * gx[at] / a.temperature
		for j, p := range gx {
			gx[j] = -g * p
		}
		gx[at] += g
	}
})

// largest returns the first largest element of x and its index.
func largest(x []float32) (at int, top float32) {
	top = x[0]
	for j, v := range x {
		if v > top {
			at, top = j, v
		}
	}
	return at, top
}
