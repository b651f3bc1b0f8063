package kernel

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/internal/cpu"
	"unnas/internal/rng"
)

// use makes a variant of the primitives the active one until the test ends.
func use(t *testing.T, p primitives) {
	old := active
	active = p
	t.Cleanup(func() { active = old })
}

// sameBits runs a kernel with every variant of the primitives. It demands that those
// for vectors give the same bits, near to what the generic one gives.
func sameBits(t *testing.T, run func(pool *ThreadPool), outs ...[]float32) {
	t.Helper()
	var vector [][]float32
	for _, level := range []cpu.Level{cpu.AVX512BF16, cpu.AVX512, cpu.AVX2, cpu.Generic} {
		if int(level) >= len(variants) || level > cpu.Best() {
			continue
		}
		use(t, variants[level])
		for _, out := range outs {
			set(out, float32(math.NaN()))
		}
		run(NewThreadPool(1))
		for i, out := range outs {
			name := fmt.Sprintf("output %d with %v", i, level)
			switch {
			case len(vector) == i:
				vector = append(vector, append([]float32(nil), out...))
			case level == cpu.Generic:
				near(t, name, wide(vector[i]), out, sumTolerance)
			default:
				for j, v := range out {
					require.Equal(t, math.Float32bits(vector[i][j]), math.Float32bits(v), "%s: element %d", name, j)
				}
			}
		}
	}
}

func TestConvHasTheSameBits(t *testing.T) {
	shapes := [][5]int{{2, 9, 11, 33, 50}, {1, 40, 9, 5, 17}, {3, 7, 7, 130, 70}}
	for i, win := range convWindows() {
		s := shapes[i%len(shapes)]
		n, h, w, c, cout := s[0], s[1], s[2], s[3], s[4]
		oh, ow := win.Out(h, w)
		if oh < 1 || ow < 1 {
			continue
		}
		t.Run(fmt.Sprintf("%v %v", win, s), func(t *testing.T) {
			r, relu := rng.New(11, "conv", i, 0), i%2 == 0
			x, _ := lazy(r, lazies[i%len(lazies)], n, h, w, c)
			gz, _ := lazy(r, lazies[(i+1)%len(lazies)], n, oh, ow, cout)
			weights, _ := weight(r, win.KH*win.KW*c*cout)
			bias, _ := weight(r, cout)
			z, mom, gx := Floats(gz.Len()), Floats(3*cout), Floats(x.Len())
			gw, gbias := Floats(len(weights)), Floats(cout)
			sameBits(t, func(pool *ThreadPool) {
				ConvForward(pool, Float32, x, win, relu, weights, bias, z, cout, mom)
				ConvBackward(pool, Float32, gz, x, win, relu, weights, gx, gw, gbias)
			}, z, mom, gx, gw, gbias)
		})
	}
}

func TestLinearHasTheSameBits(t *testing.T) {
	for i, s := range [][3]int{{1, 1, 1}, {5, 70, 10}, {33, 130, 300}} {
		m, in, out := s[0], s[1], s[2]
		r := rng.New(11, "linear", i, 0)
		x, _ := weight(r, m*in)
		w, _ := weight(r, in*out)
		b, _ := weight(r, out)
		gy, _ := weight(r, m*out)
		y, gx, gw, gb := Floats(m*out), Floats(m*in), Floats(in*out), Floats(out)
		sameBits(t, func(pool *ThreadPool) {
			LinearForward(pool, x, m, in, out, w, b, y)
			LinearBackward(pool, gy, x, m, in, out, w, gx, gw, gb)
		}, y, gx, gw, gb)
	}
}

func TestReduceHasTheSameBits(t *testing.T) {
	for i, s := range shapes {
		n, h, w, c := s[0], s[1], s[2], s[3]
		cout := 18 + 2*i
		r := rng.New(11, "reduce", i, 0)
		x, _ := lazy(r, "affine", n, h, w, c)
		gz, _ := lazy(r, "gradient", n, (h+1)/2, (w+1)/2, cout)
		w1, _ := weight(r, c*cout/2)
		w2, _ := weight(r, c*cout/2)
		z, gx, gw1, gw2 := Floats(gz.Len()), Floats(x.Len()), Floats(len(w1)), Floats(len(w2))
		sameBits(t, func(pool *ThreadPool) {
			ReduceForward(pool, x, w1, w2, z, cout, nil)
			ReduceBackward(pool, gz, x, w1, w2, gx, gw1, gw2)
		}, z, gx, gw1, gw2)
	}
}
