package kernel

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
)

// convWindows are those of convolutions: with unequal rows and columns, large
// dilations, and padding beyond the reach of the kernel.
func convWindows() []Window {
	return append(squareWindows(),
		Window{KH: 1, KW: 7, SH: 1, SW: 2, PH: 0, PW: 3, DH: 1, DW: 1},
		Window{KH: 7, KW: 1, SH: 2, SW: 1, PH: 3, PW: 0, DH: 1, DW: 1},
		Window{KH: 7, KW: 1, SH: 1, SW: 1, PH: 3, PW: 0, DH: 1, DW: 1},
		Window{KH: 3, KW: 2, SH: 3, SW: 1, PH: 2, PW: 1, DH: 2, DW: 3},
		Square(3, 1, 6, 6), Square(3, 1, 18, 18), Square(2, 1, 0, 1), Square(1, 1, 1, 1), Square(2, 3, 2, 1))
}

func TestConv(t *testing.T) {
	eachWindow(t, convWindows(), func(t *testing.T, r *rand.Rand, win Window, s [4]int, kind string) {
		for _, relu := range []bool{false, true} {
			testConv(t, Float32, r, win, s, kind, relu, 5)
		}
	})
}

// Weights too large for one product.
func TestConvOfManyChannels(t *testing.T) {
	const c, cout = 300, 150
	require.Greater(t, 3*c, tileDepth)
	require.Greater(t, cout, tileFloats/tileDepth)
	require.Greater(t, 3*c, tileFloats/cout)
	for i, shape := range [][4]int{{1, 3, 2, c}, {1, 2, narrowStrip, c}} {
		win := Window{KH: 2, KW: 3, SH: 1, SW: 1, PH: 1, PW: 1, DH: 1, DW: 1}
		testConv(t, Float32, rng.New(7, "many channels", i, 0), win, shape, "affine", i > 0, cout)
	}
}

// TestConvOfPanels reaches the forward convolutions that store their weights in
// panels first.
func TestConvOfPanels(t *testing.T) {
	for i, win := range []Window{Square(3, 1, 1, 1), Square(1, 1, 0, 1), Square(3, 2, 1, 1), Square(2, 1, 2, 2)} {
		const c = 3
		cout := panelWidth + 1 + i*17
		h := 21 * win.SH
		s := newConv(Float32, 2, h, 37, c, win, cout)
		require.True(t, s.packs())
		testConv(t, Float32, rng.New(7, "panels", i, 0), win, [4]int{2, h, 37, c}, "affine", i%2 == 0, cout)
	}
}

// TestConvByWeightTiles reaches tiles of several groups, incomplete ones, and taps that see
// only padding.
func TestConvByWeightTiles(t *testing.T) {
	for i, s := range []struct {
		win     Window
		n, h, w int
		c, cout int
	}{
		{Square(3, 2, 1, 1), 2, 5, 7, 132, 140},
		{Square(3, 1, 7, 7), 1, 9, 6, 36, 500},
		{Square(1, 1, 0, 1), 5, 6, 7, 600, 260},
		{Square(1, 1, 1, 1), 3, 9, 4, 400, 330},
		{Window{KH: 1, KW: 7, SH: 1, SW: 1, PH: 0, PW: 3, DH: 1, DW: 1}, 1, 3, 9, 150, 140},
	} {
		c := newConv(Float32, s.n, s.h, s.w, s.c, s.win, s.cout)
		_, ok := c.weightTiles()
		require.True(t, ok)
		testConv(t, Float32, rng.New(7, "weight tiles", i, 0), s.win, [4]int{s.n, s.h, s.w, s.c}, lazies[i], i%2 == 0, s.cout)
	}
}

// Weight gradients of large layers keep 64 workers busy, with few buffers.
func TestManyTasksOfWeightGradients(t *testing.T) {
	for _, win := range []Window{Square(1, 1, 0, 1), Square(3, 1, 1, 1), Square(3, 2, 1, 1), Square(3, 1, 2, 2)} {
		for _, size := range []int{7, 8, 14} {
			for _, n := range []int{16, 32} {
				s := newConv(Float32, n, size, size, 512, win, 512)
				tasks, buffers := 0, 0
				if g, ok := s.winogradGradient(); ok {
					groups := g.groups()
					tasks, buffers = groups.count*g.weightTiles(), groups.memory()
				} else if g, ok := s.weightTiles(); ok {
					tasks, buffers = g.count*g.tiles(), g.memory()
				}
				assert.GreaterOrEqual(t, tasks, 64, "%v %d images of %d pixels", win, n, size)
				assert.Zero(t, buffers, "%v %d images of %d pixels", win, n, size)
			}
		}
	}
}

func testConv(t *testing.T, p Precision, r *rand.Rand, win Window, s [4]int, kind string, relu bool, cout int) {
	n, h, w, c := s[0], s[1], s[2], s[3]
	oh, ow := win.Out(h, w)
	x, dx := lazy(r, kind, n, h, w, c)
	seen := dx
	if relu {
		seen = dx.positive()
	}
	gz, dgz := lazy(r, kind, n, oh, ow, cout)
	weights, dw := weight(r, win.KH*win.KW*c*cout)
	bias, dbias := weight(r, cout)
	if !relu {
		bias, dbias = nil, nil
	}

	// The float64 sums are of what the products read: sums of float32 are near to them.
	forward, backward := p.even(c), p.even(cout)
	z, mom := Floats(n*oh*ow*cout), Floats(3*cout)
	operate(t, sized(ConvScratch(p, n, h, w, c, win, cout, false)), func(pool *ThreadPool) {
		ConvForward(pool, p, x, win, relu, weights, bias, z, cout, mom)
	}, z, mom)
	want := refConv(forward.rounded(seen), win, forward.roundAll(dw), dbias, cout)
	near(t, "z", want.v, z, sumTolerance)
	near(t, "moments", refMoments(want), mom, sumTolerance)

	gx, gw, gbias := Floats(x.Len()), Floats(len(weights)), Floats(cout)
	wantX, _, _ := refConvBackward(backward.rounded(dgz), seen, win, backward.roundAll(dw))
	_, wantW, _ := refConvBackward(p.rounded(dgz), p.rounded(seen), win, dw)
	_, _, wantBias := refConvBackward(dgz, seen, win, dw)
	if relu {
		wantX = dx.where(wantX)
	}
	operate(t, sized(ConvScratch(p, n, h, w, c, win, cout, true)), func(pool *ThreadPool) {
		ConvBackward(pool, p, gz, x, win, relu, weights, gx, gw, gbias)
	}, gx, gw, gbias)
	near(t, "gx", wantX.v, gx, sumTolerance)
	near(t, "gw", wantW, gw, sumTolerance)
	near(t, "gbias", wantBias, gbias, sumTolerance)
}
