package kernel

import "math"

// ExciteScratch returns the memory, in floats, that Excite and ExciteGradient of maps with c
// channels need for each worker and shared.
func ExciteScratch(c int) (perWorker, shared int) { return c, 0 }

// Excite computes y, the n maps x of some pixels and c channels with each channel of each
// map multiplied by the sigmoid of its number in z [n·c].
func Excite(t *ThreadPool, x, z []float32, n, pixels, c int, y []float32) {
	need("x", x, n*pixels*c)
	need("z", z, n*c)
	need("y", y, n*pixels*c)
	excite.run(t, n, exciteArgs{x: x, z: z, y: y, pixels: pixels, c: c})
}

type exciteArgs struct {
	x, z, y   []float32
	pixels, c int
}

var excite = newLoop(func(a *exciteArgs, w *Worker, i int) {
	gates := sigmoids(w, a.z[i*a.c:(i+1)*a.c])
	for p := i * a.pixels; p < (i+1)*a.pixels; p++ {
		x, y := a.x[p*a.c:(p+1)*a.c], a.y[p*a.c:(p+1)*a.c]
		for j, v := range x {
			y[j] = v * gates[j]
		}
	}
})

// sigmoids returns the sigmoid of each number in the scratch memory of a worker.
func sigmoids(w *Worker, z []float32) []float32 {
	s := w.Scratch(len(z))
	for j, v := range z {
		s[j] = float32(1 / (1 + math.Exp(-float64(v))))
	}
	return s
}

// ExciteGradient computes the gradients gx and gz of the inputs of Excite from gy, that of
// its output: with s the sigmoid of z, gx = gy·s and gz = s·(1-s)·Σgy·x. Either may be nil.
func ExciteGradient(t *ThreadPool, gy, x, z []float32, n, pixels, c int, gx, gz []float32) {
	need("gy", gy, n*pixels*c)
	need("x", x, n*pixels*c)
	need("z", z, n*c)
	needIf("gx", gx, n*pixels*c)
	needIf("gz", gz, n*c)
	exciteGradient.run(t, n, exciteGradientArgs{gy, x, z, gx, gz, pixels, c})
}

type exciteGradientArgs struct {
	gy, x, z, gx, gz []float32
	pixels, c        int
}

var exciteGradient = newLoop(func(a *exciteGradientArgs, w *Worker, i int) {
	gates, size := sigmoids(w, a.z[i*a.c:(i+1)*a.c]), a.pixels*a.c
	gy, x := a.gy[i*size:(i+1)*size], a.x[i*size:(i+1)*size]
	for j, s := range gates {
		var sum float64
		for k := j; k < size; k += a.c {
			sum += float64(float64(gy[k]) * float64(x[k]))
			if a.gx != nil {
				a.gx[i*size+k] = gy[k] * s
			}
		}
		if a.gz != nil {
			a.gz[i*a.c+j] = float32(sum * float64(float64(s)*(1-float64(s))))
		}
	}
})
