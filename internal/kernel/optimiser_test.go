package kernel

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/rng"
)

const parameters = 2*chunkFloats + 77

func TestSquaredNorm(t *testing.T) {
	g, dg := weight(rng.New(1, "norm", 0, 0), parameters)
	got := Floats(1)
	operate(t, sized(SquaredNormScratch(len(g))), func(pool *ThreadPool) { got[0] = float32(SquaredNorm(pool, g)) }, got)
	assert.InEpsilon(t, dot(dg, dg), SquaredNorm(NewThreadPool(1), g), 1e-12)
}

func TestScale(t *testing.T) {
	const factor = 0.3
	r := rng.New(1, "scale", 0, 0)
	start, want := weight(r, parameters)
	x, dx := weight(r, parameters)
	product := make([]float64, parameters)
	for i := range want {
		product[i] = factor * dx[i]
		want[i] += product[i]
	}
	set, added := Floats(parameters), Floats(parameters)
	operate(t, scratchSize{}, func(pool *ThreadPool) {
		Scale(pool, set, x, factor, false)
		copy(added, start)
		Scale(pool, added, x, factor, true)
	}, set, added)
	near(t, "set", product, set, 1e-7)
	near(t, "added", want, added, 1e-7)
}

func TestSGD(t *testing.T) {
	const lr, momentum, decay, scale = 0.1, 0.9, 3e-2, 0.5
	for _, nesterov := range []bool{false, true} {
		r := rng.New(1, "sgd", 0, 0)
		start, want := weight(r, parameters)
		g, dg := weight(r, parameters)
		velocity := make([]float64, parameters)
		for range 3 {
			for i := range want {
				step := scale*dg[i] + decay*want[i]
				velocity[i] = momentum*velocity[i] + step
				if nesterov {
					want[i] -= lr * (step + momentum*velocity[i])
				} else {
					want[i] -= lr * velocity[i]
				}
			}
		}
		w, v := Floats(parameters), Floats(parameters)
		operate(t, scratchSize{}, func(pool *ThreadPool) {
			copy(w, start)
			clear(v)
			for range 3 {
				SGD(pool, w, v, g, lr, momentum, decay, scale, nesterov)
			}
		}, w, v)
		near(t, "w", want, w, 5e-7)
		near(t, "v", velocity, v, 5e-7)
	}
}

func TestAverage(t *testing.T) {
	r := rng.New(1, "average", 0, 0)
	start, want := weight(r, parameters)
	w, dw := weight(r, parameters)
	for i := range want {
		want[i] = 0.9*want[i] + 0.1*dw[i]
	}
	avg := Floats(parameters)
	operate(t, scratchSize{}, func(pool *ThreadPool) {
		copy(avg, start)
		Average(pool, avg, w, 0.9)
	}, avg)
	near(t, "average", want, avg, 5e-7)
}

func TestAdam(t *testing.T) {
	const lr, beta1, beta2, eps, decay = 0.02, 0.5, 0.999, 1e-8, 1e-2
	r := rng.New(1, "adam", 0, 0)
	start, want := weight(r, parameters)
	g, dg := weight(r, parameters)
	first, second := make([]float64, parameters), make([]float64, parameters)
	for step := 1; step <= 3; step++ {
		for i := range want {
			d := dg[i] + decay*want[i]
			first[i] = beta1*first[i] + (1-beta1)*d
			second[i] = beta2*second[i] + (1-beta2)*d*d
			mean, square := first[i]/(1-math.Pow(beta1, float64(step))), second[i]/(1-math.Pow(beta2, float64(step)))
			want[i] -= lr * mean / (math.Sqrt(square) + eps)
		}
	}
	w, m, v := Floats(parameters), Floats(parameters), Floats(parameters)
	operate(t, scratchSize{}, func(pool *ThreadPool) {
		copy(w, start)
		clear(m)
		clear(v)
		for step := 1; step <= 3; step++ {
			rate, spread := lr/(1-math.Pow(beta1, float64(step))), 1/math.Sqrt(1-math.Pow(beta2, float64(step)))
			Adam(pool, w, m, v, g, float32(rate), float32(spread), beta1, beta2, eps, decay)
		}
	}, w, m, v)
	near(t, "w", want, w, 5e-7)
	near(t, "m", first, m, 5e-7)
	near(t, "v", second, v, 1e-4) // 1 - float32(0.999) is off by that much
}
