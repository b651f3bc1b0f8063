package kernel

import (
	"math"
	"testing"

	"unnas/internal/rng"
)

func TestExcite(t *testing.T) {
	const n, pixels, c = 3, 10, 7
	r := rng.New(1, "excite", 0, 0)
	x, dx := weight(r, n*pixels*c)
	z, dz := weight(r, n*c)
	gy, dgy := weight(r, n*pixels*c)
	want, wantX, wantZ := make([]float64, len(dx)), make([]float64, len(dx)), make([]float64, len(dz))
	for i, v := range dx {
		at := i/(pixels*c)*c + i%c
		s := 1 / (1 + math.Exp(-dz[at]))
		want[i], wantX[i] = v*s, dgy[i]*s
		wantZ[at] += dgy[i] * v * s * (1 - s)
	}
	size := sized(ExciteScratch(c))
	y, gx, gz, alone := Floats(len(x)), Floats(len(x)), Floats(len(z)), Floats(len(z))
	operate(t, size, func(pool *ThreadPool) { Excite(pool, x, z, n, pixels, c, y) }, y)
	operate(t, size, func(pool *ThreadPool) {
		ExciteGradient(pool, gy, x, z, n, pixels, c, gx, gz)
		ExciteGradient(pool, gy, x, z, n, pixels, c, nil, alone)
	}, gx, gz, alone)
	near(t, "y", want, y, 1e-6)
	near(t, "gx", wantX, gx, 1e-6)
	near(t, "gz", wantZ, gz, 1e-6)
	near(t, "gz alone", wantZ, alone, 1e-6)
}
