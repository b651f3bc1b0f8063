package kernel

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
)

// TestConvByWinograd reaches tiles that lie partly outside, blocks of parts of several
// images, incomplete blocks of channels, and classes of unequal sizes.
func TestConvByWinograd(t *testing.T) {
	window := func(ph, pw, dh, dw int) Window {
		return Window{KH: 3, KW: 3, SH: 1, SW: 1, PH: ph, PW: pw, DH: dh, DW: dw}
	}
	for i, s := range []struct {
		win     Window
		n, h, w int
		c, cout int
	}{
		{window(1, 1, 1, 1), 2, 8, 8, fewChannels, fewChannels + 1},
		{window(0, 0, 1, 1), 5, 7, 13, blockChannels + 1, 36},
		{window(2, 2, 1, 1), 5, 7, 13, 36, blockChannels + 1},
		{window(0, 2, 1, 1), 3, 22, 6, 40, blockChannels + 6},
		{window(1, 1, 1, 1), 1, 10, 31, 50, 41},
		{window(2, 2, 2, 2), 2, 8, 12, 40, 33},
		{window(3, 4, 2, 3), 1, 13, 22, 34, blockChannels + 2},
		{window(1, 0, 1, 2), 3, 8, 16, 33, 34},
		{window(6, 6, 6, 6), 1, 24, 22, 36, 32},
	} {
		c := newConv(Float32, s.n, s.h, s.w, s.c, s.win, s.cout)
		_, ok := c.winograd()
		require.True(t, ok, s)
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			testConv(t, Float32, rng.New(7, "winograd", i, 0), s.win, [4]int{s.n, s.h, s.w, s.c}, lazies[i%len(lazies)], i%2 == 0, s.cout)
		})
	}
}

// TestErrorOfWinograd compares the errors of direct sums and of Winograd's, beside
// float64. With too few outputs for Winograd's algorithm a convolution is direct.
func TestErrorOfWinograd(t *testing.T) {
	const direct = fewChannels - 1
	win := Square(3, 1, 1, 1)
	for i, s := range []struct{ n, size, c int }{{4, 16, 32}, {2, 8, 128}, {1, 8, 512}} {
		r := rng.New(7, "error of winograd", i, 0)
		x, dx := weight(r, s.n*s.size*s.size*s.c)
		w, _ := weight(r, 9*s.c*fewChannels)
		gz, _ := weight(r, s.n*s.size*s.size*fewChannels)
		run := func(p Precision, cout int) (forward, gradient float64) {
			some := func(x []float32) ([]float32, []float64) { // the first channels
				y, d := Floats(len(x)/fewChannels*cout), make([]float64, len(x)/fewChannels*cout)
				for i := range y {
					y[i] = x[i/cout*fewChannels+i%cout]
					d[i] = float64(y[i])
				}
				return y, d
			}
			w, dw := some(w)
			gz, dgz := some(gz)
			z, gw, pool := Floats(len(gz)), Floats(len(w)), NewThreadPool(1)
			m, g := Plain(s.n, s.size, s.size, s.c, x), Plain(s.n, s.size, s.size, cout, gz)
			ConvForward(pool, p, m, win, false, w, nil, z, cout, nil)
			ConvBackward(pool, p, g, m, win, false, w, nil, gw, nil)
			input := dense{s.n, s.size, s.size, s.c, dx}
			_, wantW, _ := refConvBackward(dense{s.n, s.size, s.size, cout, dgz}, input, win, dw)
			return relativeError(z, refConv(input, win, dw, nil, cout).v), relativeError(gw, wantW)
		}
		for p, ratio := range map[Precision][2]float64{Float32: {1, 2.5}, BFloat16: {1.9, 1.9}} {
			forward, gradient := run(p, direct)
			forwardW, gradientW := run(p, fewChannels)
			t.Logf("%+v: outputs %.2g direct, %.2g Winograd; weight gradients %.2g, %.2g", s, forward, forwardW, gradient, gradientW)
			require.Less(t, forwardW, ratio[0]*forward)
			require.Less(t, gradientW, ratio[1]*gradient)
		}
	}
}

// relativeError returns the root mean square of the errors relative to that of
// the numbers.
func relativeError(got []float32, want []float64) float64 {
	var errors, squares float64
	for i, v := range want {
		e := float64(got[i]) - v
		errors += e * e
		squares += v * v
	}
	return math.Sqrt(errors / squares)
}
