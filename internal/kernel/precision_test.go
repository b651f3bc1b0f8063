package kernel

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
)

// roundAll returns numbers as products of the precision read them.
func (p Precision) roundAll(x []float64) []float64 {
	if p == Float32 {
		return x
	}
	y := make([]float64, len(x))
	var half [1]uint16
	var whole [1]float32
	for i, v := range x {
		toBFloat16Generic(half[:], []float32{float32(v)})
		fromBFloat16Generic(whole[:], half[:])
		y[i] = float64(whole[0])
	}
	return y
}

func (p Precision) rounded(d dense) dense {
	d.v = p.roundAll(d.v)
	return d
}

// TestConvInBFloat16 reaches each way to compute a convolution, with odd numbers of
// channels on either side, and of pixels.
func TestConvInBFloat16(t *testing.T) {
	for i, s := range []struct {
		win     Window
		n, h, w int
		c, cout int
	}{
		{Square(1, 1, 0, 1), 2, 9, 7, 6, 10},
		{Square(1, 1, 0, 1), 1, 3, 5, 3, 4},
		{Square(1, 1, 0, 1), 2, 4, 3, 4, 3},
		{Square(1, 2, 0, 1), 2, 9, 7, 40, 50},
		{Square(3, 1, 1, 1), 1, 9, 21, 8, 100},
		{Square(3, 2, 1, 1), 3, 8, 11, 16, 34},
		{Square(3, 1, 2, 2), 2, 9, 12, 10, 52},
		{Window{KH: 1, KW: 7, SH: 1, SW: 2, PH: 0, PW: 3, DH: 1, DW: 1}, 2, 5, 16, 18, 12},
		{Window{KH: 7, KW: 1, SH: 2, SW: 1, PH: 3, PW: 0, DH: 1, DW: 1}, 1, 12, 5, 18, 12},
		{Window{KH: 2, KW: 3, SH: 1, SW: 1, PH: 1, PW: 1, DH: 1, DW: 1}, 1, 3, 2, 300, 150},
		{Square(3, 2, 1, 1), 2, 5, 7, 132, 140},
		{Square(1, 1, 0, 1), 5, 6, 7, 600, 260},
	} {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			r := rng.New(7, "bfloat16", i, 0)
			testConv(t, BFloat16, r, s.win, [4]int{s.n, s.h, s.w, s.c}, lazies[i%len(lazies)], i%2 == 0, s.cout)
		})
	}
}

// TestStagesInBFloat16 compares with the float64 sums of numbers that are not rounded.
func TestStagesInBFloat16(t *testing.T) {
	for i, s := range [][5]int{{2, 9, 7, 6, 10}, {1, 5, 6, 3, 4}, {3, 8, 11, 48, 34}, {17, 5, 4, 16, 16}} {
		for stride := 1; stride <= 2; stride++ {
			r := rng.New(7, "stages in bfloat16", i, stride)
			x, dx := lazy(r, lazies[i], s[0], s[1], s[2], s[3])
			wins := []Window{Square(3, stride, 1, 1), Square(5, stride, 4, 2)}
			checkStages(t, BFloat16, r, lazies[i], x, dx, wins, []int{s[4], s[4] + 2})
		}
	}
}

// TestPrecisionsDiffer holds that rounding takes place, and where.
func TestPrecisionsDiffer(t *testing.T) {
	const n, h, w, cout = 1, 4, 5, 6
	for _, c := range []int{7, 8} {
		r := rng.New(7, "precisions", c, 0)
		x, _ := lazy(r, "plain", n, h, w, c)
		x.P[0] += 0x1p-12
		weights, _ := weight(r, c*cout)
		var z [2][]float32
		for p := range z {
			z[p] = Floats(n * h * w * cout)
			ConvForward(NewThreadPool(1), Precision(p), x, Square(1, 1, 0, 1), false, weights, nil, z[p], cout, nil)
		}
		require.Equal(t, c%2 == 1, fmt.Sprint(z[0]) == fmt.Sprint(z[1]), "%d channels", c)
	}
}
